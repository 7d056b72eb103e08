// QuantizeLinear, DequantizeLinear. Numbers worked out by hand from the formulas of the standard. Small floats and float16 stand in the text as
// their bits: 15360 and 16384 are 1 and 2 in float16, 1, 7 and 13 are 0.5, 6 and -3 in float4e2m1, 129 is 4 in float8e8m0.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("QuantizeLinear: halves to even, saturation, a zero point") {
  CHECK(values<uint8_t>(result("g () => (y) <float[6] x = {-1, 0.25, 0.75, 1.25, 1000, 3}, float s = {0.5}, uint8 z = {10}>"
                               "{ y = QuantizeLinear(x, s, z) }")) == std::vector<uint8_t>{8, 10, 12, 12, 255, 16});
  CHECK(values<int16_t>(result("g () => (y) <float[3] x = {-40000, 1.5, 40000}, float s = {1}, int16 z = {1}> { y = QuantizeLinear(x, s, z) }")) ==
        std::vector<int16_t>{-32768, 3, 32767});
}

TEST_CASE("QuantizeLinear: types of less than a byte, by output_dtype") {
  const Tensor y = result("g () => (y) <float[4] x = {-9, -1, 3.5, 20}, float s = {1}> { y = QuantizeLinear<output_dtype = 22>(x, s) }");
  CHECK(y.type == DataType::int4);
  CHECK(values<uint8_t>(y) == std::vector<uint8_t>{0xf8, 0x74});
  CHECK(values<uint8_t>(result("g () => (y) <float[4] x = {-9, 1, 2.5, 20}, float s = {1}> { y = QuantizeLinear<output_dtype = 25>(x, s) }")) ==
        std::vector<uint8_t>{0b11'10'01'00});
}

TEST_CASE("QuantizeLinear: small floats") {
  const std::string x = "g () => (y) <float[4] x = {0, 1, 2000, -100}, float s = {2}> { y = QuantizeLinear<output_dtype = ";
  CHECK(values<uint8_t>(result(x + "17>(x, s) }")) == std::vector<uint8_t>{0, 0x30, 0x7e, 0xe4});  // 0.5, 448, -48 (-50 is half way to -52)
  CHECK(values<uint8_t>(result(x + "17, saturate = 0>(x, s) }")) == std::vector<uint8_t>{0, 0x30, 0x7f, 0xe4});
  CHECK(values<uint8_t>(result(x + "23>(x, s) }")) == std::vector<uint8_t>{0x10, 0xf7});  // 0, 0.5, 6, -6
}

TEST_CASE("QuantizeLinear: per axis and in blocks") {
  CHECK(values<int8_t>(result("g () => (y) <float[2,3] x = {1, 2, 3, 4, 5, 6}, float[2] s = {1, 2}, int8[2] z = {0, 1}>"
                              "{ y = QuantizeLinear<axis = 0>(x, s, z) }")) == std::vector<int8_t>{1, 2, 3, 3, 3, 4});
  // Blocks of 2 along an axis of 3: the last one is shorter.
  CHECK(values<int8_t>(result("g () => (y) <float[2,3] x = {1, 2, 3, 4, 5, 6}, float[2,2] s = {1, 3, 2, 0.5}, int8[2,2] z = {0, 1, 2, 3}>"
                              "{ y = QuantizeLinear<axis = 1, block_size = 2>(x, s, z) }")) == std::vector<int8_t>{1, 2, 2, 4, 4, 15});
}

TEST_CASE("QuantizeLinear divides in the scale's type unless told otherwise") {
  const std::string near = "g () => (y) <float[1] x = {2049}, float16 s = {15360}> { y = QuantizeLinear<output_dtype = 4";
  CHECK(values<uint16_t>(result(near + ">(x, s) }")) == std::vector<uint16_t>{2048});  // 2049 is no float16
  CHECK(values<uint16_t>(result(near + ", precision = 1>(x, s) }")) == std::vector<uint16_t>{2049});
  const std::string far = "g () => (y) <float[1] x = {70000}, float16 s = {16384}> { y = QuantizeLinear<output_dtype = 4";
  CHECK(values<uint16_t>(result(far + ">(x, s) }")) == std::vector<uint16_t>{65535});  // infinite in float16
  CHECK(values<uint16_t>(result(far + ", precision = 1>(x, s) }")) == std::vector<uint16_t>{35000});
}

TEST_CASE("DequantizeLinear") {
  check_floats(result("g () => (y) <int8[3] x = {-128, 0, 127}, float s = {0.5}, int8 z = {1}> { y = DequantizeLinear(x, s, z) }"),
               {-64.5f, -0.5f, 63});
  check_floats(result("g () => (y) <int4[3] x = {-8, 7, 1}, float s = {0.5}, int4 z = {1}> { y = DequantizeLinear(x, s, z) }"), {-4.5f, 3, 0});
  check_floats(result("g () => (y) <int32[2] x = {70000, -3}, float s = {0.25}> { y = DequantizeLinear(x, s) }"), {17500, -0.75f});
  check_floats(result("g () => (y) <float4e2m1[3] x = {1, 7, 13}, float s = {2}> { y = DequantizeLinear(x, s) }"), {1, 12, -6});
  check_floats(result("g () => (y) <uint8[2,3] x = {1, 2, 3, 4, 5, 6}, float[2,2] s = {1, 3, 2, 0.5}, uint8[2,2] z = {0, 1, 2, 3}>"
                      "{ y = DequantizeLinear<axis = 1, block_size = 2>(x, s, z) }"),
               {1, 2, 6, 4, 6, 1.5f});
  // A scale that is a power of two, and the type of the output said.
  check_floats(result("g () => (y) <int8[2] x = {3, -5}, float8e8m0 s = {129}> { y = DequantizeLinear<output_dtype = 1>(x, s) }"), {12, -20});
  CHECK(result("g () => (y) <int8[2] x = {3, -5}, float s = {4}> { y = DequantizeLinear<output_dtype = 10>(x, s) }").type == DataType::float16);
}

TEST_CASE("com.microsoft's forms: ONNX Runtime's numbers") {
  CHECK(values<int16_t>(result("g () => (y) <float[4] x = {-1, 0.25, 0.5, 300}, float s = {0.5}, int16 z = {3}>"
                               "{ y = com.microsoft.QuantizeLinear(x, s, z) }")) == std::vector<int16_t>{1, 3, 4, 603});
  check_floats(result("g () => (y) <int8[2,2] x = {1, 2, 3, 4}, float[2] s = {0.5, 2}, int8[2] z = {1, -1}>"
                      "{ y = com.microsoft.DequantizeLinear<axis = 0>(x, s, z) }"),
               {0, 0.5f, 8, 10});
  check_complaint("g (float[2] x, float16 s) => (y) { y = com.microsoft.QuantizeLinear(x, s) }", {"QuantizeLinear", "'y_scale'", "float16"});
}

TEST_CASE("bad models of quantisation") {
  check_complaint("g (float[2] x, float s, int8 z) => (y) { y = QuantizeLinear<output_dtype = 2>(x, s, z) }", {"QuantizeLinear", "contradicts"});
  check_complaint("g (float[2] x, float s) => (y) { y = QuantizeLinear<output_dtype = 1>(x, s) }", {"QuantizeLinear", "output_dtype", "float"});
  check_complaint("g (float[2] x, float s) => (y) { y = QuantizeLinear<precision = 7>(x, s) }", {"QuantizeLinear", "precision", "int64"});
  check_complaint("g (double[2] x, float s) => (y) { y = QuantizeLinear(x, s) }", {"QuantizeLinear", "'x'", "double"});
  check_complaint("g (float[2,3] x, float[4] s) => (y) { y = QuantizeLinear(x, s) }", {"QuantizeLinear", "length", "3", "4"});
  check_complaint("g (float[2,3] x, float[2,1] s) => (y) { y = QuantizeLinear<block_size = 2>(x, s) }", {"QuantizeLinear", "blocks"});
  check_complaint("g (int8[2] x, float8e8m0 s) => (y) { y = DequantizeLinear(x, s) }", {"DequantizeLinear", "output_dtype"});
  check_complaint("g (int64[2] x, float s) => (y) { y = DequantizeLinear(x, s) }", {"DequantizeLinear", "'x'", "int64"});
}

TEST_CASE("GatherBlockQuantized") {
  // Rows of 17 numbers of 4 bits: a block of 16 and one of 1. Row 1 of scales 2 and 10: (number - zero) * scale.
  const std::string table =
      "g () => (y) <int4[2,17] x = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, -8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3}, "
      "int64[1] i = {-1}, float[2,2] s = {1, 1, 2, 10}, int4[2,2] z = {0, 0, 1, -2}> { y = com.microsoft.GatherBlockQuantized<block_size = 16>";
  check_floats(result(table + "(x, i, s) }"), {2, -16, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 30});
  check_floats(result(table + "(x, i, s, z) }"), {0, -18, 12, -2, -2, -2, -2, -2, -2, -2, -2, -2, -2, -2, -2, -2, 50});
  // Bytes: two numbers each, the lower four bits first; 8 is 0 unless zero points, packed likewise, say otherwise.
  const std::string bytes =
      "g () => (y) <uint8[2,8] x = {0, 0, 0, 0, 0, 0, 0, 0, 152, 136, 136, 136, 136, 136, 136, 15}, int32 i = {1}, float[2,1] s = {1, 0.5}, "
      "uint8[2,1] z = {3, 4}> { y = com.microsoft.GatherBlockQuantized<block_size = 16>";
  check_floats(result(bytes + "(x, i, s) }"), {0, 0.5f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3.5f, -4});
  check_floats(result(bytes + "(x, i, s, z) }"), {2, 2.5f, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 5.5f, -2});
  CHECK(inferred(
            "g (uint4[5,N,32] x, int64[A,B] i, float16[5,N,2] s) => (y) { y = com.microsoft.GatherBlockQuantized<block_size = 16, gather_axis = 1, "
            "quantize_axis = -1>(x, i, s) }") == "float16[5,A,B,32]");
  CHECK(inferred(
            "g (uint8[5,8] x, int64[2,A] i, float[5,1] s) => (y) { y = com.microsoft.GatherBlockQuantized<bits = 2, block_size = 32>(x, i, s) }") ==
        "float[2,A,32]");
  const auto refused = [](const std::string& attributes, const std::string& inputs, const std::vector<std::string>& parts) {
    check_complaint("g (" + inputs + ", int64[2] i) => (y) { [\"rows\"] y = com.microsoft.GatherBlockQuantized<" + attributes + ">(x, i, s) }",
                    parts);
  };
  refused("block_size = 8", "int4[2,32] x, float[2,4] s", {"'rows' (GatherBlockQuantized)", "'block_size'", "8"});
  refused("bits = 3", "uint8[2,32] x, float[2,4] s", {"'bits'", "2, 4 or 8", "3"});
  refused("quantize_axis = 0", "int4[2,32] x, float[2,4] s", {"gathered along the axis that is quantised"});
  refused("gather_axis = 1, quantize_axis = 0", "uint8[2,32] x, float[2,4] s", {"packed", "gather_axis 0"});
  refused("block_size = 16", "int4[2,32] x, float[2,3] s", {"input 2", "2x2", "2x3"});
  CHECK_THROWS_WITH_AS(
      result("g () => (y) <uint4[1,2] x = {1, 2}, int64[1] i = {1}, float[1,1] s = {1}> { y = com.microsoft.GatherBlockQuantized(x, i, s) }"),
      doctest::Contains("outside the data"), Error);
}
