// Operators of domain com.microsoft on tensors quantised to bytes, per tensor: addition, multiplication, activations, joining, pooling, softmax.
//
// Each means: (x - zero point) * scale for every input, the operator's float32 function, and quantisation as in QuantizeLinear. Inputs come as
// triples: a tensor, its scale (float32), its zero point (of the tensor's type; 0 where it is absent). Source: ONNX Runtime,
// docs/ContribOperators.md.
#pragma once
#include "lathe/kernels/elementwise_binary.hpp"
#include "lathe/kernels/pooling.hpp"
#include "lathe/kernels/quantization.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

using QuantizedBytes = Types<uint8_t, int8_t>;

struct Affine {
  float scale;
  int32_t zero;

  float operator()(int32_t q) const { return float(q - zero) * scale; }
  template <class Q>
  Q quantised(float value) const {
    const float q = math::round_even(value / scale) + float(zero);
    constexpr float low = float(std::numeric_limits<Q>::min()), high = float(std::numeric_limits<Q>::max());
    return Q(int32_t(q < low ? low : (q > high ? high : (q == q ? q : 0.0f))));
  }
};
// Of scale input `scale` and the zero point behind it.
inline Affine affine_of(const Call& call, int32_t scale) {
  Affine result{*call.input(scale).as<const float>(), 0};
  if (call.has_input(scale + 1)) {
    const Tensor& zero = call.input(scale + 1);
    result.zero = zero.type == Type::int8 ? int32_t(*zero.as<const int8_t>()) : int32_t(*zero.as<const uint8_t>());
  }
  return result;
}

// Inputs: A, its scale and zero point, B, its scale and zero point, C's scale and zero point.
template <class F>
void quantised_binary(const Call& call, F f) {
  const Affine a = affine_of(call, 1), b = affine_of(call, 4), c = affine_of(call, 6);
  dispatch<QuantizedBytes>(call, call.output().type, [&]<class Q>() {
    binary_typed<Q, Q, Q>(call, call.input(0), call.input(3), [=](Q p, Q q) { return c.quantised<Q>(f(a(p), b(q))); });
  });
}

// Inputs: X, its scale and zero point, Y's scale and zero point. A byte has 256 values, so a table says it all.
template <class F>
void quantised_unary(const Call& call, F f) {
  const Affine from = affine_of(call, 1), to = affine_of(call, 3);
  dispatch<QuantizedBytes>(call, call.input(0).type, [&]<class Q>() {
    Q table[256];
    for (int32_t i = 0; i < 256; ++i) table[i] = to.quantised<Q>(f(from(Q(i))));
    const Q* x = call.input(0).template as<const Q>();
    Q* y = call.output().template as<Q>();
    parallel(call, call.output().size(), grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t i = begin; i < end; ++i) y[i] = table[uint8_t(x[i])];
    });
  });
}

}  // namespace detail

inline void qlinear_add(const Call& call) {
  detail::quantised_binary(call, [](float a, float b) { return a + b; });
}
inline void qlinear_mul(const Call& call) {
  detail::quantised_binary(call, [](float a, float b) { return a * b; });
}
inline void qlinear_sigmoid(const Call& call) {
  detail::quantised_unary(call, [](float x) { return math::sigmoid(x); });
}
inline void qlinear_leaky_relu(const Call& call) {
  const float alpha = call.real("alpha", 0.01f);
  detail::quantised_unary(call, [=](float x) { return x < 0 ? alpha * x : x; });
}

// Inputs: Y's scale and zero point, then a triple for each tensor to be joined. Attribute: axis.
inline void qlinear_concat(const Call& call) {
  const Tensor& y = call.output();
  const detail::Affine to = detail::affine_of(call, 0);
  const int axis = normal_axis(call.integer("axis", 0), y.rank);
  const int64_t outer = product(y.dimensions, 0, axis), inner = product(y.dimensions, axis + 1, y.rank), row = y.dimensions[axis] * inner;
  dispatch<detail::QuantizedBytes>(call, y.type, [&]<class Q>() {
    int64_t at = 0;
    for (int32_t i = 2; i + 1 < call.input_count; i += 3) {
      const Tensor& x = call.input(i);
      const detail::Affine from = detail::affine_of(call, i + 1);
      const int64_t count = x.dimensions[axis] * inner;
      Q table[256];
      for (int32_t k = 0; k < 256; ++k) table[k] = from.scale == to.scale && from.zero == to.zero ? Q(k) : to.quantised<Q>(from(Q(k)));
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t k = 0; k < count; ++k) y.as<Q>()[o * row + at + k] = table[uint8_t(x.as<const Q>()[o * count + k])];
      at += count;
    }
  });
}

namespace detail {
// A view of a tensor [N, spatial..., C] with its dimensions in the order of [N, C, spatial...].
struct ChannelsFirst {
  int64_t dimensions[max_rank];
  Tensor tensor;
  int64_t channel_stride, pixel_stride;

  ChannelsFirst(const Tensor& x, bool channels_last) : tensor(x) {
    for (int i = 0; i < x.rank; ++i) dimensions[i] = x.dimensions[i];
    if (channels_last) {
      dimensions[1] = x.dimensions[x.rank - 1];
      for (int i = 2; i < x.rank; ++i) dimensions[i] = x.dimensions[i - 1];
    }
    const int64_t pixels = product(dimensions, 2, x.rank);
    tensor.dimensions = dimensions;
    channel_stride = channels_last ? 1 : pixels;
    pixel_stride = channels_last ? dimensions[1] : 1;
  }
  ChannelsFirst(const ChannelsFirst&) = delete;
};
}  // namespace detail

// Inputs: X, its scale and zero point, Y's scale and zero point. Attributes: those of AveragePool, and channels_last.
inline void qlinear_average_pool(const Call& call) {
  const bool channels_last = call.integer("channels_last", 0) != 0, count_pads = call.integer("count_include_pad", 0) != 0;
  const detail::ChannelsFirst x(call.input(0), channels_last), y(call.output(), channels_last);
  const detail::Affine from = detail::affine_of(call, 1), to = detail::affine_of(call, 3);
  const Window w = window_of(call, x.tensor, y.tensor, call.attribute("kernel_shape")->ints);
  const int64_t channels = x.dimensions[1];
  dispatch<detail::QuantizedBytes>(call, call.input(0).type, [&]<class Q>() {
    parallel(call, x.dimensions[0] * channels, 1, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const int64_t batch = plane / channels, channel = plane % channels;
        const Q* image = call.input(0).template as<const Q>() + batch * channels * w.input_size() + channel * x.channel_stride;
        Q* result = call.output().template as<Q>() + batch * channels * w.output_size() + channel * y.channel_stride;
        for (int64_t place = 0; place < w.output_size(); ++place) {
          int64_t low[3], high[3], counted = 1, rest = place;
          for (int a = 2; a >= 0; --a) {
            const int64_t start = rest % w.output[a] * w.stride[a] - w.pad_begin[a];
            rest /= w.output[a];
            low[a] = math::greatest<int64_t>(start, 0);
            high[a] = math::least(start + w.kernel[a], w.input[a]);
            // With ceil_mode a window may reach beyond the padding; what lies there is never counted.
            counted *=
                count_pads ? math::least(start + w.kernel[a], w.input[a] + w.pad_end[a]) - start : math::greatest<int64_t>(high[a] - low[a], 0);
          }
          int64_t sum = 0;
          for (int64_t d = low[0]; d < high[0]; ++d)
            for (int64_t h = low[1]; h < high[1]; ++h)
              for (int64_t c = low[2]; c < high[2]; ++c) sum += int64_t(image[((d * w.input[1] + h) * w.input[2] + c) * x.pixel_stride]) - from.zero;
          result[place * y.pixel_stride] = to.quantised<Q>(counted > 0 ? float(sum) * from.scale / float(counted) : 0.0f);
        }
      }
    });
  });
}

// Attribute: channels_last.
inline void qlinear_global_average_pool(const Call& call) {
  const detail::ChannelsFirst x(call.input(0), call.integer("channels_last", 0) != 0);
  const detail::Affine from = detail::affine_of(call, 1), to = detail::affine_of(call, 3);
  const int64_t channels = x.dimensions[1], pixels = product(x.dimensions, 2, x.tensor.rank);
  dispatch<detail::QuantizedBytes>(call, call.input(0).type, [&]<class Q>() {
    for (int64_t plane = 0; plane < x.dimensions[0] * channels; ++plane) {
      const Q* image = call.input(0).template as<const Q>() + plane / channels * channels * pixels + plane % channels * x.channel_stride;
      int64_t sum = 0;
      for (int64_t i = 0; i < pixels; ++i) sum += int64_t(image[i * x.pixel_stride]) - from.zero;
      call.output().as<Q>()[plane] = to.quantised<Q>(float(sum) * from.scale / float(pixels));
    }
  });
}

// Attributes: axis, and opset: below 13 everything from `axis` on is one distribution.
inline void qlinear_softmax(const Call& call) {
  const Tensor& x = call.input(0);
  const detail::Affine from = detail::affine_of(call, 1), to = detail::affine_of(call, 3);
  const int axis = normal_axis(call.integer("axis", -1), x.rank);
  const bool flattened = call.integer("opset", 13) < 13;
  const int64_t outer = product(x.dimensions, 0, axis), inner = flattened ? 1 : product(x.dimensions, axis + 1, x.rank),
                count = flattened ? product(x.dimensions, axis, x.rank) : (x.rank ? x.dimensions[axis] : 1);
  dispatch<detail::QuantizedBytes>(call, x.type, [&]<class Q>() {
    parallel(call, outer * inner, math::greatest<int64_t>(1, grain_elements / (count + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t line = begin; line < end; ++line) {
        const int64_t base = line / inner * count * inner + line % inner;
        const Q* p = x.as<const Q>() + base;
        int32_t best = std::numeric_limits<Q>::min();
        for (int64_t i = 0; i < count; ++i) best = math::greatest(best, int32_t(p[i * inner]));
        double sum = 0;
        for (int64_t i = 0; i < count; ++i) sum += double(math::exp(float(int32_t(p[i * inner]) - best) * from.scale));
        for (int64_t i = 0; i < count; ++i)
          call.output().as<Q>()[base + i * inner] = to.quantised<Q>(float(double(math::exp(float(int32_t(p[i * inner]) - best) * from.scale)) / sum));
      }
    });
  });
}

namespace shapes {

// Inputs 0 and 3 broadcast.
inline void qlinear_binary(const Call& call) {
  int64_t dimensions[max_rank];
  int32_t rank = 0;
  if (!broadcast_into(call, dimensions, rank, call.input(0)) || !broadcast_into(call, dimensions, rank, call.input(3))) return;
  call.allocate_output(0, dimensions, rank);
}

inline void qlinear_concat(const Call& call) {
  const Tensor& first = call.input(2);
  int64_t dimensions[max_rank];
  const int axis = normal_axis(call.integer("axis", 0), first.rank);
  if (axis < 0 || axis >= first.rank) return call.fail("the axis of a concatenation lies outside the tensor's rank");
  for (int i = 0; i < first.rank; ++i) dimensions[i] = first.dimensions[i];
  for (int32_t k = 5; k + 1 < call.input_count; k += 3) {
    const Tensor& next = call.input(k);
    if (next.rank != first.rank) return call.fail("tensors that are joined differ in rank");
    for (int i = 0; i < first.rank; ++i)
      if (i == axis)
        dimensions[i] += next.dimensions[i];
      else if (next.dimensions[i] != first.dimensions[i])
        return call.fail("tensors that are joined differ in another dimension than the axis");
  }
  call.allocate_output(0, dimensions, first.rank);
}

inline void qlinear_average_pool(const Call& call) {
  const Tensor& x = call.input(0);
  const bool channels_last = call.integer("channels_last", 0) != 0, ceil_mode = call.integer("ceil_mode", 0) != 0;
  const Attribute *kernel = call.attribute("kernel_shape"), *strides = call.attribute("strides"), *dilations = call.attribute("dilations"),
                  *pads = call.attribute("pads");
  int64_t dimensions[max_rank];
  const int spatial = x.rank - 2, first = channels_last ? 1 : 2;
  if (spatial < 1 || kernel->count != spatial) return call.fail("the kernel of a pooling does not fit the input's rank");
  for (int i = 0; i < x.rank; ++i) dimensions[i] = x.dimensions[i];
  for (int i = 0; i < spatial; ++i) {
    const int64_t stride = strides ? strides->ints[i] : 1, extent = (kernel->ints[i] - 1) * (dilations ? dilations->ints[i] : 1) + 1;
    int64_t& d = dimensions[first + i];
    const bool explicit_pads = call.is("auto_pad", "NOTSET", "NOTSET"), valid = call.is("auto_pad", "VALID", "NOTSET");
    if (!explicit_pads && !valid) {
      d = (d + stride - 1) / stride;
      continue;
    }
    const int64_t begin = explicit_pads && pads ? pads->ints[i] : 0, end = explicit_pads && pads ? pads->ints[spatial + i] : 0;
    const int64_t room = d + begin + end - extent;
    if (room < 0) return call.fail("the kernel of a pooling is larger than its padded input");
    int64_t places = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
    if (ceil_mode && (places - 1) * stride >= d + begin) --places;  // the last window begins inside the input or its left padding
    d = places;
  }
  call.allocate_output(0, dimensions, x.rank);
}

inline void qlinear_global_average_pool(const Call& call) {
  const Tensor& x = call.input(0);
  int64_t dimensions[max_rank];
  const int channel = call.integer("channels_last", 0) ? x.rank - 1 : 1;
  for (int i = 0; i < x.rank; ++i) dimensions[i] = i == 0 || i == channel ? x.dimensions[i] : 1;
  call.allocate_output(0, dimensions, x.rank);
}

}  // namespace shapes

#define LATHE_KERNELS_QUANTIZED_ARITHMETIC(X)                                                                    \
  X("com.microsoft", QLinearAdd, qlinear_add, shapes::qlinear_binary)                                            \
  X("com.microsoft", QLinearMul, qlinear_mul, shapes::qlinear_binary)                                            \
  X("com.microsoft", QLinearSigmoid, qlinear_sigmoid, shapes::same)                                              \
  X("com.microsoft", QLinearLeakyRelu, qlinear_leaky_relu, shapes::same)                                         \
  X("com.microsoft", QLinearConcat, qlinear_concat, shapes::qlinear_concat)                                      \
  X("com.microsoft", QLinearAveragePool, qlinear_average_pool, shapes::qlinear_average_pool)                     \
  X("com.microsoft", QLinearGlobalAveragePool, qlinear_global_average_pool, shapes::qlinear_global_average_pool) \
  X("com.microsoft", QLinearSoftmax, qlinear_softmax, shapes::same)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
