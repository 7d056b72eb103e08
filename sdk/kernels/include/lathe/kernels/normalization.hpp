// Normalisation over batches, layers, instances and groups.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

// Inference form (training_mode 0): y = (x - mean) / sqrt(variance + epsilon) * scale + bias, per channel (axis 1).
// Inputs: X, scale [C], B [C], input_mean [C], input_var [C].
inline void batch_normalization(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const float epsilon = call.real("epsilon", 1e-5f);
  const int64_t channels = x.rank > 1 ? x.dimension(1) : 1, pixels = product(x.dimensions, 2, x.rank);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    dispatch<Floats>(call, call.input(1).type, [&]<class S>() {
      dispatch<Floats>(call, call.input(3).type, [&]<class M>() {
        using C = Compute<T>;
        parallel(
            call, x.dimension(0) * channels, math::greatest<int64_t>(1, grain_elements / (pixels + 1)), [&](int64_t begin, int64_t end, uint32_t) {
              for (int64_t plane = begin; plane < end; ++plane) {
                const int64_t c = plane % channels;
                const C factor = C(call.input(1).template as<const S>()[c]) / math::sqrt(C(call.input(4).template as<const M>()[c]) + C(epsilon));
                const C shift = C(call.input(2).template as<const S>()[c]) - C(call.input(3).template as<const M>()[c]) * factor;
                const T* from = x.as<const T>() + plane * pixels;
                T* to = y.as<T>() + plane * pixels;
                for (int64_t i = 0; i < pixels; ++i) to[i] = T(C(from[i]) * factor + shift);
              }
            });
      });
    });
  });
}

namespace detail {

// Sum of f(x) over a dense run, in lanes of their own so that the loop vectorises.
template <class C, class T, class F>
C lane_sum(const T* p, int64_t count, F f) {
  constexpr int64_t lanes = 16;
  C part[lanes] = {};
  const int64_t whole = count / lanes * lanes;
  for (int64_t i = 0; i < whole; i += lanes)
    for (int64_t l = 0; l < lanes; ++l) part[l] += f(C(p[i + l]));
  for (int64_t i = whole; i < count; ++i) part[0] += f(C(p[i]));
  for (int64_t l = 1; l < lanes; ++l) part[0] += part[l];
  return part[0];
}

// Mean and 1 / sqrt(variance + epsilon) of a dense run, in two passes.
template <class C, class T>
void moments(const T* p, int64_t count, C epsilon, C& mean, C& scale) {
  mean = lane_sum<C>(p, count, [](C x) { return x; }) / C(count);
  const C centre = mean;
  const C squares = lane_sum<C>(p, count, [centre](C x) { return (x - centre) * (x - centre); });
  scale = C(1) / math::sqrt(squares / C(count) + epsilon);
}

}  // namespace detail

// Inputs: X, Scale, B (optional), both broadcast to the axes from `axis` on. Outputs: Y, Mean, InvStdDev (optional, float32).
// Ba, Kiros and Hinton, "Layer Normalization", 2016.
inline void layer_normalization(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const int axis = normal_axis(call.integer("axis", -1), x.rank);
  const int64_t rows = product(x.dimensions, 0, axis), columns = product(x.dimensions, axis, x.rank);
  const float epsilon = call.real("epsilon", 1e-5f);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    const Tensor* parameters[2] = {&call.input(1), call.has_input(2) ? &call.input(2) : &call.input(1)};
    const Loop<2> loop = broadcast(y, parameters);
    const T *scale = parameters[0]->as<const T>(), *bias = call.has_input(2) ? parameters[1]->as<const T>() : nullptr;
    parallel(call, rows, math::greatest<int64_t>(1, grain_elements / (columns + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t row = begin; row < end; ++row) {
        C mean, factor;
        detail::moments(x.as<const T>() + row * columns, columns, C(epsilon), mean, factor);
        loop.walk(row * columns, (row + 1) * columns, [&](int64_t at, const int64_t(&offsets)[2], int64_t count) {
          for (int64_t i = 0; i < count; ++i) {
            const C normal = (C(x.as<const T>()[at + i]) - mean) * factor * C(scale[offsets[0] + i * loop.stride(0)]);
            y.as<T>()[at + i] = T(bias ? normal + C(bias[offsets[1] + i * loop.stride(1)]) : normal);
          }
        });
        if (call.has_output(1) && call.output(1).type == Type::float32) call.output(1).as<float>()[row] = float(mean);
        if (call.has_output(2) && call.output(2).type == Type::float32) call.output(2).as<float>()[row] = float(factor);
        if (call.has_output(1) && call.output(1).type == Type::float64) call.output(1).as<double>()[row] = double(mean);
        if (call.has_output(2) && call.output(2).type == Type::float64) call.output(2).as<double>()[row] = double(factor);
      }
    });
  });
}

// Inputs: X, scale. Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
inline void rms_normalization(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const int axis = normal_axis(call.integer("axis", -1), x.rank);
  const int64_t rows = product(x.dimensions, 0, axis), columns = product(x.dimensions, axis, x.rank);
  const float epsilon = call.real("epsilon", 1e-5f);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    dispatch<Floats>(call, call.input(1).type, [&]<class S>() {
      using C = Compute<T>;
      const Tensor* parameters[1] = {&call.input(1)};
      const Loop<1> loop = broadcast(y, parameters);
      const S* scale = call.input(1).template as<const S>();
      parallel(call, rows, math::greatest<int64_t>(1, grain_elements / (columns + 1)), [&](int64_t begin, int64_t end, uint32_t) {
        for (int64_t row = begin; row < end; ++row) {
          const T* from = x.as<const T>() + row * columns;
          const C squares = detail::lane_sum<C>(from, columns, [](C x) { return x * x; });
          const C factor = C(1) / math::sqrt(squares / C(columns) + C(epsilon));
          loop.walk(row * columns, (row + 1) * columns, [&](int64_t at, const int64_t(&offsets)[1], int64_t count) {
            for (int64_t i = 0; i < count; ++i)
              y.as<T>()[at + i] = T(C(x.as<const T>()[at + i]) * factor * C(scale[offsets[0] + i * loop.stride(0)]));
          });
        }
      });
    });
  });
}

namespace detail {
// Every group of channels of every batch item has its own moments; scale and bias are per channel.
inline void normalize_groups(const Call& call, int64_t groups) {
  const Tensor &x = call.input(0), &y = call.output();
  if (x.size() == 0) return;  // no channels would be no group to divide into
  const int64_t channels = x.dimension(1), pixels = product(x.dimensions, 2, x.rank), part = channels / groups;
  const float epsilon = call.real("epsilon", 1e-5f);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    const T *scale = call.input(1).template as<const T>(), *bias = call.input(2).template as<const T>();
    parallel(call, x.dimension(0) * groups, math::greatest<int64_t>(1, grain_elements / (part * pixels + 1)),
             [&](int64_t begin, int64_t end, uint32_t) {
               for (int64_t group = begin; group < end; ++group) {
                 C mean, factor;
                 moments(x.as<const T>() + group * part * pixels, part * pixels, C(epsilon), mean, factor);
                 for (int64_t c = 0; c < part; ++c) {
                   const int64_t channel = group % groups * part + c;
                   const T* from = x.as<const T>() + (group * part + c) * pixels;
                   T* to = y.as<T>() + (group * part + c) * pixels;
                   for (int64_t i = 0; i < pixels; ++i) to[i] = T((C(from[i]) - mean) * factor * C(scale[channel]) + C(bias[channel]));
                 }
               }
             });
  });
}
}  // namespace detail

// Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016. Inputs: X, scale [C], B [C].
inline void instance_normalization(const Call& call) { detail::normalize_groups(call, call.input(0).dimension(1)); }
// Wu and He, "Group Normalization", 2018. Inputs: X, scale [C], bias [C].
inline void group_normalization(const Call& call) { detail::normalize_groups(call, call.integer("num_groups", 1)); }

#define LATHE_KERNELS_NORMALIZATION(X)                            \
  X("", BatchNormalization, batch_normalization, shapes::same)    \
  X("", LayerNormalization, layer_normalization, shapes::unknown) \
  X("", RMSNormalization, rms_normalization, shapes::same)        \
  X("", InstanceNormalization, instance_normalization, shapes::same) X("", GroupNormalization, group_normalization, shapes::same)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
