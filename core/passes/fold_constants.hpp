// fold-constants: what depends on constants and known shapes only is computed now.
#pragma once
#include <cstdint>

#include "core/ir/graph.hpp"

namespace lathe {

// Evaluates, with the reference's kernels, every deterministic node whose inputs are all constants; turns Constant nodes into constants,
// Shape and Size of known dimensions too, and
// what is computed from one known dimension of a shape; gives subgraphs the constants they capture as their own (the bytes are shared). A result may
// be larger than the constants it is made from only up to `limit` bytes, so a ConstantOfShape or Expand to something huge stays a node. A node that
// fails on its inputs stays as well: it may stand in a branch that is never taken. A graph output stays the output of a node: Identity of the
// constant. With `keep_quantized` a DequantizeLinear stays a node too: quantised weights are worth more to some targets than the numbers they stand
// for. True when anything was folded.
bool fold_constants(Graph& graph, uint64_t limit, bool keep_quantized = false);

}  // namespace lathe
