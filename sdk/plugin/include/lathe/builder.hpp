// lathe/builder.hpp - making a graph (frontends) and changing one (passes). Include lathe/plugin.hpp.
//
// GraphBuilder and Edits own plain data and lay it out as the boundary's structs when it is handed over. Tensor bytes are never
// copied: a TensorData points at them and may hold an owner that keeps them alive.
#pragma once
#include <deque>
#include <initializer_list>
#include <memory>

#include "lathe/graph.h"
#include "lathe/view.hpp"

namespace lathe::sdk {

// A constant, a named symbol, or nothing known.
struct Dimension {
  int64_t value = -1;
  std::string symbol;
  Dimension() = default;
  Dimension(int64_t v) : value(v) {}                  // NOLINT: a number is a dimension
  Dimension(std::string s) : symbol(std::move(s)) {}  // NOLINT
  Dimension(const char* s) : symbol(s) {}             // NOLINT
};
using Shape = std::vector<Dimension>;

// A constant's bytes and where they lie.
struct TensorData {
  int32_t type = 0;
  std::vector<int64_t> dimensions;
  const void* data = nullptr;
  uint64_t size = 0;                 // bytes
  std::vector<std::string> strings;  // for LATHE_STRING
  std::string file;                  // absolute path when the bytes lie in a file, at `offset`
  uint64_t offset = 0;
  std::shared_ptr<const void> owner;  // keeps `data` alive; null when the part itself does

  // Copies `elements` into memory of its own.
  template <class T>
  static TensorData of(int32_t type, std::vector<int64_t> dimensions, const std::vector<T>& elements) {
    TensorData t;
    auto kept = std::make_shared<std::vector<T>>(elements);
    t.type = type;
    t.dimensions = std::move(dimensions);
    t.data = kept->data();
    t.size = kept->size() * sizeof(T);
    t.owner = std::move(kept);
    return t;
  }
  lathe_tensor layout() {
    lathe_tensor c = {};
    c.struct_size = sizeof c;
    c.type = type;
    c.dimensions = dimensions.data();
    c.rank = dimensions.size();
    c.data = data;
    c.size = size;
    strings_.clear();
    for (const std::string& s : strings) strings_.push_back(string(s));
    c.strings = type == LATHE_STRING ? strings_.data() : nullptr;
    c.file = string(file);
    c.offset = offset;
    return c;
  }

 private:
  std::vector<lathe_string> strings_;
};

struct ValueData {
  std::string name;
  int32_t type = 0;            // element type; 0: not known
  std::optional<Shape> shape;  // nullopt: rank not known
  int32_t kind = LATHE_KIND_TENSOR;
  uint32_t tensor = LATHE_NONE;  // index of the constant

  lathe_value layout() {
    lathe_value c = {};
    c.struct_size = sizeof c;
    c.kind = kind;
    c.name = string(name);
    c.type = type;
    c.rank = shape ? static_cast<int32_t>(shape->size()) : -1;
    dimensions_.clear();
    if (shape) {
      for (const Dimension& d : *shape) dimensions_.push_back({d.value, string(d.symbol)});
    }
    c.dimensions = dimensions_.data();
    c.tensor = tensor;
    c.producer = LATHE_NONE;
    return c;
  }

 private:
  std::vector<lathe_dimension> dimensions_;
};

struct AttributeData {
  std::string name;
  int32_t kind = 0;
  std::vector<int64_t> ints;
  std::vector<float> floats;
  std::vector<std::string> strings;
  std::vector<uint32_t> indices;  // of tensors or subgraphs

  lathe_attribute layout() {
    lathe_attribute c = {};
    c.struct_size = sizeof c;
    c.kind = kind;
    c.name = string(name);
    strings_.clear();
    for (const std::string& s : strings) strings_.push_back(string(s));
    switch (kind) {
      case LATHE_ATTRIBUTE_INT:
      case LATHE_ATTRIBUTE_INTS:
        c.ints = ints.data(), c.count = ints.size();
        break;
      case LATHE_ATTRIBUTE_FLOAT:
      case LATHE_ATTRIBUTE_FLOATS:
        c.floats = floats.data(), c.count = floats.size();
        break;
      case LATHE_ATTRIBUTE_STRING:
      case LATHE_ATTRIBUTE_STRINGS:
        c.strings = strings_.data(), c.count = strings_.size();
        break;
      case LATHE_ATTRIBUTE_TENSOR:
      case LATHE_ATTRIBUTE_TENSORS:
        c.tensors = indices.data(), c.count = indices.size();
        break;
      default:
        c.graphs = indices.data(), c.count = indices.size();
        break;
    }
    return c;
  }

 private:
  std::vector<lathe_string> strings_;
};

struct NodeData {
  std::string op_type, name, domain;
  std::vector<uint32_t> inputs, outputs;  // LATHE_NONE where an optional one is absent
  std::vector<AttributeData> attributes;

  NodeData& set(std::string key, int64_t v) {
    return add(std::move(key), LATHE_ATTRIBUTE_INT, [&](AttributeData& a) { a.ints = {v}; });
  }
  NodeData& set(std::string key, int v) { return set(std::move(key), static_cast<int64_t>(v)); }
  NodeData& set(std::string key, float v) {
    return add(std::move(key), LATHE_ATTRIBUTE_FLOAT, [&](AttributeData& a) { a.floats = {v}; });
  }
  NodeData& set(std::string key, std::string v) {
    return add(std::move(key), LATHE_ATTRIBUTE_STRING, [&](AttributeData& a) { a.strings = {std::move(v)}; });
  }
  NodeData& set(std::string key, const char* v) { return set(std::move(key), std::string(v)); }
  NodeData& set(std::string key, std::vector<int64_t> v) {
    return add(std::move(key), LATHE_ATTRIBUTE_INTS, [&](AttributeData& a) { a.ints = std::move(v); });
  }
  NodeData& set(std::string key, std::vector<float> v) {
    return add(std::move(key), LATHE_ATTRIBUTE_FLOATS, [&](AttributeData& a) { a.floats = std::move(v); });
  }
  NodeData& set(std::string key, std::vector<std::string> v) {
    return add(std::move(key), LATHE_ATTRIBUTE_STRINGS, [&](AttributeData& a) { a.strings = std::move(v); });
  }
  // Indices that GraphBuilder::add_tensor and add_subgraph returned.
  NodeData& set_tensor(std::string key, uint32_t v) {
    return add(std::move(key), LATHE_ATTRIBUTE_TENSOR, [&](AttributeData& a) { a.indices = {v}; });
  }
  NodeData& set_tensors(std::string key, std::vector<uint32_t> v) {
    return add(std::move(key), LATHE_ATTRIBUTE_TENSORS, [&](AttributeData& a) { a.indices = std::move(v); });
  }
  NodeData& set_graph(std::string key, uint32_t v) {
    return add(std::move(key), LATHE_ATTRIBUTE_GRAPH, [&](AttributeData& a) { a.indices = {v}; });
  }
  NodeData& set_graphs(std::string key, std::vector<uint32_t> v) {
    return add(std::move(key), LATHE_ATTRIBUTE_GRAPHS, [&](AttributeData& a) { a.indices = std::move(v); });
  }

  lathe_node layout() {
    lathe_node c = {};
    c.struct_size = sizeof c;
    c.name = string(name);
    c.domain = string(domain);
    c.op_type = string(op_type);
    c.inputs = inputs.data();
    c.input_count = inputs.size();
    c.outputs = outputs.data();
    c.output_count = outputs.size();
    attributes_.clear();
    for (AttributeData& a : attributes) attributes_.push_back(a.layout());
    c.attributes = attributes_.data();
    c.attribute_count = attributes_.size();
    c.attribute_stride = sizeof(lathe_attribute);
    return c;
  }

 private:
  template <class Fill>
  NodeData& add(std::string key, int32_t kind, Fill&& fill) {
    attributes.emplace_back();
    attributes.back().name = std::move(key);
    attributes.back().kind = kind;
    fill(attributes.back());
    return *this;
  }
  std::vector<lathe_attribute> attributes_;
};

// A graph in the making. Values may be added in any order; nodes in topological order, inputs and constants before them or not.
class GraphBuilder {
 public:
  explicit GraphBuilder(std::string name = {}) : name_(std::move(name)) {}
  GraphBuilder(GraphBuilder&&) = default;
  GraphBuilder& operator=(GraphBuilder&&) = default;

  uint32_t add_value(std::string name, int32_t type = 0, std::optional<Shape> shape = std::nullopt, int32_t kind = LATHE_KIND_TENSOR) {
    ValueData v;
    v.name = std::move(name);
    v.type = type;
    v.shape = std::move(shape);
    v.kind = kind;
    values_.push_back(std::move(v));
    return static_cast<uint32_t>(values_.size() - 1);
  }
  uint32_t add_input(std::string name, int32_t type = 0, std::optional<Shape> shape = std::nullopt) {
    inputs_.push_back(add_value(std::move(name), type, std::move(shape)));
    return inputs_.back();
  }
  uint32_t add_constant(std::string name, TensorData tensor) {
    Shape shape(tensor.dimensions.begin(), tensor.dimensions.end());
    const uint32_t value = add_value(std::move(name), tensor.type, std::move(shape));
    values_[value].tensor = add_tensor(std::move(tensor));
    return value;
  }
  // A value of the enclosing graph, for use inside this subgraph.
  uint32_t add_capture(std::string name, uint32_t outer) {
    const uint32_t inner = add_value(std::move(name));
    captures_.push_back({inner, outer});
    return inner;
  }
  void add_input(uint32_t value) { inputs_.push_back(value); }
  void add_output(uint32_t value) { outputs_.push_back(value); }
  // The reference stays valid; set attributes through it.
  NodeData& add_node(std::string op_type, std::vector<uint32_t> inputs, std::vector<uint32_t> outputs, std::string name = {},
                     std::string domain = {}) {
    nodes_.emplace_back();
    NodeData& n = nodes_.back();
    n.op_type = std::move(op_type);
    n.inputs = std::move(inputs);
    n.outputs = std::move(outputs);
    n.name = name.empty() ? n.op_type + "_" + std::to_string(nodes_.size() - 1) : std::move(name);
    n.domain = std::move(domain);
    return n;
  }
  uint32_t add_tensor(TensorData tensor) {  // for tensor attributes
    tensors_.push_back(std::move(tensor));
    return static_cast<uint32_t>(tensors_.size() - 1);
  }
  uint32_t add_subgraph(GraphBuilder body) {
    subgraphs_.push_back(std::make_unique<GraphBuilder>(std::move(body)));
    return static_cast<uint32_t>(subgraphs_.size() - 1);
  }
  void set_property(std::string key, std::string value) { properties_.emplace_back(std::move(key), std::move(value)); }
  void set_opset(std::string domain, int64_t version) { opsets_.emplace_back(std::move(domain), version); }

  ValueData& value(uint32_t index) { return values_[index]; }
  NodeData& node(uint32_t index) { return nodes_[index]; }
  size_t value_count() const { return values_.size(); }
  size_t node_count() const { return nodes_.size(); }

  // The graph in the boundary's form; valid until the builder changes, moves or goes.
  const lathe_graph& layout() {
    c_values_.clear(), c_nodes_.clear(), c_tensors_.clear(), c_subgraphs_.clear(), c_properties_.clear(), c_opsets_.clear();
    for (ValueData& v : values_) c_values_.push_back(v.layout());
    for (size_t i = 0; i < nodes_.size(); ++i) {
      for (uint32_t v : nodes_[i].outputs)
        if (v < c_values_.size()) c_values_[v].producer = static_cast<uint32_t>(i);
      c_nodes_.push_back(nodes_[i].layout());
    }
    for (TensorData& t : tensors_) c_tensors_.push_back(t.layout());
    for (auto& g : subgraphs_) c_subgraphs_.push_back(g->layout());
    for (auto& [key, text] : properties_) c_properties_.push_back({string(key), string(text)});
    for (auto& [domain, version] : opsets_) c_opsets_.push_back({string(domain), version});
    c_ = {};
    c_.struct_size = sizeof c_;
    c_.name = string(name_);
    c_.values = c_values_.data(), c_.value_count = c_values_.size(), c_.value_stride = sizeof(lathe_value);
    c_.nodes = c_nodes_.data(), c_.node_count = c_nodes_.size(), c_.node_stride = sizeof(lathe_node);
    c_.tensors = c_tensors_.data(), c_.tensor_count = c_tensors_.size(), c_.tensor_stride = sizeof(lathe_tensor);
    c_.subgraphs = c_subgraphs_.data(), c_.subgraph_count = c_subgraphs_.size(), c_.subgraph_stride = sizeof(lathe_graph);
    c_.inputs = inputs_.data(), c_.input_count = inputs_.size();
    c_.outputs = outputs_.data(), c_.output_count = outputs_.size();
    c_.captures = captures_.data(), c_.capture_count = captures_.size();
    c_.opsets = c_opsets_.data(), c_.opset_count = c_opsets_.size();
    c_.properties = c_properties_.data(), c_.property_count = c_properties_.size();
    return c_;
  }

 private:
  std::string name_;
  std::deque<ValueData> values_;
  std::deque<NodeData> nodes_;
  std::deque<TensorData> tensors_;
  std::vector<std::unique_ptr<GraphBuilder>> subgraphs_;
  std::vector<uint32_t> inputs_, outputs_;
  std::vector<lathe_capture> captures_;
  std::vector<std::pair<std::string, std::string>> properties_;
  std::vector<std::pair<std::string, int64_t>> opsets_;

  std::vector<lathe_value> c_values_;
  std::vector<lathe_node> c_nodes_;
  std::vector<lathe_tensor> c_tensors_;
  std::vector<lathe_graph> c_subgraphs_;
  std::vector<lathe_property> c_properties_;
  std::vector<lathe_opset> c_opsets_;
  lathe_graph c_ = {};
};

// A pass's list of changes; the host applies all of it or none. Indices are the snapshot's; new values get the next ones.
class Edits {
 public:
  explicit Edits(const GraphView& graph) : next_(static_cast<uint32_t>(graph.value_count())) {}
  bool empty() const { return edits_.empty(); }

  uint32_t add_value(std::string name, int32_t type = 0, std::optional<Shape> shape = std::nullopt) {
    Edit& e = add(LATHE_EDIT_ADD_VALUE);
    e.value.name = std::move(name);
    e.value.type = type;
    e.value.shape = std::move(shape);
    return next_++;
  }
  uint32_t add_constant(std::string name, TensorData tensor) {
    Shape shape(tensor.dimensions.begin(), tensor.dimensions.end());
    const uint32_t value = add_value(std::move(name), tensor.type, std::move(shape));
    edits_.back().tensor = std::move(tensor);
    return value;
  }
  // The reference stays valid; set attributes through it. Tensor attributes can only name tensors of the snapshot.
  NodeData& add_node(std::string op_type, std::vector<uint32_t> inputs, std::vector<uint32_t> outputs, std::string name = {},
                     std::string domain = {}) {
    NodeData& n = add(LATHE_EDIT_ADD_NODE).node;
    n.op_type = std::move(op_type);
    n.inputs = std::move(inputs);
    n.outputs = std::move(outputs);
    n.name = std::move(name);
    n.domain = std::move(domain);
    return n;
  }
  void remove_node(uint32_t node) { add(LATHE_EDIT_REMOVE_NODE).target = node; }
  void replace_value(uint32_t from, uint32_t to) {
    Edit& e = add(LATHE_EDIT_REPLACE_VALUE);
    e.target = from;
    e.with = to;
  }
  // Any of NodeData::set's kinds.
  template <class T>
  void set_attribute(uint32_t node, std::string name, T value) {
    Edit& e = add(LATHE_EDIT_SET_ATTRIBUTE);
    e.target = node;
    e.node.set(std::move(name), std::move(value));
  }
  void set_type(uint32_t value, int32_t type, std::optional<Shape> shape) {
    Edit& e = add(LATHE_EDIT_SET_TYPE);
    e.target = value;
    e.value.type = type;
    e.value.shape = std::move(shape);
  }

  // The list in the boundary's form; valid until this changes or goes.
  const std::vector<lathe_edit>& layout() {
    c_edits_.clear();
    for (Edit& e : edits_) {
      lathe_edit c = {};
      c.struct_size = sizeof c;
      c.kind = e.kind;
      c.target = e.target;
      c.with = e.with;
      e.c_value = e.value.layout();
      e.c_node = e.node.layout();
      if (e.kind == LATHE_EDIT_ADD_VALUE || e.kind == LATHE_EDIT_SET_TYPE) c.value = &e.c_value;
      if (e.kind == LATHE_EDIT_ADD_NODE) c.node = &e.c_node;
      if (e.kind == LATHE_EDIT_SET_ATTRIBUTE) c.attribute = e.c_node.attributes;
      if (e.tensor) {
        e.c_tensor = e.tensor->layout();
        c.tensor = &e.c_tensor;
      }
      c_edits_.push_back(c);
    }
    return c_edits_;
  }

 private:
  struct Edit {
    int32_t kind = 0;
    uint32_t target = LATHE_NONE, with = LATHE_NONE;
    ValueData value;
    NodeData node;
    std::optional<TensorData> tensor;
    lathe_value c_value = {};
    lathe_node c_node = {};
    lathe_tensor c_tensor = {};
  };
  Edit& add(int32_t kind) {
    edits_.emplace_back();
    edits_.back().kind = kind;
    return edits_.back();
  }
  uint32_t next_;
  std::deque<Edit> edits_;
  std::vector<lathe_edit> c_edits_;
};

}  // namespace lathe::sdk
