// The one use of maps that models out of scikit-learn make: a final ZipMap, from a row of scores to a map from class to score.
#pragma once
#include <lathe/plugin.hpp>
#include <vector>

#include "messages.hpp"

namespace lathe::onnx_plugin {

// Lathe has no maps. A ZipMap (ai.onnx.ml) whose result is an output of the model and nothing else becomes an Identity, so that the output is the
// tensor of scores itself, float32 [rows, classes]; a single one leaves its classes in the model's metadata as `names`, where it has none. Returns a
// warning for each. Other uses of maps stay, and are refused when types are read.
std::vector<sdk::Diagnostic> replace_final_zip_maps(onnx::ModelProto& model);

}  // namespace lathe::onnx_plugin
