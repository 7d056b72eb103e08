// Operators that are no kernels because they need what a bare target lacks: attributes that only the graph holds, libraries of the machine.
#pragma once
#include <span>
#include <string_view>

#include "core/ir/graph.hpp"

namespace lathe {

// The only output of a node of that operator, from its inputs (nullptr: absent). Throws Error when the data is bad.
using HostOperator = Tensor (*)(const Node& node, std::span<const Tensor* const> inputs);

// nullptr: the operator is none of them.
HostOperator host_operator(std::string_view domain, std::string_view name);

}  // namespace lathe
