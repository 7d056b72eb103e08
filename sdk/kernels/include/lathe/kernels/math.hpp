// Elementary functions for float and double, and integer arithmetic that wraps instead of being undefined.
//
// exp() and what derives from it is written out for float so that compilers vectorise the loops it stands in; the others are the C
// library's, which every target's artifact links.
#pragma once
#include "lathe/kernels/types.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE::math {

// e^x within 1.5 units in the last place: x = n ln 2 + r, a polynomial on |r| <= ln 2 / 2 (Cody and Waite, "Software Manual for the
// Elementary Functions", 1980, chapter 6; Taylor coefficients to r^7 leave 5e-9), and the scale by 2^n in two halves so that subnormal results are
// right.
inline float exp(float x) {
  const float limited = x < -104.0f ? -104.0f : (x > 89.0f ? 89.0f : x);
  constexpr float rounder = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest whole number in the low bits
  const float shifted = limited * 1.44269504f + rounder;
  const float n = shifted - rounder;
  const float r = (limited - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.98412698e-4f;
  p = p * r + 1.38888889e-3f;
  p = p * r + 8.33333333e-3f;
  p = p * r + 4.16666667e-2f;
  p = p * r + 1.66666667e-1f;
  p = p * r + 0.5f;
  p = (p * r) * r + r + 1.0f;
  const int32_t whole = std::bit_cast<int32_t>(shifted) - 0x4b400000;
  const int32_t half = whole >> 1;
  const float first = std::bit_cast<float>((half + 127) << 23);
  const float second = std::bit_cast<float>((whole - half + 127) << 23);
  const float result = p * first * second;
  return x != x ? x : result;
}
inline double exp(double x) { return __builtin_exp(x); }

inline float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }
inline double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

#define LATHE_MATH(name)                                        \
  inline float name(float x) { return __builtin_##name##f(x); } \
  inline double name(double x) { return __builtin_##name(x); }
LATHE_MATH(log)
LATHE_MATH(log1p)
LATHE_MATH(expm1)
LATHE_MATH(sqrt)
LATHE_MATH(floor)
LATHE_MATH(ceil)
LATHE_MATH(trunc)
LATHE_MATH(fabs)
LATHE_MATH(tanh)
LATHE_MATH(erf)
LATHE_MATH(sin)
LATHE_MATH(cos)
LATHE_MATH(tan)
LATHE_MATH(asin)
LATHE_MATH(acos)
LATHE_MATH(atan)
LATHE_MATH(sinh)
LATHE_MATH(cosh)
LATHE_MATH(asinh)
LATHE_MATH(acosh)
LATHE_MATH(atanh)
#undef LATHE_MATH

// To the nearest whole number, halves to even (the default rounding mode, which nothing here changes).
inline float round_even(float x) { return __builtin_rintf(x); }
inline double round_even(double x) { return __builtin_rint(x); }

inline float pow(float x, float y) { return __builtin_powf(x, y); }
inline double pow(double x, double y) { return __builtin_pow(x, y); }
inline float fmod(float x, float y) { return __builtin_fmodf(x, y); }
inline double fmod(double x, double y) { return __builtin_fmod(x, y); }

// NaN in either operand gives NaN, as numpy and the standard have it.
template <class T>
T maximum(T a, T b) {
  return a > b || a != a ? a : b;
}
template <class T>
T minimum(T a, T b) {
  return a < b || a != a ? a : b;
}

template <class T>
constexpr T least(T a, T b) {
  return a < b ? a : b;
}
template <class T>
constexpr T greatest(T a, T b) {
  return a > b ? a : b;
}

template <class T>
T add(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return T(uint64_t(a) + uint64_t(b));
  else
    return a + b;
}
template <class T>
T subtract(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return T(uint64_t(a) - uint64_t(b));
  else
    return a - b;
}
template <class T>
T multiply(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return T(uint64_t(a) * uint64_t(b));
  else
    return a * b;
}
template <class T>
T negate(T a) {
  if constexpr (std::is_integral_v<T>)
    return T(uint64_t(0) - uint64_t(a));
  else
    return -a;
}
// Truncates; the divisor is not zero.
template <class T>
T divide(T a, T b) {
  if constexpr (std::is_integral_v<T> && std::is_signed_v<T>)
    return b == T(-1) ? negate(a) : T(a / b);
  else
    return T(a / b);
}

}  // namespace lathe::LATHE_KERNELS_NAMESPACE::math
