// Formulas over tensors, for operators that are made of others.
#pragma once
#include <initializer_list>

#include "lowering.hpp"

namespace lathe::tflite {

// A float32 tensor, or an integer one where the operators take it.
struct Expression {
  Lowering* lowering;
  int32_t tensor;

  Expression with(int32_t t) const { return {lowering, t}; }
  Expression number(double v) const {
    const Type type = lowering->type_of(tensor);
    return with(type == Type::float32 ? lowering->scalar(static_cast<float>(v)) : lowering->filled(type, {}, v));
  }
  Expression call(std::string_view name) const { return with(lowering->unary(name, tensor)); }
};

inline Expression operator+(Expression a, Expression b) { return a.with(a.lowering->binary("ADD", a.tensor, b.tensor)); }
inline Expression operator-(Expression a, Expression b) { return a.with(a.lowering->binary("SUB", a.tensor, b.tensor)); }
inline Expression operator*(Expression a, Expression b) { return a.with(a.lowering->binary("MUL", a.tensor, b.tensor)); }
inline Expression operator/(Expression a, Expression b) { return a.with(a.lowering->binary("DIV", a.tensor, b.tensor)); }
inline Expression operator+(Expression a, double b) { return a + a.number(b); }
inline Expression operator-(Expression a, double b) { return a - a.number(b); }
inline Expression operator*(Expression a, double b) { return a * a.number(b); }
inline Expression operator/(Expression a, double b) { return a / a.number(b); }
inline Expression operator+(double a, Expression b) { return b.number(a) + b; }
inline Expression operator-(double a, Expression b) { return b.number(a) - b; }
inline Expression operator/(double a, Expression b) { return b.number(a) / b; }
inline Expression operator-(Expression a) { return a.call("NEG"); }
inline Expression maximum(Expression a, Expression b) { return a.with(a.lowering->binary("MAXIMUM", a.tensor, b.tensor)); }
inline Expression maximum(Expression a, double b) { return maximum(a, a.number(b)); }
inline Expression minimum(Expression a, Expression b) { return a.with(a.lowering->binary("MINIMUM", a.tensor, b.tensor)); }
inline Expression minimum(Expression a, double b) { return minimum(a, a.number(b)); }
inline Expression exp(Expression a) { return a.call("EXP"); }
inline Expression log(Expression a) { return a.call("LOG"); }
inline Expression sqrt(Expression a) { return a.call("SQRT"); }
inline Expression absolute(Expression a) { return maximum(a, -a); }
inline Expression less(Expression a, double b) { return a.with(a.lowering->compare("LESS", a.tensor, a.number(b).tensor)); }
inline Expression greater(Expression a, double b) { return a.with(a.lowering->compare("GREATER", a.tensor, a.number(b).tensor)); }
inline Expression select(Expression condition, Expression yes, Expression no) {
  return yes.with(yes.lowering->select(condition.tensor, yes.tensor, no.tensor));
}
// The polynomial with these coefficients, the constant one first.
inline Expression polynomial(Expression x, std::initializer_list<double> coefficients) {
  auto at = coefficients.end();
  Expression sum = x.number(*--at);
  while (at != coefficients.begin()) sum = sum * x + *--at;
  return sum;
}

// Integers less their zero point (absent: LATHE_NONE), as a float32 value: what integer products multiply. A constant stays one.
inline uint32_t without_zero_point(Lowering& l, uint32_t id, uint32_t zero) {
  const auto numbers = l.numbers(id);
  const auto zeros = zero == LATHE_NONE ? std::vector<double>{0} : l.numbers(zero).value_or(std::vector<double>());
  if (numbers && !zeros.empty()) {
    if (zeros.size() != 1 && (l.rank(id) < 1 || static_cast<int64_t>(zeros.size()) != l.extents(id)[0]))
      l.refuse("its zero points lie along an axis that is not the first");
    std::vector<float> floats;
    for (size_t i = 0; i < numbers->size(); ++i)
      floats.push_back(static_cast<float>((*numbers)[i] - zeros[zeros.size() == 1 ? 0 : i / (numbers->size() / zeros.size())]));
    return l.new_constant(l.value(id).name + "_float", l.extents(id), std::move(floats));
  }
  const Order order = l.order_of(id);
  Expression x{&l, l.cast(l.in_order(id, order), Type::float32)};
  if (zero != LATHE_NONE) {
    int64_t count = 1;
    for (const int64_t e : l.extents(zero)) count *= e;
    if (count != 1) l.refuse("its zero points are computed, one per row");
    x = x - x.with(l.cast(l.reshape(l.plain(zero), {}), Type::float32));
  }
  const uint32_t made = l.new_value(l.value(id).name + "_float", Type::float32, l.extents(id));
  l.define(made, x.tensor, order);
  return made;
}

// An integer product as one of floats: `lower` gets the node on float values, and its result becomes int32 again. Exact up to 24 bits.
inline void integer_product(Lowering& l, const Work& w, LowerFunction lower) {
  Work floats = w;
  floats.inputs = {without_zero_point(l, w.in(0), w.in(2)), without_zero_point(l, w.in(1), w.in(3))};
  floats.outputs = {l.new_value(l.value(w.out()).name + "_float", Type::float32, l.extents(w.out()))};
  lower(l, floats);
  const Order order = l.order_of(floats.out());
  l.define(w.out(), l.cast(l.unary("ROUND", l.in_order(floats.out(), order)), Type::int32), order);
}

}  // namespace lathe::tflite
