// Moving elements without computing: transposing, joining, cutting, padding, blocks.
#include <algorithm>

#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

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
  // An axis that counts from the front is one of any rank.
  const int64_t given = s.node.integer("axis", 0), axis = given >= 0 ? given : s.axis(given, s.rank(0));
  const size_t count = s.node.get().output_count;
  const int64_t whole = x.has_rank() ? (*x.dimensions)[static_cast<size_t>(axis)] : -1;
  std::vector<Dimensions> out;
  for (size_t i = 0; i < count; ++i) {
    out.push_back(x.dimensions);
    if (out.back()) (*out.back())[static_cast<size_t>(axis)] = -1;
    if (s.wants(i) && declared(s, i)) out.back() = declared(s, i);
  }
  std::vector<Wire> parts;
  const auto lengths = s.has(1) ? s.known_integers(1) : std::nullopt;
  const bool even = count == 1 || !s.has(1)
                        ? count == 1 || (whole >= 0 && whole % static_cast<int64_t>(count) == 0)
                        : lengths && std::all_of(lengths->begin(), lengths->end(), [&](int64_t n) { return n == lengths->front(); });
  if (even) {
    for (Dimensions& d : out)
      if (whole >= 0 && d) (*d)[static_cast<size_t>(axis)] = whole / static_cast<int64_t>(count);
    parts = s.make_many("Split", {x, s.index(axis)}, {{"num_splits", std::to_string(count)}}, out);
  } else {
    Wire sizes;
    if (s.has(1)) {
      sizes = s.in(1);
    } else {
      const int64_t n = static_cast<int64_t>(count);
      if (whole < 0) {
        // Rounded up, and the last one is what is left.
        const Wire size = s.gather(s.shape_of(x), s.indices({axis}), 0);
        const Wire each = s.make("Divide", {s.make("Add", {size, s.index(n - 1)}, {numpy}), s.index(n)}, {numpy, {"m_pythondiv", "true"}});
        sizes = s.concat({s.broadcast_to(each, s.indices({n - 1}), std::vector<int64_t>{n - 1}), s.indices({-1})}, 0);
      } else {
        const int64_t each = (whole + n - 1) / n;
        std::vector<int64_t> list(count, each);
        list.back() = whole - each * (n - 1);
        sizes = s.indices(list);
        for (size_t i = 0; i < count; ++i) (*out[i])[static_cast<size_t>(axis)] = list[i];
      }
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
      const Wire below = s.make("Less", {axes, s.index(0)}, {numpy});
      const Wire moved = s.make("Add", {axes, s.index(rank)}, {numpy});
      axes = s.make("Select", {below, moved, axes}, {numpy}, axes.dimensions);
      const Wire zeros = s.indices(std::vector<int64_t>(static_cast<size_t>(rank), 0));
      begin = s.make("ScatterElementsUpdate", {zeros, axes, begin, s.index(0)});
      end = s.make("ScatterElementsUpdate", {zeros, axes, end, s.index(0)});
    }
    negative = true;  // who knows
  }
  if (mode == "wrap") {
    // Pad has no such mode: along each axis the elements at the positions -begin to size + end, modulo the size.
    Wire y = x;
    for (int64_t i = 0; i < rank; ++i) {
      const Wire size = s.gather(s.shape_of(y), s.index(i), 0);
      const Wire first = s.make("Negative", {s.gather(begin, s.index(i), 0)});
      const Wire last = s.make("Add", {size, s.gather(end, s.index(i), 0)}, {numpy});
      const Wire places = s.make("Range", {first, last, s.index(1)}, {{"output_type", "i64"}}, std::vector<int64_t>{-1});
      y = s.gather(y, s.make("FloorMod", {places, size}, {numpy}, std::vector<int64_t>{-1}), i);
    }
    return s.out(0, y);
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

// Col2Im has two axes. Over another number of them: a transposed convolution in which each position of the block has a channel of its own and one 1
// among its weights. Data [N, C * block, places].
void put_together(Step& s, size_t axes) {
  if (axes > 3) s.refuse("Col2Im of the IR has two axes, and the convolution in its place at most three");
  const int32_t own = s.in(0).type;
  const bool real = own == LATHE_FLOAT32 || own == LATHE_FLOAT64 || own == LATHE_FLOAT16 || own == LATHE_BFLOAT16;
  const Wire x = real ? s.in(0) : s.convert(s.in(0), LATHE_FLOAT64);  // convolutions are those of real numbers
  const Wire image = s.convert(s.in(1), LATHE_INT64), block = s.convert(s.in(2), LATHE_INT64);
  const std::vector<int64_t> strides = s.node.integers("strides", std::vector<int64_t>(axes, 1)), ones(axes, 1);
  const std::vector<int64_t> dilations = s.node.integers("dilations", std::vector<int64_t>(axes, 1));
  const std::vector<int64_t> pads = s.node.integers("pads", std::vector<int64_t>(2 * axes, 0));
  const std::vector<int64_t> begin(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(axes)),
      end(pads.begin() + static_cast<std::ptrdiff_t>(axes), pads.end());
  const Dimensions list = std::vector<int64_t>{static_cast<int64_t>(axes)};
  std::vector<int64_t> both;
  for (size_t i = 0; i < axes; ++i) both.push_back(begin[i] + end[i]);
  const auto op = [&](const char* type, const Wire& a, const Wire& b) {
    Attributes attributes = {numpy};
    if (type == std::string_view("Divide")) attributes.push_back({"m_pythondiv", "true"});
    return s.make(type, {a, b}, attributes, list);
  };
  // Places along each axis: (image + pads - dilation * (block - 1) - 1) / stride + 1.
  const Wire reach = op("Multiply", op("Subtract", block, s.indices(ones)), s.indices(dilations));
  const Wire room = op("Subtract", op("Subtract", op("Add", image, s.indices(both)), reach), s.indices(ones));
  const Wire places = op("Add", op("Divide", room, s.indices(strides)), s.indices(ones));
  const Wire size = s.reduce("ReduceProd", block, {0}, false), column = s.unsqueeze(size, {0});
  const Wire eye = s.make("Eye", {size, size, s.index(0)}, {{"output_type", "f32"}}, std::vector<int64_t>{-1, -1});
  std::vector<int64_t> open(axes + 2, -1), result = open;
  open[1] = 1;
  const auto reshape = [&](const Wire& data, const Wire& shape, const Dimensions& dimensions) {
    return s.make("Reshape", {data, shape}, {{"special_zero", "false"}}, dimensions);
  };
  const Wire weights = reshape(s.convert(eye, x.type), s.concat({column, s.indices({1}), block}, 0), open);
  const Wire data = reshape(x, s.concat({s.indices({-1}), column, places}, 0), std::vector<int64_t>(axes + 2, -1));
  result[1] = 1;
  const Wire y = s.make("ConvolutionBackpropData", {data, weights},
                        {{"strides", text(strides)},
                         {"dilations", text(dilations)},
                         {"pads_begin", text(begin)},
                         {"pads_end", text(end)},
                         {"auto_pad", "explicit"},
                         {"output_padding", text(std::vector<int64_t>(axes, 0))}},
                        result);
  // What no place reaches, behind the last one, is 0.
  const Wire whole = s.slice(s.shape_of(y), {2}, {static_cast<int64_t>(axes) + 2}, {1}, {0});
  const Wire missing = s.concat({s.indices({0, 0}), op("Subtract", image, whole)}, 0);
  const Wire zeros = s.indices(std::vector<int64_t>(axes + 2, 0));
  const Wire padded = s.make("Pad", {y, zeros, missing, s.scalar(x.type, 0)}, {{"pad_mode", "constant"}}, result);
  const Wire batch = s.gather(s.shape_of(x), s.indices({0}), 0);
  s.out(0, s.convert(reshape(padded, s.concat({batch, s.indices({-1}), image}, 0), declared(s)), own));
}

void column_to_image(Step& s) {
  const Wire block = s.in(2);
  if (!block.has_rank() || (*block.dimensions)[0] < 0) s.refuse("the number of its axes is not known");
  if ((*block.dimensions)[0] != 2) return put_together(s, static_cast<size_t>((*block.dimensions)[0]));
  const std::vector<int64_t> pads = s.node.integers("pads", {0, 0, 0, 0});
  s.out(0, s.make("Col2Im", {s.in(0), s.in(1), s.in(2)},
                  {{"strides", text(s.node.integers("strides", {1, 1}))},
                   {"dilations", text(s.node.integers("dilations", {1, 1}))},
                   {"pads_begin", text(std::vector<int64_t>{pads[0], pads[1]})},
                   {"pads_end", text(std::vector<int64_t>{pads[2], pads[3]})}},
                  declared(s)));
}

// The same from sizes that are known when it runs: half of what is too much is cut in front, half of what is missing is added there.
void center_computed(Step& s, const std::vector<int64_t>& axes) {
  const Wire x = s.in(0), wanted = s.convert(s.in(1), LATHE_INT64);
  const int64_t rank = x.rank();
  const Dimensions list = std::vector<int64_t>{static_cast<int64_t>(axes.size())}, all = std::vector<int64_t>{rank};
  const auto op = [&](const char* type, const Wire& a, const Wire& b) { return s.make(type, {a, b}, {numpy}, list); };
  const auto half = [&](const Wire& a) { return s.make("Divide", {a, s.index(2)}, {numpy, {"m_pythondiv", "true"}}, list); };
  const Wire sizes = s.gather(s.shape_of(x), s.indices(axes), 0);
  const Wire surplus = op("Maximum", op("Subtract", sizes, wanted), s.index(0)), missing = op("Maximum", op("Subtract", wanted, sizes), s.index(0));
  const Wire start = half(surplus), stop = op("Add", start, op("Minimum", sizes, wanted));
  const Wire ones = s.indices(std::vector<int64_t>(axes.size(), 1)), zeros = s.indices(std::vector<int64_t>(static_cast<size_t>(rank), 0));
  Dimensions open = x.dimensions;
  for (const int64_t a : axes) (*open)[static_cast<size_t>(a)] = -1;
  const Wire cut = s.make({"Slice", 8}, {x, start, stop, ones, s.indices(axes)}, {}, open);
  const auto spread = [&](const Wire& pads) { return s.make("ScatterElementsUpdate", {zeros, s.indices(axes), pads, s.index(0)}, {}, all); };
  const Wire front = half(missing), back = op("Subtract", missing, front);
  s.out(0, s.make("Pad", {cut, spread(front), spread(back), s.scalar(x.type, 0)}, {{"pad_mode", "constant"}}, declared(s)));
}

// Cut or padded evenly around the middle, axis by axis.
void center(Step& s) {
  const Wire x = s.in(0);
  const int64_t rank = s.rank(0);
  std::vector<int64_t> axes = s.node.integers("axes");
  if (axes.empty())
    for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  for (int64_t& a : axes) a = s.axis(a, rank);
  const auto known = s.known_integers(1);
  if (!known || std::any_of(axes.begin(), axes.end(), [&](int64_t a) { return (*x.dimensions)[static_cast<size_t>(a)] < 0; }))
    return center_computed(s, axes);
  const std::vector<int64_t>& wanted = *known;
  std::vector<int64_t> start, stop, along, front(static_cast<size_t>(rank), 0), back = front;
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = s.axis(axes[i], rank), size = (*x.dimensions)[static_cast<size_t>(axis)];
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
