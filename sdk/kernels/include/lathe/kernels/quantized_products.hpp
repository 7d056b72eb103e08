// Matrix products and convolutions of quantised tensors: QLinearMatMul, QLinearConv, and com.microsoft's MatMulIntegerToFloat,
// DynamicQuantizeMatMul, QGemm and MatMulNBits. Sums are int32, exactly; what is made of a sum (scaling, bias, rounding) happens once, at the end.
#pragma once
#include "lathe/kernels/fused_convolution.hpp"
#include "lathe/kernels/matmul.hpp"
#include "lathe/kernels/quantization.hpp"
#include "lathe/kernels/quantized_arithmetic.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// A stack of products. finish(stack of a, stack of b, row, column, place in the output, sum).
template <class Finish>
void integer_products(const Call& call, const Tensor& a, const Tensor& b, const Tensor& a_zero, const Tensor& b_zero, Finish finish) {
  const MatrixShapes s = matrix_shapes(a, b, call.output());
  const LineParameter left_zero(a_zero, s.m), right_zero(b_zero, s.n);
  dispatch<QuantizedBytes>(call, a.type, [&]<class T>() {
    dispatch<QuantizedBytes>(call, b.type, [&]<class U>() {
      each_matrix(s, [&](int64_t at, int64_t left, int64_t right) {
        integer_product(
            call, s.m, s.n, s.k, a.as<const T>() + left * s.m * s.k, s.k, 1, b.as<const U>() + right * s.k * s.n, s.n, 1,
            [&](int64_t row) { return left_zero.integer(left, row); }, [&](int64_t column) { return right_zero.integer(right, column); },
            [&](int64_t row, int64_t column, int32_t sum) { finish(left, right, row, column, at * s.m * s.n + row * s.n + column, sum); });
      });
    });
  });
}

inline Tensor maybe(const Call& call, int32_t input) { return call.has_input(input) ? call.input(input) : Tensor{nullptr, nullptr, 0, Type::none}; }

template <class Q>
Q requantised(int32_t sum, float scale, int32_t zero) {
  return Affine{1.0f, zero}.quantised<Q>(float(sum) * scale);
}

// QLinearMatMul where an operand or the output is float8: the same formula on the numbers that the elements mean, summed in float64.
inline void qlinear_matmul_of_floats(const Call& call) {
  const Tensor &a = call.input(0), &b = call.input(3), &y = call.output();
  const MatrixShapes s = matrix_shapes(a, b, y);
  const auto number = [&](int32_t input, int64_t place) {
    double value = 0;
    read_numbers(call, call.input(input), place, 1, 1, &value);
    return value;
  };
  const LineParameter rows[] = {{call.input(1), s.m}, {call.input(2), s.m}, {call.input(6), s.m}, {call.input(7), s.m}},
                      columns[] = {{call.input(4), s.n}, {call.input(5), s.n}};
  each_matrix(s, [&](int64_t at, int64_t left, int64_t right) {
    parallel(call, s.m * s.n, math::greatest<int64_t>(1, grain_elements / (s.k + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = i / s.n, column = i % s.n;
        const double a_zero = number(2, rows[1].place(left, row)), b_zero = number(5, columns[1].place(right, column));
        double sum = 0;
        for (int64_t k = 0; k < s.k; k += quantization_block) {
          const int64_t count = math::least(quantization_block, s.k - k);
          double from_a[quantization_block], from_b[quantization_block];
          read_numbers(call, a, (left * s.m + row) * s.k + k, 1, count, from_a);
          read_numbers(call, b, (right * s.k + k) * s.n + column, s.n, count, from_b);
          for (int64_t n = 0; n < count; ++n) sum += (from_a[n] - a_zero) * (from_b[n] - b_zero);
        }
        const float scale = rows[0].real(left, row) * columns[0].real(right, column) / rows[2].real(left, row);
        const double value = sum * double(scale), zero = number(7, rows[3].place(left, row));
        const int64_t place = at * s.m * s.n + i;
        if (is_quantized_float(y.type))
          dispatch<QuantizedFloats>(call, y.type, [&]<class Q>() { y.as<Q>()[place] = Q::from_bits(Q::encode(narrow_to_odd(value + zero), true)); });
        else
          dispatch<QuantizedBytes>(call, y.type, [&]<class Q>() { y.as<Q>()[place] = saturated<Q>(math::round_even(value) + zero); });
      }
    });
  });
}

}  // namespace detail

// Inputs: a, its scale and zero point (one, or one for each row), b, its scale and zero point (one, or one for each column), y's scale and zero
// point.
inline void qlinear_matmul(const Call& call) {
  const Tensor &a = call.input(0), &b = call.input(3), &y = call.output();
  if (detail::is_quantized_float(a.type) || detail::is_quantized_float(b.type) || detail::is_quantized_float(y.type))
    return detail::qlinear_matmul_of_floats(call);
  const detail::MatrixShapes s = detail::matrix_shapes(a, b, y);
  const detail::LineParameter a_scale(call.input(1), s.m), b_scale(call.input(4), s.n), y_scale(call.input(6), s.m), y_zero(call.input(7), s.m);
  dispatch<detail::QuantizedBytes>(call, y.type, [&]<class Q>() {
    detail::integer_products(call, a, b, call.input(2), call.input(5),
                             [&](int64_t left, int64_t right, int64_t row, int64_t column, int64_t place, int32_t sum) {
                               const float scale = a_scale.real(left, row) * b_scale.real(right, column) / y_scale.real(left, row);
                               y.as<Q>()[place] = detail::requantised<Q>(sum, scale, y_zero.integer(left, row));
                             });
  });
}

// Inputs: A, B, A's scale, B's scale (one, or one for each column), A's zero point, B's zero point, bias [N] (the last three optional).
inline void matmul_integer_to_float(const Call& call) {
  const Tensor &a = call.input(0), &b = call.input(1), &y = call.output(), &bias = detail::maybe(call, 6);
  const detail::MatrixShapes s = detail::matrix_shapes(a, b, y);
  const detail::LineParameter a_scale(call.input(2), s.m), b_scale(call.input(3), s.n);
  dispatch<Types<float, float16>>(call, y.type, [&]<class T>() {
    detail::integer_products(call, a, b, detail::maybe(call, 4), detail::maybe(call, 5),
                             [&](int64_t left, int64_t right, int64_t row, int64_t column, int64_t place, int32_t sum) {
                               float value = float(sum) * (a_scale.real(left, row) * b_scale.real(right, column));
                               if (bias.present()) value += float(bias.as<const T>()[column]);
                               y.as<T>()[place] = T(value);
                             });
  });
}

// Bytes for A quantised.
inline uint64_t dynamic_quantize_matmul_scratch(const Call& call, uint32_t) { return uint64_t(call.input(0).size()); }

// Inputs: A (float32, quantised here as by DynamicQuantizeLinear), B, B's scale, B's zero point (optional), bias [N] (optional).
inline void dynamic_quantize_matmul(const Call& call) {
  const Tensor &a = call.input(0), &b = call.input(1), &y = call.output(), &bias = detail::maybe(call, 4), &b_zero = detail::maybe(call, 3);
  const detail::MatrixShapes s = detail::matrix_shapes(a, b, y);
  const detail::LineParameter b_scale(call.input(2), s.n), right_zero(b_zero, s.n);
  float low = 0, high = 0;
  const float* from = a.as<const float>();
  for (int64_t i = 0, n = a.size(); i < n; ++i) {
    low = math::least(low, from[i]);
    high = math::greatest(high, from[i]);
  }
  const float scale = high == low ? 1.0f : (high - low) / 255.0f;
  const int32_t zero = int32_t(math::round_even(math::minimum(255.0f, math::maximum(0.0f, -low / scale))));
  const detail::Affine quantiser{scale, zero};
  uint8_t* bytes = static_cast<uint8_t*>(call.scratch);
  if (bytes)
    for (int64_t i = 0, n = a.size(); i < n; ++i) bytes[i] = quantiser.quantised<uint8_t>(from[i]);
  dispatch<detail::QuantizedBytes>(call, b.type, [&]<class U>() {
    detail::each_matrix(s, [&](int64_t at, int64_t left, int64_t right) {
      const auto finish = [&](int64_t row, int64_t column, int32_t sum) {
        float value = float(sum) * (scale * b_scale.real(right, column));
        if (bias.present()) value += bias.as<const float>()[column];
        y.as<float>()[at * s.m * s.n + row * s.n + column] = value;
      };
      const U* matrix = b.as<const U>() + right * s.k * s.n;
      if (bytes)
        return detail::integer_product(
            call, s.m, s.n, s.k, bytes + left * s.m * s.k, s.k, 1, matrix, s.n, 1, [=](int64_t) { return zero; },
            [&](int64_t column) { return right_zero.integer(right, column); }, finish);
      for (int64_t row = 0; row < s.m; ++row)
        for (int64_t column = 0; column < s.n; ++column) {
          int32_t sum = 0;
          for (int64_t i = 0; i < s.k; ++i)
            sum += (int32_t(quantiser.quantised<uint8_t>(from[(left * s.m + row) * s.k + i])) - zero) *
                   (int32_t(matrix[i * s.n + column]) - right_zero.integer(right, column));
          finish(row, column, sum);
        }
    });
  });
}

// Y = alpha A' B' + C, quantised where Y's scale is given. Inputs: A, its scale and zero point, B, its scale and zero point (one, or one for each
// column), C (int32 in units of A's times B's scale, optional), Y's scale and zero point (optional: Y is float32 then).
inline void qgemm(const Call& call) {
  const Tensor &a = call.input(0), &b = call.input(3), &y = call.output(), &c = detail::maybe(call, 6);
  const bool a_transposed = call.integer("transA", 0) != 0, b_transposed = call.integer("transB", 0) != 0, quantise = call.has_input(7);
  const int64_t m = y.dimension(0), n = y.dimension(1), k = a.dimension(a_transposed ? 0 : 1);
  const float alpha = call.real("alpha", 1.0f), a_scale = *call.input(1).as<const float>();
  const detail::LineParameter b_scale(call.input(4), n), b_zero(call.input(5), n), a_zero(call.input(2), 1);
  const detail::Affine to = quantise ? detail::affine_of(call, 7) : detail::Affine{1.0f, 0};
  const int64_t c_row = !c.present() || c.rank < 2 || c.dimensions[c.rank - 2] == 1 ? 0 : c.dimensions[c.rank - 1],
                c_column = !c.present() || c.rank == 0 || c.dimensions[c.rank - 1] == 1 ? 0 : 1;
  const auto finish = [&](int64_t row, int64_t column, int32_t sum) {
    const float scale = alpha * a_scale * b_scale.real(0, column);
    if (c.present()) sum += c.as<const int32_t>()[row * c_row + column * c_column];
    const int64_t place = row * n + column;
    if (!quantise)
      y.as<float>()[place] = float(sum) * scale;
    else if (y.type == Type::int8)
      y.as<int8_t>()[place] = detail::requantised<int8_t>(sum, scale / to.scale, to.zero);
    else
      y.as<uint8_t>()[place] = detail::requantised<uint8_t>(sum, scale / to.scale, to.zero);
  };
  dispatch<detail::QuantizedBytes>(call, a.type, [&]<class T>() {
    dispatch<detail::QuantizedBytes>(call, b.type, [&]<class U>() {
      detail::integer_product(
          call, m, n, k, a.as<const T>(), a_transposed ? 1 : k, a_transposed ? m : 1, b.as<const U>(), b_transposed ? 1 : n, b_transposed ? k : 1,
          [&](int64_t) { return a_zero.integer(0, 0); }, [&](int64_t column) { return b_zero.integer(0, column); }, finish);
    });
  });
}

// Y = A B', where row n of B [N, K] is packed in blocks of block_size numbers of `bits` bits, low bits first. Inputs: A [..., K], B [N, blocks, bytes
// of a block], scales [N, blocks], zero points (optional: packed likewise, each row of its own bytes, or of A's type; half of the range where
// absent), g_idx (optional: the block of each of the K), bias [N] (optional). ONNX Runtime 1.30 forgets packed zero points when there is a g_idx.
inline void matmul_nbits(const Call& call) {
  const Tensor &a = call.input(0), &b = call.input(1), &scales = call.input(2), &zeros = detail::maybe(call, 3), &groups = detail::maybe(call, 4),
               &bias = detail::maybe(call, 5), &y = call.output();
  const int64_t k = call.integer("K", 0), n = call.integer("N", 0), bits = call.integer("bits", 4), block = call.integer("block_size", 32);
  const int64_t blocks = (k + block - 1) / block, row_bytes = blocks * (block * bits / 8), zero_bytes = (blocks * bits + 7) / 8;
  const int64_t m = k ? a.size() / k : 0;
  const uint32_t mask = (1u << bits) - 1;
  // Number `index` of a dense row of numbers of `bits` bits; 3, 5, 6 and 7 bits may straddle two bytes.
  const auto number_at = [=](const uint8_t* row, int64_t index) {
    const int64_t bit = index * bits;
    uint32_t word = row[bit / 8];
    if (bit % 8 + bits > 8) word |= uint32_t(row[bit / 8 + 1]) << 8;
    return float((word >> (bit % 8)) & mask);
  };
  dispatch<Types<float, float16, bfloat16>>(call, a.type, [&]<class T>() {
    parallel(call, n, math::greatest<int64_t>(1, grain_elements / (k * (m + 1) + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      constexpr int64_t chunk = 64, lines = 16;
      for (int64_t column = begin; column < end; ++column) {
        const uint8_t* row = b.as<const uint8_t>() + column * row_bytes;
        for (int64_t first = 0; first < m; first += lines) {
          const int64_t count = math::least(lines, m - first);
          float sums[lines] = {};
          for (int64_t at = 0; at < k; at += chunk) {
            const int64_t width = math::least(chunk, k - at);
            float weights[chunk];
            for (int64_t i = 0; i < width; ++i) {
              const int64_t group = groups.present() ? int64_t(groups.as<const int32_t>()[at + i]) : (at + i) / block;
              float zero = float(1u << (bits - 1));
              if (zeros.present()) {
                if (zeros.type == Type::uint8)
                  zero = number_at(zeros.as<const uint8_t>() + column * zero_bytes, group);
                else
                  zero = float(zeros.as<const T>()[column * blocks + group]);
              }
              weights[i] = (number_at(row, at + i) - zero) * float(scales.as<const T>()[column * blocks + group]);
            }
            for (int64_t l = 0; l < count; ++l) {
              const T* from = a.as<const T>() + (first + l) * k + at;
              float sum = 0;
              for (int64_t i = 0; i < width; ++i) sum += float(from[i]) * weights[i];
              sums[l] += sum;
            }
          }
          for (int64_t l = 0; l < count; ++l)
            y.as<T>()[(first + l) * n + column] = T(sums[l] + (bias.present() ? float(bias.as<const T>()[column]) : 0.0f));
        }
      }
    });
  });
}

// Bytes for the product's packed weights and for the sums of all outputs.
inline uint64_t qlinear_conv_scratch(const Call& call, uint32_t threads) {
  const Tensor& weights = call.input(3);
  return uint64_t(gemm::round_up(call.output().size(), 16)) * 4 +
         gemm::scratch_bytes(weights.dimension(0) / call.integer("group", 1), product(weights.dimensions, 1, weights.rank), threads);
}

// Inputs: x, its scale and zero point, w, its scale and zero point (one, or one for each output channel), y's scale and zero point, B [M] (int32 in
// units of x's times w's scale, optional).
inline void qlinear_conv(const Call& call) {
  const Tensor &x = call.input(0), &weights = call.input(3), &y = call.output();
  const int64_t groups = call.integer("group", 1), channels = y.dimension(1);
  const Window w = window_of(call, x, y, weights.dimensions + 2);
  const detail::LineParameter x_zero(call.input(2), 1), w_scale(call.input(4), channels), w_zero(call.input(5), channels);
  const detail::Affine to = detail::affine_of(call, 6);
  const float x_scale = *call.input(1).as<const float>();
  const int32_t* bias = call.has_input(8) ? call.input(8).as<const int32_t>() : nullptr;
  dispatch<detail::QuantizedBytes>(call, x.type, [&]<class T>() {
    dispatch<detail::QuantizedBytes>(call, weights.type, [&]<class W>() {
      dispatch<detail::QuantizedBytes>(call, y.type, [&]<class Q>() {
        const int32_t zero = x_zero.integer(0, 0);
        const auto finish = [&](int32_t sum, int64_t channel) {
          return detail::requantised<Q>(sum, x_scale * w_scale.real(0, channel) / to.scale, to.zero);
        };
        if (call.scratch) {
          int32_t* sums = static_cast<int32_t*>(call.scratch);
          const int64_t depth = product(weights.dimensions, 1, weights.rank), pixels = w.output_size();
          const auto load = [&, from = weights.as<const W>()](int64_t channel, int64_t k) {
            return int32_t(from[channel * depth + k]) - w_zero.integer(0, channel);
          };
          detail::convolve_as_product<int32_t, T>(call, x, channels, w, groups, load, zero, bias, sums, sums + gemm::round_up(y.size(), 16));
          parallel(call, y.size(), grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
            for (int64_t i = begin; i < end; ++i) y.as<Q>()[i] = finish(sums[i], i / pixels % channels);
          });
        } else {
          const Tensor& zeros = call.input(5);
          detail::convolve_plainly<int32_t, T, W, Q>(call, x, weights, y, w, groups, zero, zeros.as<const W>(), zeros.size() > 1, bias, finish);
        }
      });
    });
  });
}

namespace shapes {

inline void qlinear_matmul(const Call& call) {
  const Tensor &a = call.input(0), &b = call.input(3);
  if (lines_fit(call, 1, a, true) && lines_fit(call, 2, a, true) && lines_fit(call, 4, b, false) && lines_fit(call, 5, b, false) &&
      lines_fit(call, 6, a, true) && lines_fit(call, 7, a, true))
    matrix_product(call, a, b);
}
inline void matmul_integer_to_float(const Call& call) {
  const Tensor &a = call.input(0), &b = call.input(1);
  if (lines_fit(call, 2, a, true) && lines_fit(call, 3, b, false) && lines_fit(call, 4, a, true) && lines_fit(call, 5, b, false))
    shapes::matmul(call);
}
inline void dynamic_quantize_matmul(const Call& call) {
  if (lines_fit(call, 2, call.input(1), false) && lines_fit(call, 3, call.input(1), false)) shapes::matmul(call);
}

inline void qlinear_conv(const Call& call) {
  int64_t dimensions[max_rank];
  if (convolved(call, call.input(0), call.input(3), dimensions)) call.allocate_output(0, dimensions, call.input(0).rank);
}

inline void qgemm(const Call& call) {
  const Tensor &a = call.input(0), &b = call.input(3);
  const bool a_transposed = call.integer("transA", 0) != 0, b_transposed = call.integer("transB", 0) != 0;
  if (a.dimensions[a_transposed ? 0 : 1] != b.dimensions[b_transposed ? 1 : 0]) return call.fail("the inner dimensions of a matrix product differ");
  const int64_t dimensions[2] = {a.dimensions[a_transposed ? 1 : 0], b.dimensions[b_transposed ? 0 : 1]};
  call.allocate_output(0, dimensions, 2);
}

inline void matmul_nbits(const Call& call) {
  const Tensor& a = call.input(0);
  if (a.rank < 1 || a.dimension(-1) != call.integer("K", 0)) return call.fail("the rows of A do not have K numbers");
  int64_t dimensions[max_rank];
  for (int i = 0; i < a.rank; ++i) dimensions[i] = a.dimensions[i];
  dimensions[a.rank - 1] = call.integer("N", 0);
  call.allocate_output(0, dimensions, a.rank);
}

}  // namespace shapes

#define LATHE_KERNELS_QUANTIZED_PRODUCTS(X)                                                           \
  X("", QLinearConv, qlinear_conv, shapes::qlinear_conv)                                              \
  X("", QLinearMatMul, qlinear_matmul, shapes::qlinear_matmul)                                        \
  X("com.microsoft", DynamicQuantizeMatMul, dynamic_quantize_matmul, shapes::dynamic_quantize_matmul) \
  X("com.microsoft", MatMulIntegerToFloat, matmul_integer_to_float, shapes::matmul_integer_to_float)  \
  X("com.microsoft", MatMulNBits, matmul_nbits, shapes::matmul_nbits)                                 \
  X("com.microsoft", QGemm, qgemm, shapes::qgemm)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
