// What the Dataflow Compiler takes of a model, as data.
#pragma once
#include <lathe/operator_rules.hpp>

namespace lathe::hailo {

const sdk::OperatorRules& rules();

// A parameter that holds NaN or infinity, for any node: its name; empty when all are finite. The compiler fails on such ones late.
std::string unfinite_parameter(const sdk::NodeView& node);

}  // namespace lathe::hailo
