// eliminate-common-subexpressions: equal nodes are computed once, equal constants kept once.
#pragma once
#include "core/ir/graph.hpp"

namespace lathe {

// Two nodes are equal when operator, inputs and attributes are (floats and tensors by their bits, subgraphs by their structure) and the
// operator is deterministic. Where both make a graph output, both stay. Each graph is looked at on its own: what a subgraph shares
// with the graph around it stays in both. True when anything was merged.
bool eliminate_common_subexpressions(Graph& graph);

}  // namespace lathe
