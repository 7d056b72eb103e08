// infer-types: checks every node and infers all types and shapes (core/ops does the work).
#pragma once
#include "core/ir/graph.hpp"

namespace lathe {

// True when a type or shape is known now that was not before.
bool infer_all_types(Graph& graph);

}  // namespace lathe
