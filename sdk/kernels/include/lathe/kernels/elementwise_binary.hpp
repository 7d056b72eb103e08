// Elementwise arithmetic of two or more tensors with broadcasting.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// to[i] = f(a[i], b[i]) along one row; the three usual strides get loops that compilers vectorise.
template <class A, class B, class R, class F>
void binary_row(R* __restrict to, const A* __restrict a, int64_t sa, const B* __restrict b, int64_t sb, int64_t count, F f) {
  using CA = Compute<A>;
  using CB = Compute<B>;
  if (sa == 1 && sb == 1) {
    for (int64_t i = 0; i < count; ++i) to[i] = R(f(CA(a[i]), CB(b[i])));
  } else if (sa == 1 && sb == 0) {
    const CB fixed = CB(*b);
    for (int64_t i = 0; i < count; ++i) to[i] = R(f(CA(a[i]), fixed));
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = R(f(CA(a[i * sa]), CB(b[i * sb])));
  }
}

template <class A, class B, class R, class F>
void binary_typed(const Call& call, const Tensor& a, const Tensor& b, F f) {
  const Tensor& y = call.output();
  const Tensor* inputs[2] = {&a, &b};
  const Loop<2> loop = broadcast(y, inputs);
  parallel(call, loop.size, grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
    loop.walk(begin, end, [&](int64_t at, const int64_t(&offsets)[2], int64_t count) {
      binary_row(y.as<R>() + at, a.as<const A>() + offsets[0], loop.stride(0), b.as<const B>() + offsets[1], loop.stride(1), count, f);
    });
  });
}

// Both operands and the result have one type.
template <class List, class F>
void binary(const Call& call, F f) {
  dispatch<List>(call, call.input(0).type, [&]<class T>() { binary_typed<T, T, T>(call, call.input(0), call.input(1), f); });
}

// Folds a variadic list of tensors: the first two, then the result so far (of the output's shape) with each further one.
template <class List, class F>
void variadic(const Call& call, F f) {
  dispatch<List>(call, call.input(0).type, [&]<class T>() {
    const Tensor& y = call.output();
    const Tensor* first[1] = {&call.input(0)};
    strided_copy(call, broadcast(y, first), call.input(0).template as<const T>(), y.template as<T>());
    for (int32_t i = 1; i < call.input_count; ++i) {
      const Tensor* inputs[1] = {&call.input(i)};
      const Loop<1> loop = broadcast(y, inputs);
      const T* b = call.input(i).template as<const T>();
      const int64_t stride = loop.stride(0);
      parallel(call, loop.size, grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
        loop.walk(begin, end, [&](int64_t at, const int64_t(&offsets)[1], int64_t count) {
          T* to = y.template as<T>() + at;
          for (int64_t k = 0; k < count; ++k) to[k] = T(f(Compute<T>(to[k]), Compute<T>(b[offsets[0] + k * stride])));
        });
      });
    }
  });
}

template <class T>
bool contains_zero(const Tensor& tensor) {
  const T* p = tensor.as<const T>();
  bool found = false;
  for (int64_t i = 0, n = tensor.size(); i < n; ++i) found |= p[i] == T(0);
  return found;
}

// x^y by squaring, wrapping; a negative exponent gives what truncation gives.
template <class T>
T integer_power(T x, int64_t y) {
  if (y < 0) return x == T(1) ? T(1) : (x == T(-1) && std::is_signed_v<T> ? (y % 2 ? T(-1) : T(1)) : T(0));
  T result = 1;
  for (; y; y >>= 1, x = math::multiply(x, x))
    if (y & 1) result = math::multiply(result, x);
  return result;
}

template <class T, class E>
T power(T x, E y) {
  if constexpr (std::is_integral_v<T> && std::is_integral_v<E>)
    return integer_power(x, int64_t(y));
  else if constexpr (std::is_integral_v<T>)
    return convert<T>(math::pow(double(x), double(y)));
  else if constexpr (std::is_same_v<T, double> || sizeof(E) == 8)
    return T(math::pow(double(x), double(y)));
  else
    return math::pow(x, float(y));
}

}  // namespace detail

inline void add(const Call& call) {
  detail::binary<Numbers>(call, [](auto a, auto b) { return math::add(a, b); });
}
inline void sub(const Call& call) {
  detail::binary<Numbers>(call, [](auto a, auto b) { return math::subtract(a, b); });
}
inline void mul(const Call& call) {
  detail::binary<Numbers>(call, [](auto a, auto b) { return math::multiply(a, b); });
}
// Integers truncate towards zero, as ONNX has it since opset 14.
inline void div(const Call& call) {
  dispatch<Numbers>(call, call.input(0).type, [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      if (detail::contains_zero<T>(call.input(1))) return call.fail("an integer is divided by zero");
    }
    detail::binary_typed<T, T, T>(call, call.input(0), call.input(1), [](auto a, auto b) { return math::divide(a, b); });
  });
}

// fmod=0: the result has the sign of the divisor (Python's %); fmod=1: that of the dividend (C's fmod).
inline void mod(const Call& call) {
  const bool truncating = call.integer("fmod", 0) != 0;
  dispatch<Numbers>(call, call.input(0).type, [&]<class T>() {
    using C = Compute<T>;
    if constexpr (std::is_integral_v<T>) {
      if (detail::contains_zero<T>(call.input(1))) return call.fail("an integer is divided by zero");
    }
    detail::binary_typed<T, T, T>(call, call.input(0), call.input(1), [=](C a, C b) -> C {
      if constexpr (std::is_integral_v<C>) {
        if constexpr (std::is_signed_v<C>) {
          if (b == C(-1)) return 0;
        }
        const C rest = C(a % b);
        return !truncating && rest != 0 && (rest < 0) != (b < 0) ? C(rest + b) : rest;
      } else {
        const C rest = math::fmod(a, b);
        return !truncating && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
      }
    });
  });
}

// The exponent has a type of its own; the result has the base's.
inline void pow(const Call& call) {
  dispatch<Types<float, double, float16, bfloat16, int32_t, int64_t>>(call, call.input(0).type, [&]<class T>() {
    using C = Compute<T>;
    dispatch<Numbers>(call, call.input(1).type, [&]<class E>() {
      using CE = Compute<E>;
      if constexpr (std::is_same_v<C, float> && std::is_same_v<CE, float>) {
        // Squares, cubes and roots stand in every normalisation; powf would be most of their time.
        const Tensor& exponent = call.input(1);
        const float fixed = exponent.size() == 1 ? float(*exponent.as<const E>()) : 0.0f;
        if (fixed == 2.0f) return detail::binary_typed<T, E, T>(call, call.input(0), exponent, [](float a, float) { return a * a; });
      }
      detail::binary_typed<T, E, T>(call, call.input(0), call.input(1), [](C a, CE b) { return detail::power(a, b); });
    });
  });
}

inline void max(const Call& call) {
  detail::variadic<Numbers>(call, [](auto a, auto b) { return math::maximum(a, b); });
}
inline void min(const Call& call) {
  detail::variadic<Numbers>(call, [](auto a, auto b) { return math::minimum(a, b); });
}
inline void sum(const Call& call) {
  detail::variadic<Floats>(call, [](auto a, auto b) { return a + b; });
}
inline void mean(const Call& call) {
  sum(call);
  const float count = float(call.input_count);
  dispatch<Floats>(call, call.output().type, [&]<class T>() {
    T* y = call.output().template as<T>();
    for (int64_t i = 0, n = call.output().size(); i < n; ++i) y[i] = T(Compute<T>(y[i]) / Compute<T>(count));
  });
}

#define LATHE_KERNELS_ELEMENTWISE_BINARY(X) \
  X("", Add, add, shapes::broadcast)        \
  X("", Sub, sub, shapes::broadcast)        \
  X("", Mul, mul, shapes::broadcast)        \
  X("", Div, div, shapes::broadcast)        \
  X("", Mod, mod, shapes::broadcast)        \
  X("", Pow, pow, shapes::broadcast)        \
  X("", Max, max, shapes::broadcast)        \
  X("", Min, min, shapes::broadcast)        \
  X("", Sum, sum, shapes::broadcast)        \
  X("", Mean, mean, shapes::broadcast)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
