// Quantisation to integers and back: per tensor, per axis or in blocks along an axis.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// Which scale belongs to an element: the tensor seen as [outer, dimension, inner].
struct Quantizer {
  enum class Kind { tensor, axis, block } kind = Kind::tensor;
  int64_t outer = 1, dimension = 1, inner = 1, block = 1, blocks = 1;

  // Calls body(first element, count, index of its scale, scale's stride: 0 or 1) for runs that lie dense in memory.
  template <class F>
  void runs(int64_t begin, int64_t end, F&& body) const {
    if (kind == Kind::tensor) return body(begin, end - begin, int64_t(0), int64_t(0));
    while (begin < end) {
      const int64_t place = begin / inner % dimension, column = begin % inner, count = math::least(inner - column, end - begin);
      if (kind == Kind::axis)
        body(begin, count, place, int64_t(0));
      else
        body(begin, count, (begin / (inner * dimension) * blocks + place / block) * inner + column, int64_t(1));
      begin += count;
    }
  }
};

inline Quantizer quantizer_of(const Call& call) {
  const Tensor &x = call.input(0), &scale = call.input(1);
  Quantizer q;
  if (scale.size() == 1 && scale.rank <= 1) return q;
  const int axis = normal_axis(call.integer("axis", 1), x.rank);
  q.outer = product(x.dimensions, 0, axis);
  q.dimension = x.dimensions[axis];
  q.inner = product(x.dimensions, axis + 1, x.rank);
  q.block = call.integer("block_size", 0);
  q.kind = q.block ? Quantizer::Kind::block : Quantizer::Kind::axis;
  if (q.block) q.blocks = scale.dimensions[axis];
  return q;
}

using Quantized = Types<uint8_t, int8_t, uint16_t, int16_t>;

}  // namespace detail

// y = saturate(round_even(x / scale) + zero point). Inputs: x, y_scale, y_zero_point (optional; its type is y's).
inline void quantize_linear(const Call& call) {
  const Tensor &x = call.input(0), &scale = call.input(1), &y = call.output();
  const detail::Quantizer q = detail::quantizer_of(call);
  dispatch<Types<float, float16, bfloat16, int32_t>>(call, x.type, [&]<class T>() {
    dispatch<Types<float, float16, bfloat16, int32_t>>(call, scale.type, [&]<class S>() {
      dispatch<detail::Quantized>(call, y.type, [&]<class Q>() {
        const Q* zeros = call.has_input(2) ? call.input(2).template as<const Q>() : nullptr;
        constexpr float low = float(std::numeric_limits<Q>::min()), high = float(std::numeric_limits<Q>::max());
        parallel(call, x.size(), grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
          q.runs(begin, end, [&](int64_t first, int64_t count, int64_t index, int64_t stride) {
            const T* from = x.as<const T>() + first;
            Q* to = y.as<Q>() + first;
            for (int64_t i = 0; i < count; ++i) {
              const float zero = zeros ? float(zeros[index + i * stride]) : 0.0f;
              const float value = math::round_even(float(from[i]) / float(scale.as<const S>()[index + i * stride])) + zero;
              to[i] = Q(int32_t(value < low ? low : (value > high ? high : (value == value ? value : 0.0f))));
            }
          });
        });
      });
    });
  });
}

// y = (x - zero point) * scale. Inputs: x, x_scale, x_zero_point (optional). The output has the scale's type.
inline void dequantize_linear(const Call& call) {
  const Tensor &x = call.input(0), &scale = call.input(1), &y = call.output();
  const detail::Quantizer q = detail::quantizer_of(call);
  dispatch<Types<uint8_t, int8_t, uint16_t, int16_t, int32_t>>(call, x.type, [&]<class Q>() {
    dispatch<Types<float, float16, bfloat16>>(call, scale.type, [&]<class S>() {
      dispatch<Types<float, float16, bfloat16>>(call, y.type, [&]<class T>() {
        const Q* zeros = call.has_input(2) ? call.input(2).template as<const Q>() : nullptr;
        parallel(call, x.size(), grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
          q.runs(begin, end, [&](int64_t first, int64_t count, int64_t index, int64_t stride) {
            const Q* from = x.as<const Q>() + first;
            T* to = y.as<T>() + first;
            for (int64_t i = 0; i < count; ++i) {
              const int64_t zero = zeros ? int64_t(zeros[index + i * stride]) : 0;
              to[i] = T(float(int64_t(from[i]) - zero) * float(scale.as<const S>()[index + i * stride]));
            }
          });
        });
      });
    });
  });
}

// Outputs: y (uint8), y_scale, y_zero_point, from the range of x, which is widened to hold 0.
inline void dynamic_quantize_linear(const Call& call) {
  const Tensor& x = call.input(0);
  const float* from = x.as<const float>();
  const int64_t count = x.size();
  float low = 0, high = 0;
  for (int64_t i = 0; i < count; ++i) {
    low = from[i] < low ? from[i] : low;
    high = from[i] > high ? from[i] : high;
  }
  const float scale = high == low ? 1.0f : (high - low) / 255.0f;
  const float zero = math::round_even(math::minimum(255.0f, math::maximum(0.0f, -low / scale)));
  *call.output(1).as<float>() = scale;
  *call.output(2).as<uint8_t>() = uint8_t(zero);
  parallel(call, count, grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
    uint8_t* __restrict to = call.output(0).as<uint8_t>();
    for (int64_t i = begin; i < end; ++i) {
      const float value = math::round_even(from[i] / scale) + zero;
      to[i] = uint8_t(int32_t(value < 0 ? 0.0f : (value > 255 ? 255.0f : (value == value ? value : 0.0f))));
    }
  });
}

namespace shapes {

// Of QuantizeLinear and DequantizeLinear: the input's shape. The scale is a scalar, one number per place of `axis`, or one per block.
inline void quantize(const Call& call) {
  const Tensor &x = call.input(0), &scale = call.input(1);
  if (call.has_input(2)) {
    const Tensor& zero = call.input(2);
    bool same_shape = zero.rank == scale.rank;
    for (int i = 0; same_shape && i < zero.rank; ++i) same_shape = zero.dimensions[i] == scale.dimensions[i];
    const bool single = zero.rank <= 1 && scale.rank <= 1 && zero.size() == 1 && scale.size() == 1;
    if (!same_shape && !single) return call.fail("scale and zero point differ in shape");
  }
  if (scale.rank > 1 || (scale.rank == 1 && scale.dimensions[0] != 1)) {
    const int axis = axis_of(call, call.integer("axis", 1), x.rank);
    if (axis < 0) return;
    if (const int64_t block = call.integer("block_size", 0)) {
      if (scale.rank != x.rank) return call.fail("blocked quantisation wants a scale of the input's rank");
      for (int i = 0; i < x.rank; ++i) {
        const int64_t d = x.dimensions[i], expected = i == axis ? d / block + (d % block != 0) : d;
        if (scale.dimensions[i] != expected) return call.fail("the scale's shape does not fit the blocks");
      }
    } else if (scale.rank != 1 || scale.dimensions[0] != x.dimensions[axis]) {
      return call.fail("the scale's length does not fit the axis");
    }
  }
  same(call);
}

// Outputs: like x; scale and zero point are scalars.
inline void dynamic_quantize_linear(const Call& call) {
  call.allocate_output(0, call.input(0).dimensions, call.input(0).rank);
  call.allocate_output(1, nullptr, 0);
  call.allocate_output(2, nullptr, 0);
}

}  // namespace shapes

#define LATHE_KERNELS_QUANTIZATION(X)                          \
  X("", QuantizeLinear, quantize_linear, shapes::quantize)     \
  X("", DequantizeLinear, dequantize_linear, shapes::quantize) \
  X("", DynamicQuantizeLinear, dynamic_quantize_linear, shapes::dynamic_quantize_linear)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
