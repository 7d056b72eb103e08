// Arithmetic, comparison, logic, activation functions.
#include "../element_types.hpp"
#include "step.hpp"

namespace lathe::openvino {
namespace {

constexpr std::pair<std::string_view, const char*> same_names[] = {
    {"Abs", "Abs"},
    {"Acos", "Acos"},
    {"Acosh", "Acosh"},
    {"Add", "Add"},
    {"Asin", "Asin"},
    {"Asinh", "Asinh"},
    {"Atan", "Atan"},
    {"Atanh", "Atanh"},
    {"BitwiseAnd", "BitwiseAnd"},
    {"BitwiseNot", "BitwiseNot"},
    {"BitwiseOr", "BitwiseOr"},
    {"BitwiseXor", "BitwiseXor"},
    {"Ceiling", "Ceil"},
    {"Cos", "Cos"},
    {"Cosh", "Cosh"},
    {"Equal", "Equal"},
    {"Erf", "Erf"},
    {"Exp", "Exp"},
    {"Floor", "Floor"},
    {"Greater", "Greater"},
    {"GreaterEqual", "GreaterOrEqual"},
    {"HSwish", "HardSwish"},
    {"IsNaN", "IsNaN"},
    {"Less", "Less"},
    {"LessEqual", "LessOrEqual"},
    {"Log", "Log"},
    {"LogicalAnd", "And"},
    {"LogicalNot", "Not"},
    {"LogicalOr", "Or"},
    {"LogicalXor", "Xor"},
    {"Maximum", "Max"},
    {"Minimum", "Min"},
    {"Mish", "Mish"},
    {"Multiply", "Mul"},
    {"Negative", "Neg"},
    {"Power", "Pow"},
    {"ReLU", "Relu"},
    {"Sigmoid", "Sigmoid"},
    {"Sign", "Sign"},
    {"Sin", "Sin"},
    {"Sinh", "Sinh"},
    {"SoftPlus", "Softplus"},
    {"SoftSign", "Softsign"},
    {"Sqrt", "Sqrt"},
    {"Subtract", "Sub"},
    {"Tan", "Tan"},
    {"Tanh", "Tanh"},
};

bool floating(int32_t type) { return type_in_class(type, "float"); }

void check_broadcast(const ReadStep& s) {
  if (s.operation.attribute("auto_broadcast") && s.text("auto_broadcast") == "pdpd" && s.inputs() == 2 && s.dimensions(0) != s.dimensions(1))
    s.refuse("broadcasting of the form 'pdpd' is not read");
}

void same(ReadStep& s) {
  check_broadcast(s);
  std::vector<uint32_t> inputs;
  for (size_t i = 0; i < s.inputs(); ++i) inputs.push_back(s.in(i));
  for (const auto& [theirs, ours] : same_names)
    if (theirs == s.layer.type) return s.out(0, s.emit(ours, inputs));
}

// What integers yield when they are divided is rounded down with m_pythondiv, towards zero without.
void divide(ReadStep& s) {
  check_broadcast(s);
  const uint32_t a = s.in(0), b = s.in(1);
  const uint32_t quotient = s.emit("Div", {a, b});
  if (floating(s.type(0)) || !s.flag("m_pythondiv") || s.type(0) == LATHE_UINT8 || s.type(0) == LATHE_UINT16 || s.type(0) == LATHE_UINT32 ||
      s.type(0) == LATHE_UINT64)
    return s.out(0, quotient);
  // One less where something is left over whose sign is not the divisor's.
  const uint32_t zero = s.constant(s.type(0), {}, {0});
  const uint32_t rest = s.emit("Sub", {a, s.emit("Mul", {quotient, b})});
  const uint32_t left = s.emit("Not", {s.emit("Equal", {rest, zero})});
  const uint32_t signs = s.emit("Xor", {s.emit("Less", {rest, zero}), s.emit("Less", {b, zero})});
  const uint32_t less = s.cast(s.emit("And", {left, signs}), s.type(0));
  s.out(0, s.emit("Sub", {quotient, less}));
}

void modulo(ReadStep& s) {
  check_broadcast(s);
  const uint32_t a = s.in(0), b = s.in(1);
  if (s.layer.type == "FloorMod" && floating(s.type(0)))
    return s.out(0, s.emit("Sub", {a, s.emit("Mul", {s.emit("Floor", {s.emit("Div", {a, b})}), b})}));
  const uint32_t y = s.emit("Mod", {a, b});
  s.last().set("fmod", s.layer.type == "Mod" ? 1 : 0);
  s.out(0, y);
}

void not_equal(ReadStep& s) { s.out(0, s.emit("Not", {s.emit("Equal", {s.in(0), s.in(1)})})); }

void squared_difference(ReadStep& s) {
  const uint32_t d = s.emit("Sub", {s.in(0), s.in(1)});
  s.out(0, s.emit("Mul", {d, d}));
}

void shift(ReadStep& s) {
  const uint32_t y = s.emit("BitShift", {s.in(0), s.in(1)});
  s.last().set("direction", s.layer.type == "BitwiseLeftShift" ? "LEFT" : "RIGHT");
  s.out(0, y);
}

void select(ReadStep& s) {
  const int32_t type = s.out_type(0);
  if (type != LATHE_FLOAT8E4M3FN && type != LATHE_FLOAT8E5M2 && type != LATHE_FLOAT8E8M0 && type != LATHE_FLOAT4E2M1)
    return s.out(0, s.emit("Where", {s.in(0), s.in(1), s.in(2)}));
  // ONNX chooses among larger numbers alone, which hold these; what is infinite stays so on its way back.
  const uint32_t chosen = s.emit("Where", {s.in(0), s.cast(s.in(1), LATHE_FLOAT32), s.cast(s.in(2), LATHE_FLOAT32)});
  const uint32_t y = s.cast(chosen, type);
  s.last().set("saturate", 0);
  s.out(0, y);
}

void convert(ReadStep& s) {
  if (s.out_type(0) == s.type(0)) return s.out(0, s.in(0));
  s.out(0, s.cast(s.in(0), s.out_type(0)));
}
void convert_like(ReadStep& s) { s.out(0, s.emit("CastLike", {s.in(0), s.in(1)})); }

void clamp(ReadStep& s) {
  const uint32_t low = s.constant(s.type(0), {}, {s.real("min")}), high = s.constant(s.type(0), {}, {s.real("max")});
  s.out(0, s.emit("Clip", {s.in(0), low, high}));
}

void is_infinite(ReadStep& s) {
  const uint32_t y = s.emit("IsInf", {s.in(0)});
  s.last().set("detect_negative", s.flag("detect_negative") ? 1 : 0);
  s.last().set("detect_positive", s.flag("detect_positive") ? 1 : 0);
  s.out(0, y);
}
void is_finite(ReadStep& s) {
  const uint32_t x = s.in(0);
  s.out(0, s.emit("Not", {s.emit("Or", {s.emit("IsNaN", {x}), s.emit("IsInf", {x})})}));
}

void round(ReadStep& s) {
  if (s.text("mode") != "half_away_from_zero") return s.out(0, s.emit("Round", {s.in(0)}));
  const uint32_t x = s.in(0), half = s.constant(s.type(0), {}, {0.5});
  s.out(0, s.emit("Mul", {s.emit("Sign", {x}), s.emit("Floor", {s.emit("Add", {s.emit("Abs", {x}), half})})}));
}

void elu(ReadStep& s) {
  const uint32_t y = s.emit("Elu", {s.in(0)});
  s.last().set("alpha", static_cast<float>(s.real("alpha")));
  s.out(0, y);
}

void gelu(ReadStep& s) {
  const uint32_t y = s.emit("Gelu", {s.in(0)});
  const std::string mode = s.operation.opset >= 7 ? s.text("approximation_mode") : "ERF";
  s.last().set("approximate", mode == "TANH" || mode == "tanh" ? "tanh" : "none");
  s.out(0, y);
}

void hard_sigmoid(ReadStep& s) {
  const uint32_t x = s.in(0);
  double alpha = 1.0 / 6, beta = 0.5;
  if (s.layer.type == "HardSigmoid") {
    const auto a = s.known_numbers(1), b = s.known_numbers(2);
    if (!a || !b || a->size() != 1 || b->size() != 1) {
      const uint32_t line = s.emit("Add", {s.emit("Mul", {x, s.in(1)}), s.in(2)});
      return s.out(0, s.emit("Clip", {line, s.constant(s.type(0), {}, {0}), s.constant(s.type(0), {}, {1})}));
    }
    alpha = a->front(), beta = b->front();
  }
  const uint32_t y = s.emit("HardSigmoid", {x});
  s.last().set("alpha", static_cast<float>(alpha)).set("beta", static_cast<float>(beta));
  s.out(0, y);
}

void selu(ReadStep& s) {
  const auto alpha = s.known_numbers(1), lambda = s.known_numbers(2);
  if (!alpha || !lambda || alpha->size() != 1 || lambda->size() != 1)
    s.refuse("alpha and lambda must be constants of one number for the layer to be read");
  const uint32_t y = s.emit("Selu", {s.in(0)});
  s.last().set("alpha", static_cast<float>(alpha->front())).set("gamma", static_cast<float>(lambda->front()));
  s.out(0, y);
}

// A slope of one axis is that of the channels.
void prelu(ReadStep& s) {
  uint32_t slope = s.in(1);
  const auto number = s.known_numbers(1);
  if (number && number->size() == 1 && floating(s.type(0))) {
    const uint32_t y = s.emit("LeakyRelu", {s.in(0)});
    s.last().set("alpha", static_cast<float>(number->front()));
    return s.out(0, y);
  }
  if (s.rank(1) == 1 && s.rank(0) > 2) {
    std::vector<int64_t> axes;
    for (int64_t i = 1; i < s.rank(0) - 1; ++i) axes.push_back(i);
    slope = s.emit("Unsqueeze", {slope, s.indices(axes)});
  }
  s.out(0, s.emit("PRelu", {s.in(0), slope}));
}

void swish(ReadStep& s) {
  const uint32_t x = s.in(0);
  const uint32_t inner = s.has(1) ? s.emit("Mul", {x, s.in(1)}) : x;
  s.out(0, s.emit("Mul", {x, s.emit("Sigmoid", {inner})}));
}

void softmax(ReadStep& s) {
  const uint32_t y = s.emit(s.layer.type == "SoftMax" ? "Softmax" : "LogSoftmax", {s.in(0)});
  s.last().set("axis", s.integer("axis"));
  s.out(0, y);
}

// Weights of convolutions in groups are read with these, in the shape that ONNX has them in.
bool used_by_groups_alone(const ReadStep& s) {
  const Layer* convert = s.source(0, "Convert");
  if (const Layer* subtract = s.source(0, "Subtract")) {
    const Layer& inner = s.import.model.layers[subtract->inputs[0].layer];
    convert = inner.type == "Convert" ? &inner : nullptr;
  }
  if (!convert || s.import.model.layers[convert->inputs[0].layer].type != "Const" || !s.source(1, "Const")) return false;
  const int32_t type = s.import.model.layers[convert->inputs[0].layer].outputs[0].type;
  if (type != LATHE_INT8 && type != LATHE_UINT8) return false;
  const uint32_t own = static_cast<uint32_t>(&s.layer - s.import.model.layers.data());
  bool used = false;
  for (const Layer& other : s.import.model.layers) {
    for (size_t i = 0; i < other.inputs.size(); ++i) {
      if (other.inputs[i].layer != own) continue;
      if (i != 1 || !other.type.starts_with("GroupConvolution")) return false;
      used = true;
    }
  }
  return used;
}

// Multiply ends the form that 8-bit weights have; everything else is a product.
void multiply(ReadStep& s) {
  check_broadcast(s);
  if (used_by_groups_alone(s)) return;
  if (const auto weights = quantized_weights(s, s.layer, nullptr)) return s.out(0, *weights);
  same(s);
}

constexpr Reader readers[] = {
    {"Abs", same},
    {"Acos", same},
    {"Acosh", same},
    {"Add", same},
    {"Asin", same},
    {"Asinh", same},
    {"Atan", same},
    {"Atanh", same},
    {"BitwiseAnd", same},
    {"BitwiseLeftShift", shift},
    {"BitwiseNot", same},
    {"BitwiseOr", same},
    {"BitwiseRightShift", shift},
    {"BitwiseXor", same},
    {"Ceiling", same},
    {"Clamp", clamp},
    {"Convert", convert},
    {"ConvertLike", convert_like},
    {"Cos", same},
    {"Cosh", same},
    {"Divide", divide},
    {"Elu", elu},
    {"Equal", same},
    {"Erf", same},
    {"Exp", same},
    {"Floor", same},
    {"FloorMod", modulo},
    {"Gelu", gelu},
    {"Greater", same},
    {"GreaterEqual", same},
    {"HSigmoid", hard_sigmoid},
    {"HSwish", same},
    {"HardSigmoid", hard_sigmoid},
    {"IsFinite", is_finite},
    {"IsInf", is_infinite},
    {"IsNaN", same},
    {"Less", same},
    {"LessEqual", same},
    {"Log", same},
    {"LogSoftmax", softmax},
    {"LogicalAnd", same},
    {"LogicalNot", same},
    {"LogicalOr", same},
    {"LogicalXor", same},
    {"Maximum", same},
    {"Minimum", same},
    {"Mish", same},
    {"Mod", modulo},
    {"Multiply", multiply},
    {"Negative", same},
    {"NotEqual", not_equal},
    {"PReLU", prelu},
    {"Power", same},
    {"ReLU", same},
    {"Round", round},
    {"Select", select},
    {"Selu", selu},
    {"Sigmoid", same},
    {"Sign", same},
    {"Sin", same},
    {"Sinh", same},
    {"SoftMax", softmax},
    {"SoftPlus", same},
    {"SoftSign", same},
    {"Sqrt", same},
    {"SquaredDifference", squared_difference},
    {"Subtract", same},
    {"Swish", swish},
    {"Tan", same},
    {"Tanh", same},
};

}  // namespace

std::span<const Reader> elementwise_readers() { return readers; }

}  // namespace lathe::openvino
