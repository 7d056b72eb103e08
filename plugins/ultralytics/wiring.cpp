// Words, then statements by indentation, then expressions by precedence.
#include "wiring.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <lathe/plugin.hpp>

namespace lathe::ultralytics {
namespace {

constexpr int most_depth = 64;

struct Word {
  enum class Kind { name, number, text, symbol, end } kind = Kind::end;
  std::string text;
  int line = 0, column = 0;
};

// One logical line: its indentation and its words.
struct Line {
  int number = 0;
  size_t indentation = 0;
  std::vector<Word> words;
};

class Parser {
 public:
  Parser(const std::string& source, TextPlace place) : source_(source), place_(place) {}

  std::vector<Statement> parse(std::string_view text) {
    split(text);
    if (lines_.empty()) fail(place_.lines_before + 1, 0, "the description is empty");
    std::vector<Statement> body = block(lines_[0].indentation, 0);
    if (next_ < lines_.size()) fail_line(lines_[next_], "the indentation fits no block");
    return body;
  }

 private:
  // `column` 0: the line as a whole.
  [[noreturn]] void fail(int line, int column, const std::string& what) const {
    sdk::Diagnostic d;
    d.text = "the description of a module is wrong: " + what;
    d.location = source_ + ", line " + std::to_string(line) + (column ? ", column " + std::to_string(column) : "");
    throw sdk::Failure(LATHE_USAGE, std::move(d));
  }
  // At the word that comes next; behind the last one where the line has ended.
  [[noreturn]] void fail_here(const std::string& what) const {
    const Word& last = line_->words.back();
    if (peek().kind == Word::Kind::end) fail(last.line, last.column + static_cast<int>(last.text.size()), what);
    fail(peek().line, peek().column, what);
  }
  [[noreturn]] void fail_line(const Line& line, const std::string& what) const {
    fail(line.number, place_.columns_before + static_cast<int>(line.indentation) + 1, what);
  }

  // ---- words ------------------------------------------------------------------------------------------------------------------------

  static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
  static bool digit(char c) { return c >= '0' && c <= '9'; }

  void split(std::string_view text) {
    int number = place_.lines_before, open = 0;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view line = text.substr(begin, end - begin);
      begin = end + 1;
      ++number;
      size_t at = line.find_first_not_of(' ');
      if (at == std::string_view::npos || line[at] == '#') continue;
      if (open == 0) lines_.push_back({number, at, {}});
      words(line, at, number, open);
    }
    if (open) fail(number, 0, "a bracket is not closed");
  }

  void words(std::string_view s, size_t begin, int line, int& open) {
    std::vector<Word>& list = lines_.back().words;
    for (size_t i = begin; i < s.size();) {
      const char c = s[i];
      const int column = place_.columns_before + static_cast<int>(i) + 1;
      if (c == ' ') {
        ++i;
      } else if (c == '#') {
        return;
      } else if (letter(c)) {
        size_t end = i;
        while (end < s.size() && (letter(s[end]) || digit(s[end]))) ++end;
        list.push_back({Word::Kind::name, std::string(s.substr(i, end - i)), line, column});
        i = end;
      } else if (digit(c) || (c == '.' && i + 1 < s.size() && digit(s[i + 1]))) {
        size_t end = i;
        while (end < s.size() && (digit(s[end]) || s[end] == '.' || s[end] == 'e' || ((s[end] == '-' || s[end] == '+') && s[end - 1] == 'e'))) ++end;
        list.push_back({Word::Kind::number, std::string(s.substr(i, end - i)), line, column});
        i = end;
      } else if (c == '\'' || c == '"') {
        const size_t end = s.find(c, i + 1);
        if (end == std::string_view::npos) fail(line, column, "a text is not closed");
        list.push_back({Word::Kind::text, std::string(s.substr(i + 1, end - i - 1)), line, column});
        i = end + 1;
      } else {
        static constexpr std::string_view pairs[] = {"//", "==", "!=", "<=", ">="};
        std::string symbol(1, c);
        for (const std::string_view pair : pairs)
          if (s.substr(i, 2) == pair) symbol = pair;
        if (symbol.size() == 1 && std::string_view("+-*/%@<>=()[],.:").find(c) == std::string_view::npos)
          fail(line, column, "'" + symbol + "' has no meaning here");
        if (symbol == "(" || symbol == "[") ++open;
        if (symbol == ")" || symbol == "]") --open;
        if (open < 0) fail(line, column, "a bracket is closed that was not opened");
        list.push_back({Word::Kind::symbol, symbol, line, column});
        i += symbol.size();
      }
    }
  }

  // ---- statements -------------------------------------------------------------------------------------------------------------------

  std::vector<Statement> block(size_t indentation, int depth) {
    if (depth > most_depth) fail_line(lines_[next_], "blocks are nested too deeply");
    std::vector<Statement> body;
    while (next_ < lines_.size() && lines_[next_].indentation == indentation) body.push_back(statement(indentation, depth));
    if (next_ < lines_.size() && lines_[next_].indentation > indentation) fail_line(lines_[next_], "the indentation fits no block");
    return body;
  }

  void enter(const Line& line) {
    line_ = &line;
    at_ = 0;
    depth_ = 0;
  }

  Statement statement(size_t indentation, int depth) {
    enter(lines_[next_++]);
    Statement s;
    s.line = line_->number;
    s.column = line_->words[0].column;
    if (take("return")) {
      s.kind = Statement::Kind::give;
      s.value = whole_expression();
      return s;
    }
    if (take("for")) {
      s.kind = Statement::Kind::loop;
      s.names = targets();
      expect("in");
      s.value = expression();
      expect(":");
      s.body = body_of(indentation, depth);
      return s;
    }
    if (take("if")) return branch(indentation, depth);
    // An assignment has '=' after its targets.
    const size_t begin = at_;
    if (peek().kind == Word::Kind::name) {
      size_t i = at_ + 1;
      while (i + 1 < line_->words.size() && line_->words[i].text == "," && line_->words[i + 1].kind == Word::Kind::name) i += 2;
      if (i < line_->words.size() && line_->words[i].kind == Word::Kind::symbol && line_->words[i].text == "=") {
        s.kind = Statement::Kind::assign;
        s.names = targets();
        expect("=");
        s.value = whole_expression();
        return s;
      }
    }
    at_ = begin;
    s.value = whole_expression();
    return s;
  }

  Statement branch(size_t indentation, int depth) {
    Statement s;
    s.kind = Statement::Kind::branch;
    s.line = line_->number;
    s.column = line_->words[0].column;
    s.value = expression();
    expect(":");
    s.body = body_of(indentation, depth);
    if (next_ < lines_.size() && lines_[next_].indentation == indentation && !lines_[next_].words.empty()) {
      const std::string& word = lines_[next_].words[0].text;
      if (word == "elif" || word == "else") {
        enter(lines_[next_++]);
        ++at_;
        if (word == "elif") {
          if (depth > most_depth) fail_here("blocks are nested too deeply");
          s.otherwise.push_back(branch(indentation, depth + 1));
        } else {
          expect(":");
          s.otherwise = body_of(indentation, depth);
        }
      }
    }
    return s;
  }

  std::vector<Statement> body_of(size_t indentation, int depth) {
    if (at_ < line_->words.size()) fail_here("a block begins on a line of its own");
    if (next_ >= lines_.size() || lines_[next_].indentation <= indentation) fail_here("a block is missing");
    return block(lines_[next_].indentation, depth + 1);
  }

  std::vector<std::string> targets() {
    std::vector<std::string> names;
    do {
      if (peek().kind != Word::Kind::name) fail_here("a name is expected");
      names.push_back(line_->words[at_++].text);
    } while (take(","));
    return names;
  }

  // ---- expressions ------------------------------------------------------------------------------------------------------------------

  const Word& peek() const {
    static const Word end;
    return at_ < line_->words.size() ? line_->words[at_] : end;
  }
  bool is(std::string_view text) const { return peek().kind != Word::Kind::text && peek().kind != Word::Kind::end && peek().text == text; }
  bool take(std::string_view text) {
    if (!is(text)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view text) {
    if (!take(text)) fail_here("'" + std::string(text) + "' is expected" + (peek().kind == Word::Kind::end ? "" : " before '" + peek().text + "'"));
  }

  Expression make(Expression::Kind kind, std::vector<Expression> operands = {}, std::string text = {}) const {
    Expression e;
    e.kind = kind;
    // The word at hand; of operators and calls the one behind their first operand.
    const Word& word = line_->words[std::min(at_, line_->words.size() - 1)];
    e.line = word.line;
    e.column = word.column;
    e.operands = std::move(operands);
    e.text = std::move(text);
    return e;
  }
  Expression binary(std::string op, Expression left, Expression right) const {
    return make(Expression::Kind::binary, {std::move(left), std::move(right)}, std::move(op));
  }

  Expression whole_expression() {
    Expression first = expression();
    if (is(",")) {  // a list without brackets
      first = make(Expression::Kind::list, {std::move(first)});
      while (take(",")) first.operands.push_back(expression());
    }
    if (at_ < line_->words.size()) fail_here("'" + peek().text + "' is not expected here");
    return first;
  }

  Expression expression() {
    if (++depth_ > most_depth) fail_here("an expression is nested too deeply");
    Expression value = disjunction();
    if (take("if")) {
      Expression condition = disjunction();
      expect("else");
      Expression otherwise = expression();
      value = make(Expression::Kind::choice, {std::move(condition), std::move(value), std::move(otherwise)});
    }
    --depth_;
    return value;
  }
  Expression disjunction() {
    Expression left = conjunction();
    while (take("or")) left = binary("or", std::move(left), conjunction());
    return left;
  }
  Expression conjunction() {
    Expression left = inversion();
    while (take("and")) left = binary("and", std::move(left), inversion());
    return left;
  }
  Expression inversion() {
    if (take("not")) return make(Expression::Kind::invert, {comparison()});
    return comparison();
  }
  Expression comparison() {
    Expression left = sum();
    for (const std::string_view op : {"==", "!=", "<=", ">=", "<", ">", "in"})
      if (take(op)) return binary(std::string(op), std::move(left), sum());
    if (take("is")) {
      const bool inverted = take("not");
      left = binary("is", std::move(left), sum());
      return inverted ? make(Expression::Kind::invert, {std::move(left)}) : left;
    }
    return left;
  }
  Expression sum() {
    Expression left = product();
    for (;;) {
      if (take("+")) {
        left = binary("+", std::move(left), product());
      } else if (take("-")) {
        left = binary("-", std::move(left), product());
      } else {
        return left;
      }
    }
  }
  Expression product() {
    Expression left = sign();
    for (;;) {
      bool found = false;
      for (const std::string_view op : {"*", "//", "/", "%", "@"}) {
        if (!take(op)) continue;
        left = binary(std::string(op), std::move(left), sign());
        found = true;
        break;
      }
      if (!found) return left;
    }
  }
  Expression sign() {
    int signs = 0;
    while (take("-")) ++signs;
    Expression value = postfix();
    return signs % 2 ? make(Expression::Kind::negate, {std::move(value)}) : value;
  }
  Expression postfix() {
    Expression value = primary();
    for (;;) {
      if (take("(")) {
        value = make(Expression::Kind::call, {std::move(value)});
        while (!take(")")) {
          if (peek().kind == Word::Kind::name && at_ + 1 < line_->words.size() && line_->words[at_ + 1].text == "=" &&
              line_->words[at_ + 1].kind == Word::Kind::symbol) {
            value.keywords.push_back(line_->words[at_].text);
            at_ += 2;
            value.named.push_back(expression());
          } else {
            value.operands.push_back(expression());
          }
          if (!is(")")) expect(",");
        }
      } else if (take("[")) {
        Expression begin = is(":") ? make(Expression::Kind::none) : expression();
        if (take(":")) {
          Expression end = is("]") ? make(Expression::Kind::none) : expression();
          value = make(Expression::Kind::slice, {std::move(value), std::move(begin), std::move(end)});
        } else {
          value = make(Expression::Kind::index, {std::move(value), std::move(begin)});
        }
        expect("]");
      } else if (take(".")) {
        if (peek().kind != Word::Kind::name) fail_here("a name is expected after '.'");
        value = make(Expression::Kind::attribute, {std::move(value)}, line_->words[at_++].text);
      } else {
        return value;
      }
    }
  }
  Expression primary() {
    const Word& word = peek();
    Expression e = make(Expression::Kind::none);
    switch (word.kind) {
      case Word::Kind::number: {
        char* end = nullptr;
        e.number = std::strtod(word.text.c_str(), &end);
        if (*end != '\0') fail_here("'" + word.text + "' is no number");
        e.kind = Expression::Kind::number;
        break;
      }
      case Word::Kind::text:
        e.kind = Expression::Kind::text, e.text = word.text;
        break;
      case Word::Kind::name:
        if (word.text == "True" || word.text == "False") {
          e.kind = Expression::Kind::truth, e.number = word.text == "True";
        } else if (word.text != "None") {
          e.kind = Expression::Kind::name, e.text = word.text;
        }
        break;
      case Word::Kind::symbol:
        if (take("(")) {
          e = expression();
          if (is(",")) {
            e = make(Expression::Kind::list, {std::move(e)});
            while (take(","))
              if (!is(")")) e.operands.push_back(expression());
          }
          expect(")");
          return e;
        }
        if (take("[")) {
          e.kind = Expression::Kind::list;
          while (!take("]")) {
            e.operands.push_back(expression());
            if (!is("]")) expect(",");
          }
          return e;
        }
        [[fallthrough]];
      default:
        fail_here(word.kind == Word::Kind::end ? "the line ends in the middle" : "'" + word.text + "' is not expected here");
    }
    ++at_;
    return e;
  }

  const std::string& source_;
  const TextPlace place_;
  std::vector<Line> lines_;
  size_t next_ = 0;
  const Line* line_ = nullptr;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Wiring parse_wiring(std::string_view text, std::vector<std::string> inputs, std::string source, TextPlace place) {
  Wiring wiring;
  wiring.body = Parser(source, place).parse(text);
  wiring.source = std::move(source);
  wiring.inputs = std::move(inputs);
  return wiring;
}

namespace {

// Where the text of a YAML scalar stands in its file. A block ("|") begins on the line after its sign, indented by what its first line is.
TextPlace place_of(const std::string& yaml, const YAML::Mark& mark) {
  TextPlace place{mark.line, mark.column};
  if (mark.pos < 0 || static_cast<size_t>(mark.pos) >= yaml.size()) return place;
  const size_t sign = yaml.find_first_of("|>\n", static_cast<size_t>(mark.pos));
  const size_t end = sign == std::string::npos ? sign : yaml.find('\n', sign);
  if (end == std::string::npos || yaml[sign] == '\n') return place;
  const size_t first = yaml.find_first_not_of(" \n", end);
  const size_t line = first == std::string::npos ? first : yaml.rfind('\n', first) + 1;
  return {mark.line + 1, first == std::string::npos ? 0 : static_cast<int>(first - line)};
}

}  // namespace

void read_wirings(WiringTable& table, const std::string& yaml, const std::string& source) {
  const auto refuse = [&](const std::string& what, int line) {
    sdk::Diagnostic d;
    d.text = what;
    d.location = source + (line > 0 ? ", line " + std::to_string(line) : "");
    d.expected = "modules: {ClassName: text, or {inputs: [x], forward: text}}";
    throw sdk::Failure(LATHE_USAGE, std::move(d));
  };
  try {
    const YAML::Node file = YAML::Load(yaml);
    if (!file.IsMap() || !file["modules"] || !file["modules"].IsMap()) refuse("the file of module descriptions has no map 'modules'", 0);
    for (const auto& entry : file["modules"]) {
      const std::string name = entry.first.as<std::string>();
      const YAML::Node& node = entry.second;
      std::vector<std::string> inputs = {"x"};
      const YAML::Node forward = node.IsMap() ? node["forward"] : node;
      if (node.IsMap()) {
        if (node["inputs"]) inputs = node["inputs"].as<std::vector<std::string>>();
        for (const auto& key : node)
          if (key.first.as<std::string>() != "inputs" && key.first.as<std::string>() != "forward")
            refuse("the description of " + name + " has an unknown key '" + key.first.as<std::string>() + "'", node.Mark().line + 1);
      }
      if (!forward || !forward.IsScalar()) refuse("the description of " + name + " has no text", node.Mark().line + 1);
      table[name] = parse_wiring(forward.as<std::string>(), std::move(inputs), source + ", class " + name, place_of(yaml, forward.Mark()));
    }
  } catch (const YAML::Exception& error) {
    refuse(std::string("the file of module descriptions is no YAML: ") + error.msg, error.mark.line + 1);
  }
}

}  // namespace lathe::ultralytics
