// The Dataflow Compiler: where it is, which versions serve, what it is asked to do and what its messages mean.
#pragma once
#include <lathe/bundle.hpp>
#include <string>
#include <vector>

namespace lathe::hailo {

const sdk::ToolDescription& dataflow_compiler();

// Files of the folder that a plan works in.
struct Files {
  std::string network;  // the compiler's name of the network, part of file names
  std::string model = "model.onnx", script = "model.alls", calibration = "calibration.npy";
  std::string parsed() const { return network + ".har"; }
  std::string optimized() const { return network + "_optimized.har"; }
  std::string compiled() const { return network + ".hef"; }
};

struct Order {
  std::string device;  // "HAILO8L"
  Files files;
  std::vector<std::string> start_nodes, end_nodes;  // of model.onnx
  bool suppress = false;                            // suppression.json is there: layers are named after parsing
};

// parser, (name_layers.py,) optimize, compiler.
sdk::ToolPlan plan(const Order& order);

// A name the compiler takes for a network: letters, digits, '_'.
std::string network_name(std::string_view stem);

}  // namespace lathe::hailo
