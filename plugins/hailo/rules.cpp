// No public table of the compiler's operators exists: these are the operators of the networks that its vendor publishes for these chips, with the
// limits of a chip that computes on height x width x features, one picture at a time.
#include "rules.hpp"

#include <cmath>
#include <cstring>
#include <lathe/texts.hpp>
#include <optional>

namespace lathe::hailo {
namespace {

using sdk::GraphView;
using sdk::NodeView;

// Of every node: float values of at most four dimensions, one picture.
std::string every(const GraphView& graph, const NodeView& node) {
  for (const auto list : {node.inputs(), node.outputs()})
    for (const uint32_t index : list) {
      if (index == LATHE_NONE) continue;
      const sdk::ValueView value = graph.value(index);
      if (value.is_constant()) continue;
      const std::string name(value.name());
      if (value.type() != LATHE_FLOAT32) return "the chip computes on values that were float32, and '" + name + "' is of another type";
      if (!value.has_static_shape()) return "every dimension must be a number, and '" + name + "' has open ones";
      const std::vector<int64_t> shape = value.shape();
      if (shape.size() > 5 || (shape.size() == 5 && !node.is("Reshape") && !node.is("Transpose")))
        return "the chip has height, width and features, and '" + name + "' is " + sdk::shape_text(shape);
      if (!shape.empty() && shape[0] != 1) return "the chip takes one picture at a time, and '" + name + "' is " + sdk::shape_text(shape);
    }
  return {};
}

std::string constant_weights(const GraphView& graph, const NodeView& node) {
  for (size_t i = 1; i < node.inputs().size(); ++i)
    if (node.has_input(i) && !graph.value(node.input(i)).is_constant()) return "its weights must be constants";
  return {};
}
std::string two_dimensional(const GraphView& graph, const NodeView& node) {
  if (graph.value(node.input(0)).rank() != 4) return "only windows of height and width are taken";
  return node.text("auto_pad", "NOTSET") == "NOTSET" ? std::string() : "padding must be explicit";
}
std::string convolution(const GraphView& graph, const NodeView& node) {
  std::string text = two_dimensional(graph, node);
  return text.empty() ? constant_weights(graph, node) : text;
}
std::string one_output(const GraphView& graph, const NodeView& node) {
  return node.has_output(1) ? "only its first output is taken" : two_dimensional(graph, node);
}

// The integers of a constant input; nothing when it is no constant of them.
std::optional<std::vector<int64_t>> integers(const GraphView& graph, const NodeView& node, size_t input) {
  if (!node.has_input(input)) return std::nullopt;
  const auto constant = graph.value(node.input(input)).constant();
  if (!constant || (constant->type() != LATHE_INT64 && constant->type() != LATHE_INT32)) return std::nullopt;
  std::vector<int64_t> list;
  for (int64_t i = 0; i < constant->size(); ++i)
    list.push_back(constant->type() == LATHE_INT64 ? constant->as<int64_t>()[static_cast<size_t>(i)]
                                                   : constant->as<int32_t>()[static_cast<size_t>(i)]);
  return list;
}

std::string slice(const GraphView& graph, const NodeView& node) {
  const auto axes = integers(graph, node, 3);
  const auto steps = node.has_input(4) ? integers(graph, node, 4) : std::vector<int64_t>();
  if (!integers(graph, node, 1) || !integers(graph, node, 2) || !axes || !steps) return "where it cuts must be constant, axes named";
  for (const int64_t step : *steps)
    // Of step 2 are the slices a focus takes a picture apart with, as YOLOX begins.
    if (step != 1 && step != 2) return "it takes slices with step 1 or 2, and this one has step " + std::to_string(step);
  for (const int64_t axis : *axes)
    if (axis == 0) return "it does not slice the batch";
  return {};
}

std::string resize(const GraphView& graph, const NodeView& node) {
  if (graph.value(node.input(0)).rank() != 4) return "only pictures are resized";
  const std::vector<int64_t> in = graph.value(node.input(0)).shape(), out = graph.value(node.output(0)).shape();
  return in[1] == out[1] ? std::string() : "features are not resized";
}

// Patterns the compiler recognises: flattening before a classifier, channel shuffles, the heads of attention. All keep the one picture.
std::string reshape(const GraphView& graph, const NodeView& node) {
  const std::vector<int64_t> out = graph.value(node.output(0)).shape();
  if (out.empty() || out[0] != 1) return "it keeps the picture's dimension in front, and this one makes " + sdk::shape_text(out);
  return {};
}
std::string transpose(const GraphView& graph, const NodeView& node) {
  const std::vector<int64_t> order = node.integers("perm");
  if (order.empty() || order[0] != 0) return "it leaves the picture's dimension in front";
  return graph.value(node.input(0)).rank() < 3 ? "only features, rows and columns are exchanged" : std::string();
}

std::string reduction(const GraphView& graph, const NodeView& node) {
  const auto axes = node.has_input(1) ? integers(graph, node, 1) : node.integers("axes");
  if (!axes || axes->empty()) return "the axes it reduces must be constant";
  for (const int64_t axis : *axes)
    if (axis == 0) return "it does not reduce the batch";
  return {};
}

}  // namespace

const sdk::OperatorRules& rules() {
  using sdk::IntegerLimit;
  const std::vector<IntegerLimit> window = {{"dilations", 1, 1, 1}, {"ceil_mode", 0, 1, 0}, {"storage_order", 0, 0, 0}};
  static const sdk::OperatorRules& table =
      *new sdk::OperatorRules{"the Dataflow Compiler",
                              {{"Add"},
                               {"AveragePool", window, {}, {}, two_dimensional},
                               {"BatchNormalization", {{"training_mode", 0, 0, 0}}, {}, {}, constant_weights},
                               {"Clip", {}, {}, {}, constant_weights},
                               {"Concat", {{"axis", -4, 4, 1}}},
                               {"Conv", {{"kernel_shape", 1, INT64_MAX, 1}}, {}, {}, convolution},
                               {"ConvTranspose", {{"group", 1, INT64_MAX, 1}}, {}, {}, convolution},
                               {"DepthToSpace", {}, {{"mode", {"DCR", "CRD"}, "DCR"}}},
                               {"Div"},
                               {"Elu"},
                               {"Flatten", {{"axis", 1, 1, 1}}},
                               {"Gelu"},
                               {"Gemm", {{"transA", 0, 0, 0}}, {}, {{"alpha", 1, 1e-6f, 1}, {"beta", 1, 1e-6f, 1}}, constant_weights},
                               {"GlobalAveragePool"},
                               {"HardSigmoid"},
                               {"HardSwish"},
                               {"LayerNormalization", {}, {}, {}, constant_weights},
                               {"LeakyRelu"},
                               {"MatMul"},
                               {"MaxPool", window, {}, {}, one_output},
                               {"Mish"},
                               {"Mul"},
                               {"PRelu", {}, {}, {}, constant_weights},
                               {"ReduceMax", {}, {}, {}, reduction},
                               {"ReduceMean", {}, {}, {}, reduction},
                               {"ReduceSum", {}, {}, {}, reduction},
                               {"Relu"},
                               {"Reshape", {}, {}, {}, reshape},
                               {"Resize", {}, {{"mode", {"nearest", "linear"}, "nearest"}}, {}, resize},
                               {"Sigmoid"},
                               {"Slice", {}, {}, {}, slice},
                               {"Softmax"},
                               {"SpaceToDepth"},
                               {"Split", {{"axis", -4, 4, 0}}},
                               {"Sub"},
                               {"Swish"},
                               {"Tanh"},
                               {"Transpose", {}, {}, {}, transpose}},
                              every};
  return table;
}

std::string unfinite_parameter(const sdk::NodeView& node) {
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    if (!node.has_input(i)) continue;
    const auto constant = node.input_value(i).constant();
    if (!constant || constant->type() != LATHE_FLOAT32) continue;
    const auto* bytes = static_cast<const char*>(constant->data());
    for (uint64_t at = 0; at + sizeof(float) <= constant->bytes(); at += sizeof(float)) {
      float value;
      std::memcpy(&value, bytes + at, sizeof value);
      if (!std::isfinite(value)) return std::string(node.input_value(i).name());
    }
  }
  return {};
}

}  // namespace lathe::hailo
