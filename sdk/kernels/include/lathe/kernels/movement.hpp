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

namespace detail {
// Elements of part `i` of a Split along an axis of `dimension`: as the input says, or equal parts of which the last may be smaller. Negative when
// the axis is too short for that many parts.
inline int64_t split_size(const Call& call, int32_t i, int64_t dimension) {
  if (call.has_input(1)) return call.input(1).as<const int64_t>()[i];
  const int64_t parts = call.output_count, chunk = dimension / parts + (dimension % parts != 0);
  return i + 1 < parts ? chunk : dimension - chunk * (parts - 1);
}
}  // namespace detail

inline void split(const Call& call) {
  const Tensor& x = call.input(0);
  const int axis = normal_axis(call.integer("axis", 0), x.rank);
  const int64_t outer = product(x.dimensions, 0, axis), inner = product(x.dimensions, axis + 1, x.rank), row = x.dimensions[axis] * inner;
  dispatch_size(call, x.type, [&]<class T>() {
    int64_t at = 0;
    for (int32_t i = 0; i < call.output_count; ++i) {
      const int64_t count = detail::split_size(call, i, x.dimensions[axis]) * inner;
      if (call.has_output(i))
        for (int64_t o = 0; o < outer; ++o) copy(call.output(i).as<T>() + o * count, x.as<const T>() + o * row + at, count);
      at += count;
    }
  });
}

namespace detail {
// How many elements start:end:step selects of `dimension`. `start` becomes the place of the first one.
inline int64_t slice_length(int64_t dimension, int64_t& start, int64_t end, int64_t step) {
  const auto clamped = [&](int64_t v, int64_t low, int64_t high) {
    if (v < 0) v += dimension;  // v >= -2^63 and dimension >= 0: no overflow
    return v < low ? low : (v > high ? high : v);
  };
  const int64_t last = dimension ? dimension - 1 : 0;
  start = clamped(start, 0, step > 0 ? dimension : last);
  end = clamped(end, step > 0 ? 0 : -1, step > 0 ? dimension : last);
  if (dimension == 0) return 0;
  const int64_t span = step > 0 ? end - start : start - end;
  if (span <= 0) return 0;
  const int64_t stride = step > 0 ? step : (step == INT64_MIN ? INT64_MAX : -step);
  return (span - 1) / stride + 1;
}
}  // namespace detail

// Inputs: data, starts, ends, axes (optional), steps (optional).
inline void slice(const Call& call) {
  const Tensor& x = call.input(0);
  int64_t starts[max_rank] = {}, steps[max_rank], strides[max_rank];
  for (int64_t& step : steps) step = 1;
  for (int64_t i = 0, n = call.input(1).size(); i < n; ++i) {
    const int axis = normal_axis(call.has_input(3) ? integer_at(call.input(3), i) : i, x.rank);
    const int64_t step = call.has_input(4) ? integer_at(call.input(4), i) : 1, dimension = x.dimensions[axis];
    starts[axis] = integer_at(call.input(1), i);
    detail::slice_length(dimension, starts[axis], integer_at(call.input(2), i), step);
    steps[axis] = step;
  }
  dense_strides(x, strides);
  Loop<1> loop;
  int64_t offset = 0;
  for (int i = 0; i < x.rank; ++i) {
    offset += starts[i] * strides[i];
    loop.push(call.output().dimensions[i], {math::multiply(strides[i], steps[i])});
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

namespace shapes {

inline void transpose(const Call& call) {
  const Tensor& x = call.input(0);
  const Attribute* permutation = call.attribute("perm");
  if (permutation && permutation->count != x.rank) return call.fail("attribute 'perm' has not as many axes as the input");
  Sizes y(call);
  bool used[max_rank] = {};
  for (int i = 0; i < x.rank; ++i) {
    const int64_t axis = permutation ? permutation->ints[i] : x.rank - 1 - i;
    if (axis < 0 || axis >= x.rank || used[axis]) return call.fail("attribute 'perm' is no permutation of the input's axes");
    used[axis] = true;
    y.push(x.dimensions[axis]);
  }
  y.allocate();
}

inline void concat(const Call& call) {
  const Tensor& first = call.input(0);
  const int axis = axis_of(call, call.integer("axis", 0), first.rank);
  if (axis < 0) return;
  Sizes y(call, first);
  for (int32_t i = 1; i < call.input_count; ++i) {
    const Tensor& x = call.input(i);
    if (x.rank != first.rank) return call.fail("the inputs differ in their number of dimensions");
    for (int k = 0; k < x.rank; ++k)
      if (k != axis && x.dimensions[k] != first.dimensions[k]) return call.fail("the inputs differ on an axis along which they are not joined");
    if (__builtin_add_overflow(y.dimensions[axis], x.dimensions[axis], &y.dimensions[axis]))
      return call.fail("a dimension of the output overflows 63 bits");
  }
  y.allocate();
}

inline void split(const Call& call) {
  const Tensor& x = call.input(0);
  const int axis = axis_of(call, call.integer("axis", 0), x.rank);
  if (axis < 0) return;
  if (call.has_input(1) && (!has_rank(call, 1, 1) || call.input(1).dimensions[0] != call.output_count))
    return call.fail("the sizes are not as many as the outputs");
  int64_t left = x.dimensions[axis];
  for (int32_t i = 0; i < call.output_count; ++i) {
    const int64_t size = detail::split_size(call, i, x.dimensions[axis]);
    if (size < 0) return call.fail(call.has_input(1) ? "a size of a part is negative" : "the axis is too short for that many parts");
    if (size > left) return call.fail("the sizes of the parts do not add up to the axis");
    left -= size;
  }
  if (left) return call.fail("the sizes of the parts do not add up to the axis");
  for (int32_t i = 0; i < call.output_count; ++i) {
    Sizes y(call, x);
    y.set(axis, detail::split_size(call, i, x.dimensions[axis]));
    y.allocate(i);
  }
}

inline void slice(const Call& call) {
  const Tensor& x = call.input(0);
  for (int32_t i = 1; i < call.input_count; ++i)
    if (call.has_input(i) && !has_rank(call, i, 1)) return;
  const int64_t count = call.input(1).size();
  for (int32_t i = 2; i < call.input_count; ++i)
    if (call.has_input(i) && call.input(i).size() != count) return call.fail("starts, ends, axes and steps differ in length");
  if (count > x.rank) return call.fail("more axes are to be cut than the input has");
  Sizes y(call, x);
  bool cut[max_rank] = {};
  for (int64_t i = 0; i < count; ++i) {
    const int axis = axis_of(call, call.has_input(3) ? integer_at(call.input(3), i) : i, x.rank);
    if (axis < 0) return;
    if (cut[axis]) return call.fail("an axis is cut twice");
    cut[axis] = true;
    const int64_t step = call.has_input(4) ? integer_at(call.input(4), i) : 1;
    if (step == 0) return call.fail("a step of a slice is 0");
    int64_t start = integer_at(call.input(1), i);
    y.set(axis, detail::slice_length(x.dimensions[axis], start, integer_at(call.input(2), i), step));
  }
  y.allocate();
}

inline void tile(const Call& call) {
  const Tensor& x = call.input(0);
  if (!has_rank(call, 1, 1)) return;
  if (call.input(1).dimensions[0] != x.rank) return call.fail("the repeats are not as many as the input's axes");
  Sizes y(call, x);
  for (int i = 0; i < x.rank; ++i) y.multiply(i, call.input(1).as<const int64_t>()[i]);
  y.allocate();
}

inline void pad(const Call& call) {
  const Tensor &x = call.input(0), &pads = call.input(1);
  if (!has_rank(call, 1, 1) || (call.has_input(3) && !has_rank(call, 3, 1))) return;
  if (call.has_input(2) && call.input(2).size() != 1) return call.fail("the value to pad with is not one element");
  const int64_t count = call.has_input(3) ? call.input(3).dimensions[0] : x.rank;
  if (count > x.rank) return call.fail("more axes are to be padded than the input has");
  if (pads.dimensions[0] != 2 * count) return call.fail("the pads are not two for each axis");
  const bool repeats = !call.is("mode", "constant", "constant");
  Sizes y(call, x);
  bool padded[max_rank] = {};
  for (int64_t i = 0; i < count; ++i) {
    const int axis = axis_of(call, call.has_input(3) ? integer_at(call.input(3), i) : i, x.rank);
    if (axis < 0) return;
    if (padded[axis]) return call.fail("an axis is padded twice");
    padded[axis] = true;
    const int64_t begin = pads.as<const int64_t>()[i], end = pads.as<const int64_t>()[count + i];
    int64_t size = 0;
    if (__builtin_add_overflow(begin, end, &size) || __builtin_add_overflow(x.dimensions[axis], size, &size))
      return call.fail("a dimension of the output overflows 63 bits");
    if (repeats && x.dimensions[axis] == 0 && (begin > 0 || end > 0)) return call.fail("an empty axis has nothing to repeat");
    y.set(axis, size);
  }
  y.allocate();
}

inline void depth_to_space(const Call& call) {
  if (!has_rank(call, 0, 4)) return;
  const int64_t block = call.integer("blocksize", 1);
  Sizes y(call, call.input(0));
  if (y.dimensions[1] % (block * block)) return call.fail("the channels do not divide into blocks");
  y.set(1, y.dimensions[1] / (block * block));
  y.multiply(2, block);
  y.multiply(3, block);
  y.allocate();
}

inline void space_to_depth(const Call& call) {
  if (!has_rank(call, 0, 4)) return;
  const int64_t block = call.integer("blocksize", 1);
  Sizes y(call, call.input(0));
  if (y.dimensions[2] % block || y.dimensions[3] % block) return call.fail("the image does not divide into blocks");
  y.multiply(1, block * block);
  y.set(2, y.dimensions[2] / block);
  y.set(3, y.dimensions[3] / block);
  y.allocate();
}

inline void trilu(const Call& call) {
  if (call.input(0).rank < 2) return call.fail("the input has fewer than two axes");
  if (call.has_input(1) && call.input(1).size() != 1) return call.fail("k is not one number");
  same(call);
}

}  // namespace shapes

#define LATHE_KERNELS_MOVEMENT(X)                             \
  X("", Concat, concat, shapes::concat)                       \
  X("", DepthToSpace, depth_to_space, shapes::depth_to_space) \
  X("", Pad, pad, shapes::pad)                                \
  X("", Slice, slice, shapes::slice)                          \
  X("", SpaceToDepth, space_to_depth, shapes::space_to_depth) \
  X("", Split, split, shapes::split)                          \
  X("", Tile, tile, shapes::tile)                             \
  X("", Transpose, transpose, shapes::transpose)              \
  X("", Trilu, trilu, shapes::trilu)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
