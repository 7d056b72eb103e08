// Between types: Cast, QuantizeLinear, DequantizeLinear; and what changes nothing.
#include <algorithm>
#include <cmath>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

void lower_identity(Lowering& l, const Work& w) {
  if (w.quantized) return l.define(w.out(), l.in_order(w.in(0), l.order_of(w.in(0))), l.order_of(w.in(0)));
  l.alias(w.out(), w.in(0));
}

void lower_dropout(Lowering& l, const Work& w) {
  if (w.out(1) != LATHE_NONE || w.has(2)) {
    const auto training = w.has(2) ? l.integers(w.in(2)) : std::vector<int64_t>{0};
    if (!training || (*training)[0] != 0 || w.out(1) != LATHE_NONE)
      l.refuse("it drops at random, for which the format has nothing that could be repeated");
  }
  l.alias(w.out(), w.in(0));
}

void lower_cast(Lowering& l, const Work& w) {
  const Order order = l.order_of(w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  const Type to = l.type(w.out());
  if (l.value(w.out()).onnx_type != onnx_type(to)) l.refuse("the format has no tensors of the type it casts to");
  if (l.type_of(x) == to) return l.alias(w.out(), w.in(0));
  if (l.type_of(x) == Type::float16 && to == Type::float32) return l.define(w.out(), l.make("DEQUANTIZE", {x}, to, l.extents_of(x)), order);
  if (to == Type::boolean) {  // what is not zero, as ONNX has it
    const Type from = l.type_of(x);
    const Type in = from == Type::float32 || from == Type::int32 || from == Type::int64 ? from : Type::int32;
    const int32_t wide = l.cast(x, in);
    return l.define(w.out(), l.compare("NOT_EQUAL", wide, l.filled(in, {}, 0)), order);
  }
  l.define(w.out(), l.cast(x, to), order);
}

// Beside the integers that stand between two of these, where lowering.cpp has taken the node in the middle: floats become integers here.
void lower_quantize(Lowering& l, const Work& w) {
  const Quantization& q = l.value(w.out()).quantization;
  const Type type = l.type(w.out());
  if (!q.present()) l.refuse("its scale or zero point is computed, and the format holds constants there");
  if (w.node.integer("block_size", 0)) l.refuse("the format has no scales per block");
  if (type != Type::int8 && type != Type::uint8 && type != Type::int16) l.refuse(std::string("the format's QUANTIZE makes no ") + name(type));
  if (type == Type::int16 && q.zero_point() != 0) l.refuse("the format's int16 has a zero point of 0");
  if (l.type(w.in(0)) != Type::float32) l.refuse("the format's QUANTIZE takes float32");
  const Order order = l.order_of(w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  const int32_t y = l.result(w.out(), order);
  if (q.per_axis()) {
    Tensor& t = l.main().tensors[static_cast<size_t>(y)];
    t.quantization.axis = held_axis(order, q.axis);
  }
  l.emit("QUANTIZE", {x}, {y});
}

// Made where a float is asked for; here only what would never be asked for is looked at.
void lower_dequantize(Lowering& l, const Work& w) {
  if (l.is_constant(w.out())) return;
  l.in_order(w.out(), l.order_of(w.out()));
}

const LowerRule rules[] = {{"Cast", lower_cast},       {"CastLike", lower_cast},     {"DequantizeLinear", lower_dequantize},
                           {"Dropout", lower_dropout}, {"Identity", lower_identity}, {"QuantizeLinear", lower_quantize}};

}  // namespace

std::span<const LowerRule> conversion_rules() { return rules; }

}  // namespace lathe::tflite
