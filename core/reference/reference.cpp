// The reference engine: one node after the other, each tensor freed after its last use.
#include "core/reference/reference.hpp"

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
  std::vector<std::optional<Datum>> values(graph.values.size());
  for (ValueId id = 0; id < graph.values.size(); ++id)
    if (graph.value(id).constant) values[id] = *graph.value(id).constant;
  for (const ValueId id : graph.inputs) {
    const auto given = inputs.find(graph.value(id).name);
    if (given == inputs.end()) {
      if (values[id]) continue;  // an input with a default
      throw input_error(graph.value(id).name, "the model's input is not given", to_string(graph.value(id).type));
    }
    values[id] = checked_input(graph.value(id), given->second);
  }
  for (const auto& [name, datum] : inputs) {
    std::vector<std::string> names;
    for (const ValueId id : graph.inputs) names.push_back(graph.value(id).name);
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw input_error(name, "the model has no such input" + did_you_mean(name, names));
  }

  const Uses uses(graph);
  std::vector<size_t> left(graph.values.size());
  for (ValueId id = 0; id < graph.values.size(); ++id) left[id] = uses.users[id].size();
  ThreadPool pool(std::max(options.threads, 1u));
  for (const Node& node : graph.nodes) {
    if (options.cancelled && options.cancelled()) throw Error(Code::interrupted, "the reference run was interrupted");
    const Operator* op = find_operator(node.domain, node.op_type);
    if (!op || (!op->kernel && !host_operator(node.domain, node.op_type))) {
      Diagnostic d;
      d.text = "the reference engine has no kernel for it";
      d.node = node.name;
      d.op_type = node.op_type;
      throw Error(Code::unsupported, std::move(d));
    }
    std::vector<const Tensor*> arguments;
    for (const ValueId id : node.inputs) arguments.push_back(id == none ? nullptr : &values[id]->tensor);
    std::vector<Tensor> outputs = *run_node(*op, node, arguments, &pool, UINT64_MAX);
    for (size_t i = 0; i < outputs.size(); ++i) {
      const ValueId id = node.outputs[i];
      if (id == none) continue;
      if (options.watch) options.watch(graph.value(id).name, outputs[i]);
      if (left[id] > 0 || uses.output[id]) values[id] = std::move(outputs[i]);
    }
    for (const ValueId id : node.inputs)
      if (id != none && --left[id] == 0 && !uses.output[id]) values[id].reset();
  }
  NamedData results;
  for (const ValueId id : graph.outputs) results.emplace(graph.value(id).name, *values[id]);
  return results;
}

std::optional<std::vector<Tensor>> evaluate(const Graph& graph, const Node& node, std::span<const Tensor* const> inputs, uint64_t limit) {
  (void)graph;
  const Operator* op = find_operator(node.domain, node.op_type);
  if (!op || !op->deterministic || (!op->kernel && !host_operator(node.domain, node.op_type))) return std::nullopt;
  return run_node(*op, node, inputs, nullptr, limit);
}

}  // namespace lathe
