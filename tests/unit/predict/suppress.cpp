// Suppression with numbers worked out by hand.
#include "core/predict/suppress.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

namespace {
using namespace lathe;

Detection box(float left, float top, float right, float bottom, float score, int64_t label = 0) {
  Detection d;
  d.box = {left, top, right, bottom}, d.score = score, d.label = label;
  return d;
}
Detection turned(float x, float y, float width, float height, float angle, float score, int64_t label = 0) {
  Detection d;
  d.rotated = RotatedBox{x, y, width, height, angle};
  d.box = enclosing(*d.rotated), d.score = score, d.label = label;
  return d;
}
std::vector<float> scores(const std::vector<Detection>& list) {
  std::vector<float> values;
  for (const Detection& d : list) values.push_back(d.score);
  return values;
}
}  // namespace

TEST_CASE("intersection over union") {
  CHECK(intersection_over_union({0, 0, 10, 10}, {5, 0, 15, 10}) == doctest::Approx(50.0 / 150));
  CHECK(intersection_over_union({0, 0, 10, 10}, {10, 0, 20, 10}) == 0);
  CHECK(intersection_over_union({0, 0, 10, 10}, {20, 20, 30, 30}) == 0);
  CHECK(intersection_over_union({0, 0, 10, 10}, {0, 0, 10, 10}) == 1);
}

TEST_CASE("the surest of those that overlap stays, and order is by score") {
  // Overlaps with the first: 0.8 and 0.6.
  const std::vector<Detection> list = {box(0, 0, 100, 60, 0.5f), box(0, 0, 100, 100, 0.9f), box(0, 0, 100, 80, 0.7f)};
  CHECK(scores(suppress(list, {})) == std::vector<float>{0.9f, 0.5f});
  CHECK(scores(suppress(list, {.overlap = 0.85f})) == std::vector<float>{0.9f, 0.7f, 0.5f});
  CHECK(scores(suppress(list, {.overlap = 0.85f, .most = 2})) == std::vector<float>{0.9f, 0.7f});
  CHECK(scores(suppress(list, {.overlap = 0.8f})) == std::vector<float>{0.9f, 0.7f, 0.5f});  // 0.8 is not above 0.8, 60/80 neither
}

TEST_CASE("a silenced box silences nobody") {
  // Each overlaps the next by 0.75 or more, the first and the last by less.
  const std::vector<Detection> chain = {box(0, 0, 100, 100, 0.9f), box(0, 10, 100, 110, 0.8f), box(0, 20, 100, 120, 0.7f)};
  CHECK(scores(suppress(chain, {})) == std::vector<float>{0.9f, 0.7f});
}

TEST_CASE("classes do not silence each other unless asked to") {
  const std::vector<Detection> list = {box(0, 0, 100, 100, 0.9f, 3), box(0, 0, 100, 100, 0.8f, 79), box(1, 0, 100, 100, 0.7f, 79)};
  CHECK(scores(suppress(list, {})) == std::vector<float>{0.9f, 0.8f});
  CHECK(scores(suppress(list, {.agnostic = true})) == std::vector<float>{0.9f});
}

TEST_CASE("the probabilistic overlap of rotated boxes") {
  const RotatedBox a{50, 50, 40, 20, 0.3f};
  // The same distribution: the Bhattacharyya distance is 0, clamped to 1e-7.
  CHECK(probabilistic_overlap(a, a) == doctest::Approx(1 - std::sqrt(2e-7)).epsilon(1e-3));
  // Squares of 12 have variance 12 in both directions: B = (1/8) d^2 / 12 for a distance d; here d = 6: B = 0.375.
  CHECK(probabilistic_overlap({0, 0, 12, 12, 0}, {6, 0, 12, 12, 0}) == doctest::Approx(1 - std::sqrt(1 - std::exp(-0.375))).epsilon(1e-4));
  // Concentric squares of 12 and 24 (variances 12 and 48): B = 1/2 ln(30^2 / sqrt(12^2 48^2)) = 1/2 ln(900 / 576).
  CHECK(probabilistic_overlap({5, 5, 12, 12, 1}, {5, 5, 24, 24, 0}) ==
        doctest::Approx(1 - std::sqrt(1 - std::exp(-0.5 * std::log(900.0 / 576)))).epsilon(1e-4));
  // A half turn changes nothing, a quarter turn exchanges width and height.
  CHECK(probabilistic_overlap(a, {50, 50, 40, 20, 0.3f + std::numbers::pi_v<float>}) > 0.999f);
  CHECK(probabilistic_overlap(a, {50, 50, 20, 40, 0.3f + std::numbers::pi_v<float> / 2}) > 0.999f);
  CHECK(probabilistic_overlap(a, {500, 50, 40, 20, 0.3f}) < 1e-3f);
}

TEST_CASE("a rotated box is silenced by any surer one, silenced or not") {
  const std::vector<Detection> chain = {turned(0, 0, 120, 120, 0, 0.9f), turned(20, 0, 120, 120, 0, 0.8f), turned(40, 0, 120, 120, 0, 0.7f),
                                        turned(40, 0, 120, 120, 0, 0.6f, 1)};
  // d = 20 with variance 1200: B = 400 / 9600, overlap 0.80; d = 40: 0.61.
  CHECK(scores(suppress(chain, {})) == std::vector<float>{0.9f, 0.6f});
  CHECK(scores(suppress(chain, {.overlap = 0.9f})) == std::vector<float>{0.9f, 0.8f, 0.7f, 0.6f});
}

TEST_CASE("what encloses a rotated box, and its corners") {
  const RotatedBox quarter{10, 20, 8, 4, std::numbers::pi_v<float> / 2};
  const Corners c = enclosing(quarter);
  CHECK(c.left == doctest::Approx(8));
  CHECK(c.bottom == doctest::Approx(24));
  const auto corners = corners_of(quarter);  // the width's direction points down
  CHECK(corners[0].first == doctest::Approx(8));
  CHECK(corners[0].second == doctest::Approx(24));
  CHECK(corners[2].first == doctest::Approx(12));
  CHECK(corners[2].second == doctest::Approx(16));
}
