// The sliding window that convolutions and pooling share: kernel, strides, dilations and padding over one to three spatial axes.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

// Spatial axes are padded in front to three, so that one loop nest serves 1-D, 2-D and 3-D.
struct Window {
  int64_t input[3] = {1, 1, 1}, output[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1};
  int64_t pad_begin[3] = {0, 0, 0}, pad_end[3] = {0, 0, 0};

  int64_t input_size() const { return input[0] * input[1] * input[2]; }
  int64_t output_size() const { return output[0] * output[1] * output[2]; }
  int64_t kernel_size() const { return kernel[0] * kernel[1] * kernel[2]; }
  // Does every output read exactly the input of its own place?
  bool pointwise() const {
    bool result = true;
    for (int i = 0; i < 3; ++i) result = result && kernel[i] == 1 && stride[i] == 1 && pad_begin[i] == 0 && input[i] == output[i];
    return result;
  }
};

// Reads attributes `kernel_shape` (or the weights' dimensions), `strides`, `dilations`, `pads` and `auto_pad`. `x` and `y` are the
// tensors on the input and the output side of the window: for a transposed convolution its output and its input.
inline Window window_of(const Call& call, const Tensor& x, const Tensor& y, const int64_t* kernel, bool transposed = false) {
  Window w;
  const int rank = x.rank - 2, first = 3 - rank;
  const Attribute *strides = call.attribute("strides"), *dilations = call.attribute("dilations"), *pads = call.attribute("pads");
  for (int i = 0; i < rank; ++i) {
    const int a = first + i;
    w.input[a] = x.dimensions[2 + i];
    w.output[a] = y.dimensions[2 + i];
    w.kernel[a] = kernel[i];
    w.stride[a] = strides ? strides->ints[i] : 1;
    w.dilation[a] = dilations ? dilations->ints[i] : 1;
    if (call.is("auto_pad", "NOTSET", "NOTSET") && (!transposed || !call.attribute("output_shape"))) {
      w.pad_begin[a] = pads ? pads->ints[i] : 0;
      w.pad_end[a] = pads ? pads->ints[rank + i] : 0;
    } else if (!call.is("auto_pad", "VALID", "NOTSET")) {
      const Attribute* extra = transposed ? call.attribute("output_padding") : nullptr;
      const int64_t whole = (w.output[a] - 1) * w.stride[a] + (w.kernel[a] - 1) * w.dilation[a] + 1 + (extra ? extra->ints[i] : 0) - w.input[a];
      const int64_t total = math::greatest<int64_t>(whole, 0);
      // A transposed convolution puts the odd element at the start unless SAME_UPPER is asked for (ONNX, ConvTranspose); a convolution only for
      // SAME_LOWER.
      const bool more_in_front = transposed ? !call.is("auto_pad", "SAME_UPPER", "NOTSET") : call.is("auto_pad", "SAME_LOWER", "NOTSET");
      w.pad_begin[a] = more_in_front ? (total + 1) / 2 : total / 2;
      w.pad_end[a] = total - w.pad_begin[a];
    }
  }
  return w;
}

namespace shapes {

// Output size of spatial axis `i` of `axes`, where a window of `kernel` places slides over `input` elements. -1: it does not fit, and the call
// failed. Formulas: ONNX, Operators.md, Conv and MaxPool.
inline int64_t slide(const Call& call, int i, int axes, int64_t input, int64_t kernel, bool ceil_mode) {
  const Attribute *strides = call.attribute("strides"), *dilations = call.attribute("dilations"), *pads = call.attribute("pads");
  const int64_t stride = strides ? strides->ints[i] : 1, extent = (kernel - 1) * (dilations ? dilations->ints[i] : 1) + 1;
  if (call.is("auto_pad", "SAME_UPPER", "NOTSET") || call.is("auto_pad", "SAME_LOWER", "NOTSET")) return (input + stride - 1) / stride;
  const bool valid = call.is("auto_pad", "VALID", "NOTSET");
  const int64_t begin = valid || !pads ? 0 : pads->ints[i], end = valid || !pads ? 0 : pads->ints[axes + i];
  const int64_t room = input + begin + end - extent;
  if (kernel < 1 || room < 0) {
    call.fail("the kernel is larger than the padded input");
    return -1;
  }
  const int64_t result = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  // In ceil mode the last window must still begin inside the input or its left padding.
  return ceil_mode && (result - 1) * stride >= input + begin ? result - 1 : result;
}

}  // namespace shapes

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
