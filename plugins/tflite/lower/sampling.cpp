// Values between the elements of an image: GridSample, RoiAlign, DeformConv as GATHER of the neighbours times their weights; AffineGrid.
#include <algorithm>
#include <cmath>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

// One neighbour along an axis: its place (int32, inside the image) and its weight (float32; none: 1), both [points].
struct Tap {
  Expression place;
  std::optional<Expression> weight;
};

Expression floored(Expression x) { return x.call("FLOOR"); }
Expression inside(Expression x, int64_t extent) { return minimum(maximum(x, 0), static_cast<double>(extent - 1)); }

// What counts only where `place` lies inside the image.
Tap zero_outside(Expression place, std::optional<Expression> weight, int64_t extent) {
  Lowering& l = *place.lowering;
  const Expression kept = inside(place, extent);
  const Expression there = place.with(l.cast(l.compare("EQUAL", place.tensor, kept.tensor), Type::float32));
  return {place.with(l.cast(kept.tensor, Type::int32)), weight ? *weight * there : there};
}
Tap tap_inside(Expression place, std::optional<Expression> weight, int64_t extent) {
  return {place.with(place.lowering->cast(inside(place, extent).tensor, Type::int32)), weight};
}

std::vector<Tap> linear_taps(Expression x, int64_t extent, bool zeros) {
  const Expression whole = floored(x), rest = x - whole;
  const auto tap = zeros ? zero_outside : tap_inside;
  return {tap(whole, 1 - rest, extent), tap(whole + 1, rest, extent)};
}

// Rows of `image` [rows, channels]: the sum over all neighbours. `axes` are taps per axis with that axis' stride in rows, `begin` [points] where
// counting starts.
Expression sampled(Lowering& l, int32_t image, const std::vector<std::pair<std::vector<Tap>, int64_t>>& axes, std::optional<Expression> begin,
                   bool largest = false) {
  const int64_t points = l.extents_of(axes[0].first[0].place.tensor)[0], channels = l.extents_of(image)[1];
  std::optional<Expression> sum;
  std::vector<size_t> at(axes.size(), 0);
  for (;;) {
    std::optional<Expression> place = begin, weight;
    for (size_t a = 0; a < axes.size(); ++a) {
      const Tap& tap = axes[a].first[at[a]];
      const Expression step = tap.place * static_cast<double>(axes[a].second);
      place = place ? *place + step : step;
      if (tap.weight) weight = weight ? *weight * *tap.weight : *tap.weight;
    }
    Expression value{&l, l.make("GATHER", {image, place->tensor}, Type::float32, {points, channels}, {{"axis", 0, {}}})};
    if (weight) value = value * value.with(l.reshape(weight->tensor, {points, 1}));
    sum = !sum ? value : largest ? maximum(*sum, value) : *sum + value;
    size_t a = axes.size();
    while (a > 0 && ++at[a - 1] == axes[a - 1].first.size()) at[--a] = 0;
    if (a == 0) return *sum;
  }
}

void known(const Lowering& l, uint32_t id) {
  for (const int64_t d : l.extents(id))
    if (d < 0) l.refuse("the shape of '" + l.value(id).name + "' is open, and the places of neighbours are counted before");
  if (l.type(id) != Type::float32) l.refuse(std::string("the runtime's arithmetic has no kernel for ") + name(l.type(id)));
}

int64_t product(const Extents& e, size_t begin, size_t end) {
  int64_t n = 1;
  for (size_t i = begin; i < end; ++i) n *= e[i];
  return n;
}

// The image [N, C, ...] as rows of channels.
int32_t rows_of(Lowering& l, uint32_t id) {
  const Extents e = l.extents(id);
  return l.reshape(l.in_order(id, channels_last(e.size())), {e[0] * product(e, 2, e.size()), e[1]});
}

// Where each point's item begins among the rows: int32 [items * points].
Expression beginnings(Lowering& l, int64_t items, int64_t points, int64_t rows) {
  std::vector<int32_t> begin;
  for (int64_t n = 0; n < items; ++n) begin.insert(begin.end(), static_cast<size_t>(points), static_cast<int32_t>(n * rows));
  return {&l, l.constant<int32_t>(Type::int32, {items * points}, std::move(begin), {}, "items")};
}

void lower_grid_sample(Lowering& l, const Work& w) {
  known(l, w.in(0));
  known(l, w.in(1));
  const Extents image = l.extents(w.in(0)), grid = l.extents(w.in(1));
  const size_t n = image.size() - 2;
  const int64_t points = product(grid, 1, grid.size() - 1), total = image[0] * points;
  const bool corners = w.node.integer("align_corners", 0) != 0;
  const std::string_view mode = w.node.text("mode", "linear"), padding = w.node.text("padding_mode", "zeros");
  const int32_t places = l.reshape(l.plain(w.in(1)), {total, static_cast<int64_t>(n)});
  const auto padded = [&](Expression x, int64_t extent) {
    if (padding == "border") return inside(x, extent);
    if (padding != "reflection") return x;
    const double low = corners ? 0 : -0.5, range = corners ? static_cast<double>(extent - 1) : static_cast<double>(extent);
    if (range == 0) return x * 0;
    const Expression distance = absolute(x - low), rest = x.with(l.binary("FLOOR_MOD", distance.tensor, x.number(2 * range).tensor));
    const Expression back = (low + 2 * range) - rest;
    return inside(select(greater(rest, range), back, rest + low), extent);
  };
  std::vector<std::pair<std::vector<Tap>, int64_t>> axes;
  for (size_t a = 0; a < n; ++a) {
    const int64_t extent = image[a + 2];
    const Expression normal{&l, l.reshape(l.slice(places, {0, static_cast<int64_t>(n - 1 - a)}, {total, 1}), {total})};
    const Expression x = corners ? (normal + 1) / 2 * static_cast<double>(extent - 1) : ((normal + 1) * static_cast<double>(extent) - 1) / 2;
    const bool zeros = padding == "zeros";
    const auto tap = zeros ? zero_outside : tap_inside;
    std::vector<Tap> taps;
    if (mode == "nearest") {
      taps.push_back(tap(padded(x, extent).call("ROUND"), std::nullopt, extent));
    } else if (mode == "cubic" || mode == "bicubic") {  // Keys, "Cubic convolution interpolation", 1981, a = -0.75
      constexpr double f = -0.75;
      const Expression whole = floored(x), rest = x - whole;
      for (int i = -1; i < 3; ++i) {
        const Expression d = absolute(rest - static_cast<double>(i));
        const Expression weight = i == 0 || i == 1 ? polynomial(d, {1, 0, -(f + 3), f + 2}) : polynomial(d, {-4 * f, 8 * f, -5 * f, f});
        taps.push_back(tap(padded(whole + static_cast<double>(i), extent).call("ROUND"), weight, extent));
      }
    } else {
      taps = linear_taps(padded(x, extent), extent, zeros);
    }
    axes.emplace_back(std::move(taps), product(image, a + 3, image.size()));
  }
  const Expression y = sampled(l, rows_of(l, w.in(0)), axes, beginnings(l, image[0], points, product(image, 2, image.size())));
  const Order order = channels_last(image.size());
  l.define(w.out(), l.reshape(y.tensor, permute(l.extents(w.out()), order)), order);
}

void lower_affine_grid(Lowering& l, const Work& w) {
  const auto size = l.integers(w.in(1));
  if (!size) l.refuse("its size is computed, and the shape of the result with it");
  known(l, w.in(0));
  const size_t n = size->size() - 2;
  const bool corners = w.node.integer("align_corners", 0) != 0;
  const int64_t points = product(*size, 2, size->size()), items = (*size)[0];
  std::vector<float> base;
  for (int64_t p = 0; p < points; ++p) {
    std::vector<float> place(n + 1, 1);
    int64_t rest = p;
    for (size_t a = n; a-- > 0;) {
      const int64_t extent = (*size)[a + 2], i = rest % extent;
      rest /= extent;
      const auto whole = static_cast<double>(std::max<int64_t>(extent - 1, 1));
      place[n - 1 - a] = static_cast<float>(corners ? 2.0 * static_cast<double>(i) / whole - 1
                                                    : (2.0 * static_cast<double>(i) + 1) / static_cast<double>(extent) - 1);
    }
    base.insert(base.end(), place.begin(), place.end());
  }
  const int32_t places = l.constant<float>(Type::float32, {1, points, static_cast<int64_t>(n) + 1}, std::move(base), {}, "places");
  const int32_t y = l.make("BATCH_MATMUL", {places, l.plain(w.in(0))}, Type::float32, {items, points, static_cast<int64_t>(n)}, {{"adj_y", 1, {}}});
  l.define(w.out(), l.reshape(y, l.extents(w.out())), identity(l.rank(w.out())));
}

// He and others, "Mask R-CNN", 2017: bins sampled at points of a regular grid. Mode max takes the largest of the weighted corners.
void lower_roi_align(Lowering& l, const Work& w) {
  known(l, w.in(0));
  known(l, w.in(1));
  const Extents image = l.extents(w.in(0));
  const int64_t regions = l.extents(w.in(1))[0], channels = image[1], height = image[2], width = image[3];
  const int64_t rows = w.node.integer("output_height", 1), columns = w.node.integer("output_width", 1), given = w.node.integer("sampling_ratio", 0);
  const bool shifted = w.node.text("coordinate_transformation_mode", "half_pixel") == "half_pixel", largest = w.node.text("mode", "avg") == "max";
  const double scale = w.node.real("spatial_scale", 1), shift = shifted ? 0.5 : 0;
  const auto constant = l.numbers(w.in(1));
  if (given <= 0 && !constant)
    l.refuse("how many points it samples depends on regions that are computed, and the format's shapes are settled before");
  const int32_t rows_of_image = rows_of(l, w.in(0));
  const int32_t all = l.plain(w.in(1)), batches = l.cast(l.plain(w.in(2)), Type::int32);
  // Regions from `first` on, all with as many points per bin.
  const auto align = [&](int64_t first, int64_t count, int64_t down, int64_t across) {
    const auto column = [&](int64_t i) { return Expression{&l, l.slice(all, {first, i}, {count, 1})} * scale - shift; };
    const auto places = [&](Expression from, Expression to, int64_t bins, int64_t points) {  // [count, bins * points]
      Expression size = to - from;
      if (!shifted) size = maximum(size, 1);
      std::vector<float> at;
      for (int64_t b = 0; b < bins; ++b)
        for (int64_t p = 0; p < points; ++p)
          at.push_back(static_cast<float>((static_cast<double>(b) + (static_cast<double>(p) + 0.5) / static_cast<double>(points)) /
                                          static_cast<double>(bins)));
      return from + size * size.with(l.constant<float>(Type::float32, {1, bins * points}, std::move(at), {}, "points"));
    };
    const int64_t v_count = rows * down, u_count = columns * across, points = count * v_count * u_count;
    const auto spread = [&](Expression x, bool vertical) {  // to every point: [points]
      const Extents e = vertical ? Extents{count, v_count, 1} : Extents{count, 1, u_count};
      const Expression zero{&l, l.filled(Type::float32, {1, v_count, u_count}, 0)};
      return x.with(l.reshape((x.with(l.reshape(x.tensor, e)) + zero).tensor, {points}));
    };
    const auto taps = [&](Expression x, int64_t extent) {
      const Expression kept = inside(x, extent), whole = floored(kept), rest = kept - whole;
      // Beyond one element outside the image nothing counts.
      const Expression near = minimum(maximum(x, -1), static_cast<double>(extent));
      const Expression there = x.with(l.cast(l.compare("EQUAL", x.tensor, near.tensor), Type::float32));
      return std::vector<Tap>{tap_inside(whole, (1 - rest) * there, extent), tap_inside(whole + 1, rest * there, extent)};
    };
    const Expression v = spread(places(column(1), column(3), rows, down), true), u = spread(places(column(0), column(2), columns, across), false);
    Expression item = Expression{&l, l.reshape(l.slice(batches, {first}, {count}), {count, 1})} * static_cast<double>(height * width);
    item = item + item.with(l.filled(Type::int32, {1, v_count * u_count}, 0));
    const Expression y =
        sampled(l, rows_of_image, {{taps(v, height), width}, {taps(u, width), 1}}, item.with(l.reshape(item.tensor, {points})), largest);
    const int32_t bins = l.reshape(y.tensor, {count * rows, down, columns, across, channels});
    const int32_t part = l.reduce(largest ? "REDUCE_MAX" : "MEAN", l.reduce(largest ? "REDUCE_MAX" : "MEAN", bins, {3}, false), {1}, false);
    return l.reshape(part, {count, rows, columns, channels});
  };
  int32_t y;
  if (given > 0) {
    y = align(0, regions, given, given);
  } else {
    std::vector<int32_t> parts;
    for (int64_t r = 0; r < regions; ++r) {
      const auto points = [&](size_t low, int64_t bins) {
        double size =
            static_cast<float>((*constant)[static_cast<size_t>(r) * 4 + low + 2] * scale - ((*constant)[static_cast<size_t>(r) * 4 + low] * scale));
        if (!shifted) size = std::max(size, 1.0);
        return std::max<int64_t>(static_cast<int64_t>(std::ceil(size / static_cast<double>(bins))), 1);
      };
      parts.push_back(align(r, 1, points(1, rows), points(0, columns)));
    }
    y = parts.size() == 1 ? parts[0] : l.make("CONCATENATION", parts, Type::float32, {regions, rows, columns, channels}, {{"axis", 0, {}}});
  }
  l.define(w.out(), y, channels_last(4));
}

// Dai and others, "Deformable Convolutional Networks", 2017: every tap of the kernel is sampled where its offset says.
void lower_deform_conv(Lowering& l, const Work& w) {
  for (size_t i = 0; i < 3; ++i) known(l, w.in(i));
  const Extents image = l.extents(w.in(0)), weights = l.extents(w.in(1)), out = l.extents(w.out());
  if (image.size() != 4) l.refuse("it has another number of spatial axes than two");
  const int64_t items = image[0], channels = image[1], outputs = weights[0], taps = weights[2] * weights[3], area = out[2] * out[3],
                points = items * area;
  const int64_t groups = w.node.integer("group", 1), offset_groups = w.node.integer("offset_group", 1), per_group = channels / offset_groups;
  const auto strides = w.node.integers("strides", {1, 1}), dilations = w.node.integers("dilations", {1, 1}),
             pads = w.node.integers("pads", {0, 0, 0, 0});
  const int32_t offsets = l.in_order(w.in(2), channels_last(4)), masks = w.has(4) ? l.in_order(w.in(4), channels_last(4)) : -1;
  const auto channel = [&](int32_t x, int64_t c) {
    return Expression{&l, l.reshape(l.slice(x, {0, 0, 0, c}, {items, out[2], out[3], 1}), {points})};
  };
  const int32_t rows = rows_of(l, w.in(0));
  const Expression begin = beginnings(l, items, area, image[2] * image[3]);
  std::vector<int32_t> columns;  // per tap: [points, 1, channels]
  for (int64_t t = 0; t < taps; ++t) {
    std::vector<int32_t> parts;
    for (int64_t g = 0; g < offset_groups; ++g) {
      const auto axis = [&](size_t a) {
        std::vector<float> base;
        const int64_t k = a == 0 ? t / weights[3] : t % weights[3];
        for (int64_t n = 0; n < items; ++n)
          for (int64_t p = 0; p < area; ++p)
            base.push_back(static_cast<float>((a == 0 ? p / out[3] : p % out[3]) * strides[a] - pads[a] + k * dilations[a]));
        const Expression x = channel(offsets, (g * taps + t) * 2 + static_cast<int64_t>(a));
        return linear_taps(x + x.with(l.constant<float>(Type::float32, {points}, std::move(base), {}, "taps")), image[a + 2], true);
      };
      const int32_t own = l.slice(rows, {0, g * per_group}, {items * image[2] * image[3], per_group});
      Expression value = sampled(l, own, {{axis(0), image[3]}, {axis(1), 1}}, begin);
      if (masks >= 0) value = value * value.with(l.reshape(channel(masks, g * taps + t).tensor, {points, 1}));
      parts.push_back(value.tensor);
    }
    const int32_t all = parts.size() == 1 ? parts[0] : l.make("CONCATENATION", parts, Type::float32, {points, channels}, {{"axis", 1, {}}});
    columns.push_back(l.reshape(all, {points, 1, channels}));
  }
  const int32_t patches =
      columns.size() == 1 ? columns[0] : l.make("CONCATENATION", columns, Type::float32, {points, taps, channels}, {{"axis", 1, {}}});
  const int32_t kernel = l.transpose(l.reshape(l.plain(w.in(1)), {outputs, channels / groups, taps}), {0, 2, 1});  // [outputs, taps, channels]
  std::vector<int32_t> results;
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t in = channels / groups, made = outputs / groups;
    const int32_t x = l.reshape(l.slice(patches, {0, 0, g * in}, {points, taps, in}), {points, taps * in});
    const int32_t by = l.reshape(l.slice(kernel, {g * made, 0, 0}, {made, taps, in}), {made, taps * in});
    results.push_back(l.make("BATCH_MATMUL", {x, by}, Type::float32, {points, made}, {{"adj_y", 1, {}}}));
  }
  Expression y{&l, results.size() == 1 ? results[0] : l.make("CONCATENATION", results, Type::float32, {points, outputs}, {{"axis", 1, {}}})};
  if (w.has(3)) y = y + y.with(l.plain(w.in(3)));
  l.define(w.out(), l.reshape(y.tensor, permute(out, channels_last(4))), channels_last(4));
}

const LowerRule rules[] = {
    {"AffineGrid", lower_affine_grid}, {"DeformConv", lower_deform_conv}, {"GridSample", lower_grid_sample}, {"RoiAlign", lower_roi_align}};

}  // namespace

std::span<const LowerRule> sampling_rules() { return rules; }

}  // namespace lathe::tflite
