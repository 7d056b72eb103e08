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

// Inference form: the input, and a mask of ones.
inline void dropout(const Call& call) {
  detail::copy_all(call);
  if (call.has_output(1))
    for (int64_t i = 0, n = call.output(1).size(); i < n; ++i) call.output(1).as<bool>()[i] = true;
}

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

// Inputs: start, limit, delta (scalars).
inline void range(const Call& call) {
  dispatch<Types<float, double, float16, bfloat16, int16_t, int32_t, int64_t>>(call, call.output().type, [&]<class T>() {
    using C = Compute<T>;
    const C start = C(*call.input(0).template as<const T>()), delta = C(*call.input(2).template as<const T>());
    for (int64_t i = 0, n = call.output().size(); i < n; ++i) call.output().as<T>()[i] = T(math::add(start, math::multiply(C(i), delta)));
  });
}

#define LATHE_KERNELS_SHAPE(X)                               \
  X("", Identity, identity, shapes::same)                    \
  X("", Reshape, reshape, shapes::unknown)                   \
  X("", Flatten, flatten, shapes::unknown)                   \
  X("", Squeeze, squeeze, shapes::unknown)                   \
  X("", Unsqueeze, unsqueeze, shapes::unknown)               \
  X("", Dropout, dropout, shapes::same)                      \
  X("", Shape, shape, shapes::unknown)                       \
  X("", Size, size, shapes::unknown)                         \
  X("", ConstantOfShape, constant_of_shape, shapes::unknown) \
  X("", Expand, expand, shapes::unknown)                     \
  X("", Range, range, shapes::unknown)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
