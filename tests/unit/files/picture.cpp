// Pictures: PNG round trip, damaged files, letterboxing and the tensor that comes of it.
#include "core/files/picture.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "core/base/diagnostic.hpp"
#include "core/base/mapped_file.hpp"
#include "core/files/picture_fit.hpp"

namespace {
using namespace lathe;

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text.data(), text.size())); }

Picture gradient(int64_t width, int64_t height) {
  Picture p{width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
  for (size_t i = 0; i < p.rgb.size(); ++i) p.rgb[i] = static_cast<uint8_t>(i * 5 % 251);
  return p;
}
}  // namespace

TEST_CASE("a PNG survives a round trip") {
  Picture picture = gradient(7, 5);
  Picture back = decode_picture(bytes(encode_png(picture)), "t");
  CHECK(back.width == 7);
  CHECK(back.height == 5);
  CHECK(back.rgb == picture.rgb);
}

TEST_CASE("damaged pictures are refused or read, and never crash") {
  std::string whole = encode_png(gradient(4, 4));
  for (size_t i = 0; i < whole.size(); ++i)
    for (char change : {'\xff', '\x00', '\x7f'}) {
      std::string file = whole;
      file[i] = change;
      try {
        decode_picture(bytes(file), "t");
      } catch (const Error& e) {
        CHECK(e.code == Code::failed);
      }
    }
  CHECK_THROWS_AS(decode_picture(bytes("\xff\xd8\xff\xe0 not really"), "t"), Error);
  CHECK_THROWS_AS(decode_picture(bytes("GIF89a"), "t"), Error);
}

TEST_CASE("letterboxing centres the picture between grey bars") {
  Picture wide = letterbox(gradient(8, 4), 8, 8);
  CHECK(wide.rgb[0] == 114);
  CHECK(wide.rgb[(7 * 8 + 7) * 3] == 114);
  CHECK(wide.rgb[(2 * 8) * 3 + 1] == gradient(8, 4).rgb[1]);
  Picture small = letterbox(gradient(3, 9), 6, 6);
  CHECK(small.rgb[0] == 114);
  CHECK(small.rgb[2 * 3] != 114);
}

TEST_CASE("resizing keeps a constant picture constant and a same-size picture itself") {
  Picture flat{5, 3, std::vector<uint8_t>(45, 77)};
  CHECK(resize(flat, 11, 2).rgb == std::vector<uint8_t>(66, 77));
  CHECK(resize(gradient(6, 4), 6, 4).rgb == gradient(6, 4).rgb);
  Picture two{2, 1, {0, 0, 0, 100, 100, 100}};
  CHECK(resize(two, 4, 1).rgb[3] == 25);  // centres at 0.25 of the way: (1 + 0.5) / 2 - 0.5
}

TEST_CASE("tensors from pictures: planes of floats in 0..1, bytes, channels last, grey") {
  Picture picture{2, 1, {255, 0, 51, 0, 255, 102}};
  std::optional<PictureLayout> planes = picture_layout({1, 3, 1, 2});
  REQUIRE(planes);
  Tensor t = picture_to_tensor(picture, DataType::float32, *planes, "t");
  CHECK(t.dimensions == std::vector<int64_t>{1, 3, 1, 2});
  CHECK(std::vector<float>(t.as<float>().begin(), t.as<float>().end()) == std::vector<float>{1, 0, 0, 1, 0.2f, 0.4f});
  std::optional<PictureLayout> last = picture_layout({1, 1 + 4, 2, 3});
  REQUIRE(last);
  CHECK(last->channels_last);
  Tensor b = picture_to_tensor(picture, DataType::uint8, *picture_layout({1, Dimension("H"), Dimension("W"), 3}), "t");
  CHECK(b.dimensions == std::vector<int64_t>{1, 1, 2, 3});
  CHECK(b.as<uint8_t>()[3] == 0);
  Tensor grey = picture_to_tensor(picture, DataType::uint8, *picture_layout({1, 1, 1, 2}), "t");
  CHECK(grey.as<uint8_t>()[0] == 82);  // 0.299 * 255 + 0.114 * 51
  CHECK_FALSE(picture_layout({1, 7, 5, 5}));
  CHECK_FALSE(picture_layout({3, 5, 5}));
  CHECK_THROWS_AS(picture_to_tensor(picture, DataType::float32, *picture_layout({1, 3, 4, 4}), "t"), Error);
  CHECK_THROWS_AS(picture_to_tensor(picture, DataType::int64, *planes, "t"), Error);
}

TEST_CASE("boxes are drawn inside the picture only") {
  Picture picture{4, 4, std::vector<uint8_t>(48, 0)};
  draw_box(picture, -5, 1, 3, 50, {9, 8, 7}, 1);
  CHECK(picture.rgb[(1 * 4 + 1) * 3] == 9);
  CHECK(picture.rgb[(3 * 4 + 2) * 3 + 2] == 7);
  CHECK(picture.rgb[(3 * 4 + 3) * 3] == 0);
  CHECK(picture.rgb[0] == 0);
}
