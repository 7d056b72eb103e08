// libpng's simplified API, bilinear scaling, and a 5x7 alphabet.
#include "picture.hpp"

#include <png.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <stdexcept>

Picture read_png(const std::string& path) {
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_file(&image, path.c_str())) throw std::runtime_error(path + ": " + image.message);
  image.format = PNG_FORMAT_RGB;
  Picture picture{static_cast<int>(image.width), static_cast<int>(image.height), std::vector<uint8_t>(PNG_IMAGE_SIZE(image))};
  const png_color black = {0, 0, 0};
  if (!png_image_finish_read(&image, &black, picture.pixels.data(), 0, nullptr)) throw std::runtime_error(path + ": " + image.message);
  return picture;
}

void write_png(const Picture& picture, const std::string& path) {
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = PNG_FORMAT_RGB;
  if (!png_image_write_to_file(&image, path.c_str(), 0, picture.pixels.data(), 0, nullptr)) throw std::runtime_error(path + ": " + image.message);
}

Letterbox fit(const Picture& picture, int width, int height) {
  constexpr float grey = 114.0f / 255;
  const auto plane = static_cast<size_t>(width) * static_cast<size_t>(height);
  Letterbox result{std::vector<float>(3 * plane, grey)};
  result.scale =
      std::min(static_cast<float>(width) / static_cast<float>(picture.width), static_cast<float>(height) / static_cast<float>(picture.height));
  const int wide = std::min(width, static_cast<int>(std::lround(static_cast<float>(picture.width) * result.scale)));
  const int high = std::min(height, static_cast<int>(std::lround(static_cast<float>(picture.height) * result.scale)));
  const int left = (width - wide) / 2, top = (height - high) / 2;
  result.left = static_cast<float>(left);
  result.top = static_cast<float>(top);
  for (int y = 0; y < high; ++y) {
    const float from_y = std::clamp((static_cast<float>(y) + 0.5f) / result.scale - 0.5f, 0.0f, static_cast<float>(picture.height - 1));
    const int y0 = static_cast<int>(from_y), y1 = std::min(y0 + 1, picture.height - 1);
    for (int x = 0; x < wide; ++x) {
      const float from_x = std::clamp((static_cast<float>(x) + 0.5f) / result.scale - 0.5f, 0.0f, static_cast<float>(picture.width - 1));
      const int x0 = static_cast<int>(from_x), x1 = std::min(x0 + 1, picture.width - 1);
      const float u = from_x - static_cast<float>(x0), v = from_y - static_cast<float>(y0);
      const auto to = static_cast<size_t>(top + y) * static_cast<size_t>(width) + static_cast<size_t>(left + x);
      for (size_t c = 0; c < 3; ++c) {
        const float upper = static_cast<float>(picture.at(x0, y0)[c]) * (1 - u) + static_cast<float>(picture.at(x1, y0)[c]) * u;
        const float lower = static_cast<float>(picture.at(x0, y1)[c]) * (1 - u) + static_cast<float>(picture.at(x1, y1)[c]) * u;
        result.planes[c * plane + to] = (upper * (1 - v) + lower * v) / 255;
      }
    }
  }
  return result;
}

Picture enlarge(const Picture& picture, int factor) {
  Picture result{picture.width * factor, picture.height * factor, {}};
  result.pixels.resize(picture.pixels.size() * static_cast<size_t>(factor) * static_cast<size_t>(factor));
  for (int y = 0; y < result.height; ++y)
    for (int x = 0; x < result.width; ++x) std::copy_n(picture.at(x / factor, y / factor), 3, result.at(x, y));
  return result;
}

namespace {

void fill(Picture& picture, int left, int top, int right, int bottom, Colour colour) {
  for (int y = std::max(top, 0); y < std::min(bottom, picture.height); ++y)
    for (int x = std::max(left, 0); x < std::min(right, picture.width); ++x) std::copy(colour.begin(), colour.end(), picture.at(x, y));
}

// Five columns from left to right, the lowest bit on top.
using Glyph = std::array<uint8_t, 5>;
constexpr Glyph digits[] = {{0x3e, 0x51, 0x49, 0x45, 0x3e}, {0x00, 0x42, 0x7f, 0x40, 0x00}, {0x62, 0x51, 0x49, 0x49, 0x46},
                            {0x22, 0x41, 0x49, 0x49, 0x36}, {0x18, 0x14, 0x12, 0x7f, 0x10}, {0x27, 0x45, 0x45, 0x45, 0x39},
                            {0x3e, 0x49, 0x49, 0x49, 0x32}, {0x01, 0x71, 0x09, 0x05, 0x03}, {0x36, 0x49, 0x49, 0x49, 0x36},
                            {0x26, 0x49, 0x49, 0x49, 0x3e}};
constexpr Glyph letters[] = {
    {0x7e, 0x09, 0x09, 0x09, 0x7e}, {0x7f, 0x49, 0x49, 0x49, 0x36}, {0x3e, 0x41, 0x41, 0x41, 0x22}, {0x7f, 0x41, 0x41, 0x41, 0x3e},
    {0x7f, 0x49, 0x49, 0x49, 0x41}, {0x7f, 0x09, 0x09, 0x09, 0x01}, {0x3e, 0x41, 0x49, 0x49, 0x3a}, {0x7f, 0x08, 0x08, 0x08, 0x7f},
    {0x00, 0x41, 0x7f, 0x41, 0x00}, {0x30, 0x40, 0x41, 0x3f, 0x01}, {0x7f, 0x08, 0x14, 0x22, 0x41}, {0x7f, 0x40, 0x40, 0x40, 0x40},
    {0x7f, 0x02, 0x0c, 0x02, 0x7f}, {0x7f, 0x06, 0x08, 0x30, 0x7f}, {0x3e, 0x41, 0x41, 0x41, 0x3e}, {0x7f, 0x09, 0x09, 0x09, 0x06},
    {0x3e, 0x41, 0x51, 0x61, 0x7e}, {0x7f, 0x09, 0x19, 0x29, 0x46}, {0x26, 0x49, 0x49, 0x49, 0x32}, {0x01, 0x01, 0x7f, 0x01, 0x01},
    {0x3f, 0x40, 0x40, 0x40, 0x3f}, {0x0f, 0x30, 0x40, 0x30, 0x0f}, {0x3f, 0x40, 0x30, 0x40, 0x3f}, {0x63, 0x14, 0x08, 0x14, 0x63},
    {0x03, 0x0c, 0x70, 0x0c, 0x03}, {0x61, 0x51, 0x49, 0x45, 0x43}};

Glyph glyph(char c) {
  const int upper = std::toupper(static_cast<unsigned char>(c));
  if (upper >= 'A' && upper <= 'Z') return letters[upper - 'A'];
  if (c >= '0' && c <= '9') return digits[c - '0'];
  return c == '.' ? Glyph{0x00, 0x60, 0x60, 0x00, 0x00} : Glyph{};
}

}  // namespace

void draw_box(Picture& picture, int left, int top, int right, int bottom, int thickness, Colour colour) {
  fill(picture, left, top, right, top + thickness, colour);
  fill(picture, left, bottom - thickness, right, bottom, colour);
  fill(picture, left, top, left + thickness, bottom, colour);
  fill(picture, right - thickness, top, right, bottom, colour);
}

void draw_text(Picture& picture, int left, int top, std::string_view text, int scale, Colour ground) {
  fill(picture, left, top, left + (static_cast<int>(text.size()) * 6 + 1) * scale, top + 9 * scale, ground);
  for (const char c : text) {
    const Glyph columns = glyph(c);
    for (int x = 0; x < 5; ++x)
      for (int y = 0; y < 7; ++y)
        if (columns[static_cast<size_t>(x)] >> y & 1)
          fill(picture, left + (x + 1) * scale, top + (y + 1) * scale, left + (x + 2) * scale, top + (y + 2) * scale, {255, 255, 255});
    left += 6 * scale;
  }
}
