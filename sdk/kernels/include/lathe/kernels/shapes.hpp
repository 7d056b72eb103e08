// Shape functions that several families share; a family's own stand beside its kernels, under `namespace shapes` too.
#pragma once
#include "lathe/kernels/loops.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE::shapes {

// In place of a shape function: the kernel calls allocate_output itself, because what it computes decides the shape.
inline constexpr ShapeFunction by_kernel = nullptr;

// Every output has input 0's shape.
inline void same(const Call& call) {
  const Tensor& x = call.input(0);
  for (int32_t i = 0; i < call.output_count; ++i) call.allocate_output(i, x.dimensions, x.rank);
}

// Every output is a scalar.
inline void scalar(const Call& call) {
  for (int32_t i = 0; i < call.output_count; ++i) call.allocate_output(i, nullptr, 0);
}

// Broadcasts `dimensions` (of `rank`, replaced) with a tensor's shape (ONNX, docs/Broadcasting.md). False: they do not fit, and the call failed.
inline bool broadcast_into(const Call& call, int64_t* dimensions, int32_t& rank, const Tensor& tensor) {
  if (tensor.rank > rank) {
    const int32_t more = tensor.rank - rank;
    for (int32_t i = rank - 1; i >= 0; --i) dimensions[i + more] = dimensions[i];
    for (int32_t i = 0; i < more; ++i) dimensions[i] = 1;
    rank = tensor.rank;
  }
  for (int32_t i = 0; i < tensor.rank; ++i) {
    int64_t& d = dimensions[rank - tensor.rank + i];
    if (d == tensor.dimensions[i] || tensor.dimensions[i] == 1) continue;
    if (d != 1) {
      call.fail("the shapes of the inputs cannot be broadcast to each other");
      return false;
    }
    d = tensor.dimensions[i];
  }
  return true;
}

// One output: all inputs broadcast.
inline void broadcast(const Call& call) {
  int64_t dimensions[max_rank];
  int32_t rank = 0;
  for (int32_t i = 0; i < call.input_count; ++i)
    if (call.has_input(i) && !broadcast_into(call, dimensions, rank, call.input(i))) return;
  call.allocate_output(0, dimensions, rank);
}

// The shape of an output in the making. What cannot be a shape fails the call, once; from then on nothing more is added.
struct Sizes {
  const Call& call;
  int64_t dimensions[max_rank];
  int32_t rank = 0;
  bool good = true;

  explicit Sizes(const Call& c) : call(c) {}
  Sizes(const Call& c, const Tensor& tensor) : call(c) {
    for (int32_t i = 0; i < tensor.rank; ++i) push(tensor.dimensions[i]);
  }
  void fail(const char* sentence) {
    if (good) call.fail(sentence);
    good = false;
  }
  void push(int64_t dimension) {
    if (rank == max_rank) return fail("the output has too many dimensions");
    if (dimension < 0) return fail("a dimension of the output is negative");
    if (good) dimensions[rank++] = dimension;
  }
  void set(int axis, int64_t dimension) {
    if (dimension < 0) return fail("a dimension of the output is negative");
    if (good) dimensions[axis] = dimension;
  }
  void multiply(int axis, int64_t factor) {
    if (factor < 0) return fail("a dimension of the output is negative");
    if (good && __builtin_mul_overflow(dimensions[axis], factor, &dimensions[axis])) fail("a dimension of the output overflows 63 bits");
  }
  void allocate(int32_t output = 0) const {
    if (good) call.allocate_output(output, dimensions, rank);
  }
};

// An axis as 0..rank-1; -1 (and the call failed) when there is no such axis.
inline int axis_of(const Call& call, int64_t axis, int32_t rank) {
  if (axis >= -int64_t(rank) && axis < rank) return normal_axis(axis, rank);
  call.fail("an axis lies outside the tensor's rank");
  return -1;
}

// Whether an input has that rank; the call failed when it has not.
inline bool has_rank(const Call& call, int32_t index, int32_t rank) {
  if (call.input(index).rank == rank) return true;
  call.fail("an input has the wrong number of dimensions");
  return false;
}

// The product of dimensions begin..end-1; -1 when it overflows 63 bits.
inline int64_t checked_product(const int64_t* dimensions, int begin, int end) {
  int64_t n = 1;
  bool overflow = false;
  for (int i = begin; i < end; ++i) {
    if (dimensions[i] == 0) return 0;
    overflow = overflow || __builtin_mul_overflow(n, dimensions[i], &n);
  }
  return overflow ? -1 : n;
}

}  // namespace lathe::LATHE_KERNELS_NAMESPACE::shapes
