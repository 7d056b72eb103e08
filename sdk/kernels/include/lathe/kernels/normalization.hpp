// Normalisation over batches, layers, instances and groups.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// Sum of f(i) for i below count, in lanes of their own so that the loop vectorises.
template <class C, class F>
C lane_sum(int64_t count, F f) {
  constexpr int64_t lanes = 16;
  C part[lanes] = {};
  const int64_t whole = count / lanes * lanes;
  for (int64_t i = 0; i < whole; i += lanes)
    for (int64_t l = 0; l < lanes; ++l) part[l] += f(i + l);
  for (int64_t i = whole; i < count; ++i) part[0] += f(i);
  for (int64_t l = 1; l < lanes; ++l) part[0] += part[l];
  return part[0];
}
// Sum of f(x) over a dense run.
template <class C, class T, class F>
C lane_sum(const T* p, int64_t count, F f) {
  return lane_sum<C>(count, [=](int64_t i) { return f(C(p[i])); });
}

// Element `index` of a tensor of any floating-point type: for parameters that are read once per channel or row.
inline double real_at(const Tensor& t, int64_t index) {
  switch (t.type) {
    case Type::float64:
      return t.as<const double>()[index];
    case Type::float16:
      return float(t.as<const float16>()[index]);
    case Type::bfloat16:
      return float(t.as<const bfloat16>()[index]);
    default:
      return t.as<const float>()[index];
  }
}
inline void set_real(const Tensor& t, int64_t index, double value) {
  switch (t.type) {
    case Type::float64:
      t.as<double>()[index] = value;
      return;
    case Type::float16:
      t.as<float16>()[index] = float16(float(value));
      return;
    case Type::bfloat16:
      t.as<bfloat16>()[index] = bfloat16(float(value));
      return;
    default:
      t.as<float>()[index] = float(value);
  }
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

// Ioffe and Szegedy, "Batch Normalization", 2015. Inputs: X, scale [C], B [C], input_mean [C], input_var [C]; y = (x - mean) / sqrt(variance +
// epsilon) * scale + B per channel (axis 1). With training_mode mean and variance are the batch's own, and outputs 1 and 2 are the running ones:
// input * momentum + own * (1 - momentum).
inline void batch_normalization(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const double epsilon = double(call.real("epsilon", 1e-5f)), momentum = double(call.real("momentum", 0.9f));
  const bool training = call.integer("training_mode", 0) != 0;
  const int64_t batch = x.dimension(0), channels = x.rank > 1 ? x.dimension(1) : 1, pixels = product(x.dimensions, 2, x.rank);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    const auto moments_of = [&](int64_t c, double& mean, double& variance) {
      mean = detail::real_at(call.input(3), c);
      variance = detail::real_at(call.input(4), c);
      if (!training) return;
      const double count = double(batch * pixels), old_mean = mean, old_variance = variance;
      double sum = 0, squares = 0;
      for (int64_t n = 0; n < batch; ++n)
        sum += detail::lane_sum<double>(x.as<const T>() + (n * channels + c) * pixels, pixels, [](double v) { return v; });
      mean = sum / count;
      for (int64_t n = 0; n < batch; ++n)
        squares += detail::lane_sum<double>(x.as<const T>() + (n * channels + c) * pixels, pixels, [=](double v) { return (v - mean) * (v - mean); });
      variance = squares / count;
      if (call.has_output(1)) detail::set_real(call.output(1), c, old_mean * momentum + mean * (1 - momentum));
      if (call.has_output(2)) detail::set_real(call.output(2), c, old_variance * momentum + variance * (1 - momentum));
    };
    const auto plane = [&](int64_t n, int64_t c, double mean, double variance) {
      const C factor = C(detail::real_at(call.input(1), c)) / math::sqrt(C(variance) + C(epsilon));
      const C shift = C(detail::real_at(call.input(2), c)) - C(mean) * factor;
      const T* from = x.as<const T>() + (n * channels + c) * pixels;
      T* to = y.as<T>() + (n * channels + c) * pixels;
      for (int64_t i = 0; i < pixels; ++i) to[i] = T(C(from[i]) * factor + shift);
    };
    if (!training)
      return parallel(call, batch * channels, math::greatest<int64_t>(1, grain_elements / (pixels + 1)), [&](int64_t begin, int64_t end, uint32_t) {
        for (int64_t at = begin; at < end; ++at) {
          double mean, variance;
          moments_of(at % channels, mean, variance);
          plane(at / channels, at % channels, mean, variance);
        }
      });
    parallel(call, channels, math::greatest<int64_t>(1, grain_elements / (batch * pixels + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t c = begin; c < end; ++c) {
        double mean, variance;
        moments_of(c, mean, variance);
        for (int64_t n = 0; n < batch; ++n) plane(n, c, mean, variance);
      }
    });
  });
}

// Inputs: X, Scale, B (optional), both broadcast to the axes from `axis` on. Outputs: Y, Mean, InvStdDev (optional, of stash_type).
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
        if (call.has_output(1)) detail::set_real(call.output(1), row, double(mean));
        if (call.has_output(2)) detail::set_real(call.output(2), row, double(factor));
      }
    });
  });
}

// Inputs: X, scale. Output 1 (optional, of SimplifiedLayerNormalization): 1 / root mean square. Zhang and Sennrich, "Root Mean Square Layer
// Normalization", 2019.
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
              y.as<S>()[at + i] = S(Compute<S>(C(x.as<const T>()[at + i]) * factor * C(scale[offsets[0] + i * loop.stride(0)])));
          });
          if (call.has_output(1)) detail::set_real(call.output(1), row, double(factor));
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

namespace detail {

// Calls body(first element, stride, count) for every line along `axis`.
template <class F>
void lines_along(const Call& call, const Tensor& x, int axis, F&& body) {
  const int64_t count = x.dimensions[axis], inner = product(x.dimensions, axis + 1, x.rank), lines = product(x.dimensions, 0, axis) * inner;
  parallel(call, lines, math::greatest<int64_t>(1, grain_elements / (count + 1)), [&](int64_t begin, int64_t end, uint32_t) {
    for (int64_t line = begin; line < end; ++line) body(line / inner * count * inner + line % inner, inner, count);
  });
}

}  // namespace detail

// y = x / norm along `axis`, with the sum of absolute values (p = 1) or the Euclidean norm (p = 2); a line of zeros stays as it is.
inline void lp_normalization(const Call& call) {
  const Tensor& x = call.input(0);
  const bool absolute = call.integer("p", 2) == 1;
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    detail::lines_along(call, x, normal_axis(call.integer("axis", -1), x.rank), [&](int64_t first, int64_t stride, int64_t count) {
      const T* from = x.as<const T>() + first;
      T* to = call.output().template as<T>() + first;
      C norm = 0;
      for (int64_t i = 0; i < count; ++i) {
        const C v = C(from[i * stride]);
        norm += absolute ? math::fabs(v) : v * v;
      }
      if (!absolute) norm = math::sqrt(norm);
      for (int64_t i = 0; i < count; ++i) to[i * stride] = norm == C(0) ? from[i * stride] : T(C(from[i * stride]) / norm);
    });
  });
}

// Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 3.3, across channels (axis 1):
// y = x / (bias + alpha / size * sum of squares of `size` channels around)^beta; of an even size the longer half lies behind.
inline void local_response_normalization(const Call& call) {
  const Tensor& x = call.input(0);
  const int64_t size = call.integer("size", 1), before = (size - 1) / 2, after = size / 2;
  const float alpha = call.real("alpha", 1e-4f), beta = call.real("beta", 0.75f), bias = call.real("bias", 1.0f);
  const int64_t channels = x.dimension(1), pixels = product(x.dimensions, 2, x.rank);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    parallel(call, x.dimension(0) * channels, 1, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const int64_t c = plane % channels, low = math::greatest<int64_t>(0, c - before), high = math::least(channels - 1, c + after);
        const T* from = x.as<const T>() + plane * pixels;
        T* to = call.output().template as<T>() + plane * pixels;
        for (int64_t i = 0; i < pixels; ++i) {
          C squares = 0;
          for (int64_t k = low; k <= high; ++k) {
            const C v = C(from[(k - c) * pixels + i]);
            squares += v * v;
          }
          to[i] = T(C(from[i]) / math::pow(C(bias) + C(alpha) / C(size) * squares, C(beta)));
        }
      }
    });
  });
}

// y = (x - mean) / (standard deviation + 1e-9), both over `axes` (default: all but channels).
inline void mean_variance_normalization(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  bool reduce[max_rank] = {};
  const Attribute* axes = call.attribute("axes");
  constexpr int64_t usual[] = {0, 2, 3};
  const int64_t* list = axes ? axes->ints : usual;
  for (int64_t i = 0, n = axes ? axes->count : 3; i < n; ++i) reduce[normal_axis(list[i], x.rank)] = true;
  int64_t strides[max_rank];
  dense_strides(x, strides);
  Loop<1> kept, reduced;
  for (int axis = 0; axis < x.rank; ++axis) (reduce[axis] ? reduced : kept).push(x.dimensions[axis], {strides[axis]});
  dispatch<Floats>(call, x.type, [&]<class T>() {
    parallel(call, kept.size, math::greatest<int64_t>(1, grain_elements / (reduced.size + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      kept.walk(begin, end, [&](int64_t, const int64_t(&offsets)[1], int64_t places) {
        for (int64_t place = 0; place < places; ++place) {
          const int64_t first = offsets[0] + place * kept.stride(0), stride = reduced.stride(0);
          const T* from = x.as<const T>() + first;
          const auto each = [&](auto f) {
            reduced.walk(0, reduced.size, [&](int64_t, const int64_t(&inner)[1], int64_t run) {
              for (int64_t i = 0; i < run; ++i) f(inner[0] + i * stride);
            });
          };
          double sum = 0, squares = 0;
          each([&](int64_t i) { sum += double(Compute<T>(from[i])); });
          const double mean = sum / double(reduced.size);
          each([&](int64_t i) { squares += (double(Compute<T>(from[i])) - mean) * (double(Compute<T>(from[i])) - mean); });
          const double divisor = math::sqrt(squares / double(reduced.size)) + 1e-9;
          each([&](int64_t i) { y.as<T>()[first + i] = T(Compute<T>((double(Compute<T>(from[i])) - mean) / divisor)); });
        }
      });
    });
  });
}

namespace shapes {

// Y of input 0's shape, then the running mean and variance, of the channels.
inline void batch_normalization(const Call& call) {
  const Tensor& x = call.input(0);
  const int64_t channels[1] = {x.rank > 1 ? x.dimensions[1] : 1};
  for (int i = 1; i <= 4; ++i)
    if (call.input(i).rank != 1 || call.input(i).dimensions[0] != channels[0])
      return call.fail("a batch normalisation wants one parameter for each channel");
  if (!call.allocate_output(0, x.dimensions, x.rank)) return;
  for (int32_t i = 1; i < call.output_count; ++i) call.allocate_output(i, channels, 1);
}

// Y of input 0's shape, then statistics, with 1 on the axes from `axis` on.
inline void layer_normalization(const Call& call) {
  const Tensor& x = call.input(0);
  const int64_t axis = call.integer("axis", -1);
  if (axis < -x.rank || axis >= x.rank) return call.fail("the axis of a normalisation lies outside the tensor's rank");
  for (int32_t i = 1; i < call.input_count; ++i) {
    if (!call.has_input(i)) continue;
    int64_t joined[max_rank];
    int32_t rank = x.rank;
    copy(joined, x.dimensions, x.rank);
    if (!broadcast_into(call, joined, rank, call.input(i))) return;
    bool same = rank == x.rank;
    for (int k = 0; same && k < rank; ++k) same = joined[k] == x.dimensions[k];
    if (!same) return call.fail("a parameter of a normalisation does not broadcast to its input");
  }
  int64_t kept[max_rank];
  for (int i = 0; i < x.rank; ++i) kept[i] = i < normal_axis(axis, x.rank) ? x.dimensions[i] : 1;
  if (!call.allocate_output(0, x.dimensions, x.rank)) return;
  for (int32_t i = 1; i < call.output_count; ++i) call.allocate_output(i, kept, x.rank);
}

// Input 0's shape; one scale and bias for each channel.
inline void channel_normalization(const Call& call) {
  const Tensor& x = call.input(0);
  const int64_t groups = call.integer("num_groups", 1);
  bool fits = x.rank >= 3 && groups > 0 && x.dimensions[1] % groups == 0;
  for (int i = 1; fits && i <= 2; ++i) fits = call.input(i).rank == 1 && call.input(i).dimensions[0] == x.dimensions[1];
  if (!fits) return call.fail("the groups, scales or biases of a normalisation do not fit its channels");
  call.allocate_output(0, x.dimensions, x.rank);
}

}  // namespace shapes

#define LATHE_KERNELS_NORMALIZATION(X)                                                \
  X("", BatchNormalization, batch_normalization, shapes::batch_normalization)         \
  X("", GroupNormalization, group_normalization, shapes::channel_normalization)       \
  X("", InstanceNormalization, instance_normalization, shapes::channel_normalization) \
  X("", LayerNormalization, layer_normalization, shapes::layer_normalization)         \
  X("", LpNormalization, lp_normalization, shapes::same)                              \
  X("", LRN, local_response_normalization, shapes::same)                              \
  X("", MeanVarianceNormalization, mean_variance_normalization, shapes::same)         \
  X("", RMSNormalization, rms_normalization, shapes::layer_normalization)             \
  X("", SimplifiedLayerNormalization, rms_normalization, shapes::layer_normalization)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
