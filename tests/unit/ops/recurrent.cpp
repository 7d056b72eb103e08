// Recurrent layers. Numbers: the standard's equations in numpy, in float64.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

const std::string lstm_weights =
    "float[1,4,1] w = {0.5, -0.25, 1, 0.75}, float[1,4,1] r = {0.1, 0.2, -0.3, 0.4}, float[1,8] b = {0.1, 0, -0.2, 0.3, 0, 0.1, 0.2, -0.1}";
const std::string gru_weights =
    "float[1,3,1] w = {0.5, -0.25, 1}, float[1,3,1] r = {0.1, 0.2, -0.3}, float[1,6] b = {0.1, 0, -0.2, 0, 0.1, 0.2}, float[1,1,1] h = {0.5}";

}  // namespace

TEST_CASE("LSTM") {
  const auto run = [](const std::string& node, const std::string& x = "float[2,1,1] x = {1, 2}") {
    return result(
        "g () => (y) <" + x + ", " + lstm_weights +
        ", float[1,3] p = {0.5, -0.5, 0.25}, float[1,1,1] h = {0.5}, float[1,1,1] c = {-1}, float[1,1,1] large = {2}, int32[1] n = {1}> { " + node +
        " }");
  };
  check_floats(run("y = LSTM<hidden_size = 1>(x, w, r, b)"), {0.20554585f, 0.33352928f});
  check_floats(run("a, y = LSTM(x, w, r, b)"), {0.33352928f});
  check_floats(run("a, d, y = LSTM(x, w, r, b)"), {1.13010928f});
  check_floats(run("y = LSTM<direction = \"reverse\">(x, w, r, b)"), {0.36372653f, 0.24299829f});
  check_floats(run("y = LSTM(x, w, r, b, \"\", h, c, p)"), {-0.10434666f, 0.15552617f});
  check_floats(run("y = LSTM<input_forget = 1>(x, w, r, b)"), {0.20554585f, 0.27983599f});
  check_floats(run("y = LSTM<clip = 0.6>(x, w, r, b)"), {0.15426235f, 0.21084075f});
  check_floats(run("y = LSTM<clip = 0.6>(x, w, r, b, \"\", \"\", large)"), {0.42889559f, 0.37409105f});  // the gates are limited, the cell is not
  // Steps after the end yield zeros, and the state stays.
  check_floats(run("y = LSTM(x, w, r, b, n)"), {0.20554585f, 0});
  check_floats(run("a, y = LSTM(x, w, r, b, n)"), {0.20554585f});
  check_floats(run("y = LSTM<direction = \"reverse\">(x, w, r, b, n)"), {0.20554585f, 0});
}

TEST_CASE("GRU before and after the reset") {
  const auto run = [](const std::string& more) {
    return result("g () => (y) <float[2,1,1] x = {1, 2}, " + gru_weights + "> { y = GRU<" + more + ">(x, w, r, b, \"\", h) }");
  };
  check_floats(run("linear_before_reset = 0"), {0.57859036f, 0.66937803f});
  check_floats(run("linear_before_reset = 1"), {0.56086149f, 0.65358146f});
}

TEST_CASE("RNN: batches, both directions, layouts, activations") {
  const std::string weights = "float[1,1,1] w = {0.5}, float[1,1,1] r = {-0.5}";
  check_floats(result("g () => (y) <float[3,1,1] x = {1, 2, 3}, " + weights + "> { y = RNN(x, w, r) }"), {0.46211716f, 0.64631348f, 0.82645361f});
  // Two items: 1, 2 and 2, 1.
  check_floats(result("g () => (y) <float[2,2,1] x = {1, 2, 2, 1}, " + weights + "> { y = RNN(x, w, r) }"),
               {0.46211716f, 0.76159416f, 0.64631348f, 0.11864151f});
  check_floats(result("g () => (y) <float[2,2,1] x = {1, 2, 2, 1}, " + weights + "> { y = RNN<layout = 1>(x, w, r) }"),
               {0.46211716f, 0.64631348f, 0.76159416f, 0.11864151f});
  // Backward, 2 then 1: the second direction's weights are the same.
  check_floats(result("g () => (y) <float[2,1,1] x = {1, 2}, float[2,1,1] w = {0.5, 0.5}, float[2,1,1] r = {-0.5, -0.5}> { y = RNN<direction = "
                      "\"bidirectional\", activations = [\"Tanh\", \"Tanh\"]>(x, w, r) }"),
               {0.46211716f, 0.11864151f, 0.64631348f, 0.76159416f});
  check_floats(result("g () => (y) <float[2,1,1] x = {1, -2}, " + weights +
                      "> { y = RNN<activations = [\"Affine\"], activation_alpha = [2.0], activation_beta = [1.0]>(x, w, r) }"),
               {2, -3});
  check_floats(result("g () => (y) <float[2,1,1] x = {1, -2}, " + weights +
                      "> { y = RNN<activations = [\"LeakyRelu\"], activation_alpha = [0.25]>(x, w, r) }"),
               {0.5f, -0.3125f});
  CHECK(inferred("g (float16[S,N,3] x, float16[2,5,3] w, float16[2,5,5] r) => (y) { y = RNN<direction = \"bidirectional\">(x, w, r) }") ==
        "float16[S,2,N,5]");
  CHECK(inferred("g (float[N,S,3] x, float[1,20,3] w, float[1,20,5] r) => (y) { a, b, y = LSTM<layout = 1>(x, w, r) }") == "float[N,1,5]");
}

TEST_CASE("a layer wider than the kernel's lanes") {
  // All weights 1/64, so every unit is tanh(64 x / 64) at first and then tanh(1 + h).
  const Tensor y = result(
      "g () => (y) <float[1] one = {1}, float[1] part = {0.015625}, int64[3] xs = {2, 1, 64}, int64[3] ws = {1, 64, 64}> "
      "{ x = Expand(one, xs) w = Expand(part, ws) y = RNN(x, w, w) }");
  std::vector<float> expected(64, 0.76159416f);
  expected.insert(expected.end(), 64, 0.94268200f);
  check_floats(y, expected);
}

TEST_CASE("bad recurrent layers") {
  check_complaint("g (float[2,1,3] x, float[1,20,3] w, float[1,20,4] r) => (y) { [\"rec\"] y = LSTM(x, w, r) }",
                  {"'rec'", "LSTM", "input 1", "1x16x3", "1x20x3"});
  check_complaint("g (float[2,1,3] x, float[1,20,4] w, float[1,20,5] r) => (y) { y = LSTM(x, w, r) }", {"input 1", "1x20x3", "1x20x4"});
  check_complaint("g (float[2,3] x, float[1,20,3] w, float[1,20,5] r) => (y) { y = LSTM(x, w, r) }", {"number of dimensions", "3", "2"});
  check_complaint("g (float[2,1,3] x, float[1,5,3] w, float[1,5,5] r) => (y) { y = RNN<direction = \"up\">(x, w, r) }",
                  {"'direction'", "forward, reverse or bidirectional", "up"});
  check_complaint("g (float[2,1,3] x, float[1,5,3] w, float[1,5,5] r) => (y) { y = RNN<activations = [\"Gelu\"]>(x, w, r) }",
                  {"activation function", "hardsigmoid", "Gelu"});
  check_complaint("g (float[2,1,3] x, float[1,5,3] w, float[1,5,5] r) => (y) { y = RNN<activations = [\"Tanh\", \"Tanh\"]>(x, w, r) }",
                  {"'activations'", "1", "2"});
  check_complaint("g (float[2,1,3] x, float[1,5,3] w, float[1,5,5] r) => (y) { y = RNN<hidden_size = 6>(x, w, r) }", {"'hidden_size'", "5", "6"});
  check_complaint("g (float[2,1,3] x, double[1,5,3] w, float[1,5,5] r) => (y) { y = RNN(x, w, r) }", {"'W'", "another type", "double"});
  check_complaint("g (float[2,1,3] x, float[1,15,3] w) => (y) { y = GRU(x, w) }", {"'R'", "missing"});
  check_complaint("g (float[2,1,3] x, float[1,15,3] w, float[1,15,5] r, float[1,15] b) => (y) { y = GRU(x, w, r, b) }", {"input 3", "1x30", "1x15"});
  CHECK_THROWS_WITH_AS(result("g () => (y) <float[2,1,1] x = {1, 2}, " + gru_weights + ", int32[1] n = {3}> { y = GRU(x, w, r, b, n) }"),
                       doctest::Contains("sequence_lens"), Error);
}
