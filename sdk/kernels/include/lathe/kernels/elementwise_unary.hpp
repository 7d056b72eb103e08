// Elementwise functions of one tensor: arithmetic, rounding, exponentials, trigonometry.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

inline void abs(const Call& call) {
  map<Numbers>(call, []<class T>(T x) {
    if constexpr (std::is_unsigned_v<T>)
      return x;
    else if constexpr (std::is_integral_v<T>)
      return x < 0 ? math::negate(x) : x;
    else
      return math::fabs(x);
  });
}
inline void neg(const Call& call) {
  map<Signed>(call, [](auto x) { return math::negate(x); });
}
inline void sign(const Call& call) {
  map<Numbers>(call, []<class T>(T x) {
    if (x != x) return x;
    return T(int(x > T(0)) - int(x < T(0)));
  });
}
inline void reciprocal(const Call& call) {
  map<Floats>(call, []<class T>(T x) { return T(1) / x; });
}
inline void sqrt(const Call& call) {
  map<Floats>(call, [](auto x) { return math::sqrt(x); });
}
inline void floor(const Call& call) {
  map<Floats>(call, [](auto x) { return math::floor(x); });
}
inline void ceil(const Call& call) {
  map<Floats>(call, [](auto x) { return math::ceil(x); });
}
inline void round(const Call& call) {
  map<Floats>(call, [](auto x) { return math::round_even(x); });
}
inline void exp(const Call& call) {
  map<Floats>(call, [](auto x) { return math::exp(x); });
}
inline void log(const Call& call) {
  map<Floats>(call, [](auto x) { return math::log(x); });
}
inline void erf(const Call& call) {
  map<Floats>(call, [](auto x) { return math::erf(x); });
}
inline void sin(const Call& call) {
  map<Floats>(call, [](auto x) { return math::sin(x); });
}
inline void cos(const Call& call) {
  map<Floats>(call, [](auto x) { return math::cos(x); });
}
inline void tan(const Call& call) {
  map<Floats>(call, [](auto x) { return math::tan(x); });
}
inline void asin(const Call& call) {
  map<Floats>(call, [](auto x) { return math::asin(x); });
}
inline void acos(const Call& call) {
  map<Floats>(call, [](auto x) { return math::acos(x); });
}
inline void atan(const Call& call) {
  map<Floats>(call, [](auto x) { return math::atan(x); });
}
inline void sinh(const Call& call) {
  map<Floats>(call, [](auto x) { return math::sinh(x); });
}
inline void cosh(const Call& call) {
  map<Floats>(call, [](auto x) { return math::cosh(x); });
}
inline void asinh(const Call& call) {
  map<Floats>(call, [](auto x) { return math::asinh(x); });
}
inline void acosh(const Call& call) {
  map<Floats>(call, [](auto x) { return math::acosh(x); });
}
inline void atanh(const Call& call) {
  map<Floats>(call, [](auto x) { return math::atanh(x); });
}

#define LATHE_KERNELS_ELEMENTWISE_UNARY(X)    \
  X("", Abs, abs, shapes::same)               \
  X("", Neg, neg, shapes::same)               \
  X("", Sign, sign, shapes::same)             \
  X("", Reciprocal, reciprocal, shapes::same) \
  X("", Sqrt, sqrt, shapes::same)             \
  X("", Floor, floor, shapes::same)           \
  X("", Ceil, ceil, shapes::same)             \
  X("", Round, round, shapes::same)           \
  X("", Exp, exp, shapes::same)               \
  X("", Log, log, shapes::same)               \
  X("", Erf, erf, shapes::same)               \
  X("", Sin, sin, shapes::same)               \
  X("", Cos, cos, shapes::same)               \
  X("", Tan, tan, shapes::same)               \
  X("", Asin, asin, shapes::same)             \
  X("", Acos, acos, shapes::same)             \
  X("", Atan, atan, shapes::same)             \
  X("", Sinh, sinh, shapes::same)             \
  X("", Cosh, cosh, shapes::same)             \
  X("", Asinh, asinh, shapes::same)           \
  X("", Acosh, acosh, shapes::same)           \
  X("", Atanh, atanh, shapes::same)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
