// ONNX Runtime's normalisations, by hand.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("skip connections") {
  const auto run = [](const std::string& node) {
    return result(
        "g () => (y) <float[1,2,2] x = {1, 2, 3, 4}, float[2,2] s = {0, 1, 1, 4}, float[2] g = {1, 2}, float[2] b = {0, 5}, float[2] e = {2, 2}> { " +
        node + " }");
  };
  // Sums: 1, 3 and 4, 8.
  check_floats(run("y = com.microsoft.SkipLayerNormalization(x, s, g, b)"), {-1, 7, -1, 7});
  check_floats(run("a, \"\", \"\", y = com.microsoft.SkipLayerNormalization(x, s, g, b, e)"), {3, 5, 6, 10});
  check_floats(run("a, y = com.microsoft.SkipLayerNormalization(x, s, g)"), {2, 6});
  check_floats(run("y = com.microsoft.SkipSimplifiedLayerNormalization(x, s, g)"), {0.44721360f, 2.68328157f, 0.63245553f, 2.52982213f});
}

TEST_CASE("embeddings and groups") {
  const std::string tables =
      "int32[1,2] i = {1, 0}, int32[1,2] z = {0, 0}, float[2,2] w = {4, 8, 1, 3}, float[2,2] p = {0, 0, 1, 1}, float[1,2] s = {1, 1}, "
      "float[2] g = {1, 2}, float[2] b = {0, 5}, int32[1,2] m = {1, 0}";
  const auto run = [&](const std::string& node) { return result("g () => (y) <" + tables + "> { " + node + " }"); };
  check_floats(run("y = com.microsoft.EmbedLayerNormalization(i, \"\", w, p, \"\", g, b)"), {-1, 7, -1, 7});
  check_floats(run("a, c, y = com.microsoft.EmbedLayerNormalization(i, z, w, p, s, g, b)"), {2, 4, 6, 10});
  CHECK(values<int32_t>(run("a, y = com.microsoft.EmbedLayerNormalization(i, z, w, p, s, g, b, m)")) == std::vector<int32_t>{1});
  // Two pixels of two channels, the channels last; each channel is a group of its own.
  check_floats(
      result("g () => (y) <float[1,2,1,2] x = {1, 10, 3, 30}, float[2] g = {1, 2}, float[2] b = {0, 5}> { y = com.microsoft.GroupNorm<groups = 2, "
             "activation = 0, epsilon = 0.0>(x, g, b) }"),
      {-1, 3, 1, 7});
  CHECK_THROWS_WITH_AS(result("g () => (y) <int32[1,1] i = {7}, float[2,1] w = {4, 8}, float[1,1] p = {0}, float[1] g = {1}> { y = "
                              "com.microsoft.EmbedLayerNormalization(i, \"\", w, p, \"\", g, g) }"),
                       doctest::Contains("embeddings"), Error);
}

TEST_CASE("bad normalisations of ONNX Runtime") {
  check_complaint("g (float[1,2,4] x, float[3,4] s, float[4] g) => (y) { [\"n\"] y = com.microsoft.SkipLayerNormalization(x, s, g) }",
                  {"'n'", "SkipLayerNormalization", "skip connection", "1x2x4", "3x4"});
  check_complaint("g (float[1,2,4] x, float[1,2,4] s, float[3] g) => (y) { y = com.microsoft.SkipLayerNormalization(x, s, g) }",
                  {"length", "4", "3"});
  check_complaint("g (float[1,2,2,6] x, float[6] g) => (y) { y = com.microsoft.GroupNorm<groups = 4, activation = 0>(x, g, g) }",
                  {"groups", "6", "4"});
  check_complaint(
      "g (int64[1,2] i, float[9,4] w, float[5,4] p, float[4] g) => (y) { y = com.microsoft.EmbedLayerNormalization(i, \"\", w, p, \"\", g, g) }",
      {"'input_ids'", "int32", "int64"});
}
