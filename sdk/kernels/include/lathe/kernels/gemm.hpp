// The matrix product (float32 and int32) under convolutions and matrix multiplications: packed panels and a register-tiled inner kernel.
//
// Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008. A is packed once into strips of
// tile_rows rows; B is packed by the caller's function, block by block, so that a convolution never writes out its im2col matrix.
#pragma once
#include <utility>

#include "lathe/kernels/loops.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE::gemm {

#if defined(__AVX512F__)
inline constexpr int lanes = 16, tile_rows = 12, tile_vectors = 2;
#elif defined(__AVX__)
inline constexpr int lanes = 8, tile_rows = 6, tile_vectors = 2;
#elif defined(__aarch64__)
inline constexpr int lanes = 4, tile_rows = 8, tile_vectors = 3;
#else
inline constexpr int lanes = 4, tile_rows = 4, tile_vectors = 2;
#endif
inline constexpr int tile_columns = lanes * tile_vectors;
inline constexpr int64_t block_depth = 256, block_columns = 256 / tile_columns * tile_columns;

template <class T>
struct Vectors {  // T has four bytes
  typedef T Aligned __attribute__((vector_size(lanes * 4)));
  typedef T Unaligned __attribute__((vector_size(lanes * 4), aligned(4), may_alias));
};

// to[i] = from[2 i] for `lanes` elements; nothing behind from[2 (lanes - 1)] is read.
template <int... lane>
void copy_every_second(const float* from, float* to, std::integer_sequence<int, lane...>) {
  using Unaligned = Vectors<float>::Unaligned;
  const Vectors<float>::Aligned low = *reinterpret_cast<const Unaligned*>(from), high = *reinterpret_cast<const Unaligned*>(from + lanes - 1);
  *reinterpret_cast<Unaligned*>(to) = __builtin_shufflevector(low, high, (lane < lanes / 2 ? 2 * lane : 2 * lane + 1)...);
}
inline void copy_every_second(const float* from, float* to) { copy_every_second(from, to, std::make_integer_sequence<int, lanes>()); }

constexpr int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// Elements of a packed A, and of one worker's block of B.
constexpr int64_t packed_rows_size(int64_t rows, int64_t depth) { return round_up(rows, tile_rows) * depth; }
inline constexpr int64_t packed_block_size = block_depth * block_columns;

// Packs A[rows][depth], whose elements load(row, k) gives: strips of tile_rows rows, within a strip depth-major, missing rows as zeros.
template <class T, class Load>
void pack_rows(const Call& call, Load load, int64_t rows, int64_t depth, T* packed) {
  const int64_t strips = (rows + tile_rows - 1) / tile_rows;
  parallel(call, strips, math::greatest<int64_t>(1, grain_elements / (depth * tile_rows + 1)), [=](int64_t begin, int64_t end, uint32_t) {
    for (int64_t strip = begin; strip < end; ++strip) {
      T* to = packed + strip * tile_rows * depth;
      const int count = int(math::least<int64_t>(tile_rows, rows - strip * tile_rows));
      for (int64_t k = 0; k < depth; ++k, to += tile_rows) {
        for (int r = 0; r < count; ++r) to[r] = load(strip * tile_rows + r, k);
        for (int r = count; r < tile_rows; ++r) to[r] = T(0);
      }
    }
  });
}

// C[rows][columns] += (or =) strip of A times strip of B over `depth`. The last tile of a row or column is narrower.
template <class T>
void tile(int64_t depth, const T* __restrict a, const T* __restrict b, T* c, int64_t c_stride, int rows, int columns, bool accumulate,
          const T* bias) {
  using Vector = typename Vectors<T>::Aligned;
  using Unaligned = typename Vectors<T>::Unaligned;
  Vector sum[tile_rows][tile_vectors];
  for (int r = 0; r < tile_rows; ++r)
    for (int v = 0; v < tile_vectors; ++v) sum[r][v] = Vector{};
  for (int64_t k = 0; k < depth; ++k) {
    Vector right[tile_vectors];
#pragma GCC unroll 4
    for (int v = 0; v < tile_vectors; ++v) right[v] = *reinterpret_cast<const Unaligned*>(b + k * tile_columns + v * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < tile_rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < tile_vectors; ++v) sum[r][v] += a[k * tile_rows + r] * right[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < tile_rows; ++r) {
    if (r >= rows) break;
    T* row = c + r * c_stride;
    const T start = bias ? bias[r] : T(0);
    if (columns == tile_columns) {
#pragma GCC unroll 4
      for (int v = 0; v < tile_vectors; ++v) {
        Unaligned* to = reinterpret_cast<Unaligned*>(row + v * lanes);
        *to = (accumulate ? Vector(*to) : Vector{} + start) + sum[r][v];
      }
    } else {
      T buffer[tile_columns];
      __builtin_memcpy(buffer, sum[r], sizeof buffer);
      for (int i = 0; i < columns; ++i) row[i] = (accumulate ? row[i] : start) + buffer[i];
    }
  }
}

// C[rows][columns] (row stride c_stride) = A B + bias per row (or nullptr). `packed` is from pack_rows. pack_block(first row of B, rows,
// first column, columns, to) writes a block of B as strips of tile_columns columns, depth-major within a strip; columns beyond
// the last may hold anything. `blocks` has packed_block_size floats for each worker. Each sum takes `at_once` products (at most block_depth) from
// zero and adds them to the rest: rounding errors grow with the number of additions in a row.
template <class T, class PackBlock>
void multiply(const Call& call, int64_t rows, int64_t columns, int64_t depth, const T* packed, T* c, int64_t c_stride, const T* bias, T* blocks,
              PackBlock&& pack_block, int64_t at_once = block_depth) {
  // Narrower blocks where there are few columns, so that every thread gets some.
  const int64_t width = math::least(block_columns, round_up(math::greatest<int64_t>(columns / 8, 1), tile_columns));
  const int64_t tasks = (columns + width - 1) / width;
  parallel(call, tasks, 1, [&](int64_t begin, int64_t end, uint32_t worker) {
    T* block = blocks + int64_t(worker) * packed_block_size;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task * width, count = math::least(width, columns - first);
      for (int64_t k = 0; k < math::greatest<int64_t>(depth, 1); k += at_once) {
        const int64_t part = math::least(at_once, depth - k);
        pack_block(k, part, first, count, block);
        for (int64_t row = 0; row < rows; row += tile_rows) {
          const T* a = packed + row * depth + k * tile_rows;
          for (int64_t column = 0; column < count; column += tile_columns) {
            tile(part, a, block + column * part, c + row * c_stride + first + column, c_stride, int(math::least<int64_t>(tile_rows, rows - row)),
                 int(math::least<int64_t>(tile_columns, count - column)), k > 0, bias ? bias + row : nullptr);
          }
        }
      }
    }
  });
}

// pack_block for a matrix in memory whose elements are of type S; `zero` is subtracted from each.
template <class T, class S = T>
struct MatrixBlock {
  const S* b;
  int64_t row_stride, column_stride;
  T zero = 0;

  void operator()(int64_t k, int64_t depth, int64_t first, int64_t count, T* to) const {
    for (int64_t column = 0; column < count; column += tile_columns) {
      const int64_t width = math::least<int64_t>(tile_columns, count - column);
      for (int64_t d = 0; d < depth; ++d) {
        const S* from = b + (k + d) * row_stride + (first + column) * column_stride;
        T* target = to + column * depth + d * tile_columns;
        if (column_stride == 1 && width == tile_columns) {
          for (int64_t i = 0; i < tile_columns; ++i) target[i] = T(from[i]) - zero;
        } else {
          for (int64_t i = 0; i < width; ++i) target[i] = T(from[i * column_stride]) - zero;
          for (int64_t i = width; i < tile_columns; ++i) target[i] = T(0);
        }
      }
    }
  }
};

// load() of pack_rows for a matrix in memory.
template <class T>
auto rows_of(const T* a, int64_t row_stride, int64_t depth_stride) {
  return [=](int64_t row, int64_t k) { return a[row * row_stride + k * depth_stride]; };
}

// Bytes of working memory of one product: the packed A, then a block of B for each worker.
inline int64_t blocks_offset(int64_t rows, int64_t depth) { return round_up(packed_rows_size(rows, depth), 16); }
inline uint64_t scratch_bytes(int64_t rows, int64_t depth, uint32_t threads) {
  return uint64_t(blocks_offset(rows, depth) + packed_block_size * threads) * 4;
}

}  // namespace lathe::LATHE_KERNELS_NAMESPACE::gemm
