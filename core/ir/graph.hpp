// The graph: ONNX's operators and types at one canonical opset. Values and nodes are plain data in two vectors, addressed by index.
//
// Invariants that verify() checks: every value has a unique non-empty name and at most one producer; nodes are in topological order;
// a value is at most one of input, constant, node output, capture; subgraphs reach outer values through captures only.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "core/ir/tensor.hpp"

namespace lathe {

inline constexpr int64_t canonical_opset = 26;  // ONNX 1.21

using ValueId = uint32_t;
using NodeId = uint32_t;
inline constexpr uint32_t none = UINT32_MAX;  // an absent optional input or output
inline constexpr int max_graph_depth = 128;   // graphs within graphs; readers refuse deeper ones, so recursion over subgraphs is safe

struct Graph;

enum class ValueKind : int32_t { tensor = 0, sequence = 1, optional = 2, optional_sequence = 3 };

struct ValueType {
  ValueKind kind = ValueKind::tensor;
  DataType element = DataType::none;  // none: not known
  std::optional<Shape> shape;         // nullopt: rank not known

  bool operator==(const ValueType&) const = default;
  bool static_shape() const;                // rank known and every dimension constant
  std::vector<int64_t> dimensions() const;  // of a static shape
};
std::string to_string(const ValueType& type);  // "float[1,3,W]"

struct Value {
  std::string name;
  ValueType type;
  std::optional<Tensor> constant;  // set: an initializer
};

struct Attribute {
  using Ints = std::vector<int64_t>;
  using Floats = std::vector<float>;
  using Strings = std::vector<std::string>;
  using Tensors = std::vector<Tensor>;
  using Subgraph = std::shared_ptr<Graph>;  // owned by one attribute; shared_ptr only because Graph is incomplete here
  using Subgraphs = std::vector<Subgraph>;
  std::variant<int64_t, float, std::string, Tensor, Subgraph, Ints, Floats, Strings, Tensors, Subgraphs> value;
};

struct Node {
  std::string name;  // unique in its graph
  std::string domain;
  std::string op_type;
  std::vector<ValueId> inputs;   // `none` where an optional one is absent
  std::vector<ValueId> outputs;  // likewise
  std::map<std::string, Attribute, std::less<>> attributes;

  ValueId input(size_t i) const { return i < inputs.size() ? inputs[i] : none; }
  // Attribute access with the operator's default; throws Error when the attribute has another kind.
  int64_t integer(std::string_view name, int64_t fallback) const;
  float real(std::string_view name, float fallback) const;
  std::string text(std::string_view name, std::string_view fallback) const;
  std::vector<int64_t> integers(std::string_view name, std::vector<int64_t> fallback = {}) const;
  bool has(std::string_view name) const { return attributes.find(name) != attributes.end(); }
};

struct Capture {
  ValueId inner;  // in the subgraph
  ValueId outer;  // in the enclosing graph
};

// Which names are taken, so that a fresh one is found without a walk over the graph. It catches up with values and nodes that were appended
// since it was last asked; a name changed in place is seen only if Graph::rename_value changed it.
class NameIndex {
 public:
  template <class Items>
  std::string fresh(const Items& items, std::string_view base) {
    for (; seen_ < items.size(); ++seen_) taken_.insert(items[seen_].name);
    return first_free(base);
  }
  void insert(const std::string& name) { taken_.insert(name); }
  void forget() { *this = {}; }

 private:
  std::string first_free(std::string_view base);
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, uint32_t> suffix_;  // per base: the last suffix found taken
  size_t seen_ = 0;
};

struct Graph {
  std::string name;
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs, outputs;
  std::vector<Capture> captures;                               // subgraphs only
  std::map<std::string, int64_t, std::less<>> opsets;          // domain -> version
  std::map<std::string, std::string, std::less<>> properties;  // the model's metadata

  Value& value(ValueId id) { return values[id]; }
  const Value& value(ValueId id) const { return values[id]; }
  ValueId add_value(std::string name, ValueType type = {});  // makes the name unique by a suffix
  ValueId add_constant(std::string name, Tensor tensor);
  Node& add_node(std::string op_type, std::vector<ValueId> inputs, std::vector<ValueId> outputs, std::string name = {});
  // A name that nothing in this graph has: `base` itself or with a suffix. Not for two threads at once on one graph.
  std::string fresh_value_name(std::string_view base) const;
  std::string fresh_node_name(std::string_view base) const;
  void rename_value(ValueId id, std::string name);  // the caller knows that it is free

  const Tensor* constant(ValueId id) const { return id != none && values[id].constant ? &*values[id].constant : nullptr; }

  mutable NameIndex value_names, node_names;  // caches; call forget() after erasing values or nodes by hand
};

// The graphs that a node's attributes hold, in the attributes' order.
std::vector<Graph*> subgraphs(const Node& node);

// Who makes and who uses each value; stale after the graph changes. Subgraph captures count as uses by the node that holds the subgraph.
struct Uses {
  explicit Uses(const Graph& graph);
  std::vector<NodeId> producer;            // per value; none
  std::vector<std::vector<NodeId>> users;  // per value; a node that uses it twice stands twice
  std::vector<bool> output;                // per value: is it a graph output
};

// Every use of `from` (graph outputs and captures included) becomes `to`. A graph output keeps its name: `to` takes it over, unless
// `to` is a graph input, a constant, a capture or itself an output; then false is returned and nothing is done. Takes one walk over the
// graph: a pass that replaces many values collects them (core/passes/rewrite.hpp).
bool replace_value(Graph& graph, ValueId from, ValueId to);

// Drops values and captures that nothing refers to and nodes marked by an empty op_type, in subgraphs too; restores topological order
// (nodes that stand right already keep their order). Ids change. Throws Error(failed) when nodes form a cycle.
void compact(Graph& graph);

// Deep copy (subgraphs too; tensor bytes are shared).
Graph clone(const Graph& graph);

// Throws Error(internal) naming what is broken.
void verify(const Graph& graph);

}  // namespace lathe
