// Element by element: arithmetic, functions of one number, comparisons, choices, types; and matrix products and softmax.
#include <algorithm>

#include "raising.hpp"

namespace lathe::tflite {
namespace {

Activation activation_of(const Operator& op) { return static_cast<Activation>(op.integer("activation")); }
std::string_view name_of(const Operator& op) { return find_operator(op.code)->name; }

struct Pair {
  std::string_view name;
  const char* onnx;
};

void binary(Raising& r, const Operator& op) {
  static constexpr Pair pairs[] = {{"ADD", "Add"},
                                   {"SUB", "Sub"},
                                   {"MUL", "Mul"},
                                   {"DIV", "Div"},
                                   {"MAXIMUM", "Max"},
                                   {"MINIMUM", "Min"},
                                   {"POW", "Pow"},
                                   {"FLOOR_MOD", "Mod"},
                                   {"EQUAL", "Equal"},
                                   {"GREATER", "Greater"},
                                   {"GREATER_EQUAL", "GreaterOrEqual"},
                                   {"LESS", "Less"},
                                   {"LESS_EQUAL", "LessOrEqual"},
                                   {"LOGICAL_AND", "And"},
                                   {"LOGICAL_OR", "Or"}};
  if (op.inputs.size() < 2 || op.inputs[0] < 0 || op.inputs[1] < 0) r.refuse("it lacks an input");
  const int32_t out = op.outputs[0];
  const Order order = r.common_order(op.inputs, r.rank(out));
  const uint32_t a = r.broadcastable(op.inputs[0], order), b = r.broadcastable(op.inputs[1], order);
  if (name_of(op) == "FLOOR_MOD" && r.tensor(out).type == Type::float32) {  // fmod has the dividend's sign, and the divisor's is wanted
    const uint32_t rest = r.node("Mod", {a, b}, [](sdk::NodeData&n) { n.set("fmod", 1); }), zero = r.number(0);
    const uint32_t other = r.node("Xor", {r.node("Less", {rest, zero}), r.node("Less", {b, zero})});
    const uint32_t moves = r.node("And", {other, r.node("Not", {r.node("Equal", {rest, zero})})});
    return r.define(out, r.node("Where", {moves, r.node("Add", {rest, b}), rest}), order);
  }
  for (const Pair& p : pairs)
    if (p.name == name_of(op)) return r.define(out, r.node(p.onnx, {a, b}), order, activation_of(op));
}

void not_equal(Raising& r, const Operator& op) {
  const Order order = r.common_order(op.inputs, r.rank(op.outputs[0]));
  const uint32_t equal = r.node("Equal", {r.broadcastable(op.input(0), order), r.broadcastable(op.input(1), order)});
  r.define(op.outputs[0], r.node("Not", {equal}), order);
}

void floor_div(Raising& r, const Operator& op) {
  const Order order = r.common_order(op.inputs, r.rank(op.outputs[0]));
  const uint32_t a = r.broadcastable(op.input(0), order), b = r.broadcastable(op.input(1), order);
  if (r.tensor(op.outputs[0]).type == Type::float32) return r.define(op.outputs[0], r.node("Floor", {r.node("Div", {a, b})}), order);
  // Integers: what is left has the divisor's sign, so taking it off makes the quotient the floor.
  r.define(op.outputs[0], r.node("Div", {r.node("Sub", {a, r.node("Mod", {a, b})}), b}), order);
}

void squared_difference(Raising& r, const Operator& op) {
  const Order order = r.common_order(op.inputs, r.rank(op.outputs[0]));
  const uint32_t d = r.node("Sub", {r.broadcastable(op.input(0), order), r.broadcastable(op.input(1), order)});
  r.define(op.outputs[0], r.node("Mul", {d, d}), order);
}

void add_n(Raising& r, const Operator& op) {
  const Order order = r.common_order(op.inputs, r.rank(op.outputs[0]));
  std::vector<uint32_t> inputs;
  for (const int32_t i : op.inputs) inputs.push_back(r.broadcastable(i, order));
  r.define(op.outputs[0], r.node("Sum", inputs), order);
}

void unary(Raising& r, const Operator& op) {
  static constexpr Pair pairs[] = {{"ABS", "Abs"},
                                   {"CEIL", "Ceil"},
                                   {"COS", "Cos"},
                                   {"ELU", "Elu"},
                                   {"EXP", "Exp"},
                                   {"FLOOR", "Floor"},
                                   {"HARD_SWISH", "HardSwish"},
                                   {"LOG", "Log"},
                                   {"LOGICAL_NOT", "Not"},
                                   {"LOGISTIC", "Sigmoid"},
                                   {"NEG", "Neg"},
                                   {"RELU", "Relu"},
                                   {"ROUND", "Round"},
                                   {"SIN", "Sin"},
                                   {"SQRT", "Sqrt"},
                                   {"TANH", "Tanh"}};
  const Order order = r.order_of(op.input(0));
  const uint32_t x = r.in_order(op.input(0), order);
  for (const Pair& p : pairs)
    if (p.name == name_of(op)) return r.define(op.outputs[0], r.node(p.onnx, {x}), order);
}

void other_unary(Raising& r, const Operator& op) {
  const Order order = r.order_of(op.input(0));
  const uint32_t x = r.in_order(op.input(0), order);
  const std::string_view name = name_of(op);
  uint32_t y = x;
  if (name == "RELU6") y = r.node("Clip", {x, r.number(0), r.number(6)});
  if (name == "RELU_N1_TO_1") y = r.node("Clip", {x, r.number(-1), r.number(1)});
  if (name == "RSQRT") y = r.node("Reciprocal", {r.node("Sqrt", {x})});
  if (name == "SQUARE") y = r.node("Mul", {x, x});
  if (name == "LEAKY_RELU") y = r.node("LeakyRelu", {x}, [&](sdk::NodeData& n) { n.set("alpha", static_cast<float>(op.number("alpha"))); });
  if (name == "GELU") y = r.node("Gelu", {x}, [&](sdk::NodeData& n) { n.set("approximate", op.number("approximate") != 0 ? "tanh" : "none"); });
  if (name == "ZEROS_LIKE") y = r.node("Sub", {x, x});
  r.define(op.outputs[0], y, order);
}

void prelu(Raising& r, const Operator& op) {
  const Order order = r.common_order(op.inputs, r.rank(op.outputs[0]));
  r.define(op.outputs[0], r.node("PRelu", {r.broadcastable(op.input(0), order), r.broadcastable(op.input(1), order)}), order);
}

void select(Raising& r, const Operator& op) {
  const Order order = r.common_order(op.inputs, r.rank(op.outputs[0]));
  if (name_of(op) == "SELECT" && r.rank(op.input(0)) == 1 && r.rank(op.input(1)) > 1) r.refuse("SELECT with one condition per row is not read");
  r.define(op.outputs[0],
           r.node("Where", {r.broadcastable(op.input(0), order), r.broadcastable(op.input(1), order), r.broadcastable(op.input(2), order)}), order);
}

void cast(Raising& r, const Operator& op) {
  const Order order = r.order_of(op.input(0));
  const int32_t to = onnx_type(r.tensor(op.outputs[0]).type);
  if (to == 0 || r.tensor(op.outputs[0]).type == Type::complex64) r.refuse(std::string("it casts to ") + name(r.tensor(op.outputs[0]).type));
  r.define(op.outputs[0], r.node("Cast", {r.in_order(op.input(0), order)}, [&](sdk::NodeData& n) { n.set("to", static_cast<int64_t>(to)); }), order);
}

// The value is asked for and made as numbers; what stands between is put there by the tensors themselves. Constants in float16 are widened there too.
void quantize(Raising& r, const Operator& op) {
  const Order order = r.order_of(op.input(0));
  uint32_t x = r.in_order(op.input(0), order);
  if (r.tensor(op.input(0)).type == Type::float16 && !r.tensor(op.input(0)).constant) x = r.cast(x, LATHE_FLOAT32);
  r.define(op.outputs[0], x, order);
}

void softmax(Raising& r, const Operator& op) {
  const int32_t x = op.input(0);
  const Order order = r.order_of(x);
  const int64_t axis = held_axis(order, static_cast<int>(r.rank(x)) - 1);
  uint32_t value = r.in_order(x, order);
  const double beta = op.number("beta", 1);
  const bool logarithm = name_of(op) == "LOG_SOFTMAX";
  if (!logarithm && beta != 1) value = r.node("Mul", {value, r.number(static_cast<float>(beta))});
  r.define(op.outputs[0], r.node(logarithm ? "LogSoftmax" : "Softmax", {value}, [&](sdk::NodeData& n) { n.set("axis", axis); }), order);
}

void l2_normalization(Raising& r, const Operator& op) {
  const int32_t x = op.input(0);
  const Order order = r.order_of(x);
  const int64_t axis = held_axis(order, static_cast<int>(r.rank(x)) - 1);
  r.define(op.outputs[0], r.node("LpNormalization", {r.in_order(x, order)}, [&](sdk::NodeData& n) { n.set("axis", axis).set("p", 2); }), order,
           activation_of(op));
}

void fully_connected(Raising& r, const Operator& op) {
  const int32_t x = op.input(0), w = op.input(1), out = op.outputs[0];
  if (op.integer("weights_format") != 0) r.refuse("its weights are shuffled for one processor");
  if (x < 0 || w < 0 || r.rank(w) != 2) r.refuse("its weights are no matrix");
  const Extents weights = r.extents(w);
  uint32_t value = r.plain(x);
  const bool keep = op.number("keep_num_dims") != 0;
  if (!keep && r.rank(x) != 2) value = r.reshape(value, {-1, weights[1]});
  const bool matrix = !keep || r.rank(x) == 2;
  uint32_t y;
  if (matrix) {
    std::vector<uint32_t> inputs{value, r.plain(w)};
    if (op.input(2) >= 0) inputs.push_back(r.plain(op.input(2)));
    y = r.node("Gemm", inputs, [](sdk::NodeData& n) { n.set("transB", 1); });
  } else {
    y = r.node("MatMul", {value, r.in_order(w, {1, 0})});
    if (op.input(2) >= 0) y = r.node("Add", {y, r.plain(op.input(2))});
  }
  if (r.rank(out) != (matrix ? 2 : r.rank(x))) {
    r.refuse("its output's rank is another than its input's");
  }
  r.define(out, y, identity(r.rank(out)), activation_of(op));
}

void batch_matmul(Raising& r, const Operator& op) {
  const auto operand = [&](int32_t index, bool adjoint) {
    Order order = identity(r.rank(index));
    if (order.size() < 2) r.refuse("an operand is no matrix");
    if (adjoint) std::swap(order[order.size() - 1], order[order.size() - 2]);
    return r.in_order(index, order);
  };
  const uint32_t y = r.node("MatMul", {operand(op.input(0), op.number("adj_x") != 0), operand(op.input(1), op.number("adj_y") != 0)});
  r.define(op.outputs[0], y, identity(r.rank(op.outputs[0])));
}

// What was sparse in the file is dense already.
void densify(Raising& r, const Operator& op) { r.define(op.outputs[0], r.plain(op.input(0)), identity(r.rank(op.outputs[0]))); }

const RaiseRule rules[] = {{"ABS", unary},
                           {"ADD", binary},
                           {"ADD_N", add_n},
                           {"BATCH_MATMUL", batch_matmul},
                           {"CAST", cast},
                           {"CEIL", unary},
                           {"COS", unary},
                           {"DENSIFY", densify},
                           {"DEQUANTIZE", quantize},
                           {"DIV", binary},
                           {"ELU", unary},
                           {"EQUAL", binary},
                           {"EXP", unary},
                           {"FLOOR", unary},
                           {"FLOOR_DIV", floor_div},
                           {"FLOOR_MOD", binary},
                           {"FULLY_CONNECTED", fully_connected},
                           {"GELU", other_unary},
                           {"GREATER", binary},
                           {"GREATER_EQUAL", binary},
                           {"HARD_SWISH", unary},
                           {"L2_NORMALIZATION", l2_normalization},
                           {"LEAKY_RELU", other_unary},
                           {"LESS", binary},
                           {"LESS_EQUAL", binary},
                           {"LOG", unary},
                           {"LOGICAL_AND", binary},
                           {"LOGICAL_NOT", unary},
                           {"LOGICAL_OR", binary},
                           {"LOGISTIC", unary},
                           {"LOG_SOFTMAX", softmax},
                           {"MAXIMUM", binary},
                           {"MINIMUM", binary},
                           {"MUL", binary},
                           {"NEG", unary},
                           {"NOT_EQUAL", not_equal},
                           {"POW", binary},
                           {"PRELU", prelu},
                           {"QUANTIZE", quantize},
                           {"RELU", unary},
                           {"RELU6", other_unary},
                           {"RELU_N1_TO_1", other_unary},
                           {"ROUND", unary},
                           {"RSQRT", other_unary},
                           {"SELECT", select},
                           {"SELECT_V2", select},
                           {"SIN", unary},
                           {"SOFTMAX", softmax},
                           {"SQRT", unary},
                           {"SQUARE", other_unary},
                           {"SQUARED_DIFFERENCE", squared_difference},
                           {"SUB", binary},
                           {"TANH", unary},
                           {"ZEROS_LIKE", other_unary}};

}  // namespace

std::span<const RaiseRule> raise_elementwise() { return rules; }

}  // namespace lathe::tflite
