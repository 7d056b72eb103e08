// Decoding through libpng's simplified interface and libjpeg; both report through return paths that leave no C++ object behind.
#include "core/files/picture.hpp"

#include <jerror.h>
#include <jpeglib.h>
#include <png.h>

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <optional>

#include "core/base/diagnostic.hpp"
#include "core/files/picture_formats.hpp"

namespace lathe {
namespace {

constexpr int64_t most_pixels = int64_t{1} << 28;

[[noreturn]] void bad(const std::string& source, std::string text, std::string hint = {}) {
  Diagnostic d;
  d.text = std::move(text);
  d.location = source;
  d.hint = std::move(hint);
  throw Error(Code::failed, std::move(d));
}

Picture decode_png(std::span<const std::byte> file, const std::string& source) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_memory(&image, file.data(), file.size())) bad(source, std::string("this PNG cannot be read: ") + image.message);
  image.format = PNG_FORMAT_RGBA;
  if (int64_t{image.width} * image.height > most_pixels) {
    png_image_free(&image);
    bad(source, "this PNG has more than 268 million pixels");
  }
  std::vector<uint8_t> rgba(PNG_IMAGE_SIZE(image));
  if (!png_image_finish_read(&image, nullptr, rgba.data(), 0, nullptr)) bad(source, std::string("this PNG is damaged: ") + image.message);
  Picture picture{image.width, image.height, std::vector<uint8_t>(size_t{image.width} * image.height * 3)};
  for (size_t i = 0, n = size_t{image.width} * image.height; i < n; ++i) std::memcpy(&picture.rgb[i * 3], &rgba[i * 4], 3);
  return picture;
}

struct JpegErrors {
  jpeg_error_mgr manager;
  std::jmp_buf back;
  bool cut_short = false;
  char text[JMSG_LENGTH_MAX];
};

void jpeg_stop(j_common_ptr info) {
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  (*info->err->format_message)(info, errors->text);
  std::longjmp(errors->back, 1);
}
// Libjpeg fills up with grey what a file lacks, and calls that a warning.
void jpeg_warned(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) reinterpret_cast<JpegErrors*>(info->err)->cut_short = true;
}

// Everything that longjmp may skip lives in plain structs here; the vector belongs to the caller.
bool read_jpeg(std::span<const std::byte> file, Picture& picture, JpegErrors& errors) {
  jpeg_decompress_struct info{};
  info.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = jpeg_stop;
  errors.manager.emit_message = jpeg_warned;
  if (setjmp(errors.back)) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  info.mem->max_memory_to_use = 1l << 30;
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_read_header(&info, TRUE);
  if (int64_t{info.image_width} * info.image_height > most_pixels) {
    std::snprintf(errors.text, sizeof errors.text, "it has more than 268 million pixels");
    jpeg_destroy_decompress(&info);
    return false;
  }
  const bool inks = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;  // libjpeg makes no RGB of these
  info.out_color_space = inks ? JCS_CMYK : JCS_RGB;
  const size_t channels = inks ? 4 : 3;
  jpeg_start_decompress(&info);
  picture.width = info.output_width, picture.height = info.output_height;
  const size_t pixels = size_t{info.output_width} * info.output_height;
  picture.rgb.resize(pixels * channels);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = &picture.rgb[size_t{info.output_scanline} * info.output_width * channels];
    jpeg_read_scanlines(&info, &row, 1);
  }
  const bool inverted = info.saw_Adobe_marker != 0;  // Adobe writes 255 for no ink
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  if (errors.cut_short) {
    std::snprintf(errors.text, sizeof errors.text, "it is cut short");
    return false;
  }
  if (inks) {
    for (size_t i = 0; i < pixels; ++i) {
      const auto light = [&](size_t c) { return inverted ? unsigned{picture.rgb[i * 4 + c]} : 255u - picture.rgb[i * 4 + c]; };
      const unsigned rest = light(3);
      for (size_t c = 0; c < 3; ++c) picture.rgb[i * 3 + c] = static_cast<uint8_t>((light(c) * rest + 127) / 255);
    }
    picture.rgb.resize(pixels * 3);
  }
  return true;
}

Picture decode_jpeg(std::span<const std::byte> file, const std::string& source) {
  Picture picture;
  JpegErrors errors{};
  if (!read_jpeg(file, picture, errors)) bad(source, std::string("this JPEG cannot be read: ") + errors.text);
  return picture;
}

}  // namespace

bool is_png(std::span<const std::byte> head) { return head.size() >= 8 && std::memcmp(head.data(), "\x89PNG\r\n\x1a\n", 8) == 0; }
bool is_jpeg(std::span<const std::byte> head) { return head.size() >= 3 && std::memcmp(head.data(), "\xff\xd8\xff", 3) == 0; }

Picture decode_picture(std::span<const std::byte> file, const std::string& source) {
  switch (picture_format(file)) {
    case PictureFormat::png:
      return decode_png(file, source);
    case PictureFormat::jpeg:
      return decode_jpeg(file, source);
    case PictureFormat::bmp:
      return decode_bmp(file, source);
    case PictureFormat::pnm:
      return decode_pnm(file, source);
    case PictureFormat::webp:
      return decode_webp(file, source);
    case PictureFormat::tiff:
      return decode_tiff(file, source);
    case PictureFormat::jpeg_2000:
      return decode_jpeg_2000(file, source);
    case PictureFormat::unknown:
      break;
  }
  bad(source, "this is no picture of a known format", "PNG, JPEG, BMP, PNM, WebP, TIFF and JPEG 2000 are known");
}

const char* decode_picture_for_kernel(void*, const void* file, uint64_t size, void* target,
                                      uint8_t* (*allocate)(void* target, int64_t height, int64_t width)) noexcept {
  static thread_local std::string sentence;
  try {
    const Picture picture = decode_picture({static_cast<const std::byte*>(file), size_t(size)}, "");
    uint8_t* to = allocate(target, picture.height, picture.width);
    if (!to) return "there is no memory for the picture";
    std::memcpy(to, picture.rgb.data(), picture.rgb.size());
    return nullptr;
  } catch (const Error& error) {
    const Diagnostic& d = error.diagnostics.front();
    sentence = d.text + (d.hint.empty() ? "" : "; " + d.hint);
    return sentence.c_str();
  } catch (const std::exception&) {
    return "there is no memory for decoding the picture";
  }
}

std::string encode_png(const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width), image.height = static_cast<png_uint_32>(picture.height);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string file(size, '\0');
  if (!png_image_write_to_memory(&image, file.data(), &size, 0, picture.rgb.data(), 0, nullptr))
    throw Error(Code::failed, std::string("the picture cannot be written as PNG: ") + image.message);
  file.resize(size);
  return file;
}

void draw_box(Picture& picture, int64_t left, int64_t top, int64_t right, int64_t bottom, std::array<uint8_t, 3> colour, int64_t thickness) {
  auto fill = [&](int64_t x0, int64_t y0, int64_t x1, int64_t y1) {
    for (int64_t y = std::max<int64_t>(y0, 0); y < std::min(y1, picture.height); ++y)
      for (int64_t x = std::max<int64_t>(x0, 0); x < std::min(x1, picture.width); ++x)
        std::copy(colour.begin(), colour.end(), &picture.rgb[static_cast<size_t>((y * picture.width + x) * 3)]);
  };
  fill(left, top, right, top + thickness);
  fill(left, bottom - thickness, right, bottom);
  fill(left, top, left + thickness, bottom);
  fill(right - thickness, top, right, bottom);
}

std::optional<PictureLayout> picture_layout(const Shape& shape) {
  if (shape.size() != 4) return std::nullopt;
  if (shape[0].constant() && shape[0].value < 1) return std::nullopt;
  auto channels = [](const Dimension& d) { return d.value == 1 || d.value == 3; };
  bool last = !channels(shape[1]) && channels(shape[3]);
  if (!last && !channels(shape[1])) return std::nullopt;
  PictureLayout layout;
  layout.channels_last = last;
  layout.channels = shape[last ? 3 : 1].value;
  layout.height = shape[last ? 1 : 2].value, layout.width = shape[last ? 2 : 3].value;
  return layout;
}

Tensor picture_to_tensor(const Picture& picture, DataType type, const PictureLayout& layout, const std::string& source) {
  auto size = [](int64_t w, int64_t h) { return (w < 0 ? "?" : std::to_string(w)) + "x" + (h < 0 ? "?" : std::to_string(h)); };
  if ((layout.width >= 0 && layout.width != picture.width) || (layout.height >= 0 && layout.height != picture.height)) {
    Diagnostic d;
    d.text = "the picture has not the size of the model's input";
    d.location = source;
    d.expected = size(layout.width, layout.height) + " pixels";
    d.found = size(picture.width, picture.height);
    d.hint = "add --letterbox to fit it in, or resize it";
    throw Error(Code::failed, std::move(d));
  }
  if (type != DataType::float32 && type != DataType::uint8)
    bad(source, "a picture can be given to an input of float or uint8, and this one is " + std::string(name(type)), "give a .npy file");
  std::vector<int64_t> dimensions = {1, layout.channels, picture.height, picture.width};
  if (layout.channels_last) dimensions = {1, picture.height, picture.width, layout.channels};
  Tensor tensor = Tensor::allocate(type, dimensions);
  int64_t pixels = picture.width * picture.height;
  for (int64_t i = 0; i < pixels; ++i) {
    const uint8_t* rgb = &picture.rgb[static_cast<size_t>(i * 3)];
    for (int64_t c = 0; c < layout.channels; ++c) {
      // Luma after ITU-R BT.601, as PIL and OpenCV make grey.
      double value = layout.channels == 3 ? rgb[c] : 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
      size_t at = static_cast<size_t>(layout.channels_last ? i * layout.channels + c : c * pixels + i);
      if (type == DataType::uint8) {
        tensor.as_mutable<uint8_t>()[at] = static_cast<uint8_t>(std::lround(value));
      } else {
        tensor.as_mutable<float>()[at] = static_cast<float>(value) / 255.0f;
      }
    }
  }
  return tensor;
}

}  // namespace lathe
