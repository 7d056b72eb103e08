// A whole graph as a model of the IR.
#pragma once
#include "step.hpp"

namespace lathe::openvino {

// For each node why it cannot be written, empty where it can.
std::vector<std::string> refusals(const sdk::GraphView& graph, const WriteOptions& options);

// The nodes of a body into its draft, and no more than its Results need. Throws Refusal with every node that cannot be written.
void write_nodes(Draft& draft);
// Drops layers that no Result needs; Parameters and Results stay, in their order.
void prune(Model& model);
// A Parameter for a value of the draft's graph; the index of its layer.
uint32_t parameter(Draft& draft, uint32_t value);

// All nodes must be writable. Parameters and Results stand in the graph's order; layers that nothing needs are left out.
Model write_graph(const sdk::GraphView& graph, const WriteOptions& options);

}  // namespace lathe::openvino
