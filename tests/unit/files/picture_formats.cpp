// Picture formats beyond PNG and JPEG. The files are written here byte by byte, after the formats' descriptions.
#include "core/files/picture_formats.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "core/base/diagnostic.hpp"

using namespace lathe;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

Picture decode(std::string_view file) { return decode_picture(std::as_bytes(std::span(file)), "picture"); }

// A bitmap header for the given size and depth; pixels begin behind `palette` colours.
std::string bitmap(int width, int height, int bits, int palette = 0) {
  std::string h = "BM"s;
  const auto number = [&](int64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) h += i < 8 ? char(value >> (8 * i)) : char(0);
  };
  number(0, 8);
  number(54 + 4 * palette, 4);
  number(40, 4);
  number(width, 4);
  number(height, 4);
  number(1, 2);
  number(bits, 2);
  number(0, 16);
  number(palette, 4);
  number(0, 4);
  return h;
}

using Levels = std::vector<uint8_t>;

}  // namespace

TEST_CASE("bitmaps: rows from below, blue first, rows of whole words") {
  // Two rows of one pixel each, padded to four bytes: the lower one is first.
  const Picture two = decode(bitmap(1, 2, 24) + "\x01\x02\x03\0"s + "\x04\x05\x06\0"s);
  CHECK(two.height == 2);
  CHECK(two.rgb == Levels{6, 5, 4, 3, 2, 1});
  CHECK(decode(bitmap(1, -2, 24) + "\x01\x02\x03\0"s + "\x04\x05\x06\0"s).rgb == Levels{3, 2, 1, 6, 5, 4});
  CHECK(decode(bitmap(2, 1, 8, 2) + "\x01\x02\x03\0\x0a\x0b\x0c\0"s + "\x01\0\0\0"s).rgb == Levels{12, 11, 10, 3, 2, 1});
  CHECK(decode(bitmap(3, 1, 1, 2) + "\0\0\0\0\xff\xff\xff\0"s + "\xa0\0\0\0"s).rgb == Levels{255, 255, 255, 0, 0, 0, 255, 255, 255});
  CHECK(decode(bitmap(1, 1, 16) + "\x1f\x7c\0\0"s).rgb == Levels{255, 0, 255});  // five bits each
  CHECK_THROWS_WITH_AS(decode(bitmap(1, 2, 24) + "\x01\x02\x03"s), doctest::Contains("cut short"), Error);
  CHECK_THROWS_AS(decode(bitmap(1 << 30, 1 << 30, 24)), Error);
  CHECK_THROWS_AS(decode(bitmap(0, 1, 24)), Error);
}

TEST_CASE("Netpbm: plain and binary, bits, grey and colour") {
  CHECK(decode("P1\n# a comment\n2 1\n10"sv).rgb == Levels{0, 0, 0, 255, 255, 255});
  CHECK(decode("P2 2 1 10 0 5 "sv).rgb == Levels{0, 0, 0, 128, 128, 128});
  CHECK(decode("P3\n1 1\n255\n1 2 3\n"sv).rgb == Levels{1, 2, 3});
  CHECK(decode("P4\n2 1\n\x40"sv).rgb == Levels{255, 255, 255, 0, 0, 0});
  CHECK(decode("P5\n1 1\n65535\n\xff\xff"sv).rgb == Levels{255, 255, 255});
  CHECK(decode("P6\n1 1\n255\nabc"sv).rgb == Levels{'a', 'b', 'c'});
  CHECK_THROWS_WITH_AS(decode("P6\n1 1\n255\nab"sv), doctest::Contains("cut short"), Error);
  CHECK_THROWS_AS(decode("P5\n1 1\n0\nab"sv), Error);
  CHECK_THROWS_AS(decode("P5\n99999999 99999999\n255\nab"sv), Error);
}

TEST_CASE("formats are told apart by their first bytes, and damaged ones are refused") {
  const auto format = [](std::string_view file) { return picture_format(std::as_bytes(std::span(file))); };
  CHECK(format("RIFF....WEBPVP8 "sv) == PictureFormat::webp);
  CHECK(format("II*\0...."sv) == PictureFormat::tiff);
  CHECK(format("\xff\x4f\xff\x51...."sv) == PictureFormat::jpeg_2000);
  CHECK(format("PK..."sv) == PictureFormat::unknown);
  CHECK(format(""sv) == PictureFormat::unknown);
  // With the library or without it: a sentence.
  for (const std::string_view file : {"RIFF....WEBPVP8 "sv, "II*\0...."sv, "\xff\x4f\xff\x51...."sv, "what is this"sv})
    CHECK_THROWS_AS(decode(file), Error);
}
