// Losses of classification: one row of scores per item, of which the target's counts.
#include <algorithm>
#include <numeric>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

// With `logarithms` (log probabilities, one row of classes per item) the loss, reduced as the node says.
void reduce_loss(Lowering& l, const Work& w, Expression logarithms, int64_t items, int64_t classes) {
  const int32_t target = l.reshape(l.cast(l.plain(w.in(1)), Type::int32), {items});
  Expression class_of{&l, target};
  Expression counts{&l, -1};
  if (w.node.has("ignore_index")) {
    const auto ignored = static_cast<double>(w.node.integer("ignore_index", 0));
    counts = class_of.with(l.compare("NOT_EQUAL", target, class_of.number(ignored).tensor));
    class_of = select(counts, class_of, class_of.number(0));
  }
  std::vector<int32_t> lines(static_cast<size_t>(items));
  for (size_t i = 0; i < lines.size(); ++i) lines[i] = static_cast<int32_t>(i) * static_cast<int32_t>(classes);
  const Expression place = class_of + class_of.with(l.constant<int32_t>(Type::int32, {items}, std::move(lines), {}, "lines"));
  const int32_t flat = l.reshape(logarithms.tensor, {items * classes});
  Expression loss = -logarithms.with(l.make("GATHER", {flat, place.tensor}, Type::float32, {items}, {{"axis", 0, {}}}));
  Expression weight{&l, -1};
  if (w.has(2)) weight = loss.with(l.make("GATHER", {l.plain(w.in(2)), class_of.tensor}, Type::float32, {items}, {{"axis", 0, {}}}));
  const Expression zero = loss.number(0);
  if (counts.tensor >= 0) {
    loss = select(counts, loss, zero);
    weight = weight.tensor >= 0 ? select(counts, weight, zero) : loss.with(l.cast(counts.tensor, Type::float32));
  }
  if (weight.tensor >= 0) loss = loss * weight;
  const std::string_view reduction = w.node.text("reduction", "mean");
  if (reduction == "none") return l.define(w.out(), l.reshape(loss.tensor, l.extents(w.out())), identity(l.rank(w.out())));
  const Expression sum = loss.with(l.reduce("SUM", loss.tensor, {0}, false));
  if (reduction == "sum") return l.define(w.out(), sum.tensor, {});
  if (weight.tensor < 0) return l.define(w.out(), (sum / static_cast<double>(items)).tensor, {});
  l.define(w.out(), (sum / sum.with(l.reduce("SUM", weight.tensor, {0}, false))).tensor, {});
}

struct Rows {
  Order order;  // the classes' axis last
  int64_t items = 1, classes = 0;
};
Rows rows_of(const Lowering& l, uint32_t id) {
  const Extents e = l.extents(id);
  if (l.type(id) != Type::float32) l.refuse("the runtime's LOG_SOFTMAX computes in float32");
  Rows rows;
  rows.order = channels_last(e.size());
  for (size_t i = 0; i < e.size(); ++i) {
    if (e[i] < 0) l.refuse("its shape is open, and the places of the targets are counted before");
    if (i != 1) rows.items *= e[i];
  }
  rows.classes = e[1];
  return rows;
}

void lower_negative_log_likelihood(Lowering& l, const Work& w) {
  const Rows rows = rows_of(l, w.in(0));
  reduce_loss(l, w, {&l, l.in_order(w.in(0), rows.order)}, rows.items, rows.classes);
}

void lower_softmax_cross_entropy(Lowering& l, const Work& w) {
  const Rows rows = rows_of(l, w.in(0));
  const int32_t x = l.reshape(l.in_order(w.in(0), rows.order), {rows.items, rows.classes});
  const Expression logarithms{&l, l.unary("LOG_SOFTMAX", x)};
  if (w.out(1) != LATHE_NONE) l.define(w.out(1), l.reshape(logarithms.tensor, permute(l.extents(w.in(0)), rows.order)), rows.order);
  if (w.out(0) != LATHE_NONE) reduce_loss(l, w, logarithms, rows.items, rows.classes);
}

const LowerRule rules[] = {{"NegativeLogLikelihoodLoss", lower_negative_log_likelihood}, {"SoftmaxCrossEntropyLoss", lower_softmax_cross_entropy}};

}  // namespace

std::span<const LowerRule> loss_rules() { return rules; }

}  // namespace lathe::tflite
