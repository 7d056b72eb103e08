// Regular expressions in RE2's syntax (github.com/google/re2/wiki/Syntax), matched in linear time over code points.
//
// The pattern becomes a tree, the tree a program, and the program is run on all its states at once, one code point after the other (K. Thompson,
// "Regular Expression Search Algorithm", Communications of the ACM 11(6), 1968). Groups are not captured, so only "does all of it match?" can be
// asked. Not taken, with a sentence: back references, look-around, \C. Freestanding: the caller brings the memory.
#pragma once
#include "lathe/kernels/unicode.hpp"
#include "lathe/kernels/unicode_properties.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE::regex {

// A span of code points, both ends included; or, where `low` is negative, those that have a property, or all others.
struct Range {
  int32_t low, high;

  static constexpr int32_t opposite = 1 << 30;  // in `high`, beside a property's value
  bool holds(int32_t c) const {
    if (low >= 0) return c >= low && c <= high;
    return unicode::has({unicode::Property::Kind(-low), high & ~opposite}, c) != ((high & opposite) != 0);
  }
};

enum class Kind : uint8_t { empty, set, assertion, sequence, either, repeat };
enum class Assertion : uint8_t { text_begin, text_end, line_begin, line_end, word_edge, no_word_edge };

// Of the tree. `set`: ranges first..first+second-1, negated or not. `sequence` and `either`: children first and second. `repeat`: child `first`,
// least to most times (most < 0: without end).
struct Tree {
  Kind kind;
  bool negated, folds;
  Assertion assertion;
  int32_t first, second, least, most;
};

// Of the program. `set` goes on with the next instruction; `split` with both targets.
enum class Action : uint8_t { set, assertion, split, accept };
struct Instruction {
  Action action;
  bool negated, folds;
  Assertion assertion;
  int32_t first, second;  // ranges of a set, or targets of a split
};

inline constexpr int32_t deepest_nesting = 200, most_repeats = 1000, most_instructions = 100000;

// Memory for one pattern of `size` bytes; the three areas are the caller's.
struct Pattern {
  Tree* tree = nullptr;
  Range* ranges = nullptr;
  int32_t trees = 0, range_count = 0, root = -1;
  static int64_t tree_capacity(int64_t size) { return 2 * size + 2; }
  static int64_t range_capacity(int64_t size) { return 16 * size + 16; }
};

class Parser {
 public:
  Parser(const char* text, int64_t size, Pattern& pattern) : text_(text), size_(size), pattern_(pattern) {}
  // nullptr, or what is wrong with the pattern.
  const char* parse() {
    pattern_.root = alternatives(0);
    if (!error_ && at_ < size_) error_ = "the pattern has a ) without a (";
    return error_;
  }

 private:
  struct Flags {
    bool fold = false, lines = false, dot_all = false;
  };

  int32_t fail(const char* sentence) {
    if (!error_) error_ = sentence;
    return 0;
  }
  bool more() const { return !error_ && at_ < size_; }
  char peek(int64_t ahead = 0) const { return at_ + ahead < size_ ? text_[at_ + ahead] : '\0'; }
  bool starts(const char* word) const {
    for (int64_t i = 0; word[i]; ++i)
      if (at_ + i >= size_ || text_[at_ + i] != word[i]) return false;
    return true;
  }
  bool take(const char* word) {
    if (!starts(word)) return false;
    while (*word++) ++at_;
    return true;
  }
  int32_t point() { return unicode::decode(text_, size_, at_); }

  int32_t node(Kind kind, int32_t first = 0, int32_t second = 0) {
    if (pattern_.trees == Pattern::tree_capacity(size_)) return fail("the pattern is too long");
    pattern_.tree[pattern_.trees] = {kind, false, flags_.fold, Assertion::text_begin, first, second, 0, 0};
    return pattern_.trees++;
  }
  int32_t assertion(Assertion what) {
    const int32_t id = node(Kind::assertion);
    pattern_.tree[id].assertion = what;
    return id;
  }
  void add(int32_t low, int32_t high) {
    if (pattern_.range_count == Pattern::range_capacity(size_)) return void(fail("the pattern is too long"));
    pattern_.ranges[pattern_.range_count++] = {low, high};
  }
  // All but what lies in the ranges that were added since `begin` (they do not overlap and stand in order).
  void complement(int32_t begin) {
    const int32_t end = pattern_.range_count;
    int32_t low = 0;
    for (int32_t i = begin; i < end; ++i) {
      const Range inside = pattern_.ranges[i];
      pattern_.ranges[i] = {low, inside.low - 1};
      low = inside.high + 1;
    }
    add(low, 0x10ffff);
  }
  int32_t single(int32_t low, int32_t high) {
    const int32_t first = pattern_.range_count;
    add(low, high);
    return node(Kind::set, first, 1);
  }

  // Items joined by nodes of one kind: (first, (second, (third, fourth))), so that the walk over the tree goes down along the last one only.
  struct Chain {
    int32_t head = -1, tail = -1;
  };
  void append(Chain& chain, Kind kind, int32_t item) {
    if (chain.head < 0) {
      chain.head = item;
    } else if (chain.tail < 0) {
      chain.head = chain.tail = node(kind, chain.head, item);
    } else {
      const int32_t joint = node(kind, pattern_.tree[chain.tail].second, item);
      chain.tail = pattern_.tree[chain.tail].second = joint;
    }
  }

  int32_t alternatives(int32_t depth) {
    if (depth > deepest_nesting) return fail("the pattern has too many groups within each other");
    const Flags outside = flags_;  // flags set inside a group end with it
    Chain chain;
    append(chain, Kind::either, sequence(depth));
    while (more() && take("|")) append(chain, Kind::either, sequence(depth));
    flags_ = outside;
    return chain.head;
  }

  int32_t sequence(int32_t depth) {
    Chain chain;
    while (more() && (quoting_ || (peek() != '|' && peek() != ')'))) {
      if (quoting_ ? take("\\E") : take("\\Q")) {
        quoting_ = !quoting_;
        continue;
      }
      append(chain, Kind::sequence, repeated(depth));
    }
    return chain.head < 0 ? node(Kind::empty) : chain.head;
  }

  // {n}, {n,} or {n,m} here; anything else that begins with { stands for itself.
  bool counted(int64_t& least, int64_t& most) {
    int64_t at = at_ + 1;
    const auto digits = [&](int64_t& value) {
      const int64_t begin = at;
      value = 0;
      while (at < size_ && text_[at] >= '0' && text_[at] <= '9') {
        value = value > most_repeats ? value : value * 10 + (text_[at] - '0');
        ++at;
      }
      return at > begin;
    };
    if (!digits(least)) return false;
    most = least;
    if (at < size_ && text_[at] == ',') {
      ++at;
      if (!digits(most)) most = -1;
    }
    if (at >= size_ || text_[at] != '}') return false;
    at_ = at + 1;
    return true;
  }

  int32_t repeated(int32_t depth) {
    int32_t id = quoting_ ? literal() : atom(depth);
    if (quoting_ && take("\\E")) quoting_ = false;
    if (quoting_) return id;
    bool again = false;
    while (more()) {
      int64_t least = 0, most = -1;
      if (peek() == '*' || peek() == '+' || peek() == '?') {
        least = peek() == '+';
        most = peek() == '?' ? 1 : -1;
        ++at_;
      } else if (peek() != '{' || !counted(least, most)) {
        break;
      }
      if (again) return fail("the pattern repeats a repetition; put a group around it");
      if (least > most_repeats || most > most_repeats || (most >= 0 && most < least))
        return fail("the pattern has a repetition count above 1000, or a least count above the most");
      take("?");  // a lazy repetition matches the same texts
      again = true;
      id = node(Kind::repeat, id);
      pattern_.tree[id].least = int32_t(least);
      pattern_.tree[id].most = int32_t(most);
    }
    return id;
  }

  int32_t atom(int32_t depth) {
    switch (peek()) {
      case '(':
        return group(depth);
      case '[':
        return bracketed();
      case '*':
      case '+':
      case '?':
        return fail("the pattern repeats nothing");
      case '.': {
        ++at_;
        if (flags_.dot_all) return single(0, 0x10ffff);
        const int32_t first = pattern_.range_count;
        add('\n', '\n');
        complement(first);
        return node(Kind::set, first, 2);
      }
      case '^':
        ++at_;
        return assertion(flags_.lines ? Assertion::line_begin : Assertion::text_begin);
      case '$':
        ++at_;
        return assertion(flags_.lines ? Assertion::line_end : Assertion::text_end);
      case '\\':
        return escaped();
      default:
        return literal();
    }
  }
  int32_t literal() {
    const int32_t c = point();
    return c < 0 ? fail("the pattern is no UTF-8") : single(c, c);
  }

  int32_t group(int32_t depth) {
    ++at_;
    if (starts("?=") || starts("?!") || starts("?<=") || starts("?<!")) return fail("the pattern looks around, which RE2's syntax does not have");
    const Flags outside = flags_;
    if (take("?P<") || take("?<")) {
      const int64_t begin = at_;
      while (at_ < size_ && peek() != '>') ++at_;
      if (at_ == begin || !take(">")) return fail("the pattern has a group without a proper name");
    } else if (take("?")) {
      bool value = true, any = false;
      for (;; ++at_) {
        const char c = peek();
        if (c == ')' || c == ':') break;
        if (c == '-' && value) {
          value = false;
        } else if (c == 'i' || c == 'm' || c == 's' || c == 'U') {
          (c == 'i' ? flags_.fold : c == 'm' ? flags_.lines : c == 's' ? flags_.dot_all : ignored_) = value;
          any = true;
        } else {
          return fail("the pattern has an unknown flag of a group; there are i, m, s and U");
        }
      }
      if (!value && !any) return fail("the pattern has a group that lacks its flags");
      if (take(")")) return node(Kind::empty);  // the flags hold for the rest of the group around it
      ++at_;
    }
    const int32_t id = alternatives(depth + 1);
    if (!take(")")) return fail("the pattern has a ( without a )");
    flags_ = outside;
    return id;
  }

  // Adds \d, \s, \w or their opposites; false when the letter is none of them.
  bool perl_class(char letter) {
    const int32_t begin = pattern_.range_count;
    switch (letter | 0x20) {
      case 'd':
        add('0', '9');
        break;
      case 's':
        add('\t', '\n');
        add('\f', '\r');
        add(' ', ' ');
        break;
      case 'w':
        add('0', '9');
        add('A', 'Z');
        add('_', '_');
        add('a', 'z');
        break;
      default:
        return false;
    }
    if (!(letter & 0x20)) complement(begin);
    return true;
  }

  bool at_property(int64_t ahead) const { return peek(ahead) == 'p' || peek(ahead) == 'P'; }
  // \pN, \p{Name}, and \P or \p{^Name} for their opposites; the backslash was read. Adds the property and says whether the opposite is meant.
  bool property() {
    bool negated = text_[at_++] == 'P';
    const bool braces = take("{");
    if (braces && take("^")) negated = !negated;
    const int64_t begin = at_;
    do ++at_;
    while (braces && at_ < size_ && peek() != '}');
    const unicode::Property found = at_ <= size_ ? unicode::property(text_ + begin, at_ - begin) : unicode::Property{};
    if (found.kind == unicode::Property::none || (braces && !take("}")))
      fail("the pattern names an unknown Unicode property; there are general categories and scripts, as in \\p{Lu} and \\p{Greek}");
    add(-found.kind, found.value);
    return negated;
  }

  static int32_t digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = char(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  }

  // The code point of an escape that stands for one; the backslash was read. -1 and the error otherwise.
  int32_t escaped_point() {
    const char c = peek();
    const auto is_digit = [](char d) { return d >= '0' && d <= '7'; };
    if (c == '0' || (is_digit(c) && is_digit(peek(1)))) {  // one to three octal digits; a single one that is not 0 is a back reference
      int32_t value = 0;
      for (int i = 0; i < 3 && is_digit(peek()); ++i) value = value * 8 + (text_[at_++] - '0');
      return value;
    }
    if (c >= '1' && c <= '9') return fail("the pattern refers back to a group, which RE2's syntax does not have"), -1;
    ++at_;
    switch (c) {
      case 'a':
        return '\a';
      case 'f':
        return '\f';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'v':
        return '\v';
      case 'x': {
        int32_t value = 0, count = 0;
        const bool braces = take("{");
        for (; digit(peek()) >= 0 && at_ < size_ && (braces || count < 2) && value <= 0x10ffff; ++count) value = value * 16 + digit(text_[at_++]);
        if (value > 0x10ffff || (braces ? count == 0 || !take("}") : count != 2)) return fail("the pattern has a bad \\x escape"), -1;
        return value;
      }
      case 'C':
        return fail("the pattern asks for single bytes (\\C), but it is matched by code points"), -1;
      default:
        break;
    }
    const bool letter = digit(c) >= 0 || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || uint8_t(c) >= 0x80 || c == '\0';
    if (letter) return fail("the pattern has an unknown escape"), -1;
    return c;
  }

  int32_t escaped() {
    ++at_;
    if (at_ >= size_) return fail("the pattern ends in a backslash");
    if (take("A")) return assertion(Assertion::text_begin);
    if (take("z")) return assertion(Assertion::text_end);
    if (take("b")) return assertion(Assertion::word_edge);
    if (take("B")) return assertion(Assertion::no_word_edge);
    const int32_t first = pattern_.range_count;
    if (perl_class(peek())) {
      ++at_;
      return node(Kind::set, first, pattern_.range_count - first);
    }
    if (at_property(0)) {
      const bool negated = property();
      const int32_t id = node(Kind::set, first, 1);
      pattern_.tree[id].negated = negated;
      return id;
    }
    const int32_t c = escaped_point();
    return c < 0 ? 0 : single(c, c);
  }

  // [:alpha:] and its kin; false when there is none of that here.
  bool posix_class() {
    struct Named {
      const char* name;
      Range ranges[4];  // up to the first {0, 0}
    };
    static constexpr Named classes[] = {{"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
                                        {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
                                        {"ascii", {{0, 0x7f}}},
                                        {"blank", {{'\t', '\t'}, {' ', ' '}}},
                                        {"cntrl", {{0, 0x1f}, {0x7f, 0x7f}}},
                                        {"digit", {{'0', '9'}}},
                                        {"graph", {{'!', '~'}}},
                                        {"lower", {{'a', 'z'}}},
                                        {"print", {{' ', '~'}}},
                                        {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
                                        {"space", {{'\t', '\r'}, {' ', ' '}}},
                                        {"upper", {{'A', 'Z'}}},
                                        {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
                                        {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}}};
    if (!starts("[:")) return false;
    int64_t end = at_ + 2;
    while (end + 1 < size_ && !(text_[end] == ':' && text_[end + 1] == ']')) ++end;
    if (end + 1 >= size_) return false;
    const bool opposite = peek(2) == '^';
    const int64_t begin = at_ + 2 + opposite;
    for (const Named& named : classes) {
      int64_t i = 0;
      while (begin + i < end && named.name[i] && named.name[i] == text_[begin + i]) ++i;
      if (begin + i != end || named.name[i]) continue;
      const int32_t first = pattern_.range_count;
      for (const Range& r : named.ranges)
        if (r.high) add(r.low, r.high);
      if (opposite) complement(first);
      at_ = end + 2;
      return true;
    }
    fail("the pattern has an unknown class of the form [:name:]");
    return true;
  }

  int32_t bracketed() {
    ++at_;
    const bool negated = take("^");
    const int32_t first = pattern_.range_count;
    for (bool begin = true; begin || peek() != ']'; begin = false) {
      if (!more()) return fail("the pattern has a [ without a ]");
      if (posix_class()) continue;
      if (peek() == '\\' && perl_class(peek(1))) {
        at_ += 2;
        continue;
      }
      if (peek() == '\\' && at_property(1)) {
        ++at_;
        if (property() && !error_) pattern_.ranges[pattern_.range_count - 1].high |= Range::opposite;
        continue;
      }
      const int32_t low = class_point();
      int32_t high = low;
      if (peek() == '-' && at_ + 1 < size_ && peek(1) != ']') {
        ++at_;
        if (peek() == '\\' && (at_property(1) || perl_class(peek(1)))) return fail("the pattern has a class as the end of a range");
        high = class_point();
      }
      if (error_) return 0;
      if (high < low) return fail("the pattern has a range whose end lies before its begin");
      add(low, high);
    }
    ++at_;
    const int32_t id = node(Kind::set, first, pattern_.range_count - first);
    pattern_.tree[id].negated = negated;
    return id;
  }
  int32_t class_point() {
    if (take("\\")) return at_ < size_ ? escaped_point() : fail("the pattern ends in a backslash");
    const int32_t c = at_ < size_ ? point() : fail("the pattern has a [ without a ]");
    return c < 0 ? fail("the pattern is no UTF-8") : c;
  }

  const char* text_;
  int64_t size_, at_ = 0;
  Pattern& pattern_;
  Flags flags_;
  bool quoting_ = false;  // between \Q and \E every character stands for itself
  bool ignored_ = false;  // U swaps lazy and greedy, which full matches cannot tell apart
  const char* error_ = nullptr;
};

// Writes a tree's instructions, or, with program == nullptr, only counts them. Stops counting above most_instructions.
class Emitter {
 public:
  Emitter(const Pattern& pattern, Instruction* program) : pattern_(pattern), program_(program) {}
  int32_t run() {
    emit(pattern_.root);
    put(Action::accept);
    return count_;
  }
  bool too_large() const { return count_ > most_instructions || steps_ > most_steps; }

 private:
  static constexpr int64_t most_steps = 10 * most_instructions;  // of the walk: repeating nothing costs time, but no instructions

  int32_t put(Action action) {
    if (program_) program_[count_] = {action, false, false, Assertion::text_begin, 0, 0};
    return count_++;
  }
  // A fork goes on with the next instruction or with what `second` will be told; a jump is a fork whose targets are the same.
  int32_t fork() {
    const int32_t at = put(Action::split);
    if (program_) program_[at].first = count_;
    return at;
  }
  void jump_to(int32_t at, int32_t target) {
    if (program_) program_[at].first = program_[at].second = target;
  }
  // Splits whose second target is the same place, not known yet, are linked through it.
  void link(int32_t at, int32_t& last) {
    if (program_) program_[at].second = last;
    last = at;
  }
  void land(int32_t last, bool jumps) {
    while (program_ && last >= 0) {
      const int32_t before = program_[last].second;
      program_[last].second = count_;
      if (jumps) program_[last].first = count_;
      last = before;
    }
  }

  void emit(int32_t id) {
    for (; pattern_.tree[id].kind == Kind::sequence; id = pattern_.tree[id].second) {
      if (too_large()) return;
      emit(pattern_.tree[id].first);
    }
    if (++steps_; too_large()) return;
    const Tree& t = pattern_.tree[id];
    if (t.kind == Kind::set) {
      const int32_t at = put(Action::set);
      if (program_) program_[at] = {Action::set, t.negated, t.folds, t.assertion, t.first, t.second};
    } else if (t.kind == Kind::assertion) {
      const int32_t at = put(Action::assertion);
      if (program_) program_[at].assertion = t.assertion;
    } else if (t.kind == Kind::either) {
      either(id);
    } else if (t.kind == Kind::repeat) {
      repeat(t);
    }
  }
  void either(int32_t id) {
    int32_t leaving = -1;
    for (; pattern_.tree[id].kind == Kind::either && !too_large(); id = pattern_.tree[id].second) {
      const int32_t other = fork();
      emit(pattern_.tree[id].first);
      link(put(Action::split), leaving);
      if (program_) program_[other].second = count_;
    }
    emit(id);
    land(leaving, true);
  }
  void repeat(const Tree& t) {
    for (int32_t i = 0; i < t.least && !too_large(); ++i) emit(t.first);
    int32_t leaving = -1;
    if (t.most < 0) {
      const int32_t begin = fork();
      link(begin, leaving);
      emit(t.first);
      jump_to(put(Action::split), begin);
    } else {  // x{0,3} is (x(x(x)?)?)?: every fork leaves to the same end
      for (int32_t i = t.least; i < t.most && !too_large(); ++i) {
        link(fork(), leaving);
        emit(t.first);
      }
    }
    land(leaving, false);
  }

  const Pattern& pattern_;
  Instruction* program_;
  int32_t count_ = 0;
  int64_t steps_ = 0;
};

// Runs a program over texts. The four areas have `count` numbers each; the marks begin as zeros.
struct Machine {
  const Instruction* program = nullptr;
  int32_t count = 0;
  const Range* ranges = nullptr;
  int32_t *now = nullptr, *next = nullptr, *stack = nullptr, *marks = nullptr;
  int32_t mark = 0;

  bool full_match(const char* text, int64_t size) {
    int32_t states = 0;
    int64_t at = 0;
    int32_t before = none, here = peek(text, size, 0);
    advance();
    states = follow(0, now, states, before, here);
    while (at < size && states > 0) {
      unicode::decode(text, size, at);
      const int32_t c = here;
      before = c;
      here = peek(text, size, at);
      advance();
      int32_t reached = 0;
      for (int32_t i = 0; i < states; ++i) {
        const Instruction& instruction = program[now[i]];
        if (instruction.action == Action::set && accepts(instruction, c)) reached = follow(now[i] + 1, next, reached, before, here);
      }
      int32_t* const used = now;
      now = next;
      next = used;
      states = reached;
    }
    for (int32_t i = 0; i < states; ++i)
      if (program[now[i]].action == Action::accept) return at == size;
    return false;
  }

 private:
  static constexpr int32_t none = INT32_MIN;  // before the first and behind the last code point

  static int32_t peek(const char* text, int64_t size, int64_t at) { return at < size ? unicode::decode(text, size, at) : none; }
  static bool is_word(int32_t c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }

  // A generation of marks: what was reached at this place of the text.
  void advance() {
    if (mark < INT32_MAX) return void(++mark);
    for (int32_t i = 0; i < count; ++i) marks[i] = 0;
    mark = 1;
  }

  bool within(const Instruction& set, int32_t c) const {
    for (int32_t i = set.first; i < set.first + set.second; ++i)
      if (ranges[i].holds(c)) return true;
    return false;
  }
  bool accepts(const Instruction& set, int32_t c) const {
    if (c < 0) return false;  // no UTF-8: nothing matches it
    const auto is_within = [&](int32_t point) { return within(set, point); };
    const bool inside = set.folds ? unicode::in_any_case(c, is_within) : is_within(c);
    return inside != set.negated;
  }
  static bool holds(Assertion assertion, int32_t before, int32_t here) {
    switch (assertion) {
      case Assertion::text_begin:
        return before == none;
      case Assertion::text_end:
        return here == none;
      case Assertion::line_begin:
        return before == none || before == '\n';
      case Assertion::line_end:
        return here == none || here == '\n';
      case Assertion::word_edge:
        return is_word(before) != is_word(here);
      default:
        return is_word(before) == is_word(here);
    }
  }

  // Adds to a list what is reached from an instruction without reading.
  int32_t follow(int32_t from, int32_t* list, int32_t states, int32_t before, int32_t here) {
    int32_t depth = 0;
    const auto visit = [&](int32_t target) {
      if (marks[target] == mark) return;
      marks[target] = mark;
      stack[depth++] = target;
    };
    visit(from);
    while (depth > 0) {
      const int32_t at = stack[--depth];
      const Instruction& instruction = program[at];
      if (instruction.action == Action::split) {
        visit(instruction.first);
        visit(instruction.second);
      } else if (instruction.action == Action::assertion) {
        if (holds(instruction.assertion, before, here)) visit(at + 1);
      } else {
        list[states++] = at;
      }
    }
    return states;
  }
};

// Makes a machine for a pattern. `memory` gives so many bytes, aligned for any number, that outlive the machine, or null. nullptr, or why not.
template <class Memory>
const char* compile(const char* text, int64_t size, Memory&& memory, Machine& machine) {
  constexpr const char* no_memory = "there is no memory for the pattern";
  Pattern pattern;
  pattern.tree = static_cast<Tree*>(memory(uint64_t(Pattern::tree_capacity(size)) * sizeof(Tree)));
  pattern.ranges = static_cast<Range*>(memory(uint64_t(Pattern::range_capacity(size)) * sizeof(Range)));
  if (!pattern.tree || !pattern.ranges) return no_memory;
  if (const char* error = Parser(text, size, pattern).parse()) return error;
  Emitter counter(pattern, nullptr);
  const int32_t count = counter.run();
  if (counter.too_large()) return "the pattern is too large: its repetitions come to more than 100000 steps";
  auto* program = static_cast<Instruction*>(memory(uint64_t(count) * sizeof(Instruction)));
  auto* areas = static_cast<int32_t*>(memory(4 * uint64_t(count) * sizeof(int32_t)));
  if (!program || !areas) return no_memory;
  Emitter(pattern, program).run();
  for (int32_t i = 0; i < 4 * count; ++i) areas[i] = 0;
  machine = {program, count, pattern.ranges, areas, areas + count, areas + 2 * count, areas + 3 * count};
  return nullptr;
}

}  // namespace lathe::LATHE_KERNELS_NAMESPACE::regex
