// Arithmetic, comparison, logic, bits and conversion, element by element.
#include <limits>

#include "families.hpp"

namespace lathe::openvino {
namespace {

// Operators that the IR has under a name of its own.
constexpr std::pair<std::string_view, std::string_view> unary_names[] = {
    {"Abs", "Abs"},     {"Acos", "Acos"},    {"Acosh", "Acosh"},  {"Asin", "Asin"},      {"Asinh", "Asinh"}, {"Atan", "Atan"},
    {"Atanh", "Atanh"}, {"Ceil", "Ceiling"}, {"Cos", "Cos"},      {"Cosh", "Cosh"},      {"Erf", "Erf"},     {"Exp", "Exp"},
    {"Floor", "Floor"}, {"Log", "Log"},      {"Neg", "Negative"}, {"Not", "LogicalNot"}, {"Sign", "Sign"},   {"Sin", "Sin"},
    {"Sinh", "Sinh"},   {"Sqrt", "Sqrt"},    {"Tan", "Tan"},      {"Tanh", "Tanh"},      {"IsNaN", "IsNaN"}, {"BitwiseNot", "BitwiseNot"},
};
constexpr std::pair<std::string_view, std::string_view> binary_names[] = {
    {"Add", "Add"},
    {"Sub", "Subtract"},
    {"Mul", "Multiply"},
    {"And", "LogicalAnd"},
    {"Or", "LogicalOr"},
    {"Xor", "LogicalXor"},
    {"Equal", "Equal"},
    {"Greater", "Greater"},
    {"GreaterOrEqual", "GreaterEqual"},
    {"Less", "Less"},
    {"LessOrEqual", "LessEqual"},
    {"BitwiseAnd", "BitwiseAnd"},
    {"BitwiseOr", "BitwiseOr"},
    {"BitwiseXor", "BitwiseXor"},
};

bool floating(int32_t type) { return type == LATHE_FLOAT32 || type == LATHE_FLOAT64 || type == LATHE_FLOAT16 || type == LATHE_BFLOAT16; }
const Attribute numpy = {"auto_broadcast", "numpy"};

void unary(Step& s) {
  for (const auto& [ours, theirs] : unary_names)
    if (ours == s.node.op_type()) return s.out(0, s.make(theirs, {s.in(0)}));
}

void binary(Step& s) {
  for (const auto& [ours, theirs] : binary_names) {
    if (ours != s.node.op_type()) continue;
    // x * Sigmoid(x) is one operation here; its Sigmoid was left out.
    for (size_t i = 0; i < 2 && ours == "Mul"; ++i) {
      const auto sigmoid = s.draft.producer(s.node.input(i));
      if (sigmoid && s.draft.skipped(sigmoid->index())) return s.out(0, s.make("Swish", {s.in(1 - i)}));
    }
    return s.out(0, s.make(theirs, {s.in(0), s.in(1)}, {numpy}));
  }
}

// Integers are divided as C does, towards zero; m_pythondiv=true would round down.
void divide(Step& s) {
  const Wire a = s.in(0);
  s.out(0, s.make("Divide", {a, s.in(1)}, {numpy, {"m_pythondiv", text(floating(a.type))}}));
}

void power(Step& s) {
  const Wire base = s.in(0);
  const Wire exponent = s.in(1);
  if (base.type == exponent.type || !floating(exponent.type)) return s.out(0, s.make("Power", {base, s.convert(exponent, base.type)}, {numpy}));
  // An integer to a real power is computed in the exponent's type.
  s.out(0, s.convert(s.make("Power", {s.convert(base, exponent.type), exponent}, {numpy}), base.type));
}

// The sign is that of the divisor, or with fmod=1 that of the dividend.
void modulo(Step& s) {
  const bool like_c = s.node.integer("fmod", 0) != 0;
  s.out(0, s.make(like_c ? "Mod" : "FloorMod", {s.in(0), s.in(1)}, {numpy}));
}

void several(Step& s) {
  const std::string_view op = s.node.op_type();
  const char* theirs = op == "Max" ? "Maximum" : op == "Min" ? "Minimum" : "Add";
  Wire sum = s.in(0);
  for (size_t i = 1; i < s.inputs(); ++i) sum = s.make(theirs, {sum, s.in(i)}, {numpy});
  if (op == "Mean") sum = s.make("Divide", {sum, s.scalar(sum.type, static_cast<double>(s.inputs()))}, {numpy, {"m_pythondiv", "true"}});
  s.out(0, sum);
}

void reciprocal(Step& s) {
  const Wire x = s.in(0);
  s.out(0, s.make("Divide", {s.scalar(x.type, 1), x}, {numpy, {"m_pythondiv", "true"}}));
}

void round_even(Step& s) { s.out(0, s.make("Round", {s.in(0)}, {{"mode", "half_to_even"}})); }

void is_infinite(Step& s) {
  s.out(0, s.make("IsInf", {s.in(0)},
                  {{"detect_negative", text(s.node.integer("detect_negative", 1) != 0)},
                   {"detect_positive", text(s.node.integer("detect_positive", 1) != 0)}}));
}

void shift(Step& s) {
  s.out(0, s.make(s.node.text("direction", "") == "LEFT" ? "BitwiseLeftShift" : "BitwiseRightShift", {s.in(0), s.in(1)}, {numpy}));
}

void select(Step& s) {
  const Wire c = s.in(0), a = s.in(1), b = s.in(2);
  s.out(0, s.make("Select", {c, a, b}, {numpy}, broadcast(broadcast(c.dimensions, a.dimensions), b.dimensions)));
}

}  // namespace

Wire to_small_float(Step& s, const Wire& x, int32_t to) {
  const double largest = to == LATHE_FLOAT8E4M3FN ? 448 : to == LATHE_FLOAT8E5M2 ? 57344 : to == LATHE_FLOAT4E2M1 ? 6 : 0;
  if (to == LATHE_FLOAT8E8M0 && x.type != to) return to_power_of_two(s, x);
  if (largest == 0 || x.type == to) return s.convert(x, to);
  const Wire real = floating(x.type) ? x : s.convert(x, LATHE_FLOAT32);
  const Wire y = s.convert(s.make("Clamp", {real}, {{"min", text(-largest)}, {"max", text(largest)}}), to);
  if (s.node.integer("saturate", 1) != 0 || to == LATHE_FLOAT4E2M1) return y;
  // What would round to more than the largest becomes infinite, or NaN in the type that has no infinity.
  const bool infinite = to == LATHE_FLOAT8E5M2;
  const auto special = [&](uint8_t bits) {
    const auto kept = std::make_shared<const uint8_t>(bits);
    return s.draft.constant(std::string(s.node.name()) + "/Constant", to, {}, kept.get(), 1, kept);
  };
  const auto beyond = [&](const char* form, double limit) { return s.make(form, {real, s.scalar(real.type, limit)}, {numpy}); };
  // Half-way to the next one: 464 goes down to 448, whose last digit is even, and 61440 up.
  const Wire above = infinite ? beyond("GreaterEqual", 61440) : beyond("Greater", 464),
             below = infinite ? beyond("LessEqual", -61440) : beyond("Less", -464);
  const Wire high = s.make("Select", {above, special(infinite ? 0x7c : 0x7f), y}, {numpy}, y.dimensions);
  return s.make("Select", {below, special(infinite ? 0xfc : 0xff), high}, {numpy}, y.dimensions);
}

namespace {

void cast(Step& s) {
  const Wire x = s.in(0);
  const int32_t to = s.node.output_value(0).type();
  if (x.type == to) return s.out(0, x);
  // A number is true when it is not zero.
  if (to == LATHE_BOOL) return s.out(0, s.make("NotEqual", {x, s.scalar(x.type, 0)}, {numpy}));
  s.out(0, to_small_float(s, x, to));
}

void identity(Step& s) {
  if (s.node.input_value(0).kind() == LATHE_KIND_TENSOR) return s.out(0, s.in(0));
  const List* list = s.draft.list(s.node.input(0));
  if (!list) s.refuse("the IR has no sequences and no optionals, and '" + std::string(s.node.input_value(0).name()) + "' is one that comes in whole");
  s.draft.set_list(s.node.output(0), *list);
}

void clip(Step& s) {
  const Wire x = s.in(0);
  const double unknown = std::numeric_limits<double>::quiet_NaN(), low = s.number(1).value_or(unknown), high = s.number(2).value_or(unknown);
  // Clamp holds its bounds as real numbers, so it serves floats; those of Clamp must be in order, while ONNX lets the upper one win.
  if (floating(x.type) && low <= high) return s.out(0, s.make("Clamp", {x}, {{"min", text(low)}, {"max", text(high)}}));
  Wire y = x;
  if (s.has(1)) y = s.make("Maximum", {y, s.in(1)}, {numpy});
  if (s.has(2)) y = s.make("Minimum", {y, s.in(2)}, {numpy});
  s.out(0, y);
}

constexpr Writer writers[] = {
    {"Abs", Means::exact, unary},
    {"Acos", Means::exact, unary},
    {"Acosh", Means::exact, unary},
    {"Add", Means::exact, binary},
    {"And", Means::exact, binary},
    {"Asin", Means::exact, unary},
    {"Asinh", Means::exact, unary},
    {"Atan", Means::exact, unary},
    {"Atanh", Means::exact, unary},
    {"BitShift", Means::exact, shift},
    {"BitwiseAnd", Means::exact, binary},
    {"BitwiseNot", Means::exact, unary},
    {"BitwiseOr", Means::exact, binary},
    {"BitwiseXor", Means::exact, binary},
    {"Cast", Means::exact, cast},
    {"CastLike", Means::exact, cast},
    {"Ceil", Means::exact, unary},
    {"Clip", Means::exact, clip},
    {"Cos", Means::exact, unary},
    {"Cosh", Means::exact, unary},
    {"Div", Means::exact, divide},
    {"Equal", Means::exact, binary},
    {"Erf", Means::exact, unary},
    {"Exp", Means::exact, unary},
    {"Floor", Means::exact, unary},
    {"Greater", Means::exact, binary},
    {"GreaterOrEqual", Means::exact, binary},
    {"Identity", Means::exact, identity},
    {"IsInf", Means::exact, is_infinite},
    {"IsNaN", Means::exact, unary},
    {"Less", Means::exact, binary},
    {"LessOrEqual", Means::exact, binary},
    {"Log", Means::exact, unary},
    {"Max", Means::decomposition, several},
    {"Mean", Means::decomposition, several},
    {"Min", Means::decomposition, several},
    {"Mod", Means::exact, modulo},
    {"Mul", Means::exact, binary},
    {"Neg", Means::exact, unary},
    {"Not", Means::exact, unary},
    {"Or", Means::exact, binary},
    {"Pow", Means::exact, power},
    {"Reciprocal", Means::decomposition, reciprocal},
    {"Round", Means::exact, round_even},
    {"Sign", Means::exact, unary},
    {"Sin", Means::exact, unary},
    {"Sinh", Means::exact, unary},
    {"Sqrt", Means::exact, unary},
    {"Sub", Means::exact, binary},
    {"Sum", Means::decomposition, several},
    {"Tan", Means::exact, unary},
    {"Tanh", Means::exact, unary},
    {"Where", Means::exact, select},
    {"Xor", Means::exact, binary},
};

}  // namespace

std::span<const Writer> elementwise_writers() { return writers; }

}  // namespace lathe::openvino
