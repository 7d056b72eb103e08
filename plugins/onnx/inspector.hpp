// `lathe inspect model.onnx`: what is in the file, as JSON.
#pragma once
#include <lathe/plugin.hpp>
#include <string>

namespace lathe::onnx_plugin {

// One JSON object: format, summary, ir_version, producer, opsets, inputs, outputs, operators with counts (subgraphs and functions
// included), parameters (elements of the initializers), bytes, metadata. Reads no external data. Throws sdk::Failure like read_model.
std::string inspect_model(const std::string& path);

}  // namespace lathe::onnx_plugin
