// See masks.hpp.
#include "core/predict/masks.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {

// A neighbour pair on an axis of the prototypes and how far the place is from the first.
struct Between {
  int64_t first, second;
  float part;
};
Between between(double place, int64_t length) {
  const double inside = std::clamp(place, 0.0, double(length - 1));
  const auto first = static_cast<int64_t>(inside);
  return {first, std::min(first + 1, length - 1), static_cast<float>(inside - double(first))};
}

int64_t nearest_pixel(float place, int64_t length) { return std::llrint(std::clamp(place, 0.0f, static_cast<float>(length))); }

}  // namespace

int64_t Mask::area() const { return std::accumulate(bits.begin(), bits.end(), int64_t{0}); }

Mask make_mask(const Detection& detection, const Tensor& prototypes, Surface input, const Placement& placement, Surface picture) {
  const std::vector<int64_t>& shape = prototypes.dimensions;
  if (prototypes.type != DataType::float32 || shape.size() != 4 || shape[0] != 1 || shape[1] != static_cast<int64_t>(detection.mask.size()))
    throw Error(Code::failed, "the prototypes have another shape than the boxes' mask coefficients ask for");
  const int64_t height = shape[2], width = shape[3];
  const std::span<const float> values = prototypes.as<float>();
  const double per_x = double(width) / double(input.width), per_y = double(height) / double(input.height);  // prototype cells a pixel
  const Corners& box = detection.box;
  const int64_t x0 = nearest_pixel(box.left * static_cast<float>(per_x), width), x1 = nearest_pixel(box.right * static_cast<float>(per_x), width);
  const int64_t y0 = nearest_pixel(box.top * static_cast<float>(per_y), height), y1 = nearest_pixel(box.bottom * static_cast<float>(per_y), height);
  Mask mask;
  if (x0 >= x1 || y0 >= y1) return mask;

  std::vector<float> sum(static_cast<size_t>(height * width));  // zero outside the box
  for (size_t n = 0; n < detection.mask.size(); ++n)
    for (int64_t y = y0; y < y1; ++y)
      for (int64_t x = x0; x < x1; ++x)
        sum[static_cast<size_t>(y * width + x)] += detection.mask[n] * values[n * sum.size() + static_cast<size_t>(y * width + x)];

  // The box and the cell around it that interpolation reaches.
  const auto pixel_x = [&](int64_t x) { return placement.picture_x(double(x) / per_x); };
  const auto pixel_y = [&](int64_t y) { return placement.picture_y(double(y) / per_y); };
  mask.left = std::clamp<int64_t>(std::llround(std::floor(pixel_x(x0 - 1))), 0, picture.width);
  mask.top = std::clamp<int64_t>(std::llround(std::floor(pixel_y(y0 - 1))), 0, picture.height);
  mask.width = std::clamp<int64_t>(std::llround(std::ceil(pixel_x(x1 + 1))), mask.left, picture.width) - mask.left;
  mask.height = std::clamp<int64_t>(std::llround(std::ceil(pixel_y(y1 + 1))), mask.top, picture.height) - mask.top;
  mask.bits.resize(static_cast<size_t>(mask.width * mask.height));
  std::vector<Between> columns;
  for (int64_t x = 0; x < mask.width; ++x)
    columns.push_back(between(((double(mask.left + x) + 0.5) * placement.scale_x + placement.left) * per_x - 0.5, width));
  for (int64_t y = 0; y < mask.height; ++y) {
    const Between row = between(((double(mask.top + y) + 0.5) * placement.scale_y + placement.top) * per_y - 0.5, height);
    const float *upper = &sum[static_cast<size_t>(row.first * width)], *lower = &sum[static_cast<size_t>(row.second * width)];
    for (int64_t x = 0; x < mask.width; ++x) {
      const Between& column = columns[static_cast<size_t>(x)];
      const float above = upper[column.first] * (1 - column.part) + upper[column.second] * column.part;
      const float below = lower[column.first] * (1 - column.part) + lower[column.second] * column.part;
      mask.bits[static_cast<size_t>(y * mask.width + x)] = above * (1 - row.part) + below * row.part > 0;
    }
  }
  return mask;
}

std::vector<int64_t> run_lengths(const Mask& mask, Surface picture) {
  std::vector<int64_t> runs = {0};
  uint8_t value = 0;
  const auto add = [&](uint8_t bit, int64_t count) {
    if (count == 0) return;
    if (bit != value) runs.push_back(0), value = bit;
    runs.back() += count;
  };
  add(0, mask.left * picture.height);
  for (int64_t x = 0; x < mask.width; ++x) {
    add(0, mask.top);
    for (int64_t y = 0; y < mask.height; ++y) add(mask.bits[static_cast<size_t>(y * mask.width + x)], 1);
    add(0, picture.height - mask.top - mask.height);
  }
  add(0, (picture.width - mask.left - mask.width) * picture.height);
  return runs;
}

}  // namespace lathe
