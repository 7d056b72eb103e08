// Operators that read or change a tensor's shape without touching the order of its elements, and those that make tensors from shapes.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {
inline void copy_all(const Call& call) {
  const Tensor& x = call.input(0);
  dispatch_size(call, x.type, [&]<class T>() {
    parallel(call, x.size(), 4 * grain_elements,
             [&](int64_t begin, int64_t end, uint32_t) { copy(call.output().as<T>() + begin, x.as<const T>() + begin, end - begin); });
  });
}
}  // namespace detail

inline void identity(const Call& call) { detail::copy_all(call); }
inline void reshape(const Call& call) { detail::copy_all(call); }
inline void flatten(const Call& call) { detail::copy_all(call); }
inline void squeeze(const Call& call) { detail::copy_all(call); }
inline void unsqueeze(const Call& call) { detail::copy_all(call); }

// Attributes start and end cut the list of dimensions like a Python slice.
inline void shape(const Call& call) {
  const Tensor& x = call.input(0);
  int64_t start = call.integer("start", 0);
  if (start < 0) start += x.rank;
  start = start < 0 ? 0 : start;
  for (int64_t i = 0, n = call.output().size(); i < n; ++i) call.output().as<int64_t>()[i] = x.dimensions[start + i];
}
inline void size(const Call& call) { *call.output().as<int64_t>() = call.input(0).size(); }

// Attribute value: one element, 0.0f when it is absent.
inline void constant_of_shape(const Call& call) {
  const Tensor& y = call.output();
  const Attribute* value = call.attribute("value");
  dispatch_size(call, y.type, [&]<class T>() {
    T fill{};
    if (value) fill = *value->tensor->as<const T>();
    T* to = y.as<T>();
    for (int64_t i = 0, n = y.size(); i < n; ++i) to[i] = fill;
  });
}

// Inputs: input, shape.
inline void expand(const Call& call) {
  const Tensor* inputs[1] = {&call.input(0)};
  const Loop<1> loop = broadcast(call.output(), inputs);
  dispatch_size(call, call.output().type,
                [&]<class T>() { strided_copy(call, loop, call.input(0).template as<const T>(), call.output().template as<T>()); });
}

namespace detail {
// max(0, ceil((limit - start) / delta)) elements; -1: delta is 0, -2: they are too many. Exact for integers.
template <class T>
int64_t range_length(T start, T limit, T delta) {
  if constexpr (std::is_integral_v<T>) {
    if (delta == 0) return -1;
    if (delta > 0 ? limit <= start : limit >= start) return 0;
    const uint64_t span = delta > 0 ? uint64_t(int64_t(limit)) - uint64_t(int64_t(start)) : uint64_t(int64_t(start)) - uint64_t(int64_t(limit));
    const uint64_t step = delta > 0 ? uint64_t(delta) : 0 - uint64_t(int64_t(delta)), count = (span - 1) / step + 1;
    return count > uint64_t(INT64_MAX) ? -2 : int64_t(count);
  } else {
    if (double(delta) == 0) return -1;
    const double count = math::ceil((double(limit) - double(start)) / double(delta));
    if (!(count < 9e15)) return -2;
    return count < 0 ? 0 : int64_t(count);
  }
}
using RangeTypes = Types<float, double, float16, bfloat16, int16_t, int32_t, int64_t>;
}  // namespace detail

// Ones on the diagonal that attribute k shifts up, zeros elsewhere.
inline void eye_like(const Call& call) {
  const Tensor& y = call.output();
  const int64_t k = call.integer("k", 0), columns = y.dimension(1);
  dispatch<Scalars>(call, y.type, [&]<class T>() {
    for (int64_t i = 0, n = y.size(); i < n; ++i) y.as<T>()[i] = convert<T>(i % columns - i / columns == k ? 1.0 : 0.0);
  });
}

// Inputs: start, limit, delta (scalars).
inline void range(const Call& call) {
  dispatch<detail::RangeTypes>(call, call.output().type, [&]<class T>() {
    using C = Compute<T>;
    const C start = C(*call.input(0).template as<const T>()), delta = C(*call.input(2).template as<const T>());
    for (int64_t i = 0, n = call.output().size(); i < n; ++i) call.output().as<T>()[i] = T(math::add(start, math::multiply(C(i), delta)));
  });
}

namespace shapes {

// 0 keeps the input's dimension (unless allowzero), -1 takes what is left.
inline void reshape(const Call& call) {
  const Tensor &x = call.input(0), &wanted = call.input(1);
  if (!has_rank(call, 1, 1)) return;
  const bool allow_zero = call.integer("allowzero", 0) != 0;
  Sizes y(call);
  int open = -1;
  for (int64_t i = 0, n = wanted.dimensions[0]; i < n && y.good; ++i) {
    int64_t size = wanted.as<const int64_t>()[i];
    if (size == -1) {
      if (open >= 0) return call.fail("more than one dimension of the new shape is -1");
      open = int(i);
      size = 1;
    } else if (size == 0 && !allow_zero) {
      if (i >= x.rank) return call.fail("a 0 copies a dimension that the input does not have");
      size = x.dimensions[i];
    }
    y.push(size);
  }
  if (!y.good) return;
  const int64_t count = x.size(), others = checked_product(y.dimensions, 0, y.rank);
  if (open >= 0) {
    if (others < 0 || (others == 0 ? count != 0 : count % others != 0)) return call.fail("the elements do not divide into the new shape");
    y.set(open, others == 0 ? 0 : count / others);
  } else if (others != count) {
    return call.fail("the new shape has another number of elements");
  }
  y.allocate();
}

inline void flatten(const Call& call) {
  const Tensor& x = call.input(0);
  const int64_t axis = call.integer("axis", 1);
  if (axis < -x.rank || axis > x.rank) return call.fail("axis lies outside the tensor's rank");
  const int middle = normal_axis(axis, x.rank);
  Sizes y(call);
  y.push(checked_product(x.dimensions, 0, middle));
  y.push(checked_product(x.dimensions, middle, x.rank));
  y.allocate();
}

inline void squeeze(const Call& call) {
  const Tensor& x = call.input(0);
  bool drop[max_rank] = {};
  if (call.has_input(1)) {
    if (call.input(1).rank > 1) return call.fail("the axes are no list of numbers");
    for (int64_t i = 0, n = call.input(1).size(); i < n; ++i) {
      const int axis = axis_of(call, call.input(1).as<const int64_t>()[i], x.rank);
      if (axis < 0) return;
      if (x.dimensions[axis] != 1) return call.fail("a dimension to be removed is not 1");
      drop[axis] = true;
    }
  } else {
    for (int i = 0; i < x.rank; ++i) drop[i] = x.dimensions[i] == 1;
  }
  Sizes y(call);
  for (int i = 0; i < x.rank; ++i)
    if (!drop[i]) y.push(x.dimensions[i]);
  y.allocate();
}

inline void unsqueeze(const Call& call) {
  const Tensor &x = call.input(0), &axes = call.input(1);
  if (axes.rank > 1) return call.fail("the axes are no list of numbers");
  const int64_t count = axes.size();
  if (count > max_rank - x.rank) return call.fail("the output has too many dimensions");
  const int32_t rank = x.rank + int32_t(count);
  bool added[max_rank] = {};
  for (int64_t i = 0; i < count; ++i) {
    const int axis = axis_of(call, axes.as<const int64_t>()[i], rank);
    if (axis < 0) return;
    if (added[axis]) return call.fail("an axis is added twice");
    added[axis] = true;
  }
  Sizes y(call);
  for (int i = 0, from = 0; i < rank; ++i) y.push(added[i] ? 1 : x.dimensions[from++]);
  y.allocate();
}

inline void shape(const Call& call) {
  const int64_t rank = call.input(0).rank;
  const auto clamped = [&](int64_t v) {
    v = v < 0 ? v + rank : v;
    return v < 0 ? 0 : (v > rank ? rank : v);
  };
  const int64_t start = clamped(call.integer("start", 0)), end = clamped(call.integer("end", rank));
  Sizes y(call);
  y.push(end > start ? end - start : 0);
  y.allocate();
}

// The input's elements are the output's shape.
inline void constant_of_shape(const Call& call) {
  if (!has_rank(call, 0, 1)) return;
  Sizes y(call);
  for (int64_t i = 0, n = call.input(0).dimensions[0]; i < n && y.good; ++i) y.push(call.input(0).as<const int64_t>()[i]);
  y.allocate();
}

inline void expand(const Call& call) {
  if (!has_rank(call, 1, 1)) return;
  Sizes wanted(call);
  for (int64_t i = 0, n = call.input(1).dimensions[0]; i < n && wanted.good; ++i) wanted.push(call.input(1).as<const int64_t>()[i]);
  if (wanted.good && broadcast_into(call, wanted.dimensions, wanted.rank, call.input(0))) wanted.allocate();
}

inline void range(const Call& call) {
  for (int32_t i = 0; i < 3; ++i)
    if (call.input(i).size() != 1) return call.fail("start, limit and step of a range are scalars");
  dispatch<detail::RangeTypes>(call, call.input(0).type, [&]<class T>() {
    const int64_t count =
        detail::range_length(*call.input(0).template as<const T>(), *call.input(1).template as<const T>(), *call.input(2).template as<const T>());
    if (count == -1) return call.fail("the step of a range is 0");
    if (count < 0) return call.fail("the range has too many elements");
    call.allocate_output(0, &count, 1);
  });
}

}  // namespace shapes

namespace shapes {
inline void eye_like(const Call& call) {
  if (has_rank(call, 0, 2)) same(call);
}
}  // namespace shapes

#define LATHE_KERNELS_SHAPE(X)                                         \
  X("", Identity, identity, shapes::same)                              \
  X("", Reshape, reshape, shapes::reshape)                             \
  X("", Flatten, flatten, shapes::flatten)                             \
  X("", Squeeze, squeeze, shapes::squeeze)                             \
  X("", Unsqueeze, unsqueeze, shapes::unsqueeze)                       \
  X("", Shape, shape, shapes::shape)                                   \
  X("", Size, size, shapes::scalar)                                    \
  X("", ConstantOfShape, constant_of_shape, shapes::constant_of_shape) \
  X("", Expand, expand, shapes::expand)                                \
  X("", EyeLike, eye_like, shapes::eye_like)                           \
  X("", Range, range, shapes::range)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
