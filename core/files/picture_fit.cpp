// See picture_fit.hpp. The arithmetic is in integers, as in the libraries that it follows, so that results are the same bytes on every machine.
#include "core/files/picture_fit.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace lathe {
namespace {

size_t at(const Picture& picture, int64_t x, int64_t y) { return static_cast<size_t>((y * picture.width + x) * 3); }

Picture blank(int64_t width, int64_t height, uint8_t value = 0) {
  return {width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3), value)};
}

// Two neighbours of each place of an axis and their weights, which add up to 2048.
struct Neighbours {
  int64_t first, second;
  int32_t first_weight, second_weight;
};

std::vector<Neighbours> neighbours(int64_t from, int64_t to) {
  const double step = 1.0 / (double(to) / double(from));
  std::vector<Neighbours> list;
  for (int64_t i = 0; i < to; ++i) {
    float place = static_cast<float>((double(i) + 0.5) * step - 0.5);
    int64_t first = static_cast<int64_t>(std::floor(place));
    float part = place - static_cast<float>(first);
    if (first < 0) first = 0, part = 0;
    if (first >= from - 1) first = from - 1, part = 0;
    list.push_back({first, std::min(first + 1, from - 1), static_cast<int32_t>(std::lrint((1.0f - part) * 2048)),
                    static_cast<int32_t>(std::lrint(part * 2048))});
  }
  return list;
}

Picture halved(const Picture& picture) {
  Picture out = blank(picture.width / 2, picture.height / 2);
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x)
      for (size_t c = 0; c < 3; ++c) {
        const uint8_t *upper = &picture.rgb[at(picture, 2 * x, 2 * y)], *lower = &picture.rgb[at(picture, 2 * x, 2 * y + 1)];
        out.rgb[at(out, x, y) + c] = static_cast<uint8_t>((upper[c] + upper[c + 3] + lower[c] + lower[c + 3] + 2) >> 2);
      }
  return out;
}

// What of an axis becomes one place of the result: weights of `first` and those that follow, in 1 / 2^22, summing to about 1.
struct Span {
  int64_t first;
  std::vector<int32_t> weights;
};
constexpr int span_bits = 22;

std::vector<Span> spans(int64_t from, int64_t to) {
  const double scale = double(from) / double(to), support = std::max(scale, 1.0);
  std::vector<Span> list;
  for (int64_t i = 0; i < to; ++i) {
    const double centre = (double(i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const int64_t end = std::min(static_cast<int64_t>(centre + support + 0.5), from);
    std::vector<double> weights;
    double sum = 0;
    for (int64_t k = first; k < end; ++k) {
      weights.push_back(std::max(1 - std::fabs((double(k) - centre + 0.5) / support), 0.0));
      sum += weights.back();
    }
    Span span{first, {}};
    for (const double w : weights) span.weights.push_back(static_cast<int32_t>(0.5 + w / sum * (1 << span_bits)));
    list.push_back(std::move(span));
  }
  return list;
}

// One pass of the filter along x (step 3 bytes) or y (step one row).
Picture filtered(const Picture& picture, int64_t width, int64_t height, const std::vector<Span>& list, bool along_x) {
  Picture out = blank(width, height);
  const int64_t step = along_x ? 3 : picture.width * 3;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const Span& span = list[static_cast<size_t>(along_x ? x : y)];
      const uint8_t* from = &picture.rgb[along_x ? at(picture, span.first, y) : at(picture, x, span.first)];
      for (int64_t c = 0; c < 3; ++c) {
        int64_t sum = int64_t{1} << (span_bits - 1);
        for (size_t k = 0; k < span.weights.size(); ++k) sum += int64_t{span.weights[k]} * from[static_cast<int64_t>(k) * step + c];
        out.rgb[at(out, x, y) + static_cast<size_t>(c)] = static_cast<uint8_t>(std::clamp<int64_t>(sum >> span_bits, 0, 255));
      }
    }
  return out;
}

FittedPicture letterboxed(const Picture& picture, int64_t width, int64_t height, uint8_t padding) {
  const double scale = std::min(double(width) / double(picture.width), double(height) / double(picture.height));
  const int64_t w = std::clamp<int64_t>(std::llrint(double(picture.width) * scale), 1, width);
  const int64_t h = std::clamp<int64_t>(std::llrint(double(picture.height) * scale), 1, height);
  const Picture small = resize(picture, w, h);
  // Half a pixel of an odd remainder goes to the right and the bottom, as round(d - 0.1) does.
  const int64_t left = std::llround(double(width - w) / 2 - 0.1), top = std::llround(double(height - h) / 2 - 0.1);
  FittedPicture out{blank(width, height, padding), {scale, scale, double(left), double(top)}};
  for (int64_t y = 0; y < h; ++y) std::copy_n(&small.rgb[at(small, 0, y)], w * 3, &out.picture.rgb[at(out.picture, left, y + top)]);
  return out;
}

FittedPicture cropped(const Picture& picture, int64_t width, int64_t height) {
  // The shorter side becomes exactly the input's; the longer one is rounded down.
  const bool narrow = picture.width * height <= picture.height * width;
  const int64_t w = std::max(narrow ? width : height * picture.width / picture.height, width);
  const int64_t h = std::max(narrow ? width * picture.height / picture.width : height, height);
  const Picture large = resize_antialiased(picture, w, h);
  const int64_t left = std::llrint(double(w - width) / 2), top = std::llrint(double(h - height) / 2);  // halves go to the even side
  FittedPicture out{blank(width, height), {double(w) / double(picture.width), double(h) / double(picture.height), -double(left), -double(top)}};
  for (int64_t y = 0; y < height; ++y) std::copy_n(&large.rgb[at(large, left, y + top)], width * 3, &out.picture.rgb[at(out.picture, 0, y)]);
  return out;
}

}  // namespace

Picture resize(const Picture& picture, int64_t width, int64_t height) {
  if (width == picture.width && height == picture.height) return picture;
  if (picture.width == 2 * width && picture.height == 2 * height) return halved(picture);
  const std::vector<Neighbours> columns = neighbours(picture.width, width), rows = neighbours(picture.height, height);
  Picture out = blank(width, height);
  const auto blend = [&](std::vector<int32_t>& row, int64_t y) {  // a row of the picture at the new width, times 2048
    for (int64_t x = 0; x < width; ++x) {
      const Neighbours& n = columns[static_cast<size_t>(x)];
      for (size_t c = 0; c < 3; ++c)
        row[static_cast<size_t>(x) * 3 + c] =
            picture.rgb[at(picture, n.first, y) + c] * n.first_weight + picture.rgb[at(picture, n.second, y) + c] * n.second_weight;
    }
  };
  std::vector<int32_t> upper(static_cast<size_t>(width * 3)), lower(upper.size());
  int64_t upper_row = -1, lower_row = -1;
  for (int64_t y = 0; y < height; ++y) {
    const Neighbours& n = rows[static_cast<size_t>(y)];
    if (n.first == lower_row) std::swap(upper, lower), std::swap(upper_row, lower_row);
    if (n.first != upper_row) blend(upper, upper_row = n.first);
    if (n.second != lower_row) blend(lower, lower_row = n.second);
    for (size_t i = 0; i < upper.size(); ++i) {
      const int32_t sum = ((n.first_weight * (upper[i] >> 4)) >> 16) + ((n.second_weight * (lower[i] >> 4)) >> 16);
      out.rgb[at(out, 0, y) + i] = static_cast<uint8_t>((sum + 2) >> 2);
    }
  }
  return out;
}

Picture resize_antialiased(const Picture& picture, int64_t width, int64_t height) {
  Picture out = picture;
  if (width != out.width) out = filtered(out, width, out.height, spans(out.width, width), true);
  if (height != out.height) out = filtered(out, out.width, height, spans(out.height, height), false);
  return out;
}

FittedPicture fit(const Picture& picture, int64_t width, int64_t height, Fit how, uint8_t padding) {
  if (how == Fit::letterbox) return letterboxed(picture, width, height, padding);
  if (how == Fit::crop) return cropped(picture, width, height);
  return {resize(picture, width, height), {double(width) / double(picture.width), double(height) / double(picture.height), 0, 0}};
}

Picture letterbox(const Picture& picture, int64_t width, int64_t height) { return fit(picture, width, height, Fit::letterbox).picture; }

}  // namespace lathe
