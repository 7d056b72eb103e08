// Kernel, strides, dilations and padding of convolutions and pools, axis by axis.
#pragma once
#include "lowering.hpp"

namespace lathe::tflite {

struct WindowAxis {
  int64_t in = 0, out = 0, kernel = 1, stride = 1, dilation = 1, before = 0, after = 0;
  int64_t reach() const { return (kernel - 1) * dilation + 1; }
};

// One entry per spatial axis of an input [N, C, ...], as the node's attributes say; ceil_mode's extra padding is in `after`.
std::vector<WindowAxis> window_of(const Lowering& lowering, const Work& work, const std::vector<int64_t>& kernel);

// Whether TensorFlow's SAME padding is what the axis has: the total that makes ceil(in / stride) results, the smaller half before.
bool is_same(const WindowAxis& axis);

// How images [N, C, H, W] are held for a kernel of two spatial axes: [N, H, W, C], or [N, W, H, C] where they are so already.
Order image_order(Lowering& lowering, uint32_t image);

}  // namespace lathe::tflite
