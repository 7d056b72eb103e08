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

// No shape function was written for it.
inline void unknown(const Call& call) { call.fail("the shape of this operator's output cannot be computed at run time"); }

}  // namespace lathe::LATHE_KERNELS_NAMESPACE::shapes
