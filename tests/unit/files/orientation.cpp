// Pictures as cameras and printers leave them: turned, in inks, cut short.
// clang-format off
#include <cstdio>
#include <jpeglib.h>  // wants size_t and FILE before it
// clang-format on
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>

#include "core/base/diagnostic.hpp"
#include "core/files/picture_orientation.hpp"

namespace {
using namespace lathe;

// Of one colour per pixel's channel list, without subsampling, at the best quality.
std::string jpeg(int width, int height, int channels, std::vector<uint8_t> values) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(width), info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = channels, info.in_color_space = channels == 4 ? JCS_CMYK : channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  for (int c = 0; c < info.num_components; ++c) info.comp_info[c].h_samp_factor = info.comp_info[c].v_samp_factor = 1;
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = &values[size_t{info.next_scanline} * static_cast<size_t>(width * channels)];
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string file(reinterpret_cast<char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return file;
}
std::span<const std::byte> span_of(const std::string& text) { return {reinterpret_cast<const std::byte*>(text.data()), text.size()}; }

// The file with an EXIF segment behind its first marker.
std::string with_exif(const std::string& file, int orientation, bool little) {
  const auto number = [&](uint32_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * (little ? i : bytes - 1 - i));
    return text;
  };
  std::string tiff = little ? std::string("II*\0", 4) : std::string("MM\0*", 4);
  tiff += number(8, 4) + number(2, 2);
  tiff += number(0x0100, 2) + number(4, 2) + number(1, 4) + number(640, 4);  // another tag
  tiff += number(0x0112, 2) + number(3, 2) + number(1, 4) + number(static_cast<uint32_t>(orientation), 2) + number(0, 2) + number(0, 4);
  const std::string body = std::string("Exif\0\0", 6) + tiff;
  const size_t length = body.size() + 2;
  return file.substr(0, 2) + "\xff\xe1" + static_cast<char>(length >> 8) + static_cast<char>(length) + body + file.substr(2);
}

// Rows of three and two: 1 2 3 / 4 5 6.
Picture numbered() {
  Picture p{3, 2, {}};
  for (uint8_t i = 1; i <= 6; ++i) p.rgb.insert(p.rgb.end(), 3, i);
  return p;
}
std::string rows(const Picture& p) {
  std::string text;
  for (size_t i = 0; i < p.rgb.size(); i += 3) text += std::to_string(p.rgb[i]) + ((i / 3 + 1) % static_cast<size_t>(p.width) ? "" : " ");
  return text;
}
}  // namespace

TEST_CASE("each of the eight orientations") {
  const char* const expected[] = {"123 456 ", "321 654 ", "654 321 ", "456 123 ", "14 25 36 ", "41 52 63 ", "63 52 41 ", "36 25 14 "};
  for (int orientation = 1; orientation <= 8; ++orientation) CHECK(rows(upright(numbered(), orientation)) == expected[orientation - 1]);
}

TEST_CASE("the tag is found in either byte order, and a damaged one turns nothing") {
  const std::string plain = jpeg(8, 4, 1, std::vector<uint8_t>(32, 200));
  CHECK(exif_orientation(span_of(plain)) == 1);
  for (const bool little : {true, false}) {
    const std::string file = with_exif(plain, 6, little);
    CHECK(exif_orientation(span_of(file)) == 6);
    CHECK(decode_upright(span_of(file), "x").width == 4);
    CHECK(exif_orientation(span_of(with_exif(plain, 9, little))) == 1);
    for (size_t size = 0; size < file.size(); ++size) exif_orientation(span_of(file).subspan(0, size));
    for (size_t at = 2; at < 60; ++at)
      for (int bit = 0; bit < 8; ++bit) {
        std::string damaged = file;
        damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
        const int found = exif_orientation(span_of(damaged));
        CHECK((found >= 1 && found <= 8));
      }
  }
}

TEST_CASE("inks become light") {
  // Libjpeg marks four channels as Adobe's, whose 255 is no ink: full light but for the first channel.
  const Picture p = decode_picture(span_of(jpeg(8, 8, 4,
                                                [] {
                                                  std::vector<uint8_t> values;
                                                  for (int i = 0; i < 64; ++i) values.insert(values.end(), {0, 255, 128, 255});
                                                  return values;
                                                }())),
                                   "x");
  REQUIRE(p.rgb.size() == 192);
  CHECK(p.rgb[0] <= 2);
  CHECK(p.rgb[1] >= 253);
  CHECK(std::abs(p.rgb[2] - 128) <= 2);
}

TEST_CASE("a file that is cut short is no picture") {
  std::vector<uint8_t> values;
  for (int i = 0; i < 64 * 64; ++i) values.push_back(static_cast<uint8_t>(i * 37));
  const std::string file = jpeg(64, 64, 1, values);
  CHECK_NOTHROW(decode_picture(span_of(file), "x"));
  CHECK_THROWS_WITH_AS(decode_picture(span_of(file).subspan(0, file.size() / 2), "x"), "error: x: this JPEG cannot be read: it is cut short", Error);
}
