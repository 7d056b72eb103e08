// Attention and rotary embeddings: BATCH_MATMUL, SOFTMAX and what masks the scores.
#include <algorithm>
#include <cmath>
#include <limits>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

// [batch, heads, steps, size], from that or from [batch, steps, heads * size].
int32_t heads_of(Lowering& l, uint32_t id, int64_t heads) {
  const Extents e = l.extents(id);
  if (e.size() == 4) return l.plain(id);
  const int32_t steps_first = l.reshape(l.plain(id), {e[0], e[1], heads, e[2] / heads});
  return l.transpose(steps_first, {0, 2, 1, 3});
}

int32_t joined(Lowering& l, const std::vector<int32_t>& parts, int axis) {
  Extents e = l.extents_of(parts[0]);
  for (size_t i = 1; i < parts.size(); ++i) e[static_cast<size_t>(axis)] += l.extents_of(parts[i])[static_cast<size_t>(axis)];
  return l.make("CONCATENATION", parts, l.type_of(parts[0]), e, {{"axis", static_cast<double>(axis), {}}});
}

// Vaswani et al., "Attention Is All You Need", 2017. Scores go through: scale, + mask, softcap, softmax; what a boolean mask, causality or the length
// leaves out stays out, and a query that nothing is left for yields zeros.
void lower_attention(Lowering& l, const Work& w) {
  for (size_t i = 0; i < 6; ++i) {
    if (!w.has(i)) continue;
    if (i != 3 && l.type(w.in(i)) != Type::float32) l.refuse(std::string("the runtime's BATCH_MATMUL has no kernel for ") + name(l.type(w.in(i))));
    for (const int64_t d : l.extents(w.in(i)))
      if (d < 0) l.refuse("its shape is open, and a RESHAPE of the format leaves one open dimension");
  }
  const int64_t query_heads = w.node.integer("q_num_heads", 0), key_heads = w.node.integer("kv_num_heads", 0);
  const int32_t q = heads_of(l, w.in(0), query_heads);
  int32_t k = heads_of(l, w.in(1), key_heads), v = heads_of(l, w.in(2), key_heads);
  const int64_t past = w.has(4) ? l.extents(w.in(4))[2] : 0;
  if (w.has(4) && past > 0) k = joined(l, {l.plain(w.in(4)), k}, 2);
  if (w.has(5) && past > 0) v = joined(l, {l.plain(w.in(5)), v}, 2);
  if (w.out(1) != LATHE_NONE) l.define(w.out(1), k, identity(4));
  if (w.out(2) != LATHE_NONE) l.define(w.out(2), v, identity(4));
  const Extents query = l.extents_of(q), key = l.extents_of(k);
  const int64_t batch = query[0], heads = query[1], steps = query[2], size = query[3], keys = key[2], value_size = l.extents_of(v)[3];
  if (heads != key[1]) {  // several queries share a head of keys
    const auto repeated = [&](int32_t x, int64_t width) {
      std::vector<int32_t> places;
      for (int64_t h = 0; h < heads; ++h) places.push_back(static_cast<int32_t>(h / (heads / key[1])));
      return l.make("GATHER", {x, l.ints(places)}, Type::float32, {batch, heads, keys, width}, {{"axis", 1, {}}});
    };
    k = repeated(k, size);
    v = repeated(v, value_size);
  }
  const double scale = w.node.has("scale") ? w.node.real("scale", 1) : 1 / std::sqrt(static_cast<double>(size));
  const Extents all{batch, heads, steps, keys};
  const auto product = [&](int32_t a, int32_t b, bool turned, const Extents& to) {
    return Expression{&l, l.make("BATCH_MATMUL", {a, b}, Type::float32, to, {{"adj_y", turned ? 1.0 : 0.0, {}}})};
  };
  Expression scores = product((Expression{&l, q} * scale).tensor, k, true, all);
  const auto show = [&](int64_t stage, Expression e) {
    if (w.out(3) != LATHE_NONE && w.node.integer("qk_matmul_output_mode", 0) == stage)
      l.define(w.out(3), l.extents_of(e.tensor) == all ? e.tensor : (e + e.with(l.filled(Type::float32, all, 0))).tensor, identity(4));
  };
  show(0, scores);

  // What takes part: BOOL, broadcast to [batch, heads, steps, keys]; -1: everything.
  int32_t part = -1;
  const auto also = [&](int32_t condition) { part = part < 0 ? condition : l.binary("LOGICAL_AND", part, condition); };
  const auto wide = [&](int32_t mask) {
    Extents e = l.extents_of(mask);
    e.insert(e.begin(), 4 - e.size(), 1);
    return l.reshape(mask, e);
  };
  int64_t known = keys;
  if (w.has(3)) {
    int32_t mask = wide(l.plain(w.in(3)));
    const Extents e = l.extents_of(mask);
    known = std::min(e[3], keys);
    const bool boolean = l.type_of(mask) == Type::boolean;
    if (!boolean && l.type_of(mask) != Type::float32) l.refuse(std::string("the runtime's ADD has no kernel for ") + name(l.type_of(mask)));
    if (known < keys) {
      const Extents more{e[0], e[1], e[2], keys - known};
      mask = joined(l, {mask, l.filled(l.type_of(mask), more, 0)}, 3);
    }
    if (boolean)
      also(mask);
    else
      scores = scores + scores.with(mask);
  }
  std::vector<int32_t> places(static_cast<size_t>(keys)), rows(static_cast<size_t>(steps));
  for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<int32_t>(i);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int32_t>(i);
  const int32_t place = l.constant<int32_t>(Type::int32, {1, 1, 1, keys}, places, {}, "keys");
  const bool causal = w.node.integer("is_causal", 0) != 0;
  if (known < keys) also(l.compare("LESS", place, l.filled(Type::int32, {1, 1, 1, 1}, static_cast<double>(known))));
  if (w.has(6)) {
    const Expression length{&l, l.reshape(l.cast(l.plain(w.in(6)), Type::int32), {batch, 1, 1, 1})};
    also(l.compare("LESS", place, length.tensor));
    if (causal) {
      const Expression row{&l, l.constant<int32_t>(Type::int32, {1, 1, steps, 1}, rows, {}, "rows")};
      also(l.compare("LESS_EQUAL", place, (length + (row - static_cast<double>(steps))).tensor));
    }
  } else if (causal) {
    std::vector<uint8_t> triangle;
    for (int64_t s = 0; s < steps; ++s)
      for (int64_t p = 0; p < keys; ++p) triangle.push_back(p <= past + s);
    also(l.constant<uint8_t>(Type::boolean, {1, 1, steps, keys}, std::move(triangle), {}, "causal"));
  }
  constexpr double out = -std::numeric_limits<double>::infinity();
  const Expression nothing = scores.number(out);
  const auto masked = [&](Expression e) { return part < 0 ? e : select(e.with(part), e, nothing); };
  scores = masked(scores);
  show(1, scores);
  const double cap = w.node.real("softcap", 0);
  if (cap > 0) scores = masked((scores / cap).call("TANH") * cap);
  show(2, scores);
  Expression probabilities{&l, l.unary("SOFTMAX", scores.tensor, {{"beta", 1, {}}})};
  if (part >= 0 || w.has(3)) {  // a row of nothing
    const Expression most = scores.with(l.reduce("REDUCE_MAX", scores.tensor, {3}, true));
    const Expression some = greater(most, std::numeric_limits<float>::lowest());
    probabilities = select(some, probabilities, probabilities.number(0));
  }
  show(3, probabilities);
  const Expression y = product(probabilities.tensor, v, false, {batch, heads, steps, value_size});
  if (l.rank(w.out()) == 4) return l.define(w.out(), y.tensor, identity(4));
  l.define(w.out(), l.reshape(l.transpose(y.tensor, {0, 2, 1, 3}), l.extents(w.out())), identity(3));
}

// Su et al., "RoFormer", 2021: pairs of each head's elements turned by the angle of their position.
void lower_rotary_embedding(Lowering& l, const Work& w) {
  const Extents e = l.extents(w.in(0));
  for (const int64_t d : e)
    if (d < 0) l.refuse("its shape is open, and a RESHAPE of the format leaves one open dimension");
  if (l.type(w.in(0)) != Type::float32) l.refuse(std::string("the runtime's MUL has no kernel for ") + name(l.type(w.in(0))));
  const bool steps_first = e.size() == 3;
  const int64_t heads = steps_first ? w.node.integer("num_heads", 0) : e[1];
  if (heads <= 0) l.refuse("its num_heads is not given");
  const int64_t batch = e[0], steps = steps_first ? e[1] : e[2], size = steps_first ? e[2] / heads : e[3];
  // Worked on as [batch, steps, heads, size].
  const int32_t x = steps_first ? l.reshape(l.plain(w.in(0)), {batch, steps, heads, size}) : l.in_order(w.in(0), {0, 2, 1, 3});
  const int64_t turned = w.node.integer("rotary_embedding_dim", 0) ? w.node.integer("rotary_embedding_dim", 0) : size, half = turned / 2;
  const auto table = [&](size_t i) {  // [batch, steps, 1, half]
    int32_t t = l.plain(w.in(i));
    if (w.has(3)) t = l.make("GATHER", {t, l.cast(l.plain(w.in(3)), Type::int32)}, Type::float32, {batch, steps, half}, {{"axis", 0, {}}});
    return Expression{&l, l.reshape(t, {batch, steps, 1, half})};
  };
  const Expression cosine = table(1), sine = table(2);
  const bool interleaved = w.node.integer("interleaved", 0) != 0;
  const auto strided = [&](int64_t begin, int64_t end, int64_t step, int64_t count) {
    const std::vector<int32_t> from{0, 0, 0, static_cast<int32_t>(begin)};
    const std::vector<int32_t> to{static_cast<int32_t>(batch), static_cast<int32_t>(steps), static_cast<int32_t>(heads), static_cast<int32_t>(end)};
    return Expression{&l, l.make("STRIDED_SLICE", {x, l.ints(from), l.ints(to), l.ints({1, 1, 1, static_cast<int32_t>(step)})}, Type::float32,
                                 {batch, steps, heads, count})};
  };
  const Expression a = interleaved ? strided(0, turned, 2, half) : strided(0, half, 1, half);
  const Expression b = interleaved ? strided(1, turned, 2, half) : strided(half, turned, 1, half);
  const Expression real = cosine * a - sine * b, imaginary = sine * a + cosine * b;
  int32_t y;
  if (interleaved) {
    const Extents pair{batch, steps, heads, half, 1};
    y = l.reshape(joined(l, {l.reshape(real.tensor, pair), l.reshape(imaginary.tensor, pair)}, 4), {batch, steps, heads, turned});
  } else {
    y = joined(l, {real.tensor, imaginary.tensor}, 3);
  }
  if (turned < size) y = joined(l, {y, strided(turned, size, 1, size - turned).tensor}, 3);
  if (steps_first) return l.define(w.out(), l.reshape(y, e), identity(3));
  l.define(w.out(), y, {0, 2, 1, 3});
}

const LowerRule rules[] = {{"Attention", lower_attention}, {"RotaryEmbedding", lower_rotary_embedding}};

}  // namespace

std::span<const LowerRule> attention_rules() { return rules; }

}  // namespace lathe::tflite
