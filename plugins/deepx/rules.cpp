// The table, and what it cannot say.
#include "rules.hpp"

#include <algorithm>
#include <cmath>

namespace lathe::deepx {
namespace {

using sdk::GraphView;
using sdk::NodeView;
using sdk::ValueView;

constexpr int64_t widest = 8191, most_channels = 32767, longest_softmax = 4080;

// Integers of a constant input; nothing where it is not constant or not there.
std::vector<int64_t> constant_integers(const NodeView& node, size_t input) {
  std::vector<int64_t> all;
  if (!node.has_input(input)) return all;
  const auto tensor = node.input_value(input).constant();
  if (!tensor || tensor->type() != LATHE_INT64) return all;
  for (const int64_t i : tensor->as<int64_t>()) all.push_back(i);
  return all;
}
int64_t positive(int64_t axis, int64_t rank) { return axis < 0 ? axis + rank : axis; }

// Of every tensor that is no constant: numbers that were floating point, and for picture-like ones (N, C, H, W) one item and the sizes.
std::string tensors(const GraphView&, const NodeView& node) {
  const auto check = [](const ValueView& value, bool indices) -> std::string {
    if (value.is_constant()) return {};
    if (!indices && value.type() != LATHE_FLOAT32)
      return "the M1A computes on what was floating point, and '" + std::string(value.name()) + "' is of another type";
    if (!value.has_static_shape()) return "its tensor '" + std::string(value.name()) + "' has open dimensions";
    const std::vector<int64_t> shape = value.shape();
    if (shape.size() != 4) return {};
    if (shape[0] != 1) return "the M1A takes one item at a time, and '" + std::string(value.name()) + "' has " + std::to_string(shape[0]);
    if (shape[1] > most_channels) return "'" + std::string(value.name()) + "' has " + std::to_string(shape[1]) + " channels, and the M1A takes 32767";
    if (shape[2] > widest || shape[3] > widest)
      return "'" + std::string(value.name()) + "' is " + std::to_string(shape[3]) + "x" + std::to_string(shape[2]) +
             ", and the M1A takes 8191 each way";
    return {};
  };
  for (size_t i = 0; i < node.inputs().size(); ++i)
    if (node.has_input(i))
      if (std::string text = check(node.input_value(i), i > 0 || node.is("ConstantOfShape")); !text.empty()) return text;
  for (size_t i = 0; i < node.outputs().size(); ++i)
    if (node.has_output(i))
      if (std::string text = check(node.output_value(i), node.is("ArgMax") || node.is("Shape")); !text.empty()) return text;
  return {};
}

std::string pool(const GraphView&, const NodeView& node) {
  if (node.has_output(1)) return "the M1A's MaxPool tells no places";
  const ValueView value = node.input_value(0);
  return value.has_rank() && value.rank() == 4 ? "" : "the M1A pools pictures (two axes) alone";
}
// Between its quantisations only scraps of such a model would run on the NPU.
std::string quantised_already(const GraphView&, const NodeView& node) {
  node.fail("the model is quantised already, and DX-COM quantises by itself", "give the model in floating point, with --calibration");
}

std::string convolution(const GraphView&, const NodeView& node) {
  const ValueView weights = node.input_value(1);
  if (!weights.has_static_shape() || weights.rank() != 4) return "the M1A convolves pictures (two axes) alone";
  const std::vector<int64_t> shape = weights.shape();
  if (shape[2] > 15 || shape[3] > 15)
    return "the M1A's Conv has kernels up to 15, and this one is " + std::to_string(shape[3]) + "x" + std::to_string(shape[2]);
  const int64_t group = node.integer("group", 1);
  if (group > 1 && shape[1] == 1) {
    if (shape[2] != shape[3] || (shape[2] != 3 && shape[2] != 5))
      return "the M1A's depthwise Conv is 3x3 or 5x5, and this one " + std::to_string(shape[3]) + "x" + std::to_string(shape[2]);
    if (!weights.is_constant()) return "the M1A's depthwise Conv has constant weights";
  }
  return {};
}

std::string transposed(const GraphView&, const NodeView& node) {
  const ValueView weights = node.input_value(1);
  if (!weights.has_static_shape() || weights.rank() != 4) return "the M1A convolves pictures (two axes) alone";
  const std::vector<int64_t> shape = weights.shape(), strides = node.integers("strides", {1, 1});
  if (shape[2] > 15 || shape[3] > 15) return "the M1A's ConvTranspose has kernels up to 15";
  if (strides.size() == 2 && strides[0] != strides[1]) return "the M1A's ConvTranspose has one stride for both axes";
  return {};
}

// Scales are whole numbers. Where each pixel of the input becomes a block, the ways of counting coordinates agree for `nearest`.
std::string resize(const GraphView&, const NodeView& node) {
  const std::string_view mode = node.text("mode", "nearest"), coordinates = node.text("coordinate_transformation_mode", "half_pixel");
  if (mode != "nearest" && mode != "linear") return "the M1A's Resize is nearest or linear, and this one " + std::string(mode);
  const bool half = coordinates == "pytorch_half_pixel" || coordinates == "half_pixel";
  if (!half && !(mode == "nearest" && coordinates == "asymmetric"))
    return "the M1A's Resize counts coordinates by pytorch_half_pixel, and this one by " + std::string(coordinates);
  const ValueView from = node.input_value(0), to = node.output_value(0);
  if (!from.has_static_shape() || !to.has_static_shape() || from.rank() != 4) return "the M1A resizes pictures of known size alone";
  const std::vector<int64_t> a = from.shape(), b = to.shape();
  for (size_t i = 0; i < 4; ++i)
    if (a[i] == 0 || b[i] % a[i] != 0 || (i < 2 && a[i] != b[i])) return "the M1A's Resize makes pictures larger by whole numbers";
  return {};
}

std::string softmax(const GraphView&, const NodeView& node) {
  const ValueView value = node.input_value(0);
  if (!value.has_static_shape()) return "its tensor has open dimensions";
  const std::vector<int64_t> shape = value.shape();
  const int64_t axis = positive(node.integer("axis", -1), static_cast<int64_t>(shape.size()));
  const int64_t length = axis >= 0 && axis < static_cast<int64_t>(shape.size()) ? shape[static_cast<size_t>(axis)] : 1;
  return length <= longest_softmax ? "" : "the M1A's Softmax runs over 4080 elements, and this one over " + std::to_string(length);
}

std::string last_axis(const GraphView&, const NodeView& node) {
  const ValueView value = node.input_value(0);
  if (!value.has_rank() || positive(node.integer("axis", 0), value.rank()) != value.rank() - 1) return "the M1A's ArgMax runs over the last axis";
  return {};
}

std::string padding(const GraphView& graph, const NodeView& node) {
  if (node.text("mode", "constant") != "constant") return "the M1A pads with a constant";
  bool used = false;
  for (const NodeView user : graph.nodes())
    for (const uint32_t value : user.inputs()) {
      if (value != node.output(0)) continue;
      used = true;
      if (user.op_type() != "Conv" && user.op_type() != "MaxPool" && user.op_type() != "AveragePool")
        return "the M1A pads in front of convolutions and pools alone";
    }
  return used ? "" : "the M1A pads in front of convolutions and pools alone";
}

std::string erf(const GraphView& graph, const NodeView& node) {
  for (const NodeView user : graph.nodes())
    for (const uint32_t value : user.inputs())
      if (value == node.output(0) && user.op_type() != "Add") return "the M1A has Erf as a part of Gelu alone";
  return {};
}

std::string gather(const GraphView&, const NodeView& node) {
  return node.input_value(1).rank() <= 1 ? "" : "the M1A's Gather has indices of one axis at most";
}

std::string reduced(const NodeView& node, bool over_pictures) {
  const ValueView value = node.input_value(0);
  std::vector<int64_t> axes = constant_integers(node, 1);
  for (int64_t& axis : axes) axis = positive(axis, value.rank());
  std::sort(axes.begin(), axes.end());
  if (axes == std::vector<int64_t>{1} || (over_pictures && axes == std::vector<int64_t>{2, 3})) return {};
  return "the M1A's " + std::string(node.op_type()) + " runs over the channels" + (over_pictures ? " or over whole pictures" : "");
}
std::string mean(const GraphView&, const NodeView& node) { return reduced(node, true); }
std::string sum(const GraphView&, const NodeView& node) { return reduced(node, false); }

std::string arithmetic(const GraphView&, const NodeView& node) {
  const ValueView a = node.input_value(0), b = node.input_value(1);
  if (a.is_constant() || b.is_constant() || a.rank() != 4 || b.rank() != 4) return {};
  return a.shape()[1] == b.shape()[1] ? "" : "the M1A repeats no operand over the channels";
}

}  // namespace

const sdk::OperatorRules& rules() {
  static const sdk::OperatorRules& all =
      *new sdk::OperatorRules{"the M1A",
                              {{"Add", {}, {}, {}, &arithmetic},
                               {"ArgMax", {}, {}, {}, &last_axis},
                               {"AveragePool", {{"kernel_shape", 1, 31, 1}, {"strides", 1, 31, 1}}, {}, {}, &pool},
                               {"BatchNormalization"},
                               {"Clip"},
                               {"Concat"},
                               {"Constant"},
                               {"ConstantOfShape"},
                               {"Conv", {{"dilations", 1, 63, 1}, {"pads", 0, 63, 0}, {"strides", 1, 15, 1}}, {}, {}, &convolution},
                               {"ConvTranspose",
                                {{"dilations", 1, 1, 1}, {"output_padding", 0, 0, 0}, {"pads", 0, 14, 0}, {"strides", 2, 8, 1}, {"group", 1, 1, 1}},
                                {},
                                {},
                                &transposed},
                               {"DequantizeLinear", {}, {}, {}, &quantised_already},
                               {"Div", {}, {}, {}, &arithmetic},
                               {"Dropout"},
                               {"Elu"},
                               {"Erf", {}, {}, {}, &erf},
                               {"Flatten"},
                               {"Gather", {}, {}, {}, &gather},
                               {"Gelu"},
                               {"Gemm"},
                               {"GlobalAveragePool"},
                               {"HardSigmoid"},
                               {"HardSwish"},
                               {"Identity"},
                               {"LeakyRelu"},
                               {"MatMul"},
                               {"MaxPool", {{"kernel_shape", 1, 15, 1}, {"strides", 1, 15, 1}}, {}, {}, &pool},
                               {"Mish"},
                               {"Mul", {}, {}, {}, &arithmetic},
                               {"PRelu"},
                               {"Pad", {}, {}, {}, &padding},
                               {"QuantizeLinear", {}, {}, {}, &quantised_already},
                               {"ReduceMean", {}, {}, {}, &mean},
                               {"ReduceSum", {}, {}, {}, &sum},
                               {"Relu"},
                               {"Reshape"},
                               {"Resize", {{"antialias", 0, 0, 0}}, {}, {}, &resize},
                               {"Selu"},
                               {"Shape"},
                               {"Sigmoid"},
                               {"Slice"},
                               {"Softmax", {}, {}, {}, &softmax},
                               {"Softplus"},
                               {"Split"},
                               {"Squeeze"},
                               {"Sub", {}, {}, {}, &arithmetic},
                               {"Swish"},
                               {"Tanh"},
                               {"Transpose"}},
                              &tensors};
  return all;
}

}  // namespace lathe::deepx
