// Elementwise functions of one and two tensors, comparisons, selection, conversion.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("functions of one tensor") {
  const auto run = [](const std::string& op) { return result("g () => (y) <float[3] x = {-1.5, 0.5, 2.5}> { y = " + op + "(x) }"); };
  check_floats(run("Abs"), {1.5f, 0.5f, 2.5f});
  check_floats(run("Neg"), {1.5f, -0.5f, -2.5f});
  check_floats(run("Sign"), {-1, 1, 1});
  check_floats(run("Floor"), {-2, 0, 2});
  check_floats(run("Ceil"), {-1, 1, 3});
  check_floats(run("Round"), {-2, 0, 2});  // halves to even
  check_floats(run("Reciprocal"), {-0.66666667f, 2, 0.4f});
  check_floats(run("Erf"), {-0.96610515f, 0.52049988f, 0.99959305f});
  check_floats(result("g () => (y) <float[2] x = {4, 2}> { y = Sqrt(x) }"), {2, 1.41421356f});
  check_floats(result("g () => (y) <float[2] x = {1, 10}> { y = Log(x) }"), {0, 2.30258509f});
}

TEST_CASE("broadcasting arithmetic") {
  const auto run = [](const std::string& op) {
    return result("g () => (y) <float[2,1] a = {6, 8}, float[3] b = {1, 2, 4}> { y = " + op + "(a, b) }");
  };
  check_floats(run("Add"), {7, 8, 10, 9, 10, 12});
  check_floats(run("Sub"), {5, 4, 2, 7, 6, 4});
  check_floats(run("Mul"), {6, 12, 24, 8, 16, 32});
  check_floats(run("Div"), {6, 3, 1.5f, 8, 4, 2});
  check_floats(run("Pow"), {6, 36, 1296, 8, 64, 4096});
  check_floats(run("Max"), {6, 6, 6, 8, 8, 8});
  check_floats(run("Mean"), {3.5f, 4, 5, 4.5f, 5, 6});
}

TEST_CASE("integers wrap, truncate and refuse to divide by zero") {
  CHECK(values<int8_t>(result("g () => (y) <int8[2] a = {127, -128}, int8[2] b = {1, -1}> { y = Add(a, b) }")) == std::vector<int8_t>{-128, 127});
  CHECK(values<int32_t>(result("g () => (y) <int32[2] a = {-7, 7}, int32[2] b = {2, -2}> { y = Div(a, b) }")) == std::vector<int32_t>{-3, -3});
  CHECK(values<int32_t>(result("g () => (y) <int32[2] a = {-7, 7}, int32[2] b = {3, -3}> { y = Mod(a, b) }")) == std::vector<int32_t>{2, -2});
  CHECK(values<int32_t>(result("g () => (y) <int32[1] a = {-2147483648}, int32[1] b = {-1}> { y = Div(a, b) }")) == std::vector<int32_t>{INT32_MIN});
  CHECK_THROWS_WITH_AS(result("g () => (y) <int32[1] a = {1}, int32[1] b = {0}> { [\"d\"] y = Div(a, b) }"), doctest::Contains("divided by zero"),
                       Error);
}

TEST_CASE("comparison, logic, selection") {
  const auto bools = [](const std::string& op) {
    return values<uint8_t>(result("g () => (y) <float[3] a = {1, 2, 3}, float[1] b = {2}> { y = " + op + "(a, b) }"));
  };
  CHECK(bools("Equal") == std::vector<uint8_t>{0, 1, 0});
  CHECK(bools("Less") == std::vector<uint8_t>{1, 0, 0});
  CHECK(bools("GreaterOrEqual") == std::vector<uint8_t>{0, 1, 1});
  check_floats(result("g () => (y) <bool[2] c = {1, 0}, float[2] a = {1, 2}, float b = {9}> { y = Where(c, a, b) }"), {1, 9});
}

TEST_CASE("conversion saturates") {
  CHECK(values<int8_t>(result("g () => (y) <float[4] x = {-1.7, 300, -300, 5.9}> { y = Cast<to = 3>(x) }")) == std::vector<int8_t>{-1, 127, -128, 5});
  CHECK(values<uint16_t>(result("g () => (y) <float[3] x = {1, 65520, 0.1}> { y = Cast<to = 10>(x) }")) ==
        std::vector<uint16_t>{0x3c00, 0x7c00, 0x2e66});
  CHECK(values<uint16_t>(result("g () => (y) <float[2] x = {1, 1.00390625}> { y = Cast<to = 16>(x) }")) == std::vector<uint16_t>{0x3f80, 0x3f80});
}

TEST_CASE("bad elementwise nodes") {
  check_complaint("g (float[2,3] a, float[4] b) => (y) { [\"sum\"] y = Add(a, b) }", {"'sum'", "Add", "do not broadcast", "2x3", "4"});
  check_complaint("g (float[3] a, int32[3] b) => (y) { y = Mul(a, b) }", {"another type", "float", "int32"});
  check_complaint("g (float[3] a) => (y) { y = Mul(a) }", {"'B'", "missing"});
  check_complaint("g (float[3] a) => (y) { y = Neg(a, a, a) }", {"too many inputs"});
  check_complaint("g (float[3] a) => (y) { y = Cast<to = 77>(a) }", {"'to'", "77"});
  check_complaint("g (float[3] a) => (y) { y = Cast(a) }", {"'to'", "missing"});
}
