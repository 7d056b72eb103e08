// Attention and RotaryEmbedding, which came with opset 23, written out in products, Softmax and slices. Their shapes have to be known.
#include <cmath>

#include "core/ops/lower_rules.hpp"

namespace lathe::lower {
namespace {

using lift::Place;
using lift::Rule;
using Attributes = std::map<std::string, Attribute, std::less<>>;
using Sizes = std::vector<int64_t>;

// Makes nodes whose outputs are tensors of one element type.
struct Writer {
  const Place& p;
  DataType element;

  ValueId operator()(const char* op_type, std::vector<ValueId> inputs, const Sizes& sizes, Attributes attributes = {}) const {
    const ValueId result = p.make(op_type, std::move(inputs), std::move(attributes));
    p.graph.value(result).type = {ValueKind::tensor, element, Shape(sizes.begin(), sizes.end())};
    return result;
  }
  ValueId reshape(ValueId x, const Sizes& sizes) const {
    const ValueId target = p.integers("sizes", sizes);
    return (*this)("Reshape", {x, target}, sizes);
  }
  ValueId transpose(ValueId x, const Sizes& from, const Sizes& order) const {
    Sizes sizes;
    for (const int64_t axis : order) sizes.push_back(from[size_t(axis)]);
    return (*this)("Transpose", {x}, sizes, {{"perm", {order}}});
  }
  // Every `step`-th element of the last axis, from `start` to `end`.
  ValueId slice(ValueId x, Sizes sizes, int64_t start, int64_t end, int64_t step = 1) const {
    sizes.back() = (end - start + step - 1) / step;
    const ValueId first = p.integers("starts", {start}), last = p.integers("ends", {end}), axes = p.integers("axes", {int64_t(sizes.size()) - 1}),
                  steps = p.integers("steps", {step});
    return (*this)("Slice", {x, first, last, axes, steps}, sizes);
  }
};

Sizes sizes_of(const Place& p, ValueId v) {
  const ValueType& type = p.graph.value(v).type;
  if (!type.static_shape()) refuse("the shapes of its inputs are not known");
  return type.dimensions();
}

// [batch, steps, heads * size] or [batch, heads, steps, size] as the latter.
ValueId heads_first(const Writer& make, ValueId x, int64_t heads, Sizes& sizes) {
  if (sizes.size() == 4) return x;
  if (heads < 1 || sizes.size() != 3 || sizes[2] % heads != 0) refuse("its heads do not divide its input");
  const Sizes apart = {sizes[0], sizes[1], heads, sizes[2] / heads};
  sizes = {apart[0], apart[2], apart[1], apart[3]};
  return make.transpose(make.reshape(x, apart), apart, {0, 2, 1, 3});
}

bool used(const Place& p, const Uses& uses, size_t output) {
  if (output >= p.node().outputs.size() || p.node().outputs[output] == none) return false;
  const ValueId v = p.node().outputs[output];
  return !uses.users[v].empty() || uses.output[v];
}

// What is added to the scores so that a query sees no key behind it.
ValueId causal_mask(const Place& p, int64_t steps, int64_t keys, int64_t past) {
  Tensor mask = Tensor::allocate(DataType::float32, {steps, keys});
  const std::span<float> values = mask.as_mutable<float>();
  for (int64_t s = 0; s < steps; ++s)
    for (int64_t k = 0; k < keys; ++k) values[size_t(s * keys + k)] = k <= past + s ? 0 : -INFINITY;
  return p.constant("causal", std::move(mask));
}

// softmax(scale Q K' + mask) V (Vaswani et al., 2017), heads of K and V repeated where Q has more; the kernel's words say the rest.
void expand_attention(const Place& p) {
  const Uses uses(p.graph);
  const DataType element = p.graph.value(p.node().input(0)).type.element;
  if (element != DataType::float32) refuse("it computes in another type than float32");
  if (p.has_input(6)) refuse("its keys have lengths of their own");
  const int64_t shown = used(p, uses, 3) ? p.node().integer("qk_matmul_output_mode", 0) : -1;
  for (const size_t input : {1, 2})
    if (p.graph.value(p.node().input(input)).type.element != element) refuse("its inputs have different types");
  const Writer make{p, element};
  Sizes q = sizes_of(p, p.node().input(0)), k = sizes_of(p, p.node().input(1)), v = sizes_of(p, p.node().input(2));
  const bool rows = q.size() == 3;
  const int64_t query_heads = p.node().integer("q_num_heads", 0), key_heads = p.node().integer("kv_num_heads", 0);
  const ValueId query = heads_first(make, p.node().input(0), query_heads, q);
  ValueId key = heads_first(make, p.node().input(1), key_heads, k), value = heads_first(make, p.node().input(2), key_heads, v);
  int64_t past = 0;
  if (p.has_input(4)) {
    past = sizes_of(p, p.node().input(4)).at(2);
    k[2] += past, v[2] += past;
    key = make("Concat", {p.node().input(4), key}, k, {{"axis", {int64_t(2)}}});
    value = make("Concat", {p.node().input(5), value}, v, {{"axis", {int64_t(2)}}});
  }
  for (const auto& [output, present] : {std::pair{size_t(1), key}, std::pair{size_t(2), value}}) {
    if (!used(p, uses, output)) continue;
    const ValueId to = p.node().outputs[output];
    p.graph.add_node("Identity", {present}, {to}, p.graph.fresh_node_name(p.node().name + ".present"));
  }
  if (k[1] == 0 || q[1] % k[1] != 0) refuse("its heads do not divide its input");
  const auto repeated = [&](ValueId x, Sizes& sizes) {  // [b, h, s, d] -> [b, h, 1, s, d] -> [b, h, g, s, d] -> [b, h g, s, d]
    const int64_t group = q[1] / sizes[1];
    if (group == 1) return x;
    const Sizes apart = {sizes[0], sizes[1], 1, sizes[2], sizes[3]}, more = {sizes[0], sizes[1], group, sizes[2], sizes[3]};
    sizes[1] = q[1];
    const ValueId target = p.integers("group", more);
    return make.reshape(make("Expand", {make.reshape(x, apart), target}, more), sizes);
  };
  key = repeated(key, k), value = repeated(value, v);
  const Sizes scores_sizes = {q[0], q[1], q[2], k[2]};
  const float scale = p.node().has("scale") ? p.node().real("scale", 1) : 1 / std::sqrt(float(q[3]));
  ValueId scores = make("MatMul", {query, make.transpose(key, k, {0, 1, 3, 2})}, scores_sizes);
  scores = make("Mul", {scores, p.scalar("scale", double(scale))}, scores_sizes);
  const float cap = p.node().real("softcap", 0);
  const bool causal = p.node().integer("is_causal", 0) != 0;
  if (shown == 1 && causal && cap > 0) refuse("its scores are an output before they are capped");
  const auto show = [&](int64_t stage, ValueId v) {
    if (stage != shown) return;
    const ValueId to = p.node().outputs[3];
    p.graph.add_node("Identity", {v}, {to}, p.graph.fresh_node_name(p.node().name + ".scores"));
  };
  show(0, scores);
  bool excludes = false;  // some key may be left out of a row
  if (p.has_input(3)) {
    const ValueId mask = p.node().input(3);
    const ValueType& type = p.graph.value(mask).type;
    if (sizes_of(p, mask).back() != k[2]) refuse("its mask is shorter than its keys");
    if (type.element == DataType::boolean) {
      if (cap > 0) refuse("it caps what a mask leaves out");
      scores = make("Where", {mask, scores, p.scalar("out", double(-INFINITY))}, scores_sizes);
    } else if (type.element == element) {
      scores = make("Add", {scores, mask}, scores_sizes);
    } else {
      refuse("its inputs have different types");
    }
    excludes = true;
  }
  if (causal && cap <= 0) scores = make("Add", {scores, causal_mask(p, q[2], k[2], past)}, scores_sizes);
  show(1, scores);
  if (cap > 0) {
    const ValueId by = p.scalar("cap", double(cap));
    scores = make("Mul", {make("Tanh", {make("Div", {scores, by}, scores_sizes)}, scores_sizes), by}, scores_sizes);
  }
  if (causal && cap > 0) scores = make("Add", {scores, causal_mask(p, q[2], k[2], past)}, scores_sizes);
  show(2, scores);
  ValueId weights = make("Softmax", {scores}, scores_sizes, {{"axis", {int64_t(3)}}});
  if (excludes) {  // a row that nothing is left of: Softmax makes it no numbers, and it is zero
    const ValueId mine = p.make("Equal", {weights, weights});
    p.graph.value(mine).type = {ValueKind::tensor, DataType::boolean, Shape(scores_sizes.begin(), scores_sizes.end())};
    weights = make("Where", {mine, weights, p.scalar("zero", 0)}, scores_sizes);
  }
  show(3, weights);
  const Sizes out = {q[0], q[1], q[2], v[3]};
  p.node().outputs.resize(1);
  if (!rows) {
    p.node().op_type = "MatMul", p.node().inputs = {weights, value};
    p.node().attributes.clear();
    return;
  }
  const ValueId heads = make("MatMul", {weights, value}, out), steps = make.transpose(heads, out, {0, 2, 1, 3});
  const ValueId target = p.integers("rows", {out[0], out[2], out[1] * out[3]});
  p.node().op_type = "Reshape", p.node().inputs = {steps, target};
  p.node().attributes.clear();
}

// Pairs of elements are rotated (Su et al., "RoFormer", 2021): halves of a head, or neighbours.
void expand_rotary_embedding(const Place& p) {
  const Writer make{p, p.graph.value(p.node().input(0)).type.element};
  const Sizes whole = sizes_of(p, p.node().input(0));
  Sizes x = whole;
  const int64_t given = p.node().integer("rotary_embedding_dim", 0);
  const bool neighbours = p.node().integer("interleaved", 0) != 0;
  const ValueId heads = heads_first(make, p.node().input(0), p.node().integer("num_heads", 0), x);
  const int64_t rotated = given ? given : x[3], half = rotated / 2;
  const auto angles = [&](size_t input) {  // [batch, 1, steps, half]
    ValueId cache = p.node().input(input);
    if (p.has_input(3)) cache = make("Gather", {cache, p.node().input(3)}, {x[0], x[2], half}, {{"axis", {int64_t(0)}}});
    const Sizes sizes = p.has_input(3) ? Sizes{x[0], x[2], half} : sizes_of(p, cache);
    return make.reshape(cache, {sizes.at(0), 1, sizes.at(1), sizes.at(2)});
  };
  const ValueId cosines = angles(1), sines = angles(2);
  Sizes part = x;
  part[3] = half;
  const ValueId a = neighbours ? make.slice(heads, x, 0, rotated, 2) : make.slice(heads, x, 0, half);
  const ValueId b = neighbours ? make.slice(heads, x, 1, rotated, 2) : make.slice(heads, x, half, rotated);
  const auto times = [&](ValueId left, ValueId right) { return make("Mul", {left, right}, part); };
  ValueId first = make("Sub", {times(a, cosines), times(b, sines)}, part), second = make("Add", {times(a, sines), times(b, cosines)}, part);
  Sizes turned = x;
  turned[3] = rotated;
  ValueId result;
  if (neighbours) {
    const Sizes single = {x[0], x[1], x[2], half, 1}, pairs = {x[0], x[1], x[2], half, 2};
    first = make.reshape(first, single), second = make.reshape(second, single);
    result = make.reshape(make("Concat", {first, second}, pairs, {{"axis", {int64_t(4)}}}), turned);
  } else {
    result = make("Concat", {first, second}, turned, {{"axis", {int64_t(3)}}});
  }
  if (rotated < x[3]) {
    const ValueId rest = make.slice(heads, x, rotated, x[3]);
    result = make("Concat", {result, rest}, x, {{"axis", {int64_t(3)}}});
  }
  if (whole.size() == 3) result = make.transpose(result, x, {0, 2, 1, 3});
  const ValueId target = p.integers("whole", whole);
  p.node().op_type = "Reshape", p.node().inputs = {result, target};
  p.node().attributes.clear();
}

constexpr Rule table[] = {
    {"Attention", 23, expand_attention},
    {"RotaryEmbedding", 23, expand_rotary_embedding},
};

}  // namespace

std::span<const Rule> attention_expansions() { return table; }

}  // namespace lathe::lower
