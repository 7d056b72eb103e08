// Softmax and its kin, and normalisations, which the format spells out.
#include <algorithm>
#include <cmath>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

// Over one axis, which the kernel wants last.
void lower_softmax(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  int axis = static_cast<int>(w.node.integer("axis", -1));
  if (axis < 0) axis += static_cast<int>(rank);
  Order order = l.order_of(w.in(0));
  if (order.back() != axis) {
    order.erase(std::find(order.begin(), order.end(), axis));
    order.push_back(axis);
  }
  int32_t x = l.in_order(w.in(0), order);
  if (!w.quantized && l.type_of(x) != Type::float32)
    l.refuse(std::string("the runtime computes it in float32 only, and this is ") + name(l.type_of(x)));
  const Extents held = permute(l.extents(w.out()), order);
  const bool logarithm = w.node.is("LogSoftmax");
  Extents flat = held;
  if (held.size() > 4) {
    flat = {1, held.back()};
    for (size_t i = 0; i + 1 < held.size(); ++i) flat[0] *= held[i];
    x = l.reshape(x, flat);
  }
  std::vector<Option> options;
  if (!logarithm) options.push_back({"beta", 1, {}});
  const int32_t y = l.make(logarithm ? "LOG_SOFTMAX" : "SOFTMAX", {x}, l.type_of(x), flat, options, l.value(w.out()).quantization);
  l.define(w.out(), l.reshape(y, held), order);
}

Expression mean(Expression x, const std::vector<int>& axes) { return x.with(x.lowering->reduce("MEAN", x.tensor, axes, true)); }

struct Normalized {
  Expression centered, factor;  // x - mean, and one over the deviation
};
Normalized normalized(Expression x, const std::vector<int>& axes, double epsilon) {
  const Expression c = x - mean(x, axes);
  return {c, (mean(c * c, axes) + epsilon).call("RSQRT")};
}

// A constant or value of per-channel numbers, as [1, ..., C, ..., 1] beside a tensor held in `order`.
Expression per_channel(Lowering& l, uint32_t id, const Order& order) {
  Extents e(order.size(), 1);
  e[static_cast<size_t>(held_axis(order, 1))] = l.extents(id)[0];
  const uint32_t shaped = l.reshaped(id, permute(e, inverse(order)));
  return {&l, l.in_order(shaped, order)};
}

void only_float(const Lowering& l, const Work& w) {
  if (l.type(w.in(0)) != Type::float32) l.refuse(std::string("the runtime computes it in float32 only, and this is ") + name(l.type(w.in(0))));
}

// As it trains: by the mean and variance of the batch at hand, which also move the running ones.
void normalize_by_batch(Lowering& l, const Work& w) {
  const Order order = l.order_of(w.in(0), channels_last(l.rank(w.in(0))));
  const Expression x{&l, l.in_order(w.in(0), order)};
  std::vector<int> axes;
  for (size_t i = 0; i < order.size(); ++i)
    if (order[i] != 1) axes.push_back(static_cast<int>(i));
  const auto mean = [&](Expression e) { return e.with(l.reduce("MEAN", e.tensor, axes, true)); };
  const Expression average = mean(x), centred = x - average, variance = mean(centred * centred);
  const Expression factor = (variance + w.node.real("epsilon", 1e-5f)).call("RSQRT") * per_channel(l, w.in(1), order);
  l.define(w.out(), (centred * factor + per_channel(l, w.in(2), order)).tensor, order);
  const double momentum = w.node.real("momentum", 0.9f);
  const auto moved = [&](size_t out, size_t in, Expression now) {
    if (w.out(out) == LATHE_NONE) return;
    const Expression running{&l, l.plain(w.in(in))};
    const Expression row = now.with(l.reshape(now.tensor, l.extents(w.in(in))));
    l.define(w.out(out), (running * momentum + row * (1 - momentum)).tensor, {0});
  };
  moved(1, 3, average);
  moved(2, 4, variance);
}

void lower_batch_normalization(Lowering& l, const Work& w) {
  only_float(l, w);
  if (w.node.integer("training_mode", 0) || w.out(1) != LATHE_NONE) return normalize_by_batch(l, w);
  const Order order = l.order_of(w.in(0), channels_last(l.rank(w.in(0))));
  const Expression x{&l, l.in_order(w.in(0), order)};
  const double epsilon = w.node.real("epsilon", 1e-5f);
  const auto scale = l.numbers(w.in(1)), shift = l.numbers(w.in(2)), average = l.numbers(w.in(3)), variance = l.numbers(w.in(4));
  if (scale && shift && average && variance) {
    std::vector<float> factor, addend;
    for (size_t i = 0; i < scale->size(); ++i) {
      const double f = (*scale)[i] / std::sqrt((*variance)[i] + epsilon);
      factor.push_back(static_cast<float>(f));
      addend.push_back(static_cast<float>((*shift)[i] - (*average)[i] * f));
    }
    Extents e(order.size(), 1);
    e[static_cast<size_t>(held_axis(order, 1))] = static_cast<int64_t>(factor.size());
    const Expression f = x.with(l.constant<float>(Type::float32, e, std::move(factor), {}, "factor"));
    const Expression a = x.with(l.constant<float>(Type::float32, e, std::move(addend), {}, "addend"));
    return l.define(w.out(), (x * f + a).tensor, order);
  }
  const Expression f = (per_channel(l, w.in(4), order) + epsilon).call("RSQRT") * per_channel(l, w.in(1), order);
  l.define(w.out(), ((x - per_channel(l, w.in(3), order)) * f + per_channel(l, w.in(2), order)).tensor, order);
}

void lower_instance_normalization(Lowering& l, const Work& w) {
  only_float(l, w);
  const Order order = l.order_of(w.in(0), channels_last(l.rank(w.in(0))));
  const Expression x{&l, l.in_order(w.in(0), order)};
  std::vector<int> axes;
  for (size_t i = 0; i < order.size(); ++i)
    if (order[i] > 1) axes.push_back(static_cast<int>(i));
  const Normalized n = normalized(x, axes, w.node.real("epsilon", 1e-5f));
  l.define(w.out(), (n.centered * n.factor * per_channel(l, w.in(1), order) + per_channel(l, w.in(2), order)).tensor, order);
}

void lower_layer_normalization(Lowering& l, const Work& w) {
  only_float(l, w);
  const size_t rank = l.rank(w.in(0));
  int axis = static_cast<int>(w.node.integer("axis", -1));
  if (axis < 0) axis += static_cast<int>(rank);
  const Order order = identity(rank);
  const Expression x{&l, l.plain(w.in(0))};
  std::vector<int> axes;
  for (int i = axis; i < static_cast<int>(rank); ++i) axes.push_back(i);
  const double epsilon = w.node.real("epsilon", 1e-5f);
  Expression y = x;
  if (w.node.is("RMSNormalization")) {
    y = x * (mean(x * x, axes) + epsilon).call("RSQRT");
  } else {
    const Normalized n = normalized(x, axes, epsilon);
    y = n.centered * n.factor;
    if (w.out(1) != LATHE_NONE) l.define(w.out(1), mean(x, axes).tensor, order);
    if (w.out(2) != LATHE_NONE) l.define(w.out(2), n.factor.tensor, order);
  }
  if (w.has(1)) y = y * x.with(l.broadcastable(w.in(1), order));
  if (w.has(2)) y = y + x.with(l.broadcastable(w.in(2), order));
  l.define(w.out(), y.tensor, order);
}

void lower_group_normalization(Lowering& l, const Work& w) {
  only_float(l, w);
  const Extents e = l.extents(w.in(0));
  const int64_t groups = w.node.integer("num_groups", 1);
  for (const int64_t d : e)
    if (d < 0) l.refuse("a normalisation over groups wants fixed shapes");
  int64_t rest = 1;
  for (size_t i = 1; i < e.size(); ++i) rest *= e[i];
  const Expression x{&l, l.reshape(l.plain(w.in(0)), {e[0], groups, rest / groups})};
  const Normalized n = normalized(x, {2}, w.node.real("epsilon", 1e-5f));
  const Order order = identity(e.size());
  const Expression y = x.with(l.reshape((n.centered * n.factor).tensor, e));
  l.define(w.out(), (y * per_channel(l, w.in(1), order) + per_channel(l, w.in(2), order)).tensor, order);
}

void lower_mean_variance(Lowering& l, const Work& w) {
  only_float(l, w);
  const Order order = l.order_of(w.in(0));
  const Expression x{&l, l.in_order(w.in(0), order)};
  std::vector<int> axes;
  for (const int64_t a : w.node.integers("axes", {0, 2, 3}))
    axes.push_back(held_axis(order, static_cast<int>(a < 0 ? a + static_cast<int64_t>(order.size()) : a)));
  std::sort(axes.begin(), axes.end());
  const Expression c = x - mean(x, axes);
  l.define(w.out(), (c / (sqrt(mean(c * c, axes)) + 1e-9)).tensor, order);
}

void lower_lp_normalization(Lowering& l, const Work& w) {
  only_float(l, w);
  const Order order = l.order_of(w.in(0));
  const Expression x{&l, l.in_order(w.in(0), order)};
  int axis = static_cast<int>(w.node.integer("axis", -1));
  if (axis < 0) axis += static_cast<int>(order.size());
  const std::vector<int> axes{held_axis(order, axis)};
  const bool first = w.node.integer("p", 2) == 1;
  const Expression sum = x.with(l.reduce("SUM", (first ? x.call("ABS") : x * x).tensor, axes, true));
  const Expression norm = first ? sum : sqrt(sum);
  l.define(w.out(), (x / select(greater(norm, 0), norm, norm + 1)).tensor, order);
}

// One where the first of the greatest is, along one axis.
void lower_hardmax(Lowering& l, const Work& w) {
  only_float(l, w);
  const size_t rank = l.rank(w.in(0));
  int axis = static_cast<int>(w.node.integer("axis", -1));
  if (axis < 0) axis += static_cast<int>(rank);
  const int64_t depth = l.extents(w.in(0))[static_cast<size_t>(axis)];
  if (depth < 0) l.refuse("the extent of its axis is not known");
  Extents e = l.extents(w.in(0));
  e.erase(e.begin() + axis);
  const int32_t place =
      l.make("ARG_MAX", {l.plain(w.in(0)), l.int_scalar(axis)}, Type::int32, e, {{"output_type", static_cast<double>(Type::int32), {}}});
  l.define(w.out(),
           l.make("ONE_HOT", {place, l.int_scalar(static_cast<int32_t>(depth)), l.scalar(1), l.scalar(0)}, Type::float32, l.extents(w.out()),
                  {{"axis", static_cast<double>(axis), {}}}),
           identity(rank));
}

void lower_lrn(Lowering& l, const Work& w) {
  only_float(l, w);
  if (l.rank(w.in(0)) != 4) l.refuse("the format's LOCAL_RESPONSE_NORMALIZATION takes four axes");
  const int64_t size = w.node.integer("size", 1);
  const Order order = channels_last(4);
  const Expression x{&l, l.in_order(w.in(0), order)};
  const double alpha = w.node.real("alpha", 1e-4f) / static_cast<double>(size), beta = w.node.real("beta", 0.75f), bias = w.node.real("bias", 1);
  if (size % 2 == 1) {
    const int32_t y = l.unary("LOCAL_RESPONSE_NORMALIZATION", x.tensor,
                              {{"radius", static_cast<double>(size / 2), {}}, {"bias", bias, {}}, {"alpha", alpha, {}}, {"beta", beta, {}}});
    return l.define(w.out(), y, order);
  }
  l.refuse("its window is even, and the format's reaches as far up as down");
}

const LowerRule rules[] = {{"BatchNormalization", lower_batch_normalization},
                           {"GroupNormalization", lower_group_normalization},
                           {"Hardmax", lower_hardmax},
                           {"InstanceNormalization", lower_instance_normalization},
                           {"LRN", lower_lrn},
                           {"LayerNormalization", lower_layer_normalization},
                           {"LogSoftmax", lower_softmax},
                           {"LpNormalization", lower_lp_normalization},
                           {"MeanVarianceNormalization", lower_mean_variance},
                           {"RMSNormalization", lower_layer_normalization},
                           {"Softmax", lower_softmax}};

}  // namespace

std::span<const LowerRule> normalization_rules() { return rules; }

}  // namespace lathe::tflite
