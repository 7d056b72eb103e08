// See shrink.hpp.
#include "shrink.hpp"

#include <algorithm>
#include <optional>

#include "core/base/diagnostic.hpp"
#include "core/ops/operator.hpp"
#include "core/reference/reference.hpp"

namespace lathe::differential {
namespace {

void forget_unused(Sample& sample) {
  compact(sample.graph);
  const Uses uses(sample.graph);
  std::erase_if(sample.graph.inputs, [&](ValueId id) {
    if (!uses.users[id].empty() || uses.output[id]) return false;
    sample.inputs.erase(sample.graph.value(id).name);
    return true;
  });
  compact(sample.graph);
}

// Nodes that nothing needs, by a walk from the outputs.
void drop_dead_nodes(Sample& sample) {
  Graph& graph = sample.graph;
  const Uses uses(graph);
  std::vector<bool> needed(graph.values.size());
  for (const ValueId id : graph.outputs) needed[id] = true;
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    Node& node = graph.nodes[n];
    bool used = false;
    for (const ValueId id : node.outputs) used = used || (id != none && needed[id]);
    if (!used) node.op_type.clear();
    for (const ValueId id : node.inputs)
      if (used && id != none) needed[id] = true;
  }
  forget_unused(sample);
}

std::optional<Sample> only_output(const Sample& from, size_t index) {
  Sample s = copy(from);
  s.graph.outputs = {s.graph.outputs[index]};
  drop_dead_nodes(s);
  return s;
}

// The node's outputs become inputs with the numbers that the reference computes for them.
std::optional<Sample> without_node(const Sample& from, size_t index) {
  Sample s = copy(from);
  std::map<std::string, Tensor> made;
  try {
    ReferenceOptions options;
    options.watch = [&](const std::string& value, const Datum& datum) {
      if (datum.is_tensor()) made[value] = datum.tensor;
    };
    run_reference(s.graph, {s.inputs.begin(), s.inputs.end()}, options);
  } catch (const Error&) {
  }
  const Uses uses(s.graph);
  for (const ValueId id : s.graph.nodes[index].outputs) {
    if (id == none || (uses.users[id].empty() && !uses.output[id])) continue;
    const auto tensor = made.find(s.graph.value(id).name);
    if (uses.output[id] || tensor == made.end()) return std::nullopt;
    s.graph.value(id).type = {ValueKind::tensor, tensor->second.type, Shape(tensor->second.dimensions.begin(), tensor->second.dimensions.end())};
    s.graph.inputs.push_back(id);
    s.inputs[s.graph.value(id).name] = tensor->second;
  }
  s.graph.nodes[index].op_type.clear();
  s.graph.nodes[index].outputs.clear();
  forget_unused(s);
  return s;
}

bool still(const std::optional<Sample>& candidate, const std::function<bool(const Sample&)>& fails) {
  try {
    return candidate && !candidate->graph.nodes.empty() && fails(*candidate);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

Sample shrink(Sample sample, const std::function<bool(const Sample&)>& fails) {
  for (size_t i = 0; sample.graph.outputs.size() > 1 && i < sample.graph.outputs.size(); ++i) {
    std::optional<Sample> candidate = only_output(sample, i);
    if (still(candidate, fails)) sample = std::move(*candidate);
  }
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (size_t n = 0; n < sample.graph.nodes.size() && !smaller; ++n) {
      std::optional<Sample> candidate = without_node(sample, n);
      if (!still(candidate, fails)) continue;
      sample = std::move(*candidate);
      smaller = true;
    }
  }
  for (size_t n = 0; n < sample.graph.nodes.size(); ++n) {
    std::vector<std::string> names;
    for (const auto& [name, attribute] : sample.graph.nodes[n].attributes) names.push_back(name);
    const Operator* op = find_operator(sample.graph.nodes[n].domain, sample.graph.nodes[n].op_type);
    for (const std::string& name : names) {
      const bool required =
          op && std::any_of(op->attributes.begin(), op->attributes.end(), [&](const FormalAttribute& a) { return a.name == name && a.required; });
      if (required) continue;
      Sample candidate = copy(sample);
      candidate.graph.nodes[n].attributes.erase(name);
      if (still(candidate, fails)) sample = std::move(candidate);
    }
  }
  return sample;
}

}  // namespace lathe::differential
