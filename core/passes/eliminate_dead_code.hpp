// eliminate-dead-code: drops nodes, optional outputs and constants that no graph output depends on.
#pragma once
#include "core/ir/graph.hpp"

namespace lathe {

// Operators have no effects but their outputs, so a node whose outputs nobody uses is dropped, in subgraphs too. An optional output that
// nobody uses becomes absent (a MaxPool that need not find its Indices is cheaper). Graph inputs stay. True when anything was dropped.
bool eliminate_dead_code(Graph& graph);

}  // namespace lathe
