// See expand_functions.hpp.
#include "core/passes/expand_functions.hpp"

#include "core/ir/splice.hpp"
#include "core/passes/rewrite.hpp"

namespace lathe {
namespace {

// The node's body, and whether the types that the expansion needs are known.
Attribute::Subgraph sequence_map(const Graph& graph, const Node& node) {
  if (!node.domain.empty() || node.op_type != "SequenceMap") return nullptr;
  const auto found = node.attributes.find("body");
  const auto* body = found == node.attributes.end() ? nullptr : std::get_if<Attribute::Subgraph>(&found->second.value);
  if (!body || !*body || (*body)->inputs.size() != node.inputs.size() || (*body)->outputs.size() != node.outputs.size()) return nullptr;
  for (const ValueId v : node.outputs)
    if (v == none || graph.value(v).type.element == DataType::none) return nullptr;
  return *body;
}

void expand(Graph& graph, const Node& node, Graph map) {
  const ValueType one = {ValueKind::tensor, DataType::int64, Shape()}, truth = {ValueKind::tensor, DataType::boolean, Shape()};
  auto loop = std::make_shared<Graph>();
  loop->name = map.name;
  const ValueId turn = loop->add_value("turn", one), go_on = loop->add_value("go_on", truth);
  loop->inputs = {turn, go_on};
  const auto capture = [&](ValueId outer) {
    for (const Capture& c : loop->captures)
      if (c.outer == outer) return c.inner;
    const ValueId inner = loop->add_value(loop->fresh_value_name(graph.value(outer).name), graph.value(outer).type);
    loop->captures.push_back({inner, outer});
    return inner;
  };
  std::vector<ValueId> state, arguments;
  for (const ValueId v : node.outputs) {
    state.push_back(loop->add_value(loop->fresh_value_name("so_far"), graph.value(v).type));
    loop->inputs.push_back(state.back());
  }
  for (const ValueId v : node.inputs) {
    const ValueId whole = capture(v);
    ValueType type = graph.value(v).type;
    if (type.kind != ValueKind::sequence) {
      arguments.push_back(whole);
      continue;
    }
    type.kind = ValueKind::tensor;
    arguments.push_back(loop->add_value(loop->fresh_value_name("element"), type));
    loop->add_node("SequenceAt", {whole, turn}, {arguments.back()}, loop->fresh_node_name("at"));
  }
  const std::vector<ValueId> results = splice(*loop, std::move(map), arguments, capture);
  const ValueId still = loop->add_value("still", truth);
  loop->add_node("Identity", {go_on}, {still}, loop->fresh_node_name("go_on"));
  loop->outputs = {still};
  for (size_t i = 0; i < results.size(); ++i) {
    loop->outputs.push_back(loop->add_value(loop->fresh_value_name("longer"), graph.value(node.outputs[i]).type));
    loop->add_node("SequenceInsert", {state[i], results[i]}, {loop->outputs.back()}, loop->fresh_node_name("insert"));
  }

  const ValueId count = graph.add_value(node.name + ".length", one);
  graph.add_node("SequenceLength", {node.inputs[0]}, {count}, graph.fresh_node_name(node.name + ".length"));
  std::vector<ValueId> inputs = {count, none};
  for (const ValueId v : node.outputs) {
    const DataType element = graph.value(v).type.element;
    inputs.push_back(graph.add_value(node.name + ".empty", {ValueKind::sequence, element, std::nullopt}));
    graph.add_node("SequenceEmpty", {}, {inputs.back()}, graph.fresh_node_name(node.name + ".empty")).attributes["dtype"].value = int64_t(element);
  }
  graph.add_node("Loop", inputs, node.outputs, graph.fresh_node_name(node.name)).attributes["body"].value = loop;
}

bool expand_in(Graph& graph) {
  bool changed = false;
  const size_t count = graph.nodes.size();
  for (NodeId n = 0; n < count; ++n) {
    const Attribute::Subgraph body = sequence_map(graph, graph.nodes[n]);
    if (!body) continue;
    const Node node = std::move(graph.nodes[n]);
    graph.nodes[n] = Node();
    expand(graph, node, std::move(*body));
    changed = true;
  }
  if (changed) compact(graph);
  return changed;
}

}  // namespace

bool expand_functions(Graph& graph) { return for_each_graph(graph, expand_in); }

}  // namespace lathe
