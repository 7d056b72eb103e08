// A whole graph as a model of the IR.
#pragma once
#include "step.hpp"

namespace lathe::openvino {

struct WriteOptions {
  bool compress = false;       // float32 weights as halves behind a Convert
  bool static_shapes = false;  // the device wants every dimension to be a number
};

// For each node why it cannot be written, empty where it can.
std::vector<std::string> refusals(const sdk::GraphView& graph, const WriteOptions& options);

// All nodes must be writable. Parameters and Results stand in the graph's order; layers that nothing needs are left out.
Model write_graph(const sdk::GraphView& graph, const WriteOptions& options);

}  // namespace lathe::openvino
