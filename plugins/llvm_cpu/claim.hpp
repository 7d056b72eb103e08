// Which nodes llvm_cpu takes, and why not the others.
#pragma once
#include <string>

#include "lathe/plugin.hpp"

namespace lathe::llvm_cpu {

// "" when the node can be compiled, else one sentence for the person.
std::string obstacle_to(const sdk::GraphView& graph, const sdk::NodeView& node);

}  // namespace lathe::llvm_cpu
