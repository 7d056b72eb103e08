// Padding of sliding windows, as ONNX gives it and as the IR takes it.
#pragma once
#include "step.hpp"

namespace lathe::openvino {

struct Window {
  std::vector<int64_t> kernel, strides, dilations, begin, end;
  std::string auto_pad = "explicit";

  size_t axes() const { return kernel.size(); }
  // Sizes of the output along each axis, rounded down, from explicit pads; -1 where the input is open.
  int64_t output(size_t i, int64_t size) const {
    return size < 0 ? -1 : (size + begin[i] + end[i] - dilations[i] * (kernel[i] - 1) - 1) / strides[i] + 1;
  }
};

// `kernel` from the node's attribute, or from the weights where it is empty. auto_pad becomes explicit pads where the data's size is known.
Window read_window(const Step& step, std::vector<int64_t> kernel, const Wire& data);

// Convolution, or GroupConvolution, as the node's attributes say.
Wire convolve(Step& step, const Wire& data, const Wire& weights);

}  // namespace lathe::openvino
