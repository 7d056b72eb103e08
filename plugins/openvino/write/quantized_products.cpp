// Products of 8-bit numbers: the integers less their zero points are multiplied, then scaled.
#include "families.hpp"
#include "windows.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};
const Attributes division = {numpy, {"m_pythondiv", "true"}};

// The numbers less their zero point. A point for each row of a matrix, or each filter, lies along the first axis (`leading`).
Wire centred(Step& s, size_t value, size_t zero, int32_t type, bool leading) {
  const Wire x = s.convert(s.in(value), type);
  if (!s.has(zero)) return x;
  Wire z = s.convert(s.in(zero), type);
  if (leading && z.has_rank() && z.rank() == 1 && x.has_rank() && (*z.dimensions)[0] != 1) {
    std::vector<int64_t> shape(static_cast<size_t>(x.rank()), 1);
    shape[static_cast<size_t>(value == 0 ? x.rank() - 2 : 0)] = -1;  // rows of the first matrix, filters of the weights
    z = s.reshape(z, shape);
  }
  return s.make("Subtract", {x, z}, {numpy});
}

// One number for each output channel of [1, channels, ...].
Wire per_channel(Step& s, const Wire& v, int64_t rank) {
  if (!v.has_rank() || v.rank() == 0 || (*v.dimensions)[0] == 1) return v;
  std::vector<int64_t> shape(static_cast<size_t>(rank), 1);
  shape[1] = -1;
  return s.reshape(v, shape);
}

Wire to_steps(Step& s, const Wire& real, size_t scale, size_t zero, int32_t type) {
  Wire y = s.make("Round", {s.make("Divide", {real, s.convert(s.exact(scale), real.type)}, division)}, {{"mode", "half_to_even"}});
  y = s.make("Add", {y, s.convert(s.in(zero), real.type)}, {numpy});
  const bool is_signed = type == LATHE_INT8;
  return s.convert(s.make("Clamp", {y}, {{"min", is_signed ? "-128" : "0"}, {"max", is_signed ? "127" : "255"}}), type);
}

void matmul_integer(Step& s) {
  const Wire a = centred(s, 0, 2, LATHE_INT32, true), b = centred(s, 1, 3, LATHE_INT32, false);
  s.out(0, s.matmul(a, b));
}

// Convolution of the IR takes real numbers: float32 holds sums up to 2^24 exactly.
void convolution_integer(Step& s) {
  const Wire x = centred(s, 0, 2, LATHE_FLOAT32, false), w = centred(s, 1, 3, LATHE_FLOAT32, true);
  s.out(0, s.convert(convolve(s, x, w), LATHE_INT32));
}

void quantized_convolution(Step& s) {
  const Wire x = centred(s, 0, 2, LATHE_FLOAT32, false), w = centred(s, 3, 5, LATHE_FLOAT32, true);
  Wire y = convolve(s, x, w);
  if (s.has(8)) y = s.make("Add", {y, per_channel(s, s.convert(s.in(8), LATHE_FLOAT32), w.rank())}, {numpy});
  const Wire scale = s.make("Multiply", {s.exact(1), per_channel(s, s.exact(4), w.rank())}, {numpy});
  s.out(0, to_steps(s, s.make("Multiply", {y, scale}, {numpy}), 6, 7, s.node.output_value(0).type()));
}

void quantized_matmul(Step& s) {
  const Wire a = centred(s, 0, 2, LATHE_INT32, true), b = centred(s, 3, 5, LATHE_INT32, false);
  const Wire y = s.convert(s.matmul(a, b), LATHE_FLOAT32);
  const auto rows = [&](size_t i, const Wire& of, bool leading) {
    const Wire scale = s.convert(s.exact(i), LATHE_FLOAT32);
    return leading && scale.has_rank() && scale.rank() == 1 && (*scale.dimensions)[0] != 1 && of.has_rank() ? s.unsqueeze(scale, {1}) : scale;
  };
  const Wire scale = s.make("Multiply", {rows(1, a, true), rows(4, b, false)}, {numpy});
  s.out(0, to_steps(s, s.make("Multiply", {y, scale}, {numpy}), 6, 7, s.node.output_value(0).type()));
}

constexpr Writer writers[] = {
    {"ConvInteger", Means::decomposition, convolution_integer},
    {"MatMulInteger", Means::decomposition, matmul_integer},
    {"QLinearConv", Means::decomposition, quantized_convolution},
    {"QLinearMatMul", Means::decomposition, quantized_matmul},
};

}  // namespace

std::span<const Writer> quantized_product_writers() { return writers; }

}  // namespace lathe::openvino
