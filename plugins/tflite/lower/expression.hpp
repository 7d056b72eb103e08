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

}  // namespace lathe::tflite
