// Comparisons, logic, choices.
#include <algorithm>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

// The type in which integers are compared; BOOL where the kernel has it.
Type compared_in(const Lowering& l, Type type, bool equality) {
  if (type == Type::boolean) return equality ? type : Type::int32;
  if (type == Type::float32 || type == Type::int32 || type == Type::int64) return type;
  if (type == Type::int8 || type == Type::uint8 || type == Type::int16 || type == Type::uint16) return Type::int32;
  if (type == Type::uint32) return Type::int64;
  l.refuse(std::string("the runtime compares no ") + name(type));
}

void lower_comparison(Lowering& l, const Work& w) {
  static constexpr std::pair<std::string_view, std::string_view> names[] = {
      {"Equal", "EQUAL"}, {"Greater", "GREATER"}, {"GreaterOrEqual", "GREATER_EQUAL"}, {"Less", "LESS"}, {"LessOrEqual", "LESS_EQUAL"}};
  const Order order = l.common_order(w.inputs, l.rank(w.out()));
  const Type in = compared_in(l, l.type(w.in(0)), w.node.is("Equal"));
  const int32_t a = l.cast(l.broadcastable(w.in(0), order), in), b = l.cast(l.broadcastable(w.in(1), order), in);
  for (const auto& [onnx, name] : names)
    if (w.node.is(onnx)) l.define(w.out(), l.compare(name, a, b), order);
}

void lower_logic(Lowering& l, const Work& w) {
  const Order order = l.common_order(w.inputs, l.rank(w.out()));
  const int32_t a = l.broadcastable(w.in(0), order);
  if (w.node.is("Not")) return l.define(w.out(), l.unary("LOGICAL_NOT", a), order);
  const int32_t b = l.broadcastable(w.in(1), order);
  const std::string_view name = w.node.is("And") ? "LOGICAL_AND" : w.node.is("Or") ? "LOGICAL_OR" : "NOT_EQUAL";
  l.define(w.out(), l.compare(name, a, b), order);
}

void lower_where(Lowering& l, const Work& w) {
  const Order order = l.common_order(w.inputs, l.rank(w.out()));
  const Type type = l.type(w.in(1));
  if (type != Type::float32 && type != Type::int32 && type != Type::int64 && type != Type::boolean && type != Type::int8 && type != Type::uint8 &&
      type != Type::int16)
    l.refuse(std::string("the runtime's SELECT_V2 has no kernel for ") + name(type));
  int32_t parts[3];
  for (size_t i = 0; i < 3; ++i) parts[i] = l.broadcastable(w.in(i), order);
  l.define(w.out(), l.select(parts[0], parts[1], parts[2]), order);
}

// NaN is what differs from itself; infinities are what is as large as nothing finite.
void lower_is(Lowering& l, const Work& w) {
  const Order order = l.order_of(w.in(0));
  const Expression x{&l, l.in_order(w.in(0), order)};
  if (l.type_of(x.tensor) != Type::float32) l.refuse("the runtime compares float32 only here");
  if (w.node.is("IsNaN")) return l.define(w.out(), l.compare("NOT_EQUAL", x.tensor, x.tensor), order);
  constexpr double largest = 3.4028234663852886e38;
  const int32_t up = greater(x, largest).tensor, down = less(x, -largest).tensor;
  const bool positive = w.node.integer("detect_positive", 1) != 0, negative = w.node.integer("detect_negative", 1) != 0;
  l.define(w.out(),
           positive && negative ? l.compare("LOGICAL_OR", up, down)
           : positive           ? up
           : negative           ? down
                                : l.compare("LOGICAL_AND", up, down),
           order);
}

const LowerRule rules[] = {{"Equal", lower_comparison},
                           {"Greater", lower_comparison},
                           {"GreaterOrEqual", lower_comparison},
                           {"Less", lower_comparison},
                           {"LessOrEqual", lower_comparison},
                           {"And", lower_logic},
                           {"Or", lower_logic},
                           {"Xor", lower_logic},
                           {"Not", lower_logic},
                           {"Where", lower_where},
                           {"IsNaN", lower_is},
                           {"IsInf", lower_is}};

}  // namespace

std::span<const LowerRule> logic_rules() { return rules; }

}  // namespace lathe::tflite
