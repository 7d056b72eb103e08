// Resize: the format's own where it computes the same, else gathered (nearest) or as a product with a matrix per axis (linear, cubic).
#include <algorithm>
#include <cmath>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

struct Axis {
  int64_t in, out;
  double scale;
};

// Where an output element lies in the input, by ONNX's coordinate_transformation_mode.
double place(const Axis& a, int64_t x, std::string_view mode, double roi_start, double roi_end) {
  const double at = static_cast<double>(x);
  if (mode == "align_corners") return a.out == 1 ? 0 : at * static_cast<double>(a.in - 1) / (static_cast<double>(a.in) * a.scale - 1);
  if (mode == "asymmetric") return at / a.scale;
  if (mode == "pytorch_half_pixel") return a.out > 1 ? (at + 0.5) / a.scale - 0.5 : 0;
  if (mode == "half_pixel_symmetric") {
    const double adjust = static_cast<double>(a.out) / (static_cast<double>(a.in) * a.scale);
    const double center = static_cast<double>(a.in) / 2, offset = center * (1 - adjust);
    return offset + (at + 0.5) / a.scale - 0.5;
  }
  if (mode == "tf_crop_and_resize")
    return a.out > 1 ? roi_start * static_cast<double>(a.in - 1) +
                           at * (roi_end - roi_start) * static_cast<double>(a.in - 1) / static_cast<double>(a.out - 1)
                     : 0.5 * (roi_start + roi_end) * static_cast<double>(a.in - 1);
  return (at + 0.5) / a.scale - 0.5;
}

int64_t nearest(double at, std::string_view mode) {
  if (mode == "floor") return static_cast<int64_t>(std::floor(at));
  if (mode == "ceil") return static_cast<int64_t>(std::ceil(at));
  if (mode == "round_prefer_ceil") return static_cast<int64_t>(std::floor(at + 0.5));
  return static_cast<int64_t>(std::ceil(at - 0.5));
}

// What TFLite's RESIZE_NEAREST_NEIGHBOR takes, in float32 as its kernel.
int64_t nearest_of_format(const Axis& a, int64_t x, bool align_corners, bool half_pixel) {
  const float scale = align_corners && a.out > 1 ? static_cast<float>(a.in - 1) / static_cast<float>(a.out - 1)
                                                 : static_cast<float>(a.in) / static_cast<float>(a.out);
  const float at = (static_cast<float>(x) + (half_pixel ? 0.5f : 0.0f)) * scale;
  int64_t to = align_corners ? static_cast<int64_t>(std::round(at)) : static_cast<int64_t>(std::floor(at));
  to = std::min(to, a.in - 1);
  return half_pixel ? std::max<int64_t>(to, 0) : to;
}

// Row `x` of the matrix that makes an output element from the input's.
using Row = std::vector<double>;
Row weights_of(const Axis& a, double at, const sdk::NodeView& node) {
  const bool cubic = node.text("mode", "nearest") == "cubic", antialias = node.integer("antialias", 0) != 0,
             exclude = node.integer("exclude_outside", 0) != 0;
  const double c = node.real("cubic_coeff_a", -0.75f), shrink = antialias ? std::min(a.scale, 1.0) : 1.0;
  const auto weight = [&](double d) {
    d = std::fabs(d) * shrink;
    if (!cubic) return std::max(1 - d, 0.0);
    if (d <= 1) return (c + 2) * d * d * d - (c + 3) * d * d + 1;
    return d < 2 ? c * d * d * d - 5 * c * d * d + 8 * c * d - 4 * c : 0.0;
  };
  const double reach = (cubic ? 2 : 1) / shrink;
  Row row(static_cast<size_t>(a.in));
  double sum = 0;
  for (auto i = static_cast<int64_t>(std::floor(at - reach)); i <= static_cast<int64_t>(std::ceil(at + reach)); ++i) {
    const double v = weight(at - static_cast<double>(i));
    const bool outside = i < 0 || i >= a.in;
    if (v == 0 || (outside && exclude)) continue;
    row[static_cast<size_t>(std::clamp<int64_t>(i, 0, a.in - 1))] += v;
    sum += v;
  }
  if (exclude || antialias)
    for (double& v : row) v /= sum;
  return row;
}

// What TFLite's RESIZE_BILINEAR computes.
Row bilinear_of_format(const Axis& a, int64_t x, bool align_corners, bool half_pixel) {
  const double scale = align_corners && a.out > 1 ? static_cast<double>(a.in - 1) / static_cast<double>(a.out - 1)
                                                  : static_cast<double>(a.in) / static_cast<double>(a.out);
  const double at = half_pixel ? (static_cast<double>(x) + 0.5) * scale - 0.5 : static_cast<double>(x) * scale;
  const double low = std::floor(at);
  Row row(static_cast<size_t>(a.in));
  row[static_cast<size_t>(std::clamp<int64_t>(static_cast<int64_t>(low), 0, a.in - 1))] += 1 - (at - low);
  row[static_cast<size_t>(std::clamp<int64_t>(static_cast<int64_t>(low) + 1, 0, a.in - 1))] += at - low;
  return row;
}

bool close(const Row& a, const Row& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (std::fabs(a[i] - b[i]) > 1e-6) return false;
  return true;
}

// The axis as the last of a product with the matrix, then back.
int32_t along(Lowering& l, int32_t x, size_t axis, const std::vector<Row>& matrix) {
  const Extents e = l.extents_of(x);
  Order order = identity(e.size());
  order.erase(order.begin() + static_cast<std::ptrdiff_t>(axis));
  order.push_back(static_cast<int>(axis));
  const int32_t moved = l.transpose(x, order);
  std::vector<float> elements;
  for (const Row& row : matrix) elements.insert(elements.end(), row.begin(), row.end());
  const auto out = static_cast<int64_t>(matrix.size());
  const int32_t by = l.constant<float>(Type::float32, {out, e[axis]}, std::move(elements), {}, "interpolation");
  const int32_t none = l.constant<float>(Type::float32, {out}, std::vector<float>(static_cast<size_t>(out)), {}, "no_bias");
  Extents to = l.extents_of(moved);
  to.back() = out;
  const int32_t y = l.make("FULLY_CONNECTED", {moved, by, none}, Type::float32, to, {{"keep_num_dims", to.size() > 2 ? 1.0 : 0.0, {}}});
  return l.transpose(y, inverse(order));
}

// Height and width are open and grow by whole factors: the size is computed when it runs. Whether the format's operator does the same is
// seen on extents made up for the purpose, since the places do not depend on them.
bool resize_open(Lowering& l, const Work& w) {
  const sdk::NodeView& n = w.node;
  const auto scales = w.has(2) ? l.numbers(w.in(2)) : std::nullopt;
  const std::string_view mode = n.text("mode", "nearest"), transform = n.text("coordinate_transformation_mode", "half_pixel");
  if (l.rank(w.in(0)) != 4 || !scales || mode == "cubic" || transform == "align_corners" || transform == "tf_crop_and_resize") return false;
  std::vector<double> factors(4, 1);
  const auto axes = n.integers("axes", {0, 1, 2, 3});
  for (size_t i = 0; i < axes.size() && i < scales->size(); ++i) factors[static_cast<size_t>(axes[i] < 0 ? axes[i] + 4 : axes[i])] = (*scales)[i];
  if (factors[0] != 1 || factors[1] != 1) return false;
  for (const double f : factors)
    if (f != std::floor(f) || f < 1) return false;
  constexpr int64_t made_up = 11;
  for (const bool half : {false, true}) {
    bool equal = true;
    for (size_t i = 2; i < 4; ++i) {
      const Axis a{made_up, made_up * static_cast<int64_t>(factors[i]), factors[i]};
      for (int64_t x = 0; x < a.out && equal; ++x) {
        const double at = place(a, x, transform, 0, 1);
        if (mode == "nearest")
          equal = nearest_of_format(a, x, false, half) == std::clamp<int64_t>(nearest(at, n.text("nearest_mode", "round_prefer_floor")), 0, a.in - 1);
        else
          equal = close(bilinear_of_format(a, x, false, half), weights_of(a, at, n));
      }
    }
    if (!equal) continue;
    const Order order = channels_last(4);
    const int32_t x = l.in_order(w.in(0), order);
    const int32_t shape = l.make("SHAPE", {x}, Type::int32, {4}, {{"out_type", static_cast<double>(Type::int32), {}}});
    const int32_t by = l.constant<int32_t>(Type::int32, {2}, {static_cast<int32_t>(factors[2]), static_cast<int32_t>(factors[3])});
    const int32_t size = l.binary("MUL", l.slice(shape, {1}, {2}), by);
    l.emit(mode == "nearest" ? "RESIZE_NEAREST_NEIGHBOR" : "RESIZE_BILINEAR", {x, size}, {l.result(w.out(), order)}).options = {
        {"align_corners", 0, {}}, {"half_pixel_centers", half ? 1.0 : 0.0, {}}};
    return true;
  }
  return false;
}

void lower_resize(Lowering& l, const Work& w) {
  const sdk::NodeView& n = w.node;
  const size_t rank = l.rank(w.in(0));
  const Extents in = l.extents(w.in(0)), out = l.extents(w.out());
  for (size_t i = 0; i < rank; ++i)
    if (in[i] < 0 || out[i] < 0) {
      if (in[i] == out[i] && i < 2) continue;  // open, and not resized
      if (resize_open(l, w)) return;
      l.refuse("the extents it resizes from or to are not known, and the format's are settled before");
    }
  const std::string_view mode = n.text("mode", "nearest"), transform = n.text("coordinate_transformation_mode", "half_pixel");
  std::vector<int64_t> axes = n.integers("axes");
  if (axes.empty())
    for (size_t i = 0; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  for (int64_t& a : axes) a = a < 0 ? a + static_cast<int64_t>(rank) : a;
  const auto scales = w.has(2) ? l.numbers(w.in(2)) : std::nullopt, roi = w.has(1) ? l.numbers(w.in(1)) : std::nullopt;
  if (!w.has(3) && !scales) l.refuse("its scales are computed, and the places it reads with them");
  std::vector<Axis> all(rank);
  std::vector<double> roi_start(rank, 0), roi_end(rank, 1);
  for (size_t i = 0; i < rank; ++i) all[i] = {in[i], out[i], in[i] > 0 ? static_cast<double>(out[i]) / static_cast<double>(in[i]) : 1};
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    if (scales && scales->size() == axes.size()) all[axis].scale = (*scales)[i];
    if (roi && roi->size() == 2 * axes.size()) roi_start[axis] = (*roi)[i], roi_end[axis] = (*roi)[i + axes.size()];
  }
  const std::string_view policy = n.text("keep_aspect_ratio_policy", "stretch");
  if (w.has(3) && policy != "stretch") {
    const auto sizes = l.integers(w.in(3));
    if (!sizes || sizes->size() != axes.size()) l.refuse("the sizes it resizes to are computed");
    double common = policy == "not_larger" ? 1e30 : 0;
    for (size_t i = 0; i < axes.size(); ++i) {
      const double ratio = static_cast<double>((*sizes)[i]) / static_cast<double>(in[static_cast<size_t>(axes[i])]);
      common = policy == "not_larger" ? std::min(common, ratio) : std::max(common, ratio);
    }
    for (const int64_t axis : axes) all[static_cast<size_t>(axis)].scale = common;
  }
  if (transform == "tf_crop_and_resize") {
    for (size_t i = 0; i < rank; ++i)
      for (int64_t x = 0; x < out[i]; ++x) {
        const double at = place(all[i], x, transform, roi_start[i], roi_end[i]);
        if (at < 0 || at > static_cast<double>(in[i] - 1)) l.refuse("it reads outside the image, which the format has nothing for");
      }
    if (w.has(1) && !roi) l.refuse("its region is computed");
  }
  std::vector<size_t> moved;
  for (size_t i = 0; i < rank; ++i)
    if (in[i] >= 0 && (in[i] != out[i] || all[i].scale != 1 || transform == "tf_crop_and_resize")) moved.push_back(i);
  if (moved.empty()) return l.alias(w.out(), w.in(0));
  const Type type = l.type(w.in(0));
  const bool image = rank == 4 && std::all_of(moved.begin(), moved.end(), [](size_t i) { return i >= 2; });
  if (mode == "nearest") {
    const std::string_view rounding = n.text("nearest_mode", "round_prefer_floor");
    std::vector<std::vector<int32_t>> places(rank);
    for (const size_t i : moved)
      for (int64_t x = 0; x < out[i]; ++x)
        places[i].push_back(
            static_cast<int32_t>(std::clamp<int64_t>(nearest(place(all[i], x, transform, roi_start[i], roi_end[i]), rounding), 0, in[i] - 1)));
    if (image && (type == Type::float32 || type == Type::uint8 || type == Type::int8)) {
      for (const auto& [align, half] : {std::pair(false, false), {false, true}, {true, false}}) {
        bool equal = true;
        for (size_t i = 2; i < 4; ++i)
          for (int64_t x = 0; x < out[i] && equal; ++x)
            equal = nearest_of_format(all[i], x, align, half) == (places[i].empty() ? x : places[i][static_cast<size_t>(x)]);
        if (!equal) continue;
        const Order order = l.order_of(w.in(0)) == Order{0, 3, 2, 1} ? Order{0, 3, 2, 1} : channels_last(4);
        const Extents held = permute(out, order);
        const int32_t x = l.in_order(w.in(0), order);
        const int32_t size = l.ints({static_cast<int32_t>(held[1]), static_cast<int32_t>(held[2])});
        l.emit("RESIZE_NEAREST_NEIGHBOR", {x, size}, {l.result(w.out(), order)}).options = {{"align_corners", align ? 1.0 : 0.0, {}},
                                                                                            {"half_pixel_centers", half ? 1.0 : 0.0, {}}};
        return;
      }
    }
    const Order order = l.order_of(w.in(0));
    int32_t x = l.in_order(w.in(0), order);
    for (const size_t i : moved) {
      const int at = held_axis(order, static_cast<int>(i));
      Extents to = l.extents_of(x);
      to[static_cast<size_t>(at)] = out[i];
      x = l.make("GATHER", {x, l.ints(places[i])}, type, to, {{"axis", static_cast<double>(at), {}}}, l.value(w.out()).quantization);
    }
    return l.define(w.out(), x, order);
  }
  std::vector<std::vector<Row>> matrices(rank);
  for (const size_t i : moved)
    for (int64_t x = 0; x < out[i]; ++x) matrices[i].push_back(weights_of(all[i], place(all[i], x, transform, roi_start[i], roi_end[i]), n));
  if (image && mode == "linear" && (type == Type::float32 || w.quantized)) {
    for (const auto& [align, half] : {std::pair(false, true), {true, false}, {false, false}}) {
      bool equal = true;
      for (size_t i = 2; i < 4; ++i)
        for (int64_t x = 0; x < out[i] && equal; ++x) {
          Row same(static_cast<size_t>(in[i]));
          if (matrices[i].empty()) same[static_cast<size_t>(x)] = 1;
          equal = close(bilinear_of_format(all[i], x, align, half), matrices[i].empty() ? same : matrices[i][static_cast<size_t>(x)]);
        }
      if (!equal) continue;
      const Order order = channels_last(4);
      const int32_t x = l.in_order(w.in(0), order);
      const int32_t size = l.ints({static_cast<int32_t>(out[2]), static_cast<int32_t>(out[3])});
      l.emit("RESIZE_BILINEAR", {x, size}, {l.result(w.out(), order)}).options = {{"align_corners", align ? 1.0 : 0.0, {}},
                                                                                  {"half_pixel_centers", half ? 1.0 : 0.0, {}}};
      return;
    }
  }
  if (type != Type::float32 || w.quantized) l.refuse("it interpolates in a way of its own, which is computed in float32 only");
  const Order order = l.order_of(w.in(0));
  int32_t x = l.in_order(w.in(0), order);
  for (const size_t i : moved) x = along(l, x, static_cast<size_t>(held_axis(order, static_cast<int>(i))), matrices[i]);
  l.define(w.out(), x, order);
}

const LowerRule rules[] = {{"Resize", lower_resize}};

}  // namespace

std::span<const LowerRule> resize_rules() { return rules; }

}  // namespace lathe::tflite
