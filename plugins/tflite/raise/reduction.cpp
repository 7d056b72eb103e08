// Reductions along axes, running sums, places of the greatest.
#include <algorithm>

#include "raising.hpp"

namespace lathe::tflite {
namespace {

std::string_view name_of(const Operator& op) { return find_operator(op.code)->name; }

std::vector<int> axes_of(const Raising& r, int32_t index, size_t rank) {
  const auto given = r.integers(index);
  if (!given) r.refuse("its axes are computed");
  std::vector<int> axes;
  for (const int64_t a : *given) {
    const int64_t axis = a < 0 ? a + static_cast<int64_t>(rank) : a;
    if (axis < 0 || axis >= static_cast<int64_t>(rank)) r.refuse("its axis lies outside");
    axes.push_back(static_cast<int>(axis));
  }
  return axes;
}

Order without(const Order& order, const std::vector<int>& axes) {
  Order left;
  for (const int axis : order) {
    if (std::find(axes.begin(), axes.end(), axis) != axes.end()) continue;
    left.push_back(axis - static_cast<int>(std::count_if(axes.begin(), axes.end(), [&](int a) { return a < axis; })));
  }
  return left;
}

void reduce(Raising& r, const Operator& op) {
  static constexpr std::pair<std::string_view, const char*> names[] = {
      {"MEAN", "ReduceMean"}, {"REDUCE_MAX", "ReduceMax"}, {"REDUCE_MIN", "ReduceMin"}, {"REDUCE_PROD", "ReduceProd"},
      {"SUM", "ReduceSum"},   {"REDUCE_ANY", "ReduceMax"}, {"REDUCE_ALL", "ReduceMin"}};
  const int32_t x = op.input(0);
  const auto axes = axes_of(r, op.input(1), r.rank(x));
  const bool keep = op.number("keep_dims") != 0;
  const Order order = r.order_of(x);
  std::vector<int64_t> held;
  for (const int a : axes) held.push_back(held_axis(order, a));
  for (const auto& [name, onnx] : names) {
    if (name != name_of(op)) continue;
    const uint32_t y = r.node(onnx, {r.in_order(x, order), r.constant(held)},
                              [&](sdk::NodeData& n) { n.set("keepdims", keep ? 1 : 0).set("noop_with_empty_axes", 1); });
    r.define(op.outputs[0], y, keep ? order : without(order, axes));
  }
}

void arg(Raising& r, const Operator& op) {
  const int32_t x = op.input(0), out = op.outputs[0];
  const auto axes = axes_of(r, op.input(1), r.rank(x));
  if (axes.size() != 1) r.refuse("it has more than one axis");
  const Order order = r.order_of(x);
  const int64_t held = held_axis(order, axes[0]);
  uint32_t y = r.node(name_of(op) == "ARG_MAX" ? "ArgMax" : "ArgMin", {r.in_order(x, order)},
                      [&](sdk::NodeData& n) { n.set("axis", held).set("keepdims", 0); });
  if (r.tensor(out).type == Type::int32) y = r.node("Cast", {y}, [](sdk::NodeData& n) { n.set("to", static_cast<int64_t>(LATHE_INT32)); });
  r.define(out, y, without(order, axes));
}

void cumsum(Raising& r, const Operator& op) {
  const int32_t x = op.input(0);
  const auto axes = axes_of(r, op.input(1), r.rank(x));
  if (axes.size() != 1) r.refuse("it has more than one axis");
  const Order order = r.order_of(x);
  const uint32_t axis = r.builder().add_constant("cumsum_axis_" + std::to_string(r.builder().value_count()),
                                                 sdk::TensorData::of<int64_t>(LATHE_INT64, {}, {static_cast<int64_t>(held_axis(order, axes[0]))}));
  const uint32_t y = r.node("CumSum", {r.in_order(x, order), axis}, [&](sdk::NodeData& n) {
    n.set("exclusive", static_cast<int64_t>(op.number("exclusive") != 0)).set("reverse", static_cast<int64_t>(op.number("reverse") != 0));
  });
  r.define(op.outputs[0], y, order);
}

void top_k(Raising& r, const Operator& op) {
  const auto known = r.integers(op.input(1));
  if (known && known->size() != 1) r.refuse("its k is no single number");
  const uint32_t k = known ? r.constant(*known) : r.node("Reshape", {r.list_of(op.input(1)), r.constant({1})});
  const auto both = r.nodes("TopK", {r.plain(op.input(0)), k}, 2, [](sdk::NodeData&) {});
  r.define(op.outputs[0], both[0], identity(r.rank(op.outputs[0])));
  if (op.outputs.size() < 2) return;
  const uint32_t places = r.node("Cast", {both[1]}, [](sdk::NodeData& n) { n.set("to", static_cast<int64_t>(LATHE_INT32)); });
  r.define(op.outputs[1], places, identity(r.rank(op.outputs[1])));
}

const RaiseRule rules[] = {{"ARG_MAX", arg},        {"ARG_MIN", arg},       {"CUMSUM", cumsum},     {"MEAN", reduce},
                           {"REDUCE_ALL", reduce},  {"REDUCE_ANY", reduce}, {"REDUCE_MAX", reduce}, {"REDUCE_MIN", reduce},
                           {"REDUCE_PROD", reduce}, {"SUM", reduce},        {"TOPK_V2", top_k}};

}  // namespace

std::span<const RaiseRule> raise_reductions() { return rules; }

}  // namespace lathe::tflite
