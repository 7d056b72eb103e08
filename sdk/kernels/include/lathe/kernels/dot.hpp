// Products of one vector with many rows, and sums of scaled rows: what recurrent layers and attention are made of.
#pragma once
#include "lathe/kernels/loops.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE::detail {

// y[r] += sum of x[i] * w[r * row_stride + i], i < count; four rows at a time share the loads of x, in lanes that vectorise. Sums are kept in C.
template <class C, class X, class T>
void add_dot_products(const X* x, const T* w, int64_t row_stride, int64_t count, int64_t rows, C* y) {
  constexpr int64_t lanes = 16, together = 4;
  const int64_t whole = count / lanes * lanes;
  int64_t row = 0;
  for (; row + together <= rows; row += together) {
    const T* from = w + row * row_stride;
    C part[together][lanes] = {};
    for (int64_t i = 0; i < whole; i += lanes)
      for (int64_t r = 0; r < together; ++r)
        for (int64_t l = 0; l < lanes; ++l) part[r][l] += C(x[i + l]) * C(from[r * row_stride + i + l]);
    for (int64_t r = 0; r < together; ++r) {
      C sum = 0;
      for (int64_t i = whole; i < count; ++i) sum += C(x[i]) * C(from[r * row_stride + i]);
      for (int64_t l = 0; l < lanes; ++l) sum += part[r][l];
      y[row + r] += sum;
    }
  }
  for (; row < rows; ++row) {
    const T* from = w + row * row_stride;
    C sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += C(x[i]) * C(from[i]);
    y[row] += sum;
  }
}

// y[i] += sum over the rows of factors[r] * w[r * row_stride + i], i < count.
template <class C, class T>
void add_scaled_rows(const C* factors, const T* w, int64_t row_stride, int64_t count, int64_t rows, C* __restrict y) {
  for (int64_t row = 0; row < rows; ++row) {
    const C factor = factors[row];
    const T* __restrict from = w + row * row_stride;
    for (int64_t i = 0; i < count; ++i) y[i] += factor * C(from[i]);
  }
}

}  // namespace lathe::LATHE_KERNELS_NAMESPACE::detail
