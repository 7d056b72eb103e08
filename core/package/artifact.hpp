// What an artifact says of itself, through the inspector that knows its format, held against what it should be.
#pragma once
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/ir/graph.hpp"
#include "core/job/targets.hpp"
#include "core/plugin/plugins.hpp"

namespace lathe {

// The JSON object of the inspector that knows the file, with its plugin's name under "plugin". Throws Error(failed) when nobody knows it, and what
// the inspector reports: a damaged file is refused.
nlohmann::ordered_json inspect_file(Plugins& plugins, const std::string& path);

// How an artifact's own names for inputs and outputs go with the graph's: (graph's, artifact's). Tensors are told by name, then by size: extents
// above 1 in any order. Where the inspector says nothing of names, the graph's are taken.
struct ArtifactNames {
  std::vector<std::pair<std::string, std::string>> inputs, outputs;
};

// Holds what the inspector says ("devices", "runtime", "inputs", "outputs"; see sdk/plugin/README.md) against the target and the graph that was
// compiled. Throws Error(failed) with everything that does not fit.
ArtifactNames hold_artifact(const nlohmann::ordered_json& inspected, const std::string& artifact, const ResolvedTarget& target, const Graph& graph);

// How a picture is handed to the artifact.
struct ArtifactInput {
  bool pixels = false;  // raw bytes: mean and scale are inside it
  std::string layout;   // "NHWC", "NCHW"; empty: the graph's
};
// From the backend's facts ("input": "pixels", "input-layout"), else from the inspector's "compiled_inputs".
ArtifactInput artifact_input(const std::map<std::string, std::string>& facts, const nlohmann::ordered_json& inspected);

}  // namespace lathe
