// Random numbers: RANDOM_UNIFORM and RANDOM_STANDARD_NORMAL, which draw anew in every run. ONNX leaves the generator open, and so seeds give other
// numbers.
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

void finish(Lowering& l, const Work& w, Expression y) {
  if (l.type(w.out()) != Type::float32 && l.type(w.out()) != Type::int32 && l.type(w.out()) != Type::int64 && l.type(w.out()) != Type::boolean)
    l.refuse(std::string("the runtime draws float32, and casts to no ") + name(l.type(w.out())));
  l.define(w.out(), l.cast(y.tensor, l.type(w.out())), identity(l.rank(w.out())));
}

void lower_uniform(Lowering& l, const Work& w) {
  const double low = w.node.real("low", 0), high = w.node.real("high", 1);
  finish(l, w, drawn(l, w, "RANDOM_UNIFORM", shape_of(l, w)) * (high - low) + low);
}

void lower_normal(Lowering& l, const Work& w) {
  finish(l, w, drawn(l, w, "RANDOM_STANDARD_NORMAL", shape_of(l, w)) * w.node.real("scale", 1) + w.node.real("mean", 0));
}

void lower_bernoulli(Lowering& l, const Work& w) {
  if (l.type(w.in(0)) != Type::float32)
    l.refuse(std::string("the runtime compares float32 with what it draws, and this is ") + name(l.type(w.in(0))));
  const Expression u = drawn(l, w, "RANDOM_UNIFORM", shape_of(l, w));
  finish(l, w, u.with(l.compare("LESS", u.tensor, l.plain(w.in(0)))));
}

const LowerRule rules[] = {{"Bernoulli", lower_bernoulli},
                           {"RandomNormal", lower_normal},
                           {"RandomNormalLike", lower_normal},
                           {"RandomUniform", lower_uniform},
                           {"RandomUniformLike", lower_uniform}};

}  // namespace

std::span<const LowerRule> random_rules() { return rules; }

}  // namespace lathe::tflite
