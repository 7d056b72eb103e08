// ONNX's textual syntax (docs/Syntax.md of the ONNX project) for models and graphs; used in tests and by --dump-after.
#pragma once
#include <string>
#include <string_view>

#include "core/ir/graph.hpp"

namespace lathe {

// Throws Error(failed) with line:column. Accepts a model (`<ir_version: 10, opset_import: ["": 26]> agraph (float[N] x) => (...) {...}`) or a bare graph.
Graph parse_text(std::string_view text, std::string source = "text");

// Round-trips through parse_text but for tensors larger than `limit` elements, which are printed shortened.
std::string to_text(const Graph& graph, int64_t limit = INT64_MAX);

}  // namespace lathe
