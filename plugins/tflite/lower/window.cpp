// Reading window attributes; ONNX's auto_pad and ceil_mode, TensorFlow's SAME.
#include "window.hpp"

#include <algorithm>

namespace lathe::tflite {

std::vector<WindowAxis> window_of(const Lowering& lowering, const Work& work, const std::vector<int64_t>& kernel) {
  const sdk::NodeView& node = work.node;
  const Extents& in = lowering.extents(work.in(0));
  const Extents& out = lowering.extents(work.out());
  const size_t n = kernel.size();
  const auto strides = node.integers("strides", std::vector<int64_t>(n, 1)), dilations = node.integers("dilations", std::vector<int64_t>(n, 1));
  const auto pads = node.integers("pads", std::vector<int64_t>(2 * n, 0));
  const std::string_view automatic = node.text("auto_pad", "NOTSET");
  std::vector<WindowAxis> axes(n);
  for (size_t i = 0; i < n; ++i) {
    WindowAxis& a = axes[i];
    a.in = in[i + 2];
    a.out = out[i + 2];
    a.kernel = kernel[i];
    a.stride = strides[i];
    a.dilation = dilations[i];
    if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      if (a.in < 0) lowering.refuse("auto_pad wants a known extent: the format's own SAME pads on other sides");
      const int64_t results = (a.in + a.stride - 1) / a.stride;
      const int64_t total = std::max<int64_t>((results - 1) * a.stride + a.reach() - a.in, 0);
      a.before = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
      a.after = total - a.before;
    } else if (automatic != "VALID") {
      a.before = pads[i];
      a.after = pads[i + n];
    }
    // Results that ceil_mode adds begin inside the input and reach beyond its end.
    if (node.integer("ceil_mode", 0) && a.in >= 0 && a.out >= 0) a.after = std::max(a.after, (a.out - 1) * a.stride + a.reach() - a.in - a.before);
  }
  return axes;
}

bool is_same(const WindowAxis& a) {
  if (a.stride == 1) return a.before + a.after == a.reach() - 1 && a.before == (a.reach() - 1) / 2;
  if (a.in < 0) return false;
  const int64_t results = (a.in + a.stride - 1) / a.stride;
  const int64_t total = std::max<int64_t>((results - 1) * a.stride + a.reach() - a.in, 0);
  if (a.before != total / 2) return false;
  // Padding behind the last window is never read.
  return a.after == total - a.before || (a.after >= total - a.before && (a.in + a.before + a.after - a.reach()) / a.stride + 1 == results) ||
         (a.after < total - a.before ? false : a.out == results);
}

Order image_order(Lowering& lowering, uint32_t image) {
  const Order swapped{0, 3, 2, 1};
  return lowering.order_of(image) == swapped ? swapped : channels_last(4);
}

}  // namespace lathe::tflite
