// One walk backwards: the nodes are in topological order, so a node's users were seen before it.
#include "core/passes/eliminate_dead_code.hpp"

#include "core/ops/operator.hpp"

namespace lathe {
namespace {

// Makes unused optional outputs absent. True when there was one.
bool drop_outputs(Node& node, const std::vector<bool>& needed) {
  const Operator* op = find_operator(node.domain, node.op_type);
  if (!op) return false;
  bool changed = false;
  for (size_t i = 0; i < node.outputs.size() && i < op->outputs.size(); ++i) {
    if (node.outputs[i] == none || needed[node.outputs[i]] || op->outputs[i].kind != Formal::optional) continue;
    node.outputs[i] = none;
    changed = true;
  }
  while (changed && !node.outputs.empty() && node.outputs.back() == none) node.outputs.pop_back();
  return changed;
}

bool sweep(Graph& graph) {
  std::vector<bool> needed(graph.values.size(), false);
  for (const ValueId v : graph.outputs) needed[v] = true;
  bool changed = false;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const bool alive = std::any_of(node->outputs.begin(), node->outputs.end(), [&](ValueId v) { return v != none && needed[v]; });
    if (!alive) {
      *node = Node();
      changed = true;
      continue;
    }
    changed |= drop_outputs(*node, needed);
    for (const ValueId v : node->inputs) {
      if (v != none) needed[v] = true;
    }
    for (Graph* inner : subgraphs(*node)) {
      changed |= sweep(*inner);
      for (const Capture& c : inner->captures) needed[c.outer] = true;
    }
  }
  const size_t values = graph.values.size(), captures = graph.captures.size();
  compact(graph);
  return changed || graph.values.size() != values || graph.captures.size() != captures;
}

}  // namespace

bool eliminate_dead_code(Graph& graph) { return sweep(graph); }

}  // namespace lathe
