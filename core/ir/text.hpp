// ONNX's textual syntax (docs/Syntax.md of the ONNX project) for models and graphs; used in tests and by --dump-after.
//
// Beyond ONNX's grammar, so that every graph can be written: attribute names, operator names, domains and the names of subgraphs may be
// quoted where they are no identifiers, and "undefined" stands for an element type that is not known. As in ONNX, a type without brackets
// is a scalar, one with empty brackets has no known rank; elements of float16, bfloat16, float8 and float4 tensors are written as the
// integers of their bits; a backslash in a string makes the next character stand for itself; '#' starts a comment.
#pragma once
#include <string>
#include <string_view>

#include "core/ir/graph.hpp"

namespace lathe {

// Throws Error(failed) with line:column. Accepts a model (`<ir_version: 10, opset_import: ["": 26]> agraph (float[N] x) => (...) {...}`) or a
// bare graph, which is taken to be at the canonical opset. Of the header, opset_import and metadata_props are kept. Names that a subgraph does
// not make itself are captured from the graphs around it. Functions, external data, inputs with default values, maps and sparse tensors
// are refused. Nodes without a label are named after their operator.
Graph parse_text(std::string_view text, std::string source = "text");

// Round-trips through parse_text but for tensors larger than `limit` elements, which are printed shortened, and for names inside a subgraph
// that hide a name outside of it, which get a suffix.
std::string to_text(const Graph& graph, int64_t limit = INT64_MAX);

}  // namespace lathe
