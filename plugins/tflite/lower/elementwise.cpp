// Arithmetic element by element, with broadcasting.
#include <algorithm>
#include <cmath>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

struct Kernel {
  std::string_view onnx, tflite;
  std::initializer_list<Type> types;  // what the runtime's kernel computes on
};
constexpr Type f = Type::float32, i = Type::int32, L = Type::int64;
const Kernel kernels[] = {{"Add", "ADD", {f, i, L}}, {"Sub", "SUB", {f, i, L}},     {"Mul", "MUL", {f, i, L}},
                          {"Div", "DIV", {f, i}},    {"Max", "MAXIMUM", {f, i, L}}, {"Sum", "ADD", {f, i, L}},
                          {"Mean", "ADD", {f}},      {"Min", "MINIMUM", {f, i, L}}, {"Pow", "POW", {f, i}}};

const Kernel& kernel_of(const Work& w) {
  return *std::find_if(std::begin(kernels), std::end(kernels), [&](const Kernel& k) { return w.node.is(k.onnx); });
}

// The type in which the kernel computes what is of `type`: itself, or a wider integer.
Type computed_in(const Lowering& l, const Kernel& k, Type type) {
  const auto takes = [&](Type t) { return std::find(k.types.begin(), k.types.end(), t) != k.types.end(); };
  if (takes(type)) return type;
  const bool narrow = type == Type::int8 || type == Type::uint8 || type == Type::int16 || type == Type::uint16;
  if (narrow && takes(Type::int32)) return Type::int32;
  if ((narrow || type == Type::uint32) && takes(Type::int64)) return Type::int64;
  l.refuse("the runtime's " + std::string(k.tflite) + " has no kernel for " + name(type));
}

// A float constant beside quantised values: int8 with a scale of its own.
uint32_t quantized_constant(Lowering& l, uint32_t id, Type type) {
  const auto numbers = *l.numbers(id);
  double low = 0, high = 0;
  for (const double x : numbers) low = std::min(low, x), high = std::max(high, x);
  const bool single = numbers.size() == 1 || low == high;
  const int shift = type == Type::uint8 ? 128 : 0;
  float scale = 1;
  int64_t zero = 0;
  if (single) {
    scale = static_cast<float>(std::max(high, -low) / 127);
  } else {
    scale = static_cast<float>((high - low) / 255);
    zero = static_cast<int64_t>(std::clamp(std::nearbyint(-128 - low / scale), -128.0, 127.0));
  }
  if (!(scale > 0)) scale = 1;
  std::vector<uint8_t> bytes;
  for (const double x : numbers)
    bytes.push_back(static_cast<uint8_t>(static_cast<int>(std::clamp(std::nearbyint(x / scale) + static_cast<double>(zero), -128.0, 127.0)) + shift));
  const uint32_t made = l.new_value(l.value(id).name + "_int8", type, l.extents(id), {{scale}, {zero + shift}, 0});
  l.define(made, l.constant<uint8_t>(type, l.extents(id), std::move(bytes), l.value(made).quantization, l.value(made).name), identity(l.rank(id)));
  return made;
}

// The quotient of int64, towards zero, which DIV has no kernel for: float32 quotients of what is left, each a little too small and right in 21 bits.
Expression divided(Expression a, Expression b) {
  Lowering& l = *a.lowering;
  const auto real = [&](Expression x) { return x.with(l.cast(x.tensor, Type::float32)); };
  const Expression divisor = real(b);
  Expression quotient = a.number(0), rest = a;
  for (int step = 0; step < 3; ++step) {
    const Expression more = a.with(l.cast((real(rest) / divisor * (1 - std::ldexp(1.0, -22))).tensor, Type::int64));
    quotient = step == 0 ? more : quotient + more;
    rest = rest - more * b;
  }
  const Expression one = a.with(l.cast(a.with(l.compare("GREATER_EQUAL", absolute(rest).tensor, absolute(b).tensor)).tensor, Type::int64));
  const Expression apart = less(rest, 0).with(l.compare("NOT_EQUAL", less(rest, 0).tensor, less(b, 0).tensor));
  return quotient + select(apart, -one, one);
}

void lower_arithmetic(Lowering& l, const Work& w) {
  const Kernel& k = kernel_of(w);
  if (w.node.is("Div") && (l.type(w.out()) == Type::int64 || l.type(w.out()) == Type::uint32)) {
    const Order order = l.common_order(w.inputs, l.rank(w.out()));
    const Expression a{&l, l.cast(l.broadcastable(w.in(0), order), Type::int64)}, b{&l, l.cast(l.broadcastable(w.in(1), order), Type::int64)};
    const int32_t quotient = l.reshape(divided(a, b).tensor, permute(l.extents(w.out()), order));
    return l.define(w.out(), l.cast(quotient, l.type(w.out())), order);
  }
  std::vector<uint32_t> ids = w.inputs;
  if (w.quantized)
    for (uint32_t& id : ids)
      if (l.type(id) == Type::float32) id = quantized_constant(l, id, l.type(w.out()));
  const Order order = l.common_order(ids, l.rank(w.out()));
  const Type type = l.type(w.out()), in = w.quantized ? type : computed_in(l, k, type);
  const auto operand = [&](uint32_t id) { return w.quantized ? l.broadcastable(id, order) : l.cast(l.broadcastable(id, order), in); };
  int32_t sum = operand(ids[0]);
  if (ids.size() == 1) {
    l.define(w.out(), sum, order);
    return;
  }
  const bool fuses = k.tflite == "ADD" || k.tflite == "SUB" || k.tflite == "MUL" || k.tflite == "DIV";
  for (size_t n = 1; n < ids.size(); ++n) {
    std::vector<Option> options;
    if (fuses && n + 1 == ids.size() && !w.node.is("Mean")) options.push_back({"activation", static_cast<double>(w.activation), {}});
    sum = l.binary(k.tflite, sum, operand(ids[n]), std::move(options), w.quantized ? l.value(w.out()).quantization : Quantization{});
  }
  if (w.node.is("Mean")) sum = (Expression{&l, sum} / static_cast<double>(ids.size())).tensor;
  const Extents wanted = permute(l.extents(w.out()), order);
  l.define(w.out(), l.cast(l.reshape(sum, wanted), type), order);
}

// Powers of int64, which POW has no kernel for: squares of the base, for the bits of the exponent. A fractional exponent goes by way of float32.
Expression whole_power(Expression base, Expression exponent) {
  Lowering& l = *base.lowering;
  if (l.type_of(exponent.tensor) == Type::float32)
    return base.with(l.cast(l.binary("POW", l.cast(base.tensor, Type::float32), exponent.tensor), Type::int64));
  Expression rest = exponent.with(l.cast(exponent.tensor, Type::int32)), power = base.number(1);
  constexpr int bits = 6;  // beyond 63 only powers of 0, 1 and -1 fit
  for (int k = 0; k < bits; ++k) {
    const Expression odd = rest.with(l.binary("FLOOR_MOD", rest.tensor, rest.number(2).tensor));
    power = select(greater(odd, 0), power * base, power);
    rest = rest.with(l.binary("FLOOR_DIV", rest.tensor, rest.number(2).tensor));
    if (k + 1 < bits) base = base * base;
  }
  return power;
}

void lower_pow(Lowering& l, const Work& w) {
  const Order order = l.common_order(w.inputs, l.rank(w.out()));
  const Type type = l.type(w.out());
  const auto exponent = l.numbers(w.in(1));
  const int32_t base = l.broadcastable(w.in(0), order);
  if (exponent && exponent->size() == 1 && type == Type::float32 && l.extents_of(base).size() == l.rank(w.out())) {
    const Expression x{&l, base};
    if ((*exponent)[0] == 2) return l.define(w.out(), (x * x).tensor, order);
    if ((*exponent)[0] == 0.5) return l.define(w.out(), sqrt(x).tensor, order);
    if ((*exponent)[0] == 3) return l.define(w.out(), (x * x * x).tensor, order);
  }
  if (l.type(w.in(1)) == Type::uint64 && exponent) {  // no kernel takes UINT64, but its numbers are there
    const std::vector<float> floats(exponent->begin(), exponent->end());
    const uint32_t made = l.new_constant("exponent", l.extents(w.in(1)), floats);
    return l.define(w.out(), l.cast(l.binary("POW", l.cast(base, Type::float32), l.broadcastable(made, order)), type), order);
  }
  const int32_t power = l.broadcastable(w.in(1), order);
  if (type == Type::int64) return l.define(w.out(), whole_power({&l, base}, {&l, power}).tensor, order);
  const Type in = computed_in(l, kernel_of(w), type);
  l.define(w.out(), l.cast(l.binary("POW", l.cast(base, in), l.cast(power, in)), type), order);
}

// The remainder: with the divisor's sign, or (fmod) the dividend's.
void lower_mod(Lowering& l, const Work& w) {
  static const Kernel kernel{"Mod", "FLOOR_MOD", {f, i, L}};
  const Order order = l.common_order(w.inputs, l.rank(w.out()));
  const Type type = l.type(w.out()), in = computed_in(l, kernel, type);
  const int32_t x = l.cast(l.broadcastable(w.in(0), order), in), y = l.cast(l.broadcastable(w.in(1), order), in);
  if (w.node.integer("fmod", 0) == 0) return l.define(w.out(), l.cast(l.binary("FLOOR_MOD", x, y), type), order);
  const Expression a{&l, x}, b{&l, y};
  const Expression magnitude = a.with(l.binary("FLOOR_MOD", absolute(a).tensor, absolute(b).tensor));
  l.define(w.out(), l.cast(select(less(a, 0), -magnitude, magnitude).tensor, type), order);
}

const LowerRule rules[] = {{"Add", lower_arithmetic}, {"Sub", lower_arithmetic}, {"Mul", lower_arithmetic}, {"Div", lower_arithmetic},
                           {"Max", lower_arithmetic}, {"Min", lower_arithmetic}, {"Sum", lower_arithmetic}, {"Mean", lower_arithmetic},
                           {"Pow", lower_pow},        {"Mod", lower_mod}};

}  // namespace

std::span<const LowerRule> elementwise_rules() { return rules; }

}  // namespace lathe::tflite
