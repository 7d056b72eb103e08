// The reference engine's two doors: a whole run (execution.hpp), and one node for folding.
#include "core/reference/reference.hpp"

#include "core/reference/execution.hpp"
#include "core/reference/host_operators.hpp"
#include "core/reference/node_run.hpp"

namespace lathe {
namespace {

Error input_error(const std::string& name, std::string text, std::string expected = {}, std::string found = {}) {
  Diagnostic d;
  d.location = "input '" + name + "'";
  d.text = std::move(text);
  d.expected = std::move(expected);
  d.found = std::move(found);
  return Error(Code::failed, std::move(d));
}

Datum checked_input(const Value& value, const Datum& given) {
  Datum datum = converted(given, value.type);
  if (!fits(datum, value.type))
    throw input_error(value.name, datum.is_tensor() ? "the tensor does not fit the model's input" : "the value does not fit the model's input",
                      to_string(value.type), describe(datum));
  return datum;
}

}  // namespace

NamedData run_reference(const Graph& graph, const NamedData& inputs, const ReferenceOptions& options) {
  std::vector<Datum> ordered;
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    const auto given = inputs.find(value.name);
    if (given == inputs.end() && !value.constant) throw input_error(value.name, "the model's input is not given", to_string(value.type));
    ordered.push_back(given == inputs.end() ? Datum(*value.constant) : checked_input(value, given->second));
  }
  for (const auto& [name, datum] : inputs) {
    std::vector<std::string> names;
    for (const ValueId id : graph.inputs) names.push_back(graph.value(id).name);
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw input_error(name, "the model has no such input" + did_you_mean(name, names));
  }

  std::vector<Datum> outputs = Execution(options).run(graph, std::move(ordered));
  NamedData results;
  for (size_t i = 0; i < outputs.size(); ++i) results.emplace(graph.value(graph.outputs[i]).name, std::move(outputs[i]));
  return results;
}

std::optional<std::vector<Tensor>> evaluate(const Graph& graph, const Node& node, std::span<const Tensor* const> inputs, uint64_t limit) {
  (void)graph;
  const Operator* op = find_operator(node.domain, node.op_type);
  if (!op || !op->deterministic || (!op->kernel && !host_operator(node.domain, node.op_type))) return std::nullopt;
  return run_node(*op, node, inputs, nullptr, limit);
}

}  // namespace lathe
