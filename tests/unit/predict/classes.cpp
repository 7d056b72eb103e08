// A classifier's output: probabilities stay as they are, scores before softmax become probabilities.
#include <doctest/doctest.h>

#include <cmath>

#include "core/base/diagnostic.hpp"
#include "core/predict/predictor.hpp"

using namespace lathe;

namespace {
std::vector<std::pair<int64_t, float>> surest(const std::vector<float>& values) {
  return surest_classes(Tensor::of<float>(DataType::float32, {1, static_cast<int64_t>(values.size())}, values));
}
}  // namespace

TEST_CASE("probabilities") {
  const auto list = surest({0.1f, 0.6f, 0.05f, 0.05f, 0.1f, 0.1f});
  REQUIRE(list.size() == 5);
  CHECK(list[0] == std::pair<int64_t, float>{1, 0.6f});
  CHECK(list[1] == std::pair<int64_t, float>{0, 0.1f});  // of equal ones the first
}

TEST_CASE("scores before softmax") {
  const auto list = surest({0.0f, std::log(3.0f)});
  CHECK(list[0].first == 1);
  CHECK(list[0].second == doctest::Approx(0.75));
  CHECK(list[1].second == doctest::Approx(0.25));
  CHECK(surest({1000.0f, 0.0f})[0].second == doctest::Approx(1));
}

TEST_CASE("what is no row") {
  const std::vector<float> four(4, 0.25f);
  CHECK_THROWS_AS(surest_classes(Tensor::of<float>(DataType::float32, {2, 2}, four)), Error);
}
