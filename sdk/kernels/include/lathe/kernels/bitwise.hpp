// Operators on the bits of integers: shifts and logic. (And, Or, Xor and Not of booleans are in comparison.hpp.)
#pragma once
#include "lathe/kernels/elementwise_binary.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {
// Signed and unsigned integers of one size are the same bits.
template <class F>
void bitwise(const Call& call, F f) {
  dispatch_size(call, call.input(0).type, [&]<class T>() {
    if constexpr (std::is_integral_v<T>) binary_typed<T, T, T>(call, call.input(0), call.input(1), f);
  });
}
}  // namespace detail

inline void bitwise_and(const Call& call) {
  detail::bitwise(call, []<class T>(T a, T b) { return T(a & b); });
}
inline void bitwise_or(const Call& call) {
  detail::bitwise(call, []<class T>(T a, T b) { return T(a | b); });
}
inline void bitwise_xor(const Call& call) {
  detail::bitwise(call, []<class T>(T a, T b) { return T(a ^ b); });
}
inline void bitwise_not(const Call& call) {
  dispatch_size(call, call.input(0).type, [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      const T* x = call.input(0).template as<const T>();
      T* y = call.output().template as<T>();
      parallel(call, call.output().size(), grain_elements, [=](int64_t begin, int64_t end, uint32_t) {
        for (int64_t i = begin; i < end; ++i) y[i] = T(~x[i]);
      });
    }
  });
}
// Of unsigned integers. A shift by the width or more leaves no bits.
inline void bit_shift(const Call& call) {
  const bool left = call.is("direction", "LEFT", "");
  detail::bitwise(call, [left]<class T>(T a, T b) {
    if (b >= T(sizeof(T) * 8)) return T(0);
    return left ? T(a << b) : T(a >> b);
  });
}

#define LATHE_KERNELS_BITWISE(X)                    \
  X("", BitShift, bit_shift, shapes::broadcast)     \
  X("", BitwiseAnd, bitwise_and, shapes::broadcast) \
  X("", BitwiseNot, bitwise_not, shapes::same)      \
  X("", BitwiseOr, bitwise_or, shapes::broadcast)   \
  X("", BitwiseXor, bitwise_xor, shapes::broadcast)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
