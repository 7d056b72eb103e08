// Matrix products: MatMul, Gemm, MatMulInteger.
#pragma once
#include "lathe/kernels/elementwise_binary.hpp"
#include "lathe/kernels/gemm.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// numpy.matmul: a vector on the left is a row, on the right a column; leading axes broadcast.
struct MatrixShapes {
  int64_t m, n, k;
  Loop<2> batches;  // strides count matrices
};
inline MatrixShapes matrix_shapes(const Tensor& a, const Tensor& b, const Tensor& y) {
  MatrixShapes s;
  s.m = a.rank > 1 ? a.dimension(-2) : 1;
  s.k = a.dimension(-1);
  s.n = b.rank > 1 ? b.dimension(-1) : 1;
  const int batch_rank = y.rank - (a.rank > 1 ? 1 : 0) - (b.rank > 1 ? 1 : 0);
  int64_t strides[2][max_rank];
  const Tensor* operands[2] = {&a, &b};
  for (int i = 0; i < 2; ++i) {
    int64_t stride = 1;
    for (int axis = batch_rank - 1; axis >= 0; --axis) {
      const int own = axis - (batch_rank - (operands[i]->rank - 2));
      const int64_t dimension = own < 0 || operands[i]->rank < 2 ? 1 : operands[i]->dimensions[own];
      strides[i][axis] = dimension == 1 ? 0 : stride;
      stride *= dimension;
    }
  }
  for (int axis = 0; axis < batch_rank; ++axis) s.batches.push(y.dimensions[axis], {strides[0][axis], strides[1][axis]});
  return s;
}

template <class A, class T, class U, class R>
void multiply_plainly(const Call& call, int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row, int64_t a_column, const U* b, int64_t b_row,
                      int64_t b_column, R* y) {
  parallel(call, m * n, math::greatest<int64_t>(1, grain_elements / (k + 1)), [=](int64_t begin, int64_t end, uint32_t) {
    for (int64_t at = begin; at < end; ++at) {
      const int64_t row = at / n, column = at % n;
      A sum = 0;
      for (int64_t i = 0; i < k; ++i) sum = math::add(sum, math::multiply(A(a[row * a_row + i * a_column]), A(b[i * b_row + column * b_column])));
      y[at] = R(sum);
    }
  });
}

template <class F>
void each_matrix(const MatrixShapes& s, F&& body) {
  s.batches.walk(0, s.batches.size, [&](int64_t at, const int64_t(&offsets)[2], int64_t count) {
    for (int64_t i = 0; i < count; ++i) body(at + i, offsets[0] + i * s.batches.stride(0), offsets[1] + i * s.batches.stride(1));
  });
}

// A parameter of a matrix operand: one number, one for each row (or column) of the product, or that for each matrix of the stack.
struct LineParameter {
  Tensor tensor;
  int64_t lines, count;

  LineParameter(const Tensor& t, int64_t lines_of_product) : tensor(t), lines(lines_of_product), count(t.present() ? t.size() : 0) {}
  int64_t place(int64_t matrix, int64_t line) const { return count <= 1 ? 0 : (count > lines ? matrix * lines + line : line); }
  int32_t integer(int64_t matrix, int64_t line) const {
    if (count == 0) return 0;
    const int64_t at = place(matrix, line);
    return tensor.type == Type::int8 ? int32_t(tensor.as<const int8_t>()[at]) : int32_t(tensor.as<const uint8_t>()[at]);
  }
  float real(int64_t matrix, int64_t line) const {
    if (count == 0) return 1.0f;
    const int64_t at = place(matrix, line);
    if (tensor.type == Type::float16) return float(tensor.as<const float16>()[at]);
    if (tensor.type == Type::bfloat16) return float(tensor.as<const bfloat16>()[at]);
    return tensor.as<const float>()[at];
  }
};

// One [m, k] times [k, n], each element less its zero point: finish(row, column, sum) for each element of the product. left_zero(row) and
// right_zero(column) give the zero points.
template <class T, class U, class LeftZero, class RightZero, class Finish>
void integer_product(const Call& call, int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row, int64_t a_column, const U* b, int64_t b_row,
                     int64_t b_column, LeftZero left_zero, RightZero right_zero, Finish finish) {
  constexpr int64_t width = 64;
  const int64_t strips = (n + width - 1) / width;
  parallel(call, m * strips, math::greatest<int64_t>(1, grain_elements / (width * k + 1)), [&](int64_t begin, int64_t end, uint32_t) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t row = task / strips, first = task % strips * width, count = math::least(width, n - first);
      const int32_t zero = left_zero(row);
      uint32_t sums[width] = {};  // int32 that wraps
      int32_t zeros[width];
      for (int64_t j = 0; j < count; ++j) zeros[j] = right_zero(first + j);
      for (int64_t i = 0; i < k; ++i) {
        const int32_t factor = int32_t(a[row * a_row + i * a_column]) - zero;
        const U* from = b + i * b_row + first * b_column;
        if (b_column == 1) {
          for (int64_t j = 0; j < count; ++j) sums[j] += uint32_t(factor * (int32_t(from[j]) - zeros[j]));
        } else {
          for (int64_t j = 0; j < count; ++j) sums[j] += uint32_t(factor * (int32_t(from[j * b_column]) - zeros[j]));
        }
      }
      for (int64_t j = 0; j < count; ++j) finish(row, first + j, int32_t(sums[j]));
    }
  });
}

// A half type's product is taken in float32, in working memory before the packed operands.
inline int64_t product_result_size(Type type, int64_t m, int64_t n) { return type == Type::float32 ? 0 : gemm::round_up(m * n, 16); }
inline uint64_t product_scratch(Type type, int64_t m, int64_t n, int64_t k, uint32_t threads) {
  if (type != Type::float32 && type != Type::float16 && type != Type::bfloat16) return 0;
  return uint64_t(product_result_size(type, m, n)) * 4 + gemm::scratch_bytes(m, k, threads);
}

// y[m][n] = a b, whose elements lie at row and column strides.
template <class T>
void product_of(const Call& call, int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row, int64_t a_column, const T* b, int64_t b_row,
                int64_t b_column, T* y) {
  if constexpr (std::is_same_v<Compute<T>, float>) {
    if (call.scratch) {
      float* result = static_cast<float*>(call.scratch);
      float* packed = result + product_result_size(type_of<T>, m, n);
      if constexpr (std::is_same_v<T, float>) result = y;
      gemm::pack_rows(
          call, [=](int64_t row, int64_t i) { return float(a[row * a_row + i * a_column]); }, m, k, packed);
      gemm::multiply(call, m, n, k, packed, result, n, static_cast<const float*>(nullptr), packed + gemm::blocks_offset(m, k),
                     gemm::MatrixBlock<float, T>{b, b_row, b_column});
      if constexpr (!std::is_same_v<T, float>)
        parallel(call, m * n, grain_elements, [=](int64_t begin, int64_t end, uint32_t) {
          for (int64_t i = begin; i < end; ++i) y[i] = T(result[i]);
        });
      return;
    }
  }
  multiply_plainly<Compute<T>, T, T, T>(call, m, n, k, a, a_row, a_column, b, b_row, b_column, y);
}

}  // namespace detail

inline uint64_t matmul_scratch(const Call& call, uint32_t threads) {
  const detail::MatrixShapes s = detail::matrix_shapes(call.input(0), call.input(1), call.output());
  return detail::product_scratch(call.input(0).type, s.m, s.n, s.k, threads);
}

inline void matmul(const Call& call) {
  const Tensor &a = call.input(0), &b = call.input(1), &y = call.output();
  const detail::MatrixShapes s = detail::matrix_shapes(a, b, y);
  dispatch<Types<float, double, float16, bfloat16, int32_t, int64_t, uint32_t, uint64_t>>(call, a.type, [&]<class T>() {
    detail::each_matrix(s, [&](int64_t at, int64_t left, int64_t right) {
      detail::product_of(call, s.m, s.n, s.k, a.as<const T>() + left * s.m * s.k, s.k, 1, b.as<const T>() + right * s.k * s.n, s.n, 1,
                         y.as<T>() + at * s.m * s.n);
    });
  });
}

// Inputs: A, B (uint8 or int8), a_zero_point (optional: scalar or per row), b_zero_point (optional: scalar or per column). Output int32.
inline void matmul_integer(const Call& call) {
  const Tensor &a = call.input(0), &b = call.input(1), &y = call.output();
  const detail::MatrixShapes s = detail::matrix_shapes(a, b, y);
  constexpr Tensor absent{nullptr, nullptr, 0, Type::none};
  const detail::LineParameter a_zero(call.has_input(2) ? call.input(2) : absent, s.m), b_zero(call.has_input(3) ? call.input(3) : absent, s.n);
  dispatch<Types<uint8_t, int8_t>>(call, a.type, [&]<class T>() {
    dispatch<Types<uint8_t, int8_t>>(call, b.type, [&]<class U>() {
      detail::each_matrix(s, [&](int64_t at, int64_t left, int64_t right) {
        int32_t* to = y.as<int32_t>() + at * s.m * s.n;
        detail::integer_product(
            call, s.m, s.n, s.k, a.as<const T>() + left * s.m * s.k, s.k, 1, b.as<const U>() + right * s.k * s.n, s.n, 1,
            [&](int64_t row) { return a_zero.integer(left, row); }, [&](int64_t column) { return b_zero.integer(right, column); },
            [&](int64_t row, int64_t column, int32_t sum) { to[row * s.n + column] = sum; });
      });
    });
  });
}

inline uint64_t gemm_scratch(const Call& call, uint32_t threads) {
  const bool transposed = call.integer("transA", 0) != 0;
  return detail::product_scratch(call.input(0).type, call.output().dimension(0), call.output().dimension(1),
                                 call.input(0).dimension(transposed ? 0 : 1), threads);
}

// Y = alpha A' B' + beta C; inputs A, B, C (optional, broadcast to Y).
inline void general_matmul(const Call& call) {
  const Tensor &a = call.input(0), &b = call.input(1), &y = call.output();
  const bool a_transposed = call.integer("transA", 0) != 0, b_transposed = call.integer("transB", 0) != 0;
  const float alpha = call.real("alpha", 1.0f), beta = call.real("beta", 1.0f);
  const int64_t m = y.dimension(0), n = y.dimension(1), k = a.dimension(a_transposed ? 0 : 1);
  const int64_t a_row = a_transposed ? 1 : k, a_column = a_transposed ? m : 1, b_row = b_transposed ? 1 : n, b_column = b_transposed ? k : 1;
  dispatch<Types<float, double, float16, bfloat16, int32_t, int64_t, uint32_t, uint64_t>>(call, a.type, [&]<class T>() {
    using C = Compute<T>;
    detail::product_of(call, m, n, k, a.as<const T>(), a_row, a_column, b.as<const T>(), b_row, b_column, y.as<T>());
    const bool addend = call.has_input(2) && beta != 0.0f;
    if (!addend && alpha == 1.0f) return;
    const Tensor* inputs[1] = {addend ? &call.input(2) : &y};
    const Loop<1> loop = broadcast(y, inputs);
    const int64_t stride = loop.stride(0);
    loop.walk(0, loop.size, [&](int64_t at, const int64_t(&offsets)[1], int64_t count) {
      T* to = y.as<T>() + at;
      const T* c = inputs[0]->as<const T>() + offsets[0];
      for (int64_t i = 0; i < count; ++i) {
        const C scaled = alpha == 1.0f ? C(to[i]) : convert<C>(C(to[i]) * C(alpha));
        const C rest = !addend ? C(0) : (beta == 1.0f ? C(c[i * stride]) : convert<C>(C(c[i * stride]) * C(beta)));
        to[i] = T(math::add(scaled, rest));
      }
    });
  });
}

namespace detail {

// What a fused product does to its result, by ONNX Runtime's names of the standard's operators. False: there is no such activation.
inline bool activate(const Call& call, float* y, int64_t count) {
  const auto each = [&](auto f) {
    parallel(call, count, grain_elements, [=](int64_t begin, int64_t end, uint32_t) {
      for (int64_t i = begin; i < end; ++i) y[i] = f(y[i]);
    });
    return true;
  };
  const auto is = [&](const char* name) { return call.is("activation", name, ""); };
  const auto alpha = [&](float fallback) { return call.real("activation_alpha", fallback); };
  if (is("")) return true;
  if (is("Relu")) return each([](float x) { return math::maximum(0.0f, x); });
  if (is("Sigmoid")) return each([](float x) { return math::sigmoid(x); });
  if (is("Tanh")) return each([](float x) { return math::tanh(x); });
  if (is("Softplus")) return each([](float x) { return math::maximum(x, 0.0f) + math::log1p(math::exp(-math::fabs(x))); });
  if (is("Softsign")) return each([](float x) { return x / (1 + math::fabs(x)); });
  if (is("LeakyRelu")) return each([a = alpha(0.01f)](float x) { return x < 0 ? a * x : x; });
  if (is("ThresholdedRelu")) return each([a = alpha(1.0f)](float x) { return x > a ? x : 0.0f; });
  if (is("Elu")) return each([a = alpha(1.0f)](float x) { return x < 0 ? a * math::expm1(x) : x; });
  if (is("Celu")) return each([a = alpha(1.0f)](float x) { return math::maximum(0.0f, x) + math::minimum(0.0f, a * math::expm1(x / a)); });
  if (is("Selu"))
    return each([a = alpha(1.67326319f), g = call.real("activation_gamma", 1.05070098f)](float x) { return g * (x > 0 ? x : a * math::expm1(x)); });
  if (is("HardSigmoid"))
    return each([a = alpha(0.2f), b = call.real("activation_beta", 0.5f)](float x) { return math::maximum(0.0f, math::minimum(1.0f, a * x + b)); });
  return false;
}

}  // namespace detail

// ONNX Runtime's Gemm followed by the operator that attribute `activation` names. float32.
inline void fused_gemm(const Call& call) {
  general_matmul(call);
  if (*call.error) return;
  if (!detail::activate(call, call.output().as<float>(), call.output().size())) call.fail("the activation of a fused product is not known");
}

// Of square matrices [..., n, n], by elimination with the largest pivot of each column. Working memory: one matrix for each worker.
inline uint64_t determinant_scratch(const Call& call, uint32_t threads) {
  const int64_t n = call.input(0).dimension(-1);
  return uint64_t(n * n) * threads * sizeof(double);
}
inline void determinant(const Call& call) {
  if (!call.scratch) return call.fail("there is no memory for the work of an operator");
  const Tensor& x = call.input(0);
  const int64_t n = x.dimension(-1);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    parallel(call, call.output().size(), math::greatest<int64_t>(1, grain_elements / (n * n * n + 1)),
             [&](int64_t begin, int64_t end, uint32_t worker) {
               double* matrix = static_cast<double*>(call.scratch) + int64_t(worker) * n * n;
               for (int64_t at = begin; at < end; ++at) {
                 for (int64_t i = 0; i < n * n; ++i) matrix[i] = double(Compute<T>(x.as<const T>()[at * n * n + i]));
                 double result = 1;
                 for (int64_t column = 0; column < n && result != 0; ++column) {
                   int64_t pivot = column;
                   for (int64_t row = column + 1; row < n; ++row)
                     if (math::fabs(matrix[row * n + column]) > math::fabs(matrix[pivot * n + column])) pivot = row;
                   if (pivot != column) {
                     result = -result;
                     for (int64_t i = column; i < n; ++i) {
                       const double kept = matrix[column * n + i];
                       matrix[column * n + i] = matrix[pivot * n + i];
                       matrix[pivot * n + i] = kept;
                     }
                   }
                   const double divisor = matrix[column * n + column];
                   result *= divisor;
                   if (divisor == 0) break;
                   for (int64_t row = column + 1; row < n; ++row) {
                     const double factor = matrix[row * n + column] / divisor;
                     for (int64_t i = column + 1; i < n; ++i) matrix[row * n + i] -= factor * matrix[column * n + i];
                   }
                 }
                 call.output().as<T>()[at] = T(Compute<T>(result));
               }
             });
  });
}

namespace detail {
// An operand of FusedMatMul as its attributes turn it: dimensions and strides.
struct TurnedMatrix {
  int64_t dimensions[max_rank] = {}, strides[max_rank] = {};
  int rank;

  TurnedMatrix(const Tensor& x, bool transposed, bool batch_transposed) : rank(x.rank) {
    dense_strides(x, strides);
    for (int i = 0; i < rank; ++i) dimensions[i] = x.dimensions[i];
    if (rank < 2) return;
    if (batch_transposed)
      for (int i = 0; i + 2 < rank; ++i) swap(i, i + 1);  // the first axis before the last one
    if (transposed) swap(rank - 2, rank - 1);
  }
  void swap(int i, int k) {
    const int64_t dimension = dimensions[i], stride = strides[i];
    dimensions[i] = dimensions[k];
    strides[i] = strides[k];
    dimensions[k] = dimension;
    strides[k] = stride;
  }
  Tensor shape() const { return {nullptr, dimensions, rank, Type::none}; }
};
}  // namespace detail

// com.microsoft: alpha A' B', where transA and transB swap the last two axes and transBatchA and transBatchB, before that, put the first axis before
// the last one (ONNX Runtime, docs/ContribOperators.md).
inline void fused_matmul(const Call& call) {
  const Tensor& y = call.output();
  const detail::TurnedMatrix a(call.input(0), call.integer("transA", 0) != 0, call.integer("transBatchA", 0) != 0);
  const detail::TurnedMatrix b(call.input(1), call.integer("transB", 0) != 0, call.integer("transBatchB", 0) != 0);
  const float alpha = call.real("alpha", 1.0f);
  const int64_t m = a.rank > 1 ? a.dimensions[a.rank - 2] : 1, k = a.dimensions[a.rank - 1], n = b.rank > 1 ? b.dimensions[b.rank - 1] : 1;
  const int64_t a_row = a.rank > 1 ? a.strides[a.rank - 2] : 0, a_column = a.strides[a.rank - 1];
  const int64_t b_row = b.strides[b.rank > 1 ? b.rank - 2 : 0], b_column = b.rank > 1 ? b.strides[b.rank - 1] : 0;
  const int stack = y.rank - (a.rank > 1) - (b.rank > 1);
  Loop<2> loop;
  for (int i = 0; i < stack; ++i) {
    const int left = i - (stack - (a.rank - 2)), right = i - (stack - (b.rank - 2));
    loop.push(y.dimensions[i], {a.rank < 2 || left < 0 || a.dimensions[left] == 1 ? 0 : a.strides[left],
                                b.rank < 2 || right < 0 || b.dimensions[right] == 1 ? 0 : b.strides[right]});
  }
  dispatch<Floats>(call, y.type, [&]<class T>() {
    loop.walk(0, loop.size, [&](int64_t at, const int64_t(&offsets)[2], int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        T* to = y.as<T>() + (at + i) * m * n;
        detail::product_of(call, m, n, k, call.input(0).template as<const T>() + offsets[0] + i * loop.stride(0), a_row, a_column,
                           call.input(1).template as<const T>() + offsets[1] + i * loop.stride(1), b_row, b_column, to);
        if (alpha != 1.0f)
          for (int64_t place = 0; place < m * n; ++place) to[place] = T(Compute<T>(to[place]) * Compute<T>(alpha));
      }
    });
  });
}
inline uint64_t fused_matmul_scratch(const Call& call, uint32_t threads) {
  const detail::TurnedMatrix a(call.input(0), call.integer("transA", 0) != 0, call.integer("transBatchA", 0) != 0);
  const detail::TurnedMatrix b(call.input(1), call.integer("transB", 0) != 0, call.integer("transBatchB", 0) != 0);
  return detail::product_scratch(call.input(0).type, a.rank > 1 ? a.dimensions[a.rank - 2] : 1, b.rank > 1 ? b.dimensions[b.rank - 1] : 1,
                                 a.dimensions[a.rank - 1], threads);
}

namespace shapes {

// numpy.matmul of two shapes.
inline void matrix_product(const Call& call, const Tensor& a, const Tensor& b) {
  if (a.rank < 1 || b.rank < 1) return call.fail("an operand of a matrix product is a scalar");
  if (a.dimension(-1) != b.dimension(b.rank > 1 ? -2 : -1)) return call.fail("the inner dimensions of a matrix product differ");
  int64_t dimensions[max_rank + 2];
  int32_t rank = 0;
  Tensor stack_a = a, stack_b = b;
  stack_a.rank = math::greatest(0, a.rank - 2);
  stack_b.rank = math::greatest(0, b.rank - 2);
  if (!broadcast_into(call, dimensions, rank, stack_a) || !broadcast_into(call, dimensions, rank, stack_b)) return;
  if (a.rank > 1) dimensions[rank++] = a.dimension(-2);
  if (b.rank > 1) dimensions[rank++] = b.dimension(-1);
  call.allocate_output(0, dimensions, rank);
}
inline void matmul(const Call& call) { matrix_product(call, call.input(0), call.input(1)); }

// Scales or zero points of an operand: one, one for each of its rows (else columns), or that for each matrix of the stack.
inline bool lines_fit(const Call& call, int32_t input, const Tensor& operand, bool rows) {
  if (!call.has_input(input)) return true;
  const int64_t count = call.input(input).size(), lines = operand.rank < 2 ? 1 : operand.dimension(rows ? -2 : -1);
  if (count == 1 || count == lines || count == lines * product(operand.dimensions, 0, operand.rank < 2 ? 0 : operand.rank - 2)) return true;
  call.fail("a scale or zero point does not have one element, or one for each row or column of its matrix");
  return false;
}
inline void matmul_integer(const Call& call) {
  if (lines_fit(call, 2, call.input(0), true) && lines_fit(call, 3, call.input(1), false)) shapes::matmul(call);
}
inline void fused_matmul(const Call& call) {
  const detail::TurnedMatrix a(call.input(0), call.integer("transA", 0) != 0, call.integer("transBatchA", 0) != 0);
  const detail::TurnedMatrix b(call.input(1), call.integer("transB", 0) != 0, call.integer("transBatchB", 0) != 0);
  matrix_product(call, a.shape(), b.shape());
}

// Gemm.
inline void general_matmul(const Call& call) {
  const Tensor &a = call.input(0), &b = call.input(1);
  const int a_transposed = call.integer("transA", 0) != 0, b_transposed = call.integer("transB", 0) != 0;
  if (a.rank != 2 || b.rank != 2) return call.fail("an operand of a matrix product is no matrix");
  if (a.dimensions[1 - a_transposed] != b.dimensions[b_transposed]) return call.fail("the inner dimensions of a matrix product differ");
  int64_t dimensions[max_rank] = {a.dimensions[a_transposed], b.dimensions[1 - b_transposed]};
  const int64_t rows = dimensions[0], columns = dimensions[1];
  int32_t rank = 2;
  if (call.has_input(2) && !broadcast_into(call, dimensions, rank, call.input(2))) return;
  if (rank != 2 || dimensions[0] != rows || dimensions[1] != columns) return call.fail("the addend of a matrix product does not broadcast to it");
  call.allocate_output(0, dimensions, 2);
}

inline void determinant(const Call& call) {
  const Tensor& x = call.input(0);
  if (x.rank < 2 || x.dimension(-1) != x.dimension(-2)) return call.fail("a determinant is one of square matrices");
  call.allocate_output(0, x.dimensions, x.rank - 2);
}

}  // namespace shapes

#define LATHE_KERNELS_MATMUL(X)                                       \
  X("", Det, determinant, shapes::determinant)                        \
  X("", Gemm, general_matmul, shapes::general_matmul)                 \
  X("", MatMul, matmul, shapes::matmul)                               \
  X("", MatMulInteger, matmul_integer, shapes::matmul_integer)        \
  X("com.microsoft", FusedGemm, fused_gemm, shapes::general_matmul)   \
  X("com.microsoft", FusedMatMul, fused_matmul, shapes::fused_matmul) \
  X("com.microsoft", TransposeMatMul, fused_matmul, shapes::fused_matmul)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
