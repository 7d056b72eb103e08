// Quantisation to integers and back: per tensor, per axis or in blocks along an axis; rows gathered from a table that is quantised in blocks.
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

// Numbers of any type as float64, which holds what all of them mean (int64 is no type of quantised tensors).
using Readable = Types<float, double, float16, bfloat16, int32_t, uint8_t, int8_t, uint16_t, int16_t, uint4, int4, uint2, int2, float4e2m1,
                       float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz, float8e8m0>;
inline void read_numbers(const Call& call, const Tensor& tensor, int64_t first, int64_t stride, int64_t count, double* to) {
  dispatch<Readable>(call, tensor.type, [&]<class T>() {
    for (int64_t i = 0; i < count; ++i) to[i] = double(Compute<T>(tensor.as<const T>()[first + i * stride]));
  });
}

// The quotient as a number of the type that the division is to be done in. float64 has more than twice the bits of each, plus two, so rounding its
// quotient once more gives what rounding the exact one would (Figueroa, "When is Double Rounding Innocuous?", 1995).
inline double rounded_to(Type precision, double value) {
  switch (precision) {
    case Type::float16:
      return float(convert<float16>(value));
    case Type::bfloat16:
      return float(convert<bfloat16>(value));
    case Type::float64:
    case Type::int32:  // whole numbers are divided in float64
      return value;
    default:
      return float(value);
  }
}

inline constexpr int64_t quantization_block = 64;
using QuantizedIntegers = Types<uint8_t, int8_t, uint16_t, int16_t, uint4, int4, uint2, int2>;
using QuantizedFloats = Types<float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz, float4e2m1>;
inline bool is_quantized_float(Type type) { return type == Type::float4e2m1 || (type >= Type::float8e4m3fn && type <= Type::float8e5m2fnuz); }

template <class Q>
Q saturated(double value) {
  constexpr double low = double(lowest_of<Q>()), high = double(highest_of<Q>());
  return Q(int32_t(value < low ? low : (value > high ? high : (value == value ? value : 0.0))));
}

inline void quantize_any(const Call& call, const Quantizer& q) {
  const Tensor &x = call.input(0), &scale = call.input(1), &y = call.output();
  const Type asked = Type(call.integer("precision", 0)), precision = asked != Type::none ? asked : scale.type;
  const bool saturate = call.integer("saturate", 1) != 0;
  parallel(call, x.size(), grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
    q.runs(begin, end, [&](int64_t run, int64_t length, int64_t index, int64_t stride) {
      for (int64_t done = 0; done < length; done += quantization_block) {
        const int64_t first = run + done, count = math::least(quantization_block, length - done), place = index + done * stride;
        double value[quantization_block], divisor[quantization_block], zero[quantization_block];
        read_numbers(call, x, first, 1, count, value);
        read_numbers(call, scale, place, stride, count, divisor);
        if (call.has_input(2))
          read_numbers(call, call.input(2), place, stride, count, zero);
        else
          for (int64_t i = 0; i < count; ++i) zero[i] = 0;
        for (int64_t i = 0; i < count; ++i) value[i] = rounded_to(precision, rounded_to(precision, value[i]) / rounded_to(precision, divisor[i]));
        if (y.type == Type::float4e2m1) {
          for (int64_t i = 0; i < count; ++i) y.as<float4e2m1>()[first + i] = float4e2m1(narrow_to_odd(value[i] + zero[i]));
        } else if (is_quantized_float(y.type)) {
          dispatch<QuantizedFloats>(call, y.type, [&]<class Q>() {  // their zero point is 0
            for (int64_t i = 0; i < count; ++i) y.as<Q>()[first + i] = Q::from_bits(Q::encode(narrow_to_odd(value[i]), saturate));
          });
        } else {
          dispatch<QuantizedIntegers>(call, y.type, [&]<class Q>() {
            for (int64_t i = 0; i < count; ++i) y.as<Q>()[first + i] = saturated<Q>(math::round_even(value[i]) + zero[i]);
          });
        }
      }
    });
  });
}

// The usual types: float32 to whole bytes.
template <class Q>
void quantize_floats(const Call& call, const Quantizer& q) {
  const Tensor &x = call.input(0), &scale = call.input(1), &y = call.output();
  const Q* zeros = call.has_input(2) ? call.input(2).template as<const Q>() : nullptr;
  constexpr float low = float(std::numeric_limits<Q>::min()), high = float(std::numeric_limits<Q>::max());
  parallel(call, x.size(), grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
    q.runs(begin, end, [&](int64_t first, int64_t count, int64_t index, int64_t stride) {
      const float* from = x.as<const float>() + first;
      Q* to = y.as<Q>() + first;
      for (int64_t i = 0; i < count; ++i) {
        const float zero = zeros ? float(zeros[index + i * stride]) : 0.0f;
        const float value = math::round_even(from[i] / scale.as<const float>()[index + i * stride]) + zero;
        to[i] = Q(int32_t(value < low ? low : (value > high ? high : (value == value ? value : 0.0f))));
      }
    });
  });
}

inline void dequantize_any(const Call& call, const Quantizer& q) {
  const Tensor &x = call.input(0), &scale = call.input(1), &y = call.output();
  parallel(call, x.size(), grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
    q.runs(begin, end, [&](int64_t run, int64_t length, int64_t index, int64_t stride) {
      for (int64_t done = 0; done < length; done += quantization_block) {
        const int64_t first = run + done, count = math::least(quantization_block, length - done), place = index + done * stride;
        double value[quantization_block], factor[quantization_block], zero[quantization_block];
        read_numbers(call, x, first, 1, count, value);
        read_numbers(call, scale, place, stride, count, factor);
        if (call.has_input(2))
          read_numbers(call, call.input(2), place, stride, count, zero);
        else
          for (int64_t i = 0; i < count; ++i) zero[i] = 0;
        dispatch<Floats>(call, y.type, [&]<class T>() {
          for (int64_t i = 0; i < count; ++i) y.as<T>()[first + i] = T(float(float(value[i] - zero[i]) * factor[i]));
        });
      }
    });
  });
}

template <class Q>
void dequantize_to_floats(const Call& call, const Quantizer& q) {
  const Tensor &x = call.input(0), &scale = call.input(1), &y = call.output();
  const Q* zeros = call.has_input(2) ? call.input(2).template as<const Q>() : nullptr;
  parallel(call, x.size(), grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
    q.runs(begin, end, [&](int64_t first, int64_t count, int64_t index, int64_t stride) {
      const Q* from = x.as<const Q>() + first;
      float* to = y.as<float>() + first;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t zero = zeros ? int64_t(zeros[index + i * stride]) : 0;
        to[i] = float(int64_t(from[i]) - zero) * scale.as<const float>()[index + i * stride];
      }
    });
  });
}

inline bool is_plain_integer(Type type) { return type == Type::uint8 || type == Type::int8 || type == Type::uint16 || type == Type::int16; }

}  // namespace detail

// y = saturate(round_even(x / scale) + zero point). Inputs: x, y_scale, y_zero_point (optional; its type is y's). Attributes: axis, block_size,
// precision (the type to divide in; default: the scale's), saturate (of float8).
inline void quantize_linear(const Call& call) {
  const Type precision = Type(call.integer("precision", 0)), y = call.output().type;
  const detail::Quantizer q = detail::quantizer_of(call);
  if (call.input(0).type == Type::float32 && call.input(1).type == Type::float32 && (precision == Type::none || precision == Type::float32) &&
      detail::is_plain_integer(y))
    return dispatch<Types<uint8_t, int8_t, uint16_t, int16_t>>(call, y, [&]<class Q>() { detail::quantize_floats<Q>(call, q); });
  detail::quantize_any(call, q);
}

// y = (x - zero point) * scale, in float32. Inputs: x, x_scale, x_zero_point (optional). The output has the scale's type, or output_dtype.
inline void dequantize_linear(const Call& call) {
  const Type x = call.input(0).type;
  const detail::Quantizer q = detail::quantizer_of(call);
  if ((detail::is_plain_integer(x) || x == Type::int32) && call.input(1).type == Type::float32 && call.output().type == Type::float32)
    return dispatch<Types<uint8_t, int8_t, uint16_t, int16_t, int32_t>>(call, x, [&]<class Q>() { detail::dequantize_to_floats<Q>(call, q); });
  detail::dequantize_any(call, q);
}

// Rows of a table that is quantised in blocks, multiplied out (ONNX Runtime's contrib operators, GatherBlockQuantized). Inputs: data, indices, scales
// (data's shape with a block for each `block_size` places of quantize_axis), zero_points (optional, of the scales' shape and data's type). Data of
// uint8 holds `bits` bits a number: fewer than 8 lie packed along the last axis, the lowest first, and so do the zero points, each row from a byte of
// its own. Without zero points the middle of the unsigned range is 0 there, and 0 is 0 in uint4 and int4.
inline void gather_block_quantized(const Call& call) {
  const Tensor &data = call.input(0), &indices = call.input(1), &scales = call.input(2), &y = call.output();
  const int gathered = normal_axis(call.integer("gather_axis", 0), data.rank), axis = normal_axis(call.integer("quantize_axis", 1), data.rank);
  const bool bytes = data.type == Type::uint8;
  const int64_t bits = bytes ? call.integer("bits", 4) : 8, packed = 8 / bits, block = call.integer("block_size", 128);
  const int64_t outer = product(data.dimensions, 0, gathered), rows = data.dimensions[gathered],
                row = product(data.dimensions, gathered + 1, data.rank) * packed, count = indices.size();
  const int64_t inner = product(data.dimensions, axis + 1, data.rank), dimension = data.dimensions[axis] * packed, blocks = scales.dimensions[axis];
  for (int64_t i = 0; i < count; ++i)
    if (const int64_t at = integer_at(indices, i); at < -rows || at >= rows) return call.fail("an index lies outside the data");
  const auto number = [=](const auto& from, int64_t index) {
    return bytes ? int32_t(from[index / packed]) >> (index % packed * bits) & ((1 << bits) - 1) : int32_t(from[index]);
  };
  dispatch<Types<uint8_t, uint4, int4>>(call, data.type, [&]<class Q>() {
    dispatch<Types<float, float16, bfloat16>>(call, y.type, [&]<class T>() {
      parallel(call, outer * count, math::greatest<int64_t>(1, grain_elements / math::greatest<int64_t>(1, row)),
               [&](int64_t begin, int64_t end, uint32_t) {
                 for (int64_t line = begin; line < end; ++line) {
                   const int64_t index = integer_at(indices, line % count), first = (line / count * rows + (index < 0 ? index + rows : index)) * row;
                   for (int64_t i = 0; i < row; ++i) {
                     const int64_t place = first + i, before = place / (inner * dimension), group = place / inner % dimension / block;
                     const int64_t scale = (before * blocks + group) * inner + place % inner;
                     int32_t zero = bytes ? 1 << (bits - 1) : 0;
                     if (call.has_input(3))
                       zero =
                           number(call.input(3).template as<const Q>(), bytes ? before * ((blocks + packed - 1) / packed) * packed + group : scale);
                     y.as<T>()[line * row + i] = T(float(number(data.as<const Q>(), place) - zero) * float(scales.as<const T>()[scale]));
                   }
                 }
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

// Of GatherBlockQuantized: data's shape with the axes of indices in place of the gathered one; packed numbers count one by one.
inline void gather_block_quantized(const Call& call) {
  const Tensor &x = call.input(0), &indices = call.input(1), &scales = call.input(2);
  const int axis = axis_of(call, call.integer("gather_axis", 0), x.rank), quantized = axis_of(call, call.integer("quantize_axis", 1), x.rank);
  if (axis < 0 || quantized < 0) return;
  if (x.rank - 1 + indices.rank > max_rank) return call.fail("the output has too many dimensions");
  const int64_t packed = x.type == Type::uint8 ? 8 / call.integer("bits", 4) : 1, block = call.integer("block_size", 128);
  if (scales.rank != x.rank) return call.fail("the scales do not have the data's rank");
  int64_t numbers[max_rank], dimensions[max_rank];
  for (int i = 0; i < x.rank; ++i) {
    numbers[i] = x.dimensions[i] * (i == x.rank - 1 ? packed : 1);
    const int64_t expected = i == quantized ? numbers[i] / block + (numbers[i] % block != 0) : numbers[i];
    if (scales.dimensions[i] != expected) return call.fail("the scales' shape does not fit the blocks");
  }
  if (call.has_input(3)) {
    const Tensor& zeros = call.input(3);
    if (zeros.rank != x.rank) return call.fail("the zero points do not have the data's rank");
    for (int i = 0; i < x.rank; ++i)
      if (zeros.dimensions[i] != (i == x.rank - 1 ? (scales.dimensions[i] + packed - 1) / packed : scales.dimensions[i]))
        return call.fail("the zero points' shape does not fit the scales'");
  }
  int32_t rank = 0;
  for (int i = 0; i < axis; ++i) dimensions[rank++] = numbers[i];
  for (int i = 0; i < indices.rank; ++i) dimensions[rank++] = indices.dimensions[i];
  for (int i = axis + 1; i < x.rank; ++i) dimensions[rank++] = numbers[i];
  call.allocate_output(0, dimensions, rank);
}

// Outputs: like x; scale and zero point are scalars.
inline void dynamic_quantize_linear(const Call& call) {
  call.allocate_output(0, call.input(0).dimensions, call.input(0).rank);
  call.allocate_output(1, nullptr, 0);
  call.allocate_output(2, nullptr, 0);
}

}  // namespace shapes

#define LATHE_KERNELS_QUANTIZATION(X)                                                    \
  X("", QuantizeLinear, quantize_linear, shapes::quantize)                               \
  X("", DequantizeLinear, dequantize_linear, shapes::quantize)                           \
  X("", DynamicQuantizeLinear, dynamic_quantize_linear, shapes::dynamic_quantize_linear) \
  X("com.microsoft", QuantizeLinear, quantize_linear, shapes::quantize)                  \
  X("com.microsoft", DequantizeLinear, dequantize_linear, shapes::quantize)              \
  X("com.microsoft", GatherBlockQuantized, gather_block_quantized, shapes::gather_block_quantized)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
