// lathe/view.hpp - reading a graph: views over the snapshot (lathe/graph.h) without ownership. Include lathe/plugin.hpp.
//
// Views are two words, copied freely, and valid as long as the snapshot: for the call. Indices are those of the snapshot.
#pragma once
#include <optional>

#include "lathe/graph.h"
#include "lathe/support.hpp"

namespace lathe::sdk {

class GraphView;

// A constant's bytes; see lathe_tensor for their layout.
class TensorView {
 public:
  TensorView(const lathe_tensor* tensor) : tensor_(tensor) {}  // NOLINT
  const lathe_tensor& get() const { return *tensor_; }
  int32_t type() const { return tensor_->type; }
  Span<const int64_t> dimensions() const { return {tensor_->dimensions, tensor_->rank}; }
  size_t rank() const { return tensor_->rank; }
  // Number of elements.
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : dimensions()) n *= d;
    return n;
  }
  const void* data() const { return tensor_->data; }
  uint64_t bytes() const { return tensor_->size; }
  // The elements, when the caller has looked at type(). Data in a file may be unaligned; use memcpy for types wider than a byte
  // where the machine minds.
  template <class T>
  Span<const T> as() const {
    return {static_cast<const T*>(tensor_->data), static_cast<size_t>(tensor_->size / sizeof(T))};
  }
  std::string_view text(size_t index) const { return view(tensor_->strings[index]); }  // of a string tensor
  std::string_view file() const { return view(tensor_->file); }                        // empty: in memory only
  uint64_t offset() const { return tensor_->offset; }

 private:
  const lathe_tensor* tensor_;
};

class ValueView {
 public:
  ValueView(const lathe_graph* graph, uint32_t index)
      : graph_(graph), value_(LATHE_AT(lathe_value, graph->values, graph->value_stride, index)), index_(index) {}
  const lathe_value& get() const { return *value_; }
  uint32_t index() const { return index_; }
  std::string_view name() const { return view(value_->name); }
  int32_t kind() const { return value_->kind; }
  int32_t type() const { return value_->type; }
  bool has_rank() const { return value_->rank >= 0; }
  int32_t rank() const { return value_->rank; }
  Span<const lathe_dimension> dimensions() const { return {value_->dimensions, static_cast<size_t>(value_->rank < 0 ? 0 : value_->rank)}; }
  // Whether rank and every dimension are known constants.
  bool has_static_shape() const {
    if (value_->rank < 0) return false;
    for (const lathe_dimension& d : dimensions())
      if (d.value < 0) return false;
    return true;
  }
  // The constant dimensions; -1 where one is not constant.
  std::vector<int64_t> shape() const {
    std::vector<int64_t> shape;
    for (const lathe_dimension& d : dimensions()) shape.push_back(d.value);
    return shape;
  }
  bool is_constant() const { return value_->tensor != LATHE_NONE; }
  std::optional<TensorView> constant() const {
    if (!is_constant()) return std::nullopt;
    return TensorView(LATHE_AT(lathe_tensor, graph_->tensors, graph_->tensor_stride, value_->tensor));
  }
  uint32_t producer() const { return value_->producer; }  // LATHE_NONE: input, constant or captured

 private:
  const lathe_graph* graph_;
  const lathe_value* value_;
  uint32_t index_;
};

class AttributeView {
 public:
  AttributeView(const lathe_graph* graph, const lathe_attribute* attribute) : graph_(graph), attribute_(attribute) {}
  const lathe_attribute& get() const { return *attribute_; }
  std::string_view name() const { return view(attribute_->name); }
  int32_t kind() const { return attribute_->kind; }
  size_t count() const { return attribute_->count; }
  // A single value is a list of one. Each throws Failure when the attribute is of another kind or shorter.
  int64_t integer(size_t index = 0) const { return at(attribute_->ints, index); }
  float real(size_t index = 0) const { return at(attribute_->floats, index); }
  std::string_view text(size_t index = 0) const { return view(at(attribute_->strings, index)); }
  TensorView tensor(size_t index = 0) const {
    return TensorView(LATHE_AT(lathe_tensor, graph_->tensors, graph_->tensor_stride, at(attribute_->tensors, index)));
  }
  inline GraphView graph(size_t index = 0) const;
  Span<const int64_t> integers() const { return {attribute_->ints, attribute_->ints ? attribute_->count : 0}; }
  Span<const float> reals() const { return {attribute_->floats, attribute_->floats ? attribute_->count : 0}; }

 private:
  template <class T>
  T at(const T* array, size_t index) const {
    if (!array || index >= attribute_->count) {
      throw Failure(LATHE_FAILED, "attribute '" + std::string(name()) + "' is of another kind or shorter than expected");
    }
    return array[index];
  }
  const lathe_graph* graph_;
  const lathe_attribute* attribute_;
};

class NodeView {
 public:
  NodeView(const lathe_graph* graph, uint32_t index)
      : graph_(graph), node_(LATHE_AT(lathe_node, graph->nodes, graph->node_stride, index)), index_(index) {}
  const lathe_node& get() const { return *node_; }
  uint32_t index() const { return index_; }
  std::string_view name() const { return view(node_->name); }
  std::string_view domain() const { return view(node_->domain); }
  std::string_view op_type() const { return view(node_->op_type); }
  // Whether it is that operator of ONNX's own domain.
  bool is(std::string_view op_type) const { return node_->domain.size == 0 && view(node_->op_type) == op_type; }

  Span<const uint32_t> inputs() const { return {node_->inputs, node_->input_count}; }
  Span<const uint32_t> outputs() const { return {node_->outputs, node_->output_count}; }
  uint32_t input(size_t i) const { return i < node_->input_count ? node_->inputs[i] : LATHE_NONE; }
  uint32_t output(size_t i) const { return i < node_->output_count ? node_->outputs[i] : LATHE_NONE; }
  bool has_input(size_t i) const { return input(i) != LATHE_NONE; }
  bool has_output(size_t i) const { return output(i) != LATHE_NONE; }
  ValueView input_value(size_t i) const { return ValueView(graph_, input(i)); }  // it must be present
  ValueView output_value(size_t i) const { return ValueView(graph_, output(i)); }

  size_t attribute_count() const { return node_->attribute_count; }
  AttributeView attribute(size_t index) const {
    return AttributeView(graph_, LATHE_AT(lathe_attribute, node_->attributes, node_->attribute_stride, index));
  }
  std::optional<AttributeView> attribute(std::string_view name) const {
    for (size_t i = 0; i < node_->attribute_count; ++i)
      if (attribute(i).name() == name) return attribute(i);
    return std::nullopt;
  }
  bool has(std::string_view name) const { return attribute(name).has_value(); }
  // Attribute access with the operator's default.
  int64_t integer(std::string_view name, int64_t fallback) const {
    const auto a = attribute(name);
    return a ? a->integer() : fallback;
  }
  float real(std::string_view name, float fallback) const {
    const auto a = attribute(name);
    return a ? a->real() : fallback;
  }
  std::string_view text(std::string_view name, std::string_view fallback) const {
    const auto a = attribute(name);
    return a ? a->text() : fallback;
  }
  std::vector<int64_t> integers(std::string_view name, std::vector<int64_t> fallback = {}) const {
    const auto a = attribute(name);
    return a ? a->integers().copy() : std::move(fallback);
  }
  std::vector<float> reals(std::string_view name, std::vector<float> fallback = {}) const {
    const auto a = attribute(name);
    return a ? a->reals().copy() : std::move(fallback);
  }
  // A failure that names this node.
  [[noreturn]] void fail(std::string text, std::string hint = {}, lathe_code code = LATHE_UNSUPPORTED) const {
    Diagnostic d;
    d.text = std::move(text);
    d.node = name();
    d.op_type = op_type();
    d.hint = std::move(hint);
    throw Failure(code, std::move(d));
  }

 private:
  const lathe_graph* graph_;
  const lathe_node* node_;
  uint32_t index_;
};

// `for (NodeView node : graph.nodes())`
template <class View>
class Range {
 public:
  class Iterator {
   public:
    Iterator(const lathe_graph* graph, uint32_t index) : graph_(graph), index_(index) {}
    View operator*() const { return View(graph_, index_); }
    Iterator& operator++() { return ++index_, *this; }
    bool operator!=(const Iterator& other) const { return index_ != other.index_; }

   private:
    const lathe_graph* graph_;
    uint32_t index_;
  };
  Range(const lathe_graph* graph, size_t count) : graph_(graph), count_(static_cast<uint32_t>(count)) {}
  Iterator begin() const { return {graph_, 0}; }
  Iterator end() const { return {graph_, count_}; }
  size_t size() const { return count_; }

 private:
  const lathe_graph* graph_;
  uint32_t count_;
};

class GraphView {
 public:
  GraphView(const lathe_graph* graph) : graph_(graph) {}  // NOLINT
  const lathe_graph& get() const { return *graph_; }
  std::string_view name() const { return view(graph_->name); }
  size_t value_count() const { return graph_->value_count; }
  size_t node_count() const { return graph_->node_count; }
  ValueView value(uint32_t index) const { return ValueView(graph_, index); }
  NodeView node(uint32_t index) const { return NodeView(graph_, index); }
  Range<ValueView> values() const { return {graph_, graph_->value_count}; }
  Range<NodeView> nodes() const { return {graph_, graph_->node_count}; }
  Span<const uint32_t> inputs() const { return {graph_->inputs, graph_->input_count}; }
  Span<const uint32_t> outputs() const { return {graph_->outputs, graph_->output_count}; }
  Span<const lathe_capture> captures() const { return {graph_->captures, graph_->capture_count}; }
  GraphView subgraph(size_t index) const { return GraphView(LATHE_AT(lathe_graph, graph_->subgraphs, graph_->subgraph_stride, index)); }
  // The model's metadata; empty when it has no such key.
  std::string_view property(std::string_view key) const {
    for (size_t i = 0; i < graph_->property_count; ++i)
      if (view(graph_->properties[i].key) == key) return view(graph_->properties[i].value);
    return {};
  }
  // The version of a domain's operators ("" is ONNX's own); 0 when the graph does not name it.
  int64_t opset(std::string_view domain = {}) const {
    for (size_t i = 0; i < graph_->opset_count; ++i)
      if (view(graph_->opsets[i].domain) == domain) return graph_->opsets[i].version;
    return 0;
  }

 private:
  const lathe_graph* graph_;
};

inline GraphView AttributeView::graph(size_t index) const {
  return GraphView(LATHE_AT(lathe_graph, graph_->subgraphs, graph_->subgraph_stride, at(attribute_->graphs, index)));
}

}  // namespace lathe::sdk
