// Where ONNX Runtime departs from the standard, as a table: the operator, when it applies, and why. A sample in which such a node stands is not
// judged by it (the two engines of Lathe are still compared with each other).
#include <span>

#include "judge.hpp"

namespace lathe::differential {
namespace {

struct KnownDifference {
  std::string_view op_type;  // empty: any
  bool (*applies)(const Graph&, const Node&);
  const char* reason;
};

const ValueType* type_of(const Graph& graph, const Node& node, size_t input) {
  return node.input(input) == none ? nullptr : &graph.value(node.inputs[input]).type;
}
DataType element(const Graph& graph, const Node& node, size_t input) {
  const ValueType* type = type_of(graph, node, input);
  const Tensor* constant = graph.constant(node.input(input));
  return constant ? constant->type : type ? type->element : DataType::none;
}
bool has_zero(const Graph& graph, const Node& node) {
  const ValueType* type = type_of(graph, node, 0);
  if (const Tensor* constant = graph.constant(node.input(0))) return constant->size() == 0;
  if (!type || !type->shape) return true;
  for (const Dimension& d : *type->shape)
    if (!d.constant() || d.value == 0) return true;
  return false;
}

constexpr KnownDifference table[] = {
    {"Resize", [](const Graph& g, const Node& n) { return n.integer("antialias", 0) != 0 && element(g, n, 0) == DataType::int8; },
     "antialiasing of int8 clamps to 0..255"},
    {"ReduceLogSumExp", has_zero, "a reduction over an empty set keeps other axes than it was told"},
};

}  // namespace

std::string excused(const Sample& sample) {
  for (const Node& node : sample.graph.nodes)
    for (const KnownDifference& d : table)
      if (d.op_type == node.op_type && (!d.applies || d.applies(sample.graph, node))) return node.op_type + ": " + d.reason;
  return "";
}

}  // namespace lathe::differential
