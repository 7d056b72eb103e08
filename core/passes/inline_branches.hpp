// inline-branches: an If whose condition is a constant becomes the branch that it takes.
#pragma once
#include "core/ir/graph.hpp"

namespace lathe {

// In subgraphs too. The branch's nodes stand where the If stood; its outputs reach those of the If through Identity, which
// simplify-algebra removes. True when anything was inlined.
bool inline_branches(Graph& graph);

}  // namespace lathe
