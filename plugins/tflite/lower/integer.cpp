// QLinearConv and QLinearMatMul: integer products, brought to the scale of the result. The sums are floats of integers, exact up to 24 bits.
#include <algorithm>

#include "expression.hpp"

namespace lathe::tflite {

namespace {

struct Limits {
  double low, high;
};

// round(sum * scale) + zero point, kept to the type.
void finish(Lowering& l, const Work& w, int32_t sum, const Order& order, Expression scale, size_t zero) {
  const Type type = l.type(w.out());
  if (type != Type::int8 && type != Type::uint8) l.refuse(std::string("the format quantises to no ") + name(type));
  const Limits limits = type == Type::int8 ? Limits{-128, 127} : Limits{0, 255};
  Expression y = (Expression{&l, sum} * scale).call("ROUND");
  if (w.has(zero)) y = y + y.with(l.cast(l.reshape(l.plain(w.in(zero)), {}), Type::float32));
  l.define(w.out(), l.cast(minimum(maximum(y, limits.low), limits.high).tensor, type), order);
}

const LowerRule& rule_of(std::span<const LowerRule> rules, std::string_view onnx) {
  return *std::find_if(rules.begin(), rules.end(), [&](const LowerRule& r) { return r.onnx == onnx; });
}

Expression scale_of(Lowering& l, const Work& w, size_t i, const Extents& shape) {
  if (l.type(w.in(i)) != Type::float32) l.refuse("its scales are not float32, which the runtime computes in");
  int64_t count = 1;
  for (const int64_t e : l.extents(w.in(i))) count *= e;
  return {&l, l.reshape(l.plain(w.in(i)), count == 1 ? Extents{} : shape)};
}

void lower_q_linear_conv(Lowering& l, const Work& w) {
  // x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B
  Work floats = w;
  floats.inputs = {without_zero_point(l, w.in(0), w.in(2)), without_zero_point(l, w.in(3), w.in(5))};
  if (w.has(8)) floats.inputs.push_back(without_zero_point(l, w.in(8), LATHE_NONE));
  floats.outputs = {l.new_value(l.value(w.out()).name + "_float", Type::float32, l.extents(w.out()))};
  rule_of(convolution_rules(), "Conv").lower(l, floats);
  const Order order = l.order_of(floats.out());
  const size_t rank = order.size();
  Extents per_channel(rank, 1);
  int64_t scales = 1;
  for (const int64_t e : l.extents(w.in(4))) scales *= e;
  per_channel[static_cast<size_t>(held_axis(order, 1))] = scales;
  const Expression scale = scale_of(l, w, 1, {}) * scale_of(l, w, 4, per_channel) / scale_of(l, w, 6, {});
  finish(l, w, l.in_order(floats.out(), order), order, scale, 7);
}

void lower_q_linear_matmul(Lowering& l, const Work& w) {
  // a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point
  Work floats = w;
  floats.inputs = {without_zero_point(l, w.in(0), w.in(2)), without_zero_point(l, w.in(3), w.in(5))};
  floats.outputs = {l.new_value(l.value(w.out()).name + "_float", Type::float32, l.extents(w.out()))};
  rule_of(matrix_rules(), "MatMul").lower(l, floats);
  const Order order = identity(l.rank(w.out()));
  int64_t rows = 1, columns = 1;
  for (const int64_t e : l.extents(w.in(1))) rows *= e;
  for (const int64_t e : l.extents(w.in(4))) columns *= e;
  const Expression scale = scale_of(l, w, 1, {rows, 1}) * scale_of(l, w, 4, {columns}) / scale_of(l, w, 6, {});
  finish(l, w, l.in_order(floats.out(), order), order, scale, 7);
}

const LowerRule rules[] = {{"QLinearConv", lower_q_linear_conv}, {"QLinearMatMul", lower_q_linear_matmul}};

}  // namespace

std::span<const LowerRule> integer_rules() { return rules; }

}  // namespace lathe::tflite
