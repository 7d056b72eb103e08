// See draw.hpp. Widths grow with the picture, so that boxes are seen on large ones too.
#include "core/predict/draw.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/predict/font.hpp"

namespace lathe {
namespace {

// Pairs of COCO's seventeen keypoints: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles, left before right.
constexpr std::pair<size_t, size_t> limbs[] = {{0, 1}, {0, 2},  {1, 3},  {2, 4},  {3, 5},   {4, 6},   {5, 6},   {5, 7},   {7, 9},
                                               {6, 8}, {8, 10}, {5, 11}, {6, 12}, {11, 12}, {11, 13}, {13, 15}, {12, 14}, {14, 16}};
constexpr size_t limbs_keypoints = 17;
constexpr float visible = 0.5f;

class Canvas {
 public:
  explicit Canvas(Picture& picture)
      : picture_(picture), line_(std::max<int64_t>(std::lround(double(picture.width + picture.height) * 0.0015), 2)), letter_((line_ + 1) / 2) {}

  void fill(int64_t left, int64_t top, int64_t right, int64_t bottom, Colour colour) {
    for (int64_t y = std::max<int64_t>(top, 0); y < std::min(bottom, picture_.height); ++y)
      for (int64_t x = std::max<int64_t>(left, 0); x < std::min(right, picture_.width); ++x) *pixel(x, y) = colour;
  }

  void line(float x0, float y0, float x1, float y1, Colour colour) {
    if (!clip(x0, y0, x1, y1)) return;
    const auto steps = static_cast<int64_t>(std::ceil(std::max(std::fabs(x1 - x0), std::fabs(y1 - y0))));
    for (int64_t i = 0; i <= steps; ++i) {
      const float t = steps == 0 ? 0.0f : static_cast<float>(i) / static_cast<float>(steps);
      dot(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t, line_, colour);
    }
  }

  // A square around a place, `size` pixels wide.
  void dot(float x, float y, int64_t size, Colour colour) {
    const int64_t left = rounded(x) - size / 2, top = rounded(y) - size / 2;
    fill(left, top, left + size, top + size, colour);
  }
  void joint(float x, float y, Colour colour) { dot(x, y, line_ * 3, colour); }

  // Text on a bar, its lower left corner at (x, y), moved to where the whole of it is seen.
  void text(float x, float y, const std::string& words, Colour colour) {
    const std::vector<Glyph> glyphs = glyphs_of(words);
    const int64_t width = (static_cast<int64_t>(glyphs.size()) * (glyph_width + 1) + 1) * letter_, height = text_height();
    const int64_t left = std::clamp<int64_t>(rounded(x), 0, std::max<int64_t>(picture_.width - width, 0));
    const int64_t top = std::clamp<int64_t>(rounded(y) - height, 0, std::max<int64_t>(picture_.height - height, 0));
    fill(left, top, left + width, top + height, colour);
    // Luma after ITU-R BT.601 decides between black and white letters.
    const bool bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140;
    const Colour ink = bright ? Colour{0, 0, 0} : Colour{255, 255, 255};
    int64_t at = left + letter_;
    for (const Glyph& glyph : glyphs) {
      for (int64_t row = 0; row < glyph_height; ++row)
        for (int64_t column = 0; column < glyph_width; ++column)
          if (glyph[static_cast<size_t>(row)] >> (glyph_width - 1 - column) & 1)
            fill(at + column * letter_, top + (row + 1) * letter_, at + (column + 1) * letter_, top + (row + 2) * letter_, ink);
      at += (glyph_width + 1) * letter_;
    }
  }
  int64_t text_height() const { return (glyph_height + 2) * letter_; }

  void tint(const Mask& mask, Colour colour) {
    for (int64_t y = 0; y < mask.height; ++y)
      for (int64_t x = 0; x < mask.width; ++x) {
        if (!mask.bits[static_cast<size_t>(y * mask.width + x)]) continue;
        Colour& p = *pixel(mask.left + x, mask.top + y);
        for (size_t c = 0; c < 3; ++c) p[c] = static_cast<uint8_t>((p[c] + colour[c]) / 2);
      }
  }

 private:
  // Places far outside are all the same.
  static int64_t rounded(float x) { return std::lround(std::clamp(x, -1e6f, 1e6f)); }

  // Cuts a line down to the picture and a line's width around it (Liang and Barsky, 1984); false when nothing is left.
  bool clip(float& x0, float& y0, float& x1, float& y1) const {
    const double dx = double(x1) - double(x0), dy = double(y1) - double(y0), margin = double(line_);
    double from = 0, to = 1;
    const double p[4] = {-dx, dx, -dy, dy};
    const double q[4] = {double(x0) + margin, double(picture_.width) + margin - double(x0), double(y0) + margin,
                         double(picture_.height) + margin - double(y0)};
    for (size_t i = 0; i < 4; ++i) {
      if (p[i] == 0 && q[i] < 0) return false;
      if (p[i] < 0) from = std::max(from, q[i] / p[i]);
      if (p[i] > 0) to = std::min(to, q[i] / p[i]);
    }
    if (!(from <= to)) return false;
    const double x = double(x0), y = double(y0);
    x0 = static_cast<float>(x + from * dx), y0 = static_cast<float>(y + from * dy);
    x1 = static_cast<float>(x + to * dx), y1 = static_cast<float>(y + to * dy);
    return true;
  }

  Colour* pixel(int64_t x, int64_t y) { return reinterpret_cast<Colour*>(&picture_.rgb[static_cast<size_t>((y * picture_.width + x) * 3)]); }

  Picture& picture_;
  int64_t line_, letter_;  // pixels: width of lines, and of a letter's dots
};

std::string with_score(const std::string& label, float score) {
  char text[16];
  std::snprintf(text, sizeof text, " %.2f", double(score));
  return label + text;
}

void draw_outline(Canvas& canvas, const Detection& d, Colour colour) {
  float x[4] = {d.box.left, d.box.right, d.box.right, d.box.left}, y[4] = {d.box.top, d.box.top, d.box.bottom, d.box.bottom};
  if (d.rotated) {
    const auto corners = corners_of(*d.rotated);
    for (size_t i = 0; i < 4; ++i) x[i] = corners[i].first, y[i] = corners[i].second;
  }
  for (size_t i = 0; i < 4; ++i) canvas.line(x[i], y[i], x[(i + 1) % 4], y[(i + 1) % 4], colour);
}

void draw_skeleton(Canvas& canvas, const std::vector<Keypoint>& points) {
  if (points.size() == limbs_keypoints)
    for (size_t i = 0; i < std::size(limbs); ++i) {
      const Keypoint &a = points[limbs[i].first], &b = points[limbs[i].second];
      if (a.visibility >= visible && b.visibility >= visible) canvas.line(a.x, a.y, b.x, b.y, class_colour(static_cast<int64_t>(i)));
    }
  for (size_t i = 0; i < points.size(); ++i)
    if (points[i].visibility >= visible) canvas.joint(points[i].x, points[i].y, class_colour(static_cast<int64_t>(i)));
}

}  // namespace

Colour class_colour(int64_t label) {
  // Hues a golden ratio of the circle apart, at two brightnesses; saturation 0.8.
  const double hue = std::fmod(double(label) * 0.61803398875 + 0.02, 1.0) * 6, value = label % 2 == 0 ? 0.95 : 0.75;
  const auto channel = [&](double offset) {
    const double k = std::fmod(offset + hue, 6.0);
    return static_cast<uint8_t>(std::lround(255 * value * (1 - 0.8 * std::clamp(std::min(k, 4 - k), 0.0, 1.0))));
  };
  return {channel(5), channel(3), channel(1)};
}

void draw(Picture& picture, const Prediction& prediction, const Contract& contract) {
  Canvas canvas(picture);
  for (size_t i = 0; i < prediction.masks.size(); ++i) canvas.tint(prediction.masks[i], class_colour(prediction.detections[i].label));
  // The surest last, so that they lie on top.
  for (size_t i = prediction.detections.size(); i-- > 0;) {
    const Detection& d = prediction.detections[i];
    draw_outline(canvas, d, class_colour(d.label));
    draw_skeleton(canvas, d.keypoints);
    canvas.text(d.box.left, d.box.top, with_score(contract.label(d.label), d.score), class_colour(d.label));
  }
  for (size_t i = 0; i < prediction.classes.size(); ++i) {
    const auto& [label, score] = prediction.classes[i];
    canvas.text(0, static_cast<float>(canvas.text_height() * static_cast<int64_t>(i + 1)), with_score(contract.label(label), score),
                class_colour(label));
  }
}

}  // namespace lathe
