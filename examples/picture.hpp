// Pictures for the example: PNG files in and out, fitting one to a model's input, and drawing on it.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct Picture {
  int width = 0, height = 0;
  std::vector<uint8_t> pixels;  // RGB, row after row

  const uint8_t* at(int x, int y) const { return &pixels[3 * (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x))]; }
  uint8_t* at(int x, int y) { return const_cast<uint8_t*>(static_cast<const Picture*>(this)->at(x, y)); }
};

using Colour = std::array<uint8_t, 3>;

// Throw std::runtime_error with libpng's reason.
Picture read_png(const std::string& path);
void write_png(const Picture& picture, const std::string& path);

// A picture scaled to fit into width x height without changing its proportions, on grey, as planes of float32 0..1 [3, height, width].
struct Letterbox {
  std::vector<float> planes;
  float scale = 1;          // model pixels per picture pixel
  float left = 0, top = 0;  // where the picture begins, in model pixels
};
Letterbox fit(const Picture& picture, int width, int height);

// Every pixel becomes factor x factor pixels.
Picture enlarge(const Picture& picture, int factor);

// The outline of a box, `thickness` pixels inwards; and text (letters, digits, '.') on a filled ground. What lies outside is not drawn.
void draw_box(Picture& picture, int left, int top, int right, int bottom, int thickness, Colour colour);
void draw_text(Picture& picture, int left, int top, std::string_view text, int scale, Colour ground);
