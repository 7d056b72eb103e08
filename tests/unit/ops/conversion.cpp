// Cast, CastLike, BitCast. Expected texts of numbers are Python's and numpy's; those of small floats are in ONNX's own tests, of all codes in
// small_types.cpp.
#include <cmath>
#include <limits>

#include "lathe/kernels/number_text.hpp"
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

std::vector<std::string> texts(const Tensor& tensor) {
  REQUIRE(tensor.type == DataType::string);
  return *tensor.strings;
}
std::string written(double value, int mantissa_bits = 53, int least_exponent = -1074) {
  char buffer[kernels::longest_number_text];
  return std::string(buffer, size_t(kernels::write_float(buffer, value, mantissa_bits, least_exponent)));
}
double read(const std::string& text) {
  double value = -99;
  CHECK(kernels::read_float(text.data(), int64_t(text.size()), value));
  return value;
}

}  // namespace

TEST_CASE("numbers are written with the fewest digits that read back as the same") {
  CHECK(written(0.1) == "0.1");
  CHECK(written(1) == "1.0");
  CHECK(written(-0.0) == "-0.0");
  CHECK(written(1e16) == "1e+16");
  CHECK(written(9999999999999998.0) == "9999999999999998.0");
  CHECK(written(1e-4) == "0.0001");
  CHECK(written(9.9e-5) == "9.9e-05");
  CHECK(written(5e-324) == "5e-324");
  CHECK(written(1.7976931348623157e308) == "1.7976931348623157e+308");
  CHECK(written(2.2250738585072014e-308) == "2.2250738585072014e-308");
  CHECK(written(1e23) == "1e+23");
  CHECK(written(9007199254740993.0) == "9007199254740992.0");
  CHECK(written(double(0.1f), 24, -149) == "0.1");
  CHECK(written(double(405251.125f), 24, -149) == "405251.12");  // .12 and .13 are as near
  CHECK(written(std::ldexp(1, -149), 24, -149) == "1e-45");
  CHECK(written(65504, 11, -24) == "65500.0");
  CHECK(written(std::ldexp(1, -24), 11, -24) == "6e-08");
  CHECK(written(-std::numeric_limits<double>::infinity()) == "-inf");
  CHECK(written(std::numeric_limits<double>::quiet_NaN()) == "nan");
}

TEST_CASE("text is read to the nearest number") {
  CHECK(read("1") == 1);
  CHECK(read(" -2.5e3\n") == -2500);
  CHECK(read(".5") == 0.5);
  CHECK(read("5.") == 5);
  CHECK(read("+INF") == std::numeric_limits<double>::infinity());
  CHECK(read("-Infinity") == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(read("NaN")));
  CHECK(read("9007199254740993") == 9007199254740992.0);  // half way: to even
  CHECK(read("9007199254740993." + std::string(900, '0') + "1") == 9007199254740994.0);
  CHECK(read("2.4703282292062327e-324") == 0);
  CHECK(read("2.4703282292062328e-324") == 5e-324);
  CHECK(read("1.7976931348623158e308") == 1.7976931348623157e308);
  CHECK(read("1.7976931348623159e308") == std::numeric_limits<double>::infinity());
  CHECK(read("1" + std::string(400, '0') + "e-400") == 1);
  CHECK(read("0." + std::string(400, '0') + "1e401") == 1);
  CHECK(read("0e999999999999") == 0);
  CHECK(read("1e-400") == 0);
  for (const std::string bad : {"", "abc", "1e", "--1", "1 2", "0x10", "."}) {
    CAPTURE(bad);
    double value;
    CHECK_FALSE(kernels::read_float(bad.data(), int64_t(bad.size()), value));
  }
}

TEST_CASE("numbers become text") {
  CHECK(texts(result("g () => (y) <float[4] x = {0.47892547, 1000000, 0.0000001, -3.5}> { y = Cast<to = 8>(x) }")) ==
        std::vector<std::string>{"0.47892547", "1000000.0", "1e-07", "-3.5"});
  // float16 stands in the text as its bits: 0.1 and 2048.
  CHECK(texts(result("g () => (y) <float16[2] x = {11878, 26624}> { y = Cast<to = 8>(x) }")) == std::vector<std::string>{"0.1", "2048.0"});
  CHECK(texts(result("g () => (y) <int8[3] x = {-128, 0, 127}> { y = Cast<to = 8>(x) }")) == std::vector<std::string>{"-128", "0", "127"});
  CHECK(texts(result("g () => (y) <uint64[1] x = {18446744073709551615}> { y = Cast<to = 8>(x) }")) ==
        std::vector<std::string>{"18446744073709551615"});
  CHECK(texts(result("g () => (y) <bool[2] x = {0, 1}> { y = Cast<to = 8>(x) }")) == std::vector<std::string>{"False", "True"});
  CHECK(texts(result("g () => (y) <int4[2] x = {-8, 7}> { y = Cast<to = 8>(x) }")) == std::vector<std::string>{"-8", "7"});
}

TEST_CASE("text becomes numbers") {
  check_floats(result(R"(g () => (y) <string[4] x = {"0.47892547", "1e-5", " 1E8 ", "-7"}> { y = Cast<to = 1>(x) })"),
               {0.47892547f, 1e-5f, 1e8f, -7});
  CHECK(values<int64_t>(result(R"(g () => (y) <string[3] x = {"9223372036854775807", "-12", "100.5"}> { y = Cast<to = 7>(x) })")) ==
        std::vector<int64_t>{9223372036854775807, -12, 100});
  CHECK(values<uint8_t>(result(R"(g () => (y) <string[4] x = {"0", "True", "false", "2"}> { y = Cast<to = 9>(x) })")) ==
        std::vector<uint8_t>{0, 1, 0, 1});
  const Tensor small = result(R"(g () => (y) <string[3] x = {"0.5", "1e6", "nan"}> { y = Cast<to = 17>(x) })");
  CHECK(values<uint8_t>(small) == std::vector<uint8_t>{0x30, 0x7e, 0x7f});
  CHECK_THROWS_WITH_AS(result(R"(g () => (y) <string[1] x = {"Hello"}> { y = Cast<to = 1>(x) })"), doctest::Contains("spells none"), Error);
}

TEST_CASE("small types: saturation, wrapping, rounding") {
  const std::string x = "g () => (y) <float[4] x = {0.48, 1000000, -1000000, -9}> { y = Cast<to = ";
  CHECK(values<uint8_t>(result(x + "17>(x) }")) == std::vector<uint8_t>{0x2f, 0x7e, 0xfe, 0xd1});
  CHECK(values<uint8_t>(result(x + "17, saturate = 0>(x) }")) == std::vector<uint8_t>{0x2f, 0x7f, 0xff, 0xd1});
  CHECK(values<uint8_t>(result(x + "19, saturate = 0>(x) }")) == std::vector<uint8_t>{0x38, 0x7c, 0xfc, 0xc8});
  CHECK(values<uint8_t>(result(x + "20, saturate = 0>(x) }")) == std::vector<uint8_t>{0x3c, 0x80, 0x80, 0xcc});
  CHECK(values<uint8_t>(result("g () => (y) <float[3] x = {-9, 8, 3.9}> { y = Cast<to = 22>(x) }")) == std::vector<uint8_t>{0x87, 0x04});
  // To 4 and 2 bits numbers are rounded, halves to even; to wider integers they are cut off.
  CHECK(values<uint8_t>(result("g () => (y) <double[4] x = {2.5, 3.5, -0.5, 0.75}> { y = Cast<to = 21>(x) }")) == std::vector<uint8_t>{0x42, 0x10});
  CHECK(values<uint8_t>(result("g () => (y) <int64[3] x = {-3, 17, 4294967298}> { y = Cast<to = 25>(x) }")) == std::vector<uint8_t>{0b10'01'01});
  CHECK(values<int8_t>(result("g () => (y) <int4[3] x = {-8, 7, -1}> { y = Cast<to = 3>(x) }")) == std::vector<int8_t>{-8, 7, -1});
  // Between integers bits are dropped, not clamped.
  CHECK(values<uint16_t>(result("g () => (y) <int2[4] x = {-2, -1, 0, 1}> { y = Cast<to = 4>(x) }")) == std::vector<uint16_t>{65534, 65535, 0, 1});
  check_floats(result("g () => (y) <uint2[3] x = {3, 0, 1}> { y = Cast<to = 1>(x) }"), {3, 0, 1});
  const std::string powers = "g () => (y) <float[3] x = {1, 1.5, 3.5}> { y = Cast<to = 24, round_mode = ";
  CHECK(values<uint8_t>(result(powers + "\"up\">(x) }")) == std::vector<uint8_t>{127, 128, 129});
  CHECK(values<uint8_t>(result(powers + "\"down\">(x) }")) == std::vector<uint8_t>{127, 127, 128});
  CHECK(values<uint8_t>(result(powers + "\"nearest\">(x) }")) == std::vector<uint8_t>{127, 128, 129});
  // By way of CastLike, and from a small type to another.
  CHECK(values<uint8_t>(result("g () => (y) <float[2] x = {2.6, -6}, float4e2m1[1] t = {0}> { z = CastLike(x, t) y = Cast<to = 17>(z) }")) ==
        std::vector<uint8_t>{0x44, 0xcc});
}

TEST_CASE("BitCast keeps the bits") {
  CHECK(values<int32_t>(result("g () => (y) <float[2] x = {1, -2}> { y = BitCast<to = 6>(x) }")) == std::vector<int32_t>{0x3f800000, -0x40000000});
  CHECK(values<int8_t>(result("g () => (y) <uint8[2] x = {255, 1}> { y = BitCast<to = 3>(x) }")) == std::vector<int8_t>{-1, 1});
  const Tensor nibbles = result("g () => (y) <uint4[3] x = {15, 8, 1}> { z = BitCast<to = 22>(x) y = Cast<to = 3>(z) }");
  CHECK(values<int8_t>(nibbles) == std::vector<int8_t>{-1, -8, 1});
  CHECK(inferred("g (float[2,N] x) => (y) { y = BitCast<to = 12>(x) }") == "uint32[2,N]");
}

TEST_CASE("bad models of conversion") {
  check_complaint("g (float[2] x) => (y) { y = Cast(x) }", {"Cast", "'to'", "missing"});
  check_complaint("g (float[2] x) => (y) { y = Cast<to = 99>(x) }", {"Cast", "99"});
  check_complaint("g (float[2] x) => (y) { y = Cast<to = 14>(x) }", {"Cast", "complex"});
  check_complaint("g (complex64[2] x) => (y) { y = Cast<to = 1>(x) }", {"Cast", "complex64"});
  check_complaint("g (float[2] x) => (y) { y = Cast<to = 24, round_mode = \"sideways\">(x) }", {"Cast", "round_mode", "sideways"});
  check_complaint("g (float[2] x) => (y) { y = BitCast<to = 7>(x) }", {"BitCast", "32 bits", "64 bits"});
  check_complaint("g (string[2] x) => (y) { y = BitCast<to = 7>(x) }", {"BitCast", "string"});
}
