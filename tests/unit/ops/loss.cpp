// Losses of classifiers. Numbers: PyTorch's cross_entropy and nll_loss, and the standard's examples.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("softmax cross-entropy") {
  const auto run = [](const std::string& attributes, const std::string& more = "") {
    return result("g () => (y) <float[2,3] x = {1, 2, 3, 1, 0, -1}, int64[2] t = {2, 0}, float[3] w = {0.5, 1, 2}> { y = SoftmaxCrossEntropyLoss<" +
                  attributes + ">(x, t" + more + ") }");
  };
  check_floats(run("reduction = \"none\""), {0.40760596f, 0.40760596f});
  check_floats(run("reduction = \"none\"", ", w"), {0.81521193f, 0.20380298f});
  check_floats(run("reduction = \"mean\"", ", w"), {0.40760596f});
  check_floats(run("reduction = \"sum\"", ", w"), {1.01901491f});
  check_floats(run("reduction = \"sum\", ignore_index = 0", ", w"), {0.81521193f});
  check_floats(run("reduction = \"mean\", ignore_index = 0"), {0.40760596f});
  check_floats(result("g () => (y) <float[2,3] x = {1, 2, 3, 1, 0, -1}, int64[2] t = {2, 0}> { a, y = SoftmaxCrossEntropyLoss(x, t) }"),
               {-2.40760596f, -1.40760596f, -0.40760596f, -0.40760596f, -1.40760596f, -2.40760596f});
  check_floats(result("g () => (y) <float[1,3,2] x = {1, 2, 3, 4, 0, 1}, int32[1,2] t = {1, 2}> { y = SoftmaxCrossEntropyLoss<reduction = "
                      "\"none\">(x, t) }"),
               {0.16984602f, 3.16984602f});
}

TEST_CASE("negative log-likelihood: the standard's examples") {
  const auto run = [](const std::string& reduction, const std::string& more) {
    return result(
        "g () => (y) <float[2,3,2] x = {1, 2, 2, 2, 3, 2, 0, 1, 2, 2, 1, 2}, int64[2,2] t = {2, 1, 0, 2}, float[3] w = {0.2, 0.3, 0.1}> "
        "{ y = NegativeLogLikelihoodLoss<reduction = \"" +
        reduction + "\">(x, t" + more + ") }");
  };
  check_floats(run("none", ""), {-3, -2, 0, -2});
  check_floats(run("sum", ", w"), {-1.1f});
  check_floats(run("mean", ", w"), {-1.5714286f});
}

TEST_CASE("bad losses") {
  check_complaint("g (float[2,3] x, int64[3] t) => (y) { [\"loss\"] y = SoftmaxCrossEntropyLoss(x, t) }", {"'loss'", "input 1", "2", "3"});
  check_complaint("g (float[2,3,4] x, int64[2] t) => (y) { y = NegativeLogLikelihoodLoss(x, t) }", {"input 1", "2x4"});
  check_complaint("g (float[2,3] x, int64[2] t, float[2] w) => (y) { y = NegativeLogLikelihoodLoss(x, t, w) }", {"input 2", "3", "2"});
  check_complaint("g (float[2,3] x, float[2] t) => (y) { y = NegativeLogLikelihoodLoss(x, t) }", {"'target'", "int32, int64", "float"});
  check_complaint("g (float[2,3] x, int64[2] t) => (y) { y = NegativeLogLikelihoodLoss<reduction = \"max\">(x, t) }",
                  {"'reduction'", "mean, none, sum", "max"});
  CHECK_THROWS_WITH_AS(result("g () => (y) <float[1,3] x = {1, 2, 3}, int64[1] t = {3}> { y = SoftmaxCrossEntropyLoss(x, t) }"),
                       doctest::Contains("label"), Error);
}
