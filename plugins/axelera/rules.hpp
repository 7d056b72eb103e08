// What METIS accelerates, after the pages on ONNX operators of the Voyager SDK
// (opset 14, and what the page for opset 17 adds).
#pragma once
#include <lathe/operator_rules.hpp>

namespace lathe::axelera {

const sdk::OperatorRules& rules();

}  // namespace lathe::axelera
