// See execution.hpp.
#include "core/reference/execution.hpp"

#include <algorithm>

#include "core/base/diagnostic.hpp"
#include "core/reference/host_operators.hpp"
#include "core/reference/node_run.hpp"
#include "core/reference/rounding.hpp"

namespace lathe {

void fail_node(const Node& node, std::string text, std::string expected, std::string found) {
  Diagnostic d;
  d.text = std::move(text);
  d.node = node.name;
  d.op_type = node.op_type;
  d.expected = std::move(expected);
  d.found = std::move(found);
  throw Error(Code::failed, std::move(d));
}

Execution::Execution(const ReferenceOptions& options) : options_(options), moved_(options.moved_sums), pool_(std::max(options.threads, 1u)) {}

void Execution::check_cancelled() const {
  if (options_.cancelled && options_.cancelled()) throw Error(Code::interrupted, "the reference run was interrupted");
}

const Execution::Prepared& Execution::prepare(const Graph& graph) {
  const auto [entry, added] = prepared_.try_emplace(&graph);
  Prepared& p = entry->second;
  if (!added) return p;
  const Uses uses(graph);
  p.output = uses.output;
  p.constants.resize(graph.values.size());
  p.uses.resize(graph.values.size());
  for (ValueId id = 0; id < graph.values.size(); ++id) {
    p.uses[id] = uint32_t(uses.users[id].size());
    if (graph.value(id).constant) p.constants[id] = std::make_unique<Datum>(*graph.value(id).constant);
  }
  return p;
}

int64_t Execution::size_of(const Dimension& dimension) const {
  if (dimension.constant()) return dimension.value;
  const auto known = dimension.symbol.empty() ? symbols_.end() : symbols_.find(dimension.symbol);
  return known == symbols_.end() ? 0 : known->second;
}

std::vector<Datum> Execution::run(const Graph& graph, std::vector<Datum> inputs, const Frame* around, const std::string& prefix) {
  if (depth_ > max_graph_depth) throw Error(Code::failed, "graphs are nested deeper than " + std::to_string(max_graph_depth) + " levels");
  struct Depth {
    int& depth;
    explicit Depth(int& d) : depth(d) { ++depth; }
    ~Depth() { --depth; }
  } deeper(depth_);
  const Prepared& prepared = prepare(graph);
  Frame frame{graph, around, std::vector<const Datum*>(graph.values.size()), {}, prefix};
  frame.own.resize(graph.values.size());
  std::vector<uint32_t> left = prepared.uses;
  for (ValueId id = 0; id < graph.values.size(); ++id) frame.seen[id] = prepared.constants[id].get();
  for (const Capture& c : graph.captures) frame.seen[c.inner] = around->seen[c.outer];
  const auto set = [&](ValueId id, Datum datum) {
    if (options_.watch) options_.watch(prefix + graph.value(id).name, datum);
    if (left[id] == 0 && !prepared.output[id]) return;
    frame.own[id] = std::make_unique<Datum>(std::move(datum));
    frame.seen[id] = frame.own[id].get();
  };
  const auto used = [&](ValueId id) {
    if (--left[id] == 0 && !prepared.output[id] && frame.own[id]) frame.own[id].reset(), frame.seen[id] = nullptr;
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ValueId id = graph.inputs[i];
    if (!around && inputs[i].is_tensor() && graph.value(id).type.shape)
      for (size_t d = 0; d < std::min(graph.value(id).type.shape->size(), inputs[i].tensor.dimensions.size()); ++d)
        symbols_.emplace((*graph.value(id).type.shape)[d].symbol, inputs[i].tensor.dimensions[d]);
    if (left[id] == 0 && !prepared.output[id]) continue;
    frame.own[id] = std::make_unique<Datum>(converted(std::move(inputs[i]), graph.value(id).type));
    frame.seen[id] = frame.own[id].get();
  }
  inputs.clear();

  for (const Node& node : graph.nodes) {
    check_cancelled();
    std::vector<Argument> arguments;
    for (const ValueId id : node.inputs) {
      if (id == none) {
        arguments.push_back({});
        continue;
      }
      const bool last = left[id] == 1 && !prepared.output[id];
      arguments.push_back({frame.seen[id], last ? frame.own[id].get() : nullptr});
    }
    std::vector<Datum> outputs = run_node(frame, node, arguments);
    for (size_t i = 0; i < outputs.size(); ++i)
      if (node.outputs[i] != none) set(node.outputs[i], std::move(outputs[i]));
    for (const ValueId id : node.inputs)
      if (id != none) used(id);
    for (const Graph* body : subgraphs(node))
      for (const Capture& c : body->captures) used(c.outer);
  }

  std::vector<Datum> results;
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const ValueId id = graph.outputs[i];
    const bool again = std::find(graph.outputs.begin() + int64_t(i) + 1, graph.outputs.end(), id) != graph.outputs.end();
    Datum datum = frame.own[id] && !again ? std::move(*frame.own[id]) : *frame.seen[id];
    results.push_back(converted(std::move(datum), graph.value(id).type));
  }
  return results;
}

std::vector<Datum> Execution::run_node(const Frame& frame, const Node& node, std::vector<Argument>& arguments) {
  if (is_control_flow(node)) return run_control_flow(*this, frame, node, arguments);
  if (is_sequence_operator(node, arguments)) return run_sequence_operator(*this, frame, node, arguments);
  const Operator* op = find_operator(node.domain, node.op_type);
  if (!op || (!op->kernel && !host_operator(node.domain, node.op_type))) {
    Diagnostic d;
    d.text = "the reference engine has no kernel for it";
    d.node = node.name;
    d.op_type = node.op_type;
    throw Error(Code::unsupported, std::move(d));
  }
  std::vector<const Tensor*> tensors;
  for (const Argument& a : arguments) tensors.push_back(a.datum ? &a.datum->tensor : nullptr);
  std::vector<Tensor> made = *lathe::run_node(*op, node, tensors, &pool_, UINT64_MAX);
  if (options_.moved_sums && sums_products(node))
    for (Tensor& tensor : made) move_sums(tensor, moved_);
  return {std::make_move_iterator(made.begin()), std::make_move_iterator(made.end())};
}

}  // namespace lathe
