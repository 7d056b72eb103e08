// Shifts and logic of integers' bits.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("bits by hand") {
  const auto run = [](const std::string& node) {
    return values<uint8_t>(result("g () => (y) <uint8[3] a = {12, 255, 1}, uint8[1] b = {10}> { y = " + node + " }"));
  };
  CHECK(run("BitwiseAnd(a, b)") == std::vector<uint8_t>{8, 10, 0});
  CHECK(run("BitwiseOr(a, b)") == std::vector<uint8_t>{14, 255, 11});
  CHECK(run("BitwiseXor(a, b)") == std::vector<uint8_t>{6, 245, 11});
  CHECK(run("BitwiseNot(a)") == std::vector<uint8_t>{243, 0, 254});
  CHECK(values<int16_t>(result("g () => (y) <int16[2] a = {-1, 5}, int16[2] b = {7, -8}> { y = BitwiseAnd(a, b) }")) == std::vector<int16_t>{7, 0});
}

TEST_CASE("shifts, by more than the width too") {
  const auto run = [](const std::string& direction) {
    return values<uint16_t>(result("g () => (y) <uint16[4] a = {1, 40000, 65535, 3}, uint16[4] b = {3, 1, 16, 0}> { y = BitShift<direction = \"" +
                                   direction + "\">(a, b) }"));
  };
  CHECK(run("LEFT") == std::vector<uint16_t>{8, 14464, 0, 3});
  CHECK(run("RIGHT") == std::vector<uint16_t>{0, 20000, 0, 3});
}

TEST_CASE("bad bits") {
  check_complaint("g (uint8[3] a, uint8[3] b) => (y) { [\"s\"] y = BitShift<direction = \"UP\">(a, b) }",
                  {"'s'", "'direction'", "LEFT or RIGHT", "UP"});
  check_complaint("g (uint8[3] a, uint8[3] b) => (y) { y = BitShift(a, b) }", {"'direction'", "missing"});
  check_complaint("g (int8[3] a, int8[3] b) => (y) { y = BitShift<direction = \"LEFT\">(a, b) }", {"'X'", "uint8", "int8"});
  check_complaint("g (float[3] a, float[3] b) => (y) { y = BitwiseOr(a, b) }", {"'A'", "float"});
  check_complaint("g (uint8[3] a, uint8[4] b) => (y) { y = BitwiseXor(a, b) }", {"do not broadcast", "3", "4"});
}
