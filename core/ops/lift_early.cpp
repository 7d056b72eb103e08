// Lifting of what changed up to opset 7: broadcasting that was asked for by attributes, attributes that told where memory might be reused, and
// arguments that were attributes. Sources: ONNX, Changelog.md, opsets 1 to 7.
#include "core/ops/lift.hpp"

namespace lathe::lift {
namespace {

void drop_consumed(const Place& p) { p.remove("consumed_inputs"); }

// A value whose axes are to lie on those of `x` from `axis` on: as many axes of length 1 are appended as are missing, whatever the ranks are.
ValueId aligned(const Place& p, ValueId value, ValueId x, int64_t axis) {
  const auto rank = [&](ValueId v) { return p.make("Size", {p.make("Shape", {v})}); };
  const ValueId flat = p.integers("flat", {-1});
  ValueId missing = p.make("Sub", {rank(x), rank(value)});
  // A negative axis counts from the end: rank - (rank + axis) - rank of the value.
  if (axis < 0) missing = p.make("Neg", {rank(value)});
  missing = p.make("Sub", {p.make("Reshape", {missing, flat}), p.integers("axis", {axis})});
  const int64_t one = 1;
  const ValueId ones = p.make("ConstantOfShape", {missing}, {{"value", {Tensor::of<int64_t>(DataType::int64, {1}, {&one, 1})}}});
  return p.make("Reshape", {value, p.make("Concat", {p.make("Shape", {value}), ones}, {{"axis", {int64_t(0)}}})});
}

// Without 'axis' the last axes matched, as they do now; without 'broadcast' the shapes were equal.
void lift_broadcast(const Place& p) {
  const bool broadcast = p.node().integer("broadcast", 0) != 0;
  if (broadcast && p.node().has("axis") && p.has_input(0) && p.has_input(1)) {
    const int64_t axis = p.node().integer("axis", 0);
    p.set_input(1, aligned(p, p.node().inputs[1], p.node().inputs[0], axis));
  }
  p.remove("broadcast");
  p.remove("axis");
}

// One slope per channel lay on axis 1.
void lift_prelu(const Place& p) {
  if (!p.has_input(0) || !p.has_input(1)) return;
  const ValueId slope = p.node().inputs[1];
  const std::optional<Shape>& shape = p.graph.value(slope).type.shape;
  const Tensor* constant = p.graph.constant(slope);
  const bool one = constant ? constant->size() == 1 : shape && shape->size() == 1 && (*shape)[0].value == 1;
  const bool flat = constant ? constant->dimensions.size() == 1 : !shape || shape->size() == 1;
  if (flat && !one) p.set_input(1, aligned(p, slope, p.node().inputs[0], 1));
}

void lift_gemm(const Place& p) { p.remove("broadcast"); }

void lift_concat(const Place& p) {
  if (!p.node().has("axis")) p.node().attributes["axis"].value = int64_t(1);
}

void lift_cast(const Place& p) {
  const auto found = p.node().attributes.find("to");
  if (found == p.node().attributes.end()) return;
  const auto* text = std::get_if<std::string>(&found->second.value);
  if (!text) return;
  std::string lower;
  for (const char c : *text) lower += char(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  const std::optional<DataType> type = parse_data_type(lower);
  if (!type) fail(p.node(), "attribute 'to' names no element type", "as FLOAT or INT64", *text);
  found->second.value = int64_t(*type);
}

void lift_reshape(const Place& p) { p.integers_to_input("shape", 1); }

void lift_pad(const Place& p) {
  if (!p.node().has("paddings")) return;
  p.node().attributes["pads"] = p.node().attributes["paddings"];
  p.remove("paddings");
}

// Repeats along one axis, both given as tensors of one element.
void lift_tile(const Place& p) {
  if (p.node().inputs.size() < 3) fail(p.node(), "an input is missing", "the tensor, how often, and the axis");
  const Tensor* tiles = p.graph.constant(p.node().inputs[1]);
  const Tensor* axis = p.graph.constant(p.node().inputs[2]);
  const std::optional<Shape>& shape = p.graph.value(p.node().inputs[0]).type.shape;
  if (!tiles || !axis || !shape || to_int64s(*tiles).size() != 1 || to_int64s(*axis).size() != 1)
    fail(p.node(), "how often, along which axis and of which rank is not known", "constants and a shape", {},
         "export the model with opset 6 or newer");
  std::vector<int64_t> repeats(shape->size(), 1);
  const int64_t at = to_int64s(*axis)[0];
  if (at < 0 || at >= int64_t(repeats.size())) fail(p.node(), "the axis lies outside the tensor's rank", {}, std::to_string(at));
  repeats[size_t(at)] = to_int64s(*tiles)[0];
  const ValueId counts = p.integers("repeats", repeats);
  p.node().inputs = {p.node().inputs[0], counts};
}

void lift_upsample(const Place& p) {
  if (!p.node().has("height_scale") && !p.node().has("width_scale")) return;
  const std::vector<float> scales = {1, 1, p.node().real("height_scale", 1), p.node().real("width_scale", 1)};
  p.node().attributes["scales"].value = scales;
  p.remove("height_scale");
  p.remove("width_scale");
}

void lift_recurrent(const Place& p) { p.remove("output_sequence"); }

void lift_global_lp_pool(const Place& p) {
  if (const auto found = p.node().attributes.find("p"); found != p.node().attributes.end())
    if (const auto* real = std::get_if<float>(&found->second.value)) found->second.value = int64_t(*real);
}

constexpr Rule table[] = {
    {"", 6, drop_consumed},  // of every operator
    {"Add", 7, lift_broadcast},
    {"Sub", 7, lift_broadcast},
    {"Mul", 7, lift_broadcast},
    {"Div", 7, lift_broadcast},
    {"Pow", 7, lift_broadcast},
    {"And", 7, lift_broadcast},
    {"Or", 7, lift_broadcast},
    {"Xor", 7, lift_broadcast},
    {"Equal", 7, lift_broadcast},
    {"Greater", 7, lift_broadcast},
    {"Less", 7, lift_broadcast},
    {"PRelu", 7, lift_prelu},
    {"Gemm", 7, lift_gemm},
    {"Concat", 4, lift_concat},
    {"Cast", 6, lift_cast},
    {"Reshape", 5, lift_reshape},
    {"Pad", 2, lift_pad},
    {"Tile", 6, lift_tile},
    {"Upsample", 7, lift_upsample},
    {"RNN", 7, lift_recurrent},
    {"GRU", 7, lift_recurrent},
    {"LSTM", 7, lift_recurrent},
    {"LpPool", 2, lift_global_lp_pool},
    {"GlobalLpPool", 2, lift_global_lp_pool},
};

}  // namespace

std::span<const Rule> early_rules() { return table; }

}  // namespace lathe::lift
