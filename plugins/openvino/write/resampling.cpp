// Sampling at computed places: Resize as products with weights, grids of affine maps, sampling of volumes.
#include "resampling.hpp"

#include <algorithm>
#include <cmath>

#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

// Arithmetic on wires of one type.
struct Arithmetic {
  Step& s;
  int32_t type;

  Wire number(double x) const { return s.scalar(type, x); }
  Wire op(const char* name, const Wire& a, const Wire& b) const {
    Attributes attributes = {numpy};
    if (name == std::string_view("Divide")) attributes.push_back({"m_pythondiv", "true"});
    return s.make(name, {a, b}, attributes);
  }
  Wire add(const Wire& a, const Wire& b) const { return op("Add", a, b); }
  Wire sub(const Wire& a, const Wire& b) const { return op("Subtract", a, b); }
  Wire mul(const Wire& a, const Wire& b) const { return op("Multiply", a, b); }
  Wire div(const Wire& a, const Wire& b) const { return op("Divide", a, b); }
  Wire add(const Wire& a, double b) const { return op("Add", a, number(b)); }
  Wire mul(const Wire& a, double b) const { return op("Multiply", a, number(b)); }
  Wire select(const Wire& test, const Wire& a, const Wire& b) const {
    return s.make("Select", {test, a, b}, {numpy}, broadcast(test.dimensions, broadcast(a.dimensions, b.dimensions)));
  }
  Wire clamp(const Wire& x, double low, double high) const { return op("Minimum", op("Maximum", x, number(low)), number(high)); }
  Wire count(int64_t from, int64_t size) const {
    std::vector<double> list;
    for (int64_t i = 0; i < size; ++i) list.push_back(static_cast<double>(from + i));
    return s.floats(type, {size}, list);
  }
};

struct Side {
  int64_t place = 0, from = 0, to = 0;  // in the node's list of axes; sizes
  Wire scale;
};

// Where in the data each element of the result lies, along one axis: [to].
Wire places(const Arithmetic& a, const Side& side, size_t axes, const std::string& transform) {
  Step& s = a.s;
  const double from = static_cast<double>(side.from), to = static_cast<double>(side.to);
  const Wire i = a.count(0, side.to);
  if (transform == "align_corners") return a.mul(i, side.to > 1 ? (from - 1) / (to - 1) : 0);
  if (transform == "tf_crop_and_resize") {
    const Wire region = s.convert(s.in(1), a.type);
    const Wire start = s.gather(region, s.index(side.place), 0), end = s.gather(region, s.index(side.place + static_cast<int64_t>(axes)), 0);
    if (side.to == 1) return s.reshape(a.mul(a.add(start, end), 0.5 * (from - 1)), {1});
    return a.add(a.mul(start, from - 1), a.mul(a.mul(i, a.sub(end, start)), (from - 1) / (to - 1)));
  }
  if (transform == "asymmetric") return a.div(i, side.scale);
  const Wire middle = a.div(a.add(i, 0.5), side.scale);
  if (transform == "tf_half_pixel_for_nn") return middle;
  const Wire half = a.add(middle, -0.5);
  if (transform == "pytorch_half_pixel") return side.to > 1 ? half : a.mul(half, 0);
  if (transform == "half_pixel_symmetric") {
    // What was cut off by rounding the size is taken from both ends alike.
    const Wire kept = a.div(a.number(to), a.mul(side.scale, from));
    return a.add(half, a.mul(a.sub(a.number(1), kept), from / 2));
  }
  return half;
}

// The weight of each element of the (padded) data in each element of the result: [to, from + 2 padding].
Wire weights(const Arithmetic& a, const Wire& at, const Side& side, int64_t padding) {
  Step& s = a.s;
  const std::string_view mode = s.node.text("mode", "nearest");
  const Wire row = s.unsqueeze(a.count(-padding, side.from + 2 * padding), {0});
  if (mode == "nearest") {
    const std::string_view rule = s.node.text("nearest_mode", "round_prefer_floor");
    const Wire moved = rule == "round_prefer_floor" ? a.add(at, -0.5) : rule == "round_prefer_ceil" ? a.add(at, 0.5) : at;
    const Wire nearest = s.make(rule == "round_prefer_floor" || rule == "ceil" ? "Ceiling" : "Floor", {moved});
    const Wire same = a.op("Equal", s.unsqueeze(a.clamp(nearest, 0, static_cast<double>(side.from - 1)), {1}), row);
    return s.convert(same, a.type);
  }
  const bool smooth = s.node.integer("antialias", 0) != 0, outside = s.node.integer("exclude_outside", 0) != 0;
  const bool linear = mode == "linear";
  const Wire held = linear && !smooth ? a.clamp(at, 0, static_cast<double>(side.from - 1)) : at;
  Wire distance = s.make("Abs", {a.sub(s.unsqueeze(held, {1}), row)});
  // Smoothing widens the window by what the picture shrinks.
  if (smooth) distance = a.mul(distance, a.op("Minimum", side.scale, a.number(1)));
  Wire w;
  if (linear) {
    w = a.op("Maximum", a.sub(a.number(1), distance), a.number(0));
  } else {
    const double c = s.node.real("cubic_coeff_a", -0.75f);
    const auto polynomial = [&](double p3, double p2, double p1, double p0) {
      return a.add(a.mul(a.add(a.mul(a.add(a.mul(distance, p3), p2), distance), p1), distance), p0);
    };
    const Wire near = polynomial(c + 2, -(c + 3), 0, 1), far = polynomial(c, -5 * c, 8 * c, -4 * c);
    const Wire beyond = a.select(a.op("Less", distance, a.number(2)), far, a.number(0));
    w = a.select(a.op("LessEqual", distance, a.number(1)), near, beyond);
  }
  return smooth || outside ? a.div(w, s.reduce("ReduceSum", w, {1}, true)) : w;
}

// data with `axis` multiplied by weights [to, from].
Wire product(Step& s, const Wire& data, const Wire& matrix, int64_t axis) {
  const int64_t rank = data.rank();
  if (axis == rank - 1) return s.matmul(data, matrix, false, true);
  if (axis == rank - 2) return s.matmul(matrix, data);
  std::vector<int64_t> order;
  for (int64_t i = 0; i < rank; ++i) order.push_back(i);
  std::swap(order[static_cast<size_t>(axis)], order.back());
  return s.transpose(s.matmul(s.transpose(data, order), matrix, false, true), order);
}

}  // namespace

std::optional<double> kept_scale(const Step& s) {
  const std::string_view policy = s.node.text("keep_aspect_ratio_policy", "stretch");
  const auto sizes = s.known_integers(3);
  if (policy == "stretch" || !sizes) return std::nullopt;
  const Wire x = s.in(0);
  std::vector<int64_t> axes = s.node.integers("axes");
  if (axes.empty())
    for (int64_t i = 0; i < s.rank(0); ++i) axes.push_back(i);
  std::optional<double> scale;
  for (size_t i = 0; i < axes.size() && i < sizes->size(); ++i) {
    const int64_t from = (*x.dimensions)[static_cast<size_t>(s.axis(axes[i], s.rank(0)))];
    if (from < 1) return std::nullopt;
    const double own = static_cast<double>((*sizes)[i]) / static_cast<double>(from);
    scale = !scale ? own : policy == "not_larger" ? std::min(*scale, own) : std::max(*scale, own);
  }
  return scale;
}

void resample(Step& s) {
  const Wire x = s.in(0);
  const int64_t rank = s.rank(0);
  const std::string transform(s.node.text("coordinate_transformation_mode", "half_pixel"));
  const std::string_view mode = s.node.text("mode", "nearest");
  const bool smooth = s.node.integer("antialias", 0) != 0, cubic = mode == "cubic", crops = transform == "tf_crop_and_resize";
  std::vector<int64_t> axes = s.node.integers("axes");
  if (axes.empty())
    for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  const sdk::ValueView result = s.node.output_value(0);
  if (!x.is_static() || !result.has_static_shape())
    s.refuse("Interpolate of the IR has no such form, and the products in its place want known sizes");
  const auto kept = kept_scale(s);
  if (!kept && s.has(3) && s.node.text("keep_aspect_ratio_policy", "stretch") != "stretch")
    s.refuse("Interpolate of the IR has no such form, and the products in its place want known sizes");
  const Arithmetic a{s, LATHE_FLOAT32};
  Wire y = s.convert(x, a.type), beyond;
  for (size_t k = 0; k < axes.size(); ++k) {
    const int64_t axis = s.axis(axes[k], rank);
    Side side{static_cast<int64_t>(k), (*x.dimensions)[static_cast<size_t>(axis)], result.shape()[static_cast<size_t>(axis)], {}};
    if (side.from == side.to && s.has(3) && !crops && !kept) continue;
    side.scale = kept       ? a.number(*kept)
                 : s.has(3) ? a.number(static_cast<double>(side.to) / static_cast<double>(side.from))
                            : s.gather(s.convert(s.exact(2), a.type), s.index(side.place), 0);
    // Neighbours beyond the ends repeat the last element, unless they are excluded.
    int64_t padding = 0;
    if ((cubic || smooth) && mode != "nearest" && s.node.integer("exclude_outside", 0) == 0) {
      const double shrunk = smooth ? std::max(1.0, static_cast<double>(side.from + 1) / static_cast<double>(side.to)) : 1;
      padding = static_cast<int64_t>(std::ceil((cubic ? 2 : 1) * shrunk)) + 2;
      std::vector<int64_t> pads(static_cast<size_t>(rank), 0);
      pads[static_cast<size_t>(axis)] = padding;
      Dimensions wider = y.dimensions;
      (*wider)[static_cast<size_t>(axis)] += 2 * padding;
      y = s.make("Pad", {y, s.indices(pads), s.indices(pads)}, {{"pad_mode", "edge"}}, wider);
    }
    const Wire at = places(a, side, axes.size(), transform);
    y = product(s, y, weights(a, at, side, padding), axis);
    if (!crops) continue;
    const Wire low = a.op("Less", at, a.number(0)), high = a.op("Greater", at, a.number(static_cast<double>(side.from - 1)));
    std::vector<int64_t> shape(static_cast<size_t>(rank), 1);
    shape[static_cast<size_t>(axis)] = side.to;
    const Wire out = s.reshape(s.make("LogicalOr", {low, high}, {numpy}), shape);
    beyond = beyond.has_rank() ? s.make("LogicalOr", {beyond, out}, {numpy}) : out;
  }
  if (beyond.has_rank()) y = a.select(beyond, a.number(s.node.real("extrapolation_value", 0)), y);
  s.out(0, x.type == LATHE_BOOL ? s.make("NotEqual", {y, a.number(0)}, {numpy}) : s.convert(y, x.type));
}

namespace {

// theta: [N, n, n + 1]; out: [N, sizes..., n].
void affine_grid(Step& s) {
  const Wire theta = s.in(0), size = s.convert(s.in(1), LATHE_INT64);
  if (!theta.has_rank() || theta.rank() != 3 || (*theta.dimensions)[1] < 0)
    s.refuse("whether its maps are those of pictures or of volumes is not known");
  const int64_t n = (*theta.dimensions)[1];
  const bool corners = s.node.integer("align_corners", 0) != 0;
  const Arithmetic a{s, theta.type};
  std::vector<Wire> parts;
  const Wire whole = s.slice(size, {2}, {2 + n}, {1}, {0});
  const Dimensions open = std::vector<int64_t>(static_cast<size_t>(n), -1);
  for (int64_t i = n; i-- > 0;) {
    const Wire count = s.gather(size, s.index(2 + i), 0), real = s.convert(count, a.type);
    const Wire numbers = s.convert(s.make("Range", {s.index(0), count, s.index(1)}, {{"output_type", "i64"}}, std::vector<int64_t>{-1}), a.type);
    const Wire at = corners ? a.add(a.div(a.mul(numbers, 2), a.op("Maximum", a.add(real, -1), a.number(1))), -1)
                            : a.add(a.div(a.add(a.mul(numbers, 2), 1), real), -1);
    std::vector<int64_t> shape(static_cast<size_t>(n), 1);
    shape[static_cast<size_t>(i)] = -1;
    const Wire along = s.make("Reshape", {at, s.indices(shape)}, {{"special_zero", "false"}}, shape);
    parts.push_back(s.unsqueeze(s.broadcast_to(along, whole, open), {n}));
  }
  parts.push_back(s.unsqueeze(s.broadcast_to(a.number(1), whole, open), {n}));
  const Wire base = s.reshape(s.concat(parts, n), {-1, n + 1});
  const Wire grid = s.matmul(base, theta, false, true);  // [places, n + 1] with [N, n, n + 1]
  const Wire shape = s.concat({s.gather(size, s.indices({0}), 0), whole, s.indices({n})}, 0);
  const sdk::ValueView result = s.node.output_value(0);
  std::vector<int64_t> dimensions(static_cast<size_t>(n) + 2, -1);
  dimensions.back() = n;
  s.out(0, s.make("Reshape", {grid, shape}, {{"special_zero", "false"}}, result.has_rank() ? Dimensions(result.shape()) : dimensions));
}

constexpr Writer writers[] = {{"AffineGrid", Means::decomposition, affine_grid}};

}  // namespace

// GridSample of volumes: data [N, C, D, H, W], grid [N, d, h, w, 3]; the elements around each place, gathered and weighed.
void sample_volume(Step& s) {
  const Wire grid = s.in(1);
  const int32_t own = s.in(0).type;
  // Truth values and integers are weighed as real numbers.
  const bool real = own == LATHE_FLOAT32 || own == LATHE_FLOAT64 || own == LATHE_FLOAT16 || own == LATHE_BFLOAT16;
  const Wire x = real ? s.in(0) : s.convert(s.in(0), grid.type);
  const std::string_view mode = s.node.text("mode", "linear"), padding = s.node.text("padding_mode", "zeros");
  const bool corners = s.node.integer("align_corners", 0) != 0, nearest = mode == "nearest";
  if (mode == "cubic") s.refuse("GridSample of the IR takes pictures, that is four axes, and so does ONNX's in the mode cubic");
  if (s.rank(0) != 5 || !grid.has_rank()) s.refuse("GridSample of the IR takes pictures, that is four axes");
  const Arithmetic a{s, grid.type};
  const Wire sizes = s.shape_of(x), points = s.shape_of(grid);
  std::vector<Wire> at, top;
  for (int64_t i = 0; i < 3; ++i) {
    const Wire size = s.convert(s.gather(sizes, s.index(2 + i), 0), a.type), last = a.add(size, -1);
    const Wire given = s.gather(grid, s.index(2 - i), 4);  // x, y, z
    Wire place = corners ? a.mul(a.mul(a.add(given, 1), last), 0.5) : a.mul(a.add(a.mul(a.add(given, 1), size), -1), 0.5);
    if (padding == "reflection") {
      // Between the middles of the first and last element, or their outer edges.
      const double low = corners ? 0 : -0.5;
      const Wire span = corners ? last : size, whole = a.op("Maximum", span, a.number(1e-30));
      const Wire moved = s.make("Abs", {a.add(place, -low)});
      const Wire turn = a.op("FloorMod", moved, a.mul(whole, 2));
      place = a.add(a.sub(span, s.make("Abs", {a.sub(turn, span)})), low);
    }
    if (padding != "zeros") place = a.op("Minimum", a.op("Maximum", place, a.number(0)), last);
    at.push_back(place);
    top.push_back(last);
  }
  const auto list = [&](const Wire& v, const Wire& shape, int64_t channels) {
    return s.make("Reshape", {v, shape}, {{"special_zero", "false"}}, std::vector<int64_t>{-1, channels, -1});
  };
  const Wire batch = s.gather(sizes, s.indices({0}), 0), channels = s.gather(sizes, s.indices({1}), 0);
  const Wire flat = s.concat({batch, channels, s.indices({-1})}, 0), one = s.concat({batch, s.indices({1, -1})}, 0);
  const Wire data = list(x, flat, (*x.dimensions)[1]);
  const Wire number = s.reduce("ReduceProd", s.slice(points, {1}, {4}, {1}, {0}), {0}, true);
  const Wire wanted = s.concat({batch, channels, number}, 0);
  Wire sum;
  for (int corner = 0; corner < (nearest ? 1 : 8); ++corner) {
    Wire index, weight, inside;
    for (size_t i = 0; i < 3; ++i) {
      const bool upper = (corner >> i & 1) != 0;
      Wire cell = nearest ? s.make("Round", {at[i]}, {{"mode", "half_to_even"}}) : s.make("Floor", {at[i]});
      if (!nearest) {
        const Wire part = a.sub(at[i], cell), w = upper ? part : a.sub(a.number(1), part);
        weight = i == 0 ? w : a.mul(weight, w);
        if (upper) cell = a.add(cell, 1);
      }
      const Wire held = a.op("Minimum", a.op("Maximum", cell, a.number(0)), top[i]);
      const Wire within = a.op("Equal", held, cell);
      inside = i == 0 ? within : s.make("LogicalAnd", {inside, within}, {numpy});
      const Wire whole = s.convert(held, LATHE_INT64);
      const Wire scaled = i == 0 ? whole : s.make("Multiply", {index, s.gather(sizes, s.index(2 + static_cast<int64_t>(i)), 0)}, {numpy});
      index = i == 0 ? whole : s.make("Add", {scaled, whole}, {numpy});
    }
    const Wire positions = s.broadcast_to(list(index, one, 1), wanted, std::vector<int64_t>{-1, (*x.dimensions)[1], -1});
    Wire picked = s.make("GatherElements", {data, positions}, {{"axis", "2"}}, positions.dimensions);
    if (!nearest) picked = s.make("Multiply", {picked, s.convert(list(weight, one, 1), x.type)}, {numpy});
    // Beyond the volume there is 0. A corner whose weight is 0 may lie there too.
    picked = s.make("Select", {list(inside, one, 1), picked, s.scalar(x.type, 0)}, {numpy}, picked.dimensions);
    sum = corner == 0 ? picked : s.make("Add", {sum, picked}, {numpy});
  }
  const sdk::ValueView result = s.node.output_value(0);
  const Wire shape = s.concat({batch, channels, s.slice(points, {1}, {4}, {1}, {0})}, 0);
  const Wire y = s.make("Reshape", {sum, shape}, {{"special_zero", "false"}},
                        result.has_rank() ? Dimensions(result.shape()) : Dimensions(std::vector<int64_t>(5, -1)));
  s.out(0, own == LATHE_BOOL ? s.make("NotEqual", {y, s.scalar(y.type, 0)}, {numpy}) : s.convert(y, own));
}

std::span<const Writer> resampling_writers() { return writers; }

}  // namespace lathe::openvino
