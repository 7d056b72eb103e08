// What only moves elements or names them anew: shapes, axes, parts, padding, gathering.
#include <algorithm>

#include "raising.hpp"

namespace lathe::tflite {
namespace {

std::string_view name_of(const Operator& op) { return find_operator(op.code)->name; }
Activation activation_of(const Operator& op) { return static_cast<Activation>(op.integer("activation")); }

int axis_of(const Raising& r, int64_t axis, size_t rank) {
  if (axis < 0) axis += static_cast<int64_t>(rank);
  if (axis < 0 || axis >= static_cast<int64_t>(rank)) r.refuse("its axis lies outside");
  return static_cast<int>(axis);
}

std::vector<int64_t> constant(const Raising& r, int32_t index, const char* what) {
  const auto found = r.integers(index);
  if (!found) r.refuse(std::string(what) + " is computed");
  return *found;
}

// The tensor in another shape, without moving an element where that can be.
void reshaped(Raising& r, int32_t from, int32_t out) {
  const Extents e = r.extents(from), to = r.extents(out);
  const Order at = r.order_of(from);
  if (const auto order = through_reshape(e, at, to)) return r.define(out, r.reshape(r.in_order(from, at), permute(to, *order)), *order);
  r.define(out, r.reshape(r.plain(from), to), identity(to.size()));
}

void reshape(Raising& r, const Operator& op) {
  const Extents to = r.extents(op.outputs[0]);
  if (std::count(to.begin(), to.end(), -1) < 2 || name_of(op) != "RESHAPE" || op.input(1) < 0) return reshaped(r, op.input(0), op.outputs[0]);
  const uint32_t y = r.node("Reshape", {r.plain(op.input(0)), r.list_of(op.input(1))}, [](sdk::NodeData& n) { n.set("allowzero", 1); });
  r.define(op.outputs[0], y, identity(to.size()));
}

void transpose(Raising& r, const Operator& op) {
  const auto given = constant(r, op.input(1), "its permutation");
  if (given.size() != r.rank(op.input(0))) r.refuse("its permutation is of another rank");
  Order perm;
  for (const int64_t p : given) perm.push_back(axis_of(r, p, given.size()));
  Order sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  if (!is_identity(sorted)) r.refuse("its permutation names an axis twice");
  const Order at = r.order_of(op.input(0), perm);
  r.define(op.outputs[0], r.in_order(op.input(0), at), compose(at, inverse(perm)));
}

void concatenation(Raising& r, const Operator& op) {
  const int32_t out = op.outputs[0];
  const Order order = r.common_order(op.inputs, r.rank(out));
  const int axis = axis_of(r, op.integer("axis"), r.rank(out));
  std::vector<uint32_t> parts;
  for (const int32_t i : op.inputs) {
    if (i < 0 || r.rank(i) != r.rank(out)) r.refuse("its inputs are of different ranks");
    parts.push_back(r.in_order(i, order));
  }
  r.define(out, r.node("Concat", parts, [&](sdk::NodeData& n) { n.set("axis", static_cast<int64_t>(held_axis(order, axis))); }), order,
           activation_of(op));
}

void pack(Raising& r, const Operator& op) {
  const int32_t out = op.outputs[0];
  const int axis = axis_of(r, op.integer("axis"), r.rank(out));
  std::vector<uint32_t> parts;
  for (const int32_t i : op.inputs) parts.push_back(r.node("Unsqueeze", {r.plain(i), r.constant({axis})}));
  r.define(out, r.node("Concat", parts, [&](sdk::NodeData& n) { n.set("axis", static_cast<int64_t>(axis)); }), identity(r.rank(out)));
}

void unpack(Raising& r, const Operator& op) {
  const int32_t x = op.input(0);
  const int axis = axis_of(r, op.integer("axis"), r.rank(x));
  const auto parts = r.nodes("Split", {r.plain(x)}, op.outputs.size(), [&](sdk::NodeData& n) {
    n.set("axis", static_cast<int64_t>(axis)).set("num_outputs", static_cast<int64_t>(op.outputs.size()));
  });
  for (size_t i = 0; i < parts.size(); ++i)
    r.define(op.outputs[i], r.node("Squeeze", {parts[i], r.constant({axis})}), identity(r.rank(op.outputs[i])));
}

void split(Raising& r, const Operator& op) {
  const bool equal = name_of(op) == "SPLIT";
  const int32_t x = op.input(equal ? 1 : 0);
  const auto axes = constant(r, op.input(equal ? 0 : 2), "its axis");
  if (axes.size() != 1 || x < 0) r.refuse("its axis is no single number");
  const int axis = axis_of(r, axes[0], r.rank(x));
  std::vector<int64_t> sizes;
  for (const int32_t out : op.outputs) {
    if (r.rank(out) != r.rank(x)) r.refuse("its parts are of another rank");
    sizes.push_back(r.extents(out)[static_cast<size_t>(axis)]);
    if (sizes.back() < 0) r.refuse("the extents of its parts are open");
  }
  const Order order = r.order_of(x);
  const auto parts = r.nodes("Split", {r.in_order(x, order), r.constant(sizes)}, op.outputs.size(),
                             [&](sdk::NodeData& n) { n.set("axis", static_cast<int64_t>(held_axis(order, axis))); });
  for (size_t i = 0; i < parts.size(); ++i) r.define(op.outputs[i], parts[i], order);
}

uint32_t sliced(Raising& r, uint32_t value, const std::vector<int64_t>& begin, const std::vector<int64_t>& end, const std::vector<int64_t>& steps,
                const Order& order) {
  std::vector<int64_t> axes, b, e, s;
  for (size_t i = 0; i < begin.size(); ++i) {
    axes.push_back(held_axis(order, static_cast<int>(i)));
    b.push_back(begin[i]), e.push_back(end[i]), s.push_back(steps[i]);
  }
  return r.node("Slice", {value, r.constant(b), r.constant(e), r.constant(axes), r.constant(s)});
}

// Where it begins and ends is known when it runs. A size of -1 goes on to the end.
void slice_when_it_runs(Raising& r, const Operator& op) {
  const uint32_t begin = r.list_of(op.input(1)), size = r.list_of(op.input(2));
  const uint32_t end = r.node("Where", {r.node("Less", {size, r.constant({0})}), r.constant({INT64_MAX}), r.node("Add", {begin, size})});
  r.define(op.outputs[0], r.node("Slice", {r.plain(op.input(0)), begin, end}), identity(r.rank(op.outputs[0])));
}

void slice(Raising& r, const Operator& op) {
  const int32_t x = op.input(0);
  if (!r.integers(op.input(1)) || !r.integers(op.input(2))) return slice_when_it_runs(r, op);
  const auto begin = constant(r, op.input(1), "where it begins"), size = constant(r, op.input(2), "its size");
  if (begin.size() != r.rank(x) || size.size() != r.rank(x)) r.refuse("its beginnings or sizes are not one per axis");
  std::vector<int64_t> end;
  for (size_t i = 0; i < begin.size(); ++i) {
    if (begin[i] < 0 || begin[i] > INT32_MAX || size[i] > INT32_MAX) r.refuse("where it begins or how much it takes is out of bounds");
    end.push_back(size[i] < 0 ? INT64_MAX : begin[i] + size[i]);
  }
  const Order order = r.order_of(x);
  r.define(op.outputs[0], sliced(r, r.in_order(x, order), begin, end, std::vector<int64_t>(begin.size(), 1), order), order);
}

// Beginnings and ends that are known when it runs; those that a mask names go from or to the edge.
void strided_slice_when_it_runs(Raising& r, const Operator& op) {
  const auto steps = constant(r, op.input(3), "its stride");
  const auto n = static_cast<int64_t>(steps.size());
  if (op.integer("ellipsis_mask") || op.integer("new_axis_mask")) r.refuse("an ellipsis or a new axis within a computed slice is not read");
  if (steps.size() > r.rank(op.input(0))) r.refuse("it has more strides than its input has axes");
  std::vector<int64_t> axes, from_edge, to_edge, shrunk;
  std::vector<uint8_t> begins, ends, shrinks;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t step = steps[static_cast<size_t>(i)];
    if (step == 0) r.refuse("its stride is 0");
    axes.push_back(i);
    from_edge.push_back(step > 0 ? 0 : INT64_MAX);
    to_edge.push_back(step > 0 ? INT64_MAX : INT64_MIN);
    shrinks.push_back(op.integer("shrink_axis_mask") >> i & 1);
    begins.push_back((op.integer("begin_mask") >> i & 1) && !shrinks.back());
    ends.push_back((op.integer("end_mask") >> i & 1) && !shrinks.back());
    if (shrinks.back()) shrunk.push_back(i);
  }
  const auto mask = [&](const std::vector<uint8_t>& bits) {
    sdk::TensorData data = sdk::TensorData::of<uint8_t>(LATHE_UINT8, {n}, bits);
    return r.cast(r.builder().add_constant("mask_" + std::to_string(r.builder().value_count()), std::move(data)), LATHE_BOOL);
  };
  const uint32_t begin = r.list_of(op.input(1));
  uint32_t end = r.list_of(op.input(2));
  if (op.number("offset") != 0) end = r.node("Add", {begin, end});
  if (!shrunk.empty()) {  // one element, which may be the last
    const uint32_t next =
        r.node("Where", {r.node("Equal", {begin, r.constant({-1})}), r.constant({INT64_MAX}), r.node("Add", {begin, r.constant({1})})});
    end = r.node("Where", {mask(shrinks), next, end});
  }
  const uint32_t y = r.node("Slice", {r.plain(op.input(0)), r.node("Where", {mask(begins), r.constant(from_edge), begin}),
                                      r.node("Where", {mask(ends), r.constant(to_edge), end}), r.constant(axes), r.constant(steps)});
  r.define(op.outputs[0], shrunk.empty() ? y : r.node("Squeeze", {y, r.constant(shrunk)}), identity(r.rank(op.outputs[0])));
}

void strided_slice(Raising& r, const Operator& op) {
  const int32_t x = op.input(0), out = op.outputs[0];
  if (!r.integers(op.input(1)) || !r.integers(op.input(2))) return strided_slice_when_it_runs(r, op);
  auto begin = constant(r, op.input(1), "where it begins"), end = constant(r, op.input(2), "where it ends");
  const auto steps = constant(r, op.input(3), "its stride");
  if (op.integer("ellipsis_mask") || op.integer("new_axis_mask")) r.refuse("an ellipsis or a new axis within a slice is not read");
  if (begin.size() > r.rank(x) || end.size() != begin.size() || steps.size() != begin.size())
    r.refuse("its beginnings, ends and strides do not fit together");
  for (const std::vector<int64_t>* list : std::initializer_list<const std::vector<int64_t>*>{&begin, &end, &steps})
    for (const int64_t v : *list)
      if (v < INT32_MIN || v > INT32_MAX) r.refuse("where it begins or ends is out of bounds");
  if (op.number("offset") != 0)
    for (size_t i = 0; i < begin.size(); ++i) end[i] += begin[i];
  const Order order = r.order_of(x);
  std::vector<int64_t> shrunk;
  for (size_t i = 0; i < begin.size(); ++i) {
    const bool shrink = op.integer("shrink_axis_mask") >> i & 1;
    if (steps[i] == 0) r.refuse("its stride is 0");
    if (shrink) {
      end[i] = begin[i] == -1 ? INT64_MAX : begin[i] + 1;
      shrunk.push_back(static_cast<int64_t>(i));
      continue;
    }
    if (op.integer("begin_mask") >> i & 1) begin[i] = steps[i] > 0 ? 0 : INT64_MAX;
    if (op.integer("end_mask") >> i & 1) end[i] = steps[i] > 0 ? INT64_MAX : INT64_MIN;
  }
  const uint32_t y = sliced(r, r.in_order(x, order), begin, end, steps, order);
  if (shrunk.empty()) return r.define(out, y, order);
  std::vector<int64_t> held;
  Order left;
  for (const int64_t a : shrunk) held.push_back(held_axis(order, static_cast<int>(a)));
  for (const int axis : order) {
    if (std::find(shrunk.begin(), shrunk.end(), axis) != shrunk.end()) continue;
    left.push_back(axis - static_cast<int>(std::count_if(shrunk.begin(), shrunk.end(), [&](int64_t a) { return a < axis; })));
  }
  r.define(out, r.node("Squeeze", {y, r.constant(held)}), left);
}

// How much it pads is known when it runs: pairs of each axis become all beginnings, then all ends.
void pad_when_it_runs(Raising& r, const Operator& op) {
  const int32_t x = op.input(0);
  if (name_of(op) == "MIRROR_PAD" && op.integer("mode") != 0) r.refuse("a mirror that repeats the edge, as wide as is computed, is not read");
  const uint32_t pairs = r.transpose(r.cast(r.plain(op.input(1)), LATHE_INT64), {1, 0});
  std::vector<uint32_t> inputs{r.plain(x), r.node("Reshape", {pairs, r.constant({-1})})};
  if (name_of(op) == "PADV2") inputs.push_back(r.plain(op.input(2)));
  if (inputs.size() == 3) inputs[2] = r.node("Reshape", {inputs[2], r.constant(std::vector<int64_t>{})});
  r.define(op.outputs[0], r.node("Pad", inputs, [&](sdk::NodeData& n) { n.set("mode", name_of(op) == "MIRROR_PAD" ? "reflect" : "constant"); }),
           identity(r.rank(op.outputs[0])));
}

void pad(Raising& r, const Operator& op) {
  const int32_t x = op.input(0);
  if (!r.integers(op.input(1))) return pad_when_it_runs(r, op);
  const auto amounts = constant(r, op.input(1), "its padding");
  const size_t rank = r.rank(x);
  if (amounts.size() != 2 * rank) r.refuse("its padding is not one pair per axis");
  const Order order = r.order_of(x);
  std::vector<int64_t> pads(2 * rank);
  for (size_t i = 0; i < rank; ++i) {
    const auto at = static_cast<size_t>(held_axis(order, static_cast<int>(i)));
    pads[at] = amounts[2 * i];
    pads[at + rank] = amounts[2 * i + 1];
  }
  std::vector<uint32_t> inputs{r.in_order(x, order), r.constant(pads)};
  const bool mirror = name_of(op) == "MIRROR_PAD";
  if (mirror && op.integer("mode") != 0) r.refuse("ONNX has no mirror that repeats the edge");
  if (name_of(op) == "PADV2") {
    const auto value = r.numbers(op.input(2));
    if (!value || value->empty()) r.refuse("the value it pads with is computed");
    inputs.push_back(r.is_quantized(x) ? r.number(static_cast<float>((*value)[0])) : r.number_like(x, (*value)[0]));
  }
  r.define(op.outputs[0], r.node("Pad", inputs, [&](sdk::NodeData& n) { n.set("mode", mirror ? "reflect" : "constant"); }), order);
}

// The axis comes right behind the batch dimensions, where GatherND looks for it, and what lay between goes behind the places.
void gather_in_batches(Raising& r, const Operator& op) {
  const int32_t x = op.input(0), at = op.input(1);
  const int n = static_cast<int>(r.rank(x)), places = static_cast<int>(r.rank(at));
  int64_t batches = op.integer("batch_dims");
  if (batches < 0) batches += places;
  const int axis = axis_of(r, op.integer("axis"), r.rank(x));
  if (batches < 0 || batches > axis || batches > places) r.refuse("its batch dimensions do not come before its axis");
  Order data = identity(static_cast<size_t>(n));
  data.erase(data.begin() + axis);
  data.insert(data.begin() + batches, axis);
  const uint32_t index = r.node("Unsqueeze", {r.cast(r.plain(at), LATHE_INT64), r.constant({-1})});
  const uint32_t y = r.node("GatherND", {r.in_order(x, data), index}, [&](sdk::NodeData& node) { node.set("batch_dims", batches); });
  // Batches, places, what lay between, the rest; the file has the places behind what lay between.
  const int b = static_cast<int>(batches), between = axis - b, inner = places - b;
  Order held;
  for (int i = 0; i < b; ++i) held.push_back(i);
  for (int i = 0; i < inner; ++i) held.push_back(b + between + i);
  for (int i = 0; i < between; ++i) held.push_back(b + i);
  for (int i = b + between + inner; i < n - 1 + inner; ++i) held.push_back(i);
  r.define(op.outputs[0], y, held);
}

void gather(Raising& r, const Operator& op) {
  const int32_t x = op.input(0), at = op.input(1);
  if (op.integer("batch_dims") != 0) return gather_in_batches(r, op);
  const int axis = axis_of(r, op.integer("axis"), r.rank(x));
  const bool same_rank = r.rank(at) == 1;
  const Order order = same_rank ? r.order_of(x) : identity(r.rank(x));
  const int64_t held = held_axis(order, axis);
  const uint32_t y = r.node("Gather", {r.in_order(x, order), r.plain(at)}, [&](sdk::NodeData& n) { n.set("axis", held); });
  r.define(op.outputs[0], y, same_rank ? order : identity(r.rank(op.outputs[0])));
}

void gather_nd(Raising& r, const Operator& op) {
  const uint32_t at = r.node("Cast", {r.plain(op.input(1))}, [](sdk::NodeData& n) { n.set("to", static_cast<int64_t>(LATHE_INT64)); });
  r.define(op.outputs[0], r.node("GatherND", {r.plain(op.input(0)), at}), identity(r.rank(op.outputs[0])));
}

void tile(Raising& r, const Operator& op) {
  if (!r.integers(op.input(1)))
    return r.define(op.outputs[0], r.node("Tile", {r.plain(op.input(0)), r.list_of(op.input(1))}), identity(r.rank(op.outputs[0])));
  const auto times = constant(r, op.input(1), "how often it repeats");
  const Order order = r.order_of(op.input(0));
  if (times.size() != order.size()) r.refuse("its repeats are not one per axis");
  std::vector<int64_t> held;
  for (const int axis : order) held.push_back(times[static_cast<size_t>(axis)]);
  r.define(op.outputs[0], r.node("Tile", {r.in_order(op.input(0), order), r.constant(held)}), order);
}

void broadcast_to(Raising& r, const Operator& op) {
  r.define(op.outputs[0], r.node("Expand", {r.plain(op.input(0)), r.list_of(op.input(1))}), identity(r.rank(op.outputs[0])));
}

void fill(Raising& r, const Operator& op) {
  r.define(op.outputs[0], r.node("Expand", {r.plain(op.input(1)), r.list_of(op.input(0))}), identity(r.rank(op.outputs[0])));
}

void shape(Raising& r, const Operator& op) {
  const int32_t out = op.outputs[0];
  uint32_t y = r.node("Shape", {r.plain(op.input(0))});
  if (r.tensor(out).type == Type::int32) y = r.node("Cast", {y}, [](sdk::NodeData& n) { n.set("to", static_cast<int64_t>(LATHE_INT32)); });
  r.define(out, y, identity(1));
}

void range(Raising& r, const Operator& op) {
  r.define(op.outputs[0], r.node("Range", {r.plain(op.input(0)), r.plain(op.input(1)), r.plain(op.input(2))}), {0});
}

void one_hot(Raising& r, const Operator& op) {
  const uint32_t off = r.node("Unsqueeze", {r.plain(op.input(3)), r.constant({0})}),
                 on = r.node("Unsqueeze", {r.plain(op.input(2)), r.constant({0})});
  const uint32_t values = r.node("Concat", {off, on}, [](sdk::NodeData& n) { n.set("axis", 0); });
  const int64_t axis = op.integer("axis");
  r.define(op.outputs[0], r.node("OneHot", {r.plain(op.input(0)), r.plain(op.input(1)), values}, [&](sdk::NodeData& n) { n.set("axis", axis); }),
           identity(r.rank(op.outputs[0])));
}

void reverse(Raising& r, const Operator& op) {
  const auto axes = constant(r, op.input(1), "its axis");
  const Order order = r.order_of(op.input(0));
  std::vector<int64_t> held, begin(axes.size(), -1), end(axes.size(), INT64_MIN), steps(axes.size(), -1);
  for (const int64_t a : axes) held.push_back(held_axis(order, axis_of(r, a, order.size())));
  r.define(op.outputs[0], r.node("Slice", {r.in_order(op.input(0), order), r.constant(begin), r.constant(end), r.constant(held), r.constant(steps)}),
           order);
}

// Blocks of pixels to batches and back, of images: what dilated convolutions are made of.
void space_to_batch(Raising& r, const Operator& op) {
  const bool to_batch = name_of(op) == "SPACE_TO_BATCH_ND";
  const int32_t x = op.input(0), out = op.outputs[0];
  const auto block = constant(r, op.input(1), "its block"), edges = constant(r, op.input(2), "its padding");
  if (r.rank(x) != 4 || r.rank(out) != 4 || block.size() != 2 || edges.size() != 4) r.refuse("it is of no image");
  for (const auto* list : {&block, &edges})
    for (const int64_t v : *list)
      if (v < 0 || v > (1 << 20)) r.refuse("its block or padding is out of bounds");
  const Extents in = r.extents(x), to = r.extents(out);
  for (const Extents* e : {&in, &to})
    for (const int64_t d : *e)
      if (d < 1) r.refuse("its shape is open");
  uint32_t v = r.plain(x);
  if (to_batch) {
    v = r.node("Pad", {v, r.constant({0, edges[0], edges[2], 0, 0, edges[1], edges[3], 0})});
    v = r.reshape(v, {in[0], to[1], block[0], to[2], block[1], in[3]});
    v = r.transpose(v, {2, 4, 0, 1, 3, 5});
    return r.define(out, r.reshape(v, to), identity(4));
  }
  v = r.reshape(v, {block[0], block[1], to[0], in[1], in[2], in[3]});
  v = r.transpose(v, {2, 3, 0, 4, 1, 5});
  v = r.reshape(v, {to[0], in[1] * block[0], in[2] * block[1], in[3]});
  r.define(out, sliced(r, v, {0, edges[0], edges[2], 0}, {to[0], edges[0] + to[1], edges[2] + to[2], in[3]}, {1, 1, 1, 1}, identity(4)), identity(4));
}

const RaiseRule rules[] = {{"BATCH_TO_SPACE_ND", space_to_batch},
                           {"BROADCAST_TO", broadcast_to},
                           {"CONCATENATION", concatenation},
                           {"EXPAND_DIMS", reshape},
                           {"FILL", fill},
                           {"GATHER", gather},
                           {"GATHER_ND", gather_nd},
                           {"MIRROR_PAD", pad},
                           {"ONE_HOT", one_hot},
                           {"PACK", pack},
                           {"PAD", pad},
                           {"PADV2", pad},
                           {"RANGE", range},
                           {"RESHAPE", reshape},
                           {"REVERSE_V2", reverse},
                           {"SHAPE", shape},
                           {"SLICE", slice},
                           {"SPACE_TO_BATCH_ND", space_to_batch},
                           {"SPLIT", split},
                           {"SPLIT_V", split},
                           {"SQUEEZE", reshape},
                           {"STRIDED_SLICE", strided_slice},
                           {"TILE", tile},
                           {"TRANSPOSE", transpose},
                           {"UNPACK", unpack}};

}  // namespace

std::span<const RaiseRule> raise_movement() { return rules; }

}  // namespace lathe::tflite
