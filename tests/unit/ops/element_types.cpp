// Every element type through operators that only move elements: strings, types smaller than a byte, float8, complex numbers.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("strings move and come back") {
  const Tensor y = result(R"(g () => (y) <string[2,2] x = {"a", "", "bc", "d\"e"}> { y = Transpose(x) })");
  CHECK(y.type == DataType::string);
  CHECK(y.dimensions == std::vector<int64_t>{2, 2});
  CHECK(*y.strings == std::vector<std::string>{"a", "bc", "", "d\"e"});
}

TEST_CASE("types smaller than a byte are packed between the operators only") {
  const Tensor y = result("g () => (y) <int4[5] x = {-8, 7, -1, 0, 3}, int64[1] s = {1}, int64[1] e = {4}> { y = Slice(x, s, e) }");
  CHECK(y.type == DataType::int4);
  REQUIRE(y.bytes.size == 2);
  CHECK(values<uint8_t>(y) == std::vector<uint8_t>{0xf7, 0x00});  // 7, -1 (low bits first), 0 and an empty place
  const Tensor z = result("g () => (y) <uint2[3] x = {3, 1, 2}, uint2[2] w = {1, 3}> { y = Concat<axis = 0>(x, w) }");
  CHECK(z.type == DataType::uint2);
  CHECK(values<uint8_t>(z) == std::vector<uint8_t>{0b01'10'01'11, 0b11});
}
