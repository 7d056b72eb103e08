// Half floats: compressing weights, and constants of that type.
#pragma once
#include <cstdint>
#include <lathe/plugin.hpp>
#include <memory>
#include <vector>

namespace lathe::openvino {

uint16_t float_to_half(float x);  // round to nearest, ties to even
float half_to_float(uint16_t x);
uint16_t float_to_bfloat(float x);

// The float32 tensor as halves; null when a number would become infinite or vanish, as it must stay as it is then.
std::shared_ptr<const std::vector<uint16_t>> to_halves(const sdk::TensorView& tensor);

}  // namespace lathe::openvino
