// Attention, rotary position embeddings, key-value caches: signatures and inference. The kernels are in lathe/kernels/attention.hpp.
#include "lathe/kernels/attention.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

// A tensor seen as [batch, heads, steps, size].
struct Heads {
  Dimension batch, heads, steps, size;
};

// Rank 4 [batch, heads, steps, size]; rank 3 [batch, steps, heads * size] with the number of heads as an attribute.
Heads heads_of(InferenceContext& c, size_t input, std::string_view attribute) {
  const Shape& s = *infer::shape(c, input);
  const int64_t given = c.node().integer(attribute, 0);
  if (s.size() == 4) {
    if (given > 0 && infer::differ(s[1], Dimension(given)))
      c.fail("attribute '" + std::string(attribute) + "' is not what input " + std::to_string(input) + " says", std::to_string(s[1].value),
             std::to_string(given));
    return {s[0], s[1], s[2], s[3]};
  }
  if (given < 1)
    c.fail("attribute '" + std::string(attribute) + "' is wanted where inputs have three dimensions", "a number of heads", std::to_string(given));
  if (s[2].constant() && s[2].value % given)
    c.fail("the heads do not divide input " + std::to_string(input), "a multiple of " + std::to_string(given), std::to_string(s[2].value));
  return {s[0], Dimension(given), s[1], infer::divided(c, s[2], Dimension(given))};
}

void expect_equal(InferenceContext& c, std::string_view what, const Dimension& expected, const Dimension& found) {
  if (infer::differ(expected, found)) c.fail(std::string(what) + " differ", std::to_string(expected.value), std::to_string(found.value));
}

void infer_attention(InferenceContext& c) {
  for (const size_t input : {0, 1, 2}) infer::expect_rank(c, input, 3, 4);
  for (const size_t input : {4, 5}) infer::expect_rank(c, input, 4, 4);
  infer::expect_rank(c, 3, 2, 4);
  infer::expect_rank(c, 6, 1, 1);
  if ((c.input(4) != nullptr) != (c.input(5) != nullptr)) c.fail("past keys and values belong together", "both or neither");
  if (c.input(6) && c.input(4)) c.fail("nonpad_kv_seqlen and past keys exclude each other", "one of them");
  if (const int64_t mode = c.node().integer("qk_matmul_output_mode", 0); mode < 0 || mode > 3)
    c.fail("attribute 'qk_matmul_output_mode' has no such value", "0 to 3", std::to_string(mode));
  if (c.node().real("softcap", 0) < 0) c.fail("attribute 'softcap' is negative", "0 or more", std::to_string(c.node().real("softcap", 0)));
  const DataType value_type = infer::element(c, 2);
  if (value_type != infer::element(c, 0)) c.unsupported("Q and V have different types", "cast V to the type of Q");
  const auto unknown = [&] {
    infer::set(c, std::nullopt, 0);
    infer::set(c, infer::element(c, 1), std::nullopt, 1);
    infer::set(c, value_type, std::nullopt, 2);
    infer::set(c, std::nullopt, 3);
  };
  if (!infer::shape(c, 0) || !infer::shape(c, 1) || !infer::shape(c, 2)) return unknown();
  const size_t rank = infer::shape(c, 0)->size();
  for (const size_t input : {1, 2}) infer::expect_rank(c, input, rank, rank);
  const Heads q = heads_of(c, 0, "q_num_heads"), k = heads_of(c, 1, "kv_num_heads"), v = heads_of(c, 2, "kv_num_heads");
  expect_equal(c, "the batches of Q and K", q.batch, k.batch);
  expect_equal(c, "the batches of K and V", k.batch, v.batch);
  expect_equal(c, "the head sizes of Q and K", q.size, k.size);
  expect_equal(c, "the steps of K and V", k.steps, v.steps);
  expect_equal(c, "the heads of K and V", k.heads, v.heads);
  if (q.heads.constant() && k.heads.constant() && (k.heads.value == 0 || q.heads.value % k.heads.value))
    c.fail("the heads of Q are no multiple of those of K", "a multiple of " + std::to_string(k.heads.value), std::to_string(q.heads.value));
  Dimension keys = k.steps;
  if (c.input(4)) {
    infer::expect_shape(c, 4, {k.batch, k.heads, Dimension(), k.size});
    const Dimension past = infer::shape(c, 4) ? (*infer::shape(c, 4))[2] : Dimension();
    infer::expect_shape(c, 5, {v.batch, v.heads, past, v.size});
    keys = infer::plus(c, past, k.steps);
  }
  infer::expect_shape(c, 6, {q.batch});
  if (const Shape* mask = infer::shape(c, 3)) {
    const Shape wanted{q.batch, q.heads, q.steps, keys};
    bool fits = !(mask->back().constant() && keys.constant() && mask->back().value > keys.value);
    for (size_t i = 0; fits && i + 1 < mask->size(); ++i) fits = (*mask)[i].value == 1 || !infer::differ((*mask)[i], wanted[i + 4 - mask->size()]);
    if (!fits) c.fail("the mask does not broadcast to the scores", to_string(wanted), to_string(*mask));
  }
  infer::set(c, rank == 4 ? Shape{q.batch, q.heads, q.steps, v.size} : Shape{q.batch, q.steps, infer::times(c, q.heads, v.size)}, 0);
  infer::set(c, infer::element(c, 1), Shape{k.batch, k.heads, keys, k.size}, 1);
  infer::set(c, value_type, Shape{v.batch, v.heads, keys, v.size}, 2);
  infer::set(c, Shape{q.batch, q.heads, q.steps, keys}, 3);
}

void infer_rotary(InferenceContext& c) {
  infer::expect_rank(c, 0, 3, 4);
  infer::same_as_input(c);
  const Shape* x = infer::shape(c, 0);
  if (!x) return;
  const Heads h = heads_of(c, 0, "num_heads");
  const int64_t rotated = c.node().integer("rotary_embedding_dim", 0);
  if (rotated < 0 || rotated % 2 || (h.size.constant() && rotated > h.size.value) || (!rotated && h.size.constant() && h.size.value % 2))
    c.fail("so many elements of a head cannot be rotated", "an even number of at most " + to_string(Shape{h.size}),
           std::to_string(rotated ? rotated : h.size.value));
  const Dimension half = infer::divided(c, rotated ? Dimension(rotated) : h.size, Dimension(2));
  const bool positions = c.input(3) != nullptr;
  const Shape cache = positions ? Shape{Dimension(), half} : Shape{h.batch, h.steps, half};
  infer::expect_shape(c, 1, cache);
  infer::expect_shape(c, 2, cache);
  infer::expect_shape(c, 3, {h.batch, h.steps});
}

void infer_tensor_scatter(InferenceContext& c) {
  infer::same_as_input(c);
  const std::string mode = c.node().text("mode", "linear");
  if (mode != "linear" && mode != "circular") c.fail("attribute 'mode' has no such value", "linear or circular", mode);
  const Shape *cache = infer::shape(c, 0), *update = infer::shape(c, 1);
  if (!cache) return;
  const size_t axis = infer::axis(c, c.node().integer("axis", -2), cache->size());
  if (axis == 0) c.fail("axis 0 is the batch", "an axis behind it", "0");
  infer::expect_shape(c, 2, {(*cache)[0]});
  if (!update) return;
  Shape wanted = *cache;
  wanted[axis] = Dimension();
  infer::expect_shape(c, 1, wanted);
  if ((*cache)[axis].constant() && (*update)[axis].constant() && (*update)[axis].value > (*cache)[axis].value)
    c.fail("the update is longer than the cache", "at most " + std::to_string((*cache)[axis].value), std::to_string((*update)[axis].value));
}

}  // namespace

std::span<const Operator> attention_operators() {
  constexpr AttributeKind integer = AttributeKind::integer;
  std::vector<DataType> masks = infer::floats();
  masks.push_back(DataType::boolean);
  std::vector<DataType> scattered = infer::every_type();
  std::erase_if(scattered, [](DataType type) { return type == DataType::uint2 || type == DataType::int2; });
  static const Operator table[] = {
      {"",
       "Attention",
       {23, 24},
       {{"Q", "T1"},
        {"K", "T1"},
        {"V", "T2"},
        {"attn_mask", "U", Formal::optional},
        {"past_key", "T1", Formal::optional},
        {"past_value", "T2", Formal::optional},
        {"nonpad_kv_seqlen", infer::int64_tensor, Formal::optional}},
       {{"Y", "T1"},
        {"present_key", "T1", Formal::optional},
        {"present_value", "T2", Formal::optional},
        {"qk_matmul_output", "T1", Formal::optional}},
       {{"T1", infer::floats()}, {"T2", infer::floats()}, {"U", masks}},
       {{"is_causal", integer, false, "0"},
        {"kv_num_heads", integer},
        {"q_num_heads", integer},
        {"qk_matmul_output_mode", integer, false, "0"},
        {"scale", AttributeKind::real, false, "1 / sqrt(head size)"},
        {"softcap", AttributeKind::real, false, "0.0"},
        {"softmax_precision", integer}},
       infer_attention,
       kernels::attention,
       kernels::attention_scratch},
      {"",
       "RotaryEmbedding",
       {23},
       {{"X", "T"}, {"cos_cache", "T"}, {"sin_cache", "T"}, {"position_ids", infer::int64_tensor, Formal::optional}},
       {{"Y", "T"}},
       {{"T", {DataType::float16, DataType::bfloat16, DataType::float32}}},
       {{"interleaved", integer, false, "0"}, {"num_heads", integer}, {"rotary_embedding_dim", integer, false, "0"}},
       infer_rotary,
       kernels::rotary_embedding},
      {"",
       "TensorScatter",
       {24},
       {{"past_cache", "T"}, {"update", "T"}, {"write_indices", infer::int64_tensor, Formal::optional}},
       {{"present_cache", "T"}},
       {{"T", scattered}},
       {{"axis", integer, false, "-2"}, {"mode", AttributeKind::text, false, "linear"}},
       infer_tensor_scatter,
       kernels::tensor_scatter},
  };
  return table;
}

}  // namespace lathe
