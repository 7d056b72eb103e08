// IEEE 754 binary16 and bfloat16 by bits.
#include "half.hpp"

#include <bit>
#include <cmath>
#include <cstring>

namespace lathe::openvino {

uint16_t float_to_half(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);   // not a number
  if (magnitude >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);  // rounds to infinity
  uint32_t rest = 0, shift = 13, kept = 0;
  if (magnitude >= 0x38800000) {
    kept = magnitude - 0x38000000;
  } else {  // subnormal: the leading one becomes visible and moves right
    const uint32_t exponent = magnitude >> 23;
    if (exponent < 102) return static_cast<uint16_t>(sign);
    kept = (magnitude & 0x7fffff) | 0x800000;
    shift = 126 - exponent;
  }
  rest = kept & ((1u << shift) - 1);
  const uint32_t half = 1u << (shift - 1);
  uint32_t result = kept >> shift;
  if (rest > half || (rest == half && (result & 1))) ++result;
  return static_cast<uint16_t>(sign | result);
}

float half_to_float(uint16_t x) {
  const uint32_t sign = static_cast<uint32_t>(x & 0x8000) << 16, exponent = (x >> 10) & 31, fraction = x & 1023;
  if (exponent == 0) {
    const float value = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -value : value;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

uint16_t float_to_bfloat(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 64);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

std::shared_ptr<const std::vector<uint16_t>> to_halves(const sdk::TensorView& tensor) {
  auto halves = std::make_shared<std::vector<uint16_t>>(static_cast<size_t>(tensor.size()));
  for (size_t i = 0; i < halves->size(); ++i) {
    float x = 0;
    std::memcpy(&x, static_cast<const char*>(tensor.data()) + 4 * i, 4);
    if (!std::isfinite(x) || std::fabs(x) > 65504.0f) return nullptr;
    (*halves)[i] = float_to_half(x);
  }
  return halves;
}

}  // namespace lathe::openvino
