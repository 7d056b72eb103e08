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

// Drops what branches yield and loops collect for nobody. What a loop carries stays: its next turn may need it.
bool drop_body_outputs(Node& node, const std::vector<bool>& needed) {
  if (!node.domain.empty()) return false;
  const bool loop = node.op_type == "Loop", scan = node.op_type == "Scan";
  if (!loop && !scan && node.op_type != "If") return false;
  size_t first = 0, shift = 0;  // of the outputs that may go; where the body has them
  if (loop) first = node.inputs.size() > 2 ? node.inputs.size() - 2 : 0, shift = 1;
  if (scan) {
    const int64_t scanned = node.integer("num_scan_inputs", 0);
    if (scanned < 0 || uint64_t(scanned) > node.inputs.size()) return false;
    first = node.inputs.size() - size_t(scanned);
  }
  const std::vector<Graph*> bodies = subgraphs(node);
  for (const Graph* body : bodies)
    if (body->outputs.size() != node.outputs.size() + shift) return false;
  bool changed = false;
  for (size_t i = node.outputs.size(); i-- > first;) {
    if (node.outputs[i] != none && needed[node.outputs[i]]) continue;
    node.outputs.erase(node.outputs.begin() + int64_t(i));
    for (Graph* body : bodies) body->outputs.erase(body->outputs.begin() + int64_t(i + shift));
    for (const char* name : {"scan_output_axes", "scan_output_directions"}) {
      const auto found = node.attributes.find(name);
      auto* list = found == node.attributes.end() ? nullptr : std::get_if<Attribute::Ints>(&found->second.value);
      if (list && i - first < list->size()) list->erase(list->begin() + int64_t(i - first));
    }
    changed = true;
  }
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
    changed |= drop_body_outputs(*node, needed);
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
