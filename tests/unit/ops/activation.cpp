// Activations.
#include <limits>

#include "support.hpp"

using namespace lathe::test;

TEST_CASE("activations by hand") {
  const auto run = [](const std::string& op) { return result("g () => (y) <float[3] x = {-2, 0, 3}> { y = " + op + " }"); };
  check_floats(run("Relu(x)"), {0, 0, 3});
  check_floats(run("LeakyRelu<alpha = 0.1>(x)"), {-0.2f, 0, 3});
  check_floats(run("Sigmoid(x)"), {0.11920292f, 0.5f, 0.95257413f});
  check_floats(run("HardSigmoid(x)"), {0.1f, 0.5f, 1});
  check_floats(run("HardSwish(x)"), {-0.33333333f, 0, 3});
  check_floats(run("Tanh(x)"), {-0.96402758f, 0, 0.99505475f});
  check_floats(run("Elu(x)"), {-0.86466472f, 0, 3});
  check_floats(run("Softplus(x)"), {0.12692801f, 0.69314718f, 3.04858735f});
  check_floats(run("Gelu(x)"), {-0.04550026f, 0, 2.99595031f}, 1e-5f);
  check_floats(run("ThresholdedRelu<alpha = 2.5>(x)"), {0, 0, 3});
}

TEST_CASE("shrinking, and ONNX Runtime's Gelu family") {
  const auto run = [](const std::string& op) {
    return result("g () => (y) <float[3] x = {-2, 0.5, 3}, float[3] b = {1, 0, -1}> { y = " + op + " }");
  };
  check_floats(run("Shrink<lambd = 1.5, bias = 1.5>(x)"), {-0.5f, 0, 1.5f});
  check_floats(run("Swish<alpha = 1.702>(x)"), {-0.06434138f, 0.35038844f, 2.98192869f}, 1e-5f);
  check_floats(run("com.microsoft.QuickGelu(x)"), {-0.06434138f, 0.35038844f, 2.98192869f}, 1e-5f);
  check_floats(run("com.microsoft.Gelu(x)"), {-0.04550026f, 0.34573123f, 2.99595031f}, 1e-5f);
  check_floats(run("com.microsoft.FastGelu(x)"), {-0.04540231f, 0.34571401f, 2.99636261f}, 1e-5f);
  check_floats(run("com.microsoft.FastGelu(x, b)"), {-0.15880801f, 0.34571401f, 1.95459769f}, 1e-5f);
  check_floats(run("com.microsoft.BiasGelu(x, b)"), {-0.15865525f, 0.34573123f, 1.95449974f}, 1e-5f);
  CHECK(values<int32_t>(result("g () => (y) <int32[3] x = {-2, 0, 3}> { y = Shrink<lambd = 1.5, bias = 1.5>(x) }")) == std::vector<int32_t>{0, 0, 1});
}

TEST_CASE("exponentials at the ends of the range") {
  const lathe::Tensor y = result("g () => (y) <float[6] x = {100, 88.7, -87.5, -103, -200, 0}> { y = Exp(x) }");
  CHECK(y.as<float>()[0] == std::numeric_limits<float>::infinity());
  CHECK(y.as<float>()[1] == doctest::Approx(3.3259834e38));
  CHECK(y.as<float>()[2] == doctest::Approx(9.9827e-39).epsilon(1e-4));  // subnormal
  CHECK(y.as<float>()[3] == std::numeric_limits<float>::denorm_min());   // e^-103 = 1.85e-45
  CHECK(y.as<float>()[4] == 0.0f);
  CHECK(y.as<float>()[5] == 1.0f);
}

TEST_CASE("clip and prelu") {
  check_floats(result("g () => (y) <float[3] x = {-2, 0.5, 3}, float lo = {-1}, float hi = {1}> { y = Clip(x, lo, hi) }"), {-1, 0.5f, 1});
  check_floats(result("g () => (y) <float[3] x = {-2, 0.5, 3}, float hi = {1}> { y = Clip(x, \"\", hi) }"), {-2, 0.5f, 1});
  check_floats(result("g () => (y) <float[2,2] x = {-2, -4, 3, -1}, float[2,1] s = {0.5, 0.25}> { y = PRelu(x, s) }"), {-1, -2, 3, -0.25f});
}

TEST_CASE("bad activations") {
  check_complaint("g (float[3] x) => (y) { [\"act\"] y = LeakyRelu<alhpa = 0.1>(x) }", {"'act'", "LeakyRelu", "no attribute 'alhpa'", "alpha"});
  check_complaint("g (int32[3] x) => (y) { y = Sigmoid(x) }", {"'X'", "float16, bfloat16, float, double", "int32"});
  check_complaint("g (float[3] x, float[2] s) => (y) { y = PRelu(x, s) }", {"broadcast", "3", "2"});
  check_complaint("g (float[3] x, double lo) => (y) { y = Clip(x, lo) }", {"'min'", "another type", "float", "double"});
  check_complaint("g (float[2,3] x, float[2] b) => (y) { y = com.microsoft.BiasGelu(x, b) }", {"length", "3", "2"});
  check_complaint("g (bool[3] x) => (y) { y = Shrink(x) }", {"'input'", "bool"});
}
