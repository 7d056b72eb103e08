// See host_operators.hpp.
#include "core/reference/host_operators.hpp"

#include <cstring>

#include "core/base/diagnostic.hpp"
#include "core/files/picture.hpp"
#include "core/ops/node_inference.hpp"

namespace lathe {
namespace {

Tensor constant(const Node& node, std::span<const Tensor* const>) { return constant_of(node); }

// A picture file's bytes to [height, width, channels], in the order that pixel_format says (ONNX, Operators.md, ImageDecoder, opset 20). Grey is the
// luma of ITU-R BT.601 in 16-bit fixed point, rounded, as PIL computes it for the standard's tests.
Tensor image_decoder(const Node& node, std::span<const Tensor* const> inputs) try {
  const Picture picture = decode_picture({inputs[0]->bytes.data, size_t(inputs[0]->size())}, "the encoded picture");
  const std::string format = node.text("pixel_format", "RGB");
  const bool grey = format == "Grayscale", reversed = format == "BGR";
  Tensor image = Tensor::allocate(DataType::uint8, {picture.height, picture.width, grey ? 1 : 3});
  const std::span<uint8_t> to = image.as_mutable<uint8_t>();
  for (size_t i = 0, n = size_t(picture.width * picture.height); i < n; ++i) {
    const uint8_t* rgb = &picture.rgb[3 * i];
    if (grey)
      to[i] = uint8_t((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
    else
      for (size_t c = 0; c < 3; ++c) to[3 * i + c] = rgb[reversed ? 2 - c : c];
  }
  return image;
} catch (Error& error) {
  for (Diagnostic& d : error.diagnostics) {
    d.node = node.name;
    d.op_type = node.op_type;
  }
  throw Error(error.code, std::move(error.diagnostics));
}

}  // namespace

HostOperator host_operator(std::string_view domain, std::string_view name) {
  if (!domain.empty()) return nullptr;
  if (name == "Constant") return constant;
  if (name == "ImageDecoder") return image_decoder;
  return nullptr;
}

}  // namespace lathe
