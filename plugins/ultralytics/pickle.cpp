// The stack machine. Every opcode of protocols 0 to 5 but the extension registry (EXT1 to EXT4), which has no meaning outside of the process
// that registered something.
#include "pickle.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <lathe/plugin.hpp>
#include <map>

namespace lathe::ultralytics {

namespace {
// What no checkpoint comes near: the largest networks, saved with their optimizer, make some hundred thousand values.
constexpr uint64_t most_memory = uint64_t(32) << 20;  // of values and their elements
constexpr size_t most_stack = 1u << 20, most_memo = 1u << 20, most_globals = 10000, most_name = 500;
constexpr PickleId mark = no_pickle;  // on the stack only
constexpr uint64_t heap_overhead = 16;

bool printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}
}  // namespace

uint64_t PickleIds::append(std::span<const PickleId> ids) {
  uint64_t taken = 0;
  if (ids.size() > capacity_ - size_) {
    const uint64_t wanted = std::max<uint64_t>(uint64_t(size_) + ids.size(), uint64_t(capacity_) + capacity_ / 2);
    if (wanted >= no_pickle) throw std::bad_alloc();
    auto* larger = new PickleId[wanted];
    std::copy(begin(), end(), larger);
    if (capacity_ > most_within) delete[] held_.list;
    taken = (wanted - (capacity_ > most_within ? capacity_ : 0)) * sizeof(PickleId) + (capacity_ > most_within ? 0 : heap_overhead);
    held_.list = larger;
    capacity_ = static_cast<uint32_t>(wanted);
  }
  std::copy(ids.begin(), ids.end(), capacity_ > most_within ? held_.list + size_ : held_.within + size_);
  size_ += static_cast<uint32_t>(ids.size());
  return taken;
}

class PickleMachine {
 public:
  PickleMachine(Pickle& pickle, std::string_view bytes, const std::string& path) : pickle_(pickle), bytes_(bytes), path_(path) {
    // Memory that is not touched costs nothing, and growing would hold everything twice.
    pickle_.values_.reserve(std::min<uint64_t>(bytes.size(), most_memory / sizeof(PickleValue)));
    stack_.reserve(std::min<uint64_t>(bytes.size(), most_stack));
  }

  void run() {
    while (step()) {
    }
    pickle_.root_ = pop();
    pickle_.consumed_ = at_;
  }

 private:
  using Kind = PickleValue::Kind;

  [[noreturn]] void refuse(const std::string& text) const {
    sdk::Diagnostic d;
    d.text = "the pickle in the checkpoint is damaged at byte " + std::to_string(opcode_at_) + ": " + text;
    d.location = path_;
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  }

  // ---- the program ----------------------------------------------------------------------------------------------------------------

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) refuse("it ends in the middle");
    const std::string_view piece = bytes_.substr(at_, count);
    at_ += count;
    return piece;
  }
  uint64_t unsigned_number(int size) {
    const std::string_view piece = take(static_cast<uint64_t>(size));
    uint64_t value = 0;
    for (int i = size - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(piece[static_cast<size_t>(i)]);
    return value;
  }
  std::string_view counted(int size) { return take(unsigned_number(size)); }
  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) refuse("it ends in the middle");
    const std::string_view piece = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return piece;
  }

  // ---- values and the stack -------------------------------------------------------------------------------------------------------

  void charge(uint64_t bytes) {
    memory_ += bytes;
    if (memory_ > most_memory) refuse("it makes more values than any checkpoint does");
  }
  void push(PickleId id) {
    if (stack_.size() >= most_stack) refuse("it stacks more values than any checkpoint does");
    stack_.push_back(id);
  }
  PickleValue& make(Kind kind) {
    charge(sizeof(PickleValue));
    push(static_cast<PickleId>(pickle_.values_.size()));
    PickleValue& value = pickle_.values_.emplace_back();
    value.kind = kind;
    return value;
  }
  // Values that have no identity and cannot change are made once.
  void make_shared(PickleId& shared, Kind kind, int64_t integer = 0) {
    if (shared != no_pickle) return push(shared);
    make(kind).integer = integer;
    shared = stack_.back();
  }
  void make_small(uint64_t number) { make_shared(small_[number], Kind::integer, static_cast<int64_t>(number)); }
  void make_integer(int64_t number) { make(Kind::integer).integer = number; }
  void make_text(Kind kind, std::string_view text) { make(kind).text = text; }
  PickleValue& value(PickleId id) { return pickle_.values_[id]; }

  PickleId pop() {
    if (stack_.empty() || stack_.back() == mark) refuse("it takes a value where there is none");
    const PickleId id = stack_.back();
    stack_.pop_back();
    return id;
  }
  PickleId top() const {
    if (stack_.empty() || stack_.back() == mark) refuse("it takes a value where there is none");
    return stack_.back();
  }
  // Valid until the next value is pushed.
  std::span<const PickleId> pop_to_mark() {
    size_t begin = stack_.size();
    while (begin > 0 && stack_[begin - 1] != mark) --begin;
    if (begin == 0) refuse("a mark is missing");
    const std::span<const PickleId> items(stack_.data() + begin, stack_.size() - begin);
    stack_.resize(begin - 1);
    return items;
  }
  void collect(Kind kind, std::span<const PickleId> items) {
    if (kind == Kind::dictionary && items.size() % 2) refuse("a dictionary has a key without a value");
    PickleIds held;
    charge(held.append(items));
    make(kind).items = std::move(held);
  }
  void collect(Kind kind, size_t count) {
    std::array<PickleId, 3> items{};
    for (size_t i = count; i-- > 0;) items[i] = pop();
    collect(kind, std::span(items).first(count));
  }
  void call(PickleId callable, PickleId arguments) { make(Kind::call).items = {callable, arguments}; }

  // What APPEND, SETITEM and ADDITEMS add to: a value of that kind, or an object that behaves like one.
  void add(Kind kind, PickleId target, std::span<const PickleId> items) {
    PickleValue& v = value(target);
    if (v.kind != kind && v.kind != Kind::call) refuse("it adds elements to what can hold none");
    auto& held = v.kind == Kind::call ? v.contents : v.items;
    charge(held.append(items));
  }

  void remember(uint64_t index) {
    const PickleId id = top();
    if (index >= most_memo) refuse("it remembers more values than any checkpoint does");
    if (index >= memo_.size()) memo_.resize(index + 1, no_pickle);
    remembered_ += memo_[index] == no_pickle;
    memo_[index] = id;
  }
  void recall(uint64_t index) {
    if (index >= memo_.size() || memo_[index] == no_pickle) refuse("it recalls a value that it never remembered");
    push(memo_[index]);
  }

  uint64_t decimal(std::string_view text) {
    uint64_t number = 0;
    if (text.empty() || text.size() > 10) refuse("a number is expected");
    for (const char c : text) {
      if (c < '0' || c > '9') refuse("a number is expected");
      number = number * 10 + static_cast<uint64_t>(c - '0');
    }
    return number;
  }
  // INT and LONG: decimal text; "00" and "01" are False and True.
  void decimal_integer(std::string_view text, bool booleans) {
    if (!text.empty() && text.back() == 'L') text.remove_suffix(1);
    if (booleans && (text == "00" || text == "01")) {
      make(Kind::boolean).integer = text == "01";
      return;
    }
    const size_t sign = !text.empty() && text[0] == '-' ? 1 : 0;
    if (text.size() == sign || text.find_first_not_of("0123456789", sign) != std::string_view::npos) refuse("an integer is expected");
    if (text.size() > 20) return make_text(Kind::big, text);
    errno = 0;
    const long long number = std::strtoll(std::string(text).c_str(), nullptr, 10);
    if (errno != 0) return make_text(Kind::big, text);
    make_integer(number);
  }
  void long_integer(std::string_view digits) {
    if (digits.size() > 8) return make_text(Kind::big, digits);
    int64_t number = !digits.empty() && (static_cast<unsigned char>(digits.back()) & 0x80) ? -1 : 0;
    for (size_t i = digits.size(); i-- > 0;)
      number = static_cast<int64_t>(static_cast<uint64_t>(number) << 8 | static_cast<unsigned char>(digits[i]));
    make_integer(number);
  }
  void decimal_real(std::string_view text) {
    if (text.size() > 400) refuse("a number is expected");
    const std::string terminated(text);
    char* end = nullptr;
    const double number = std::strtod(terminated.c_str(), &end);
    if (terminated.empty() || *end != '\0') refuse("a number is expected");
    make(Kind::real).real = number;
  }
  // BINFLOAT: IEEE 754 binary64, big endian.
  void binary_real() {
    const std::string_view piece = take(8);
    uint64_t bits = 0;
    for (const char c : piece) bits = bits << 8 | static_cast<unsigned char>(c);
    double number;
    std::memcpy(&number, &bits, sizeof number);
    make(Kind::real).real = number;
  }
  // STRING of protocol 0: a Python literal. Escapes are left as they are: nothing that matters in a checkpoint has any.
  std::string_view literal(std::string_view text) {
    if (text.size() < 2 || (text.front() != '\'' && text.front() != '"') || text.back() != text.front()) refuse("a quoted text is expected");
    return text.substr(1, text.size() - 2);
  }
  void global(std::string_view module, std::string_view name) {
    if (module.size() > most_name || name.size() > most_name) refuse("the name of a class or function is longer than any is");
    if (!printable(module) || !printable(name)) refuse("the name of a class or function holds control characters");
    const auto [known, fresh] = globals_.emplace(std::pair(module, name), no_pickle);
    if (!fresh) return push(known->second);
    if (globals_.size() > most_globals) refuse("it names more classes and functions than any checkpoint does");
    PickleValue& v = make(Kind::global);
    v.text = module;
    v.name = name;
    known->second = stack_.back();
  }

  bool step() {
    opcode_at_ = at_;
    const char opcode = take(1)[0];
    switch (static_cast<unsigned char>(opcode)) {
      case '.':  // STOP
        return false;
      case 0x80:  // PROTO
        if (unsigned_number(1) > 5) refuse("its protocol is newer than 5");
        break;
      case 0x95:  // FRAME
        if (unsigned_number(8) > bytes_.size() - at_) refuse("a frame is longer than the pickle");
        break;
      case '(':  // MARK
        push(mark);
        break;
      case '0':  // POP, of a mark too
        if (stack_.empty()) refuse("it takes a value where there is none");
        stack_.pop_back();
        break;
      case '1':  // POP_MARK
        pop_to_mark();
        break;
      case '2':  // DUP
        push(top());
        break;

      case 'N':
        make_shared(none_, Kind::none);
        break;
      case 0x88:  // NEWTRUE
        make_shared(true_, Kind::boolean, 1);
        break;
      case 0x89:  // NEWFALSE
        make_shared(false_, Kind::boolean, 0);
        break;
      case 'I':
        decimal_integer(line(), true);
        break;
      case 'L':
        decimal_integer(line(), false);
        break;
      case 'J':  // BININT
        make_integer(static_cast<int32_t>(unsigned_number(4)));
        break;
      case 'K':  // BININT1
        make_small(unsigned_number(1));
        break;
      case 'M':  // BININT2
        make_integer(static_cast<int64_t>(unsigned_number(2)));
        break;
      case 0x8a:  // LONG1
        long_integer(counted(1));
        break;
      case 0x8b:  // LONG4
        long_integer(counted(4));
        break;
      case 'F':
        decimal_real(line());
        break;
      case 'G':  // BINFLOAT
        binary_real();
        break;

      case 'S':  // STRING
        make_text(Kind::text, literal(line()));
        break;
      case 'V':  // UNICODE
        make_text(Kind::text, line());
        break;
      case 'T':  // BINSTRING
        make_text(Kind::text, counted(4));
        break;
      case 'U':  // SHORT_BINSTRING
        make_text(Kind::text, counted(1));
        break;
      case 'X':  // BINUNICODE
        make_text(Kind::text, counted(4));
        break;
      case 0x8c:  // SHORT_BINUNICODE
        make_text(Kind::text, counted(1));
        break;
      case 0x8d:  // BINUNICODE8
        make_text(Kind::text, counted(8));
        break;
      case 'B':  // BINBYTES
        make_text(Kind::bytes, counted(4));
        break;
      case 'C':  // SHORT_BINBYTES
        make_text(Kind::bytes, counted(1));
        break;
      case 0x8e:  // BINBYTES8
      case 0x96:  // BYTEARRAY8
        make_text(Kind::bytes, counted(8));
        break;

      case ')':  // EMPTY_TUPLE
        make_shared(empty_tuple_, Kind::tuple);
        break;
      case ']':  // EMPTY_LIST
        make(Kind::list);
        break;
      case '}':  // EMPTY_DICT
        make(Kind::dictionary);
        break;
      case 0x8f:  // EMPTY_SET
        make(Kind::set);
        break;
      case 't':  // TUPLE
        collect(Kind::tuple, pop_to_mark());
        break;
      case 0x85:  // TUPLE1, TUPLE2, TUPLE3
      case 0x86:
      case 0x87:
        collect(Kind::tuple, static_cast<size_t>(static_cast<unsigned char>(opcode) - 0x84));
        break;
      case 'l':  // LIST
        collect(Kind::list, pop_to_mark());
        break;
      case 'd':  // DICT
        collect(Kind::dictionary, pop_to_mark());
        break;
      case 0x91:  // FROZENSET
        collect(Kind::set, pop_to_mark());
        break;
      case 'a': {  // APPEND
        const PickleId item = pop();
        add(Kind::list, top(), std::span(&item, 1));
        break;
      }
      case 'e': {  // APPENDS
        const std::span<const PickleId> items = pop_to_mark();
        add(Kind::list, top(), items);
        break;
      }
      case 0x90: {  // ADDITEMS
        const std::span<const PickleId> items = pop_to_mark();
        add(Kind::set, top(), items);
        break;
      }
      case 's': {  // SETITEM
        const PickleId item = pop(), key = pop();
        add(Kind::dictionary, top(), std::array{key, item});
        break;
      }
      case 'u': {  // SETITEMS
        const std::span<const PickleId> items = pop_to_mark();
        if (items.size() % 2) refuse("a dictionary has a key without a value");
        add(Kind::dictionary, top(), items);
        break;
      }

      case 'c': {  // GLOBAL
        const std::string_view module = line(), name = line();
        global(module, name);
        break;
      }
      case 0x93: {  // STACK_GLOBAL
        const PickleId name = pop(), module = pop();
        if (value(name).kind != Kind::text || value(module).kind != Kind::text) refuse("a global's name is no text");
        global(value(module).text, value(name).text);
        break;
      }
      case 'R':     // REDUCE
      case 0x81: {  // NEWOBJ
        const PickleId arguments = pop(), callable = pop();
        call(callable, arguments);
        break;
      }
      case 0x92: {  // NEWOBJ_EX: the keyword arguments are kept as contents
        const PickleId keywords = pop(), arguments = pop(), callable = pop();
        if (value(keywords).kind != Kind::dictionary) refuse("keyword arguments are no dictionary");
        call(callable, arguments);
        PickleValue& made = value(top());
        charge(made.contents.append({value(keywords).items.begin(), value(keywords).items.size()}));
        break;
      }
      case 'i': {  // INST
        const std::string_view module = line(), name = line();
        collect(Kind::tuple, pop_to_mark());
        const PickleId arguments = pop();
        global(module, name);
        call(pop(), arguments);
        break;
      }
      case 'o': {  // OBJ
        const std::span<const PickleId> items = pop_to_mark();
        if (items.empty()) refuse("a class is missing");
        const PickleId callable = items.front();
        collect(Kind::tuple, items.subspan(1));
        call(callable, pop());
        break;
      }
      case 'b': {  // BUILD
        const PickleId state = pop();
        PickleValue& object = value(top());
        if (object.kind != Kind::call) refuse("it gives a state to what has none");
        object.state = state;
        break;
      }
      case 'P':  // PERSID
        make_text(Kind::text, line());
        persistent();
        break;
      case 'Q':  // BINPERSID
        persistent();
        break;

      case 'p':  // PUT
        remember(decimal(line()));
        break;
      case 'q':  // BINPUT
        remember(unsigned_number(1));
        break;
      case 'r':  // LONG_BINPUT
        remember(unsigned_number(4));
        break;
      case 0x94:  // MEMOIZE
        remember(remembered_);
        break;
      case 'g':  // GET
        recall(decimal(line()));
        break;
      case 'h':  // BINGET
        recall(unsigned_number(1));
        break;
      case 'j':  // LONG_BINGET
        recall(unsigned_number(4));
        break;
      default:
        refuse("byte " + std::to_string(static_cast<unsigned char>(opcode)) + " is no instruction of a pickle that is read here");
    }
    return true;
  }

  void persistent() {
    const PickleId identifier = pop();
    make(Kind::persistent).items = {identifier};
  }

  Pickle& pickle_;
  std::string_view bytes_;
  const std::string& path_;
  uint64_t at_ = 0, opcode_at_ = 0, memory_ = 0;
  std::vector<PickleId> stack_, memo_;  // of the memo: no_pickle where nothing was remembered
  uint64_t remembered_ = 0;
  PickleId none_ = no_pickle, true_ = no_pickle, false_ = no_pickle, empty_tuple_ = no_pickle;
  std::vector<PickleId> small_ = std::vector<PickleId>(256, no_pickle);  // the integers 0 to 255
  std::map<std::pair<std::string_view, std::string_view>, PickleId> globals_;
};

Pickle::Pickle(std::string_view bytes, std::string path) { PickleMachine(*this, bytes, path).run(); }

std::vector<std::string> Pickle::globals() const {
  std::vector<std::string> names;
  for (const PickleValue& v : values_)
    if (v.kind == PickleValue::Kind::global) names.push_back(std::string(v.text) + "." + std::string(v.name));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

const PickleIds* pairs(const Pickle& pickle, PickleId id) {
  if (id == no_pickle) return nullptr;
  const PickleValue& v = pickle[id];
  if (v.kind == PickleValue::Kind::dictionary) return &v.items;
  if (v.kind != PickleValue::Kind::call) return nullptr;
  if (!v.contents.empty() || v.state == no_pickle || pickle[v.state].kind != PickleValue::Kind::dictionary) return &v.contents;
  return &pickle[v.state].items;
}

PickleId find_key(const Pickle& pickle, PickleId dictionary, std::string_view key) {
  const PickleIds* items = pairs(pickle, dictionary);
  for (size_t i = 0; items && i + 1 < items->size(); i += 2) {
    const PickleValue& k = pickle[(*items)[i]];
    if (k.kind == PickleValue::Kind::text && k.text == key) return (*items)[i + 1];
  }
  return no_pickle;
}

}  // namespace lathe::ultralytics
