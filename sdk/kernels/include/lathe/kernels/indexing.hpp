// Operators that read or write at places which are data: gathering, scattering, the largest elements. Indices are checked here.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {
inline constexpr const char* out_of_bounds = "an index lies outside the tensor it points into";

// The index as 0..dimension-1, or -1 when it is out of bounds.
inline int64_t checked_index(int64_t index, int64_t dimension) {
  if (index < 0) index += dimension;
  return index < 0 || index >= dimension ? -1 : index;
}

// What a scatter does with what stands there already.
enum class Combine { replace, add, multiply, maximum, minimum };
inline Combine combine_of(const Call& call) {
  if (call.is("reduction", "add", "none")) return Combine::add;
  if (call.is("reduction", "mul", "none")) return Combine::multiply;
  if (call.is("reduction", "max", "none")) return Combine::maximum;
  if (call.is("reduction", "min", "none")) return Combine::minimum;
  return Combine::replace;
}
template <class T>
T combined(Combine how, T old, T update) {
  using C = Compute<T>;
  switch (how) {
    case Combine::add:
      return T(math::add(C(old), C(update)));
    case Combine::multiply:
      return T(math::multiply(C(old), C(update)));
    case Combine::maximum:
      return T(math::maximum(C(old), C(update)));
    case Combine::minimum:
      return T(math::minimum(C(old), C(update)));
    default:
      return update;
  }
}
// Replacing moves bytes of any type; combining computes.
template <class F>
void dispatch_scatter(const Call& call, Combine how, F&& body) {
  const Tensor& x = call.input(0);
  if (how == Combine::replace) {
    dispatch_size(call, x.type, [&]<class T>() {
      copy(call.output().as<T>(), x.as<const T>(), x.size());
      body(call.output().as<T>(), call.input(2).template as<const T>(), [](T& to, const T& from) { to = from; });
    });
  } else {
    dispatch<Scalars>(call, x.type, [&]<class T>() {
      copy(call.output().as<T>(), x.as<const T>(), x.size());
      body(call.output().as<T>(), call.input(2).template as<const T>(), [how](T& to, const T& from) { to = combined(how, to, from); });
    });
  }
}
}  // namespace detail

// Inputs: data, indices. Output: data's axes before `axis`, the axes of indices, data's axes after.
inline void gather(const Call& call) {
  const Tensor &x = call.input(0), &indices = call.input(1);
  const int axis = normal_axis(call.integer("axis", 0), x.rank);
  const int64_t outer = product(x.dimensions, 0, axis), dimension = x.dimensions[axis], inner = product(x.dimensions, axis + 1, x.rank);
  const int64_t count = indices.size();
  for (int64_t i = 0; i < count; ++i)
    if (detail::checked_index(integer_at(indices, i), dimension) < 0) return call.fail(detail::out_of_bounds);
  dispatch_size(call, x.type, [&]<class T>() {
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < count; ++i)
        copy(call.output().as<T>() + (o * count + i) * inner,
             x.as<const T>() + (o * dimension + detail::checked_index(integer_at(indices, i), dimension)) * inner, inner);
  });
}

// Inputs: data, indices (same rank). Output has the shape of indices.
inline void gather_elements(const Call& call) {
  const Tensor &x = call.input(0), &indices = call.input(1);
  const int axis = normal_axis(call.integer("axis", 0), x.rank);
  int64_t strides[max_rank];
  dense_strides(x, strides);
  dispatch_size(call, x.type, [&]<class T>() {
    for (int64_t i = 0, n = indices.size(); i < n; ++i) {
      int64_t rest = i, offset = 0;
      for (int a = x.rank - 1; a >= 0; --a) {
        int64_t place = rest % indices.dimensions[a];
        rest /= indices.dimensions[a];
        if (a == axis) place = detail::checked_index(integer_at(indices, i), x.dimensions[a]);
        if (place < 0) return call.fail(detail::out_of_bounds);
        offset += place * strides[a];
      }
      call.output().as<T>()[i] = x.as<const T>()[offset];
    }
  });
}

// Inputs: data, indices [..., K]: each row of K numbers points at an element or a slice of data behind the batch axes.
inline void gather_nd(const Call& call) {
  const Tensor &x = call.input(0), &indices = call.input(1);
  const int batch = int(call.integer("batch_dims", 0));
  const int64_t tuple = indices.dimension(-1), batches = product(x.dimensions, 0, batch);
  const int64_t rows = product(indices.dimensions, batch, indices.rank - 1), whole = product(x.dimensions, batch, x.rank);
  const int64_t slice = product(x.dimensions, batch + int(tuple), x.rank);
  dispatch_size(call, x.type, [&]<class T>() {
    for (int64_t row = 0; row < batches * rows; ++row) {
      int64_t offset = 0;
      for (int64_t k = 0; k < tuple; ++k) {
        const int64_t dimension = x.dimensions[batch + k];
        const int64_t place = detail::checked_index(indices.as<const int64_t>()[row * tuple + k], dimension);
        if (place < 0) return call.fail(detail::out_of_bounds);
        offset = offset * dimension + place;
      }
      copy(call.output().as<T>() + row * slice, x.as<const T>() + row / rows * whole + offset * slice, slice);
    }
  });
}

// Inputs: data, indices, updates (shape of indices). Output: data with elements replaced or combined along `axis`.
inline void scatter_elements(const Call& call) {
  const Tensor &x = call.input(0), &indices = call.input(1);
  const int axis = normal_axis(call.integer("axis", 0), x.rank);
  int64_t strides[max_rank];
  dense_strides(x, strides);
  detail::dispatch_scatter(call, detail::combine_of(call), [&](auto* to, const auto* updates, auto put) {
    for (int64_t i = 0, n = indices.size(); i < n; ++i) {
      int64_t rest = i, offset = 0;
      for (int a = x.rank - 1; a >= 0; --a) {
        int64_t place = rest % indices.dimensions[a];
        rest /= indices.dimensions[a];
        if (a == axis) place = detail::checked_index(integer_at(indices, i), x.dimensions[a]);
        if (place < 0) return call.fail(detail::out_of_bounds);
        offset += place * strides[a];
      }
      put(to[offset], updates[i]);
    }
  });
}

// Inputs: data, indices [..., K], updates [..., rest of data's axes].
inline void scatter_nd(const Call& call) {
  const Tensor &x = call.input(0), &indices = call.input(1);
  const int64_t tuple = indices.dimension(-1), rows = product(indices.dimensions, 0, indices.rank - 1),
                slice = product(x.dimensions, int(tuple), x.rank);
  detail::dispatch_scatter(call, detail::combine_of(call), [&](auto* to, const auto* updates, auto put) {
    for (int64_t row = 0; row < rows; ++row) {
      int64_t offset = 0;
      for (int64_t k = 0; k < tuple; ++k) {
        const int64_t place = detail::checked_index(indices.as<const int64_t>()[row * tuple + k], x.dimensions[k]);
        if (place < 0) return call.fail(detail::out_of_bounds);
        offset = offset * x.dimensions[k] + place;
      }
      for (int64_t i = 0; i < slice; ++i) put(to[offset * slice + i], updates[row * slice + i]);
    }
  });
}

// Inputs: X, K (one int64). Outputs: Values, Indices. Of equal values the one with the lower index comes first.
inline void top_k(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const int axis = normal_axis(call.integer("axis", -1), x.rank);
  const bool largest = call.integer("largest", 1) != 0;
  const int64_t count = x.dimensions[axis], kept = y.dimensions[axis], inner = product(x.dimensions, axis + 1, x.rank);
  const int64_t lines = product(x.dimensions, 0, axis) * inner;
  if (kept == 0) return;
  dispatch<Numbers>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    parallel(call, lines, math::greatest<int64_t>(1, grain_elements / (count + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t line = begin; line < end; ++line) {
        const T* from = x.as<const T>() + line / inner * count * inner + line % inner;
        T* values = y.as<T>() + line / inner * kept * inner + line % inner;
        int64_t* heap = call.output(1).as<int64_t>() + line / inner * kept * inner + line % inner;
        // `first` stands before `second` in the result.
        const auto before = [&](int64_t first, int64_t second) {
          const C a = C(from[first * inner]), b = C(from[second * inner]);
          return a == b ? first < second : (largest ? a > b : a < b);
        };
        // A heap of the places kept so far, the one to be dropped next on top.
        const auto sink = [&](int64_t at, int64_t size) {
          for (int64_t child; (child = 2 * at + 1) < size; at = child) {
            if (child + 1 < size && before(heap[child * inner], heap[(child + 1) * inner])) ++child;
            if (!before(heap[at * inner], heap[child * inner])) return;
            const int64_t held = heap[at * inner];
            heap[at * inner] = heap[child * inner];
            heap[child * inner] = held;
          }
        };
        for (int64_t i = 0; i < kept; ++i) heap[i * inner] = i;
        for (int64_t i = kept / 2; i-- > 0;) sink(i, kept);
        for (int64_t i = kept; i < count; ++i) {
          if (!before(i, heap[0])) continue;
          heap[0] = i;
          sink(0, kept);
        }
        for (int64_t size = kept; size-- > 1;) {
          const int64_t held = heap[0];
          heap[0] = heap[size * inner];
          heap[size * inner] = held;
          sink(0, size);
        }
        for (int64_t i = 0; i < kept; ++i) values[i * inner] = from[heap[i * inner] * inner];
      }
    });
  });
}

// Inputs: indices, depth (scalar), values [off, on]. Indices outside -depth..depth-1 give a row of `off`.
inline void one_hot(const Call& call) {
  const Tensor &indices = call.input(0), &y = call.output();
  const int axis = normal_axis(call.integer("axis", -1), y.rank);
  const int64_t outer = product(y.dimensions, 0, axis), depth = y.dimensions[axis], inner = product(y.dimensions, axis + 1, y.rank);
  dispatch<Numbers>(call, indices.type, [&]<class I>() {
    dispatch_size(call, y.type, [&]<class T>() {
      const T* values = call.input(2).template as<const T>();
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t d = 0; d < depth; ++d)
          for (int64_t i = 0; i < inner; ++i) {
            const int64_t index = detail::checked_index(convert<int64_t>(indices.as<const I>()[o * inner + i]), depth);
            y.as<T>()[(o * depth + d) * inner + i] = values[index == d];
          }
    });
  });
}

namespace detail {
inline bool same_shape(const Tensor& a, const Tensor& b) {
  bool result = a.rank == b.rank;
  for (int i = 0; result && i < a.rank; ++i) result = a.dimensions[i] == b.dimensions[i];
  return result;
}
// Data and indices have the same rank, and the indices reach no further than the data but along the attribute axis.
inline bool indices_inside(const Call& call, const Tensor& x, const Tensor& indices) {
  if (x.rank != indices.rank) {
    call.fail("data and indices differ in rank");
    return false;
  }
  const int axis = normal_axis(call.integer("axis", 0), x.rank);
  for (int i = 0; i < x.rank; ++i)
    if (i != axis && indices.dimensions[i] > x.dimensions[i]) {
      call.fail("the indices reach beyond the data");
      return false;
    }
  return true;
}
}  // namespace detail

namespace shapes {

inline void gather(const Call& call) {
  const Tensor &x = call.input(0), &indices = call.input(1);
  const int axis = axis_of(call, call.integer("axis", 0), x.rank);
  if (axis < 0) return;
  if (x.rank - 1 + indices.rank > max_rank) return call.fail("the output has too many dimensions");
  int64_t dimensions[max_rank];
  int32_t rank = 0;
  for (int i = 0; i < axis; ++i) dimensions[rank++] = x.dimensions[i];
  for (int i = 0; i < indices.rank; ++i) dimensions[rank++] = indices.dimensions[i];
  for (int i = axis + 1; i < x.rank; ++i) dimensions[rank++] = x.dimensions[i];
  call.allocate_output(0, dimensions, rank);
}

inline void gather_elements(const Call& call) {
  const Tensor& indices = call.input(1);
  if (axis_of(call, call.integer("axis", 0), indices.rank) >= 0 && detail::indices_inside(call, call.input(0), indices))
    call.allocate_output(0, indices.dimensions, indices.rank);
}

inline void gather_nd(const Call& call) {
  const Tensor &x = call.input(0), &indices = call.input(1);
  const int64_t batch = call.integer("batch_dims", 0);
  if (batch < 0 || batch >= x.rank || batch >= indices.rank) return call.fail("attribute 'batch_dims' is out of range");
  for (int i = 0; i < batch; ++i)
    if (x.dimensions[i] != indices.dimensions[i]) return call.fail("the batch dimensions differ");
  const int64_t tuple = indices.dimension(-1);
  if (tuple < 1 || tuple > x.rank - batch) return call.fail("the index tuples have the wrong length");
  if (indices.rank - 1 + x.rank - batch - tuple > max_rank) return call.fail("the output has too many dimensions");
  int64_t dimensions[max_rank];
  int32_t rank = 0;
  for (int i = 0; i + 1 < indices.rank; ++i) dimensions[rank++] = indices.dimensions[i];
  for (int64_t i = batch + tuple; i < x.rank; ++i) dimensions[rank++] = x.dimensions[i];
  call.allocate_output(0, dimensions, rank);
}

inline void scatter_elements(const Call& call) {
  if (axis_of(call, call.integer("axis", 0), call.input(0).rank) < 0 || !detail::indices_inside(call, call.input(0), call.input(1))) return;
  if (!detail::same_shape(call.input(1), call.input(2))) return call.fail("indices and updates differ in shape");
  same(call);
}

inline void scatter_nd(const Call& call) {
  const Tensor &x = call.input(0), &indices = call.input(1), &updates = call.input(2);
  if (indices.rank < 1) return call.fail("the indices want at least one axis");
  const int64_t tuple = indices.dimension(-1);
  if (tuple < 1 || tuple > x.rank) return call.fail("the index tuples have the wrong length");
  bool fits = updates.rank == indices.rank - 1 + x.rank - tuple;
  for (int i = 0; fits && i < updates.rank; ++i)
    fits = updates.dimensions[i] == (i + 1 < indices.rank ? indices.dimensions[i] : x.dimensions[tuple + i - (indices.rank - 1)]);
  if (!fits) return call.fail("the updates have the wrong shape");
  same(call);
}

inline void top_k(const Call& call) {
  const Tensor &x = call.input(0), &k = call.input(1);
  const int axis = axis_of(call, call.integer("axis", -1), x.rank);
  if (axis < 0) return;
  if (k.size() != 1) return call.fail("K is not one number");
  const int64_t count = integer_at(k, 0);
  if (count < 0 || count > x.dimensions[axis]) return call.fail("K is negative, or larger than the axis");
  int64_t dimensions[max_rank];
  for (int i = 0; i < x.rank; ++i) dimensions[i] = i == axis ? count : x.dimensions[i];
  for (int32_t i = 0; i < call.output_count; ++i) call.allocate_output(i, dimensions, x.rank);
}

inline void one_hot(const Call& call) {
  const Tensor &indices = call.input(0), &depth = call.input(1);
  const int axis = axis_of(call, call.integer("axis", -1), indices.rank + 1);
  if (axis < 0) return;
  int64_t count = 0;
  if (depth.size() == 1) dispatch<Numbers>(call, depth.type, [&]<class T>() { count = convert<int64_t>(*depth.as<const T>()); });
  if (count < 1) return call.fail("the depth is not one positive number");
  if (call.input(2).size() != 2) return call.fail("the values are not two, off and on");
  if (indices.rank >= max_rank) return call.fail("the output has too many dimensions");
  int64_t dimensions[max_rank];
  for (int i = 0; i <= indices.rank; ++i) dimensions[i] = i == axis ? count : indices.dimensions[i - (i > axis)];
  call.allocate_output(0, dimensions, indices.rank + 1);
}

}  // namespace shapes

#define LATHE_KERNELS_INDEXING(X)                                    \
  X("", Gather, gather, shapes::gather)                              \
  X("", GatherElements, gather_elements, shapes::gather_elements)    \
  X("", GatherND, gather_nd, shapes::gather_nd)                      \
  X("", ScatterElements, scatter_elements, shapes::scatter_elements) \
  X("", ScatterND, scatter_nd, shapes::scatter_nd)                   \
  X("", TopK, top_k, shapes::top_k)                                  \
  X("", OneHot, one_hot, shapes::one_hot)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
