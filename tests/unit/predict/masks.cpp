// Masks from prototypes, and their run lengths, by hand.
#include "core/predict/masks.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/base/diagnostic.hpp"

namespace {
using namespace lathe;

Tensor planes(int64_t count, int64_t height, int64_t width, const std::vector<float>& values) {
  Tensor t = Tensor::allocate(DataType::float32, {1, count, height, width});
  std::copy(values.begin(), values.end(), t.as_mutable<float>().begin());
  return t;
}
}  // namespace

TEST_CASE("a mask is where the weighted prototypes are above zero, inside the box") {
  // Two prototypes of 2 x 2 cells over an input of 8 x 8: 1 everywhere, and -1 on the left.
  const Tensor prototypes = planes(2, 2, 2, {1, 1, 1, 1, -1, 1, -1, 1});
  Detection d;
  d.box = {0, 0, 8, 8}, d.mask = {1, 2};  // sums: -1 left, 3 right
  const Mask mask = make_mask(d, prototypes, {8, 8}, {}, {8, 8});
  CHECK(mask.width == 8);
  CHECK(mask.height == 8);
  // Cell centres lie at 2 and 6: between them the sum rises from -1 to 3 and is 0 at 3, so pixels with centres from 3.5 on are in.
  for (size_t x = 0; x < 8; ++x) CHECK(mask.bits[x] == (x >= 3));
  CHECK(mask.area() == 40);
  // The upper half only: below, the sum is cut to zero at the prototypes' resolution, and interpolation reaches half a cell beyond.
  d.box = {0, 0, 8, 4};
  CHECK(make_mask(d, prototypes, {8, 8}, {}, {8, 8}).area() < 40);
  d.box = {3, 3, 3, 3};
  CHECK(make_mask(d, prototypes, {8, 8}, {}, {8, 8}).area() == 0);
  d.mask = {1};
  CHECK_THROWS_AS(make_mask(d, prototypes, {8, 8}, {}, {8, 8}), Error);
}

TEST_CASE("masks lie on the picture, not on the input") {
  const Tensor prototypes = planes(1, 4, 4, std::vector<float>(16, 1));
  Detection d;
  d.box = {2, 0, 6, 8}, d.mask = {1};
  // A picture of 8 x 16 in an input of 8 x 8: half the size, two bars of 2.
  const Mask mask = make_mask(d, prototypes, {8, 8}, {0.5, 0.5, 2, 0}, {8, 16});
  CHECK(mask.left == 0);
  CHECK(mask.width == 8);
  CHECK(mask.height == 16);
  CHECK(mask.area() == 8 * 16);
}

TEST_CASE("run lengths go down the columns, beginning with what is no object") {
  // A picture of 4 x 3 with the object in columns 1 and 2, the lower two rows of the first and the upper of the second.
  const Mask mask{1, 0, 2, 3, {0, 1, 1, 0, 1, 0}};
  CHECK(run_lengths(mask, {4, 3}) == std::vector<int64_t>{4, 3, 5});
  CHECK(run_lengths({0, 0, 1, 1, {1}}, {1, 1}) == std::vector<int64_t>{0, 1});
  CHECK(run_lengths({}, {2, 2}) == std::vector<int64_t>{4});
}
