// See picture_orientation.hpp.
#include "core/files/picture_orientation.hpp"

#include <cstring>

namespace lathe {
namespace {

uint32_t byte_at(std::span<const std::byte> file, size_t at) { return static_cast<uint32_t>(file[at]); }

// The tag in the first directory of a TIFF header, which is what an EXIF segment holds; 1 where anything is not as it should be.
int orientation_in(std::span<const std::byte> tiff) {
  if (tiff.size() < 8) return 1;
  const bool little = std::memcmp(tiff.data(), "II*\0", 4) == 0;
  if (!little && std::memcmp(tiff.data(), "MM\0*", 4) != 0) return 1;
  const auto number = [&](size_t at, size_t bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value |= byte_at(tiff, at + i) << 8 * (little ? i : bytes - 1 - i);
    return value;
  };
  const size_t directory = number(4, 4);
  if (directory > tiff.size() - 2) return 1;
  const size_t entries = number(directory, 2);
  constexpr size_t entry_bytes = 12;
  for (size_t i = 0; i < entries && directory + 2 + (i + 1) * entry_bytes <= tiff.size(); ++i) {
    const size_t at = directory + 2 + i * entry_bytes;
    constexpr uint32_t tag = 0x0112, two_bytes = 3;
    if (number(at, 2) != tag || number(at + 2, 2) != two_bytes) continue;
    const uint32_t value = number(at + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace

int exif_orientation(std::span<const std::byte> file) {
  if (!is_jpeg(file)) return 1;
  // Segments: FF, kind, length of two bytes that counts itself. EXIF's is APP1, before the scan.
  for (size_t at = 2; at + 4 <= file.size() && byte_at(file, at) == 0xff;) {
    const uint32_t kind = byte_at(file, at + 1);
    if (kind == 0xff) {  // filling
      ++at;
      continue;
    }
    const size_t length = byte_at(file, at + 2) << 8 | byte_at(file, at + 3);
    constexpr uint32_t start_of_scan = 0xda, app1 = 0xe1;
    if (kind == start_of_scan || length < 2 || length > file.size() - at - 2) return 1;
    const std::span<const std::byte> body = file.subspan(at + 4, length - 2);
    if (kind == app1 && body.size() > 6 && std::memcmp(body.data(), "Exif\0\0", 6) == 0) return orientation_in(body.subspan(6));
    at += 2 + length;
  }
  return 1;
}

Picture upright(Picture picture, int orientation) {
  if (orientation <= 1 || orientation > 8) return picture;
  const bool swapped = orientation >= 5;
  const int64_t width = swapped ? picture.height : picture.width, height = swapped ? picture.width : picture.height;
  // Where row 0 and column 0 of what lies in the file are seen: 3 and 4 at the bottom, 2 and 3 at the right; 5 to 8 the same of the transposed.
  const bool rightmost = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool lowest = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  Picture turned{width, height, std::vector<uint8_t>(picture.rgb.size())};
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const int64_t column = rightmost ? width - 1 - x : x, row = lowest ? height - 1 - y : y;
      const int64_t from = swapped ? column * picture.width + row : row * picture.width + column;
      std::memcpy(&turned.rgb[static_cast<size_t>((y * width + x) * 3)], &picture.rgb[static_cast<size_t>(from * 3)], 3);
    }
  return turned;
}

Picture decode_upright(std::span<const std::byte> file, const std::string& source) {
  return upright(decode_picture(file, source), exif_orientation(file));
}

}  // namespace lathe
