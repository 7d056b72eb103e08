// Telling formats apart, and the two that need no library: Windows bitmaps ([MS-WMF] 2.2.2.9, BITMAPINFOHEADER) and Netpbm
// (netpbm.sourceforge.net/doc).
#include "core/files/picture_formats.hpp"

#include <cstring>
#include <string_view>

#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {

constexpr int64_t most_pixels = int64_t{1} << 28;

[[noreturn]] void bad(const std::string& source, std::string text) {
  Diagnostic d;
  d.text = std::move(text);
  d.location = source;
  throw Error(Code::failed, std::move(d));
}

bool begins(std::span<const std::byte> file, std::string_view bytes, size_t at = 0) {
  return file.size() >= at + bytes.size() && std::memcmp(file.data() + at, bytes.data(), bytes.size()) == 0;
}

Picture empty_picture(int64_t width, int64_t height, const std::string& source) {
  if (width < 1 || height < 1 || width > most_pixels || height > most_pixels || width * height > most_pixels)
    bad(source, "this picture has no pixels, or more than 268 million");
  return {width, height, std::vector<uint8_t>(size_t(width * height * 3))};
}

// Little-endian numbers of a file; reading behind its end gives 0 and is remembered.
struct LittleEndian {
  std::span<const std::byte> file;
  bool complete = true;
  uint32_t number(size_t at, int bytes) {
    if (at + size_t(bytes) > file.size()) {
      complete = false;
      return 0;
    }
    uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= uint32_t(file[at + size_t(i)]) << (8 * i);
    return value;
  }
};

// The bits of a pixel that `mask` selects, stretched to 8.
uint8_t channel(uint32_t pixel, uint32_t mask) {
  if (mask == 0) return 0;
  const int shift = __builtin_ctz(mask);
  const uint64_t most = mask >> shift;
  return uint8_t(((pixel & mask) >> shift) * uint64_t(255) / most);
}

// What stands between the numbers of a Netpbm header: white space, and comments to the end of their line.
struct Netpbm {
  std::span<const std::byte> file;
  size_t at = 2;
  int next() const { return at < file.size() ? int(file[at]) : -1; }
  static bool space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  // -1: there is none.
  int64_t number() {
    while (space(next()) || next() == '#') {
      if (next() == '#')
        while (next() != '\n' && next() >= 0) ++at;
      else
        ++at;
    }
    if (next() < '0' || next() > '9') return -1;
    int64_t value = 0;
    for (; next() >= '0' && next() <= '9'; ++at) value = std::min<int64_t>(value * 10 + next() - '0', most_pixels + 1);
    return value;
  }
  // One digit of a plain bitmap, where digits need no space between them.
  int64_t digit() {
    while (space(next())) ++at;
    return next() == '0' || next() == '1' ? int64_t(file[at++]) - '0' : -1;
  }
};

}  // namespace

PictureFormat picture_format(std::span<const std::byte> file) {
  using enum PictureFormat;
  if (is_png(file)) return png;
  if (is_jpeg(file)) return jpeg;
  if (begins(file, "BM")) return bmp;
  if (file.size() > 2 && begins(file, "P") && char(file[1]) >= '1' && char(file[1]) <= '6' && Netpbm::space(int(file[2]))) return pnm;
  if (begins(file, "RIFF") && begins(file, "WEBP", 8)) return webp;
  if (begins(file, {"II*\0", 4}) || begins(file, {"MM\0*", 4})) return tiff;
  if (begins(file, "\xff\x4f\xff\x51") || begins(file, {"\0\0\0\x0cjP  \r\n\x87\n", 12})) return jpeg_2000;
  return unknown;
}

Picture decode_bmp(std::span<const std::byte> file, const std::string& source) {
  LittleEndian b{file};
  const uint32_t pixels = b.number(10, 4), header = b.number(14, 4);
  if (header < 40) bad(source, "this bitmap has a header of OS/2, which is not read");
  const int64_t width = int32_t(b.number(18, 4)), height = int32_t(b.number(22, 4));
  const uint32_t bits = b.number(28, 2), compression = b.number(30, 4), colours = b.number(46, 4);
  if (compression != 0 && compression != 3 && compression != 6) bad(source, "this bitmap is compressed, which is not read");
  if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32) bad(source, "this bitmap has an unknown depth");
  Picture picture = empty_picture(width, height < 0 ? -height : height, source);
  uint32_t masks[3] = {bits == 16 ? 0x7c00u : 0xff0000u, bits == 16 ? 0x3e0u : 0xff00u, bits == 16 ? 0x1fu : 0xffu};
  for (size_t i = 0; compression != 0 && i < 3; ++i) masks[i] = b.number(54 + 4 * i, 4);
  const size_t palette = 14 + size_t(header), stride = (size_t(width) * bits + 31) / 32 * 4;
  for (int64_t y = 0; y < picture.height; ++y) {
    const size_t row = pixels + size_t(height < 0 ? y : picture.height - 1 - y) * stride;
    uint8_t* to = &picture.rgb[size_t(y * width * 3)];
    for (int64_t x = 0; x < width; ++x, to += 3) {
      uint32_t pixel;
      if (bits < 8) {
        const size_t bit = size_t(x) * bits;
        const uint32_t index = (b.number(row + bit / 8, 1) >> (8 - bits - bit % 8)) & ((1u << bits) - 1);
        pixel = b.number(palette + 4 * size_t(index), 3);
      } else if (bits == 8) {
        const uint32_t index = b.number(row + size_t(x), 1);
        if (colours && index >= colours) bad(source, "this bitmap points outside its palette");
        pixel = b.number(palette + 4 * size_t(index), 3);
      } else {
        pixel = b.number(row + size_t(x) * (bits / 8), int(bits / 8));
      }
      for (int i = 0; i < 3; ++i) to[i] = bits == 16 || bits == 32 ? channel(pixel, masks[i]) : uint8_t(pixel >> (16 - 8 * i));
    }
  }
  if (!b.complete) bad(source, "this bitmap is cut short");
  return picture;
}

Picture decode_pnm(std::span<const std::byte> file, const std::string& source) {
  Netpbm n{file};
  const char kind = char(file[1]);
  const bool bitmap = kind == '1' || kind == '4', colour = kind == '3' || kind == '6', plain = kind <= '3';
  const int64_t width = n.number(), height = n.number(), most = bitmap ? 1 : n.number();
  if (most < 1 || most > 65535) bad(source, "the header of this PNM picture is damaged");
  Picture picture = empty_picture(width, height, source);
  ++n.at;  // the single white space behind the header of the binary forms
  const int64_t channels = colour ? 3 : 1, bytes = most > 255 ? 2 : 1;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < channels; ++c) {
        int64_t value = 0;
        if (plain) {
          value = bitmap ? n.digit() : n.number();
        } else if (bitmap) {
          const size_t at = n.at + size_t(y * ((width + 7) / 8) + x / 8);
          value = at < file.size() ? (int64_t(file[at]) >> (7 - x % 8)) & 1 : -1;
        } else {
          for (int64_t i = 0; value >= 0 && i < bytes; ++i) {
            value = n.next() < 0 ? -1 : value * 256 + n.next();
            ++n.at;
          }
        }
        if (value < 0) bad(source, "this PNM picture is cut short");
        const uint8_t level = uint8_t(std::min<int64_t>(bitmap ? 255 * (1 - value) : (value * 255 + most / 2) / most, 255));
        for (int64_t i = c; i < (colour ? c + 1 : 3); ++i) picture.rgb[size_t((y * width + x) * 3 + i)] = level;
      }
  return picture;
}

}  // namespace lathe
