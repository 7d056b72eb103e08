// See infer_types.hpp.
#include "core/passes/infer_types.hpp"

#include "core/ops/operator.hpp"

namespace lathe {
namespace {

void collect_types(const Graph& graph, std::vector<ValueType>& types) {
  for (const Value& value : graph.values) types.push_back(value.type);
  for (const Node& node : graph.nodes) {
    for (const Graph* inner : subgraphs(node)) collect_types(*inner, types);
  }
}

}  // namespace

bool infer_all_types(Graph& graph) {
  std::vector<ValueType> before, after;
  collect_types(graph, before);
  infer_types(graph);
  collect_types(graph, after);
  return before != after;
}

}  // namespace lathe
