// Moving elements without computing: transposing, joining, cutting, padding, blocks.
#include <algorithm>

#include "families.hpp"

namespace lathe::openvino {
namespace {

Dimensions declared(const Step& s, size_t i = 0) {
  const sdk::ValueView value = s.node.output_value(i);
  return value.has_rank() ? Dimensions(value.shape()) : std::nullopt;
}

void transpose(Step& s) {
  std::vector<int64_t> order = s.node.integers("perm");
  if (order.empty())
    for (int64_t i = s.rank(0); i-- > 0;) order.push_back(i);
  s.out(0, s.transpose(s.in(0), order));
}

void concat(Step& s) {
  std::vector<Wire> parts;
  for (size_t i = 0; i < s.inputs(); ++i) parts.push_back(s.in(i));
  if (parts.size() == 1) return s.out(0, parts[0]);
  s.out(0, s.concat(parts, s.node.integer("axis", 0)));
}

void split(Step& s) {
  const Wire x = s.in(0);
  const int64_t axis = s.axis(s.node.integer("axis", 0), s.rank(0));
  const size_t count = s.node.get().output_count;
  const int64_t whole = (*x.dimensions)[static_cast<size_t>(axis)];
  std::vector<Dimensions> out;
  for (size_t i = 0; i < count; ++i) {
    out.push_back(x.dimensions);
    (*out.back())[static_cast<size_t>(axis)] = -1;
    if (s.wants(i) && declared(s, i)) out.back() = declared(s, i);
  }
  std::vector<Wire> parts;
  const auto lengths = s.has(1) ? s.known_integers(1) : std::nullopt;
  const bool even = !s.has(1) ? whole >= 0 && whole % static_cast<int64_t>(count) == 0
                              : lengths && std::all_of(lengths->begin(), lengths->end(), [&](int64_t n) { return n == lengths->front(); });
  if (even) {
    for (Dimensions& d : out)
      if (whole >= 0) (*d)[static_cast<size_t>(axis)] = whole / static_cast<int64_t>(count);
    parts = s.make_many("Split", {x, s.index(axis)}, {{"num_splits", std::to_string(count)}}, out);
  } else {
    Wire sizes;
    if (s.has(1)) {
      sizes = s.in(1);
    } else {
      if (whole < 0) s.refuse("Split without lengths wants a known size to divide");
      const int64_t n = static_cast<int64_t>(count), each = (whole + n - 1) / n;
      std::vector<int64_t> list(count, each);
      list.back() = whole - each * (n - 1);
      sizes = s.indices(list);
      for (size_t i = 0; i < count; ++i) (*out[i])[static_cast<size_t>(axis)] = list[i];
    }
    parts = s.make_many("VariadicSplit", {x, s.index(axis), sizes}, {}, out);
  }
  for (size_t i = 0; i < count; ++i) s.out(i, parts[i]);
}

void slice(Step& s) {
  const Wire x = s.in(0), start = s.in(1), stop = s.in(2);
  std::vector<Wire> inputs = {x, start, stop};
  if (s.has(4)) {  // steps stand before axes there
    inputs.push_back(s.in(4));
  } else {
    if (!start.has_rank() || (*start.dimensions)[0] < 0) s.refuse("how many axes it cuts is not known");
    const std::vector<double> ones(static_cast<size_t>((*start.dimensions)[0]), 1.0);
    inputs.push_back(s.floats(start.type, {(*start.dimensions)[0]}, ones));
  }
  if (s.has(3)) inputs.push_back(s.in(3));
  s.out(0, s.make({"Slice", 8}, inputs, {}, declared(s)));
}

void pad(Step& s) {
  const Wire x = s.in(0);
  const std::string_view mode = s.node.text("mode", "constant");
  if (mode == "wrap") s.refuse("Pad of the IR repeats edges, reflects or fills; it has no mode that wraps around");
  const int64_t rank = s.rank(0);
  Wire begin, end;
  bool negative = false;
  if (const auto given = s.known_integers(1)) {
    std::vector<int64_t> axes;
    if (s.has(3)) {
      axes = s.integers(3, "its axes");
    } else {
      for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
    }
    if (given->size() != 2 * axes.size()) s.refuse("it has not two pads for each axis");
    std::vector<int64_t> front(static_cast<size_t>(rank), 0), back = front;
    for (size_t i = 0; i < axes.size(); ++i) {
      front[static_cast<size_t>(s.axis(axes[i], rank))] = (*given)[i];
      back[static_cast<size_t>(s.axis(axes[i], rank))] = (*given)[axes.size() + i];
    }
    for (const int64_t p : *given) negative = negative || p < 0;
    begin = s.indices(front), end = s.indices(back);
  } else {
    const Wire pads = s.in(1);
    const int64_t count = pads.has_rank() ? (*pads.dimensions)[0] / 2 : rank;
    if (pads.has_rank() && (*pads.dimensions)[0] < 0) s.refuse("how many axes it pads is only known when it runs");
    begin = s.slice(pads, {0}, {count}, {1}, {0});
    end = s.slice(pads, {count}, {2 * count}, {1}, {0});
    if (s.has(3)) {
      // Those of the named axes, among zeros.
      Wire axes = s.convert(s.in(3), LATHE_INT64);
      const Wire below = s.make("Less", {axes, s.index(0)}, {{"auto_broadcast", "numpy"}});
      const Wire moved = s.make("Add", {axes, s.index(rank)}, {{"auto_broadcast", "numpy"}});
      axes = s.make("Select", {below, moved, axes}, {{"auto_broadcast", "numpy"}}, axes.dimensions);
      const Wire zeros = s.indices(std::vector<int64_t>(static_cast<size_t>(rank), 0));
      begin = s.make("ScatterElementsUpdate", {zeros, axes, begin, s.index(0)});
      end = s.make("ScatterElementsUpdate", {zeros, axes, end, s.index(0)});
    }
    negative = true;  // who knows
  }
  std::vector<Wire> inputs = {x, begin, end};
  if (mode == "constant") {
    Wire value = s.has(2) ? s.in(2) : s.scalar(x.type, 0);
    if (value.has_rank() && value.rank() == 1) value = s.squeeze(value, {0});
    inputs.push_back(value);
  }
  s.out(0, s.make({"Pad", negative ? 12 : 1}, inputs, {{"pad_mode", std::string(mode)}}, declared(s)));
}

void depth_to_space(Step& s) {
  s.out(0,
        s.make("DepthToSpace", {s.in(0)},
               {{"mode", s.node.text("mode", "DCR") == "CRD" ? "depth_first" : "blocks_first"}, {"block_size", text(s.node.integer("blocksize", 1))}},
               declared(s)));
}
void space_to_depth(Step& s) {
  s.out(0, s.make("SpaceToDepth", {s.in(0)}, {{"mode", "blocks_first"}, {"block_size", text(s.node.integer("blocksize", 1))}}, declared(s)));
}

void reverse_sequence(Step& s) {
  s.out(0, s.make("ReverseSequence", {s.in(0), s.in(1)},
                  {{"batch_axis", text(s.node.integer("batch_axis", 1))}, {"seq_axis", text(s.node.integer("time_axis", 0))}}));
}

void column_to_image(Step& s) {
  const size_t axes = s.integers(2, "its block").size();
  if (axes != 2) s.refuse("Col2Im of the IR puts pictures together, that is two axes");
  const std::vector<int64_t> pads = s.node.integers("pads", {0, 0, 0, 0});
  s.out(0, s.make("Col2Im", {s.in(0), s.in(1), s.in(2)},
                  {{"strides", text(s.node.integers("strides", {1, 1}))},
                   {"dilations", text(s.node.integers("dilations", {1, 1}))},
                   {"pads_begin", text(std::vector<int64_t>{pads[0], pads[1]})},
                   {"pads_end", text(std::vector<int64_t>{pads[2], pads[3]})}},
                  declared(s)));
}

// Cut or padded evenly around the middle, axis by axis.
void center(Step& s) {
  const Wire x = s.in(0);
  const int64_t rank = s.rank(0);
  const std::vector<int64_t> wanted = s.integers(1, "the wanted shape");
  std::vector<int64_t> axes = s.node.integers("axes");
  if (axes.empty())
    for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  std::vector<int64_t> start, stop, along, front(static_cast<size_t>(rank), 0), back = front;
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = s.axis(axes[i], rank), size = (*x.dimensions)[static_cast<size_t>(axis)];
    if (size < 0) s.refuse("the size of an axis that it cuts or pads is open");
    const int64_t surplus = size - wanted[i];
    if (surplus > 0) {
      along.push_back(axis), start.push_back(surplus / 2), stop.push_back(surplus / 2 + wanted[i]);
    } else {
      front[static_cast<size_t>(axis)] = -surplus / 2;
      back[static_cast<size_t>(axis)] = -surplus - -surplus / 2;
    }
  }
  Wire y = along.empty() ? x : s.slice(x, start, stop, std::vector<int64_t>(along.size(), 1), along);
  if (std::any_of(back.begin(), back.end(), [](int64_t p) { return p > 0; }))
    y = s.make("Pad", {y, s.indices(front), s.indices(back), s.scalar(x.type, 0)}, {{"pad_mode", "constant"}}, declared(s));
  s.out(0, y);
}

constexpr Writer writers[] = {
    {"CenterCropPad", Means::decomposition, center},
    {"Col2Im", Means::exact, column_to_image},
    {"Concat", Means::exact, concat},
    {"DepthToSpace", Means::exact, depth_to_space},
    {"Pad", Means::exact, pad},
    {"ReverseSequence", Means::exact, reverse_sequence},
    {"Slice", Means::exact, slice},
    {"SpaceToDepth", Means::exact, space_to_depth},
    {"Split", Means::exact, split},
    {"Transpose", Means::exact, transpose},
};

}  // namespace

std::span<const Writer> movement_writers() { return writers; }

}  // namespace lathe::openvino
