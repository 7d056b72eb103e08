// Recipes of losses, attention and of com.microsoft.
#include "recipe.hpp"

namespace lathe::differential {
namespace {

bool loss(Recipe& r) {
  const DataType t = r.input_type(0), index = r.input_type(1);
  Dims dims = {r.random.between(1, 4), r.random.between(1, 5)}, target = {dims[0]};
  for (int64_t i = r.random.below(3); i > 0; --i) dims.push_back(r.random.between(1, 3)), target.push_back(dims.back());
  r.in(r.d.value(t, dims)), r.in(r.d.indices(target, dims[1], false, index));
  if (r.chance(40)) r.in(r.d.value(t, {dims[1]}, Content::positive));
  r.set("reduction", r.random.pick({"none", "sum", "mean"}));
  if (r.chance(30)) r.set("ignore_index", r.random.between(0, dims[1] - 1));
  if (r.op.outputs.size() > 1 && r.chance(40)) r.p.outputs = 2;
  return true;
}

bool rotary_embedding(Recipe& r) {
  const DataType t = r.input_type(0);
  const int64_t batch = r.random.between(1, 2), heads = r.random.between(1, 3), length = r.random.between(1, 4), size = 2 * r.random.between(1, 4);
  const bool positions = r.chance(60), flat = r.chance(40);
  r.in(r.d.value(t, flat ? Dims{batch, length, heads * size} : Dims{batch, heads, length, size}));
  const Dims cache = positions ? Dims{length + 3, size / 2} : Dims{batch, length, size / 2};
  r.in(r.d.value(t, cache, Content::unit)), r.in(r.d.value(t, cache, Content::unit));
  if (positions) r.in(r.d.indices({batch, length}, length + 3, false));
  if (flat) r.set("num_heads", heads);
  if (r.chance(40)) r.set("interleaved", int64_t(1));
  return true;
}

bool attention(Recipe& r) {
  const DataType t = r.input_type(0);
  const int64_t batch = r.random.between(1, 2), heads = r.random.between(1, 3), group = r.random.between(1, 2), q = r.random.between(1, 4),
                k = r.random.between(1, 5), size = r.random.between(1, 4), value = r.chance(50) ? size : r.random.between(1, 4);
  const bool flat = r.chance(40);
  if (flat) {
    r.in(r.d.value(t, {batch, q, heads * group * size}, Content::unit)), r.in(r.d.value(t, {batch, k, heads * size}, Content::unit));
    r.in(r.d.value(t, {batch, k, heads * value}));
    r.set("q_num_heads", heads * group), r.set("kv_num_heads", heads);
  } else {
    r.in(r.d.value(t, {batch, heads * group, q, size}, Content::unit)), r.in(r.d.value(t, {batch, heads, k, size}, Content::unit));
    r.in(r.d.value(t, {batch, heads, k, value}));
  }
  const int64_t past = r.chance(30) ? r.random.between(1, 3) : 0;
  const Dims mask = r.chance(50) ? Dims{q, past + k} : Dims{batch, 1, q, past + k};
  r.in(!r.chance(40) ? none : r.chance(60) ? r.d.value(t, mask) : r.d.value(DataType::boolean, mask));
  if (past) {
    r.in(r.d.value(t, {batch, heads, past, size}, Content::unit)), r.in(r.d.value(t, {batch, heads, past, value}));
    r.p.outputs = 3;
  } else if (r.chance(15)) {
    r.p.outputs = 3;
  }
  if (r.chance(30)) r.set("is_causal", int64_t(1));
  if (r.chance(30)) r.set("scale", 0.5f);
  if (r.chance(20)) r.set("softcap", 2.0f);
  return true;
}

bool tensor_scatter(Recipe& r) {
  const int64_t batch = r.random.between(1, 3), longest = r.random.between(2, 6), length = r.random.between(1, longest);
  Dims cache{batch, r.random.between(1, 3), longest, r.random.between(1, 3)}, update = cache;
  const bool third = r.chance(40), circular = r.chance(40);
  if (third) cache = {batch, longest, cache[1]}, update = cache;
  update[third ? 1 : 2] = length;
  const DataType t = r.input_type(0);
  r.in(r.d.value(t, cache)), r.in(r.d.value(t, update));
  if (r.chance(70)) r.in(r.d.indices({batch}, circular ? longest : longest - length + 1, false));
  if (third) r.set("axis", r.chance(50) ? int64_t(1) : int64_t(-2));
  if (circular) r.set("mode", "circular");
  return true;
}

// ---- com.microsoft -------------------------------------------------------------------------------------------------------------------

bool bias_gelu(Recipe& r) {
  const DataType t = r.input_type(0);
  const ValueId x = r.d.some(t, 1, 4);
  r.in(x);
  if (r.op.name == "BiasGelu" || r.chance(60)) r.in(r.d.value(t, {r.d.dims(x).back()}));
  return true;
}

}  // namespace

std::span<const NamedRecipe> attention_recipes() {
  static const NamedRecipe table[] = {
      {"Attention", attention},
      {"NegativeLogLikelihoodLoss", loss},
      {"RotaryEmbedding", rotary_embedding},
      {"SoftmaxCrossEntropyLoss", loss},
      {"TensorScatter", tensor_scatter},
      {"BiasGelu", bias_gelu, "com.microsoft"},
      {"FastGelu", bias_gelu, "com.microsoft"},
  };
  return table;
}

}  // namespace lathe::differential
