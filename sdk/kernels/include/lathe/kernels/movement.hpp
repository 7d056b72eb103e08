// Operators that move elements: joining, cutting, transposing, repeating, padding.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

inline void transpose(const Call& call) {
  const Tensor& x = call.input(0);
  const Attribute* permutation = call.attribute("perm");
  int64_t strides[max_rank];
  dense_strides(x, strides);
  Loop<1> loop;
  for (int i = 0; i < x.rank; ++i) {
    const int64_t axis = permutation ? permutation->ints[i] : x.rank - 1 - i;
    loop.push(x.dimensions[axis], {strides[axis]});
  }
  dispatch_size(call, x.type, [&]<class T>() { strided_copy(call, loop, x.as<const T>(), call.output().template as<T>()); });
}

inline void concat(const Call& call) {
  const Tensor& y = call.output();
  const int axis = normal_axis(call.integer("axis", 0), y.rank);
  const int64_t outer = product(y.dimensions, 0, axis), inner = product(y.dimensions, axis + 1, y.rank), row = y.dimensions[axis] * inner;
  dispatch_size(call, y.type, [&]<class T>() {
    int64_t at = 0;
    for (int32_t i = 0; i < call.input_count; ++i) {
      const Tensor& x = call.input(i);
      const int64_t count = x.dimensions[axis] * inner;
      parallel(call, outer, math::greatest<int64_t>(1, grain_elements / (count + 1)), [&](int64_t begin, int64_t end, uint32_t) {
        for (int64_t o = begin; o < end; ++o) copy(y.as<T>() + o * row + at, x.as<const T>() + o * count, count);
      });
      at += count;
    }
  });
}

// The outputs' shapes say where to cut.
inline void split(const Call& call) {
  const Tensor& x = call.input(0);
  const int axis = normal_axis(call.integer("axis", 0), x.rank);
  const int64_t outer = product(x.dimensions, 0, axis), inner = product(x.dimensions, axis + 1, x.rank), row = x.dimensions[axis] * inner;
  dispatch_size(call, x.type, [&]<class T>() {
    int64_t at = 0;
    for (int32_t i = 0; i < call.output_count; ++i) {
      const Tensor& y = call.output(i);
      if (!y.present()) return call.fail("every output of a Split is needed to know where the next one begins");
      const int64_t count = y.dimensions[axis] * inner;
      for (int64_t o = 0; o < outer; ++o) copy(y.as<T>() + o * count, x.as<const T>() + o * row + at, count);
      at += count;
    }
  });
}

// Inputs: data, starts, ends, axes (optional), steps (optional).
inline void slice(const Call& call) {
  const Tensor& x = call.input(0);
  int64_t starts[max_rank] = {}, steps[max_rank], strides[max_rank];
  for (int64_t& step : steps) step = 1;
  for (int64_t i = 0, n = call.input(1).size(); i < n; ++i) {
    const int axis = normal_axis(call.has_input(3) ? integer_at(call.input(3), i) : i, x.rank);
    const int64_t step = call.has_input(4) ? integer_at(call.input(4), i) : 1, dimension = x.dimensions[axis];
    int64_t start = integer_at(call.input(1), i);
    if (start < 0) start += dimension;
    const int64_t highest = step < 0 ? dimension - 1 : dimension;
    starts[axis] = start < 0 ? 0 : (start > highest ? highest : start);
    steps[axis] = step;
  }
  dense_strides(x, strides);
  Loop<1> loop;
  int64_t offset = 0;
  for (int i = 0; i < x.rank; ++i) {
    offset += starts[i] * strides[i];
    loop.push(call.output().dimensions[i], {strides[i] * steps[i]});
  }
  dispatch_size(call, x.type, [&]<class T>() { strided_copy(call, loop, x.as<const T>() + offset, call.output().template as<T>()); });
}

// Inputs: input, repeats.
inline void tile(const Call& call) {
  const Tensor& x = call.input(0);
  int64_t strides[max_rank];
  dense_strides(x, strides);
  Loop<1> loop;
  for (int i = 0; i < x.rank; ++i) {
    loop.push(call.input(1).as<const int64_t>()[i], {0});
    loop.push(x.dimensions[i], {strides[i]});
  }
  dispatch_size(call, x.type, [&]<class T>() { strided_copy(call, loop, x.as<const T>(), call.output().template as<T>()); });
}

namespace detail {
enum class PadMode { constant, reflect, edge, wrap };
// Where output place `at` of an axis comes from; -1: the constant.
inline int64_t pad_source(int64_t at, int64_t begin, int64_t dimension, PadMode mode) {
  const int64_t place = at - begin;
  if (place >= 0 && place < dimension) return place;
  if (mode == PadMode::constant || dimension == 0) return -1;
  if (mode == PadMode::edge) return place < 0 ? 0 : dimension - 1;
  if (mode == PadMode::wrap) return (place % dimension + dimension) % dimension;
  if (dimension == 1) return 0;
  const int64_t period = 2 * (dimension - 1), folded = (place % period + period) % period;
  return folded < dimension ? folded : period - folded;
}
}  // namespace detail

// Inputs: data, pads, constant_value (optional), axes (optional). Negative pads cut.
inline void pad(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const detail::PadMode mode = call.is("mode", "reflect", "constant") ? detail::PadMode::reflect
                               : call.is("mode", "edge", "constant")  ? detail::PadMode::edge
                               : call.is("mode", "wrap", "constant")  ? detail::PadMode::wrap
                                                                      : detail::PadMode::constant;
  int64_t begins[max_rank] = {}, strides[max_rank];
  const int64_t axes = call.has_input(3) ? call.input(3).size() : x.rank;
  for (int64_t i = 0; i < axes; ++i)
    begins[normal_axis(call.has_input(3) ? integer_at(call.input(3), i) : i, x.rank)] = call.input(1).as<const int64_t>()[i];
  dense_strides(x, strides);
  dispatch_size(call, x.type, [&]<class T>() {
    T fill{};
    if (call.has_input(2)) fill = *call.input(2).template as<const T>();
    const int last = x.rank - 1;
    const int64_t inner = x.rank ? y.dimensions[last] : 1;
    parallel(call, inner ? y.size() / inner : 0, math::greatest<int64_t>(1, grain_elements / (inner + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t row = begin; row < end; ++row) {
        T* to = y.as<T>() + row * inner;
        int64_t rest = row, offset = 0;
        bool outside = false;
        for (int axis = last - 1; axis >= 0; --axis) {
          const int64_t source = detail::pad_source(rest % y.dimensions[axis], begins[axis], x.dimensions[axis], mode);
          rest /= y.dimensions[axis];
          outside = outside || source < 0;
          offset += source * strides[axis];
        }
        for (int64_t i = 0; i < inner; ++i) {
          const int64_t source = x.rank ? detail::pad_source(i, begins[last], x.dimensions[last], mode) : 0;
          to[i] = outside || source < 0 ? fill : x.as<const T>()[offset + source];
        }
      }
    });
  });
}

namespace detail {
// Copies in the order of six axes of a view of the input: dimensions and strides as the output walks them.
inline void rearrange(const Call& call, const int64_t (&dimensions)[6], const int (&order)[6]) {
  int64_t strides[6], stride = 1;
  for (int i = 5; i >= 0; --i) {
    strides[i] = stride;
    stride *= dimensions[i];
  }
  Loop<1> loop;
  for (const int axis : order) loop.push(dimensions[axis], {strides[axis]});
  dispatch_size(call, call.output().type,
                [&]<class T>() { strided_copy(call, loop, call.input(0).template as<const T>(), call.output().template as<T>()); });
}
}  // namespace detail

inline void depth_to_space(const Call& call) {
  const Tensor& x = call.input(0);
  const int64_t block = call.integer("blocksize", 1), depth = x.dimension(1) / (block * block), h = x.dimension(2), w = x.dimension(3);
  if (call.is("mode", "CRD", "DCR"))
    detail::rearrange(call, {x.dimension(0), depth, block, block, h, w}, {0, 1, 4, 2, 5, 3});
  else
    detail::rearrange(call, {x.dimension(0), block, block, depth, h, w}, {0, 3, 4, 1, 5, 2});
}
inline void space_to_depth(const Call& call) {
  const Tensor& x = call.input(0);
  const int64_t block = call.integer("blocksize", 1);
  detail::rearrange(call, {x.dimension(0), x.dimension(1), x.dimension(2) / block, block, x.dimension(3) / block, block}, {0, 3, 5, 1, 2, 4});
}

// Keeps the upper (or lower) triangle of the last two axes. Inputs: input, k (optional scalar).
inline void trilu(const Call& call) {
  const Tensor& x = call.input(0);
  const bool upper = call.integer("upper", 1) != 0;
  const int64_t k = call.has_input(1) ? *call.input(1).as<const int64_t>() : 0, rows = x.dimension(-2), columns = x.dimension(-1);
  dispatch_size(call, x.type, [&]<class T>() {
    for (int64_t i = 0, n = x.size(); i < n; ++i) {
      const int64_t row = i / columns % rows, column = i % columns;
      call.output().as<T>()[i] = (upper ? column - row >= k : column - row <= k) ? x.as<const T>()[i] : T{};
    }
  });
}

#define LATHE_KERNELS_MOVEMENT(X)                                                                                          \
  X("", Transpose, transpose, shapes::unknown)                                                                             \
  X("", Concat, concat, shapes::unknown)                                                                                   \
  X("", Split, split, shapes::unknown)                                                                                     \
  X("", Slice, slice, shapes::unknown)                                                                                     \
  X("", Tile, tile, shapes::unknown) X("", Pad, pad, shapes::unknown) X("", DepthToSpace, depth_to_space, shapes::unknown) \
      X("", SpaceToDepth, space_to_depth, shapes::unknown) X("", Trilu, trilu, shapes::same)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
