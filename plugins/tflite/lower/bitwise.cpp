// Operators on bits, by arithmetic: a bit is floor(x / 2^k) modulo 2, of negative numbers too. The runtime's FLOOR_DIV divides integers of 32 bits,
// so wider ones are taken apart into pieces of 16 bits before. BITWISE_XOR and RIGHT_SHIFT of later runtimes do less than is asked for here.
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
    case Type::int64:
      return 64;
    default:
      l.refuse(std::string("the runtime's CAST takes no ") + name(type));
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

Expression as(Expression x, Type type) { return x.with(x.lowering->cast(x.tensor, type)); }

// The bits from `first` on, 16 of them, of int64, as int32; the last 16 count with their sign. The difference of two remainders is a multiple of
// 2^first with few bits, and so exact in float32.
Expression piece(Expression x, int first) {
  constexpr int width = 16, all = 64;
  const auto below = [&](int bit) { return floor_mod(x, x.number(std::ldexp(1.0, bit))); };
  const Expression upper = first + width == all ? x : below(first + width);
  if (first == 0) return as(upper, Type::int32);
  return as(as(upper - below(first), Type::float32) * std::ldexp(1.0, -first), Type::int32);
}

Expression bits_combined(const Work& w, Expression a, Expression b, int bits, bool has_sign) {
  Expression sum = a.with(-1);
  for (int k = 0; k < bits; ++k) {
    const Expression p = bit_of(a, k), q = bit_of(b, k);
    const Expression bit = w.node.is("BitwiseAnd") ? p * q : w.node.is("BitwiseOr") ? maximum(p, q) : absolute(p - q);
    Expression term = value_of(bit, k);
    if (k == bits - 1 && has_sign && bits < 32) term = -term;
    sum = sum.tensor < 0 ? term : sum + term;
  }
  return sum;
}

void lower_bits(Lowering& l, const Work& w) {
  const Type type = l.type(w.in(0));
  const int bits = bits_of(l, type);
  const Order order = l.common_order(w.inputs, l.rank(w.out()));
  if (bits == 64) {
    const Expression a{&l, l.broadcastable(w.in(0), order)}, b{&l, l.broadcastable(w.in(1), order)};
    Expression sum{&l, -1};
    for (int first = 0; first < 64; first += 16) {
      const Expression part = as(bits_combined(w, piece(a, first), piece(b, first), 16, first == 48), Type::int64) * std::ldexp(1.0, first);
      sum = first == 0 ? part : sum + part;
    }
    return l.define(w.out(), sum.tensor, order);
  }
  const Expression a{&l, l.cast(l.broadcastable(w.in(0), order), Type::int32)}, b{&l, l.cast(l.broadcastable(w.in(1), order), Type::int32)};
  l.define(w.out(), l.cast(bits_combined(w, a, b, bits, is_signed(type)).tensor, type), order);
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

// uint32 by way of int64. To the right its two halves go each on its own, with the upper one's lost bits in the lower one's place.
Expression shifted_wide(Expression x, Expression by, bool left) {
  Lowering& l = *x.lowering;
  const auto power = [&](Expression of) {
    std::vector<int64_t> powers;
    for (int k = 0; k <= 32; ++k) powers.push_back(int64_t{1} << k);
    const int32_t table = l.constant<int64_t>(Type::int64, {33}, powers, {}, "powers");
    return x.with(l.make("GATHER", {table, of.tensor}, Type::int64, l.extents_of(of.tensor), {{"axis", 0, {}}}));
  };
  const Expression within = minimum(by, 32);
  if (left) return floor_mod(x, power(32.0 - within)) * power(within);
  const Expression low = minimum(within, 16), high = maximum(within - 16.0, 0);
  const auto lowered = [&](int first, Expression of) { return as(floor_div(piece(x, first), as(power(of), Type::int32)), Type::int64); };
  return lowered(16, high) * power(16.0 - low) + lowered(0, low);
}

void lower_shift(Lowering& l, const Work& w) {
  const Type type = l.type(w.in(0));
  const int bits = bits_of(l, type);
  const Order order = l.common_order(w.inputs, l.rank(w.out()));
  if (bits == 32) {
    const Expression wide{&l, l.cast(l.broadcastable(w.in(0), order), Type::int64)}, steps{&l, l.cast(l.broadcastable(w.in(1), order), Type::int32)};
    return l.define(w.out(), l.cast(shifted_wide(wide, steps, w.node.text("direction", "LEFT") == "LEFT").tensor, type), order);
  }
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
