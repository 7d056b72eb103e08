// Softmax, its logarithm and its hard form, along one axis.
#pragma once
#include "lathe/kernels/loops.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {
// Calls body(from, to, stride, count) for every line along `axis`.
template <class F>
void each_line(const Call& call, int64_t axis_attribute, F&& body) {
  const Tensor &x = call.input(0), &y = call.output();
  const int axis = normal_axis(axis_attribute, x.rank);
  const int64_t outer = product(x.dimensions, 0, axis), count = x.rank ? x.dimensions[axis] : 1, inner = product(x.dimensions, axis + 1, x.rank);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    parallel(call, outer * inner, math::greatest<int64_t>(1, grain_elements / (count + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t line = begin; line < end; ++line) {
        const int64_t at = line / inner * count * inner + line % inner;
        body(x.as<const T>() + at, y.as<T>() + at, inner, count);
      }
    });
  });
}
template <class T>
Compute<T> line_maximum(const T* from, int64_t stride, int64_t count) {
  Compute<T> best = -std::numeric_limits<Compute<T>>::infinity();
  for (int64_t i = 0; i < count; ++i) best = math::maximum(best, Compute<T>(from[i * stride]));
  return best;
}
}  // namespace detail

// e^(x - max) / sum.
inline void softmax(const Call& call) {
  detail::each_line(call, call.integer("axis", -1), []<class T>(const T* from, T* to, int64_t stride, int64_t count) {
    using C = Compute<T>;
    const C best = detail::line_maximum(from, stride, count);
    C sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += math::exp(C(from[i * stride]) - best);
    const C factor = C(1) / sum;
    for (int64_t i = 0; i < count; ++i) to[i * stride] = T(math::exp(C(from[i * stride]) - best) * factor);
  });
}
inline void log_softmax(const Call& call) {
  detail::each_line(call, call.integer("axis", -1), []<class T>(const T* from, T* to, int64_t stride, int64_t count) {
    using C = Compute<T>;
    const C best = detail::line_maximum(from, stride, count);
    C sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += math::exp(C(from[i * stride]) - best);
    const C shift = best + math::log(sum);
    for (int64_t i = 0; i < count; ++i) to[i * stride] = T(C(from[i * stride]) - shift);
  });
}
// 1 at the first maximum, 0 elsewhere.
inline void hardmax(const Call& call) {
  detail::each_line(call, call.integer("axis", -1), []<class T>(const T* from, T* to, int64_t stride, int64_t count) {
    int64_t best = 0;
    for (int64_t i = 1; i < count; ++i)
      if (Compute<T>(from[i * stride]) > Compute<T>(from[best * stride])) best = i;
    for (int64_t i = 0; i < count; ++i) to[i * stride] = T(i == best ? 1.0f : 0.0f);
  });
}

#define LATHE_KERNELS_SOFTMAX(X) X("", Softmax, softmax) X("", LogSoftmax, log_softmax) X("", Hardmax, hardmax)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
