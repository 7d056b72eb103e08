// Between types: Cast, QuantizeLinear, DequantizeLinear; and what changes nothing.
#include <algorithm>
#include <cmath>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

void lower_identity(Lowering& l, const Work& w) {
  if (w.quantized) return l.define(w.out(), l.in_order(w.in(0), l.order_of(w.in(0))), l.order_of(w.in(0)));
  const uint32_t from = w.in(0);
  if (from < l.graph().value_count() && l.graph().value(from).kind() != LATHE_KIND_TENSOR && l.graph().value(from).kind() != LATHE_KIND_OPTIONAL)
    return l.define_sequence(w.out(), l.sequence(from));
  l.alias(w.out(), from);
}

void lower_optional(Lowering& l, const Work& w) {
  if (!w.has(0)) l.refuse("the format has no optional values, and this one is absent");
  lower_identity(l, w);
}

// An optional that is a tensor is there.
void lower_has_element(Lowering& l, const Work& w) {
  l.define(w.out(), l.filled(Type::boolean, l.extents(w.out()), w.has(0)), identity(l.rank(w.out())));
}

void lower_cast(Lowering& l, const Work& w) {
  const Order order = l.order_of(w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  const Type to = l.type(w.out());
  if (Type held; !type_of(l.value(w.out()).onnx_type, held)) l.refuse("the format has no tensors of the type it casts to");
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

struct Limits {
  double low, high;
};
Limits limits_of(const Lowering& l, Type type) {
  switch (type) {
    case Type::int8:
      return {-128, 127};
    case Type::uint8:
      return {0, 255};
    case Type::int16:
      return {-32768, 32767};
    case Type::uint16:
      return {0, 65535};
    default:
      l.refuse(std::string("the format quantises to no ") + name(type));
  }
}

// Scale or zero point beside the data, held in `order`: a number, or one per element along the axis.
Expression parameter(Lowering& l, const Work& w, size_t i, const Order& order) {
  const Extents& e = l.extents(w.in(i));
  if (e.size() == 1 && e[0] != 1) {
    int64_t axis = w.node.integer("axis", 1);
    if (axis < 0) axis += static_cast<int64_t>(order.size());
    Extents wide(order.size(), 1);
    wide[static_cast<size_t>(axis)] = e[0];
    return {&l, l.cast(l.in_order(l.reshaped(w.in(i), wide), order), Type::float32)};
  }
  if (e.size() > 1) {  // one per block along the axis: each as often as its block is long
    int64_t axis = w.node.integer("axis", 1);
    if (axis < 0) axis += static_cast<int64_t>(order.size());
    const int64_t extent = l.extents(w.in(0))[static_cast<size_t>(axis)], block = w.node.integer("block_size", 0);
    if (extent < 0 || block < 1) l.refuse("the dimension that its blocks lie along is open");
    std::vector<int32_t> blocks;
    for (int64_t p = 0; p < extent; ++p) blocks.push_back(static_cast<int32_t>(p / block));
    Extents full = e;
    full[static_cast<size_t>(axis)] = extent;
    const Expression each{&l, l.cast(l.plain(w.in(i)), Type::float32)};
    return each.with(l.make("GATHER", {each.tensor, l.ints(blocks)}, Type::float32, full, {{"axis", static_cast<double>(axis), {}}}));
  }
  return {&l, l.cast(l.reshape(l.plain(w.in(i)), {}), Type::float32)};
}

// What QUANTIZE and DEQUANTIZE say, in floating point: for scales that are computed, for types and axes that they have not.
void quantize_by_formula(Lowering& l, const Work& w) {
  const Type type = l.type(w.out());
  const Limits limits = limits_of(l, type);
  const Order order = l.rank(w.in(1)) > 1 ? identity(l.rank(w.in(0))) : l.order_of(w.in(0));
  const Expression x{&l, l.in_order(w.in(0), order)};
  if (l.type_of(x.tensor) != Type::float32) l.refuse("the format's QUANTIZE takes float32");
  Expression y = (x / parameter(l, w, 1, order)).call("ROUND");
  if (w.has(2)) y = y + parameter(l, w, 2, order);
  l.define(w.out(), l.cast(minimum(maximum(y, limits.low), limits.high).tensor, type), order);
}

bool has_quantize(const Quantization& q, Type type) {
  return q.present() && !q.per_axis() && (type == Type::int8 || type == Type::uint8 || (type == Type::int16 && q.zero_point() == 0));
}

// Beside the integers that stand between two of these, where lowering.cpp has taken the node in the middle: floats become integers here.
void lower_quantize(Lowering& l, const Work& w) {
  const Quantization& q = l.value(w.out()).quantization;
  if (!has_quantize(q, l.type(w.out()))) return quantize_by_formula(l, w);
  if (l.type(w.in(0)) != Type::float32) l.refuse("the format's QUANTIZE takes float32");
  const Order order = l.order_of(w.in(0));
  const uint32_t producer = w.in(0) < l.graph().value_count() ? l.graph().value(w.in(0)).producer() : LATHE_NONE;
  if (producer != LATHE_NONE && l.graph().node(producer).is("DequantizeLinear") && !l.is_constant(w.in(0))) {  // integers to integers
    const uint32_t from = l.graph().node(producer).input(0);
    const Quantization& own = l.value(from).quantization;
    if (has_quantize(own, l.type(from)) && own == q && l.type(from) == l.type(w.out())) return l.alias(w.out(), from);
    if (has_quantize(own, l.type(from))) {
      l.emit("QUANTIZE", {l.in_order(from, order)}, {l.result(w.out(), order)});
      return;
    }
  }
  const int32_t x = l.in_order(w.in(0), order);
  l.emit("QUANTIZE", {x}, {l.result(w.out(), order)});
}

// DEQUANTIZE is made where a float is asked for, if one is; here what needs the formula.
void lower_dequantize(Lowering& l, const Work& w) {
  if (l.is_constant(w.out()) || has_quantize(l.value(w.in(0)).quantization, l.type(w.in(0)))) return;
  if (l.type(w.out()) != Type::float32) l.refuse("the format dequantises to float32 only");
  const Order order = l.rank(w.in(1)) > 1 ? identity(l.rank(w.in(0))) : l.order_of(w.in(0));
  Expression y{&l, l.cast(l.in_order(w.in(0), order), Type::float32)};
  if (w.has(2)) y = y - parameter(l, w, 2, order);
  l.define(w.out(), (y * parameter(l, w, 1, order)).tensor, order);
}

// Scale and zero point from the range that the values have when it runs.
void lower_dynamic_quantize(Lowering& l, const Work& w) {
  const Order order = l.order_of(w.in(0));
  const Expression x{&l, l.in_order(w.in(0), order)};
  const Order axes = identity(order.size());
  const Expression low = minimum(x.with(l.reduce("REDUCE_MIN", x.tensor, axes, false)), 0),
                   high = maximum(x.with(l.reduce("REDUCE_MAX", x.tensor, axes, false)), 0);
  const Expression scale = (high - low) / 255;
  const Expression zero = minimum(maximum(((-low) / scale).call("ROUND"), 0), 255);
  const Expression y = minimum(maximum((x / scale).call("ROUND") + zero, 0), 255);
  l.define(w.out(0), l.cast(y.tensor, Type::uint8), order);
  l.define(w.out(1), scale.tensor, {});
  l.define(w.out(2), l.cast(zero.tensor, Type::uint8), {});
}

const LowerRule rules[] = {{"Cast", lower_cast},
                           {"CastLike", lower_cast},
                           {"DequantizeLinear", lower_dequantize},
                           {"DynamicQuantizeLinear", lower_dynamic_quantize},
                           {"Identity", lower_identity},
                           {"Optional", lower_optional},
                           {"OptionalGetElement", lower_identity},
                           {"OptionalHasElement", lower_has_element},
                           {"QuantizeLinear", lower_quantize}};

}  // namespace

std::span<const LowerRule> conversion_rules() { return rules; }

}  // namespace lathe::tflite
