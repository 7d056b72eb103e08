// Bringing pictures to an input's size: bytes and placements worked out by hand.
#include "core/files/picture_fit.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace {
using namespace lathe;

Picture grey(int64_t width, int64_t height, const std::vector<int>& values) {
  Picture p{width, height, {}};
  for (const int v : values) p.rgb.insert(p.rgb.end(), 3, static_cast<uint8_t>(v));
  return p;
}
std::vector<int> first_channel(const Picture& p) {
  std::vector<int> values;
  for (size_t i = 0; i < p.rgb.size(); i += 3) values.push_back(p.rgb[i]);
  return values;
}
}  // namespace

TEST_CASE("a letterboxed picture says where it lies") {
  // 810 x 1080 in 640 x 640: scale 640 / 1080, 480 columns, 80 bars left and right.
  const FittedPicture tall = fit({810, 1080, std::vector<uint8_t>(810 * 1080 * 3, 9)}, 640, 640, Fit::letterbox);
  CHECK(tall.placement.scale_x == doctest::Approx(640.0 / 1080));
  CHECK(tall.placement.left == 80);
  CHECK(tall.placement.top == 0);
  CHECK(tall.placement.picture_x(80) == 0);
  CHECK(tall.placement.picture_x(560) == doctest::Approx(810));
  CHECK(tall.picture.rgb[79 * 3] == 114);
  CHECK(tall.picture.rgb[80 * 3] == 9);
  CHECK(tall.picture.rgb[559 * 3] == 9);
  CHECK(tall.picture.rgb[560 * 3] == 114);
  // Of an odd remainder the smaller half goes first: 5 columns are left over.
  const FittedPicture odd = fit(grey(3, 8, std::vector<int>(24, 1)), 8, 8, Fit::letterbox);
  CHECK(odd.placement.left == 2);
  CHECK(odd.placement.scale_y == 1);
  // Smaller pictures are enlarged.
  CHECK(fit(grey(2, 1, {0, 0}), 8, 8, Fit::letterbox).placement.scale_x == 4);
}

TEST_CASE("stretching fills the input") {
  const FittedPicture wide = fit(grey(2, 4, std::vector<int>(8, 50)), 6, 2, Fit::stretch);
  CHECK(wide.placement.scale_x == 3);
  CHECK(wide.placement.scale_y == 0.5);
  CHECK(wide.picture.rgb == std::vector<uint8_t>(36, 50));
}

TEST_CASE("cropping takes the middle of the picture, its shorter side at full size") {
  const FittedPicture wide = fit(grey(6, 2, {10, 20, 30, 40, 50, 60, 10, 20, 30, 40, 50, 60}), 2, 2, Fit::crop);
  CHECK(first_channel(wide.picture) == std::vector<int>{30, 40, 30, 40});
  CHECK(wide.placement.left == -2);
  CHECK(wide.placement.picture_x(0) == 2);
  const FittedPicture tall = fit(grey(1, 3, {10, 20, 30}), 1, 1, Fit::crop);
  CHECK(first_channel(tall.picture) == std::vector<int>{20});
  // A half is rounded to the even side: of 3 rows too many two are cut above, one below.
  CHECK(fit(grey(1, 4, {10, 20, 30, 40}), 1, 1, Fit::crop).placement.top == -2);
}

TEST_CASE("bilinear resizing weighs two neighbours by the distance of pixel centres") {
  // Centres of 3 columns in 2: -1/6 (the border), 1/2, 7/6 (the border).
  CHECK(first_channel(resize(grey(2, 1, {0, 100}), 3, 1)) == std::vector<int>{0, 50, 100});
  // Of 5 in 4: 0.125 0.75+0.625 ... the second at 1.375: 62.5 % of 10 and 37.5 % of 20, rounded.
  CHECK(first_channel(resize(grey(5, 1, {0, 10, 20, 30, 40}), 4, 1)) == std::vector<int>{1, 14, 26, 39});
  // Half the size: the mean of four.
  CHECK(first_channel(resize(grey(2, 2, {1, 2, 3, 4}), 1, 1)) == std::vector<int>{3});
  CHECK(first_channel(resize(grey(4, 2, {0, 10, 100, 200, 20, 30, 50, 50}), 2, 1)) == std::vector<int>{15, 100});
}

TEST_CASE("antialiased resizing weighs all that a pixel covers") {
  // From 4 to 1: a triangle of 4 to either side around the centre 2: weights 1 - |k - 1.5| / 4 = 0.625 0.875 0.875 0.625 of 3.
  CHECK(first_channel(resize_antialiased(grey(4, 1, {0, 30, 60, 90}), 1, 1)) == std::vector<int>{45});
  CHECK(first_channel(resize_antialiased(grey(4, 1, {240, 0, 0, 0}), 1, 1)) == std::vector<int>{50});
  // Enlarging is as without antialiasing.
  CHECK(first_channel(resize_antialiased(grey(2, 1, {0, 100}), 4, 1)) == std::vector<int>{0, 25, 75, 100});
  CHECK(first_channel(resize_antialiased(grey(1, 2, {0, 100}), 1, 4)) == std::vector<int>{0, 25, 75, 100});
}
