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
bool feeds_others(const Place& p) {
  return std::any_of(p.sample.graph.nodes.begin(), p.sample.graph.nodes.end(), [&](const Node& node) {
    return std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return id != none && id == p.node.outputs[0]; });
  });
}
bool yields_nothing(const Place& p) {
  return std::any_of(p.node.outputs.begin(), p.node.outputs.end(), [&](ValueId id) {
    const Tensor* t = p.value(id);
    return t && !t->dimensions.empty() && t->size() == 0 && !p.sample.graph.value(id).type.static_shape();
  });
}
bool backwards_to_the_end(const Place& p) {
  const Tensor *ends = p.input(2), *steps = p.input(4);
  if (!ends || !steps) return false;
  const std::vector<int64_t> e = to_int64s(*ends), s = to_int64s(*steps);
  for (size_t i = 0; i < e.size() && i < s.size(); ++i)
    if (s[i] < 0 && e[i] == INT64_MAX) return true;
  return false;
}
// SAME padding where the windows leave gaps, so that less than nothing would be padded.
bool same_with_gaps(const Place& p) {
  if (!p.input(0) || !p.node.text("auto_pad", "NOTSET").starts_with("SAME")) return false;
  const std::vector<int64_t> kernel = p.node.integers("kernel_shape"), strides = p.node.integers("strides");
  for (size_t i = 0; i < kernel.size() && i < strides.size(); ++i)
    if (strides[i] > kernel[i]) return true;
  return false;
}
bool targets_without_votes(const Place& p) {
  const int64_t targets = p.node.integer("n_targets", 1);
  if (targets < 2 || !p.node.has("base_values")) return false;
  const auto& modes = std::get<Attribute::Strings>(p.node.attributes.at("nodes_modes").value);
  return int64_t(p.node.integers("target_ids").size()) < targets * std::count(modes.begin(), modes.end(), "LEAF");
}
bool keeps_aspect(const Place& p) { return p.node.text("keep_aspect_ratio_policy", "stretch") != "stretch"; }
bool has_negative(const std::vector<int64_t>& list) {
  return std::any_of(list.begin(), list.end(), [](int64_t x) { return x < 0; });
}
bool of_integers(const Place& p) {
  return p.type(0) == DataType::int32 || p.type(0) == DataType::int64 || p.type(0) == DataType::uint32 || p.type(0) == DataType::uint64;
}

DataType result_type(const Place& p) {
  const Tensor* y = p.node.outputs.empty() ? nullptr : p.value(p.node.outputs[0]);
  return y ? y->type : DataType::none;
}
template <class T>
bool any(const Tensor* t, bool (*is)(double)) {
  const auto elements = t->as<T>();
  return std::any_of(elements.begin(), elements.end(), [&](T x) { return is(double(x)); });
}
// Of float32 and float64; the other types of numbers with fractions are taken to have such elements.
bool any_element(const Tensor* t, bool (*is)(double)) {
  if (!t) return false;
  if (t->type == DataType::float32) return any<float>(t, is);
  if (t->type == DataType::float64) return any<double>(t, is);
  return t->type == DataType::float16 || (t->type >= DataType::bfloat16 && t->type != DataType::uint4 && t->type != DataType::int4);
}
bool is_half_way(double x) { return x - std::floor(x) == 0.5; }
bool to_few_bits(const Place& p) {
  const DataType y = result_type(p);
  return y == DataType::int4 || y == DataType::uint4 || y == DataType::int2 || y == DataType::uint2;
}
bool open_table(const Place& p) {
  for (const size_t input : {2, 3, 4, 5, 6})
    if (p.input(input) && !p.sample.graph.value(p.node.input(input)).type.static_shape()) return true;
  return false;
}

// Signed integers and floats of any width; of the small floats every one may be negative.
bool any_negative(const Tensor* t) {
  if (!t) return false;
  const auto negative = [](auto elements) { return std::any_of(elements.begin(), elements.end(), [](auto x) { return x < 0; }); };
  switch (t->type) {
    case DataType::float64:
      return negative(t->as<double>());
    case DataType::float32:
      return negative(t->as<float>());
    case DataType::int64:
      return negative(t->as<int64_t>());
    case DataType::int32:
      return negative(t->as<int32_t>());
    case DataType::int16:
      return negative(t->as<int16_t>());
    case DataType::int8:
      return negative(t->as<int8_t>());
    case DataType::boolean:
    case DataType::uint8:
    case DataType::uint16:
    case DataType::uint32:
    case DataType::uint64:
    case DataType::uint4:
    case DataType::uint2:
      return false;
    default:
      return true;
  }
}
bool gathers_blocks(const Place& p) {
  if (!p.input(0)) return false;
  const std::vector<int64_t>& dims = p.input(0)->dimensions;
  const int64_t axis = p.node.integer("axis", 0), first = axis < 0 ? axis + int64_t(dims.size()) : axis;
  return std::any_of(dims.begin() + first + 1, dims.end(), [](int64_t n) { return n != 1; });
}
bool keeps_a_size(const Place& p) {
  const Tensor *x = p.input(0), *y = p.value(p.node.outputs[0]);
  if (!x || !y || x->dimensions.size() != y->dimensions.size()) return false;
  for (size_t i = 2; i < x->dimensions.size(); ++i)
    if (x->dimensions[i] == y->dimensions[i]) return true;
  return false;
}

constexpr KnownDifference table[] = {
    {"Reduce*", [](const Place& p) { return p.empty(); }, "a reduction of a tensor without elements keeps axes that it was told to reduce"},
    {"Arg*", [](const Place& p) { return p.empty(); }, "likewise"},
    {"Global*", [](const Place& p) { return p.empty(); }, "refuses tensors without elements"},
    {"ConvTranspose", [](const Place& p) { return p.node.text("auto_pad", "NOTSET").starts_with("SAME"); },
     "SAME with a kernel smaller than the stride yields less than size * stride"},
    {"MatMul", [](const Place& p) { return p.empty(); }, "refuses to broadcast tensors without elements"},
    {"MatMulInteger", [](const Place& p) { return p.empty(); }, "refuses to broadcast tensors without elements"},
    {"FusedMatMul", [](const Place& p) { return p.empty(); }, "refuses to broadcast tensors without elements"},
    {"TransposeMatMul", [](const Place& p) { return p.empty(); }, "refuses to broadcast tensors without elements"},
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
    {"QuantizeLinear",
     [](const Place& p) { return (result_type(p) == DataType::uint2 || result_type(p) == DataType::int2) && p.input(1) && p.input(1)->size() > 1; },
     "to 2 bits elements that share a byte get the scale and zero point of one of them"},
    {"QuantizeLinear", [](const Place& p) { return p.empty(); }, "its process ends on blocks of tensors without elements"},
    {"ReduceLogSum*", of_integers, "of integers every step is rounded to an integer, or refused as Log of an unsigned one"},
    {"STFT", [](const Place& p) { return p.rank(0) == 3 && p.input(0)->dimensions[2] == 2; },
     "complex signals give numbers from uninitialised memory"},
    {"Slice", backwards_to_the_end, "an end of INT64_MAX with a negative step means the beginning, where the standard clamps it to the end"},
    {"Resize", [](const Place& p) { return (p.input(2) || keeps_aspect(p)) && p.node.text("coordinate_transformation_mode", "") == "align_corners"; },
     "align_corners takes the rounded size, where the standard takes scale * size"},
    {"Resize", [](const Place& p) { return p.node.text("coordinate_transformation_mode", "") == "tf_crop_and_resize" && keeps_a_size(p); },
     "the region is passed over on an axis whose size stays the same"},
    {"Resize", [](const Place& p) { return keeps_aspect(p) && has_negative(p.node.integers("axes")); },
     "keep_aspect_ratio_policy passes over negative axes"},
    {"Clip", [](const Place& p) { return (!p.input(1) || !p.input(2)) && has_infinity(p.input(0)); },
     "without a bound infinities become the largest finite number; the standard's reference leaves them"},
    {"Attention",
     [](const Place& p) {
       return p.type(0) != DataType::float32 && p.type(0) != DataType::float16 && p.node.domain.empty() &&
              (p.node.integer("is_causal", 0) || p.type(3) == DataType::boolean);
     },
     "of double and bfloat16 it runs as the standard's function body, whose causal mask is of float32, and which yields NaN where all is masked"},
    {"Attention",
     [](const Place& p) {
       const bool flat = p.rank(0) == 3;
       const auto steps = [&](size_t i) { return p.input(i) ? p.input(i)->dimensions[flat ? 1 : 2] : 0; };
       return p.node.domain.empty() && p.node.integer("is_causal", 0) && p.input(4) && steps(0) == 1 && steps(1) > 1;
     },
     "one causal query behind a past sees the keys behind its own place too; in the standard key j counts where j <= past + i (its issue 29020)"},
    {"BatchNormalization",
     [](const Place& p) {
       const auto used = [&](ValueId id) {
         size_t times = 0;
         for (const Node& node : p.sample.graph.nodes) times += size_t(std::count(node.inputs.begin(), node.inputs.end(), id));
         return times > 1;
       };
       return p.node.integer("training_mode", 0) && (used(p.node.input(3)) || used(p.node.input(4)));
     },
     "in training_mode it writes the running moments over its inputs, which other nodes then read"},
    {"Binarizer", [](const Place& p) { return any_element(p.input(0), [](double x) { return std::isnan(x); }); }, "refuses NaN"},
    {"Cast*", [](const Place& p) { return to_few_bits(p) && any_element(p.input(0), is_half_way); },
     "to 4 and 2 bits rounds halves away from zero, where the standard rounds them to even"},
    {"Cast*",
     [](const Place& p) {
       const auto whole = [](double x) { return x == std::floor(x); };
       return result_type(p) == DataType::string && (p.type(0) >= DataType::bfloat16 || any_element(p.input(0), whole));
     },
     "writes 2 for 2.0, and halves and small floats with the digits of float32; the standard's reference, NumPy, writes 2.0, and the fewest digits "
     "that name the number in its own type"},
    {"Cast*", [](const Place& p) { return result_type(p) == DataType::string && p.type(0) == DataType::boolean; },
     "writes 0 and 1, where the standard's reference, NumPy, writes False and True"},
    {"Cast*", [](const Place& p) { return p.type(0) == DataType::float8e8m0 && result_type(p) == DataType::boolean; },
     "2^-127, the least number of float8e8m0, which has no zero, becomes false"},
    {"EmbedLayerNormalization", open_table, "its shape inference wants to see the dimensions of the tables"},
    {"Cast*", [](const Place& p) { return result_type(p) == DataType::float8e8m0 && any_negative(p.input(0)); },
     "negative numbers become the least one; float8e8m0 has no sign and the standard says nothing (its NumPy helper drops the sign, ours is NaN)"},
    {"Gather", [](const Place& p) { return p.type(0) == DataType::string && gathers_blocks(p); },
     "of strings only the first of the elements behind the axis is copied"},
    {"InstanceNormalization", [](const Place& p) { return p.empty(); }, "its process ends on tensors without elements"},
    {"QLinearSoftmax", [](const Place& p) { return p.empty(); }, "its process ends on tensors without elements"},
    {"QuantizeLinear", [](const Place& p) { return p.type(0) != p.type(1); },
     "a scale of another type than the input's trips over an internal check"},
    {"SimplifiedLayerNormalization", [](const Place& p) { return p.empty(); }, "refuses tensors without elements"},
    {"TopK", [](const Place& p) { return p.empty(); }, "its process ends on tensors without elements"},
    {"TreeEnsemble",
     [](const Place& p) {
       const int64_t how = p.node.integer("post_transform", 0);
       return how == 1 || how == 2;
     },
     "takes post_transform 1 for LOGISTIC and 2 for SOFTMAX; in the standard it is the other way round"},
    {"DFT", feeds_others, "of lengths that are no powers of two its rounding reaches 1e-5 of the result, which what follows (Sin) makes larger"},
    {"Loop", yields_nothing, "of a scan output without a turn, sizes that have a name become 0, though the model's inputs tell them"},
    {"Scan", yields_nothing, "likewise"},
    {"Scan", [](const Place& p) { return p.input(0) && !p.sample.graph.value(p.node.inputs[0]).type.shape; },
     "its body's outputs must have shapes, which a state of open rank does not give them"},
    {"Attention", [](const Place& p) { return p.node.real("softcap", 0) > 0 && p.node.domain.empty() && p.input(3); },
     "the mask is added after softcap, as ONNX changed it after 1.21 (pull request 7867); ours is 1.21's order, whose tests we pass"},
    {"FastGelu", [](const Place& p) { return p.type(0) == DataType::float64; },
     "of double it runs as the operator's function body, whose constants have six digits"},
    {"LRN", [](const Place& p) { return p.rank(0) != 4; }, "four dimensions alone, and says so by an internal check"},
    {"MaxPool", same_with_gaps,
     "SAME with a kernel smaller than the stride cuts elements off by negative padding; the standard's pads are not below 0"},
    {"AveragePool", same_with_gaps, "likewise"},
    {"LpPool", same_with_gaps, "likewise"},
    {"RMSNormalization", [](const Place& p) { return p.type(0) != p.type(1); },
     "runs as the standard's function body, which multiplies X's type by scale's type without a cast"},
    {"Shrink", [](const Place& p) { return p.type(0) != DataType::float32; },
     "every type is computed in float32; of integers the standard's text and its function body differ from each other"},
    {"StringNormalizer", [](const Place& p) { return !p.sample.graph.value(p.node.inputs[0]).type.static_shape(); },
     "its shape inference wants to see the input's dimensions"},
    {"TreeEnsembleRegressor", targets_without_votes,
     "base_values are not added to a target that no leaf reached votes for (its sum does not count as a score); the standard adds them to the final "
     "one"},
    {"StringSplit", [](const Place& p) { return p.node.text("delimiter", "").empty() && p.node.integer("maxsplit", 0) > 0; },
     "white space at the end of what maxsplit leaves over is dropped; the standard's reference, NumPy's split, keeps it"},
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
