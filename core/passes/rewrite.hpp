// Tools that passes share: collecting replacements while walking over a graph, inserting nodes, reading constants as numbers.
#pragma once
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "core/ir/graph.hpp"

namespace lathe {

// Values that are to be used in place of others. A pass walks over the nodes in order, lets resolve_inputs() bring each node up to date, says
// replace() where a value is found superfluous, and apply() at the end does the rest in one walk: linear, however many replacements.
class Replacements {
 public:
  explicit Replacements(Graph& graph);

  // `from` will be `to`, which stands earlier. A graph output keeps its name: `to` takes it over; where it cannot (a graph input, a capture,
  // a constant, an output itself) false is returned and nothing is done.
  bool replace(ValueId from, ValueId to);
  bool can_replace(ValueId from, ValueId to) const;

  ValueId resolve(ValueId v) const;
  void resolve_inputs(Node& node) const;  // captures of the node's subgraphs too
  bool is_output(ValueId v) const { return v < output_.size() && output_[v]; }

  // Rewrites every use in the graph. True when anything was replaced.
  bool apply();

 private:
  Graph& graph_;
  std::vector<ValueId> to_;  // per value; itself where it stays
  std::vector<bool> output_, fixed_;
  bool any_ = false;
};

// Puts each node before the node that has the given index now. Indices ascend.
void insert_nodes(Graph& graph, std::vector<std::pair<NodeId, Node>> insertions);

// Calls `pass` for the subgraphs of every node, innermost first, and then for the graph itself. True when any call returned true.
bool for_each_graph(Graph& graph, const std::function<bool(Graph&)>& pass);

// The elements of a numeric tensor as float64; nullopt for strings, complex numbers and types of less than eight bits.
std::optional<std::vector<double>> to_doubles(const Tensor& tensor);

// Rounds to the nearest value of a float type.
Tensor from_doubles(DataType type, std::vector<int64_t> dimensions, const std::vector<double>& values);

// The one number that all elements of a constant are equal to.
std::optional<double> uniform_value(const Graph& graph, ValueId v);

// Would x and a tensor of this shape, broadcast together as ONNX does, have the shape of x?
bool broadcasts_into(const std::vector<int64_t>& dimensions, const ValueType& x);

// Both are known and equal for every input: constants, or symbols of the same name.
bool same_shape(const ValueType& a, const ValueType& b);

}  // namespace lathe
