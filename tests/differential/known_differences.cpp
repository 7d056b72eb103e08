// Where ONNX Runtime departs from the standard, as a table: the operator, when it applies, and why. A sample in which such a node stands is not
// judged by it (the two engines of Lathe are still compared with each other).
#include <algorithm>
#include <cmath>
#include <span>

#include "judge.hpp"

namespace lathe::differential {
namespace {

// A node of a sample, with what its inputs and outputs held.
struct Place {
  const Sample& sample;
  const Node& node;
  const std::map<std::string, Tensor>& values;

  const Tensor* value(ValueId id) const {
    const auto found = id == none ? values.end() : values.find(sample.graph.value(id).name);
    return found == values.end() ? nullptr : &found->second;
  }
  const Tensor* input(size_t index) const { return value(node.input(index)); }
  DataType type(size_t index) const { return input(index) ? input(index)->type : DataType::none; }
  size_t rank(size_t index) const { return input(index) ? input(index)->dimensions.size() : 0; }
  bool empty() const {
    for (const auto* list : {&node.inputs, &node.outputs})
      for (const ValueId id : *list)
        if (const Tensor* t = value(id); t && t->size() == 0 && (list == &node.outputs || id == node.inputs[0])) return true;
    return false;
  }
};

struct KnownDifference {
  std::string_view op_type;  // a '*' at its end stands for anything
  bool (*applies)(const Place&);
  const char* reason;
};

bool one_scale_in_a_block(const Place& p) { return p.node.integer("block_size", 0) != 0 && p.rank(1) == 1 && p.input(1)->size() == 1; }

bool has_infinity(const Tensor* t) {
  if (!t) return false;
  if (t->type == DataType::float32) return std::any_of(t->as<float>().begin(), t->as<float>().end(), [](float x) { return std::isinf(x); });
  if (t->type == DataType::float64) return std::any_of(t->as<double>().begin(), t->as<double>().end(), [](double x) { return std::isinf(x); });
  return t->type == DataType::float16 || t->type == DataType::bfloat16;
}
bool backwards_to_the_end(const Place& p) {
  const Tensor *ends = p.input(2), *steps = p.input(4);
  if (!ends || !steps) return false;
  const std::vector<int64_t> e = to_int64s(*ends), s = to_int64s(*steps);
  for (size_t i = 0; i < e.size() && i < s.size(); ++i)
    if (s[i] < 0 && e[i] == INT64_MAX) return true;
  return false;
}
bool to_e8m0(const Place& p) {
  const Tensor* y = p.node.outputs.empty() ? nullptr : p.value(p.node.outputs[0]);
  return y && y->type == DataType::float8e8m0;
}
bool of_integers(const Place& p) {
  return p.type(0) == DataType::int32 || p.type(0) == DataType::int64 || p.type(0) == DataType::uint32 || p.type(0) == DataType::uint64;
}

constexpr KnownDifference table[] = {
    {"Reduce*", [](const Place& p) { return p.empty(); }, "a reduction of a tensor without elements keeps axes that it was told to reduce"},
    {"Arg*", [](const Place& p) { return p.empty(); }, "likewise"},
    {"Global*", [](const Place& p) { return p.empty(); }, "refuses tensors without elements"},
    {"ConvTranspose", [](const Place& p) { return p.node.text("auto_pad", "NOTSET").starts_with("SAME"); },
     "SAME with a kernel smaller than the stride yields less than size * stride"},
    {"MatMul", [](const Place& p) { return p.empty(); }, "refuses to broadcast tensors without elements"},
    {"MatMulInteger", [](const Place& p) { return p.empty(); }, "refuses to broadcast tensors without elements"},
    {"Col2Im", [](const Place& p) { return p.input(1) && p.input(1)->size() == 1 && !p.node.integers("dilations").empty(); },
     "one spatial axis with dilations: blocks land in wrong places"},
    {"LayerNormalization", [](const Place& p) { return p.empty(); }, "refuses tensors without elements"},
    {"Pad", [](const Place& p) { return p.empty() && p.node.text("mode", "constant") == "wrap"; }, "refuses tensors without elements"},
    {"Resize", [](const Place& p) { return p.type(0) != DataType::float32 && p.node.text("mode", "nearest") == "cubic"; },
     "mode cubic is there for float32 alone, and says so by an internal check"},
    {"RMSNormalization", [](const Place& p) { return p.empty(); }, "refuses tensors without elements"},
    {"ConvTranspose", [](const Place& p) { return p.empty(); }, "refuses tensors without elements"},
    {"QuantizeLinear", one_scale_in_a_block, "a scale of one element is taken for the whole tensor's, with which block_size may not stand"},
    {"DequantizeLinear", one_scale_in_a_block, "likewise"},
    {"Resize", [](const Place& p) { return p.node.integer("antialias", 0) != 0 && p.type(0) != DataType::float32 && p.type(0) != DataType::float64; },
     "antialiasing of integers is done in fixed-point numbers and clamped to 0..255"},
    {"Resize",
     [](const Place& p) {
       const ValueId sizes = p.node.input(3);
       return sizes != none && !p.sample.graph.value(sizes).constant && !p.sample.graph.value(sizes).type.static_shape();
     },
     "its shape inference takes sizes of an open length for an empty list"},
    {"NonZero", [](const Place& p) { return p.input(0) && p.rank(0) == 0; }, "a scalar has one coordinate there, and none in the standard"},
    {"ReduceLogSum*", of_integers, "of integers every step is rounded to an integer, or refused as Log of an unsigned one"},
    {"STFT", [](const Place& p) { return p.rank(0) == 3 && p.input(0)->dimensions[2] == 2; },
     "complex signals give numbers from uninitialised memory"},
    {"Slice", backwards_to_the_end, "an end of INT64_MAX with a negative step means the beginning, where the standard clamps it to the end"},
    {"Resize", [](const Place& p) { return p.input(2) && p.node.text("coordinate_transformation_mode", "") == "align_corners"; },
     "align_corners takes the rounded size, where the standard takes scale * size"},
    {"Clip", [](const Place& p) { return (!p.input(1) || !p.input(2)) && has_infinity(p.input(0)); },
     "without a bound infinities become the largest finite number; the standard's reference leaves them"},
    {"TreeEnsembleRegressor", [](const Place& p) { return p.node.integer("n_targets", 1) > 1; },
     "a target that no leaf adds to stays 0, where the standard adds base_values"},
    {"Cast*", [](const Place& p) { return to_e8m0(p); }, "not explained yet: numbers that float8e8m0 does not have"},
    {"LSTM", [](const Place& p) { return p.node.real("clip", 0) > 0; },
     "not explained yet: results with clip differ, and no test of the standard has it"},
};

bool matches(std::string_view pattern, std::string_view op_type) {
  return pattern.ends_with('*') ? op_type.starts_with(pattern.substr(0, pattern.size() - 1)) : pattern == op_type;
}

}  // namespace

std::string excused(const Sample& sample, const std::map<std::string, Tensor>& values) {
  for (const Node& node : sample.graph.nodes)
    for (const KnownDifference& d : table)
      if (matches(d.op_type, node.op_type) && d.applies({sample, node, values})) return node.op_type + ": " + d.reason;
  return "";
}

}  // namespace lathe::differential
