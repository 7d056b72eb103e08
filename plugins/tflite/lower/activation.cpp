// Functions of one number: the format's own, and those made of them. Polynomials are from Abramowitz and Stegun, Handbook of Mathematical
// Functions (1964); their errors are below float32's own at the sizes that matter.
#include <cmath>
#include <limits>
#include <numbers>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

using Formula = Expression (*)(Expression x, const sdk::NodeView& node);

Expression sigmoid(Expression x) { return x.call("LOGISTIC"); }
Expression softplus(Expression x) { return log(1.0 + exp(-absolute(x))) + maximum(x, 0); }
Expression with_sign_of(Expression x, Expression magnitude) { return select(less(x, 0), -magnitude, magnitude); }

// 7.1.26: at most 1.5e-7 off.
Expression erf(Expression x) {
  const Expression a = absolute(x), t = 1.0 / (a * 0.3275911 + 1);
  const Expression tail = t * polynomial(t, {0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429}) * exp(-(a * a));
  return with_sign_of(x, 1.0 - tail);
}

// 4.4.49 up to 1, the reciprocal beyond.
Expression atan(Expression x) {
  const Expression a = absolute(x), low = minimum(a, 1.0 / maximum(a, 1e-30)), s = low * low;
  const Expression series =
      low * polynomial(s, {1, -0.3333314528, 0.1999355085, -0.1420889944, 0.1065626393, -0.0752896400, 0.0429096138, -0.0161657367, 0.0028662257});
  return with_sign_of(x, select(greater(a, 1), std::numbers::pi / 2 - series, series));
}
Expression asin(Expression x) { return atan(x / (1.0 + sqrt(maximum(1.0 - x * x, 0)))) * 2; }
Expression asinh(Expression x) {
  const Expression a = absolute(x);
  return with_sign_of(x, log(a + sqrt(a * a + 1)));
}
Expression elu(Expression x, double alpha) { return alpha == 1 ? x.call("ELU") : select(less(x, 0), (exp(minimum(x, 0)) - 1) * alpha, x); }

struct Function {
  std::string_view onnx;
  Formula formula;
};
const Function functions[] = {
    {"Acos", [](Expression x, const sdk::NodeView&) { return std::numbers::pi / 2 - asin(x); }},
    {"Acosh", [](Expression x, const sdk::NodeView&) { return log(x + sqrt(x * x - 1)); }},
    {"Asin", [](Expression x, const sdk::NodeView&) { return asin(x); }},
    {"Asinh", [](Expression x, const sdk::NodeView&) { return asinh(x); }},
    {"Atan", [](Expression x, const sdk::NodeView&) { return atan(x); }},
    {"Atanh", [](Expression x, const sdk::NodeView&) { return log((x + 1) / (1.0 - x)) * 0.5; }},
    {"Ceil", [](Expression x, const sdk::NodeView&) { return x.call("CEIL"); }},
    {"Celu",
     [](Expression x, const sdk::NodeView& n) {
       const double alpha = n.real("alpha", 1);
       return maximum(x, 0) + minimum((exp(minimum(x, 0) / alpha) - 1) * alpha, 0);
     }},
    {"Cos", [](Expression x, const sdk::NodeView&) { return x.call("COS"); }},
    {"Cosh", [](Expression x, const sdk::NodeView&) { return (exp(x) + exp(-x)) * 0.5; }},
    {"Elu", [](Expression x, const sdk::NodeView& n) { return elu(x, n.real("alpha", 1)); }},
    {"Erf", [](Expression x, const sdk::NodeView&) { return erf(x); }},
    {"Exp", [](Expression x, const sdk::NodeView&) { return exp(x); }},
    {"Floor", [](Expression x, const sdk::NodeView&) { return x.call("FLOOR"); }},
    {"HardSigmoid", [](Expression x, const sdk::NodeView& n) { return minimum(maximum(x * n.real("alpha", 0.2f) + n.real("beta", 0.5f), 0), 1); }},
    {"HardSwish", [](Expression x, const sdk::NodeView&) { return x.call("HARD_SWISH"); }},
    {"LeakyRelu",
     [](Expression x, const sdk::NodeView& n) {
       return x.with(x.lowering->unary("LEAKY_RELU", x.tensor, {{"alpha", n.real("alpha", 0.01f), {}}}));
     }},
    {"Log", [](Expression x, const sdk::NodeView&) { return log(x); }},
    {"Mish", [](Expression x, const sdk::NodeView&) { return x * softplus(x).call("TANH"); }},
    {"Reciprocal", [](Expression x, const sdk::NodeView&) { return 1.0 / x; }},
    {"Round", [](Expression x, const sdk::NodeView&) { return x.call("ROUND"); }},
    {"Selu",
     [](Expression x, const sdk::NodeView& n) {
       const double alpha = n.real("alpha", 1.67326319217681884765625f), gamma = n.real("gamma", 1.05070102214813232421875f);
       return (maximum(x, 0) + (exp(minimum(x, 0)) - 1) * alpha) * gamma;
     }},
    {"Shrink",
     [](Expression x, const sdk::NodeView& n) {
       const double lambda = n.real("lambd", 0.5f), bias = n.real("bias", 0);
       return select(less(x, -lambda), x + bias, select(greater(x, lambda), x - bias, x * 0));
     }},
    {"Sigmoid", [](Expression x, const sdk::NodeView&) { return sigmoid(x); }},
    {"Sin", [](Expression x, const sdk::NodeView&) { return x.call("SIN"); }},
    {"Sinh", [](Expression x, const sdk::NodeView&) { return (exp(x) - exp(-x)) * 0.5; }},
    {"Softplus", [](Expression x, const sdk::NodeView&) { return softplus(x); }},
    {"Softsign", [](Expression x, const sdk::NodeView&) { return x / (absolute(x) + 1); }},
    {"Sqrt", [](Expression x, const sdk::NodeView&) { return sqrt(x); }},
    {"Swish", [](Expression x, const sdk::NodeView& n) { return x * sigmoid(n.real("alpha", 1) == 1 ? x : x * n.real("alpha", 1)); }},
    {"Tan", [](Expression x, const sdk::NodeView&) { return x.call("SIN") / x.call("COS"); }},
    {"Tanh", [](Expression x, const sdk::NodeView&) { return x.call("TANH"); }},
    {"ThresholdedRelu", [](Expression x, const sdk::NodeView& n) { return select(greater(x, n.real("alpha", 1)), x, x * 0); }},
};

void lower_function(Lowering& l, const Work& w) {
  const Order order = l.order_of(w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  if (w.quantized) {
    static constexpr std::pair<std::string_view, std::string_view> integer[] = {
        {"Sigmoid", "LOGISTIC"}, {"Tanh", "TANH"}, {"HardSwish", "HARD_SWISH"}, {"LeakyRelu", "LEAKY_RELU"}};
    for (const auto& [onnx, name] : integer) {
      if (!w.node.is(onnx)) continue;
      Operator& op = l.emit(name, {x}, {l.result(w.out(), order)});
      if (onnx == "LeakyRelu") op.options = {{"alpha", w.node.real("alpha", 0.01f), {}}};
      return;
    }
  }
  if (l.type_of(x) != Type::float32) l.refuse(std::string("the runtime computes it in float32 only, and this is ") + name(l.type_of(x)));
  for (const Function& function : functions)
    if (w.node.is(function.onnx)) return l.define(w.out(), function.formula({&l, x}, w.node).tensor, order);
}

void lower_relu(Lowering& l, const Work& w) {
  const Order order = l.order_of(w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  if (l.type_of(x) == Type::float32 || w.quantized) {
    l.emit("RELU", {x}, {l.result(w.out(), order)});
    return;
  }
  const Expression wide{&l, l.cast(x, Type::int32)};
  l.define(w.out(), l.cast(maximum(wide, 0).tensor, l.type_of(x)), order);
}

void lower_clip(Lowering& l, const Work& w) {
  const Order order = l.order_of(w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  if (w.quantized) {
    l.emit(w.has(2) ? "RELU6" : "RELU", {x}, {l.result(w.out(), order)});
    return;
  }
  const Type type = l.type_of(x);
  const auto low = w.has(1) ? l.numbers(w.in(1)) : std::nullopt, high = w.has(2) ? l.numbers(w.in(2)) : std::nullopt;
  if (type == Type::float32 && low && low->size() == 1) {
    const char* name = nullptr;
    if ((*low)[0] == 0 && (!w.has(2) || (high && (*high)[0] == std::numeric_limits<float>::max()))) name = "RELU";
    if ((*low)[0] == 0 && high && (*high)[0] == 6) name = "RELU6";
    if ((*low)[0] == -1 && high && (*high)[0] == 1) name = "RELU_N1_TO_1";
    if (name) {
      l.emit(name, {x}, {l.result(w.out(), order)});
      return;
    }
  }
  Type in = type;
  if (type == Type::int8 || type == Type::uint8 || type == Type::int16 || type == Type::uint16) in = Type::int32;
  if (type == Type::uint32) in = Type::int64;
  if (in != Type::float32 && in != Type::int32 && in != Type::int64)
    l.refuse(std::string("the runtime's MINIMUM and MAXIMUM have no kernel for ") + name(type));
  int32_t y = l.cast(x, in);
  if (w.has(1)) y = l.binary("MAXIMUM", y, l.cast(l.plain(w.in(1)), in));
  if (w.has(2)) y = l.binary("MINIMUM", y, l.cast(l.plain(w.in(2)), in));
  l.define(w.out(), l.cast(y, type), order);
}

void lower_gelu(Lowering& l, const Work& w) {
  const Order order = l.order_of(w.in(0));
  const Expression x{&l, l.in_order(w.in(0), order)};
  if (l.type_of(x.tensor) != Type::float32) l.refuse("the runtime computes it in float32 only");
  const bool tanh = w.node.text("approximate", "none") == "tanh";
  const Expression inner = tanh ? ((x + x * x * x * 0.044715) * std::sqrt(2 / std::numbers::pi)).call("TANH") : erf(x * std::numbers::sqrt2 / 2);
  l.define(w.out(), (x * 0.5 * (inner + 1)).tensor, order);
}

void lower_prelu(Lowering& l, const Work& w) {
  const Order order = l.common_order(w.inputs, l.rank(w.out()));
  const int32_t x = l.broadcastable(w.in(0), order), slope = l.broadcastable(w.in(1), order);
  if (!w.quantized && l.type_of(x) != Type::float32) l.refuse("the runtime computes it in float32 only");
  if (l.rank(w.out()) <= 4) {
    l.emit("PRELU", {x, slope}, {l.result(w.out(), order)});
    return;
  }
  const Expression e{&l, x};
  l.define(w.out(), (maximum(e, 0) + minimum(e, 0) * e.with(slope)).tensor, order);
}

// What integers have too.
void lower_sign(Lowering& l, const Work& w) {
  const Order order = l.order_of(w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  const Type type = l.type_of(x);
  Type in = type == Type::int8 || type == Type::uint8 || type == Type::int16 || type == Type::uint16 ? Type::int32
            : type == Type::uint32                                                                   ? Type::int64
                                                                                                     : type;
  if (in != Type::float32 && in != Type::int32 && in != Type::int64) l.refuse(std::string("the runtime has no kernel for it on ") + name(type));
  const Expression e{&l, l.cast(x, in)};
  Expression y = e;
  if (w.node.is("Neg")) y = -e;
  if (w.node.is("Abs")) y = in == Type::float32 ? e.call("ABS") : absolute(e);
  if (w.node.is("Sign")) {
    const Expression up = e.with(l.cast(greater(e, 0).tensor, in)), down = e.with(l.cast(less(e, 0).tensor, in));
    y = up - down;
  }
  l.define(w.out(), l.cast(y.tensor, type), order);
}

std::vector<LowerRule> all_rules() {
  std::vector<LowerRule> rules{{"Abs", lower_sign},    {"Clip", lower_clip}, {"Gelu", lower_gelu}, {"Neg", lower_sign},
                               {"PRelu", lower_prelu}, {"Relu", lower_relu}, {"Sign", lower_sign}};
  for (const Function& function : functions) rules.push_back({function.onnx, lower_function});
  return rules;
}

}  // namespace

std::span<const LowerRule> activation_rules() {
  static const std::vector<LowerRule>& rules = *new std::vector<LowerRule>(all_rules());
  return rules;
}

}  // namespace lathe::tflite
