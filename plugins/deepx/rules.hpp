// What the NPU of the DX-M1 takes, after the list of operators in DX-COM's documentation.
#pragma once
#include <lathe/operator_rules.hpp>

namespace lathe::deepx {

const sdk::OperatorRules& rules();

// The one operator that is taken and slow; its nodes are named in a warning.
inline constexpr const char* slow_operator = "PRelu";

}  // namespace lathe::deepx
