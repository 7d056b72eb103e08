// Softmax, its logarithm and its hard form, along one axis.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// Calls body(from, to, stride, count) for every line along `axis`.
template <class F>
void each_line(const Call& call, F&& body) {
  const Tensor &x = call.input(0), &y = call.output();
  const int axis = normal_axis(call.integer("axis", -1), x.rank);
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

inline constexpr int64_t softmax_lanes = 16, softmax_columns = 64;

// One dense line: maxima and sums are kept in independent lanes, so that the loops vectorise.
template <bool logarithm, class T>
void softmax_line(const T* __restrict from, T* __restrict to, int64_t count) {
  using C = Compute<T>;
  C best[softmax_lanes], sum[softmax_lanes];
  for (int64_t l = 0; l < softmax_lanes; ++l) best[l] = -std::numeric_limits<C>::infinity(), sum[l] = 0;
  const int64_t whole = count / softmax_lanes * softmax_lanes;
  for (int64_t i = 0; i < whole; i += softmax_lanes)
    for (int64_t l = 0; l < softmax_lanes; ++l) best[l] = math::maximum(best[l], C(from[i + l]));
  for (int64_t i = whole; i < count; ++i) best[0] = math::maximum(best[0], C(from[i]));
  for (int64_t l = 1; l < softmax_lanes; ++l) best[0] = math::maximum(best[0], best[l]);
  const C top = best[0];
  for (int64_t i = 0; i < whole; i += softmax_lanes)
    for (int64_t l = 0; l < softmax_lanes; ++l) {
      const C e = math::exp(C(from[i + l]) - top);
      sum[l] += e;
      if constexpr (!logarithm && !is_half<T>) to[i + l] = T(e);
    }
  for (int64_t i = whole; i < count; ++i) {
    const C e = math::exp(C(from[i]) - top);
    sum[0] += e;
    if constexpr (!logarithm && !is_half<T>) to[i] = T(e);
  }
  for (int64_t l = 1; l < softmax_lanes; ++l) sum[0] += sum[l];
  if constexpr (logarithm) {
    const C shift = math::log(sum[0]);  // taken last, so that large elements do not swallow it
    for (int64_t i = 0; i < count; ++i) to[i] = T((C(from[i]) - top) - shift);
  } else {
    const C factor = C(1) / sum[0];
    for (int64_t i = 0; i < count; ++i) to[i] = is_half<T> ? T(math::exp(C(from[i]) - top) * factor) : T(C(to[i]) * factor);
  }
}

// Up to softmax_columns lines that lie side by side, `stride` elements from one place of a line to the next.
template <bool logarithm, class T>
void softmax_block(const T* __restrict from, T* __restrict to, int64_t stride, int64_t count, int64_t width) {
  using C = Compute<T>;
  C best[softmax_columns], sum[softmax_columns];
  for (int64_t l = 0; l < width; ++l) best[l] = -std::numeric_limits<C>::infinity(), sum[l] = 0;
  for (int64_t i = 0; i < count; ++i)
    for (int64_t l = 0; l < width; ++l) best[l] = math::maximum(best[l], C(from[i * stride + l]));
  for (int64_t i = 0; i < count; ++i)
    for (int64_t l = 0; l < width; ++l) {
      const C e = math::exp(C(from[i * stride + l]) - best[l]);
      sum[l] += e;
      if constexpr (!logarithm && !is_half<T>) to[i * stride + l] = T(e);
    }
  for (int64_t l = 0; l < width; ++l) sum[l] = logarithm ? math::log(sum[l]) : C(1) / sum[l];
  for (int64_t i = 0; i < count; ++i)
    for (int64_t l = 0; l < width; ++l) {
      const int64_t at = i * stride + l;
      if constexpr (logarithm)
        to[at] = T((C(from[at]) - best[l]) - sum[l]);
      else if constexpr (is_half<T>)
        to[at] = T(math::exp(C(from[at]) - best[l]) * sum[l]);
      else
        to[at] = T(C(to[at]) * sum[l]);
    }
}

template <bool logarithm>
void softmax(const Call& call, const Tensor& x, const Tensor& y, int axis) {
  const int64_t outer = product(x.dimensions, 0, axis), count = x.rank ? x.dimensions[axis] : 1, inner = product(x.dimensions, axis + 1, x.rank);
  const int64_t blocks = (inner + softmax_columns - 1) / softmax_columns, cost = count * math::least(inner, softmax_columns);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    parallel(call, outer * blocks, math::greatest<int64_t>(1, grain_elements / 8 / (cost + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t block = begin; block < end; ++block) {
        const int64_t column = block % blocks * softmax_columns, at = block / blocks * count * inner + column;
        if (inner == 1)
          softmax_line<logarithm>(x.as<const T>() + at, y.as<T>() + at, count);
        else
          softmax_block<logarithm>(x.as<const T>() + at, y.as<T>() + at, inner, count, math::least(inner - column, softmax_columns));
      }
    });
  });
}

}  // namespace detail

// e^(x - max) / sum.
inline void softmax(const Call& call) {
  detail::softmax<false>(call, call.input(0), call.output(), normal_axis(call.integer("axis", -1), call.input(0).rank));
}
inline void log_softmax(const Call& call) {
  detail::softmax<true>(call, call.input(0), call.output(), normal_axis(call.integer("axis", -1), call.input(0).rank));
}
// 1 at the first maximum, 0 elsewhere.
inline void hardmax(const Call& call) {
  detail::each_line(call, []<class T>(const T* from, T* to, int64_t stride, int64_t count) {
    int64_t best = 0;
    for (int64_t i = 1; i < count; ++i)
      if (Compute<T>(from[i * stride]) > Compute<T>(from[best * stride])) best = i;
    for (int64_t i = 0; i < count; ++i) to[i * stride] = T(i == best ? 1.0f : 0.0f);
  });
}

#define LATHE_KERNELS_SOFTMAX(X) \
  X("", Softmax, softmax, shapes::same) X("", LogSoftmax, log_softmax, shapes::same) X("", Hardmax, hardmax, shapes::same)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
