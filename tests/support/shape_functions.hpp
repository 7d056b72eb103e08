// Holds the shape functions of sdk/kernels against inference: both must say the same of every node whose inputs are known.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/reference/reference.hpp"

namespace lathe::test {

struct Shapes {
  std::vector<std::optional<std::vector<int64_t>>> outputs;  // nullopt: the output is absent
  std::string error;                                         // what was wrong with the inputs; then `outputs` says nothing
};

// What the operator's shape function makes of a node. nullopt: it has none, because its kernel decides. `types`: of the node's outputs.
std::optional<Shapes> by_shape_function(const Node& node, const std::vector<const Tensor*>& inputs, const std::vector<DataType>& types);

// What inference says when it knows all inputs.
Shapes by_inference(const Node& node, const std::vector<const Tensor*>& inputs, std::vector<DataType>* types = nullptr);

// Watches a run of the reference engine, and compares the shape of each result of the graph's own nodes with what the shape function says.
class ShapeFunctionWatch {
 public:
  ShapeFunctionWatch(const Graph& graph, const NamedData& inputs);
  void see(const std::string& value, const Datum& datum);
  std::vector<std::string> disagreements();  // sentences; after the run
  int compared() const { return compared_; }

 private:
  const Graph& graph_;
  std::map<std::string, Datum> seen_;
  int compared_ = 0;
};

}  // namespace lathe::test
