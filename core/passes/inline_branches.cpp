// See inline_branches.hpp. An If inside of a branch that was inlined is met by the same walk.
#include "core/passes/inline_branches.hpp"

#include "core/ir/splice.hpp"
#include "core/passes/rewrite.hpp"

namespace lathe {
namespace {

// The branch that is taken, where that is known.
Attribute::Subgraph taken_branch(const Graph& graph, const Node& node) {
  if (!node.domain.empty() || node.op_type != "If") return nullptr;
  const Tensor* condition = graph.constant(node.input(0));
  if (!condition || condition->type != DataType::boolean || condition->size() != 1) return nullptr;
  const auto found = node.attributes.find(condition->as<uint8_t>()[0] ? "then_branch" : "else_branch");
  const auto* branch = found == node.attributes.end() ? nullptr : std::get_if<Attribute::Subgraph>(&found->second.value);
  return branch && *branch && (*branch)->outputs.size() == node.outputs.size() ? *branch : nullptr;
}

bool inline_in(Graph& graph) {
  bool changed = false;
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    const Attribute::Subgraph branch = taken_branch(graph, graph.nodes[n]);
    if (!branch) continue;
    const Node node = std::move(graph.nodes[n]);
    graph.nodes[n] = Node();
    const std::vector<ValueId> results = splice(graph, std::move(*branch), {}, [](ValueId outer) { return outer; });
    for (size_t i = 0; i < results.size(); ++i) {
      if (node.outputs[i] == none) continue;
      const bool wrap = graph.value(node.outputs[i]).type.kind != graph.value(results[i]).type.kind;
      graph.add_node(wrap ? "Optional" : "Identity", {results[i]}, {node.outputs[i]}, graph.fresh_node_name(node.name));
    }
    changed = true;
  }
  if (changed) compact(graph);
  return changed;
}

}  // namespace

bool inline_branches(Graph& graph) { return for_each_graph(graph, inline_in); }

}  // namespace lathe
