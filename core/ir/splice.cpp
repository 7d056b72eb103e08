// See splice.hpp.
#include "core/ir/splice.hpp"

namespace lathe {

std::vector<ValueId> splice(Graph& target, Graph body, const std::vector<ValueId>& inputs, const std::function<ValueId(ValueId outer)>& captured) {
  std::vector<ValueId> place(body.values.size(), none);
  for (size_t i = 0; i < inputs.size(); ++i) place[body.inputs[i]] = inputs[i];
  for (const Capture& c : body.captures) place[c.inner] = captured(c.outer);
  for (ValueId v = 0; v < body.values.size(); ++v) {
    if (place[v] != none) continue;
    Value& value = body.value(v);
    place[v] = target.add_value(std::move(value.name), std::move(value.type));
    target.value(place[v]).constant = std::move(value.constant);
  }
  const auto move = [&](ValueId& v) {
    if (v != none) v = place[v];
  };
  for (Node& node : body.nodes) {
    for (ValueId& v : node.inputs) move(v);
    for (ValueId& v : node.outputs) move(v);
    for (Graph* inner : subgraphs(node))
      for (Capture& c : inner->captures) move(c.outer);
    node.name = target.fresh_node_name(node.name);
    target.nodes.push_back(std::move(node));
  }
  std::vector<ValueId> outputs = body.outputs;
  for (ValueId& v : outputs) move(v);
  return outputs;
}

}  // namespace lathe
