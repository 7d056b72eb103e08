// The order of planning.
#include "plan/plan.hpp"

#include "plan/network.hpp"

namespace lathe::llvm_cpu {

namespace {

std::vector<TensorInterface> interfaces(const Network& network, const std::vector<TensorId>& ids) {
  std::vector<TensorInterface> result;
  for (const TensorId id : ids) result.push_back({network.at(id).name, network.at(id).type, network.at(id).dimensions});
  return result;
}

}  // namespace

Program plan(const lathe_graph& graph, const Machine& machine) {
  Network network = read(graph);
  fuse(network);
  StepList list = lower(network, choose_layouts(network, machine), machine);
  Program program;
  program.inputs = interfaces(network, network.inputs);
  program.outputs = interfaces(network, network.outputs);
  place(list, program);
  program.steps = std::move(list.steps);
  program.weights = std::move(list.weights);
  return program;
}

}  // namespace lathe::llvm_cpu
