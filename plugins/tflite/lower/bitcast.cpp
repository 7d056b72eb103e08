// BitCast by arithmetic, as the runtime has no operator that looks at bits: integers by what their first bit counts, float32 by its exponent, which
// is found by halving and doubling, and its mantissa. Every step is exact. NaN loses its payload.
#include <cmath>
#include <limits>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

int bits_of(Type type) { return static_cast<int>(8 * element_bytes(type)); }
bool is_unsigned(Type type) { return type == Type::uint8 || type == Type::uint16 || type == Type::uint32 || type == Type::boolean; }

Expression as(Expression x, Type type) { return x.with(x.lowering->cast(x.tensor, type)); }
Expression equal(Expression a, double b) { return a.with(a.lowering->compare("EQUAL", a.tensor, a.number(b).tensor)); }
Expression either(Expression a, Expression b) { return a.with(a.lowering->compare("LOGICAL_OR", a.tensor, b.tensor)); }
Expression both(Expression a, Expression b) { return a.with(a.lowering->compare("LOGICAL_AND", a.tensor, b.tensor)); }

// The same bits as an integer of the other kind and the same width.
Expression with_other_sign(Expression x, Type from, Type to) {
  Lowering& l = *x.lowering;
  if (from == to) return x;
  const int bits = bits_of(from);
  const Type in = bits < 32 ? Type::int32 : Type::int64;
  const double all = std::ldexp(1.0, bits), half = std::ldexp(1.0, bits - 1);
  const Expression wide = as(x, in);
  if (is_unsigned(from) == is_unsigned(to)) return x.with(l.cast(wide.tensor, to));
  const auto limit = [&](double v) { return wide.with(l.filled(in, {}, v)); };
  const Expression y = is_unsigned(to) ? select(wide.with(l.compare("LESS", wide.tensor, limit(0).tensor)), wide + limit(all), wide)
                                       : select(wide.with(l.compare("GREATER_EQUAL", wide.tensor, limit(half).tensor)), wide - limit(all), wide);
  return as(y, to);
}

// The bits of float32 as int32.
Expression bits_of_float(Expression x) {
  const Expression negative = either(less(x, 0), both(equal(x, 0), less(1.0 / x, 0)));
  const Expression size = absolute(x);
  Expression scaled = size, exponent = size.number(0);  // size = scaled * 2^exponent, with 1 <= scaled < 2
  for (int k = 64; k > 0; k /= 2) {
    const Expression above = scaled.with(scaled.lowering->compare("GREATER_EQUAL", scaled.tensor, scaled.number(std::ldexp(1.0, k)).tensor));
    exponent = exponent + as(above, Type::float32) * static_cast<double>(k);
    scaled = select(above, scaled * std::ldexp(1.0, -k), scaled);
  }
  for (int k = 64; k > 0; k /= 2) {
    const Expression below = less(scaled, std::ldexp(1.0, 1 - k));
    exponent = exponent - as(below, Type::float32) * static_cast<double>(k);
    scaled = select(below, scaled * std::ldexp(1.0, k), scaled);
  }
  const Expression normal = as(exponent + 127.0, Type::int32) * std::ldexp(1.0, 23) + as((scaled - 1.0) * std::ldexp(1.0, 23), Type::int32);
  const Expression tiny = as(size * std::ldexp(1.0, 100) * std::ldexp(1.0, 49), Type::int32);
  Expression bits = select(less(size, std::ldexp(1.0, -126)), tiny, normal);
  bits = select(greater(size, 3.4028234663852886e38), bits.number(0x7F800000), bits);
  bits = select(x.with(x.lowering->compare("NOT_EQUAL", x.tensor, x.tensor)), bits.number(0x7FC00000), bits);
  // The sign counts -2^31.
  return select(negative, (bits - std::ldexp(1.0, 30)) - std::ldexp(1.0, 30), bits);
}

// float32 from the bits in int32.
Expression float_of_bits(Expression x) {
  Lowering& l = *x.lowering;
  const Expression negative = less(x, 0), rest = select(negative, (x + std::ldexp(1.0, 30)) + std::ldexp(1.0, 30), x);
  const Expression exponent = x.with(l.binary("FLOOR_DIV", rest.tensor, rest.number(std::ldexp(1.0, 23)).tensor));
  const Expression mantissa = as(rest - exponent * std::ldexp(1.0, 23), Type::float32);
  std::vector<float> powers;
  for (int e = 0; e < 256; ++e) powers.push_back(e == 255 ? std::numeric_limits<float>::infinity() : std::ldexp(1.0F, e - 127));
  const Expression table{&l, l.constant<float>(Type::float32, {256}, powers, {}, "powers")};
  const Expression power =
      table.with(l.make("GATHER", {table.tensor, exponent.tensor}, Type::float32, l.extents_of(exponent.tensor), {{"axis", 0, {}}}));
  const Expression normal = (mantissa * std::ldexp(1.0, -23) + 1.0) * power, tiny = mantissa * std::ldexp(1.0, -100) * std::ldexp(1.0, -49);
  Expression y = select(equal(exponent, 0), tiny, normal);
  y = select(both(equal(exponent, 255), greater(mantissa, 0)), y.number(std::numeric_limits<double>::quiet_NaN()), y);
  return select(negative, -y, y);
}

void lower_bit_cast(Lowering& l, const Work& w) {
  const Type from = l.type(w.in(0)), to = l.type(w.out());
  const Order order = l.order_of(w.in(0));
  for (const auto& [id, type] : {std::pair(w.in(0), from), std::pair(w.out(), to)})
    if (type == Type::uint64 || type == Type::string || l.value(id).onnx_type != onnx_type(type) || element_bytes(type) == 0)
      l.refuse(std::string("the runtime's CAST takes no ") + name(type));
  const Expression x{&l, l.in_order(w.in(0), order)};
  if (from == to) return l.alias(w.out(), w.in(0));
  if (from == Type::float32) return l.define(w.out(), with_other_sign(bits_of_float(x), Type::int32, to).tensor, order);
  if (to == Type::float32) return l.define(w.out(), float_of_bits(with_other_sign(x, from, Type::int32)).tensor, order);
  l.define(w.out(), with_other_sign(x, from, to).tensor, order);
}

const LowerRule rules[] = {{"BitCast", lower_bit_cast}};

}  // namespace

std::span<const LowerRule> bit_cast_rules() { return rules; }

}  // namespace lathe::tflite
