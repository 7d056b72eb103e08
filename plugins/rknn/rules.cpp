// The operators and limits of rknn-toolkit2 2.3.2's list. Limits are the NPU's; where the toolkit's runtime computes an operator on the board's own
// processor (softmax and most transpositions on RK3566 and RK3568, global pools of more than 7x7), it is taken. Operators that the list does not
// have, or of which its documents disagree, are not: they run on the host, where they are sure to run.
#include "rules.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <optional>

namespace lathe::rknn {
namespace {

using sdk::GraphView;
using sdk::NodeView;

// Of every node: floating point values, sizes known, one item.
std::string every(const GraphView& graph, const NodeView& node) {
  for (const auto list : {node.inputs(), node.outputs()})
    for (const uint32_t index : list) {
      if (index == LATHE_NONE) continue;
      const sdk::ValueView value = graph.value(index);
      if (value.is_constant()) continue;
      const std::string name(value.name());
      if (value.type() != LATHE_FLOAT32) return "the NPU computes on values that were float32, and '" + name + "' is of another type";
      if (!value.has_static_shape()) return "every dimension must be a number, and '" + name + "' has open ones";
      if (value.rank() > 6) return "the NPU's tensors have at most 6 axes, and '" + name + "' has " + std::to_string(value.rank());
    }
  return {};
}

std::string constant_weights(const GraphView& graph, const NodeView& node) {
  for (size_t i = 1; i < node.inputs().size(); ++i)
    if (node.has_input(i) && !graph.value(node.input(i)).is_constant()) return "its weights must be constants";
  return {};
}
std::string window(const GraphView& graph, const NodeView& node) {
  if (graph.value(node.input(0)).rank() != 4) return "only windows of height and width are taken";
  return node.text("auto_pad", "NOTSET") == "NOTSET" ? std::string() : "padding must be explicit";
}
// A depthwise convolution's kernel has at most 8 rows and columns.
std::string convolution(const GraphView& graph, const NodeView& node) {
  std::string text = window(graph, node);
  if (text.empty()) text = constant_weights(graph, node);
  if (!text.empty()) return text;
  const std::vector<int64_t> weights = graph.value(node.input(1)).shape();
  const int64_t groups = node.integer("group", 1);
  if (groups > 1 && weights[1] == 1)
    for (size_t axis = 2; axis < 4; ++axis)
      if (weights[axis] > 8) return "a depthwise kernel has at most 8 rows and columns, and this one has " + std::to_string(weights[axis]);
  for (size_t axis = 2; axis < 4; ++axis)
    if (weights[axis] > 31) return "a kernel has at most 31 rows and columns, and this one has " + std::to_string(weights[axis]);
  return {};
}
std::string transposed(const GraphView& graph, const NodeView& node) {
  for (const int64_t stride : node.integers("strides", {1, 1}))
    if (stride != 1 && stride != 2 && stride != 4 && stride != 8) return "its stride is 1, 2, 4 or 8, and this one is " + std::to_string(stride);
  return convolution(graph, node);
}
std::string pool(const GraphView& graph, const NodeView& node) {
  if (node.has_output(1)) return "only its first output is taken";
  for (const int64_t extent : graph.value(node.input(0)).shape())
    if (extent > 8192) return "no axis is longer than 8192, and this one has " + std::to_string(extent);
  return window(graph, node);
}

std::optional<std::vector<int64_t>> integers(const GraphView& graph, const NodeView& node, size_t input) {
  if (!node.has_input(input)) return std::nullopt;
  const auto constant = graph.value(node.input(input)).constant();
  if (!constant || constant->type() != LATHE_INT64) return std::nullopt;
  std::vector<int64_t> list(static_cast<size_t>(constant->size()));
  if (!list.empty()) std::memcpy(list.data(), constant->data(), list.size() * sizeof(int64_t));
  return list;
}
// A constant of one float.
std::optional<float> one_real(const GraphView& graph, const NodeView& node, size_t input) {
  if (!node.has_input(input)) return std::nullopt;
  const auto constant = graph.value(node.input(input)).constant();
  if (!constant || constant->type() != LATHE_FLOAT32 || constant->size() != 1) return std::nullopt;
  float value = 0;
  std::memcpy(&value, constant->data(), sizeof value);
  return value;
}

// Of one item only.
std::string single(const GraphView& graph, const NodeView& node) {
  const std::vector<int64_t> shape = graph.value(node.input(0)).shape();
  return shape.empty() || shape[0] == 1 ? std::string() : "it takes a batch of one, and this one has " + std::to_string(shape[0]);
}

std::string slice(const GraphView& graph, const NodeView& node) {
  if (!integers(graph, node, 1) || !integers(graph, node, 2)) return "where it cuts must be constant";
  if (!node.has_input(4)) return single(graph, node);
  const auto steps = integers(graph, node, 4);
  if (!steps) return "its steps must be constant";
  for (const int64_t step : *steps)
    if (step != 1) return "it takes step 1, and this one has " + std::to_string(step);
  return single(graph, node);
}

// Whole factors of 2 to 8 in height and width.
std::string resize(const GraphView& graph, const NodeView& node) {
  const sdk::ValueView from = graph.value(node.input(0)), to = graph.value(node.output(0));
  if (from.rank() != 4 || to.rank() != 4) return "only pictures are resized";
  const std::vector<int64_t> in = from.shape(), out = to.shape();
  for (size_t axis = 0; axis < 4; ++axis) {
    if (in[axis] == out[axis]) continue;
    const bool whole = in[axis] > 0 && out[axis] % in[axis] == 0;
    const int64_t factor = whole ? out[axis] / in[axis] : 0;
    if (axis < 2) return "batch and channels are not resized";
    if (factor < 2 || factor > 8)
      return "it enlarges by whole factors of 2 to 8, and this one makes " + std::to_string(out[axis]) + " of " + std::to_string(in[axis]);
  }
  // Nearest neighbours of whole factors are the same in every one of ONNX's coordinate systems that is in use.
  const std::string_view places = node.text("coordinate_transformation_mode", "half_pixel");
  if (node.text("mode", "nearest") == "linear" && places != "half_pixel" && places != "pytorch_half_pixel" && places != "align_corners")
    return "it interpolates at half_pixel, pytorch_half_pixel or align_corners, and this one at " + std::string(places);
  return {};
}

std::string power(const GraphView& graph, const NodeView& node) {
  const auto exponent = one_real(graph, node, 1);
  for (const float known : {0.f, 1.f, 2.f, 3.f, 0.5f, -0.5f})
    if (exponent == known) return {};
  return "its exponent is 0, 1, 2, 3, 0.5 or -0.5, and this one's is not";
}
std::string gather(const GraphView& graph, const NodeView& node) {
  const sdk::ValueView indices = graph.value(node.input(1));
  return indices.is_constant() && indices.rank() == 1 ? std::string() : "its indices are a constant list of one axis";
}
std::string product(const GraphView& graph, const NodeView& node) {
  const std::vector<int64_t> left = graph.value(node.input(0)).shape();
  if (!left.empty() && left.back() > 8192) return "it sums over at most 8192 elements, and this one over " + std::to_string(left.back());
  return {};
}
// RK3588: over channels or the last of four axes. The others compute it on the processor.
std::string softmax_3588(const GraphView& graph, const NodeView& node) {
  const int64_t rank = graph.value(node.input(0)).rank();
  int64_t axis = node.integer("axis", -1);
  if (axis < 0) axis += rank;
  if (rank == 4 && axis != 1 && axis != 3) return "its axis is 1 or 3, and this one's is " + std::to_string(axis);
  return single(graph, node);
}
std::string float_only(const GraphView&, const NodeView&) { return "it is computed in float16 alone: --precision float16, or on the host"; }

// Not left to the host: between its quantisations only scraps of such a model would run on the NPU.
std::string quantised_already(const GraphView&, const NodeView& node) {
  node.fail("the model is quantised already, and rknn-toolkit2 quantises by itself",
            "give the model in floating point, with --precision int8 and --calibration");
}

sdk::OperatorRules make(std::string_view device, bool quantised) {
  const std::vector<sdk::IntegerLimit> kernel = {{"strides", 1, 7, 1}, {"pads", 0, 15, 0}, {"dilations", 1, 31, 1}};
  const std::vector<sdk::IntegerLimit> pooling = {{"kernel_shape", 1, 7, 1}, {"strides", 1, 8, 1},   {"pads", 0, 7, 0},
                                                  {"dilations", 1, 1, 1},    {"ceil_mode", 0, 0, 0}, {"storage_order", 0, 0, 0}};
  const sdk::Objection softmax = device == "RK3588" ? softmax_3588 : single;
  const sdk::Objection fractions = quantised ? float_only : nullptr;
  return {"the NPU",
          {{"Add"},
           {"AveragePool", pooling, {}, {}, pool},
           {"BatchNormalization", {{"training_mode", 0, 0, 0}}, {}, {}, constant_weights},
           {"Clip", {}, {}, {}, constant_weights},
           {"Concat"},
           {"Conv", kernel, {}, {}, convolution},
           {"ConvTranspose", {{"pads", 0, 15, 0}, {"dilations", 1, 31, 1}}, {}, {}, transposed},
           {"DepthToSpace", {}, {{"mode", {"DCR", "CRD"}, "DCR"}}},
           {"DequantizeLinear", {}, {}, {}, quantised_already},
           {"Div", {}, {}, {}, fractions},
           {"Elu"},
           {"Erf"},
           {"Exp"},
           {"Flatten"},
           {"Gather", {}, {}, {}, gather},
           {"Gelu"},
           {"Gemm", {{"transA", 0, 0, 0}}, {}, {{"alpha", 1, 1e-6f, 1}, {"beta", 1, 1e-6f, 1}}, constant_weights},
           {"GlobalAveragePool"},
           {"GlobalMaxPool"},
           {"HardSigmoid"},
           {"HardSwish"},
           {"LayerNormalization", {}, {}, {}, fractions},
           {"LeakyRelu"},
           {"Log"},
           {"LogSoftmax", {}, {}, {}, softmax},
           {"MatMul", {}, {}, {}, product},
           {"Max"},
           {"MaxPool", pooling, {}, {}, pool},
           {"Min"},
           {"Mish"},
           {"Mul"},
           {"PRelu", {}, {}, {}, constant_weights},
           {"Pad", {}, {{"mode", {"constant", "reflect", "edge"}, "constant"}}, {}, constant_weights},
           {"Pow", {}, {}, {}, power},
           {"QuantizeLinear", {}, {}, {}, quantised_already},
           {"ReduceMax", {}, {}, {}, constant_weights},
           {"ReduceMean", {}, {}, {}, constant_weights},
           {"ReduceMin", {}, {}, {}, constant_weights},
           {"ReduceSum", {}, {}, {}, constant_weights},
           {"Relu"},
           {"Reshape", {}, {}, {}, constant_weights},
           {"Resize", {}, {{"mode", {"nearest", "linear"}, "nearest"}}, {}, resize},
           {"Sigmoid"},
           {"Slice", {}, {}, {}, slice},
           {"Softmax", {}, {}, {}, softmax},
           {"Softplus"},
           {"SpaceToDepth"},
           {"Split", {}, {}, {}, constant_weights},
           {"Sqrt"},
           {"Squeeze", {}, {}, {}, constant_weights},
           {"Sub"},
           {"Swish"},
           {"Tanh"},
           {"Tile", {}, {}, {}, single},
           {"Transpose"},
           {"Unsqueeze", {}, {}, {}, constant_weights}},
          every};
}

}  // namespace

std::string on_processor(std::string_view device, const GraphView& graph, const NodeView& node) {
  if (device != "RK3588" && (node.is("Softmax") || node.is("LogSoftmax"))) return "the NPU of " + std::string(device) + " has no softmax";
  if (device != "RK3588" && node.is("Transpose")) return "the NPU of " + std::string(device) + " has few transpositions";
  if (node.is("GlobalAveragePool") || node.is("GlobalMaxPool")) {
    const std::vector<int64_t> shape = graph.value(node.input(0)).shape();
    for (size_t axis = 2; axis < shape.size(); ++axis)
      if (shape[axis] > 7) return "the NPU pools whole pictures up to 7x7";
  }
  return {};
}

const sdk::OperatorRules& rules(std::string_view device, bool quantised) {
  // RK3566 and RK3568 have the same NPU.
  static const std::array<sdk::OperatorRules, 4>& all =
      *new std::array<sdk::OperatorRules, 4>{{make("RK3568", false), make("RK3568", true), make("RK3588", false), make("RK3588", true)}};
  return all[(device == "RK3588" ? 2u : 0u) + (quantised ? 1u : 0u)];
}

}  // namespace lathe::rknn
