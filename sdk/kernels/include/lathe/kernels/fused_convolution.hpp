// com.microsoft's convolutions with a tensor added to the result and an activation applied to the sum: FusedConv, and NhwcFusedConv with the
// channels last. Source: ONNX Runtime, docs/ContribOperators.md.
#pragma once
#include "lathe/kernels/convolution.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

struct FusedActivation {
  enum class Kind { none, relu, sigmoid, tanh, leaky_relu, clip, hard_sigmoid } kind = Kind::none;
  float first = 0, second = 0;

  template <class C>
  C operator()(C x) const {
    switch (kind) {
      case Kind::relu:
        return math::maximum(x, C(0));
      case Kind::sigmoid:
        return math::sigmoid(x);
      case Kind::tanh:
        return math::tanh(x);
      case Kind::leaky_relu:
        return x < C(0) ? C(first) * x : x;
      case Kind::clip:
        return math::minimum(math::maximum(x, C(first)), C(second));
      case Kind::hard_sigmoid:
        return math::maximum(C(0), math::minimum(C(1), C(first) * x + C(second)));
      default:
        return x;
    }
  }
};

// Attributes: activation, activation_params (alpha and beta, or minimum and maximum).
inline FusedActivation fused_activation(const Call& call) {
  using Kind = FusedActivation::Kind;
  FusedActivation result;
  const auto take = [&](const char* name, Kind kind, float first, float second) {
    if (!call.is("activation", name, "")) return;
    const Attribute* given = call.attribute("activation_params");
    result = {kind, given && given->count > 0 ? given->floats[0] : first, given && given->count > 1 ? given->floats[1] : second};
  };
  constexpr float infinity = std::numeric_limits<float>::infinity();
  take("Relu", Kind::relu, 0, 0);
  take("Sigmoid", Kind::sigmoid, 0, 0);
  take("Tanh", Kind::tanh, 0, 0);
  take("LeakyRelu", Kind::leaky_relu, 0.01f, 0);
  take("Clip", Kind::clip, -infinity, infinity);
  take("HardSigmoid", Kind::hard_sigmoid, 0.2f, 0.5f);
  return result;
}

}  // namespace detail

// Inputs: X, W, B (optional), Z of the output's shape (optional).
inline void fused_conv(const Call& call) {
  conv(call);
  const detail::FusedActivation activation = detail::fused_activation(call);
  const Tensor& y = call.output();
  dispatch<Floats>(call, y.type, [&]<class T>() {
    const T* z = call.has_input(3) ? call.input(3).template as<const T>() : nullptr;
    parallel(call, y.size(), grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t i = begin; i < end; ++i) {
        const Compute<T> x = Compute<T>(y.as<T>()[i]);
        y.as<T>()[i] = T(activation(z ? x + Compute<T>(z[i]) : x));
      }
    });
  });
}

// X [N, spatial..., C], W [M, C / group, kernel...], B [M] (optional), Z of the output's shape [N, spatial..., M] (optional).
inline void nhwc_fused_conv(const Call& call) {
  const Tensor &x = call.input(0), &weights = call.input(1), &y = call.output();
  const detail::FusedActivation activation = detail::fused_activation(call);
  int64_t inside[max_rank], outside[max_rank];  // as [N, C, spatial...]
  for (int i = 0; i < x.rank; ++i) {
    const int from = i == 0 ? 0 : (i == 1 ? x.rank - 1 : i - 1);
    inside[i] = x.dimensions[from];
    outside[i] = y.dimensions[from];
  }
  const Window w = window_of(call, {nullptr, inside, x.rank, x.type}, {nullptr, outside, x.rank, x.type}, weights.dimensions + 2);
  const int64_t groups = call.integer("group", 1), channels = outside[1], in_channels = inside[1], part = in_channels / groups;
  const int64_t taps = w.kernel_size(), pixels = w.output_size();
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    const T* bias = call.has_input(2) ? call.input(2).template as<const T>() : nullptr;
    const T* z = call.has_input(3) ? call.input(3).template as<const T>() : nullptr;
    parallel(call, inside[0] * pixels, 1, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t pixel = begin; pixel < end; ++pixel) {
        const T* image = x.as<const T>() + pixel / pixels * w.input_size() * in_channels;
        const int64_t place = pixel % pixels, at[3] = {place / (w.output[2] * w.output[1]), place / w.output[2] % w.output[1], place % w.output[2]};
        for (int64_t channel = 0; channel < channels; ++channel) {
          const int64_t first = channel / (channels / groups) * part;
          C sum = bias ? C(bias[channel]) : C(0);
          for (int64_t tap = 0; tap < taps; ++tap) {
            const int64_t k[3] = {tap / (w.kernel[2] * w.kernel[1]), tap / w.kernel[2] % w.kernel[1], tap % w.kernel[2]};
            bool within = true;
            int64_t source = 0;
            for (int a = 0; a < 3; ++a) {
              const int64_t i = at[a] * w.stride[a] - w.pad_begin[a] + k[a] * w.dilation[a];
              within = within && i >= 0 && i < w.input[a];
              source = source * w.input[a] + i;
            }
            if (!within) continue;
            const T* from = image + source * in_channels + first;
            const T* filter = weights.as<const T>() + channel * part * taps + tap;
            for (int64_t c = 0; c < part; ++c) sum += C(from[c]) * C(filter[c * taps]);
          }
          const int64_t to = pixel * channels + channel;
          y.as<T>()[to] = T(activation(z ? sum + C(z[to]) : sum));
        }
      }
    });
  });
}

namespace shapes {

// The output of a convolution of `x` [N, C, spatial...], as [N, M, spatial...] in `dimensions`. False: it does not fit, and the call failed.
inline bool convolved(const Call& call, const Tensor& x, const Tensor& weights, int64_t (&dimensions)[max_rank]) {
  const auto refuse = [&](const char* sentence) {
    call.fail(sentence);
    return false;
  };
  const Attribute *strides = call.attribute("strides"), *dilations = call.attribute("dilations"), *pads = call.attribute("pads");
  if (x.rank < 3 || weights.rank != x.rank) return refuse("input and weights of a convolution differ in rank");
  if (x.dimensions[1] != weights.dimensions[1] * call.integer("group", 1)) return refuse("the input's channels do not match the weights");
  dimensions[0] = x.dimensions[0];
  dimensions[1] = weights.dimensions[0];
  const bool explicit_pads = call.is("auto_pad", "NOTSET", "NOTSET"), valid = call.is("auto_pad", "VALID", "NOTSET");
  for (int i = 0, spatial = x.rank - 2; i < spatial; ++i) {
    const int64_t stride = strides ? strides->ints[i] : 1, d = x.dimensions[2 + i];
    const int64_t padding = explicit_pads && pads ? pads->ints[i] + pads->ints[spatial + i] : 0;
    const int64_t room = d + padding - ((weights.dimensions[2 + i] - 1) * (dilations ? dilations->ints[i] : 1) + 1);
    if (!explicit_pads && !valid) {
      dimensions[2 + i] = (d + stride - 1) / stride;
    } else {
      if (room < 0) return refuse("the kernel of a convolution is larger than its padded input");
      dimensions[2 + i] = room / stride + 1;
    }
  }
  return true;
}

inline void same_as_addend(const Call& call, const int64_t* dimensions, int32_t rank) {
  bool same = !call.has_input(3) || call.input(3).rank == rank;
  for (int i = 0; same && call.has_input(3) && i < rank; ++i) same = call.input(3).dimensions[i] == dimensions[i];
  if (!same) return call.fail("the tensor that is added does not have the output's shape");
  call.allocate_output(0, dimensions, rank);
}
inline void fused_conv(const Call& call) {
  int64_t dimensions[max_rank];
  if (convolved(call, call.input(0), call.input(1), dimensions)) same_as_addend(call, dimensions, call.input(0).rank);
}
inline void nhwc_fused_conv(const Call& call) {
  const Tensor& x = call.input(0);
  int64_t first[max_rank], dimensions[max_rank];
  if (x.rank < 3) return call.fail("input and weights of a convolution differ in rank");
  for (int i = 0; i < x.rank; ++i) first[i] = x.dimensions[i == 0 ? 0 : (i == 1 ? x.rank - 1 : i - 1)];
  if (!convolved(call, {nullptr, first, x.rank, x.type}, call.input(1), dimensions)) return;
  const int64_t channels = dimensions[1];
  for (int i = 1; i + 1 < x.rank; ++i) dimensions[i] = dimensions[i + 1];
  dimensions[x.rank - 1] = channels;
  same_as_addend(call, dimensions, x.rank);
}

}  // namespace shapes

#define LATHE_KERNELS_FUSED_CONVOLUTION(X)                      \
  X("com.microsoft", FusedConv, fused_conv, shapes::fused_conv) \
  X("com.microsoft", NhwcFusedConv, nhwc_fused_conv, shapes::nhwc_fused_conv)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
