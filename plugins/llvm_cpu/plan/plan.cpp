// The order of planning.
#include "plan/plan.hpp"

#include <algorithm>

#include "plan/network.hpp"

namespace lathe::llvm_cpu {

namespace {

std::vector<TensorInterface> interfaces(const Network& network, const std::vector<TensorId>& ids, const std::vector<ValueId>& values) {
  std::vector<TensorInterface> result;
  for (size_t i = 0; i < ids.size(); ++i) {
    const Tensor& t = network.at(ids[i]);
    std::vector<int64_t> dimensions = t.dimensions;
    for (int64_t& d : dimensions) d = std::max<int64_t>(d, -1);
    result.push_back({t.name, t.type, std::move(dimensions), t.symbols, t.kind, t.ranked, values[i]});
  }
  return result;
}

}  // namespace

Program plan_network(Network& network, const Machine& machine, Weights& weights) {
  fuse(network);
  StepList list = lower(network, choose_layouts(network, machine), machine, weights);
  Program program;
  program.inputs = interfaces(network, network.inputs, list.input_values);
  program.outputs = interfaces(network, network.outputs, list.output_values);
  place(list, program);
  program.steps = std::move(list.steps);
  program.values = std::move(list.values);
  return program;
}

Program plan(const lathe_graph& graph, const Machine& machine) {
  Network network = read(graph);
  Weights weights;
  Program program = plan_network(network, machine, weights);
  program.weights = weights.take();
  return program;
}

}  // namespace lathe::llvm_cpu
