// What is drawn, pixel by pixel where it matters.
#include "core/predict/draw.hpp"

#include <doctest/doctest.h>

#include <set>

#include "core/predict/font.hpp"
#include "core/predict/report.hpp"

namespace {
using namespace lathe;

Picture black(int64_t width, int64_t height) { return {width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3), 0)}; }
Colour at(const Picture& p, int64_t x, int64_t y) {
  const uint8_t* rgb = &p.rgb[static_cast<size_t>((y * p.width + x) * 3)];
  return {rgb[0], rgb[1], rgb[2]};
}
Prediction one(Detection d) {
  Prediction p{100, 100, {}, {}, {}};
  p.detections.push_back(std::move(d));
  return p;
}
}  // namespace

TEST_CASE("boxes are drawn on their edges, with a bar for the name") {
  Picture picture = black(100, 100);
  Detection d;
  d.box = {20, 40, 80, 90}, d.score = 0.5f, d.label = 2;
  draw(picture, one(d), {});
  const Colour colour = class_colour(2);
  CHECK(at(picture, 20, 60) == colour);
  CHECK(at(picture, 79, 60) == colour);
  CHECK(at(picture, 50, 90) == colour);
  CHECK(at(picture, 50, 60) == Colour{0, 0, 0});
  CHECK(at(picture, 20, 35) == colour);  // the bar
  CHECK(at(picture, 10, 60) == Colour{0, 0, 0});
}

TEST_CASE("nothing is drawn beyond the picture") {
  Picture picture = black(10, 10);
  Detection d;
  d.box = {-50, -50, 500, 500}, d.label = 1;
  d.keypoints = {{-5, 500, 1}, {500, -5, 1}};
  draw(picture, one(d), {});
  Detection turned;
  turned.rotated = RotatedBox{5, 5, 400, 2, 0.5f};
  turned.box = enclosing(*turned.rotated);
  draw(picture, one(turned), {});
  turned.rotated = RotatedBox{1e30f, -1e30f, 1e30f, 1e25f, 1};
  turned.box = enclosing(*turned.rotated);
  draw(picture, one(turned), {});
  CHECK(picture.rgb.size() == 300);
}

TEST_CASE("masks tint what they cover") {
  Picture picture = black(100, 100);
  Prediction p = one({});
  p.detections[0].box = {0, 0, 0, 0};
  p.masks.push_back({60, 70, 2, 1, {0, 1}});
  draw(picture, p, {});
  const Colour colour = class_colour(0);
  CHECK(at(picture, 61, 70) == Colour{uint8_t(colour[0] / 2), uint8_t(colour[1] / 2), uint8_t(colour[2] / 2)});
  CHECK(at(picture, 60, 70) == Colour{0, 0, 0});
}

TEST_CASE("every printable character has a glyph of its own, others an empty box") {
  std::set<Glyph> seen;
  for (char c = '!'; c <= '~'; ++c) CHECK(seen.insert(glyphs_of(std::string(1, c)).at(0)).second);
  CHECK(glyphs_of(" ")[0] == Glyph{});
  CHECK(glyphs_of("é").size() == 1);
  CHECK(glyphs_of("a日b").size() == 3);
}

TEST_CASE("classes have colours of their own") {
  for (int64_t i = 0; i < 20; ++i) CHECK(class_colour(i) != class_colour(i + 1));
  CHECK(class_colour(1000000007).size() == 3);
}

TEST_CASE("predictions as JSON and as a line") {
  Contract contract;
  contract.task = Task::pose;
  contract.labels = {{0, "person"}};
  Prediction p = one({});
  p.detections[0].box = {1, 2, 3, 4.5f}, p.detections[0].score = 0.25f;
  p.detections[0].keypoints = {{5, 6, 0.5f}};
  p.detections.push_back(p.detections[0]);
  p.detections[1].label = 3;
  const auto j = to_json(p, contract);
  CHECK(j["detections"][0].dump() == R"({"class":0,"label":"person","score":0.25,"box":[1.0,2.0,3.0,4.5],"keypoints":[[5.0,6.0,0.5]]})");
  CHECK(summary(p, contract) == "1 person, 1 class 3");
  CHECK(summary({}, contract) == "nothing found");
  contract.task = Task::classify;
  Prediction classes{8, 8, {}, {}, {{0, 0.75f}, {1, 0.25f}}};
  CHECK(to_json(classes, contract).dump() == R"({"classes":[{"class":0,"label":"person","score":0.75},{"class":1,"label":"class 1","score":0.25}]})");
  CHECK(summary(classes, contract) == "person 0.75, class 1 0.25");
}
