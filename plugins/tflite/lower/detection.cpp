// NonMaxSuppression: NON_MAX_SUPPRESSION_V4 per item and class, and of what it selects as many rows as it says.
#include <algorithm>
#include <limits>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

// Boxes [count, 4] as two opposite corners, the lesser first; `centred` ones are x, y, width, height.
int32_t corners(Lowering& l, int32_t boxes, int64_t count, bool centred) {
  const auto column = [&](int64_t i) { return Expression{&l, l.slice(boxes, {0, i}, {count, 1})}; };
  const Expression a = column(0), b = column(1), c = column(2), d = column(3);
  std::vector<int32_t> parts;
  if (centred)
    parts = {(b - d / 2).tensor, (a - c / 2).tensor, (b + d / 2).tensor, (a + c / 2).tensor};
  else
    parts = {minimum(a, c).tensor, minimum(b, d).tensor, maximum(a, c).tensor, maximum(b, d).tensor};
  return l.make("CONCATENATION", parts, Type::float32, {count, 4}, {{"axis", 1, {}}});
}

void lower_non_max_suppression(Lowering& l, const Work& w) {
  const Extents boxes = l.extents(w.in(0)), scores = l.extents(w.in(1));
  for (const Extents& e : {boxes, scores})
    for (const int64_t d : e)
      if (d < 0) l.refuse("its shape is open, and the format's NON_MAX_SUPPRESSION_V4 takes one item and one class, each written out");
  const int64_t items = boxes[0], classes = scores[1], count = boxes[1];
  int32_t most = l.int_scalar(0);
  if (w.has(2)) most = l.reshape(l.cast(l.plain(w.in(2)), Type::int32), {});
  most = l.binary("MINIMUM", most, l.int_scalar(static_cast<int32_t>(count)));
  const auto threshold = [&](size_t i, float fallback) { return w.has(i) ? l.reshape(l.plain(w.in(i)), {}) : l.scalar(fallback); };
  // The format's kernel drops boxes that overlap as much as the threshold, ONNX's only those that overlap more.
  const Expression limit{&l, threshold(3, 0)};
  const int32_t overlap = (limit + maximum(limit, 1e-30) * 1.2e-7).tensor, least = threshold(4, std::numeric_limits<float>::lowest());
  const bool centred = w.node.integer("center_point_box", 0) != 0;
  const int32_t all_boxes = l.plain(w.in(0)), all_scores = l.plain(w.in(1));
  std::vector<int32_t> rows;
  for (int64_t n = 0; n < items; ++n) {
    const int32_t own = corners(l, l.reshape(l.slice(all_boxes, {n, 0, 0}, {1, count, 4}), {count, 4}), count, centred);
    for (int64_t c = 0; c < classes; ++c) {
      const int32_t score = l.reshape(l.slice(all_scores, {n, c, 0}, {1, 1, count}), {count});
      const int32_t selected = l.new_tensor("", Type::int32, {-1}), found = l.new_tensor("", Type::int32, {});
      l.emit("NON_MAX_SUPPRESSION_V4", {own, score, most, overlap, least}, {selected, found});
      const int32_t size = l.make("RESHAPE", {found, l.ints({1})}, Type::int32, {1}, {{"new_shape", 0, {1}}});
      const int32_t places = l.make("SLICE", {selected, l.ints({0}), size}, Type::int32, {-1});
      const int32_t column = l.make("RESHAPE", {places, l.ints({-1, 1})}, Type::int32, {-1, 1}, {{"new_shape", 0, {-1, 1}}});
      const int32_t nothing = l.make("MUL", {column, l.filled(Type::int32, {1, 1}, 0)}, Type::int32, {-1, 1});
      const int32_t in = l.constant<int32_t>(Type::int32, {1, 2}, {static_cast<int32_t>(n), static_cast<int32_t>(c)}, {}, "item_and_class");
      const int32_t which = l.make("ADD", {nothing, in}, Type::int32, {-1, 2});
      rows.push_back(l.make("CONCATENATION", {which, column}, Type::int32, {-1, 3}, {{"axis", 1, {}}}));
    }
  }
  if (rows.empty()) l.refuse("it has no items or no classes");
  const int32_t all = rows.size() == 1 ? rows[0] : l.make("CONCATENATION", rows, Type::int32, {-1, 3}, {{"axis", 0, {}}});
  l.define(w.out(), l.cast(all, Type::int64), identity(2));
}

const LowerRule rules[] = {{"NonMaxSuppression", lower_non_max_suppression}};

}  // namespace

std::span<const LowerRule> detection_rules() { return rules; }

}  // namespace lathe::tflite
