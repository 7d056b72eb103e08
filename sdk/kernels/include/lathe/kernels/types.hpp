// C++ types for the element types, and dispatch from Type to them.
//
// A kernel names the list of types it supports and hands a template lambda to dispatch(); float16, bfloat16 and the smaller floats of
// small_types.hpp are storage types that compute in float32 (Compute<T>), as ONNX Runtime and the standard's reference do; integers smaller than a
// byte compute in int32.
#pragma once
#include <bit>
#include <limits>
#include <type_traits>

#include "lathe/kernels/kernel.hpp"
#include "lathe/kernels/small_types.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

// IEEE 754 binary16, rounding to nearest even.
struct float16 {
  uint16_t bits;
  float16() = default;
  float16(float value) : bits(encode(value)) {}  // NOLINT: a number is a number
  operator float() const {
    const uint32_t sign = uint32_t(bits & 0x8000u) << 16;
    const uint32_t magnitude = bits & 0x7fffu;
    if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
    // Shifting puts exponent and mantissa in place with the wrong bias; the multiplication corrects it, subnormal numbers included.
    const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p+112f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(scaled));
  }
  static uint16_t encode(float value) {
    const uint32_t word = std::bit_cast<uint32_t>(value);
    const uint16_t sign = uint16_t((word >> 16) & 0x8000u);
    const uint32_t magnitude = word & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return uint16_t(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) return uint16_t(sign | 0x7c00u);  // rounds to infinity
    if (magnitude < 0x38800000u) {                                  // subnormal: let the addition round at the right bit
      const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
      return uint16_t(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
    }
    const uint32_t odd = (magnitude >> 13) & 1u;
    return uint16_t(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
  }
};

// The upper half of a float32, rounding to nearest even.
struct bfloat16 {
  uint16_t bits;
  bfloat16() = default;
  bfloat16(float value) : bits(encode(value)) {}  // NOLINT: a number is a number
  operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
  static uint16_t encode(float value) {
    const uint32_t word = std::bit_cast<uint32_t>(value);
    if ((word & 0x7fffffffu) > 0x7f800000u) return uint16_t((word >> 16) | 0x40u);
    return uint16_t((word + 0x7fffu + ((word >> 16) & 1u)) >> 16);
  }
};

// Only moved and compared: nothing in the standard computes with complex elements.
struct complex64 {
  float real, imaginary;
};
struct complex128 {
  double real, imaginary;
};

template <class T>
inline constexpr Type type_of = Type::none;
template <>
inline constexpr Type type_of<float> = Type::float32;
template <>
inline constexpr Type type_of<double> = Type::float64;
template <>
inline constexpr Type type_of<float16> = Type::float16;
template <>
inline constexpr Type type_of<bfloat16> = Type::bfloat16;
template <>
inline constexpr Type type_of<int8_t> = Type::int8;
template <>
inline constexpr Type type_of<int16_t> = Type::int16;
template <>
inline constexpr Type type_of<int32_t> = Type::int32;
template <>
inline constexpr Type type_of<int64_t> = Type::int64;
template <>
inline constexpr Type type_of<uint8_t> = Type::uint8;
template <>
inline constexpr Type type_of<uint16_t> = Type::uint16;
template <>
inline constexpr Type type_of<uint32_t> = Type::uint32;
template <>
inline constexpr Type type_of<uint64_t> = Type::uint64;
template <>
inline constexpr Type type_of<bool> = Type::boolean;
template <>
inline constexpr Type type_of<String> = Type::string;
template <>
inline constexpr Type type_of<float8e4m3fn> = Type::float8e4m3fn;
template <>
inline constexpr Type type_of<float8e4m3fnuz> = Type::float8e4m3fnuz;
template <>
inline constexpr Type type_of<float8e5m2> = Type::float8e5m2;
template <>
inline constexpr Type type_of<float8e5m2fnuz> = Type::float8e5m2fnuz;
template <>
inline constexpr Type type_of<float8e8m0> = Type::float8e8m0;
template <>
inline constexpr Type type_of<float4e2m1> = Type::float4e2m1;
template <>
inline constexpr Type type_of<int4> = Type::int4;
template <>
inline constexpr Type type_of<uint4> = Type::uint4;
template <>
inline constexpr Type type_of<int2> = Type::int2;
template <>
inline constexpr Type type_of<uint2> = Type::uint2;
template <>
inline constexpr Type type_of<complex64> = Type::complex64;
template <>
inline constexpr Type type_of<complex128> = Type::complex128;

template <class T>
inline constexpr bool is_half = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;
template <class T>
inline constexpr bool is_small_float = false;
template <int exponent_bits, int mantissa_bits, int bias, Specials specials>
inline constexpr bool is_small_float<SmallFloat<exponent_bits, mantissa_bits, bias, specials>> = true;
template <>
inline constexpr bool is_small_float<float8e8m0> = true;
template <class T>
inline constexpr bool is_small_integer = false;
template <int width, bool is_signed>
inline constexpr bool is_small_integer<SmallInteger<width, is_signed>> = true;
template <class T>
inline constexpr bool is_float = std::is_floating_point_v<T> || is_half<T> || is_small_float<T>;

// What a type computes in.
template <class T>
using Compute = std::conditional_t<is_half<T> || is_small_float<T>, float, std::conditional_t<is_small_integer<T>, int32_t, T>>;

// The range of an integer type, those smaller than a byte included.
template <class T>
constexpr int64_t lowest_of() {
  if constexpr (is_small_integer<T>)
    return T::lowest;
  else
    return int64_t(std::numeric_limits<T>::min());
}
template <class T>
constexpr int64_t highest_of() {
  if constexpr (is_small_integer<T>)
    return T::highest;
  else
    return int64_t(std::numeric_limits<T>::max());
}

template <class... Ts>
struct Types {};
using Floats = Types<float, double, float16, bfloat16>;
using Signed = Types<float, double, float16, bfloat16, int8_t, int16_t, int32_t, int64_t>;
using Integers = Types<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>;
using Numbers = Types<float, double, float16, bfloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>;
using SmallFloats = Types<float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz, float8e8m0, float4e2m1>;
using SmallIntegers = Types<int4, uint4, int2, uint2>;
using Scalars = Types<float, double, float16, bfloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, bool>;

namespace detail {
template <class... Ts, class F>
bool dispatch(Types<Ts...>, Type type, F& body) {
  return ((type == type_of<Ts> ? (body.template operator()<Ts>(), true) : false) || ...);
}
}  // namespace detail

// Calls body.operator()<T>() for the C++ type of `type`; says so when the list has no such type.
template <class List, class F>
void dispatch(const Call& call, Type type, F&& body) {
  if (!detail::dispatch(List{}, type, body)) call.fail("the operator has no kernel for this element type");
}

// Bytes of an element as kernels see it (types smaller than a byte lie one per byte).
constexpr int64_t element_bytes(Type type) {
  switch (type) {
    case Type::uint8:
    case Type::int8:
    case Type::boolean:
    case Type::float8e4m3fn:
    case Type::float8e4m3fnuz:
    case Type::float8e5m2:
    case Type::float8e5m2fnuz:
    case Type::float8e8m0:
    case Type::uint4:
    case Type::int4:
    case Type::float4e2m1:
    case Type::uint2:
    case Type::int2:
      return 1;
    case Type::uint16:
    case Type::int16:
    case Type::float16:
    case Type::bfloat16:
      return 2;
    case Type::float32:
    case Type::int32:
    case Type::uint32:
      return 4;
    case Type::float64:
    case Type::int64:
    case Type::uint64:
    case Type::complex64:
      return 8;
    case Type::complex128:
    case Type::string:
      return sizeof(String);
    default:
      return 0;
  }
}

// For kernels that only move elements: one instantiation per element size.
struct Bytes16 {
  uint64_t words[2];
};
template <class F>
void dispatch_size(const Call& call, Type type, F&& body) {
  switch (element_bytes(type)) {
    case 1:
      return body.template operator()<uint8_t>();
    case 2:
      return body.template operator()<uint16_t>();
    case 4:
      return body.template operator()<uint32_t>();
    case 8:
      return body.template operator()<uint64_t>();
    case 16:
      return body.template operator()<Bytes16>();
    default:
      call.fail("the operator has no kernel for this element type");
  }
}

// The float32 nearest to a float64, except that what cannot be represented becomes one whose last bit is set: rounding it once more, to a
// type of fewer bits, then gives what rounding the float64 at once would give ("rounding to odd").
inline float narrow_to_odd(double value) {
  float near = float(value);
  if (double(near) == value || value != value) return near;
  uint32_t word = std::bit_cast<uint32_t>(near);
  if ((near < 0 ? -double(near) : double(near)) > (value < 0 ? -value : value)) --word;
  return std::bit_cast<float>(word | 1u);
}

// The value as To. Floating-point numbers outside an integer's range saturate and NaN becomes 0, so that no conversion is undefined; integers lose
// their upper bits, and so does what is converted to an integer of less than a byte; small floats saturate.
template <class To, class From>
To convert(From from) {
  if constexpr (is_half<From> || is_small_float<From>) {
    return convert<To>(float(from));
  } else if constexpr (is_small_integer<From>) {
    return convert<To>(int32_t(from));
  } else if constexpr (std::is_same_v<To, bool>) {
    return from != From(0);
  } else if constexpr (is_small_integer<To>) {
    return To(convert<int32_t>(from));
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    if (!(from == from)) return 0;
    constexpr From low = From(std::numeric_limits<To>::min());
    // max() may round up to a power of two, which is out of range itself: hence >=.
    constexpr From high = From(std::numeric_limits<To>::max());
    if (from <= low) return std::numeric_limits<To>::min();
    if (from >= high) return std::numeric_limits<To>::max();
    return To(from);
  } else if constexpr (is_half<To> || is_small_float<To>) {
    if constexpr (std::is_same_v<From, double>)
      return To(narrow_to_odd(from));
    else
      return To(float(from));
  } else {
    return To(from);
  }
}

// Element `index` of an int32 or int64 tensor.
inline int64_t integer_at(const Tensor& tensor, int64_t index) {
  return tensor.type == Type::int64 ? tensor.as<const int64_t>()[index] : int64_t(tensor.as<const int32_t>()[index]);
}

// Element `index` of a tensor of floats.
inline double real_at(const Tensor& tensor, int64_t index) {
  switch (tensor.type) {
    case Type::float64:
      return tensor.as<const double>()[index];
    case Type::float16:
      return double(float(tensor.as<const float16>()[index]));
    case Type::bfloat16:
      return double(float(tensor.as<const bfloat16>()[index]));
    default:
      return double(tensor.as<const float>()[index]);
  }
}

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
