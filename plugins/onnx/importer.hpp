// ModelProto -> the boundary's graph.
#pragma once
#include <lathe/plugin.hpp>
#include <string>

#include "messages.hpp"
#include "tensors.hpp"

namespace lathe::onnx_plugin {

// The graph as the model has it, at the model's own opset, with model-local functions inlined and constants pointing into `model` and
// into what `tensors` keeps: both must outlive the result. Throws sdk::Failure with every problem found.
sdk::GraphBuilder import_graph(const onnx::ModelProto& model, const std::string& path, TensorReader& tensors);

}  // namespace lathe::onnx_plugin
