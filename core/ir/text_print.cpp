// Writer of ONNX's textual syntax. Everything that text_parse.cpp reads is written so that it reads back as it was.
#include <charconv>
#include <cstring>
#include <unordered_set>

#include "core/ir/text.hpp"
#include "core/ir/text_words.hpp"

namespace lathe {
namespace {

constexpr int64_t shortened_to = 8;  // elements shown of a tensor beyond the limit

// The names that a graph's values have in the text, by value.
using Labels = std::vector<std::string>;

class Printer {
 public:
  explicit Printer(int64_t limit) : limit_(limit) {}

  std::string model(const Graph& graph) {
    if (!graph.opsets.empty() || !graph.properties.empty()) header(graph);
    graph_text(graph, nullptr, "");
    out_ += '\n';
    return std::move(out_);
  }

 private:
  // ---- words

  static bool is_identifier(std::string_view word) {
    return !word.empty() && text::identifier_start(word[0]) && std::all_of(word.begin(), word.end(), text::identifier_part);
  }

  void quoted(std::string_view word) {
    out_ += '"';
    for (const char c : word) {
      if (c == '"' || c == '\\') out_ += '\\';
      out_ += c;
    }
    out_ += '"';
  }

  void quotable(std::string_view word) {
    if (is_identifier(word) && !text::reserved(word)) {
      out_ += word;
    } else {
      quoted(word);
    }
  }

  void qualified(const Node& node) {
    bool plain = !node.domain.empty();
    for (size_t from = 0; plain && from <= node.domain.size();) {
      const size_t to = std::min(node.domain.find('.', from), node.domain.size());
      plain = is_identifier(std::string_view(node.domain).substr(from, to - from));
      from = to + 1;
    }
    if (plain) {
      out_ += node.domain;
    } else if (!node.domain.empty()) {
      quoted(node.domain);
    }
    if (!node.domain.empty()) out_ += '.';
    quotable(node.op_type);
  }

  template <class T>
  void number(T value) {
    char buffer[64];
    const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
    out_.append(buffer, end);
  }

  // With a point or exponent, so that it is not read back as an integer.
  void real_attribute(float value) {
    const size_t start = out_.size();
    number(value);
    if (std::string_view(out_).substr(start).find_first_of(".en") == std::string_view::npos) out_ += ".0";
  }

  template <class Items, class Each>
  void separated(const Items& items, Each each) {
    bool first = true;
    for (const auto& item : items) {
      if (!first) out_ += ", ";
      first = false;
      each(item);
    }
  }

  // ---- header and types

  void header(const Graph& graph) {
    out_ += "<\n  ir_version: 13";
    if (!graph.opsets.empty()) {
      out_ += ",\n  opset_import: [";
      separated(graph.opsets, [&](const auto& opset) {
        quoted(opset.first);
        out_ += " : " + std::to_string(opset.second);
      });
      out_ += ']';
    }
    if (!graph.properties.empty()) {
      out_ += ",\n  metadata_props: [";
      separated(graph.properties, [&](const auto& property) {
        quoted(property.first);
        out_ += ": ";
        quoted(property.second);
      });
      out_ += ']';
    }
    out_ += "\n>\n";
  }

  void type(const ValueType& t) {
    const bool optional = t.kind == ValueKind::optional || t.kind == ValueKind::optional_sequence;
    const bool sequence = t.kind == ValueKind::sequence || t.kind == ValueKind::optional_sequence;
    if (optional) out_ += "optional(";
    if (sequence) out_ += "seq(";
    out_ += name(t.element);
    if (!t.shape) {
      out_ += "[]";
    } else if (!t.shape->empty()) {
      out_ += '[';
      separated(*t.shape, [&](const Dimension& d) {
        if (d.constant()) {
          out_ += std::to_string(d.value);
        } else if (d.symbol.empty()) {
          out_ += '?';
        } else {
          quotable(d.symbol);
        }
      });
      out_ += ']';
    }
    if (sequence) out_ += ')';
    if (optional) out_ += ')';
  }

  void typed(const ValueType& t, const std::string& label) {
    if (t != ValueType{}) {
      type(t);
      out_ += ' ';
    }
    quotable(label);
  }

  // ---- tensors

  void tensor_type(const Tensor& t) { type({ValueKind::tensor, t.type, Shape(t.dimensions.begin(), t.dimensions.end())}); }

  void tensor_data(const Tensor& t) {
    const int64_t per_element = t.type == DataType::complex64 || t.type == DataType::complex128 ? 2 : 1;
    const int64_t count = t.size();
    const int64_t shown = count > limit_ ? std::min(shortened_to, count) : count;
    out_ += '{';
    for (int64_t i = 0; i < shown * per_element; ++i) {
      if (i > 0) out_ += ", ";
      element(t, static_cast<uint64_t>(i));
    }
    if (shown < count) out_ += ", ...";
    out_ += '}';
  }

  template <class T>
  static T load(const Tensor& t, uint64_t index) {
    T value;
    std::memcpy(&value, t.bytes.data + index * sizeof(T), sizeof(T));
    return value;
  }

  void element(const Tensor& t, uint64_t i) {
    switch (text::literal_of(t.type)) {
      case text::Literal::text:
        return quoted(t.strings ? std::string_view((*t.strings)[i]) : std::string_view());
      case text::Literal::real:
        if (t.type == DataType::float32 || t.type == DataType::complex64) return number(load<float>(t, i));
        return number(load<double>(t, i));
      case text::Literal::integer:
      case text::Literal::unsigned_integer:
        break;
    }
    const int width = bits(t.type);
    uint64_t raw = 0;
    if (width >= 8) {
      std::memcpy(&raw, t.bytes.data + i * static_cast<uint64_t>(width / 8), static_cast<size_t>(width / 8));
    } else {
      const uint64_t per_byte = 8 / static_cast<uint64_t>(width);
      raw = (static_cast<uint64_t>(t.bytes.data[i / per_byte]) >> (i % per_byte * static_cast<uint64_t>(width))) & ((uint64_t{1} << width) - 1);
    }
    if (text::literal_of(t.type) == text::Literal::unsigned_integer) return number(raw);
    const int unused = 64 - width;
    number(static_cast<int64_t>(raw << unused) >> unused);
  }

  // ---- graphs

  static Labels labels_of(const Graph& graph, const Labels* outer) {
    Labels labels(graph.values.size());
    std::unordered_set<std::string> captured;
    if (outer) {
      for (const Capture& c : graph.captures) {
        labels[c.inner] = (*outer)[c.outer];
        captured.insert(labels[c.inner]);
      }
    }
    std::unordered_set<std::string_view> own;
    for (const Value& v : graph.values) own.insert(v.name);
    for (ValueId v = 0; v < labels.size(); ++v) {
      if (!labels[v].empty()) continue;
      labels[v] = graph.values[v].name;
      for (int suffix = 1; captured.contains(labels[v]); ++suffix) {
        labels[v] = graph.values[v].name + "_" + std::to_string(suffix);
        if (own.contains(labels[v])) labels[v] = *captured.begin();  // taken too: go on
      }
    }
    return labels;
  }

  void graph_text(const Graph& graph, const Graph* outer, const std::string& indent, const Labels* outer_labels = nullptr) {
    const Labels labels = labels_of(graph, outer_labels);
    quotable(graph.name);
    out_ += " (";
    separated(graph.inputs, [&](ValueId v) { typed(graph.values[v].type, labels[v]); });
    out_ += ") => (";
    separated(graph.outputs, [&](ValueId v) { typed(graph.values[v].type, labels[v]); });
    out_ += ")\n";
    values_and_constants(graph, outer, labels, indent);
    out_ += indent + "{\n";
    for (const Node& node : graph.nodes) node_text(graph, node, labels, indent + "  ");
    out_ += indent + "}";
  }

  void values_and_constants(const Graph& graph, const Graph* outer, const Labels& labels, const std::string& indent) {
    // Types of what stands in the lists of inputs and outputs, or is the same outside, need not be said again.
    std::vector<bool> said(graph.values.size(), true);
    for (const Node& node : graph.nodes) {
      for (const ValueId v : node.outputs) {
        if (v != none) said[v] = graph.values[v].type == ValueType{};
      }
    }
    for (const Capture& c : graph.captures) said[c.inner] = !outer || graph.values[c.inner].type == outer->values[c.outer].type;
    for (const ValueId v : graph.inputs) said[v] = true;
    for (const ValueId v : graph.outputs) said[v] = true;
    bool first = true;
    for (ValueId v = 0; v < graph.values.size(); ++v) {
      const Value& value = graph.values[v];
      if (said[v] && !value.constant) continue;
      out_ += first ? indent + "<" : ",\n" + indent + " ";
      first = false;
      if (value.constant) {
        tensor_type(*value.constant);
        out_ += ' ';
        quotable(labels[v]);
        out_ += " = ";
        tensor_data(*value.constant);
      } else {
        typed(value.type, labels[v]);
      }
    }
    if (!first) out_ += ">\n";
  }

  void operands(const std::vector<ValueId>& values, const Labels& labels) {
    separated(values, [&](ValueId v) {
      if (v == none) {
        out_ += "\"\"";
      } else {
        quotable(labels[v]);
      }
    });
  }

  void node_text(const Graph& graph, const Node& node, const Labels& labels, const std::string& indent) {
    out_ += indent + "[";
    quotable(node.name);
    out_ += "] ";
    operands(node.outputs, labels);
    out_ += node.outputs.empty() ? "= " : " = ";
    qualified(node);
    if (!node.attributes.empty()) {
      out_ += " <";
      separated(node.attributes, [&](const auto& attribute) { attribute_text(graph, attribute.first, attribute.second, labels, indent); });
      out_ += '>';
    }
    out_ += " (";
    operands(node.inputs, labels);
    out_ += ")\n";
  }

  void attribute_text(const Graph& graph, const std::string& key, const Attribute& attribute, const Labels& labels, const std::string& indent) {
    if (is_identifier(key)) {
      out_ += key;
    } else {
      quoted(key);
    }
    std::visit(
        [&]<class T>(const T& value) {
          const auto list = [&](const auto& items, const char* kind, auto each) {
            if (items.empty()) out_ += kind;
            out_ += " = [";
            separated(items, each);
            out_ += ']';
          };
          const auto one_tensor = [&](const Tensor& t) {
            tensor_type(t);
            out_ += ' ';
            tensor_data(t);
          };
          const auto one_graph = [&](const Attribute::Subgraph& inner) { graph_text(*inner, &graph, indent + "  ", &labels); };
          if constexpr (std::is_same_v<T, Attribute::Ints>) {
            list(value, " : ints", [&](int64_t i) { number(i); });
          } else if constexpr (std::is_same_v<T, Attribute::Floats>) {
            list(value, " : floats", [&](float f) { real_attribute(f); });
          } else if constexpr (std::is_same_v<T, Attribute::Strings>) {
            list(value, " : strings", [&](const std::string& s) { quoted(s); });
          } else if constexpr (std::is_same_v<T, Attribute::Tensors>) {
            list(value, " : tensors", one_tensor);
          } else if constexpr (std::is_same_v<T, Attribute::Subgraphs>) {
            list(value, " : graphs", one_graph);
          } else {
            out_ += " = ";
            if constexpr (std::is_same_v<T, int64_t>) number(value);
            if constexpr (std::is_same_v<T, float>) real_attribute(value);
            if constexpr (std::is_same_v<T, std::string>) quoted(value);
            if constexpr (std::is_same_v<T, Tensor>) one_tensor(value);
            if constexpr (std::is_same_v<T, Attribute::Subgraph>) one_graph(value);
          }
        },
        attribute.value);
  }

  int64_t limit_;
  std::string out_;
};

}  // namespace

std::string to_text(const Graph& graph, int64_t limit) { return Printer(limit).model(graph); }

}  // namespace lathe
