// Pictures of all usual formats in, .png out, as 8-bit RGB, and as the tensor a model's input wants.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/ir/tensor.hpp"

namespace lathe {

struct Picture {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb;  // width * height * 3, rows from the top
};

bool is_png(std::span<const std::byte> head);
bool is_jpeg(std::span<const std::byte> head);

// PNG, JPEG, or a format of picture_formats.hpp, told apart by the first bytes. Transparency is dropped, grey becomes three equal channels. Throws
// Error(failed).
Picture decode_picture(std::span<const std::byte> file, const std::string& source);
// The same as kernels and plugins call it (lathe/kernels/kernel.hpp, DecodePicture); the context is not used. Throws nothing.
const char* decode_picture_for_kernel(void*, const void* file, uint64_t size, void* target,
                                      uint8_t* (*allocate)(void* target, int64_t height, int64_t width)) noexcept;
std::string encode_png(const Picture& picture);

// A rectangle's outline, `thickness` pixels wide, clipped to the picture.
void draw_box(Picture& picture, int64_t left, int64_t top, int64_t right, int64_t bottom, std::array<uint8_t, 3> colour, int64_t thickness = 2);

// Where an input of that shape holds what of a picture; nothing when it cannot hold one.
struct PictureLayout {
  int64_t width = -1, height = -1, channels = 0;  // -1: not fixed
  bool channels_last = false;
};
std::optional<PictureLayout> picture_layout(const Shape& shape);

// [1,C,H,W] or [1,H,W,C], C = 1 (luma) or 3: floats in 0..1, or bytes 0..255 for uint8. Throws Error(failed) when size or type do not fit.
Tensor picture_to_tensor(const Picture& picture, DataType type, const PictureLayout& layout, const std::string& source);

}  // namespace lathe
