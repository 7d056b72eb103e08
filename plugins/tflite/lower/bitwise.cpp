// Operators on bits, by arithmetic: a bit is floor(x / 2^k) modulo 2, of negative numbers too. The runtime's FLOOR_DIV divides integers of 32 bits,
// so those of 64 are not taken; BITWISE_XOR and RIGHT_SHIFT of later runtimes do less than is asked for here.
#include <algorithm>
#include <cmath>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

int bits_of(const Lowering& l, Type type) {
  switch (type) {
    case Type::int8:
    case Type::uint8:
      return 8;
    case Type::int16:
    case Type::uint16:
      return 16;
    case Type::int32:
    case Type::uint32:
      return 32;
    default:
      l.refuse(std::string("the runtime's FLOOR_DIV has no kernel for ") + name(type));
  }
}
bool is_signed(Type type) { return type == Type::int8 || type == Type::int16 || type == Type::int32; }

Expression floor_div(Expression a, Expression b) { return a.with(a.lowering->binary("FLOOR_DIV", a.tensor, b.tensor)); }
Expression floor_mod(Expression a, Expression b) { return a.with(a.lowering->binary("FLOOR_MOD", a.tensor, b.tensor)); }

// 2^31 does not fit int32, but its negative does: the last bit counts downwards, which for uint32 is the same bits.
Expression value_of(Expression bit, int k) {
  return k == 31 ? bit.with(bit.lowering->binary("MUL", bit.tensor, bit.lowering->filled(Type::int32, {}, -2147483648.0))) : bit * std::ldexp(1.0, k);
}
Expression bit_of(Expression x, int k) {
  if (k < 31) return floor_mod(floor_div(x, x.number(std::ldexp(1.0, k))), x.number(2));
  return x.with(x.lowering->cast(less(x, 0).tensor, Type::int32));
}

void lower_bits(Lowering& l, const Work& w) {
  const Type type = l.type(w.in(0));
  const int bits = bits_of(l, type);
  const Order order = l.common_order(w.inputs, l.rank(w.out()));
  const Expression a{&l, l.cast(l.broadcastable(w.in(0), order), Type::int32)}, b{&l, l.cast(l.broadcastable(w.in(1), order), Type::int32)};
  Expression sum{&l, -1};
  for (int k = 0; k < bits; ++k) {
    const Expression p = bit_of(a, k), q = bit_of(b, k);
    const Expression bit = w.node.is("BitwiseAnd") ? p * q : w.node.is("BitwiseOr") ? maximum(p, q) : absolute(p - q);
    Expression term = value_of(bit, k);
    if (k == bits - 1 && is_signed(type) && bits < 32) term = -term;
    sum = sum.tensor < 0 ? term : sum + term;
  }
  l.define(w.out(), l.cast(sum.tensor, type), order);
}

void lower_not(Lowering& l, const Work& w) {
  const Type type = l.type(w.in(0));
  const Order order = l.order_of(w.in(0));
  const Type in = type == Type::int64 ? type : Type::int32;
  const int bits = in == Type::int64 ? 64 : bits_of(l, type);
  const Expression x{&l, l.cast(l.in_order(w.in(0), order), in)};
  const Expression y = is_signed(type) || bits >= 32 ? -1.0 - x : (std::ldexp(1.0, bits) - 1) - x;
  l.define(w.out(), l.cast(y.tensor, type), order);
}

void lower_shift(Lowering& l, const Work& w) {
  const Type type = l.type(w.in(0));
  const int bits = bits_of(l, type);
  if (bits == 32) l.refuse("shifts of 32 bits want a wider FLOOR_DIV than the runtime has");
  const Order order = l.common_order(w.inputs, l.rank(w.out()));
  const Expression x{&l, l.cast(l.broadcastable(w.in(0), order), Type::int32)}, by{&l, l.cast(l.broadcastable(w.in(1), order), Type::int32)};
  const bool left = w.node.text("direction", "LEFT") == "LEFT";
  // Beyond the width nothing is left.
  const Expression within = minimum(by, bits), power = x.with(l.binary("POW", x.number(2).tensor, within.tensor));
  Expression y =
      left ? floor_mod(x, x.with(l.binary("POW", x.number(2).tensor, (static_cast<double>(bits) - within).tensor))) * power : floor_div(x, power);
  l.define(w.out(), l.cast(y.tensor, type), order);
}

const LowerRule rules[] = {
    {"BitShift", lower_shift}, {"BitwiseAnd", lower_bits}, {"BitwiseNot", lower_not}, {"BitwiseOr", lower_bits}, {"BitwiseXor", lower_bits}};

}  // namespace

std::span<const LowerRule> bitwise_rules() { return rules; }

}  // namespace lathe::tflite
