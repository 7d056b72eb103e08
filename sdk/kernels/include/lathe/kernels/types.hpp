// C++ types for the element types, and dispatch from Type to them.
//
// A kernel names the list of types it supports and hands a template lambda to dispatch(); float16 and bfloat16 are storage types that
// compute in float32 (Compute<T>), as ONNX Runtime and the standard's reference do.
#pragma once
#include <bit>
#include <limits>
#include <type_traits>

#include "lathe/kernels/kernel.hpp"

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

template <class T>
inline constexpr bool is_half = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;
template <class T>
inline constexpr bool is_float = std::is_floating_point_v<T> || is_half<T>;

// What a type computes in.
template <class T>
using Compute = std::conditional_t<is_half<T>, float, T>;

template <class... Ts>
struct Types {};
using Floats = Types<float, double, float16, bfloat16>;
using Signed = Types<float, double, float16, bfloat16, int8_t, int16_t, int32_t, int64_t>;
using Integers = Types<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>;
using Numbers = Types<float, double, float16, bfloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>;
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

// The value as To; numbers outside an integer's range saturate and NaN becomes 0, so that no conversion is undefined.
template <class To, class From>
To convert(From from) {
  if constexpr (is_half<From>) {
    return convert<To>(float(from));
  } else if constexpr (std::is_same_v<To, bool>) {
    return from != From(0);
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    if (!(from == from)) return 0;
    constexpr From low = From(std::numeric_limits<To>::min());
    // max() may round up to a power of two, which is out of range itself: hence >=.
    constexpr From high = From(std::numeric_limits<To>::max());
    if (from <= low) return std::numeric_limits<To>::min();
    if (from >= high) return std::numeric_limits<To>::max();
    return To(from);
  } else if constexpr (is_half<To>) {
    return To(float(from));
  } else {
    return To(from);
  }
}

// Element `index` of an int32 or int64 tensor.
inline int64_t integer_at(const Tensor& tensor, int64_t index) {
  return tensor.type == Type::int64 ? tensor.as<const int64_t>()[index] : int64_t(tensor.as<const int32_t>()[index]);
}

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
