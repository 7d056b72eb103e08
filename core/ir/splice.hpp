// Putting the nodes of a body into the graph around it.
#pragma once
#include <functional>
#include <vector>

#include "core/ir/graph.hpp"

namespace lathe {

// Appends the body's values and nodes to `target`; names that are taken get a suffix. `inputs` are the values of `target` that stand for the
// body's inputs, `captured` gives the one that stands for a value which the body captures. Yields what the body's outputs are in `target`. The
// caller restores the order of nodes (compact).
std::vector<ValueId> splice(Graph& target, Graph body, const std::vector<ValueId>& inputs, const std::function<ValueId(ValueId outer)>& captured);

}  // namespace lathe
