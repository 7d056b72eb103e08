// Activation functions: elementwise, some with parameters as attributes or inputs.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

inline void relu(const Call& call) {
  map<Signed>(call, []<class T>(T x) { return x < T(0) ? T(0) : x; });
}
inline void leaky_relu(const Call& call) {
  const float alpha = call.real("alpha", 0.01f);
  map<Floats>(call, [=]<class T>(T x) { return x < T(0) ? T(alpha) * x : x; });
}
inline void thresholded_relu(const Call& call) {
  const float alpha = call.real("alpha", 1.0f);
  map<Floats>(call, [=]<class T>(T x) { return x > T(alpha) ? x : T(0); });
}
inline void sigmoid(const Call& call) {
  map<Floats>(call, [](auto x) { return math::sigmoid(x); });
}
inline void hard_sigmoid(const Call& call) {
  const float alpha = call.real("alpha", 0.2f), beta = call.real("beta", 0.5f);
  map<Floats>(call, [=]<class T>(T x) { return math::maximum(T(0), math::minimum(T(1), T(alpha) * x + T(beta))); });
}
inline void hard_swish(const Call& call) {
  map<Floats>(call, []<class T>(T x) { return x * math::maximum(T(0), math::minimum(T(1), x * T(1.0 / 6) + T(0.5))); });
}
inline void tanh(const Call& call) {
  map<Floats>(call, [](auto x) { return math::tanh(x); });
}
inline void elu(const Call& call) {
  const float alpha = call.real("alpha", 1.0f);
  map<Floats>(call, [=]<class T>(T x) { return x < T(0) ? T(alpha) * math::expm1(x) : x; });
}
inline void celu(const Call& call) {
  const float alpha = call.real("alpha", 1.0f);
  map<Floats>(call, [=]<class T>(T x) { return math::maximum(T(0), x) + math::minimum(T(0), T(alpha) * math::expm1(x / T(alpha))); });
}
inline void selu(const Call& call) {
  const float alpha = call.real("alpha", 1.67326319217681884765625f), gamma = call.real("gamma", 1.05070102214813232421875f);
  map<Floats>(call, [=]<class T>(T x) { return T(gamma) * (x > T(0) ? x : T(alpha) * math::expm1(x)); });
}

namespace detail {
// ln(1 + e^x) without overflow for large x.
template <class T>
T softplus(T x) {
  return math::maximum(x, T(0)) + math::log1p(math::exp(-math::fabs(x)));
}
}  // namespace detail

inline void softplus(const Call& call) {
  map<Floats>(call, [](auto x) { return detail::softplus(x); });
}
inline void softsign(const Call& call) {
  map<Floats>(call, []<class T>(T x) { return x / (T(1) + math::fabs(x)); });
}
inline void mish(const Call& call) {
  map<Floats>(call, [](auto x) { return x * math::tanh(detail::softplus(x)); });
}
inline void swish(const Call& call) {
  const float alpha = call.real("alpha", 1.0f);
  map<Floats>(call, [=]<class T>(T x) { return x * math::sigmoid(T(alpha) * x); });
}
namespace detail {
template <class T>
T exact_gelu(T x) {
  return T(0.5) * x * (T(1) + math::erf(x * T(0.7071067811865476)));
}
template <class T>
T fast_gelu(T x) {
  return T(0.5) * x * (T(1) + math::tanh(T(0.7978845608028654) * (x + T(0.044715) * x * x * x)));
}
}  // namespace detail

// Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016; approximate="tanh" is their second formula.
inline void gelu(const Call& call) {
  if (call.is("approximate", "tanh", "none")) {
    map<Floats>(call, [](auto x) { return detail::fast_gelu(x); });
  } else {
    map<Floats>(call, [](auto x) { return detail::exact_gelu(x); });
  }
}

// Inputs: X, slope (broadcast to X).
inline void prelu(const Call& call) {
  const Tensor &x = call.input(0), &slope = call.input(1), &y = call.output();
  dispatch<Numbers>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    const Tensor* inputs[1] = {&slope};
    const Loop<1> loop = broadcast(y, inputs);
    const int64_t stride = loop.stride(0);
    parallel(call, loop.size, grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
      loop.walk(begin, end, [&](int64_t at, const int64_t(&offsets)[1], int64_t count) {
        const T* a = x.as<const T>() + at;
        const T* b = slope.as<const T>() + offsets[0];
        T* to = y.as<T>() + at;
        for (int64_t i = 0; i < count; ++i) to[i] = C(a[i]) < C(0) ? T(math::multiply(C(b[i * stride]), C(a[i]))) : a[i];
      });
    });
  });
}

// Inputs: X, min (optional scalar), max (optional scalar). Where min > max every element becomes max.
inline void clip(const Call& call) {
  dispatch<Numbers>(call, call.input(0).type, [&]<class T>() {
    using C = Compute<T>;
    const bool has_low = call.has_input(1), has_high = call.has_input(2);
    const C low = has_low ? C(*call.input(1).template as<const T>()) : C(0);
    const C high = has_high ? C(*call.input(2).template as<const T>()) : C(0);
    map<Types<T>>(call, [=](C x) {
      const C above = has_low && x < low ? low : x;
      return has_high && above > high ? high : above;
    });
  });
}

// Donoho's thresholds: x + bias below -lambd, x - bias above lambd, 0 between.
inline void shrink(const Call& call) {
  const float bias = call.real("bias", 0.0f), threshold = call.real("lambd", 0.5f);
  map<Numbers>(call, [=]<class T>(T x) {
    // Integers are computed as numpy does, in float64.
    using W = std::conditional_t<std::is_integral_v<T>, double, T>;
    const W v = W(x), lambda = W(threshold), shift = W(bias);
    return convert<T>(v < -lambda ? W(v + shift) : (v > lambda ? W(v - shift) : W(0)));
  });
}

// ONNX Runtime's names for the Gelu family. x * sigmoid(alpha x):
inline void quick_gelu(const Call& call) {
  const float alpha = call.real("alpha", 1.702f);
  map<Floats>(call, [=]<class T>(T x) { return x * math::sigmoid(T(alpha) * x); });
}

namespace detail {
// y = f(x + bias); the bias (optional) is as long as x's last axis.
template <class F>
void biased(const Call& call, F f) {
  const Tensor& x = call.input(0);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    const int64_t columns = call.has_input(1) ? call.input(1).size() : 1, rows = columns ? x.size() / columns : 0;
    const T* bias = call.has_input(1) ? call.input(1).template as<const T>() : nullptr;
    parallel(call, rows, math::greatest<int64_t>(1, grain_elements / (columns + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t row = begin; row < end; ++row) {
        const T* from = x.as<const T>() + row * columns;
        T* to = call.output().template as<T>() + row * columns;
        for (int64_t i = 0; i < columns; ++i) to[i] = T(f(C(from[i]) + (bias ? C(bias[i]) : C(0))));
      }
    });
  });
}
}  // namespace detail

inline void bias_gelu(const Call& call) {
  detail::biased(call, [](auto x) { return detail::exact_gelu(x); });
}
inline void fast_gelu(const Call& call) {
  detail::biased(call, [](auto x) { return detail::fast_gelu(x); });
}

#define LATHE_KERNELS_ACTIVATION(X)                      \
  X("", Relu, relu, shapes::same)                        \
  X("", LeakyRelu, leaky_relu, shapes::same)             \
  X("", ThresholdedRelu, thresholded_relu, shapes::same) \
  X("", Sigmoid, sigmoid, shapes::same)                  \
  X("", HardSigmoid, hard_sigmoid, shapes::same)         \
  X("", HardSwish, hard_swish, shapes::same)             \
  X("", Tanh, tanh, shapes::same)                        \
  X("", Elu, elu, shapes::same)                          \
  X("", Celu, celu, shapes::same)                        \
  X("", Selu, selu, shapes::same)                        \
  X("", Softplus, softplus, shapes::same)                \
  X("", Softsign, softsign, shapes::same)                \
  X("", Mish, mish, shapes::same)                        \
  X("", Swish, swish, shapes::same)                      \
  X("", Gelu, gelu, shapes::same)                        \
  X("", PRelu, prelu, shapes::same)                      \
  X("", Clip, clip, shapes::same)                        \
  X("", Shrink, shrink, shapes::same)                    \
  X("com.microsoft", BiasGelu, bias_gelu, shapes::same)  \
  X("com.microsoft", FastGelu, fast_gelu, shapes::same)  \
  X("com.microsoft", Gelu, gelu, shapes::same)           \
  X("com.microsoft", QuickGelu, quick_gelu, shapes::same)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
