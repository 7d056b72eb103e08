// Recipes of com.microsoft's attention, embeddings and normalisations, as transformers' exporters write them.
#include "recipe.hpp"

namespace lathe::differential {
namespace {

ValueId whole_numbers(Recipe& r, const Dims& dims, const Dims& values) {
  Tensor t = Tensor::allocate(DataType::int32, dims);
  const auto out = t.as_mutable<int32_t>();
  for (size_t i = 0; i < out.size(); ++i) out[i] = int32_t(values[i % values.size()]);
  return r.d.fresh(std::move(t));
}

// [batch, keys] of ones with a tail of zeros in some rows; every row keeps a one.
ValueId padding_mask(Recipe& r, int64_t batch, int64_t keys) {
  Dims mask;
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = r.random.between(1, keys);
    for (int64_t k = 0; k < keys; ++k) mask.push_back(k < length);
  }
  return whole_numbers(r, {batch, keys}, mask);
}

bool attention(Recipe& r) {
  const DataType t = r.input_type(0);
  const int64_t batch = r.random.between(1, 2), length = r.random.between(1, 4), heads = r.random.between(1, 3), size = r.random.between(1, 4),
                hidden = heads * size, in = r.chance(50) ? hidden : r.d.size();
  r.in(r.d.value(t, {batch, length, in}, Content::unit)), r.in(r.d.value(t, {in, 3 * hidden}, Content::unit));
  r.in(r.d.value(t, {3 * hidden}, Content::unit));
  r.in(r.chance(40) ? padding_mask(r, batch, length) : none), r.in(none);
  r.in(r.chance(30) ? r.d.value(t, {r.chance(50) ? batch : 1, r.chance(50) ? heads : 1, length, length}, Content::unit) : none);
  r.set("num_heads", heads);
  if (r.chance(40)) r.set("unidirectional", int64_t(1));
  if (r.chance(30)) r.set("scale", 0.75f);
  return true;
}

bool multi_head_attention(Recipe& r) {
  const DataType t = r.input_type(0);
  const int64_t batch = r.random.between(1, 2), queries = r.random.between(1, 4), heads = r.random.between(1, 3), size = r.random.between(1, 4),
                keys = r.random.between(1, 5), value = r.chance(60) ? size : r.random.between(1, 4);
  r.in(r.d.value(t, {batch, queries, heads * size}, Content::unit)), r.in(r.d.value(t, {batch, keys, heads * size}, Content::unit));
  r.in(r.d.value(t, {batch, keys, heads * value}));
  r.in(r.chance(40) ? r.d.value(t, {heads * (2 * size + value)}, Content::unit) : none);
  r.in(r.chance(40) ? padding_mask(r, batch, keys) : none);
  r.in(r.chance(30) ? r.d.value(t, {r.chance(50) ? batch : 1, r.chance(50) ? heads : 1, queries, keys}, Content::unit) : none);
  r.set("num_heads", heads);
  if (queries == keys && r.chance(40)) r.set("unidirectional", int64_t(1));
  if (r.chance(30)) r.set("scale", 0.75f);
  return true;
}

// Either a prompt (no past), or one more token behind a past whose buffer is full.
bool group_query_attention(Recipe& r) {
  const DataType t = r.input_type(0);
  const bool rotary = r.chance(40), prompt = r.chance(50);
  const int64_t batch = r.random.between(1, 2), groups = r.random.between(1, 2), heads = groups * r.random.between(1, 3), size = rotary ? 16 : 8,
                past = prompt ? 0 : r.random.between(1, 4), length = prompt ? r.random.between(1, 4) : 1, total = past + length;
  r.in(r.d.value(t, {batch, length, heads * size}, Content::unit)), r.in(r.d.value(t, {batch, length, groups * size}, Content::unit));
  r.in(r.d.value(t, {batch, length, groups * size}));
  for (int i = 0; i < 2; ++i) r.in(prompt ? none : r.d.value(t, {batch, groups, past, size}, Content::unit));
  r.in(whole_numbers(r, {batch}, {total - 1})), r.in(r.d.constant(Tensor::of<int32_t>(DataType::int32, {1}, std::vector<int32_t>{int32_t(total)})));
  for (int i = 0; i < 2; ++i) r.in(rotary ? r.d.value(t, {total + 2, size / 2}, Content::unit) : none);
  r.set("num_heads", heads), r.set("kv_num_heads", groups);
  if (rotary) r.set("do_rotary", int64_t(1)), r.set("rotary_interleaved", int64_t(r.chance(40)));
  if (r.chance(30)) r.set("local_window_size", r.random.between(1, 4));
  if (r.chance(30)) r.set("scale", 0.75f);
  if (r.chance(20)) r.set("softcap", 2.0f);
  r.p.outputs = 3;
  return true;
}

bool rotary_embedding(Recipe& r) {
  const DataType t = r.input_type(0);
  const int64_t batch = r.random.between(1, 2), length = r.random.between(1, 4), heads = r.random.between(1, 3), size = 2 * r.random.between(1, 4),
                longest = length + 3;
  r.in(r.d.value(t, r.chance(50) ? Dims{batch, length, heads * size} : Dims{batch, heads, length, size}));
  r.in(r.chance(50) ? r.d.indices({1}, longest - length + 1, false) : r.d.indices({batch, length}, longest, false));
  for (int i = 0; i < 2; ++i) r.in(r.d.value(t, {longest, size / 2}, Content::unit));
  if (r.chance(50)) r.set("num_heads", heads);
  if (r.chance(40)) r.set("interleaved", int64_t(1));
  return true;
}

bool skip_normalization(Recipe& r) {
  const DataType t = r.input_type(0);
  const int64_t batch = r.random.between(1, 3), length = r.random.between(1, 4), width = r.random.between(4, 12);
  const Dims x{batch, length, width};
  r.in(r.d.fresh(r.d.filled(t, x, Content::any)));
  r.in(r.d.fresh(r.d.filled(t, r.chance(60) ? x : r.chance(50) ? Dims{1, length, width} : Dims{length, width}, Content::any)));
  r.in(r.d.value(t, {width}));
  for (size_t i = 3; i < r.op.inputs.size(); ++i) r.in(r.chance(50) ? r.d.value(t, {width}) : none);
  r.set("epsilon", 0.01f);
  return true;
}

bool embed_normalization(Recipe& r) {
  const DataType t = r.d.variable(r.op, "T");
  const int64_t batch = r.random.between(1, 3), length = r.random.between(1, 4), width = r.random.between(4, 10), words = r.random.between(2, 6);
  const auto ids = [&](int64_t count) { return r.d.indices({batch, length}, count, false, DataType::int32); };
  const bool segments = r.chance(60);
  r.in(ids(words)), r.in(segments ? ids(2) : none);
  r.in(r.d.fresh(r.d.filled(t, {words, width}, Content::any))), r.in(r.d.fresh(r.d.filled(t, {length + 2, width}, Content::any)));
  r.in(segments ? r.d.fresh(r.d.filled(t, {2, width}, Content::any)) : none);
  r.in(r.d.value(t, {width})), r.in(r.d.value(t, {width}));
  const bool masked = r.chance(50);
  r.in(masked ? padding_mask(r, batch, length) : none);
  if (r.chance(30)) r.in(ids(length + 2));
  r.set("epsilon", 0.01f);
  r.p.outputs = size_t(r.random.between(2, 3));
  return true;
}

bool group_norm(Recipe& r) {
  const int64_t groups = r.random.between(1, 3), channels = groups * r.random.between(1, 3), height = r.random.between(2, 4),
                width = r.random.between(2, 4), batch = r.random.between(1, 2);
  const bool last = r.chance(60);
  const DataType scale = r.input_type(1);
  r.in(r.d.value(r.input_type(0), last ? Dims{batch, height, width, channels} : Dims{batch, channels, height, width}));
  r.in(r.d.value(scale, {channels})), r.in(r.d.value(scale, {channels}));
  r.set("groups", groups), r.set("activation", int64_t(r.chance(50))), r.set("channels_last", int64_t(last)), r.set("epsilon", 0.01f);
  return true;
}

}  // namespace

std::span<const NamedRecipe> microsoft_recipes() {
  static const NamedRecipe table[] = {
      {"Attention", attention, "com.microsoft"},
      {"EmbedLayerNormalization", embed_normalization, "com.microsoft"},
      {"GroupNorm", group_norm, "com.microsoft"},
      {"GroupQueryAttention", group_query_attention, "com.microsoft"},
      {"MultiHeadAttention", multi_head_attention, "com.microsoft"},
      {"RotaryEmbedding", rotary_embedding, "com.microsoft"},
      {"SkipLayerNormalization", skip_normalization, "com.microsoft"},
      {"SkipSimplifiedLayerNormalization", skip_normalization, "com.microsoft"},
  };
  return table;
}

}  // namespace lathe::differential
