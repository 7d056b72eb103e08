// Normalisations beyond the plain forms that matmul.cpp tests.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("batch normalisation in training") {
  const auto run = [](const std::string& outputs) {
    return result("g () => (y) <float[2,1,2] x = {1, 3, 5, 7}, float[1] s = {2}, float[1] b = {1}, float[1] m = {10}, float[1] v = {20}> { " +
                  outputs + " = BatchNormalization<training_mode = 1, momentum = 0.75, epsilon = 0.0>(x, s, b, m, v) }");
  };
  check_floats(run("y"), {-1.68328157f, 0.10557281f, 1.89442719f, 3.68328157f});  // mean 4, variance 5
  check_floats(run("a, y"), {8.5f});                                              // 10 * 0.75 + 4 * 0.25
  check_floats(run("a, c, y"), {16.25f});
}

TEST_CASE("layer normalisation: statistics") {
  const auto run = [](const std::string& node) { return result("g () => (y) <float[2,2] x = {1, 3, 5, 9}, float[2] s = {1, 1}> { " + node + " }"); };
  check_floats(run("a, y = LayerNormalization<epsilon = 0.0>(x, s)"), {2, 7});
  check_floats(run("a, b, y = LayerNormalization<epsilon = 0.0>(x, s)"), {1, 0.5f});
  CHECK(inferred("g (float16[N,4] x, float16[4] s) => (y) { a, b, y = LayerNormalization(x, s) }") == "float[N,1]");
  CHECK(inferred("g (bfloat16[N,4] x, bfloat16[4] s) => (y) { a, y = LayerNormalization<stash_type = 16>(x, s) }") == "bfloat16[N,1]");
  check_floats(result("g () => (y) <float[1,2] x = {3, 4}, float[2] s = {1, 2}> { y = SimplifiedLayerNormalization<epsilon = 0.0>(x, s) }"),
               {0.84852814f, 2.2627417f});
  check_floats(result("g () => (y) <float[1,2] x = {1, 7}, float[2] s = {1, 2}> { a, y = SimplifiedLayerNormalization<epsilon = 0.0>(x, s) }"),
               {0.2f});
}

TEST_CASE("group normalisation") {
  check_floats(
      result(
          "g () => (y) <float[1,4,1] x = {1, 3, 10, 30}, float[4] s = {1, 2, 3, 4}, float[4] b = {0, 0, 0, 1}> { y = GroupNormalization<num_groups "
          "= 2, epsilon = 0.0>(x, s, b) }"),
      {-1, 2, -3, 5});
}

TEST_CASE("normalisation by norms, neighbours and moments") {
  check_floats(result("g () => (y) <float[2,2] x = {3, 4, 0, 0}> { y = LpNormalization(x) }"), {0.6f, 0.8f, 0, 0});
  check_floats(result("g () => (y) <float[2,2] x = {3, -4, 1, 0}> { y = LpNormalization<p = 1, axis = 0>(x) }"), {0.75f, -1, 0.25f, 0});
  check_floats(result("g () => (y) <float[1,4,1] x = {1, 2, 3, 4}> { y = LRN<size = 3, alpha = 0.5>(x) }"),
               {0.63470062f, 0.81072009f, 0.79925187f, 1.16721849f});
  check_floats(result("g () => (y) <float[1,1,2,3] x = {1, 3, 2, 0, 1, 5}> { y = MeanVarianceNormalization(x) }"),
               {-0.61237244f, 0.61237244f, 0, -1.22474487f, -0.61237244f, 1.83711731f});
}

TEST_CASE("bad normalisations") {
  check_complaint("g (float[2,3] x) => (y) { [\"n\"] y = LpNormalization<p = 3>(x) }", {"'n'", "'p'", "1 or 2", "3"});
  check_complaint("g (float[2,3,4] x) => (y) { y = LRN(x) }", {"'size'", "missing"});
  check_complaint("g (float[2,3,4] x) => (y) { y = LRN<size = 0>(x) }", {"'size'", "1 or more", "0"});
  check_complaint("g (float[2,3] x) => (y) { y = MeanVarianceNormalization(x) }", {"axis", "2"});
  check_complaint("g (float[2,3] x, float[3] s) => (y) { y = LayerNormalization<stash_type = 7>(x, s) }", {"'stash_type'", "7"});
  check_complaint("g (float[2,3] x, float[4] s) => (y) { y = RMSNormalization(x, s) }", {"broadcast", "3", "4"});
  check_complaint("g (float[1,3,2] x, float[3] p) => (y) { a, y = BatchNormalization(x, p, p, p, p) }", {"training mode"});
  check_complaint("g (float[1,3,2] x, float[3] p) => (y) { y = GroupNormalization<num_groups = 2>(x, p, p) }", {"groups", "3"});
}
