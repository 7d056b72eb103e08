// The picture formats beyond PNG and JPEG, decoded to 8-bit RGB.
//
// BMP and the PNM family are read here. WebP, TIFF and JPEG 2000 are read by the libraries of the machine (libwebp, libtiff, libopenjp2), looked up
// when such a picture is met: without them nothing else of Lathe is less. All functions throw Error that names `source`.
#pragma once
#include <span>
#include <string>

#include "core/files/picture.hpp"

namespace lathe {

enum class PictureFormat { unknown, png, jpeg, bmp, pnm, webp, tiff, jpeg_2000 };

// By the first bytes.
PictureFormat picture_format(std::span<const std::byte> file);

Picture decode_bmp(std::span<const std::byte> file, const std::string& source);
Picture decode_pnm(std::span<const std::byte> file, const std::string& source);
Picture decode_webp(std::span<const std::byte> file, const std::string& source);
Picture decode_tiff(std::span<const std::byte> file, const std::string& source);
Picture decode_jpeg_2000(std::span<const std::byte> file, const std::string& source);

}  // namespace lathe
