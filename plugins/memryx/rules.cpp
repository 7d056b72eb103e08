// No list of the compiler's operators is published, so this is no list of what it takes: it names what no chip of this kind can do, and leaves the
// rest to the compiler's own answer.
#include "rules.hpp"

#include <algorithm>
#include <array>
#include <lathe/plugin.hpp>
#include <string_view>

namespace lathe::memryx {
namespace {

// Whose outputs' size depends on values, that choose or sort, or that are programs of their own.
constexpr std::array<std::string_view, 28> not_offered = {
    "ArgMax",  "ArgMin", "Compress",  "CumSum",          "Dropout",    "GatherND", "GRU",    "If",           "ImageDecoder",
    "LSTM",    "Loop",   "MaxUnpool", "Multinomial",     "NonZero",    "OneHot",   "RNN",    "RandomNormal", "RandomUniform",
    "Range",   "Scan",   "ScatterND", "ScatterElements", "SequenceAt", "TopK",     "Unique", "Where",        "NonMaxSuppression",
    "RoiAlign"};
constexpr std::array<std::string_view, 10> quantised = {"ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger",  "QLinearAdd",
                                                        "QLinearConv", "QLinearMatMul",    "QLinearSigmoid",        "QuantizeLinear", "MatMulNBits"};

template <class List>
bool names(const List& list, std::string_view op) {
  return std::find(list.begin(), list.end(), op) != list.end();
}

std::string objection(const sdk::GraphView& graph, const sdk::NodeView& node) {
  if (!node.domain().empty())
    return "the Neural Compiler knows ONNX's own operators, and this is " + std::string(node.domain()) + "." + std::string(node.op_type());
  if (names(not_offered, node.op_type())) return "the MX3 computes on streams of feature maps, and has no " + std::string(node.op_type());
  for (const auto list : {node.inputs(), node.outputs()})
    for (const uint32_t index : list) {
      if (index == LATHE_NONE) continue;
      const sdk::ValueView value = graph.value(index);
      if (value.is_constant()) continue;
      const std::string name(value.name());
      if (value.type() != LATHE_FLOAT32) return "the MX3 computes on floating point, and '" + name + "' is of another type";
      if (!value.has_static_shape()) return "every dimension must be a number, and '" + name + "' has open ones";
      const std::vector<int64_t> shape = value.shape();
      if (!shape.empty() && shape[0] != 1 && shape.size() > 2)
        return "the MX3 takes one item at a time, and '" + name + "' has " + std::to_string(shape[0]);
    }
  return {};
}

}  // namespace

std::vector<std::string> objections(const sdk::GraphView& graph) {
  std::vector<std::string> all;
  for (const sdk::NodeView node : graph.nodes()) {
    if (names(quantised, node.op_type()))
      node.fail("the model is quantised already, and the Neural Compiler quantises weights itself: done twice, accuracy is lost",
                "give the model in floating point; the MX3 needs no calibration data");
    all.push_back(objection(graph, node));
  }
  return all;
}

bool has_attention(const sdk::GraphView& graph) {
  bool product = false, softmax = false;
  for (const sdk::NodeView node : graph.nodes()) {
    softmax = softmax || node.is("Softmax");
    product = product || (node.is("MatMul") && !node.input_value(0).is_constant() && !node.input_value(1).is_constant());
  }
  return product && softmax;
}

}  // namespace lathe::memryx
