// Comparisons, logic and selection, with broadcasting. Booleans are bytes that hold 0 or 1.
#pragma once
#include "lathe/kernels/elementwise_binary.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {
template <class List, class F>
void compare(const Call& call, F f) {
  dispatch<List>(call, call.input(0).type, [&]<class T>() { binary_typed<T, T, bool>(call, call.input(0), call.input(1), f); });
}
}  // namespace detail

inline void equal(const Call& call) {
  if (call.input(0).type == Type::string)
    return detail::compare<Types<String>>(call, [](const String& a, const String& b) {
      return a.size == b.size && (a.size == 0 || __builtin_memcmp(a.data, b.data, size_t(a.size)) == 0);
    });
  detail::compare<Scalars>(call, [](auto a, auto b) { return a == b; });
}
inline void less(const Call& call) {
  detail::compare<Numbers>(call, [](auto a, auto b) { return a < b; });
}
inline void less_or_equal(const Call& call) {
  detail::compare<Numbers>(call, [](auto a, auto b) { return a <= b; });
}
inline void greater(const Call& call) {
  detail::compare<Numbers>(call, [](auto a, auto b) { return a > b; });
}
inline void greater_or_equal(const Call& call) {
  detail::compare<Numbers>(call, [](auto a, auto b) { return a >= b; });
}
inline void logical_and(const Call& call) {
  detail::compare<Types<bool>>(call, [](bool a, bool b) { return a && b; });
}
inline void logical_or(const Call& call) {
  detail::compare<Types<bool>>(call, [](bool a, bool b) { return a || b; });
}
inline void logical_xor(const Call& call) {
  detail::compare<Types<bool>>(call, [](bool a, bool b) { return a != b; });
}
inline void logical_not(const Call& call) {
  map<Types<bool>>(call, [](bool x) { return !x; });
}

// Inputs: condition, X, Y; all three broadcast.
inline void where(const Call& call) {
  const Tensor& y = call.output();
  dispatch_size(call, y.type, [&]<class T>() {
    const Tensor* inputs[3] = {&call.input(0), &call.input(1), &call.input(2)};
    const Loop<3> loop = broadcast(y, inputs);
    parallel(call, loop.size, grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
      loop.walk(begin, end, [&](int64_t at, const int64_t(&offsets)[3], int64_t count) {
        const bool* condition = inputs[0]->as<const bool>() + offsets[0];
        const T* a = inputs[1]->as<const T>() + offsets[1];
        const T* b = inputs[2]->as<const T>() + offsets[2];
        T* to = y.as<T>() + at;
        const int64_t s0 = loop.stride(0), s1 = loop.stride(1), s2 = loop.stride(2);
        for (int64_t i = 0; i < count; ++i) to[i] = condition[i * s0] ? a[i * s1] : b[i * s2];
      });
    });
  });
}

namespace detail {
using MaybeInfinite = Types<float, double, float16, bfloat16, float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz>;
}

inline void is_nan(const Call& call) {
  dispatch<detail::MaybeInfinite>(call, call.input(0).type, [&]<class T>() {
    const T* x = call.input(0).template as<const T>();
    for (int64_t i = 0, n = call.input(0).size(); i < n; ++i) call.output().as<bool>()[i] = float(x[i]) != float(x[i]);
  });
}
inline void is_inf(const Call& call) {
  const bool negative = call.integer("detect_negative", 1) != 0, positive = call.integer("detect_positive", 1) != 0;
  dispatch<detail::MaybeInfinite>(call, call.input(0).type, [&]<class T>() {
    using C = Compute<T>;
    const T* x = call.input(0).template as<const T>();
    constexpr C infinity = std::numeric_limits<C>::infinity();
    for (int64_t i = 0, n = call.input(0).size(); i < n; ++i)
      call.output().as<bool>()[i] = (positive && C(x[i]) == infinity) || (negative && C(x[i]) == -infinity);
  });
}

#define LATHE_KERNELS_COMPARISON(X)                          \
  X("", Equal, equal, shapes::broadcast)                     \
  X("", Less, less, shapes::broadcast)                       \
  X("", LessOrEqual, less_or_equal, shapes::broadcast)       \
  X("", Greater, greater, shapes::broadcast)                 \
  X("", GreaterOrEqual, greater_or_equal, shapes::broadcast) \
  X("", And, logical_and, shapes::broadcast)                 \
  X("", Or, logical_or, shapes::broadcast)                   \
  X("", Xor, logical_xor, shapes::broadcast)                 \
  X("", Not, logical_not, shapes::same)                      \
  X("", Where, where, shapes::broadcast)                     \
  X("", IsNaN, is_nan, shapes::same)                         \
  X("", IsInf, is_inf, shapes::same)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
