// What Rockchip's NPUs take of a graph, as data.
#pragma once
#include <lathe/operator_rules.hpp>
#include <string>
#include <string_view>

namespace lathe::rknn {

// `device` is "RK3566", "RK3568" or "RK3588"; `quantised` whether it computes on int8 rather than float16.
const sdk::OperatorRules& rules(std::string_view device, bool quantised);

// Why a node that is taken runs on the board's own processor, which is slower; empty where it is the NPU.
std::string on_processor(std::string_view device, const sdk::GraphView& graph, const sdk::NodeView& node);

}  // namespace lathe::rknn
