// The table, and what it cannot say.
#include "rules.hpp"

#include <algorithm>
#include <cmath>

namespace lathe::axelera {
namespace {

using sdk::GraphView;
using sdk::NodeView;
using sdk::ValueView;

int64_t positive(int64_t axis, int64_t rank) { return axis < 0 ? axis + rank : axis; }

int64_t elements(const ValueView& value) {
  int64_t count = 1;
  for (const int64_t d : value.shape()) count *= d;
  return count;
}

// The first number of a constant of one element.
std::optional<float> constant(const NodeView& node, size_t input) {
  if (!node.has_input(input)) return std::nullopt;
  const auto tensor = node.input_value(input).constant();
  if (!tensor || tensor->type() != LATHE_FLOAT32 || tensor->size() != 1) return std::nullopt;
  return tensor->as<float>()[0];
}

// Of every tensor that is no constant: what was floating point, of known size, and one picture where it is picture-like.
std::string tensors(const GraphView&, const NodeView& node) {
  const auto check = [](const ValueView& value) -> std::string {
    if (value.is_constant()) return {};
    const std::string name(value.name());
    if (value.type() != LATHE_FLOAT32) return "METIS computes on what was floating point, and '" + name + "' is of another type";
    if (!value.has_static_shape()) return "its tensor '" + name + "' has open dimensions";
    const std::vector<int64_t> shape = value.shape();
    return shape.size() != 4 || shape[0] == 1 ? "" : "METIS takes one item at a time, and '" + name + "' has " + std::to_string(shape[0]);
  };
  for (size_t i = 0; i < node.inputs().size(); ++i)
    if (node.has_input(i))
      if (std::string text = check(node.input_value(i)); !text.empty()) return text;
  for (size_t i = 0; i < node.outputs().size(); ++i)
    if (node.has_output(i))
      if (std::string text = check(node.output_value(i)); !text.empty()) return text;
  return {};
}

// Between its quantisations only scraps of such a model would run on the chip.
std::string quantised_already(const GraphView&, const NodeView& node) {
  node.fail("the model is quantised already, and axcompile quantises by itself", "give the model in floating point, with --calibration");
}

std::string maximum(const GraphView&, const NodeView& node) { return node.has_output(1) ? "METIS's MaxPool tells no places" : ""; }

// Two of one shape, one number with anything, or a number per channel. One
// number stands for the same number per channel.
std::string arithmetic(const GraphView&, const NodeView& node) {
  const ValueView a = node.input_value(0), b = node.input_value(1);
  if (!a.has_static_shape() || !b.has_static_shape()) return "its operands have open dimensions";
  const std::vector<int64_t> left = a.shape(), right = b.shape();
  if (left == right || elements(a) == 1 || elements(b) == 1) return {};
  const auto per_channel = [](const std::vector<int64_t>& whole, const std::vector<int64_t>& part) {
    return whole.size() == 4 && part.size() == 4 && part[0] == 1 && part[1] == whole[1] && part[2] == 1 && part[3] == 1;
  };
  if (per_channel(left, right) || per_channel(right, left)) return {};
  return "METIS's " + std::string(node.op_type()) + " takes operands of one shape, or one with a number per channel";
}

std::string average(const GraphView&, const NodeView& node) {
  const std::vector<int64_t> pads = node.integers("pads", {0, 0, 0, 0});
  if (pads.size() != 4) return "METIS pools pictures (two axes) alone";
  const bool padded = std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p != 0; });
  if (padded && node.integer("count_include_pad", 0) != 1) return "METIS's AveragePool counts its padding (count_include_pad 1)";
  return {};
}

std::string clip(const GraphView&, const NodeView& node) {
  const auto low = constant(node, 1), high = constant(node, 2);
  if (low && high && ((*low == 0 && *high == 6) || (*low == -1 && *high == 1))) return {};
  return "METIS's Clip is 0 to 6 or -1 to 1";
}

std::string concat(const GraphView&, const NodeView& node) {
  const int64_t rank = node.output_value(0).rank();
  return positive(node.integer("axis", 1), rank) == 1 ? "" : "METIS joins along the channels";
}

std::string convolution(const GraphView&, const NodeView& node) {
  const ValueView input = node.input_value(0);
  if (input.rank() != 4) return "METIS convolves pictures (two axes) alone";
  const int64_t group = node.integer("group", 1);
  if (group == 1 || (group == input.shape()[1] && node.output_value(0).shape()[1] % group == 0)) return {};
  return "METIS's Conv is of one group or depthwise, and this one has " + std::to_string(group) + " groups for " + std::to_string(input.shape()[1]) +
         " channels";
}

std::string slope(const GraphView&, const NodeView& node) {
  const ValueView slopes = node.input_value(1), input = node.input_value(0);
  const int64_t channels = input.rank() > 1 ? input.shape()[1] : 1;
  return elements(slopes) == 1 || elements(slopes) == channels ? "" : "METIS's PRelu has one slope, or one per channel";
}

std::string padding(const GraphView&, const NodeView& node) {
  const std::string_view mode = node.text("mode", "constant");
  if (mode == "reflect" || mode == "edge") return "METIS pads with a constant, not by " + std::string(mode);
  const auto tensor = node.has_input(1) ? node.input_value(1).constant() : std::nullopt;
  if (!tensor || tensor->type() != LATHE_INT64 || tensor->size() != 8) return "METIS pads pictures by constant numbers";
  const auto pads = tensor->as<int64_t>();
  if (pads[0] != 0 || pads[1] != 0) return "METIS does not pad the batch, nor channels at their start";
  if (pads[2] != pads[3] || pads[6] != pads[7] || pads[2] != pads[6]) return "METIS pads all sides of a picture alike";
  return {};
}

std::string resize(const GraphView&, const NodeView& node) {
  if (node.has_input(1) && !(node.input_value(1).is_constant() && elements(node.input_value(1)) == 0))
    return "METIS's Resize has no region of interest";
  const std::string_view mode = node.text("mode", "nearest");
  if (mode == "nearest") return {};
  if (mode != "linear") return "METIS's Resize is nearest or linear, and this one " + std::string(mode);
  const ValueView from = node.input_value(0), to = node.output_value(0);
  if (!from.has_static_shape() || !to.has_static_shape()) return "its tensors have open dimensions";
  const std::vector<int64_t> a = from.shape(), b = to.shape();
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] == 0 || b[i] % a[i] != 0) return "METIS's linear Resize makes pictures larger by whole numbers";
  return {};
}

std::string slice(const GraphView&, const NodeView& node) {
  const auto all_ones = [](const std::optional<sdk::TensorView>& steps) {
    if (!steps) return false;
    if (steps->type() != LATHE_INT64) return false;
    for (const int64_t s : steps->as<int64_t>())
      if (s != 1) return false;
    return true;
  };
  if (node.has_input(4) && !all_ones(node.input_value(4).constant())) return "METIS's Slice has no steps";
  return node.has_input(1) && elements(node.input_value(1)) == 1 ? "" : "METIS's Slice cuts one axis";
}

std::string split(const GraphView&, const NodeView& node) {
  return positive(node.integer("axis", 0), node.input_value(0).rank()) > 0 ? "" : "METIS does not split the batch";
}

// The page for opset 14 knows the identity alone. Attention blocks, which the
// vendor's own export compiles, transpose between the products.
std::string transpose(const GraphView& graph, const NodeView& node) {
  const std::vector<int64_t> order = node.integers("perm");
  bool identity = !order.empty();
  for (size_t i = 0; i < order.size(); ++i) identity = identity && order[i] == static_cast<int64_t>(i);
  if (identity) return {};
  const uint32_t from = node.input_value(0).producer();
  if (from != LATHE_NONE && graph.node(from).is("MatMul")) return {};
  for (const NodeView user : graph.nodes())
    for (const uint32_t value : user.inputs())
      if (value == node.output(0) && user.is("MatMul")) return {};
  return "METIS transposes beside products of matrices alone";
}

}  // namespace

const sdk::OperatorRules& rules() {
  const sdk::TextLimit explicit_padding = {"auto_pad", {"NOTSET"}, "NOTSET"};
  static const sdk::OperatorRules& all =
      *new sdk::OperatorRules{"METIS",
                              {{"Add", {}, {}, {}, &arithmetic},
                               {"AveragePool", {{"ceil_mode", 0, 0, 0}}, {explicit_padding}, {}, &average},
                               {"BatchNormalization"},
                               {"Clip", {}, {}, {}, &clip},
                               {"Concat", {}, {}, {}, &concat},
                               {"Conv", {}, {explicit_padding}, {}, &convolution},
                               {"ConvTranspose", {}, {explicit_padding}},
                               {"DequantizeLinear", {}, {}, {}, &quantised_already},
                               {"Flatten"},
                               {"Gemm", {{"transA", 0, 0, 0}}},
                               {"GlobalAveragePool"},
                               {"GlobalMaxPool"},
                               {"HardSigmoid", {}, {}, {{"alpha", 0.16666f, 1e-3f, 0.2f}, {"beta", 0.5f, 1e-6f, 0.5f}}},
                               {"HardSwish"},
                               {"Identity"},
                               {"LeakyRelu"},
                               {"MatMul"},
                               {"MaxPool", {{"storage_order", 0, 0, 0}}, {explicit_padding}, {}, &maximum},
                               {"Mul", {}, {}, {}, &arithmetic},
                               {"PRelu", {}, {}, {}, &slope},
                               {"Pad", {}, {}, {}, &padding},
                               {"QuantizeLinear", {}, {}, {}, &quantised_already},
                               {"Relu"},
                               {"Reshape"},
                               {"Resize", {}, {}, {}, &resize},
                               {"Selu", {}, {}, {{"alpha", 1.67326f, 1e-4f, 1.67326f}, {"gamma", 1.0507f, 1e-4f, 1.0507f}}},
                               {"Sigmoid"},
                               {"Slice", {}, {}, {}, &slice},
                               {"Softmax"},
                               {"Split", {}, {}, {}, &split},
                               {"Squeeze"},
                               {"Sub", {}, {}, {}, &arithmetic},
                               {"Swish"},
                               {"Tanh"},
                               {"Transpose", {}, {}, {}, &transpose}},
                              &tensors};
  return all;
}

}  // namespace lathe::axelera
