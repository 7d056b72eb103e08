// The storage types of eight bits and less: values of all codes from the formats' definitions, rounding half way between neighbours.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <vector>

#include "lathe/kernels/types.hpp"

using namespace lathe::kernels;

namespace {

// What a code means, spelled with ldexp: (1 + m / 2^M) 2^(e - bias), or m / 2^M 2^(1 - bias) where e is 0.
double meaning(int code, int mantissa_bits, int bias) {
  const int e = code >> mantissa_bits, m = code & ((1 << mantissa_bits) - 1);
  return e ? std::ldexp(1.0 + std::ldexp(m, -mantissa_bits), e - bias) : std::ldexp(m, 1 - bias - mantissa_bits);
}

// Codes 0..last are numbers, for which this checks decoding, encoding, and rounding at, below and above each middle.
template <class T>
void check_numbers(int last, int mantissa_bits, int bias, int sign_bit, bool negative_zero) {
  for (int code = 0; code <= last; ++code) {
    CAPTURE(code);
    const double value = meaning(code, mantissa_bits, bias);
    CHECK(double(float(T::from_bits(uint8_t(code)))) == value);
    CHECK(T::encode(float(value), false) == code);
    if (code || negative_zero) {
      CHECK(double(float(T::from_bits(uint8_t(code | sign_bit)))) == -value);
      CHECK(T::encode(float(-value), false) == (code | sign_bit));
    } else {
      CHECK(T::encode(-0.0f, false) == 0);
    }
    if (code == last) continue;
    const float middle = float((value + meaning(code + 1, mantissa_bits, bias)) / 2);  // exact in float32
    const int even = code % 2 ? code + 1 : code;
    CHECK(T::encode(middle, true) == even);
    CHECK(T::encode(std::nextafter(middle, 0.0f), true) == code);
    CHECK(T::encode(std::nextafter(middle, 1e9f), true) == code + 1);
  }
}

}  // namespace

TEST_CASE("float8e4m3fn: 448 is the largest, all ones is NaN") {
  check_numbers<float8e4m3fn>(0x7e, 3, 7, 0x80, true);
  CHECK(float(float8e4m3fn::from_bits(0x7e)) == 448);
  CHECK(std::isnan(float(float8e4m3fn::from_bits(0x7f))));
  CHECK(std::isnan(float(float8e4m3fn::from_bits(0xff))));
  CHECK(float8e4m3fn::encode(464, false) == 0x7e);  // half way to 480, which would be odd
  CHECK(float8e4m3fn::encode(464.1f, false) == 0x7f);
  CHECK(float8e4m3fn::encode(464.1f, true) == 0x7e);
  CHECK(float8e4m3fn::encode(-INFINITY, true) == 0xfe);
  CHECK(float8e4m3fn::encode(-INFINITY, false) == 0xff);
  CHECK(float8e4m3fn::encode(NAN, true) == 0x7f);
  CHECK(float8e4m3fn::encode(1e-7f, true) == 0);
  CHECK(float8e4m3fn::encode(1e-45f, true) == 0);
}

TEST_CASE("float8e4m3fnuz: 240 is the largest, negative zero's code is NaN") {
  check_numbers<float8e4m3fnuz>(0x7f, 3, 8, 0x80, false);
  CHECK(float(float8e4m3fnuz::from_bits(0x7f)) == 240);
  CHECK(std::isnan(float(float8e4m3fnuz::from_bits(0x80))));
  CHECK(float8e4m3fnuz::encode(INFINITY, true) == 0x7f);
  CHECK(float8e4m3fnuz::encode(INFINITY, false) == 0x80);
  CHECK(float8e4m3fnuz::encode(NAN, true) == 0x80);
}

TEST_CASE("float8e5m2: IEEE 754 with two mantissa bits") {
  check_numbers<float8e5m2>(0x7b, 2, 15, 0x80, true);
  CHECK(float(float8e5m2::from_bits(0x7b)) == 57344);
  CHECK(float(float8e5m2::from_bits(0x7c)) == INFINITY);
  CHECK(float(float8e5m2::from_bits(0xfc)) == -INFINITY);
  for (const int code : {0x7d, 0x7e, 0x7f, 0xff}) CHECK(std::isnan(float(float8e5m2::from_bits(uint8_t(code)))));
  CHECK(float8e5m2::encode(61440, false) == 0x7c);  // half way to 65536
  CHECK(float8e5m2::encode(61439, false) == 0x7b);
  CHECK(float8e5m2::encode(1e6f, true) == 0x7b);
  CHECK(float8e5m2::encode(NAN, true) == 0x7e);
}

TEST_CASE("float8e5m2fnuz") {
  check_numbers<float8e5m2fnuz>(0x7f, 2, 16, 0x80, false);
  CHECK(float(float8e5m2fnuz::from_bits(0x7f)) == 57344);
  CHECK(std::isnan(float(float8e5m2fnuz::from_bits(0x80))));
  CHECK(float8e5m2fnuz::encode(-1e6f, false) == 0x80);
  CHECK(float8e5m2fnuz::encode(-1e6f, true) == 0xff);
}

TEST_CASE("float4e2m1: eight magnitudes") {
  check_numbers<float4e2m1>(7, 1, 1, 8, true);
  const std::vector<float> expected{0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (int i = 0; i < 8; ++i) CHECK(float(float4e2m1::from_bits(uint8_t(i))) == expected[size_t(i)]);
  CHECK(float4e2m1::encode(9, false) == 7);
  CHECK(float4e2m1::encode(-INFINITY, false) == 15);
  CHECK(float4e2m1::encode(-3.5f, true) == 14);
}

TEST_CASE("float8e8m0: powers of two") {
  using Round = float8e8m0::Round;
  for (int code = 0; code < 255; ++code) {
    CAPTURE(code);
    float8e8m0 x;
    x.bits = uint8_t(code);
    const float value = std::ldexp(1.0f, code - 127);
    CHECK(float(x) == value);
    CHECK(float8e8m0::encode(value, false, Round::up) == code);
    CHECK(float8e8m0::encode(value, false, Round::nearest) == code);
    if (code == 254) continue;
    CHECK(float8e8m0::encode(value * 1.25f, false, Round::up) == code + 1);
    CHECK(float8e8m0::encode(value * 1.75f, false, Round::down) == code);
    CHECK(float8e8m0::encode(value * 1.5f, false, Round::nearest) == code + 1);  // halves go up
    CHECK(float8e8m0::encode(value * 1.25f, false, Round::nearest) == code);
  }
  CHECK(float8e8m0::encode(0, true, Round::up) == 0);
  CHECK(float8e8m0::encode(0, false, Round::nearest) == 255);
  CHECK(float8e8m0::encode(1e-45f, true, Round::down) == 0);
  CHECK(float8e8m0::encode(1e-45f, false, Round::down) == 255);
  CHECK(float8e8m0::encode(3e38f, true, Round::up) == 254);
  CHECK(float8e8m0::encode(3e38f, false, Round::up) == 255);
  CHECK(float8e8m0::encode(INFINITY, true, Round::up) == 254);
  CHECK(float8e8m0::encode(INFINITY, false, Round::up) == 255);
  CHECK(float8e8m0::encode(NAN, true, Round::up) == 255);
  CHECK(float8e8m0::encode(-1, true, Round::up) == 255);
}

TEST_CASE("integers of less than a byte keep their low bits") {
  CHECK(int32_t(int4(7)) == 7);
  CHECK(int32_t(int4(8)) == -8);
  CHECK(int32_t(int4(-9)) == 7);
  CHECK(int32_t(uint4(-9)) == 7);
  CHECK(int32_t(uint4(15)) == 15);
  CHECK(int32_t(int2(-3)) == 1);
  CHECK(int32_t(uint2(-1)) == 3);
  CHECK(lowest_of<int4>() == -8);
  CHECK(highest_of<uint2>() == 3);
  CHECK(highest_of<int8_t>() == 127);
}

TEST_CASE("float64 is rounded to a half type once") {
  // 1 + 2^-11 is half way between two float16; a little more must go up, though float32 cannot hold the difference.
  const double above = 1 + std::ldexp(1, -11) + std::ldexp(1, -40), below = 1 + std::ldexp(1, -11) - std::ldexp(1, -40);
  CHECK(convert<float16>(above).bits == 0x3c01);
  CHECK(convert<float16>(below).bits == 0x3c00);
  CHECK(convert<float16>(-above).bits == 0xbc01);
  CHECK(convert<float16>(1e300).bits == 0x7c00);
  CHECK(convert<bfloat16>(1 + std::ldexp(1, -8) + std::ldexp(1, -40)).bits == 0x3f81);
}
