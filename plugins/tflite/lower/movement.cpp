// What only moves elements or names them anew: shapes, axes, parts, padding.
#include <algorithm>
#include <limits>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

const Quantization& quantization(const Lowering& l, const Work& w, size_t i = 0) { return l.value(w.out(i)).quantization; }

void no_kernel_for(const Lowering& l, const char* op, Type type, std::initializer_list<Type> taken) {
  if (std::find(taken.begin(), taken.end(), type) == taken.end()) l.refuse(std::string("the runtime's ") + op + " has no kernel for " + name(type));
}

void lower_reshape(Lowering& l, const Work& w) {
  const Extents to = l.extents(w.out());
  const auto open = std::count_if(to.begin(), to.end(), [](int64_t e) { return e < 0; });
  const Extents from = l.extents(w.in(0));
  if (from == to && open) {
    l.alias(w.out(), w.in(0));
    return;
  }
  if (open > 1 && w.node.is("Reshape") && w.has(1) && !l.is_constant(w.in(1)) && !w.quantized) {  // the shape is there when it runs
    int32_t shape = l.cast(l.plain(w.in(1)), Type::int32);
    if (!w.node.integer("allowzero", 0)) {  // a zero takes the input's extent over
      int32_t own = l.shape_of(l.plain(w.in(0)));
      const auto n = static_cast<int64_t>(l.rank(w.in(0))), wanted = static_cast<int64_t>(to.size());
      if (wanted > n) {
        const int32_t further = l.filled(Type::int32, {wanted - n}, 1);
        own = n == 0 ? further : l.make("CONCATENATION", {own, further}, Type::int32, {wanted}, {{"axis", 0, {}}});
      }
      const int32_t zero = l.compare("EQUAL", shape, l.filled(Type::int32, {}, 0));
      shape = l.select(zero, l.slice(own, {0}, {wanted}), shape);
    }
    return l.define(w.out(), l.make("RESHAPE", {l.plain(w.in(0)), shape}, l.type(w.in(0)), to, {}, quantization(l, w)), identity(to.size()));
  }
  if (const auto shape = l.integers(w.in(1)); open > 1 && w.node.is("Reshape") && shape && !w.node.integer("allowzero", 0)) {
    // A zero takes the input's extent over, which is looked up when it runs.
    const int32_t x = l.plain(w.in(0)), extents = l.make("SHAPE", {x}, Type::int32, {static_cast<int64_t>(l.rank(w.in(0)))},
                                                         {{"out_type", static_cast<double>(Type::int32), {}}});
    std::vector<int32_t> parts;
    for (size_t i = 0; i < shape->size(); ++i) {
      const int64_t e = (*shape)[i];
      parts.push_back(e == 0 ? l.slice(extents, {static_cast<int64_t>(i)}, {1}) : l.constant<int32_t>(Type::int32, {1}, {static_cast<int32_t>(e)}));
    }
    const int32_t wanted =
        parts.size() == 1 ? parts[0] : l.make("CONCATENATION", parts, Type::int32, {static_cast<int64_t>(parts.size())}, {{"axis", 0, {}}});
    return l.define(w.out(), l.make("RESHAPE", {x, wanted}, l.type(w.in(0)), to, {}, quantization(l, w)), identity(to.size()));
  }
  l.alias(w.out(), l.reshaped(w.in(0), to));
}

// Another order of the axes: the tensor stays as it is.
void lower_transpose(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  Order perm = identity(rank);
  std::reverse(perm.begin(), perm.end());
  if (w.node.has("perm")) {
    const auto given = w.node.integers("perm");
    perm.assign(given.begin(), given.end());
  }
  const Order at = l.order_of(w.in(0), perm);
  const int32_t tensor = l.in_order(w.in(0), at);
  // Axis a of the input is axis inverse(perm)[a] of the output.
  l.define(w.out(), tensor, compose(at, inverse(perm)));
}

void lower_concat(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.out());
  int axis = static_cast<int>(w.node.integer("axis", 0));
  if (axis < 0) axis += static_cast<int>(rank);
  const Order order = l.common_order(w.inputs, rank);
  std::vector<int32_t> parts;
  for (const uint32_t id : w.inputs) {
    bool empty = false;
    for (const int64_t e : l.extents(id)) empty |= e == 0;
    if (!empty || w.inputs.size() == 1) parts.push_back(l.in_order(id, order));
  }
  if (parts.empty()) l.refuse("all of its inputs are empty");
  Type type = l.type_of(parts[0]);
  const Type in = type == Type::uint16 ? Type::int32 : type == Type::uint32 ? Type::int64 : type;
  no_kernel_for(l, "CONCATENATION", in, {Type::float32, Type::uint8, Type::int8, Type::int16, Type::int32, Type::int64, Type::boolean});
  for (int32_t& part : parts) part = l.cast(part, in);
  const int32_t y = l.make("CONCATENATION", parts, in, permute(l.extents(w.out()), order),
                           {{"axis", static_cast<double>(held_axis(order, axis)), {}}}, quantization(l, w));
  l.define(w.out(), l.cast(y, type), order);
}

void lower_split(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  int axis = static_cast<int>(w.node.integer("axis", 0));
  if (axis < 0) axis += static_cast<int>(rank);
  const Order order = l.order_of(w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  no_kernel_for(l, "SPLIT", l.type_of(x), {Type::float32, Type::uint8, Type::int8, Type::int16, Type::int32, Type::int64});
  std::vector<int32_t> sizes, outs;
  bool equal = true;
  for (const uint32_t id : w.outputs) {
    const int64_t e = id == LATHE_NONE ? -1 : l.extents(id)[static_cast<size_t>(axis)];
    if (e < 0) l.refuse("the extents of its parts are not all known");
    sizes.push_back(static_cast<int32_t>(e));
    equal &= sizes[0] == e;
    outs.push_back(l.result(id, order));
  }
  const int32_t at = l.int_scalar(held_axis(order, axis));
  const auto count = static_cast<double>(outs.size());
  if (equal && l.type_of(x) != Type::int64)
    l.emit("SPLIT", {at, x}, outs).options = {{"num_splits", count, {}}};
  else
    l.emit("SPLIT_V", {x, l.ints(sizes), at}, outs).options = {{"num_splits", count, {}}};
}

// Numbers that are computed, one per axis in `axes`, as int32 [rank]; `other` where an axis is not named.
int32_t per_axis(Lowering& l, uint32_t id, const std::vector<int64_t>& axes, size_t rank, int32_t other) {
  Expression x{&l, l.plain(id)};
  if (l.type_of(x.tensor) == Type::int64) x = maximum(minimum(x, std::numeric_limits<int32_t>::max()), std::numeric_limits<int32_t>::min());
  const int32_t given = l.reshape(l.cast(x.tensor, Type::int32), {static_cast<int64_t>(axes.size())});
  std::vector<int32_t> parts;
  for (size_t axis = 0; axis < rank; ++axis) {
    const auto at = std::find_if(axes.begin(), axes.end(), [&](int64_t a) {
      return a == static_cast<int64_t>(axis) || a + static_cast<int64_t>(rank) == static_cast<int64_t>(axis);
    });
    parts.push_back(at == axes.end() ? l.ints({other}) : l.slice(given, {at - axes.begin()}, {1}));
  }
  return parts.size() == 1 ? parts[0] : l.make("CONCATENATION", parts, Type::int32, {static_cast<int64_t>(rank)}, {{"axis", 0, {}}});
}

// The axes of a Slice or Pad: an input, or the first `count`.
std::vector<int64_t> named_axes(Lowering& l, const Work& w, size_t i, size_t count) {
  std::vector<int64_t> axes(count);
  for (size_t a = 0; a < count; ++a) axes[a] = static_cast<int64_t>(a);
  if (!w.has(i)) return axes;
  const auto given = l.integers(w.in(i));
  if (!given) l.refuse("its axes are computed, and the order of a tensor's axes in the file is settled before");
  return *given;
}

// Where it begins, ends or how it steps is there when it runs; STRIDED_SLICE counts what is negative from the end and stops at it, as ONNX does.
void slice_when_it_runs(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  const Extents list = l.extents(w.in(1));
  if (list.size() != 1 || list[0] < 0) l.refuse("how many axes it slices is not known");
  if (rank > 5) l.refuse("the format's STRIDED_SLICE takes at most five axes");
  const auto axes = named_axes(l, w, 3, static_cast<size_t>(list[0]));
  const auto steps = w.has(4) ? l.integers(w.in(4)) : std::vector<int64_t>(axes.size(), 1);
  if (!steps || std::any_of(steps->begin(), steps->end(), [](int64_t s) { return s < 0; }))
    l.refuse("its steps are computed or negative: the format's STRIDED_SLICE cannot say that it ends before the first element");
  std::vector<int32_t> stride(rank, 1);
  int mask = (1 << rank) - 1;
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i] < 0 ? axes[i] + static_cast<int64_t>(rank) : axes[i]);
    stride[axis] = static_cast<int32_t>((*steps)[i]);
    mask &= ~(1 << axis);
  }
  const Type type = l.type(w.in(0));
  no_kernel_for(l, "STRIDED_SLICE", type, {Type::float32, Type::uint8, Type::int8, Type::int16, Type::int32, Type::int64, Type::boolean});
  const int32_t begin = per_axis(l, w.in(1), axes, rank, 0), end = per_axis(l, w.in(2), axes, rank, 0);
  l.define(w.out(),
           l.make("STRIDED_SLICE", {l.plain(w.in(0)), begin, end, l.ints(stride)}, type, l.extents(w.out()),
                  {{"begin_mask", static_cast<double>(mask), {}}, {"end_mask", static_cast<double>(mask), {}}}, quantization(l, w)),
           identity(rank));
}

void lower_slice(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  const auto starts = l.integers(w.in(1)), ends = l.integers(w.in(2));
  if (!starts || !ends) return slice_when_it_runs(l, w);
  std::vector<int64_t> axes(starts->size()), steps(starts->size(), 1);
  for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(i);
  if (w.has(3)) {
    const auto given = l.integers(w.in(3));
    if (!given) l.refuse("its axes are computed");
    axes = *given;
  }
  if (w.has(4)) {
    const auto given = l.integers(w.in(4));
    if (!given) l.refuse("its steps are computed");
    steps = *given;
  }
  const Order order = l.order_of(w.in(0));
  int32_t x = l.in_order(w.in(0), order);
  const Type type = l.type_of(x), in = type == Type::uint16 ? Type::int32 : type == Type::uint32 ? Type::int64 : type;
  x = l.cast(x, in);
  no_kernel_for(l, "STRIDED_SLICE", in, {Type::float32, Type::uint8, Type::int8, Type::int16, Type::int32, Type::int64, Type::boolean});
  const Extents e = l.extents(w.in(0));
  std::vector<int32_t> begin(rank, 0), end(rank, 0), stride(rank, 1);
  int begin_mask = 0, end_mask = 0;
  bool whole = true;
  for (size_t i = 0; i < rank; ++i) begin_mask |= 1 << i, end_mask |= 1 << i;
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i] < 0 ? axes[i] + static_cast<int64_t>(rank) : axes[i]);
    const auto at = static_cast<size_t>(held_axis(order, static_cast<int>(axis)));
    const int64_t extent = e[axis], step = steps[i];
    int64_t first = (*starts)[i], last = (*ends)[i];
    if (step == 0) l.refuse("its step is 0");
    whole = false;
    stride[at] = static_cast<int32_t>(step);
    begin_mask &= ~(1 << at);
    end_mask &= ~(1 << at);
    if (extent < 0) {  // open: only what counts from one end
      if (step != 1 || (last < 0 && last < -(1 << 30))) l.refuse("a slice of an open dimension goes forward by 1 only");
      begin[at] = static_cast<int32_t>(std::clamp<int64_t>(first, -(1 << 30), 1 << 30));
      end[at] = static_cast<int32_t>(std::clamp<int64_t>(last, -(1 << 30), 1 << 30));
      if (last >= 1 << 30) end_mask |= 1 << at;
      continue;
    }
    if (first < 0) first += extent;
    if (last < 0) last += extent;
    if (step > 0) {
      first = std::clamp<int64_t>(first, 0, extent), last = std::clamp<int64_t>(last, first, extent);
    } else {
      first = std::clamp<int64_t>(first, -1, extent - 1), last = std::clamp<int64_t>(last, -1, first);
      if (last < 0) end_mask |= 1 << at, last = 0;  // -1 would count from the end
    }
    begin[at] = static_cast<int32_t>(std::max<int64_t>(first, 0));
    end[at] = static_cast<int32_t>(last);
  }
  for (const int64_t d : l.extents(w.out()))
    if (d == 0) return l.define(w.out(), l.filled(l.type(w.out()), l.extents(w.out()), 0), identity(l.rank(w.out())));  // no kernel slices to nothing
  if (whole) return l.alias(w.out(), w.in(0));
  Extents to = permute(l.extents(w.out()), order);
  constexpr size_t most = 5;  // axes that the kernel takes; neighbours that stay whole become one
  if (rank > most) {
    const Extents from = l.extents_of(x);
    Extents narrow_from, narrow_to;
    std::vector<int32_t> narrow_begin, narrow_end, narrow_stride;
    int narrow_begins = 0, narrow_ends = 0;
    bool last_whole = false;
    for (size_t i = 0; i < rank; ++i) {
      if (from[i] < 0) l.refuse("a slice over more than five axes wants fixed shapes");
      const bool is_whole = from[i] == to[i] && stride[i] == 1;
      if (is_whole && last_whole) {
        narrow_from.back() *= from[i], narrow_to.back() *= to[i];
        continue;
      }
      last_whole = is_whole;
      const size_t at = narrow_from.size();
      if (is_whole || (begin_mask >> i & 1)) narrow_begins |= 1 << at;
      if (is_whole || (end_mask >> i & 1)) narrow_ends |= 1 << at;
      narrow_from.push_back(from[i]), narrow_to.push_back(to[i]);
      narrow_begin.push_back(begin[i]), narrow_end.push_back(end[i]), narrow_stride.push_back(stride[i]);
    }
    if (narrow_from.size() > most) l.refuse("the runtime's STRIDED_SLICE takes at most five axes");
    x = l.reshape(x, narrow_from);
    begin = narrow_begin, end = narrow_end, stride = narrow_stride, begin_mask = narrow_begins, end_mask = narrow_ends, to = narrow_to;
  }
  const int32_t y =
      l.make("STRIDED_SLICE", {x, l.ints(begin), l.ints(end), l.ints(stride)}, in, to,
             {{"begin_mask", static_cast<double>(begin_mask), {}}, {"end_mask", static_cast<double>(end_mask), {}}}, quantization(l, w));
  l.define(w.out(), l.reshape(l.cast(y, type), permute(l.extents(w.out()), order)), order);
}

// What it pads with is there when it runs: [2 * axes] becomes the [rank, 2] of PADV2.
void pad_when_it_runs(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  const Extents list = l.extents(w.in(1));
  if (w.node.text("mode", "constant") != "constant") l.refuse("its padding is computed, and what mirrors or repeats is made of places known before");
  if (list.size() != 1 || list[0] < 0) l.refuse("how many axes it pads is not known");
  if (rank > 4) l.refuse("the runtime's PAD takes at most four axes");
  const int64_t n = list[0] / 2;
  const auto axes = named_axes(l, w, 3, static_cast<size_t>(n));
  const Type type = l.type(w.in(0));
  no_kernel_for(l, "PADV2", type, {Type::float32, Type::int32, Type::int64});
  const int32_t all = l.plain(w.in(1));
  const auto half = [&](int64_t first) {
    const uint32_t part = l.new_value(l.value(w.in(1)).name + "_part", l.type_of(all), {n});
    l.define(part, l.slice(all, {first}, {n}), {0});
    return l.reshape(per_axis(l, part, axes, rank, 0), {static_cast<int64_t>(rank), 1});
  };
  const int32_t before = half(0), after = half(n);
  const int32_t pairs = l.make("CONCATENATION", {before, after}, Type::int32, {static_cast<int64_t>(rank), 2}, {{"axis", 1, {}}});
  const int32_t value = w.has(2) ? l.reshape(l.plain(w.in(2)), {1}) : l.filled(type, {1}, 0);
  l.define(w.out(), l.make("PADV2", {l.plain(w.in(0)), pairs, value}, type, l.extents(w.out())), identity(rank));
}

void lower_pad(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  const auto pads = l.integers(w.in(1));
  if (!pads) return pad_when_it_runs(l, w);
  std::vector<int64_t> axes(pads->size() / 2);
  for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(i);
  if (w.has(3)) {
    const auto given = l.integers(w.in(3));
    if (!given) l.refuse("its axes are computed");
    axes = *given;
  }
  const Order order = l.order_of(w.in(0));
  int32_t x = l.in_order(w.in(0), order);
  std::vector<int64_t> before(rank), after(rank);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto at = static_cast<size_t>(held_axis(order, static_cast<int>(axes[i] < 0 ? axes[i] + static_cast<int64_t>(rank) : axes[i])));
    before[at] = (*pads)[i];
    after[at] = (*pads)[i + axes.size()];
  }
  // What is cut off goes first.
  std::vector<int64_t> begin(rank, 0), size = l.extents_of(x);
  bool cut = false;
  for (size_t i = 0; i < rank; ++i) {
    if (before[i] >= 0 && after[i] >= 0) continue;
    if (size[i] < 0) l.refuse("it cuts off a part of an open dimension");
    cut = true;
    begin[i] = std::max<int64_t>(-before[i], 0);
    size[i] -= begin[i] + std::max<int64_t>(-after[i], 0);
    before[i] = std::max<int64_t>(before[i], 0);
    after[i] = std::max<int64_t>(after[i], 0);
  }
  if (cut) x = l.slice(x, begin, size);
  const std::string_view mode = w.node.text("mode", "constant");
  const Type type = l.type_of(x);
  if (mode == "constant") {
    double value = 0;
    if (w.has(2)) {
      const auto given = l.numbers(w.in(2));
      if (!given || given->empty()) l.refuse("the value it pads with is computed");
      value = (*given)[0];
    }
    if (w.quantized) return l.define(w.out(), l.pad(x, before, after, std::nullopt), order);
    no_kernel_for(l, "PADV2", type, {Type::float32, Type::int32, Type::int64});
    if (rank > 4) l.refuse("the runtime's PAD takes at most four axes");
    return l.define(w.out(), value == 0 ? l.pad(x, before, after, std::nullopt) : l.pad(x, before, after, value), order);
  }
  if (w.quantized) l.refuse("mirrored padding is not computed on integers here");
  const Extents e = l.extents_of(x);
  if (mode == "reflect") {
    no_kernel_for(l, "MIRROR_PAD", type, {Type::float32, Type::int32, Type::int64, Type::uint8, Type::int8});
    std::vector<int32_t> pairs;
    Extents to = e;
    for (size_t i = 0; i < rank; ++i) {
      pairs.push_back(static_cast<int32_t>(before[i]));
      pairs.push_back(static_cast<int32_t>(after[i]));
      if (e[i] >= 0 && std::max(before[i], after[i]) >= e[i]) l.refuse("it reflects more than there is, which the format's MIRROR_PAD does not");
      if (to[i] >= 0) to[i] += before[i] + after[i];
    }
    const int32_t amounts = l.constant<int32_t>(Type::int32, {static_cast<int64_t>(rank), 2}, pairs, {}, "paddings");
    return l.define(w.out(), l.make("MIRROR_PAD", {x, amounts}, type, to, {{"mode", 0, {}}}), order);
  }
  // Edges and wrapping: elements are gathered, axis after axis.
  no_kernel_for(l, "GATHER", type, {Type::float32, Type::uint8, Type::int8, Type::int16, Type::int32, Type::int64, Type::boolean});
  for (size_t i = 0; i < rank; ++i) {
    if (before[i] == 0 && after[i] == 0) continue;
    if (e[i] <= 0) l.refuse("padding from the edge wants a known extent");
    std::vector<int32_t> places;
    for (int64_t p = -before[i]; p < e[i] + after[i]; ++p)
      places.push_back(static_cast<int32_t>(mode == "wrap" ? ((p % e[i]) + e[i]) % e[i] : std::clamp<int64_t>(p, 0, e[i] - 1)));
    Extents to = l.extents_of(x);
    to[i] = static_cast<int64_t>(places.size());
    x = l.make("GATHER", {x, l.ints(places)}, type, to, {{"axis", static_cast<double>(i), {}}});
  }
  l.define(w.out(), x, order);
}

// The middle of what is too long, and zeros around what is too short.
void lower_center_crop_pad(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  const Order order = l.order_of(w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  const Type type = l.type_of(x);
  no_kernel_for(l, "PAD", type, {Type::float32, Type::int32, Type::int64});
  if (rank > 4) l.refuse("the runtime's PAD takes at most four axes");
  const Extents from = l.extents_of(x), to = permute(l.extents(w.out()), order);
  std::vector<int64_t> begin(rank, 0), size = from, before(rank, 0), after(rank, 0);
  for (size_t i = 0; i < rank; ++i) {
    if (from[i] < 0 || to[i] < 0) l.refuse("its extents are not known");
    if (to[i] < from[i]) {
      begin[i] = (from[i] - to[i]) / 2;
      size[i] = to[i];
    } else {
      before[i] = (to[i] - from[i]) / 2;
      after[i] = to[i] - from[i] - before[i];
    }
  }
  l.define(w.out(), l.pad(l.slice(x, begin, size), before, after, std::nullopt), order);
}

// The shape is there when it runs; of each axis the greater extent counts.
void expand_when_it_runs(Lowering& l, const Work& w) {
  const auto rank = static_cast<int64_t>(l.rank(w.out())), own = static_cast<int64_t>(l.rank(w.in(0)));
  const Extents list = l.extents(w.in(1));
  if (list.size() != 1 || list[0] < 0) l.refuse("the rank that it expands to is not known");
  if (rank > 8) l.refuse("the format's BROADCAST_TO takes at most eight axes");
  const auto full = [&](int32_t shape, int64_t n) {
    if (n == rank) return shape;
    const int32_t ones = l.filled(Type::int32, {rank - n}, 1);
    return n == 0 ? ones : l.make("CONCATENATION", {ones, shape}, Type::int32, {rank}, {{"axis", 0, {}}});
  };
  const int32_t x = l.plain(w.in(0)), wanted = full(l.cast(l.plain(w.in(1)), Type::int32), list[0]), has = full(l.shape_of(x), own);
  // Not the larger of the two: what holds one element may also become none.
  const int32_t shape = l.select(l.compare("EQUAL", has, l.filled(Type::int32, {1}, 1)), wanted, has);
  l.define(w.out(), l.make("BROADCAST_TO", {x, shape}, l.type_of(x), l.extents(w.out()), {}, quantization(l, w)),
           identity(static_cast<size_t>(rank)));
}

void lower_expand(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.out());
  const Extents to = l.extents(w.out());
  if (std::any_of(to.begin(), to.end(), [](int64_t e) { return e < 0; })) return expand_when_it_runs(l, w);
  const Order order = l.rank(w.in(0)) == rank ? l.order_of(w.in(0)) : identity(rank);
  const int32_t x = l.broadcastable(w.in(0), order);
  const Extents held = permute(to, order);
  if (l.extents_of(x) == held) return l.define(w.out(), x, order);
  std::vector<int32_t> shape(held.begin(), held.end());
  if (rank > 8) l.refuse("the format's BROADCAST_TO takes at most eight axes");
  l.define(w.out(), l.make("BROADCAST_TO", {x, l.ints(shape)}, l.type_of(x), held, {}, quantization(l, w)), order);
}

void lower_tile(Lowering& l, const Work& w) {
  const auto repeats = l.integers(w.in(1));
  if (!repeats) {
    const int32_t x = l.plain(w.in(0));
    no_kernel_for(l, "TILE", l.type_of(x), {Type::float32, Type::uint8, Type::int8, Type::int32, Type::int64, Type::boolean});
    const int32_t y = l.make("TILE", {x, l.cast(l.plain(w.in(1)), Type::int32)}, l.type_of(x), l.extents(w.out()), {}, quantization(l, w));
    return l.define(w.out(), y, identity(l.rank(w.out())));
  }
  const Order order = l.order_of(w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  no_kernel_for(l, "TILE", l.type_of(x), {Type::float32, Type::uint8, Type::int8, Type::int32, Type::int64, Type::boolean});
  std::vector<int32_t> times;
  for (const int axis : order) times.push_back(static_cast<int32_t>((*repeats)[static_cast<size_t>(axis)]));
  l.define(w.out(), l.make("TILE", {x, l.ints(times)}, l.type_of(x), permute(l.extents(w.out()), order), {}, quantization(l, w)), order);
}

// Blocks of channels to blocks of pixels. The format's order of the channels is DCR; CRD's are sorted first.
void lower_depth_to_space(Lowering& l, const Work& w) {
  const Order order = channels_last(4);
  int32_t x = l.in_order(w.in(0), order);
  no_kernel_for(l, "DEPTH_TO_SPACE", l.type_of(x), {Type::float32, Type::uint8, Type::int8, Type::int32, Type::int64});
  const int64_t block = w.node.integer("blocksize", 1), channels = l.extents(w.in(0))[1];
  if (w.node.text("mode", "DCR") == "CRD") {
    if (channels < 0) l.refuse("the number of its channels is not known");
    const int64_t to = channels / (block * block);
    std::vector<int32_t> places;
    for (int64_t b = 0; b < block * block; ++b)
      for (int64_t c = 0; c < to; ++c) places.push_back(static_cast<int32_t>(c * block * block + b));
    x = l.make("GATHER", {x, l.ints(places)}, l.type_of(x), l.extents_of(x), {{"axis", 3, {}}}, quantization(l, w));
  }
  l.emit("DEPTH_TO_SPACE", {x}, {l.result(w.out(), order)}).options = {{"block_size", static_cast<double>(block), {}}};
}

void lower_space_to_depth(Lowering& l, const Work& w) {
  const Order order = channels_last(4);
  const int32_t x = l.in_order(w.in(0), order);
  no_kernel_for(l, "SPACE_TO_DEPTH", l.type_of(x), {Type::float32, Type::uint8, Type::int8, Type::int32, Type::int64});
  l.emit("SPACE_TO_DEPTH", {x}, {l.result(w.out(), order)}).options = {{"block_size", static_cast<double>(w.node.integer("blocksize", 1)), {}}};
}

void lower_reverse_sequence(Lowering& l, const Work& w) {
  const int32_t x = l.plain(w.in(0));
  no_kernel_for(l, "REVERSE_SEQUENCE", l.type_of(x), {Type::float32, Type::uint8, Type::int16, Type::int32, Type::int64});
  l.emit("REVERSE_SEQUENCE", {x, l.plain(w.in(1))}, {l.result(w.out(), identity(l.rank(w.out())))}).options = {
      {"seq_dim", static_cast<double>(w.node.integer("time_axis", 0)), {}}, {"batch_dim", static_cast<double>(w.node.integer("batch_axis", 1)), {}}};
}

const LowerRule rules[] = {{"CenterCropPad", lower_center_crop_pad},
                           {"Concat", lower_concat},
                           {"DepthToSpace", lower_depth_to_space},
                           {"Expand", lower_expand},
                           {"Flatten", lower_reshape},
                           {"Pad", lower_pad},
                           {"Reshape", lower_reshape},
                           {"ReverseSequence", lower_reverse_sequence},
                           {"Slice", lower_slice},
                           {"SpaceToDepth", lower_space_to_depth},
                           {"Split", lower_split},
                           {"Squeeze", lower_reshape},
                           {"Tile", lower_tile},
                           {"Transpose", lower_transpose},
                           {"Unsqueeze", lower_reshape}};

}  // namespace

std::span<const LowerRule> movement_rules() { return rules; }

}  // namespace lathe::tflite
