// Which nodes llvm_cpu takes, and why not the others.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "lathe/plugin.hpp"

namespace lathe::llvm_cpu {

// Whether another plugin brought a kernel for the operator.
using Brought = std::function<bool(std::string_view domain, std::string_view op_type)>;

// "" when the node can be compiled, else one sentence for the person.
std::string obstacle_to(const sdk::GraphView& graph, const sdk::NodeView& node, const Brought& brought);

}  // namespace lathe::llvm_cpu
