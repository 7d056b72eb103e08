// Reader of ONNX's textual syntax: one recursive-descent parser over the characters. Memory and recursion are bounded by the text itself:
// tensors are as large as the literals that stand there, and graphs nest no deeper than max_graph_depth.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_map>
#include <utility>

#include "core/base/diagnostic.hpp"
#include "core/ir/text.hpp"
#include "core/ir/text_words.hpp"

namespace lathe {
namespace {

struct Number {
  bool real = false;  // written with a point, an exponent, or as inf or nan
  std::string_view digits;
  size_t start = 0;
};

// A graph while it is read, with the names that are known in it and the graph around it.
struct Scope {
  Graph& graph;
  Scope* outer;
  std::unordered_map<std::string, ValueId> known = {};
  std::unordered_map<std::string, ValueType> declared = {};  // types of values that are still to come
};

class Parser {
 public:
  Parser(std::string_view text, std::string source) : text_(text), source_(std::move(source)) {}

  Graph model() {
    Graph graph;
    if (peek() == '<') {
      header(graph);
    } else {
      graph.opsets[""] = canonical_opset;
    }
    graph.name = quotable("the graph's name");
    graph_body(graph, nullptr, 0);
    skip_space();
    if (at_ < text_.size()) fail(at_, "nothing may follow the graph", "the end of the text", "", "functions are not read; write their nodes inline");
    return graph;
  }

 private:
  // ---- characters

  [[noreturn]] void fail(size_t at, std::string what, std::string expected = {}, std::string found = {}, std::string hint = {}) const {
    const std::string_view before = text_.substr(0, std::min(at, text_.size()));
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    if (found.empty()) {
      size_t end = at;
      if (end < text_.size() && text::identifier_part(text_[end])) {
        while (end < text_.size() && end < at + 40 && text::identifier_part(text_[end])) ++end;
      } else if (end < text_.size()) {
        ++end;
      }
      found = at < text_.size() ? "'" + std::string(text_.substr(at, end - at)) + "'" : "the end of the text";
    }
    Diagnostic d{.text = std::move(what), .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)};
    d.location = source_ + ":" + std::to_string(line) + ":" + std::to_string(before.size() - line_start + 1);
    throw Error(Code::failed, std::move(d));
  }

  void skip_space() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        ++at_;
      } else {
        return;
      }
    }
  }

  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool accept(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }

  void expect(char c, const char* where) {
    if (!accept(c)) fail(at_, std::string("the text is malformed ") + where, std::string("'") + c + "'");
  }

  std::string_view peek_identifier() {
    if (!text::identifier_start(peek())) return {};
    size_t end = at_ + 1;
    while (end < text_.size() && text::identifier_part(text_[end])) ++end;
    return text_.substr(at_, end - at_);
  }

  std::string identifier(const char* what) {
    const std::string_view id = peek_identifier();
    if (id.empty()) fail(at_, std::string(what) + " is missing", "an identifier");
    at_ += id.size();
    return std::string(id);
  }

  std::string quoted() {
    const size_t start = at_;
    if (!accept('"')) fail(at_, "a string is missing", "'\"'");
    std::string value;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && ++at_ >= text_.size()) break;
      value += text_[at_];
    }
    if (at_ >= text_.size()) fail(start, "the string that starts here has no end", "'\"'");
    ++at_;
    return value;
  }

  bool at_quotable() { return peek() == '"' || text::identifier_start(peek()); }
  std::string quotable(const char* what) { return peek() == '"' ? quoted() : identifier(what); }

  // ---- numbers

  bool at_special_float() {
    std::string_view id = peek_identifier();
    for (const std::string_view word : {"inf", "infinity", "nan"}) {
      if (id.size() == word.size() && std::equal(id.begin(), id.end(), word.begin(), [](char a, char b) { return (a | 0x20) == b; })) {
        return true;
      }
    }
    return false;
  }

  Number number() {
    skip_space();
    const size_t start = at_;
    bool real = false;
    if (at_ < text_.size() && text_[at_] == '-') ++at_;
    if (at_ < text_.size() && text::identifier_start(text_[at_]) && at_special_float()) {
      at_ += peek_identifier().size();
      return {true, text_.substr(start, at_ - start), start};
    }
    const auto digits = [&] {
      const size_t from = at_;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
      return at_ > from;
    };
    bool any = digits();
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      real = true;
      any = digits() || any;
    }
    if (!any) fail(start, "a number is missing", "a number");
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      real = true;
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!digits()) fail(start, "a number has no digits in its exponent", "digits");
    }
    return {real, text_.substr(start, at_ - start), start};
  }

  template <class T>
  T as_integer(const Number& n) const {
    T value{};
    const char* end = n.digits.data() + n.digits.size();
    const auto [stop, error] = std::from_chars(n.digits.data(), end, value);
    if (n.real || stop != end || error != std::errc()) {
      fail(n.start, "a number does not fit", std::is_signed_v<T> ? "a 64-bit integer" : "an unsigned 64-bit integer",
           "'" + std::string(n.digits) + "'");
    }
    return value;
  }

  template <class T>
  T as_real(const Number& n) const {
    T value{};
    const char* end = n.digits.data() + n.digits.size();
    const auto [stop, error] = std::from_chars(n.digits.data(), end, value);
    if (stop != end || error == std::errc::invalid_argument) fail(n.start, "a number is malformed", "a number", "'" + std::string(n.digits) + "'");
    if (error == std::errc::result_out_of_range) {
      // Too small becomes zero, as a program text would have it; too large is a mistake.
      const double wide = std::strtod(std::string(n.digits).c_str(), nullptr);
      if (std::fabs(wide) > 1) fail(n.start, "a number is too large for its type", "", "'" + std::string(n.digits) + "'");
      return static_cast<T>(wide);
    }
    return value;
  }

  int64_t integer() { return as_integer<int64_t>(number()); }

  // ---- header

  void header(Graph& graph) {
    expect('<', "in the model's header");
    if (accept('>')) return;
    do {
      const size_t start = (skip_space(), at_);
      const std::string key = identifier("a key of the model's header");
      expect(':', "in the model's header");
      if (key == "opset_import") {
        expect('[', "in opset_import");
        if (accept(']')) continue;
        do {
          const std::string domain = quoted();
          expect(':', "in opset_import");
          graph.opsets[domain] = integer();
        } while (accept(','));
        expect(']', "in opset_import");
      } else if (key == "metadata_props") {
        expect('[', "in metadata_props");
        if (accept(']')) continue;
        do {
          const std::string name = quoted();
          expect(':', "in metadata_props");
          graph.properties[name] = quoted();
        } while (accept(','));
        expect(']', "in metadata_props");
      } else if (key == "ir_version" || key == "model_version") {
        integer();
      } else if (key == "producer_name" || key == "producer_version" || key == "domain" || key == "doc_string") {
        quoted();
      } else {
        fail(start, "the model's header has no such key",
             "ir_version, opset_import, metadata_props, producer_name, producer_version, domain, model_version or doc_string");
      }
    } while (accept(','));
    expect('>', "in the model's header");
  }

  // ---- types

  bool at_type() {
    const std::string_view id = peek_identifier();
    return !id.empty() && text::reserved(id) && id != "inf" && id != "infinity" && id != "nan";
  }

  ValueType type() {
    ValueType result;
    const auto accept_word = [&](std::string_view word) {
      if (peek_identifier() != word) return false;
      at_ += word.size();
      return true;
    };
    const bool optional = accept_word("optional");
    if (optional) expect('(', "in a type");
    const bool sequence = accept_word("seq");
    if (sequence) expect('(', "in a type");
    tensor_type(result);
    if (sequence) expect(')', "in a type");
    if (optional) expect(')', "in a type");
    result.kind = optional && sequence ? ValueKind::optional_sequence
                  : optional           ? ValueKind::optional
                  : sequence           ? ValueKind::sequence
                                       : ValueKind::tensor;
    return result;
  }

  void tensor_type(ValueType& result) {
    const size_t start = (skip_space(), at_);
    const std::string word = identifier("a type");
    const auto element = word == "undefined" ? DataType::none : parse_data_type(word);
    if (!element) {
      fail(start, "a type is not known here", "a tensor type such as float[1,3], seq(...) or optional(...) of one", "'" + word + "'",
           "maps, sparse and opaque types are not supported");
    }
    result.element = *element;
    if (!accept('[')) {
      result.shape.emplace();
      return;
    }
    if (accept(']')) return;
    result.shape.emplace();
    do {
      if (accept('?')) {
        result.shape->emplace_back();
      } else if (at_quotable()) {
        result.shape->emplace_back(quotable("a dimension"));
      } else {
        const size_t where = (skip_space(), at_);
        const int64_t value = integer();
        if (value < 0) fail(where, "a dimension is negative", "a number from 0 on, a symbol or '?'", std::to_string(value));
        result.shape->emplace_back(value);
      }
    } while (accept(','));
    expect(']', "in a shape");
  }

  // ---- tensors

  Tensor tensor_data(const ValueType& type, size_t start) {
    if (type.kind != ValueKind::tensor || type.element == DataType::none || !type.static_shape()) {
      fail(start, "a constant needs a tensor type with constant dimensions", "", to_string(type));
    }
    if (peek() == '[') fail(at_, "external data is not read from text", "'{'");
    expect('{', "in a tensor");
    std::vector<std::string> strings;
    std::vector<std::byte> bytes;
    int64_t literals = 0;
    if (!accept('}')) {
      do {
        if (peek() == '.') fail(at_, "this tensor was shortened when it was printed", "all of its elements", "'...'");
        if (type.element == DataType::string) {
          skip_space();
          strings.push_back(quoted());
        } else {
          append_element(bytes, type.element, literals);
        }
        ++literals;
      } while (accept(','));
      expect('}', "in a tensor");
    }
    const bool complex = type.element == DataType::complex64 || type.element == DataType::complex128;
    const auto count = element_count(type.dimensions());
    const bool fits = count && (!complex || *count <= INT64_MAX / 2) && *count * (complex ? 2 : 1) == literals;
    if (!fits) {
      fail(start, "a tensor's elements do not fit its shape", count ? std::to_string(*count) + " elements" : "a shape that can be counted",
           std::to_string(literals));
    }
    Tensor tensor;
    tensor.type = type.element;
    tensor.dimensions = type.dimensions();
    tensor.bytes = Bytes::copy_of(bytes);
    if (type.element == DataType::string) tensor.strings = std::make_shared<const std::vector<std::string>>(std::move(strings));
    return tensor;
  }

  template <class T>
  static void append(std::vector<std::byte>& bytes, T value) {
    const auto* raw = reinterpret_cast<const std::byte*>(&value);
    bytes.insert(bytes.end(), raw, raw + sizeof(T));
  }

  void append_element(std::vector<std::byte>& bytes, DataType type, int64_t index) {
    const Number n = number();
    const text::Literal literal = text::literal_of(type);
    if (literal == text::Literal::real) {
      if (type == DataType::float32 || type == DataType::complex64) return append(bytes, as_real<float>(n));
      return append(bytes, as_real<double>(n));
    }
    const int width = bits(type);
    uint64_t raw = 0;
    bool fits = true;
    if (literal == text::Literal::integer) {
      const auto value = as_integer<int64_t>(n);
      fits = width == 64 || (value >= -(int64_t{1} << (width - 1)) && value < (int64_t{1} << (width - 1)));
      raw = static_cast<uint64_t>(value);
    } else {
      raw = as_integer<uint64_t>(n);
      fits = type == DataType::boolean ? raw <= 1 : width == 64 || raw < (uint64_t{1} << width);
    }
    if (!fits) {
      const bool as_bits = type == DataType::float16 || type == DataType::bfloat16 || (width <= 8 && type >= DataType::float8e4m3fn);
      fail(n.start, "a number does not fit its tensor's type", std::string(name(type)), "'" + std::string(n.digits) + "'",
           as_bits ? "small floats are written as the integer of their bits" : "");
    }
    if (width >= 8) {
      for (int byte = 0; byte < width / 8; ++byte) bytes.push_back(static_cast<std::byte>(raw >> (8 * byte)));
      return;
    }
    const int64_t per_byte = 8 / width;
    if (index % per_byte == 0) bytes.push_back(std::byte{0});
    bytes.back() |= static_cast<std::byte>((raw & ((uint64_t{1} << width) - 1)) << (index % per_byte * width));
  }

  // ---- attributes

  void attribute(Node& node, Scope& scope, int depth) {
    const size_t start = (skip_space(), at_);
    std::string key = quotable("an attribute's name");
    std::string kind;
    if (accept(':')) kind = identifier("an attribute's type");
    expect('=', "in an attribute");
    Attribute value;
    if (accept('[')) {
      value = list(kind, scope, depth);
    } else {
      value = single(kind, scope, depth);
    }
    if (!node.attributes.emplace(key, std::move(value)).second) fail(start, "attribute '" + key + "' stands twice");
  }

  Attribute list(const std::string& kind, Scope& scope, int depth) {
    Attribute result;
    if (accept(']')) {
      if (kind == "ints") return {Attribute::Ints()};
      if (kind == "floats") return {Attribute::Floats()};
      if (kind == "strings") return {Attribute::Strings()};
      if (kind == "tensors") return {Attribute::Tensors()};
      if (kind == "graphs") return {Attribute::Subgraphs()};
      fail(at_, "an empty list needs the attribute's type", "': ints', ': floats', ': strings', ': tensors' or ': graphs' before '='");
    }
    const std::string element = kind.empty() ? kind : kind.substr(0, kind.size() - 1);
    bool first = true;
    do {
      const size_t start = (skip_space(), at_);
      Attribute one = single(element, scope, depth);
      const bool same = std::visit(
          [&]<class T>(T& item) {
            if constexpr (std::is_same_v<T, Attribute::Ints> || std::is_same_v<T, Attribute::Floats> || std::is_same_v<T, Attribute::Strings> ||
                          std::is_same_v<T, Attribute::Tensors> || std::is_same_v<T, Attribute::Subgraphs>) {
              return false;
            } else {
              if (first) result.value = std::vector<T>();
              auto* items = std::get_if<std::vector<T>>(&result.value);
              if (items) items->push_back(std::move(item));
              return items != nullptr;
            }
          },
          one.value);
      // A list that starts with an integer may go on with floats: [1, 2.5].
      if (!same) {
        auto* ints = std::get_if<Attribute::Ints>(&result.value);
        auto* floats = std::get_if<Attribute::Floats>(&result.value);
        if (ints && std::holds_alternative<float>(one.value)) {
          Attribute::Floats widened(ints->begin(), ints->end());
          widened.push_back(std::get<float>(one.value));
          result.value = std::move(widened);
        } else if (floats && std::holds_alternative<int64_t>(one.value)) {
          floats->push_back(static_cast<float>(std::get<int64_t>(one.value)));
        } else {
          fail(start, "the elements of a list have different types");
        }
      }
      first = false;
    } while (accept(','));
    expect(']', "in a list");
    return result;
  }

  Attribute single(const std::string& kind, Scope& scope, int depth) {
    const size_t start = (skip_space(), at_);
    Attribute result;
    if (peek() == '@') fail(at_, "references to a function's attributes have no meaning outside of functions", "a value");
    if (peek() == '"') {
      std::string value = quoted();
      if (peek() == '(') {
        result.value = subgraph(std::move(value), scope, depth);
      } else {
        result.value = std::move(value);
      }
    } else if (at_type()) {
      const ValueType value_type = type();
      if (at_quotable()) quotable("the tensor's name");
      accept('=');
      result.value = tensor_data(value_type, start);
    } else if (text::identifier_start(peek()) && !at_special_float()) {
      result.value = subgraph(identifier("the graph's name"), scope, depth);
    } else {
      const Number n = number();
      if (n.real || kind == "float") {
        result.value = as_real<float>(n);
      } else {
        result.value = as_integer<int64_t>(n);
      }
    }
    static constexpr const char* kinds[] = {"int", "float", "string", "tensor", "graph"};
    if (!kind.empty() && kind != kinds[result.value.index()]) {
      fail(start, "an attribute's value does not have its declared type", kind, kinds[result.value.index()]);
    }
    return result;
  }

  Attribute::Subgraph subgraph(std::string graph_name, Scope& scope, int depth) {
    if (depth + 1 > max_graph_depth) fail(at_, "graphs are nested too deeply", "at most " + std::to_string(max_graph_depth) + " levels");
    auto graph = std::make_shared<Graph>();
    graph->name = std::move(graph_name);
    graph_body(*graph, &scope, depth + 1);
    return graph;
  }

  // ---- graphs

  ValueId define(Scope& scope, const std::string& value_name, ValueType value_type, size_t where) {
    if (value_name.empty()) fail(where, "a value has no name");
    if (scope.known.contains(value_name)) fail(where, "'" + value_name + "' is made twice");
    if (const auto found = scope.declared.find(value_name); found != scope.declared.end() && value_type == ValueType{}) value_type = found->second;
    scope.graph.values.push_back({value_name, std::move(value_type), std::nullopt});
    const auto id = static_cast<ValueId>(scope.graph.values.size() - 1);
    scope.known.emplace(value_name, id);
    return id;
  }

  // The value of that name in this graph, captured from the graphs around it where it is theirs.
  ValueId find(Scope& scope, const std::string& value_name) {
    // Outwards to the graph that knows the name, then inwards again, one capture a level.
    std::vector<Scope*> path;
    Scope* holder = &scope;
    for (; holder; holder = holder->outer) {
      if (holder->known.contains(value_name)) break;
      path.push_back(holder);
    }
    if (!holder) return none;
    ValueId id = holder->known.at(value_name);
    ValueType value_type = holder->graph.values[id].type;
    for (auto inner = path.rbegin(); inner != path.rend(); ++inner) {
      Scope& level = **inner;
      if (const auto found = level.declared.find(value_name); found != level.declared.end()) value_type = found->second;
      level.graph.values.push_back({value_name, value_type, std::nullopt});
      const auto captured = static_cast<ValueId>(level.graph.values.size() - 1);
      level.known.emplace(value_name, captured);
      level.graph.captures.push_back({captured, id});
      id = captured;
    }
    return id;
  }

  void graph_body(Graph& graph, Scope* outer, int depth) {
    Scope scope{graph, outer};
    expect('(', "before a graph's inputs");
    if (!accept(')')) {
      do {
        const size_t start = (skip_space(), at_);
        ValueType value_type = at_type() ? type() : ValueType{};
        graph.inputs.push_back(define(scope, quotable("an input's name"), std::move(value_type), start));
        if (peek() == '=')
          fail(at_, "an input with a default value is not supported", "',' or ')'", "", "write it as an initializer between '<' and '>'");
      } while (accept(','));
      expect(')', "after a graph's inputs");
    }
    expect('=', "after a graph's inputs");
    if (at_ >= text_.size() || text_[at_] != '>') fail(at_, "the text is malformed after a graph's inputs", "'=>'");
    ++at_;
    std::vector<std::pair<std::string, size_t>> outputs;
    expect('(', "before a graph's outputs");
    if (!accept(')')) {
      do {
        const size_t start = (skip_space(), at_);
        ValueType value_type = at_type() ? type() : ValueType{};
        outputs.emplace_back(quotable("an output's name"), start);
        if (value_type != ValueType{}) scope.declared.emplace(outputs.back().first, std::move(value_type));
      } while (accept(','));
      expect(')', "after a graph's outputs");
    }
    if (accept('<') && !accept('>')) {
      do {
        value_or_constant(scope);
      } while (accept(','));
      expect('>', "after a graph's initializers");
    }
    expect('{', "before a graph's nodes");
    while (!accept('}')) node(scope, depth);
    for (const auto& [output, where] : outputs) {
      const ValueId id = find(scope, output);
      if (id == none) fail(where, "output '" + output + "' is made by no node");
      graph.outputs.push_back(id);
    }
  }

  void value_or_constant(Scope& scope) {
    const size_t start = (skip_space(), at_);
    if (!at_type()) fail(at_, "a type is missing before an initializer or value", "a type such as float[2]");
    ValueType value_type = type();
    const std::string value_name = quotable("the value's name");
    if (accept('=')) {
      Tensor tensor = tensor_data(value_type, start);
      const ValueId id = define(scope, value_name, std::move(value_type), start);
      scope.graph.values[id].constant = std::move(tensor);
    } else {
      scope.declared.emplace(value_name, std::move(value_type));
    }
  }

  // Names separated by commas; "" and nothing at all stand for an absent value.
  std::vector<std::pair<std::string, size_t>> names() {
    std::vector<std::pair<std::string, size_t>> result;
    for (;;) {
      skip_space();
      const size_t start = at_;
      const bool present = at_quotable();
      std::string value_name = present ? quotable("a name") : std::string();
      const bool more = accept(',');
      // A comma at the end adds nothing: "Op(x,)" has one operand.
      if (present || more) result.emplace_back(std::move(value_name), start);
      if (!more) return result;
    }
  }

  void node(Scope& scope, int depth) {
    Node result;
    if (peek() == '\0' && at_ >= text_.size()) fail(at_, "a graph has no end", "'}'");
    const size_t start = at_;
    if (accept('[')) {
      result.name = quotable("a node's name");
      expect(']', "after a node's name");
    }
    const auto outputs = names();
    expect('=', "after a node's outputs");
    std::string domain, op = quotable("an operator's name");
    while (accept('.')) {
      domain += (domain.empty() ? "" : ".") + op;
      op = quotable("an operator's name");
    }
    if (op.empty()) fail(start, "a node has no operator");
    if (peek() == ':') fail(at_, "overloads of functions are not supported", "'('");
    result.domain = std::move(domain);
    result.op_type = std::move(op);
    attributes(result, scope, depth);
    expect('(', "before a node's inputs");
    for (const auto& [value_name, where] : names()) {
      const ValueId id = value_name.empty() ? none : find(scope, value_name);
      if (id == none && !value_name.empty()) fail(where, "'" + value_name + "' is used before anything makes it", "the name of an earlier value");
      result.inputs.push_back(id);
    }
    expect(')', "after a node's inputs");
    if (result.attributes.empty()) attributes(result, scope, depth);
    for (const auto& [value_name, where] : outputs) {
      result.outputs.push_back(value_name.empty() ? none : define(scope, value_name, {}, where));
    }
    Graph& graph = scope.graph;
    if (!result.name.empty()) {
      const std::string wanted = result.name;
      result.name = graph.fresh_node_name(wanted);
      if (result.name != wanted) fail(start, "two nodes have the name '" + wanted + "'");
    } else {
      result.name = graph.fresh_node_name(result.op_type);
    }
    graph.nodes.push_back(std::move(result));
  }

  void attributes(Node& node, Scope& scope, int depth) {
    if (!accept('<')) return;
    if (accept('>')) return;
    do {
      attribute(node, scope, depth);
    } while (accept(','));
    expect('>', "after a node's attributes");
  }

  std::string_view text_;
  std::string source_;
  size_t at_ = 0;
};

}  // namespace

Graph parse_text(std::string_view text, std::string source) { return Parser(text, std::move(source)).model(); }

}  // namespace lathe
