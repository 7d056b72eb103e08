// Operators that older opsets lack, written out in operators that they have. Each rule follows the definition in ONNX's Operators.md.
#include <algorithm>
#include <cmath>

#include "core/ops/lower_rules.hpp"

namespace lathe::lower {
namespace {

using lift::Place;
using lift::Rule;
using Attributes = std::map<std::string, Attribute, std::less<>>;

// A new node whose output has the type of `like`.
ValueId made(const Place& p, const char* op_type, std::vector<ValueId> inputs, ValueId like, Attributes attributes = {}) {
  const ValueId result = p.make(op_type, std::move(inputs), std::move(attributes));
  p.graph.value(result).type = p.graph.value(like).type;
  return result;
}

// The node itself becomes the last step.
void finish(const Place& p, const char* op_type, std::vector<ValueId> inputs) {
  p.node().op_type = op_type;
  p.node().inputs = std::move(inputs);
  p.node().attributes.clear();
}

void require_one_output(const Place& p) {
  std::vector<ValueId>& outputs = p.node().outputs;
  const Uses uses(p.graph);
  for (size_t i = 1; i < outputs.size(); ++i)
    if (outputs[i] != none && (!uses.users[outputs[i]].empty() || uses.output[outputs[i]])) refuse("its further outputs are used");
  outputs.resize(1);
}

int64_t rank_of(const Place& p, ValueId v) {
  const std::optional<Shape>& shape = p.graph.value(v).type.shape;
  if (!shape) refuse("the rank of its input is not known");
  return int64_t(shape->size());
}

// ---- activations

void expand_gelu(const Place& p) {
  const ValueId x = p.node().input(0);
  ValueId inner;
  if (p.node().text("approximate", "none") == "tanh") {
    const ValueId cube = made(p, "Mul", {made(p, "Mul", {x, x}, x), x}, x);
    const ValueId sum = made(p, "Add", {x, made(p, "Mul", {cube, p.scalar("cubic", 0.044715)}, x)}, x);
    inner = made(p, "Tanh", {made(p, "Mul", {sum, p.scalar("scale", std::sqrt(2 / std::acos(-1.0)))}, x)}, x);
  } else {
    inner = made(p, "Erf", {made(p, "Div", {x, p.scalar("root", std::sqrt(2.0))}, x)}, x);
  }
  const ValueId half = made(p, "Mul", {x, p.scalar("half", 0.5)}, x);
  const ValueId gate = made(p, "Add", {inner, p.scalar("one", 1)}, x);
  finish(p, "Mul", {half, gate});
}

void expand_mish(const Place& p) {
  const ValueId x = p.node().input(0);
  const ValueId gate = made(p, "Tanh", {made(p, "Softplus", {x}, x)}, x);
  finish(p, "Mul", {x, gate});
}

void expand_hard_swish(const Place& p) {
  const ValueId x = p.node().input(0);
  const ValueId gate = made(p, "HardSigmoid", {x}, x, {{"alpha", {1.0f / 6}}, {"beta", {0.5f}}});
  finish(p, "Mul", {x, gate});
}

void expand_swish(const Place& p) {
  const ValueId x = p.node().input(0);
  const float alpha = p.node().real("alpha", 1);
  const ValueId scaled = alpha == 1 ? x : made(p, "Mul", {x, p.scalar("alpha", double(alpha))}, x);
  const ValueId gate = made(p, "Sigmoid", {scaled}, x);
  finish(p, "Mul", {x, gate});
}

// max(0, x) + min(0, alpha (exp(x / alpha) - 1))
void expand_celu(const Place& p) {
  const ValueId x = p.node().input(0);
  const ValueId alpha = p.scalar("alpha", double(p.node().real("alpha", 1))), zero = p.scalar("zero", 0);
  const ValueId grown = made(p, "Sub", {made(p, "Exp", {made(p, "Div", {x, alpha}, x)}, x), p.scalar("one", 1)}, x);
  const ValueId below = made(p, "Min", {made(p, "Mul", {grown, alpha}, x), zero}, x);
  const ValueId above = made(p, "Relu", {x}, x);
  finish(p, "Add", {above, below});
}

// ---- normalisation

// (x - mean) / sqrt(variance + epsilon), or x / sqrt(mean of squares + epsilon), over the axes from `axis` on; then scale and bias.
void expand_normalization(const Place& p) {
  require_one_output(p);
  const bool centred = p.node().op_type == "LayerNormalization";
  const ValueId x = p.node().input(0), scale = p.node().input(1), bias = centred ? p.node().input(2) : none;
  const int64_t rank = rank_of(p, x), given = p.node().integer("axis", -1), axis = given < 0 ? given + rank : given;
  std::vector<int64_t> over;
  for (int64_t i = axis; i < rank; ++i) over.push_back(i);
  const ValueId axes = p.integers("axes", over), epsilon = p.scalar("epsilon", double(p.node().real("epsilon", 1e-5f)));
  const auto mean = [&](ValueId v) {
    const ValueId result = made(p, "ReduceMean", {v, axes}, x);
    for (const int64_t i : over) (*p.graph.value(result).type.shape)[size_t(i)] = Dimension(1);
    return result;
  };
  const ValueId difference = centred ? made(p, "Sub", {x, mean(x)}, x) : x;
  const ValueId variance = mean(made(p, "Mul", {difference, difference}, x));
  const ValueId deviation = made(p, "Sqrt", {made(p, "Add", {variance, epsilon}, variance)}, variance);
  const ValueId normal = made(p, "Div", {difference, deviation}, x);
  if (bias == none) return finish(p, "Mul", {normal, scale});
  const ValueId scaled = made(p, "Mul", {normal, scale}, x);
  finish(p, "Add", {scaled, bias});
}

// Each group is an instance of its own; then a scale and a bias for each channel.
void expand_group_normalization(const Place& p) {
  const ValueId x = p.node().input(0);
  const ValueType type = p.graph.value(x).type;
  const int64_t rank = rank_of(p, x), groups = p.node().integer("num_groups", 1);
  if (!type.static_shape()) refuse("the shape of its input is not known");
  const std::vector<int64_t> dimensions = type.dimensions();
  if (type.element != DataType::float32) refuse("it computes in another type than float32");
  const std::vector<float> ones(size_t(groups), 1), zeros(size_t(groups), 0);
  const ValueId one = p.constant("ones", Tensor::of<float>(DataType::float32, {groups}, ones));
  const ValueId zero = p.constant("zeros", Tensor::of<float>(DataType::float32, {groups}, zeros));
  int64_t inner = 1;
  for (int64_t i = 1; i < rank; ++i) inner *= dimensions[size_t(i)];
  const ValueId grouped = p.make("Reshape", {x, p.integers("grouped", {dimensions[0], groups, inner / groups})});
  p.graph.value(grouped).type = {ValueKind::tensor, type.element, Shape{dimensions[0], groups, inner / groups}};
  const ValueId normal = made(p, "InstanceNormalization", {grouped, one, zero}, grouped, {{"epsilon", {p.node().real("epsilon", 1e-5f)}}});
  const ValueId whole = made(p, "Reshape", {normal, p.integers("whole", dimensions)}, x);
  std::vector<int64_t> per_channel(size_t(rank) - 1, 1);
  per_channel[0] = dimensions[1];
  const auto spread = [&](size_t input) {
    const ValueId result = p.make("Reshape", {p.node().input(input), p.integers("per-channel", per_channel)});
    p.graph.value(result).type = {ValueKind::tensor, type.element, Shape(per_channel.begin(), per_channel.end())};
    return result;
  };
  const ValueId scaled = made(p, "Mul", {whole, spread(1)}, x);
  const ValueId bias = spread(2);
  finish(p, "Add", {scaled, bias});
}

// ---- others

// Not the complement: a comparison with NaN is false.
void expand_or_equal(const Place& p) {
  const ValueId a = p.node().input(0), b = p.node().input(1), result = p.node().outputs.at(0);
  const char* strict = p.node().op_type == "GreaterOrEqual" ? "Greater" : "Less";
  const ValueId beyond = made(p, strict, {a, b}, result), equal = made(p, "Equal", {a, b}, result);
  finish(p, "Or", {beyond, equal});
}

void expand_trilu(const Place& p) {
  const ValueId x = p.node().input(0);
  const ValueType& type = p.graph.value(x).type;
  const Tensor* shift = p.graph.constant(p.node().input(1));
  if (!type.static_shape() || type.shape->size() < 2 || (p.node().input(1) != none && !shift))
    refuse("the shape of its input, or its k, is not known");
  const std::vector<int64_t> d = type.dimensions();
  const int64_t rows = d[d.size() - 2], columns = d.back(), k = shift ? to_int64s(*shift).at(0) : 0;
  const bool upper = p.node().integer("upper", 1) != 0;
  Tensor mask = Tensor::allocate(DataType::boolean, {rows, columns});
  const std::span<uint8_t> kept = mask.as_mutable<uint8_t>();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) kept[size_t(r * columns + c)] = upper ? c >= r + k : c <= r + k;
  const ValueId zero = p.scalar("zero", 0), choice = p.constant("mask", std::move(mask));
  finish(p, "Where", {choice, x, zero});
}

constexpr Rule table[] = {
    {"Celu", 12, expand_celu},
    {"Gelu", 20, expand_gelu},
    {"GreaterOrEqual", 12, expand_or_equal},
    {"GroupNormalization", 21, expand_group_normalization},
    {"HardSwish", 14, expand_hard_swish},
    {"LayerNormalization", 17, expand_normalization},
    {"LessOrEqual", 12, expand_or_equal},
    {"Mish", 18, expand_mish},
    {"RMSNormalization", 23, expand_normalization},
    {"Swish", 24, expand_swish},
    {"Trilu", 14, expand_trilu},
};

}  // namespace

std::span<const Rule> expansions() { return table; }

}  // namespace lathe::lower
