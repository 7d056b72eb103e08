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
  const Tensor y = result("g () => (y) <int4[5] x = {-8, 7, -1, 0, 3}, int64[2] p = {-1, -1}> { y = Pad(x, p) }");
  CHECK(y.type == DataType::int4);
  REQUIRE(y.bytes.size == 2);
  CHECK(values<uint8_t>(y) == std::vector<uint8_t>{0xf7, 0x00});  // 7, -1 (low bits first), 0 and an empty place
  const Tensor z = result("g () => (y) <uint2[3] x = {3, 1, 2}, int64[2] p = {0, 2}, uint2 w = {1}> { y = Pad(x, p, w) }");
  CHECK(z.type == DataType::uint2);
  CHECK(values<uint8_t>(z) == std::vector<uint8_t>{0b01'10'01'11, 0b01});
}

TEST_CASE("operators whose last version is older than float8 refuse the types that came later") {
  check_complaint("g (int4[4] x, int64[1] i) => (y) { y = Gather(x, i) }", {"Gather", "'data'", "int4"});
  check_complaint("g (float8e4m3fn[4] x) => (y) { y = Concat<axis = 0>(x, x) }", {"Concat", "'inputs'", "float8e4m3fn"});
}
