// lathe/models.hpp - a plugin has the graph it was given written as a model file of an open format, for a tool that reads such files.
//
//   sdk::write_model(host, graph, "onnx", scratch.path() + "/model.onnx");
#pragma once
#include "lathe/models.h"
#include "lathe/plugin.hpp"

namespace lathe::sdk {

// Writes `graph` to `path` (absolute, ending in "." + extension; a file of that name is replaced) at the opsets that the graph names: what compile()
// was handed is at the highest that the backend declares. Throws Failure, LATHE_UNSUPPORTED when nothing installed writes the format.
inline void write_model(const Host& host, const GraphView& graph, std::string_view extension, const std::string& path) {
  const auto* models = static_cast<const lathe_models*>(host.service("models/1"));
  if (!models || !LATHE_HAS(models, lathe_models, write))
    throw Failure(LATHE_UNSUPPORTED, "this version of Lathe writes no model files for plugins", "update Lathe");
  require(models->write(models->context, &graph.get(), string(extension), string(path)));
}

}  // namespace lathe::sdk
