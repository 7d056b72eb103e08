// Random numbers: RANDOM_UNIFORM, RANDOM_STANDARD_NORMAL and MULTINOMIAL, which draw anew in every run. ONNX leaves the generator open, and so
// seeds give other numbers.
#include "expression.hpp"

namespace lathe::tflite {
namespace {

// float32 numbers of the shape that the node's result has.
Expression drawn(Lowering& l, const Work& w, std::string_view op, int32_t shape) {
  return {&l, l.make(op, {shape}, Type::float32, l.extents(w.out()))};
}

int32_t shape_of(Lowering& l, const Work& w) {
  if (w.has(0)) return l.shape_of(l.plain(w.in(0)));
  const Extents e = l.extents(w.out());
  return l.ints({e.begin(), e.end()});
}

void finish(Lowering& l, const Work& w, Expression y) { l.define(w.out(), l.cast(y.tensor, l.type(w.out())), identity(l.rank(w.out()))); }

void lower_uniform(Lowering& l, const Work& w) {
  const double low = w.node.real("low", 0), high = w.node.real("high", 1);
  finish(l, w, drawn(l, w, "RANDOM_UNIFORM", shape_of(l, w)) * (high - low) + low);
}

void lower_normal(Lowering& l, const Work& w) {
  finish(l, w, drawn(l, w, "RANDOM_STANDARD_NORMAL", shape_of(l, w)) * w.node.real("scale", 1) + w.node.real("mean", 0));
}

void lower_bernoulli(Lowering& l, const Work& w) {
  const Expression u = drawn(l, w, "RANDOM_UNIFORM", shape_of(l, w));
  finish(l, w, u.with(l.compare("LESS", u.tensor, l.plain(w.in(0)))));
}

// Classes drawn by the unnormalised logarithms of their probabilities [batch, classes].
void lower_multinomial(Lowering& l, const Work& w) {
  const int32_t count = l.int_scalar(static_cast<int32_t>(w.node.integer("sample_size", 1)));
  l.define(w.out(), l.make("MULTINOMIAL", {l.plain(w.in(0)), count}, l.type(w.out()), l.extents(w.out())), identity(2));
}

// Elements go at random, and those that stay grow by as much as went; out of training nothing does.
void lower_dropout(Lowering& l, const Work& w) {
  const auto training = w.has(2) ? l.integers(w.in(2)) : std::vector<int64_t>{0};
  const auto ratio = w.has(1) ? l.numbers(w.in(1)) : std::vector<double>{0.5};
  if (training && ((*training)[0] == 0 || (ratio && (*ratio)[0] == 0))) {
    l.alias(w.out(), w.in(0));
    if (w.out(1) == LATHE_NONE) return;
    const int32_t shape = l.shape_of(l.plain(w.in(0)));
    return l.define(w.out(1), l.make("FILL", {shape, l.filled(Type::boolean, {}, 1)}, Type::boolean, l.extents(w.out(1))),
                    identity(l.rank(w.out(1))));
  }
  if (l.type(w.in(0)) != Type::float32) l.refuse(std::string("the runtime draws float32, and this is ") + name(l.type(w.in(0))));
  const Expression x{&l, l.plain(w.in(0))}, u{&l, l.make("RANDOM_UNIFORM", {l.shape_of(x.tensor)}, Type::float32, l.extents(w.in(0)))};
  Expression part = ratio ? x.number((*ratio)[0]) : x.with(l.cast(l.reshape(l.plain(w.in(1)), {}), Type::float32));
  if (!training) {
    const Expression on{&l, l.cast(l.reshape(l.plain(w.in(2)), {}), Type::float32)};
    part = part * on;
  }
  const int32_t stays = l.compare("GREATER_EQUAL", u.tensor, part.tensor);
  const Order order = identity(l.rank(w.in(0)));
  l.define(w.out(), select(x.with(stays), x / (1.0 - part), x.number(0)).tensor, order);
  if (w.out(1) != LATHE_NONE) l.define(w.out(1), stays, order);
}

const LowerRule rules[] = {{"Bernoulli", lower_bernoulli},      {"Dropout", lower_dropout},         {"Multinomial", lower_multinomial},
                           {"RandomNormal", lower_normal},      {"RandomNormalLike", lower_normal}, {"RandomUniform", lower_uniform},
                           {"RandomUniformLike", lower_uniform}};

}  // namespace

std::span<const LowerRule> random_rules() { return rules; }

}  // namespace lathe::tflite
