// Attention in plain products and softmax, the form that every runtime and device takes.
#include <cmath>

#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

// [batch, steps, heads * size] -> [batch, heads, steps, size]; four axes are in that order already.
Wire split_heads(Step& s, const Wire& x, int64_t heads) {
  if (x.rank() == 4) return x;
  const int64_t width = (*x.dimensions)[2];
  if (heads < 1 || width < 0 || width % heads != 0) s.refuse("the width of its data is not known, or its heads do not divide it");
  const int64_t batch = (*x.dimensions)[0], steps = (*x.dimensions)[1];
  const Wire wide = s.make("Reshape", {x, s.indices({0, 0, heads, width / heads})}, {{"special_zero", "true"}},
                           std::vector<int64_t>{batch, steps, heads, width / heads});
  return s.transpose(wide, {0, 2, 1, 3});
}

// Each head of keys and values serves several of the queries.
Wire repeat_heads(Step& s, const Wire& x, int64_t times) {
  if (times == 1) return x;
  const std::vector<int64_t>& d = *x.dimensions;
  const Wire apart = s.unsqueeze(x, {2});
  const Wire many = s.make("Tile", {apart, s.indices({1, 1, times, 1, 1})}, {}, std::vector<int64_t>{d[0], d[1], times, d[2], d[3]});
  return s.make("Reshape", {many, s.indices({0, d[1] * times, -1, d[3]})}, {{"special_zero", "true"}},
                std::vector<int64_t>{d[0], d[1] * times, d[2], d[3]});
}

void attention(Step& s) {
  Wire q = s.in(0), k = s.in(1), v = s.in(2);
  for (const Wire* w : {&q, &k, &v})
    if (!w->has_rank() || w->rank() < 3) s.refuse("the rank of its data is not known");
  if (s.has(6)) s.refuse("lengths of single sequences (nonpad_kv_seqlen) are not composed here");
  const bool three = q.rank() == 3;
  const int32_t type = q.type;
  q = split_heads(s, q, s.node.integer("q_num_heads", 0));
  k = split_heads(s, k, s.node.integer("kv_num_heads", 0));
  v = split_heads(s, v, s.node.integer("kv_num_heads", 0));
  if (s.has(4)) k = s.concat({s.in(4), k}, 2);
  if (s.has(5)) v = s.concat({s.in(5), v}, 2);
  s.out(1, k);
  s.out(2, v);
  const int64_t heads = (*q.dimensions)[1], shared = (*k.dimensions)[1], size = (*q.dimensions)[3];
  if (heads < 1 || shared < 1 || size < 1 || heads % shared != 0) s.refuse("the number of its heads is not known");
  k = repeat_heads(s, k, heads / shared);
  v = repeat_heads(s, v, heads / shared);
  // The scale is split evenly, as the standard does it, so that the products stay in range.
  const double scale = std::sqrt(s.node.has("scale") ? double(s.node.real("scale", 1)) : 1 / std::sqrt(static_cast<double>(size)));
  const Wire a = s.make("Multiply", {q, s.scalar(type, scale)}, {numpy}), b = s.make("Multiply", {k, s.scalar(type, scale)}, {numpy});
  const Wire product = s.matmul(a, b, false, true);
  const int64_t mode = s.node.integer("qk_matmul_output_mode", 0);
  Wire scores = product;
  const double lowest = type == LATHE_FLOAT16 ? -65504 : -3.4028234663852886e38;
  std::optional<Wire> seen;  // what each query may look at
  const auto hide = [&](const Wire& keep) {
    seen = seen ? s.make("LogicalAnd", {*seen, keep}, {numpy}) : keep;
    scores = s.make("Select", {keep, scores, s.scalar(type, lowest)}, {numpy}, broadcast(scores.dimensions, keep.dimensions));
  };
  if (s.has(3)) {
    Wire mask = s.in(3);
    if (mask.has_rank() && scores.has_rank() && mask.dimensions->back() != scores.dimensions->back())
      s.refuse("a mask that is shorter than the keys is not composed here");
    if (mask.type == LATHE_BOOL) {
      hide(mask);
    } else {
      scores = s.make("Add", {scores, s.convert(mask, type)}, {numpy});
    }
  }
  if (s.node.integer("is_causal", 0) != 0) {
    const int64_t steps = (*q.dimensions)[2], keys = (*k.dimensions)[2];
    if (steps < 0 || keys < 0) s.refuse("the causal mask of open lengths is not composed here");
    const int64_t past = s.has(4) ? keys - (*s.in(1).dimensions)[s.in(1).rank() == 3 ? 1 : 2] : 0;
    std::vector<double> keep;
    for (int64_t i = 0; i < steps; ++i)
      for (int64_t j = 0; j < keys; ++j) keep.push_back(j <= i + past);
    hide(s.floats(LATHE_BOOL, {steps, keys}, keep));
  }
  const Wire masked = scores;
  if (const double cap = s.node.real("softcap", 0); cap > 0) {
    const Wire limit = s.scalar(type, cap);
    const Wire part = s.make("Divide", {scores, limit}, {numpy, {"m_pythondiv", "true"}});
    scores = s.make("Multiply", {s.make("Tanh", {part}), limit}, {numpy});
  }
  Wire share = s.make({"SoftMax", 1}, {scores}, {{"axis", "3"}});
  // A query that may look at nothing gets nothing.
  if (s.has(3) && seen && seen->has_rank()) {
    const Wire any = s.reduce("ReduceLogicalOr", *seen, {seen->rank() - 1}, true);
    share = s.make("Select", {any, share, s.scalar(type, 0)}, {numpy}, share.dimensions);
  }
  Wire y = s.matmul(share, v);
  if (s.wants(3)) s.out(3, mode == 0 ? product : mode == 1 ? masked : mode == 2 ? scores : share);
  if (three) {
    const Wire turned = s.transpose(y, {0, 2, 1, 3});
    const int64_t width = (*v.dimensions)[3] < 0 ? -1 : heads * (*v.dimensions)[3];
    y = s.make("Reshape", {turned, s.indices({0, 0, -1})}, {{"special_zero", "true"}},
               std::vector<int64_t>{(*q.dimensions)[0], (*q.dimensions)[2], width});
  }
  s.out(0, y);
}

// Pairs of elements are turned by an angle that depends on the position: halves of the vector, or neighbours in it.
void rotary(Step& s) {
  // Short floats are turned in longer ones, and rounded once.
  const int32_t own = s.in(0).type, type = own == LATHE_FLOAT64 ? own : LATHE_FLOAT32;
  const Wire given = s.convert(s.in(0), type);
  if (!given.has_rank() || given.rank() < 3) s.refuse("the rank of its data is not known");
  const bool three = given.rank() == 3;
  Wire x = given;  // [batch, steps, heads, size]
  if (three) {
    const int64_t heads = s.node.integer("num_heads", 0), width = (*given.dimensions)[2];
    if (heads < 1 || width < 0 || width % heads != 0) s.refuse("the width of its data is not known, or its heads do not divide it");
    x = s.make("Reshape", {given, s.indices({0, 0, heads, width / heads})}, {{"special_zero", "true"}},
               std::vector<int64_t>{(*given.dimensions)[0], (*given.dimensions)[1], heads, width / heads});
  } else {
    x = s.transpose(given, {0, 2, 1, 3});
  }
  const int64_t size = (*x.dimensions)[3], part = s.node.integer("rotary_embedding_dim", 0);
  if (size < 0) s.refuse("the size of its vectors is not known");
  const int64_t turned = part > 0 ? part : size;
  const Wire front = turned == size ? x : s.slice(x, {0}, {turned}, {1}, {3});
  const auto angles = [&](size_t i) {
    const Wire cache = s.convert(s.in(i), type);
    return s.unsqueeze(s.has(3) ? s.gather(cache, s.in(3), 0) : cache, {2});
  };
  const Wire cosine = angles(1), sine = angles(2);
  const bool neighbours = s.node.integer("interleaved", 0) != 0;
  const Wire a = neighbours ? s.slice(front, {0}, {turned}, {2}, {3}) : s.slice(front, {0}, {turned / 2}, {1}, {3});
  const Wire b = neighbours ? s.slice(front, {1}, {turned}, {2}, {3}) : s.slice(front, {turned / 2}, {turned}, {1}, {3});
  const auto times = [&](const Wire& u, const Wire& v) { return s.make("Multiply", {u, v}, {numpy}); };
  const Wire real = s.make("Subtract", {times(cosine, a), times(sine, b)}, {numpy});
  const Wire imaginary = s.make("Add", {times(sine, a), times(cosine, b)}, {numpy});
  Wire y;
  if (neighbours) {
    const Wire both = s.concat({s.unsqueeze(real, {4}), s.unsqueeze(imaginary, {4})}, 4);
    y = s.make("Reshape", {both, s.indices({0, 0, 0, turned})}, {{"special_zero", "true"}}, front.dimensions);
  } else {
    y = s.concat({real, imaginary}, 3);
  }
  if (turned != size) y = s.concat({y, s.slice(x, {turned}, {size}, {1}, {3})}, 3);
  if (three) return s.out(0, s.convert(s.make("Reshape", {y, s.indices({0, 0, -1})}, {{"special_zero", "true"}}, given.dimensions), own));
  s.out(0, s.convert(s.transpose(y, {0, 2, 1, 3}), own));
}

constexpr Writer writers[] = {{"Attention", Means::decomposition, attention}, {"RotaryEmbedding", Means::decomposition, rotary}};

}  // namespace

std::span<const Writer> attention_writers() { return writers; }

}  // namespace lathe::openvino
