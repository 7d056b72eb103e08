// The window attributes that convolutions and pooling share, checked once.
#pragma once
#include <vector>

#include "core/ops/inference.hpp"

namespace lathe::infer {

struct Window {
  std::vector<int64_t> kernel, strides, dilations, pads;  // pads: begins, then ends
  std::string auto_pad;
};

// Reads and checks strides, dilations, pads, auto_pad and kernel_shape for `rank` spatial axes. `kernel` holds the weights' spatial
// sizes (unknown ones as -1), or is empty when the attribute must say.
Window window(const InferenceContext& context, size_t rank, std::vector<int64_t> kernel);

// Output size of axis `i` of a window that slides over `input`. Fails when the window does not fit.
Dimension slide(const InferenceContext& context, const Window& window, size_t i, const Dimension& input, bool ceil_mode);

// The output [N, M, spatial...] of a convolution of x [N, C, spatial...] with weights [M, C / group, kernel...]. Fails when they do not fit.
Shape convolved(const InferenceContext& context, const Shape& x, const Shape& weights);

}  // namespace lathe::infer
