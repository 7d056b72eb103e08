// Every form of a detector's outputs, with numbers worked out by hand.
#include "core/predict/decode.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "core/base/diagnostic.hpp"

namespace {
using namespace lathe;

Tensor tensor(std::vector<int64_t> dimensions, const std::vector<float>& values) {
  Tensor t = Tensor::allocate(DataType::float32, dimensions);
  REQUIRE(t.as<float>().size() == values.size());
  std::copy(values.begin(), values.end(), t.as_mutable<float>().begin());
  return t;
}
Contract contract(Task task, int64_t classes) {
  Contract c;
  c.task = task;
  for (int64_t i = 0; i < classes; ++i) c.labels[i] = std::string(1, static_cast<char>('a' + i));
  return c;
}
std::vector<Detection> decoded(const Contract& c, const std::vector<NamedOutput>& outputs, float confidence = 0.25f,
                               const std::set<int64_t>& classes = {}) {
  return decode(c, outputs, 64, 32, confidence, classes).detections;
}
void check_box(const Detection& d, float left, float top, float right, float bottom) {
  CHECK(d.box.left == doctest::Approx(left));
  CHECK(d.box.top == doctest::Approx(top));
  CHECK(d.box.right == doctest::Approx(right));
  CHECK(d.box.bottom == doctest::Approx(bottom));
}
constexpr float log2_3 = 1.0986123f;  // logit of 0.75 is ln 3
}  // namespace

TEST_CASE("boxes and scores of every place") {
  // Two places, two classes: rows are x, y, width, height, a, b.
  const std::vector<NamedOutput> outputs = {
      {"output0", tensor({1, 6, 7}, {10, 30, 0, 0, 0, 0, 0, 20,   40,   0, 0, 0, 0, 0, 4,    6,    0,     0, 0, 0, 0,
                                     8,  2,  0, 0, 0, 0, 0, 0.3f, 0.6f, 0, 0, 0, 0, 0, 0.9f, 0.5f, 0.25f, 0, 0, 0, 0})}};
  const std::vector<Detection> found = decoded(contract(Task::detect, 2), outputs);
  REQUIRE(found.size() == 2);  // 0.25 is not above 0.25
  CHECK(found[0].label == 1);
  CHECK(found[0].score == 0.9f);
  check_box(found[0], 8, 16, 12, 24);
  CHECK(found[1].label == 0);
  check_box(found[1], 27, 39, 33, 41);
  CHECK(decoded(contract(Task::detect, 2), outputs, 0.7f).size() == 1);
  REQUIRE(decoded(contract(Task::detect, 2), outputs, 0.25f, {0}).size() == 1);
  CHECK(decoded(contract(Task::detect, 2), outputs, 0.25f, {0})[0].label == 0);
  // The head's form and the sizes count more than the number of names; without either the sizes alone tell.
  Contract known = contract(Task::detect, 5);
  known.head = Head::decoded;
  CHECK(decoded(known, outputs).size() == 2);
  CHECK(decoded(contract(Task::detect, 0), outputs).size() == 2);
}

TEST_CASE("a head with anchors multiplies scores by objectness, and objectness alone must suffice") {
  const std::vector<NamedOutput> outputs = {
      {"output", tensor({1, 3, 7}, {10, 20, 4, 8, 0.5f, 0.25f, 0.875f, 10, 20, 4, 8, 0.25f, 1, 1, 10, 20, 4, 8, 0.9f, 0.1f, 0.2f})}};
  const std::vector<Detection> found = decoded(contract(Task::detect, 2), outputs);
  REQUIRE(found.size() == 1);
  CHECK(found[0].score == 0.4375f);
  CHECK(found[0].label == 1);
  check_box(found[0], 8, 16, 12, 24);
}

TEST_CASE("what is nowhere is not found, and what has no score neither") {
  const std::vector<NamedOutput> outputs = {
      {"output0", tensor({1, 5, 6}, {NAN, 1, 1, 1, 1, 1, 1, INFINITY, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0.9f, 0.9f, NAN, 0.9f, 0, 0})}};
  Contract c = contract(Task::detect, 1);
  c.head = Head::decoded;
  CHECK(decoded(c, outputs).size() == 1);
}

TEST_CASE("queries hold boxes in parts of the input") {
  const std::vector<NamedOutput> outputs = {{"output0", tensor({1, 2, 7}, {0.5f, 0.5f, 0.25f, 0.5f, 0.1f, 0.8f, 0.3f, 0, 0, 0, 0, 0.1f, 0, 0})}};
  const Candidates found = decode(contract(Task::detect, 3), outputs, 64, 32, 0.25f, {});
  CHECK(found.suppressed);
  REQUIRE(found.detections.size() == 1);
  check_box(found.detections[0], 24, 8, 40, 24);
  const Candidates raw = decode(
      contract(Task::detect, 1),
      std::vector<NamedOutput>{{"boxes", tensor({1, 2, 4}, {0.5f, 0.5f, 0.25f, 0.5f, 0, 0, 0, 0})}, {"scores", tensor({1, 2, 1}, {log2_3, -9})}}, 64,
      32, 0.25f, {});
  REQUIRE(raw.detections.size() == 1);
  CHECK(raw.detections[0].score == doctest::Approx(0.75f));
  check_box(raw.detections[0], 24, 8, 40, 24);
}

TEST_CASE("final boxes are taken as they are") {
  for (const std::vector<int64_t>& dimensions : {std::vector<int64_t>{1, 2, 6}, std::vector<int64_t>{2, 6}}) {
    const std::vector<NamedOutput> outputs = {{"output0", tensor(dimensions, {1, 2, 3, 4, 0.5f, 7, 0, 0, 9, 9, 0.2f, 1})}};
    Contract c = contract(Task::detect, 9);
    c.head = Head::final_boxes;
    const Candidates found = decode(c, outputs, 64, 32, 0.25f, {});
    CHECK(found.suppressed);
    REQUIRE(found.detections.size() == 1);
    CHECK(found.detections[0].label == 7);
    check_box(found.detections[0], 1, 2, 3, 4);
  }
  Contract none = contract(Task::detect, 2);
  none.head = Head::final_boxes;
  CHECK(decoded(none, {{"output0", Tensor::allocate(DataType::float32, {0, 6})}}).empty());
}

TEST_CASE("raw outputs: distances are means of distributions, scores pass the sigmoid") {
  // One scale, 1 x 2 cells of 32 pixels, two bins a side, one class. The first cell's logits differ by ln 3: means of 0.75, 0.75, 0.25, 0.25.
  std::vector<float> boxes(16, 0);
  const auto set = [&](size_t channel, size_t cell, float v) { boxes[channel * 2 + cell] = v; };
  set(1, 0, log2_3), set(3, 0, log2_3), set(4, 0, log2_3), set(6, 0, log2_3);
  const std::vector<NamedOutput> outputs = {{"boxes0", tensor({1, 8, 1, 2}, boxes)}, {"scores0", tensor({1, 1, 1, 2}, {log2_3, -9})}};
  const std::vector<Detection> found = decoded(contract(Task::detect, 1), outputs);
  REQUIRE(found.size() == 1);
  CHECK(found[0].score == doctest::Approx(0.75f));
  // The centre lies at (0.5, 0.5) cells.
  check_box(found[0], (0.5f - 0.75f) * 32, (0.5f - 0.75f) * 32, (0.5f + 0.25f) * 32, (0.5f + 0.25f) * 32);
  CHECK_THROWS_AS(decoded(contract(Task::pose, 1), outputs), Error);  // no keypoints0
}

TEST_CASE("raw keypoints and angles") {
  Contract pose = contract(Task::pose, 1);
  pose.keypoints = 1, pose.keypoint_values = 3;
  std::vector<NamedOutput> outputs = {{"boxes0", tensor({1, 4, 1, 1}, {1, 1, 1, 1})},
                                      {"scores0", tensor({1, 1, 1, 1}, {0})},
                                      {"keypoints0", tensor({1, 3, 1, 1}, {0.25f, -0.5f, log2_3})}};
  const std::vector<Detection> person = decoded(pose, outputs);
  REQUIRE(person.size() == 1);
  REQUIRE(person[0].keypoints.size() == 1);
  CHECK(person[0].keypoints[0].x == doctest::Approx(0.5f * 32));  // (2 x + cell) times the stride, the cell's corner at 0
  CHECK(person[0].keypoints[0].y == doctest::Approx(-1.0f * 32));
  CHECK(person[0].keypoints[0].visibility == doctest::Approx(0.75f));

  outputs[0].tensor = tensor({1, 4, 1, 1}, {1, 1, 2, 1});    // further to the right than to the left by one: the centre moves by half a cell
  outputs[2] = {"angles0", tensor({1, 1, 1, 1}, {log2_3})};  // (0.75 - 0.25) pi = a quarter turn
  const std::vector<Detection> plane = decoded(contract(Task::rotated, 1), outputs);
  REQUIRE(plane.size() == 1);
  const RotatedBox r = plane[0].rotated.value();
  CHECK(r.angle == doctest::Approx(1.5707963));
  CHECK(r.x == doctest::Approx(16));
  CHECK(r.y == doctest::Approx(32));
  CHECK(r.width == doctest::Approx(96));
  CHECK(r.height == doctest::Approx(64));
}

TEST_CASE("without suppression every class counts") {
  Contract c = contract(Task::detect, 3);
  c.head = Head::raw, c.end_to_end = true;
  const Candidates found =
      decode(c, std::vector<NamedOutput>{{"boxes0", tensor({1, 4, 1, 1}, {1, 1, 1, 1})}, {"scores0", tensor({1, 3, 1, 1}, {0, log2_3, -9})}}, 64, 32,
             0.25f, {});
  CHECK(found.suppressed);
  // Of two that are sure enough the best one: there is one place only.
  REQUIRE(found.detections.size() == 1);
  CHECK(found.detections[0].label == 1);
  // Its decoded rows need no head that says so.
  c.head = Head::decoded;
  CHECK(decode(c, std::vector<NamedOutput>{{"output0", tensor({1, 1, 6}, {1, 2, 3, 4, 0.5f, 2})}}, 64, 32, 0.25f, {}).suppressed);
}

TEST_CASE("raw outputs of a head with anchors") {
  Contract c = contract(Task::detect, 1);
  c.anchors = {{{10, 20}}};
  // Sigmoids of 0 are one half: the centre in the middle of the cell, the size that of the anchor.
  const std::vector<NamedOutput> outputs = {{"scale0", tensor({1, 6, 1, 2}, {0, 0, 0, 0, 0, 0, 0, 0, -9, log2_3, 9, 9})}};
  const std::vector<Detection> found = decoded(c, outputs);
  REQUIRE(found.size() == 1);
  CHECK(found[0].score == doctest::Approx(0.75f).epsilon(1e-3));
  check_box(found[0], 48 - 5, 16 - 10, 48 + 5, 16 + 10);
  c.anchors.clear();
  CHECK_THROWS_AS(decoded(c, outputs), Error);
}

TEST_CASE("mask coefficients, keypoints and angles stand behind the scores") {
  const std::vector<NamedOutput> masks = {{"output0", tensor({1, 7, 8},
                                                             [] {
                                                               std::vector<float> v(56, 0);
                                                               v[0] = 5, v[8] = 5, v[16] = 2, v[24] = 2, v[32] = 0.5f, v[40] = 0.25f, v[48] = -3;
                                                               return v;
                                                             }())},
                                          {"output1", tensor({1, 2, 1, 1}, {1, 1})}};
  const std::vector<Detection> found = decoded(contract(Task::segment, 1), masks);
  REQUIRE(found.size() == 1);
  CHECK(found[0].mask == std::vector<float>{0.25f, -3});
  // Final rows of rotated boxes: centre and size, score, class, angle.
  Contract rotated = contract(Task::rotated, 1);
  rotated.head = Head::final_boxes;
  const std::vector<Detection> plane = decoded(rotated, {{"output0", tensor({1, 1, 7}, {5, 6, 4, 2, 0.5f, 0, 0.1f})}});
  REQUIRE(plane.size() == 1);
  CHECK(plane[0].rotated.value().height == 2);
  CHECK(plane[0].rotated.value().angle == 0.1f);
}

TEST_CASE("outputs of other forms are refused with what was found") {
  for (const std::vector<int64_t>& dimensions : {std::vector<int64_t>{1, 3, 8, 8}, std::vector<int64_t>{1, 10}, std::vector<int64_t>{1, 9, 11}}) {
    try {
      decoded(contract(Task::detect, 2), {{"odd", Tensor::allocate(DataType::float32, dimensions)}});
      FAIL("accepted");
    } catch (const Error& e) {
      CHECK(e.code == Code::failed);
      CHECK(std::string(e.what()).find("odd 1x") != std::string::npos);
    }
  }
  CHECK_THROWS_AS(decoded(contract(Task::detect, 2), {}), Error);
  CHECK_THROWS_AS(decoded(contract(Task::detect, 2), {{"x", Tensor::allocate(DataType::int64, {1, 6, 7})}}), Error);
}
