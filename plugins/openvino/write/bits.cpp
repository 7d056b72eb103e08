// Bits of numbers by arithmetic: BitCast, and the cast to powers of two (float8e8m0), whose direction of rounding Convert of the IR leaves open.
//
// The exponent of a number is looked up: a logarithm says about where, and a table of powers of two which one exactly.
#include <cmath>
#include <limits>

#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

// Shorthands over one working type.
struct Arithmetic {
  Step& s;
  int32_t type;

  Wire number(double x) const { return s.scalar(type, x); }
  Wire binary(const char* form, const Wire& a, const Wire& b) const { return s.make(form, {a, b}, {numpy}); }
  Wire quotient(const Wire& a, const Wire& b) const {
    Attributes attributes = {numpy};
    attributes.push_back({"m_pythondiv", "true"});
    return s.make("Divide", {a, b}, std::move(attributes));
  }
  Wire binary(const char* form, const Wire& a, double b) const { return binary(form, a, s.scalar(a.type, b)); }
  Wire choose(const Wire& c, const Wire& a, const Wire& b) const {
    return s.make("Select", {c, a, b}, {numpy}, broadcast(broadcast(c.dimensions, a.dimensions), b.dimensions));
  }
  // 2^lowest, ... 2^highest
  Wire powers(int lowest, int highest) const {
    std::vector<double> list;
    for (int e = lowest; e <= highest; ++e) list.push_back(std::ldexp(1.0, e));
    const int64_t count = static_cast<int64_t>(list.size());
    return s.floats(type, {count}, list);
  }
  // The place of the largest power that is not above x; x lies within the table.
  Wire place(const Wire& x, const Wire& table, int lowest, int64_t count) const {
    const Wire guess = s.make("Floor", {binary("Multiply", s.make("Log", {x}), 1 / std::log(2.0))});
    const Wire low = s.make("Clamp", {binary("Subtract", guess, double(lowest))}, {{"min", "0"}, {"max", text(double(count - 1))}});
    const Wire at = s.convert(low, LATHE_INT64);
    const Wire above = s.convert(binary("Greater", s.gather(table, at, 0), x), LATHE_INT64);
    const Wire down = binary("Maximum", binary("Subtract", at, above), 0);
    const Wire next = binary("Minimum", binary("Add", down, 1), double(count - 1));
    return choose(binary("LessEqual", s.gather(table, next, 0), x), next, down);
  }
};

// A kind of floating-point number: digits behind the point, and the least exponent of a number with all of them.
struct Kind {
  int32_t type;
  int digits, lowest, highest, bits;
};
constexpr Kind kinds[] = {
    {LATHE_FLOAT32, 23, -126, 127, 32}, {LATHE_FLOAT16, 10, -14, 15, 16}, {LATHE_BFLOAT16, 7, -126, 127, 16}, {LATHE_FLOAT64, 52, -1022, 1023, 64}};

const Kind* kind_of(int32_t type) {
  for (const Kind& k : kinds)
    if (k.type == type) return &k;
  return nullptr;
}

int32_t working_type(const Kind& k) { return k.type == LATHE_FLOAT64 ? LATHE_FLOAT64 : LATHE_FLOAT32; }

// x * 2^e, in two steps, since 2^e alone may be no number.
Wire scaled(const Arithmetic& a, const Wire& x, int e) {
  return a.binary("Multiply", a.binary("Multiply", x, std::ldexp(1.0, e / 2)), std::ldexp(1.0, e - e / 2));
}

// The bits as an integer of 64 bits without the sign's, and whether that is set.
std::pair<Wire, Wire> bits_of(Step& s, const Wire& given, const Kind& k) {
  const Arithmetic a{s, working_type(k)};
  const Wire x = s.convert(given, a.type), size = s.make("Abs", {x}), zero = a.number(0);
  const Wire inverse = a.quotient(a.number(1), x);  // tells the zeros apart
  const Wire negative =
      s.make("LogicalOr", {a.binary("Less", x, zero), s.make("LogicalAnd", {a.binary("Equal", x, zero), a.binary("Less", inverse, zero)}, {numpy})},
             {numpy});
  const Wire table = a.powers(k.lowest, k.highest);
  const int64_t count = k.highest - k.lowest + 1;
  const double least = std::ldexp(1.0, k.lowest);
  const Wire infinite = s.make("IsInf", {x}), nan = s.make("IsNaN", {x}), small = a.binary("Less", size, least);
  const Wire odd = s.make("LogicalOr", {s.make("LogicalOr", {infinite, nan}, {numpy}), small}, {numpy});
  const Wire usual = a.choose(odd, a.number(1), size);
  const Wire at = a.place(usual, table, k.lowest, count);
  const Wire part = scaled(a, a.binary("Subtract", a.quotient(usual, s.gather(table, at, 0)), 1), k.digits);
  const int64_t one = int64_t{1} << k.digits;
  const Wire full =
      a.binary("Add", s.make("Multiply", {s.make("Add", {at, s.index(1)}, {numpy}), s.index(one)}, {numpy}), s.convert(part, LATHE_INT64));
  const Wire tiny = s.convert(scaled(a, a.choose(small, size, zero), k.digits - k.lowest), LATHE_INT64);
  const Wire top = s.index((count + 1) * one), quiet = s.index((count + 1) * one + one / 2);
  return {a.choose(nan, quiet, a.choose(infinite, top, a.choose(small, tiny, full))), negative};
}

// And back.
Wire number_of(Step& s, const Wire& bits, const Wire& negative, const Kind& k) {
  const Arithmetic a{s, working_type(k)};
  const int64_t one = int64_t{1} << k.digits, count = k.highest - k.lowest + 1;
  const Wire exponent = a.quotient(bits, s.index(one));
  const Wire digits = s.make("Subtract", {bits, s.make("Multiply", {exponent, s.index(one)}, {numpy})}, {numpy});
  const Wire part = s.convert(digits, a.type);
  const Wire at =
      s.make("Minimum", {s.make("Maximum", {s.make("Subtract", {exponent, s.index(1)}, {numpy}), s.index(0)}, {numpy}), s.index(count - 1)}, {numpy});
  const Wire full = a.binary("Multiply", a.binary("Add", scaled(a, part, -k.digits), 1), s.gather(a.powers(k.lowest, k.highest), at, 0));
  const Wire tiny = scaled(a, part, k.lowest - k.digits);
  const Wire none = a.binary("Equal", part, 0);
  const Wire top = a.choose(none, a.number(std::numeric_limits<double>::infinity()), a.number(std::numeric_limits<double>::quiet_NaN()));
  const Wire is_tiny = s.make("Equal", {exponent, s.index(0)}, {numpy}), is_top = s.make("Equal", {exponent, s.index(count + 1)}, {numpy});
  const Wire size = a.choose(is_top, top, a.choose(is_tiny, tiny, full));
  return s.convert(a.choose(negative, s.make("Negative", {size}), size), k.type);
}

struct Pair {
  int32_t is_signed, is_unsigned;
  int bits;
};
constexpr Pair pairs[] = {
    {LATHE_INT8, LATHE_UINT8, 8}, {LATHE_INT16, LATHE_UINT16, 16}, {LATHE_INT32, LATHE_UINT32, 32}, {LATHE_INT64, LATHE_UINT64, 64}};

// Between integers, and between integers and floating-point numbers, of one width. Of a NaN only that it is one is kept.
void bit_cast(Step& s) {
  const Wire x = s.in(0);
  const int32_t to = s.node.output_value(0).type();
  if (x.type == to || (x.type == LATHE_BOOL && to == LATHE_UINT8)) return s.out(0, s.convert(x, to));
  const Kind *from_real = kind_of(x.type), *to_real = kind_of(to);
  if (from_real && to_real) {
    const auto [bits, negative] = bits_of(s, x, *from_real);
    return s.out(0, number_of(s, bits, negative, *to_real));
  }
  for (const Pair& p : pairs) {
    const auto is = [&](int32_t type) { return type == p.is_signed || type == p.is_unsigned; };
    const bool from = is(x.type), towards = is(to);
    if (!(from || from_real) || !(towards || to_real) || (!from && !towards)) continue;
    const Wire half = s.index(p.bits == 64 ? std::numeric_limits<int64_t>::min() : int64_t{1} << (p.bits - 1));
    if (p.bits == 64 && (x.type == p.is_unsigned || to == p.is_unsigned)) break;  // 64 bits without a sign are computed in no other type
    const auto moved = [&](const char* form, const Wire& where, const Wire& wide) {
      return s.make("Select", {where, s.make(form, {wide, half}, {numpy}), wide}, {numpy}, wide.dimensions);
    };
    if (from_real) {
      const auto [bits, negative] = bits_of(s, x, *from_real);
      return s.out(0, s.convert(moved(p.bits != 64 && to == p.is_signed ? "Subtract" : "Add", negative, bits), to));
    }
    const Wire wide = s.convert(x, LATHE_INT64);
    const Wire negative = x.type == p.is_signed ? s.make("Less", {wide, s.index(0)}, {numpy}) : s.make("GreaterEqual", {wide, half}, {numpy});
    if (to_real)
      return s.out(0, number_of(s, moved(p.bits == 64 || x.type == p.is_unsigned ? "Subtract" : "Add", negative, wide), negative, *to_real));
    const Wire range = s.index(int64_t{1} << p.bits);
    const Wire other = s.make(to == p.is_signed ? "Subtract" : "Add", {wide, range}, {numpy});
    return s.out(0, s.convert(s.make("Select", {negative, other, wide}, {numpy}, wide.dimensions), to));
  }
  s.refuse(
      "the IR has no operation that takes bits as another type, and the arithmetic in its place has no integers or floating-point numbers of this "
      "type to compute in");
}

constexpr Writer writers[] = {{"BitCast", Means::decomposition, bit_cast}};

}  // namespace

Wire to_power_of_two(Step& s, const Wire& given) {
  const Arithmetic a{s, LATHE_FLOAT32};
  const Wire x = s.convert(given, a.type);
  const std::string_view round = s.node.text("round_mode", "up");
  const bool saturate = s.node.integer("saturate", 1) != 0;
  constexpr int lowest = -127, highest = 127, count = highest - lowest + 1;
  const double least = std::ldexp(1.0, lowest);
  const Wire nan = a.number(std::numeric_limits<double>::quiet_NaN());
  const Wire small = a.binary("Less", x, least), infinite = a.binary("Equal", x, std::numeric_limits<double>::infinity());
  const Wire bad = s.make("LogicalOr", {s.make("IsNaN", {x}), a.binary("Less", x, 0)}, {numpy});
  const Wire usual = a.choose(s.make("LogicalOr", {bad, s.make("LogicalOr", {small, infinite}, {numpy})}, {numpy}), a.number(1), x);
  const Wire table = a.powers(lowest, highest), at = a.place(usual, table, lowest, count), below = s.gather(table, at, 0);
  Wire y = below;
  if (round != "down") {
    // The next power, which above the greatest one is none.
    const Wire next = s.gather(table, a.binary("Minimum", a.binary("Add", at, 1), count - 1), 0);
    const Wire last = a.binary("Equal", at, count - 1);
    const Wire up = round == "up" ? a.binary("Greater", usual, below) : a.binary("GreaterEqual", usual, a.binary("Multiply", below, 1.5));
    y = a.choose(up, saturate ? next : a.choose(last, nan, next), below);
  }
  Wire smallest = a.number(least);
  if (!saturate && round == "down") smallest = nan;
  if (!saturate && round != "down")
    smallest = a.choose(round == "up" ? a.binary("Greater", x, 0) : a.binary("GreaterEqual", x, std::ldexp(1.0, lowest - 1)), smallest, nan);
  y = a.choose(small, smallest, y);
  y = a.choose(infinite, saturate ? a.number(std::ldexp(1.0, highest)) : nan, y);
  return s.convert(a.choose(bad, nan, y), LATHE_FLOAT8E8M0);
}

std::span<const Writer> bit_writers() { return writers; }

}  // namespace lathe::openvino
