// Loops that all families share: splitting work into tasks, and walking tensors by strides.
#pragma once
#include "lathe/kernels/math.hpp"
#include "lathe/kernels/types.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

inline constexpr int max_rank = 16;  // inference refuses more

// Calls body(begin, end, worker) for pieces of 0..count-1 of at least `grain`, in parallel where the caller lends threads.
template <class F>
void parallel(const Call& call, int64_t count, int64_t grain, F&& body) {
  if (count <= 0) return;
  const int64_t tasks = math::least<int64_t>(count / math::greatest<int64_t>(grain, 1), 64);
  if (!call.parallel_for || tasks <= 1) return body(int64_t(0), count, 0u);
  struct Job {
    std::remove_reference_t<F>* body;
    int64_t count, tasks;
  } job{&body, count, tasks};
  call.parallel_for(
      call.parallel_context, uint32_t(tasks),
      [](void* argument, uint32_t task, uint32_t worker) {
        const Job& j = *static_cast<const Job*>(argument);
        const int64_t base = j.count / j.tasks, rest = j.count % j.tasks;
        const int64_t begin = base * task + math::least<int64_t>(task, rest);
        (*j.body)(begin, begin + base + (task < rest ? 1 : 0), worker);
      },
      &job);
}

// Work per element times elements that is worth a task of its own.
inline constexpr int64_t grain_elements = 16384;

// Nested loops over a dense output, with the strides (in elements) of N other tensors. Loops that can be merged are.
template <int N>
struct Loop {
  int rank = 0;
  int64_t size = 1;
  int64_t dimensions[2 * max_rank];  // some operators split every axis in two
  int64_t strides[N][2 * max_rank];

  // Appends a loop inside the others.
  void push(int64_t dimension, const int64_t (&stride)[N]) {
    size *= dimension;
    if (dimension == 1) return;
    bool merges = rank > 0;
    for (int i = 0; i < N; ++i) merges = merges && strides[i][rank - 1] == stride[i] * dimension;
    if (merges) {
      dimensions[rank - 1] *= dimension;
      for (int i = 0; i < N; ++i) strides[i][rank - 1] = stride[i];
      return;
    }
    dimensions[rank] = dimension;
    for (int i = 0; i < N; ++i) strides[i][rank] = stride[i];
    ++rank;
  }

  // Calls body(output offset, offsets of the others, count) for runs along the innermost loop that cover begin..end of the output.
  template <class F>
  void walk(int64_t begin, int64_t end, F&& body) const {
    const int64_t inner = rank ? dimensions[rank - 1] : 1;
    while (begin < end) {
      int64_t row = begin / inner;
      const int64_t column = begin % inner;
      int64_t offsets[N];
      for (int i = 0; i < N; ++i) offsets[i] = column * stride(i);
      for (int axis = rank - 2; axis >= 0; --axis) {
        const int64_t index = row % dimensions[axis];
        row /= dimensions[axis];
        for (int i = 0; i < N; ++i) offsets[i] += index * strides[i][axis];
      }
      const int64_t count = math::least(inner - column, end - begin);
      body(begin, offsets, count);
      begin += count;
    }
  }
  int64_t stride(int i) const { return rank ? strides[i][rank - 1] : 0; }  // of the innermost loop
};

// Row-major strides.
inline void dense_strides(const Tensor& tensor, int64_t* strides) {
  int64_t stride = 1;
  for (int axis = tensor.rank - 1; axis >= 0; --axis) {
    strides[axis] = stride;
    stride *= tensor.dimensions[axis];
  }
}

// The loops of a broadcast operator (ONNX, docs/Broadcasting.md).
template <int N>
Loop<N> broadcast(const Tensor& output, const Tensor* const (&inputs)[N]) {
  int64_t strides[N][max_rank];
  for (int i = 0; i < N; ++i) dense_strides(*inputs[i], strides[i]);
  Loop<N> loop;
  for (int axis = 0; axis < output.rank; ++axis) {
    int64_t stride[N];
    for (int i = 0; i < N; ++i) {
      const int own = axis - (output.rank - inputs[i]->rank);
      stride[i] = own < 0 || inputs[i]->dimensions[own] == 1 ? 0 : strides[i][own];
    }
    loop.push(output.dimensions[axis], stride);
  }
  return loop;
}

template <class T>
void copy(T* __restrict to, const T* __restrict from, int64_t count) {
  if (count > 0) __builtin_memcpy(to, from, size_t(count) * sizeof(T));
}

// Writes a dense output from an input addressed by the loop's strides.
template <class T>
void strided_copy(const Call& call, const Loop<1>& loop, const T* from, T* to) {
  const int64_t stride = loop.stride(0);
  parallel(call, loop.size, grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
    loop.walk(begin, end, [&](int64_t at, const int64_t(&offsets)[1], int64_t count) {
      const T* source = from + offsets[0];
      T* target = to + at;
      if (stride == 1) return copy(target, source, count);
      for (int64_t i = 0; i < count; ++i) target[i] = source[i * stride];
    });
  });
}

// y[i] = f(x[i]) over a dense tensor.
template <class List, class F>
void map(const Call& call, F f) {
  dispatch<List>(call, call.input(0).type, [&]<class T>() {
    const T* __restrict x = call.input(0).template as<const T>();
    T* __restrict y = call.output().template as<T>();
    parallel(call, call.output().size(), grain_elements, [=](int64_t begin, int64_t end, uint32_t) {
      for (int64_t i = begin; i < end; ++i) y[i] = T(f(Compute<T>(x[i])));
    });
  });
}

inline int64_t product(const int64_t* dimensions, int begin, int end) {
  int64_t n = 1;
  for (int i = begin; i < end; ++i) n *= dimensions[i];
  return n;
}

inline int normal_axis(int64_t axis, int rank) { return int(axis < 0 ? axis + rank : axis); }

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
