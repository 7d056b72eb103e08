// Element types of eight bits and less: storage types with exact conversion from and to float32.
//
// float8: Micikevicius et al., "FP8 Formats for Deep Learning", 2022 (e4m3fn, e5m2), and the "fnuz" forms (one more exponent bias, no negative
// zero, no infinity, NaN in its place); float4e2m1 and float8e8m0: OCP Microscaling Formats (MX) 1.0, 2023, sections 5.3 and 5.4. Kernels see types
// of less than a byte one element per byte.
#pragma once
#include <bit>
#include <cstdint>
#include <limits>

#ifndef LATHE_KERNELS_NAMESPACE
#define LATHE_KERNELS_NAMESPACE kernels
#endif

namespace lathe::LATHE_KERNELS_NAMESPACE {

// How the largest exponent's codes are used.
enum class Specials {
  infinity,  // as in IEEE 754
  nan,       // only all ones is NaN, the rest are numbers; no infinity
  zero,      // negative zero's code is NaN; no infinity, no negative zero
  none       // every code is a number
};

// A floating-point type of a sign, some exponent bits and some mantissa bits.
template <int exponent_bits, int mantissa_bits, int bias, Specials specials>
struct SmallFloat {
  uint8_t bits;

  SmallFloat() = default;
  SmallFloat(float value) : bits(encode(value, true)) {}  // NOLINT: a number is a number
  static SmallFloat from_bits(uint8_t bits) {
    SmallFloat result;
    result.bits = bits;
    return result;
  }

  static constexpr uint32_t sign_bit = 1u << (exponent_bits + mantissa_bits);
  static constexpr uint32_t all_ones = sign_bit - 1;
  static constexpr uint32_t exponent_ones = all_ones >> mantissa_bits << mantissa_bits;
  static constexpr uint32_t largest = specials == Specials::infinity ? exponent_ones - 1 : (specials == Specials::nan ? all_ones - 1 : all_ones);

  // To the nearest, halves to even. Numbers beyond the largest become the largest if `saturate`, else infinity, or NaN where the type has none.
  static uint8_t encode(float value, bool saturate) {
    const uint32_t word = std::bit_cast<uint32_t>(value), sign = (word >> 31) * sign_bit, magnitude = word & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
      if (specials == Specials::infinity) return uint8_t(sign | exponent_ones | (1u << (mantissa_bits - 1)));
      if (specials == Specials::nan) return uint8_t(sign | all_ones);
      return uint8_t(sign_bit);  // NaN, or negative zero where there is none
    }
    // The result is `whole` units of the last mantissa bit; below the smallest normal number that unit stays the same.
    const int exponent = int(magnitude >> 23) - 127, below = exponent < 1 - bias ? 1 - bias - exponent : 0;
    const int shift = 23 - mantissa_bits + below;
    uint32_t code = 0;
    if (shift < 25) {
      const uint32_t full = (magnitude & 0x7fffffu) | 0x800000u, odd = (full >> shift) & 1u;
      const uint32_t whole = (full + (1u << (shift - 1)) - 1 + odd) >> shift;
      code = below ? whole : (uint32_t(exponent - (1 - bias)) << mantissa_bits) + whole;
    }
    if (code > largest) {
      if (saturate || specials == Specials::none)
        code = largest;
      else if (specials == Specials::infinity)
        code = exponent_ones;
      else if (specials == Specials::nan)
        code = all_ones;
      else
        return uint8_t(sign_bit);
    }
    if (specials == Specials::zero && code == 0) return 0;
    return uint8_t(sign | code);
  }

  operator float() const {
    const uint32_t code = bits & all_ones, sign = bits & sign_bit ? 0x80000000u : 0u;
    constexpr uint32_t nan = 0x7fc00000u;
    if (specials == Specials::zero && code == 0 && sign) return std::bit_cast<float>(nan);
    if (specials == Specials::nan && code == all_ones) return std::bit_cast<float>(sign | nan);
    if (specials == Specials::infinity && code >= exponent_ones) return std::bit_cast<float>(sign | (code == exponent_ones ? 0x7f800000u : nan));
    // Shifting puts exponent and mantissa in place with the wrong bias; the multiplication corrects it, subnormal numbers included.
    constexpr float scale = std::bit_cast<float>(uint32_t(127 + 127 - bias) << 23);
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(std::bit_cast<float>(code << (23 - mantissa_bits)) * scale));
  }
};

using float8e4m3fn = SmallFloat<4, 3, 7, Specials::nan>;
using float8e4m3fnuz = SmallFloat<4, 3, 8, Specials::zero>;
using float8e5m2 = SmallFloat<5, 2, 15, Specials::infinity>;
using float8e5m2fnuz = SmallFloat<5, 2, 16, Specials::zero>;
using float4e2m1 = SmallFloat<2, 1, 1, Specials::none>;

// A power of two from 2^-127 to 2^127: an exponent without sign and mantissa. 255 is NaN; there is no zero.
struct float8e8m0 {
  uint8_t bits;
  enum class Round { up, down, nearest };  // away from zero, towards it, to the nearest with halves up

  float8e8m0() = default;
  float8e8m0(float value) : bits(encode(value, true, Round::up)) {}  // NOLINT: a number is a number

  // Zero and numbers out of range become the nearest power there is if `saturate`, else NaN; negative numbers become NaN.
  static uint8_t encode(float value, bool saturate, Round round) {
    constexpr uint8_t nan = 255, greatest = 254;
    const uint32_t word = std::bit_cast<uint32_t>(value);
    if (value != value || value < 0) return nan;
    if (value == std::numeric_limits<float>::infinity()) return saturate ? greatest : nan;
    // In units of 2^-149 a subnormal number is its own mantissa: 2^-127 is 0x400000 of them.
    uint32_t exponent = (word >> 23) & 255u, rest = word & 0x7fffffu, half = 0x400000u;
    if (exponent == 0) {
      if (rest < 0x400000u) {
        if (saturate || (round == Round::up && rest > 0) || (round == Round::nearest && rest >= 0x200000u)) return 0;
        return nan;
      }
      rest -= 0x400000u;
      half = 0x200000u;
    }
    const bool more = round == Round::up ? rest > 0 : (round == Round::nearest && rest >= half);
    exponent += more;
    return exponent > greatest ? (saturate ? greatest : nan) : uint8_t(exponent);
  }
  operator float() const {
    if (bits == 255) return std::numeric_limits<float>::quiet_NaN();
    return std::bit_cast<float>(bits ? uint32_t(bits) << 23 : 0x400000u);
  }
};

// An integer of `width` bits in a byte of its own, sign-extended if `is_signed`. Other integers lose their upper bits.
template <int width, bool is_signed>
struct SmallInteger {
  int8_t value;

  SmallInteger() = default;
  SmallInteger(int32_t wide) : value(wrap(wide)) {}  // NOLINT: a number is a number
  operator int32_t() const { return value; }

  static constexpr int32_t lowest = is_signed ? -(1 << (width - 1)) : 0;
  static constexpr int32_t highest = is_signed ? (1 << (width - 1)) - 1 : (1 << width) - 1;
  static int8_t wrap(int32_t wide) {
    const int32_t low = wide & ((1 << width) - 1);
    return int8_t(low > highest ? low - (1 << width) : low);
  }
};

using int4 = SmallInteger<4, true>;
using uint4 = SmallInteger<4, false>;
using int2 = SmallInteger<2, true>;
using uint2 = SmallInteger<2, false>;

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
