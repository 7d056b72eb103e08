// expand-functions: operators that are written in terms of others, where no engine has anything better.
#pragma once
#include "core/ir/graph.hpp"

namespace lathe {

// SequenceMap becomes a Loop over the sequence that inserts each turn's results into new sequences (ONNX, Operators.md, SequenceMap). In
// subgraphs too. Needs types. True when anything was expanded.
bool expand_functions(Graph& graph);

}  // namespace lathe
