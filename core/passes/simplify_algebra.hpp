// simplify-algebra: operations that change nothing go, patterns become the operator they spell out.
#pragma once
#include "core/ir/graph.hpp"

namespace lathe {

// Results stay equal in float32 but for what is said here:
// - x + 0 becomes x, Clip(x, 0) becomes Relu(x): a zero may keep its minus sign;
// - clip(x + 3, 0, 6) / 6 becomes HardSigmoid(1/6, 1/2), x * clip(x + 3, 0, 6) / 6 becomes HardSwish, when the constants are exactly these: the
//   operators are defined as clip(x / 6 + 1/2, 0, 1), which rounds differently by some units in the last place;
// - Pow(x, 2) becomes x * x, which is rounded correctly where a library's pow may not be.
// x * Sigmoid(x) stays as it is. What goes: x + 0, x - 0, x * 1, x / 1, x ^ 1, Identity, Dropout in inference, Cast to the same type, Transpose,
// Reshape, Flatten, Squeeze, Unsqueeze, Expand, Tile and Slice that yield what they get, Pad by nothing, Concat, Sum, Max, Min and Mean of one, Clip
// without limits. Transposes in a row become one, and so do Reshapes; Sum of two becomes Add. Dead nodes are left to eliminate-dead-code.
// A graph output keeps its name. True when anything changed.
bool simplify_algebra(Graph& graph);

}  // namespace lathe
