// See window.hpp. Formulas: ONNX, Operators.md, Conv and MaxPool.
#include "core/ops/window.hpp"

namespace lathe::infer {
namespace {

constexpr int64_t largest_number = int64_t(1) << 31;  // keeps products of two attributes within 63 bits

std::vector<int64_t> list(const InferenceContext& c, std::string_view name, size_t length, int64_t fallback, int64_t lowest) {
  std::vector<int64_t> values = c.node().integers(name, std::vector<int64_t>(length, fallback));
  if (values.empty()) values.assign(length, fallback);
  if (values.size() != length)
    c.fail("attribute '" + std::string(name) + "' has the wrong length", std::to_string(length) + " numbers", std::to_string(values.size()));
  for (const int64_t v : values)
    if (v < lowest || v > largest_number)
      c.fail("attribute '" + std::string(name) + "' is out of range", std::to_string(lowest) + " to " + std::to_string(largest_number),
             std::to_string(v));
  return values;
}

}  // namespace

Window window(const InferenceContext& c, size_t rank, std::vector<int64_t> kernel) {
  if (rank < 1 || rank > 3) c.unsupported("only one to three spatial axes are supported, the input has " + std::to_string(rank));
  Window w;
  if (kernel.empty() || c.node().has("kernel_shape")) {
    const std::vector<int64_t> given = list(c, "kernel_shape", rank, -1, 1);
    for (size_t i = 0; i < kernel.size(); ++i)
      if (kernel[i] >= 0 && kernel[i] != given[i])
        c.fail("attribute 'kernel_shape' contradicts the weights' shape", std::to_string(kernel[i]), std::to_string(given[i]));
    kernel = given;
  }
  w.kernel = std::move(kernel);
  for (const int64_t k : w.kernel)
    if (k == 0 || k > largest_number) c.fail("the kernel's size is out of range", "1 to " + std::to_string(largest_number), std::to_string(k));
  w.strides = list(c, "strides", rank, 1, 1);
  w.dilations = list(c, "dilations", rank, 1, 1);
  w.pads = list(c, "pads", 2 * rank, 0, 0);
  w.auto_pad = c.node().text("auto_pad", "NOTSET");
  if (w.auto_pad.empty()) w.auto_pad = "NOTSET";
  const std::vector<std::string> modes{"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
  if (std::find(modes.begin(), modes.end(), w.auto_pad) == modes.end())
    c.fail("attribute 'auto_pad' has an unknown value" + did_you_mean(w.auto_pad, modes), "NOTSET, SAME_UPPER, SAME_LOWER or VALID", w.auto_pad);
  return w;
}

Dimension slide(const InferenceContext& c, const Window& w, size_t i, const Dimension& input, bool ceil_mode) {
  const int64_t stride = w.strides[i];
  if (w.auto_pad == "SAME_UPPER" || w.auto_pad == "SAME_LOWER") return divided(c, plus(c, input, Dimension(stride - 1)), Dimension(stride));
  if (w.kernel[i] < 0) return {};
  const int64_t pads = w.auto_pad == "VALID" ? 0 : w.pads[i] + w.pads[w.kernel.size() + i];
  const int64_t extent = (w.kernel[i] - 1) * w.dilations[i] + 1;
  const Dimension padded = plus(c, input, from_number(pads));
  if (padded.constant() && padded.value < extent)
    c.fail("the kernel is larger than the padded input", "at least " + std::to_string(extent),
           std::to_string(padded.value) + " on spatial axis " + std::to_string(i));
  Dimension room = plus(c, input, from_number(pads - extent));
  if (ceil_mode) room = plus(c, room, Dimension(stride - 1));
  Dimension result = plus(c, divided(c, room, Dimension(stride)), Dimension(1));
  // In ceil mode the last window must still begin inside the input or its left padding.
  const Dimension last = times(c, minus(c, result, Dimension(1)), Dimension(stride)),
                  reach = plus(c, input, Dimension(w.auto_pad == "VALID" ? 0 : w.pads[i]));
  if (ceil_mode && last.constant() && reach.constant() && last.value >= reach.value) --result.value;
  return result;
}

Shape convolved(const InferenceContext& c, const Shape& x, const Shape& weights) {
  const int64_t groups = c.node().integer("group", 1);
  if (groups < 1) c.fail("attribute 'group' is out of range", "at least 1", std::to_string(groups));
  const Dimension channels = times(c, weights[1], Dimension(groups));
  if (differ(x[1], channels))
    c.fail("the input's channels do not match the weights",
           std::to_string(channels.value) + " channels (weights " + to_string(weights) + ", group " + std::to_string(groups) + ")",
           std::to_string(x[1].value) + " (input " + to_string(x) + ")");
  if (weights[0].constant() && weights[0].value % groups)
    c.fail("the output channels do not divide into the groups", "a multiple of " + std::to_string(groups), std::to_string(weights[0].value));
  std::vector<int64_t> kernel;
  for (size_t i = 2; i < weights.size(); ++i) kernel.push_back(weights[i].value);
  const Window w = window(c, x.size() - 2, std::move(kernel));
  Shape y{x[0], weights[0]};
  for (size_t i = 0; i + 2 < x.size(); ++i) y.push_back(slide(c, w, i, x[i + 2], false));
  return y;
}

}  // namespace lathe::infer
