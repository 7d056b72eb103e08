// ONNX Runtime's attention operators: signatures and inference. The kernels are in lathe/kernels/attention_microsoft.hpp.
#include "lathe/kernels/attention_microsoft.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

// The number of heads that an attribute gives; `columns` must be a multiple of it. Returns columns / heads.
Dimension head_size(InferenceContext& c, const char* attribute, const Dimension& columns, std::string_view what) {
  const int64_t heads = c.node().integer(attribute, 0);
  if (heads < 1) c.fail("attribute '" + std::string(attribute) + "' is no number of heads", "1 or more", std::to_string(heads));
  if (columns.constant() && columns.value % heads)
    c.fail("the heads do not divide " + std::string(what), "a multiple of " + std::to_string(heads), std::to_string(columns.value));
  return infer::divided(c, columns, Dimension(heads));
}

void expect_mask(InferenceContext& c, size_t input, const Dimension& batch) {
  infer::expect_rank(c, input, 1, 4);
  const Shape* mask = infer::shape(c, input);
  if (!mask || !batch.constant() || !(*mask)[0].constant()) return;
  const int64_t length = (*mask)[0].value, items = batch.value;
  const bool fits = mask->size() == 1 ? length == items || length == 2 * items || length == 3 * items + 2 : length == items;
  if (!fits) c.fail("the mask does not fit the batch", std::to_string(items) + " items", to_string(*mask));
}

// Of rank 4, every axis 1 or as wanted.
void expect_bias(InferenceContext& c, size_t input, const Shape& wanted) {
  infer::expect_rank(c, input, 4, 4);
  const Shape* bias = infer::shape(c, input);
  if (!bias) return;
  for (size_t i = 0; i < 4; ++i)
    if (infer::differ((*bias)[i], wanted[i]) && (i > 1 || (*bias)[i].value != 1))
      c.fail("attention_bias does not broadcast to the scores", to_string(wanted), to_string(*bias));
}

void refuse(InferenceContext& c, const char* attribute) {
  if (c.node().integer(attribute, 0)) c.unsupported("attribute '" + std::string(attribute) + "' is set", "export the model without it");
}

void infer_attention(InferenceContext& c) {
  refuse(c, "do_rotary");
  refuse(c, "past_present_share_buffer");
  infer::expect_rank(c, 0, 3, 3);
  infer::expect_rank(c, 1, 2, 2);
  infer::expect_rank(c, 4, 5, 5);
  const Shape *x = infer::shape(c, 0), *weights = infer::shape(c, 1);
  if (!x || !weights) {
    infer::set(c, std::nullopt);
    return infer::set(c, std::nullopt, 1);
  }
  infer::expect_shape(c, 1, {(*x)[2], Dimension()});
  infer::expect_shape(c, 2, {(*weights)[1]});
  Dimension query = infer::divided(c, (*weights)[1], Dimension(3)), value = query;
  if (const std::vector<int64_t> sizes = c.node().integers("qkv_hidden_sizes"); !sizes.empty()) {
    if (sizes.size() != 3 || sizes[0] < 1 || sizes[0] != sizes[1] || sizes[2] < 1)
      c.fail("attribute 'qkv_hidden_sizes' is wrong", "three sizes, those of Q and K equal", std::to_string(sizes.size()) + " sizes");
    query = Dimension(sizes[0]);
    value = Dimension(sizes[2]);
    const Dimension all(2 * sizes[0] + sizes[2]);
    if (infer::differ((*weights)[1], all))
      c.fail("the weights are not as wide as Q, K and V", std::to_string(all.value), std::to_string((*weights)[1].value));
  } else if ((*weights)[1].constant() && (*weights)[1].value % 3) {
    c.fail("the weights do not divide into Q, K and V", "a multiple of 3 columns", std::to_string((*weights)[1].value));
  }
  const Dimension heads(c.node().integer("num_heads", 0)), size = head_size(c, "num_heads", query, "the columns of Q");
  const Dimension value_size = head_size(c, "num_heads", value, "the columns of V");
  expect_mask(c, 3, (*x)[0]);
  Dimension keys = (*x)[1];
  if (const Shape* past = infer::shape(c, 4)) {
    if (infer::differ(size, value_size)) c.fail("a past wants Q and V of one size", std::to_string(size.value), std::to_string(value_size.value));
    infer::expect_shape(c, 4, {Dimension(2), (*x)[0], heads, Dimension(), size});
    keys = infer::plus(c, (*past)[3], (*x)[1]);
  }
  expect_bias(c, 5, {(*x)[0], heads, (*x)[1], keys});
  infer::set(c, Shape{(*x)[0], (*x)[1], value});
  infer::set(c, Shape{Dimension(2), (*x)[0], heads, keys, size}, 1);
}

void infer_multi_head(InferenceContext& c) {
  const Shape *q = infer::shape(c, 0), *k = infer::shape(c, 1), *v = infer::shape(c, 2);
  if (!q || (c.input(1) && !k) || (c.input(2) && !v)) {
    for (size_t i = 0; i < 3; ++i) infer::set(c, std::nullopt, i);
    return;
  }
  const Dimension heads(c.node().integer("num_heads", 0));
  Dimension size, value_size, fresh;
  if (q->size() == 5) {
    infer::expect_shape(c, 0, {(*q)[0], (*q)[1], heads, Dimension(3), Dimension()});
    if (k || v) c.fail("a query of five dimensions holds key and value already", "no further ones");
    size = value_size = (*q)[4];
    fresh = (*q)[1];
  } else {
    infer::expect_rank(c, 0, 3, 3);
    size = head_size(c, "num_heads", (*q)[2], "the query");
    if (!k) c.fail("the key is missing", "a key, or a query of five dimensions");
    if (k->size() == 5) {
      infer::expect_shape(c, 1, {(*q)[0], Dimension(), heads, Dimension(2), size});
      if (v) c.fail("a key of five dimensions holds the value already", "no further one");
      value_size = size;
      fresh = (*k)[1];
    } else {
      if (!v) c.fail("the value is missing", "a value, or a key of five dimensions");
      infer::expect_rank(c, 1, 3, 4);
      infer::expect_rank(c, 2, k->size(), k->size());
      fresh = (*k)[k->size() == 4 ? 2 : 1];
      if (k->size() == 4) {
        infer::expect_shape(c, 1, {(*q)[0], heads, fresh, size});
        infer::expect_shape(c, 2, {(*q)[0], heads, fresh, Dimension()});
        value_size = (*v)[3];
      } else {
        infer::expect_shape(c, 1, {(*q)[0], fresh, (*q)[2]});
        infer::expect_shape(c, 2, {(*q)[0], fresh, Dimension()});
        value_size = head_size(c, "num_heads", (*v)[2], "the value");
      }
    }
  }
  const Dimension query_columns = infer::times(c, heads, size), value_columns = infer::times(c, heads, value_size);
  infer::expect_shape(c, 3, {infer::plus(c, infer::times(c, Dimension(2), query_columns), value_columns)});
  expect_mask(c, 4, (*q)[0]);
  Dimension keys = fresh;
  if (const Shape* past = infer::shape(c, 6)) {
    infer::expect_shape(c, 6, {(*q)[0], heads, Dimension(), size});
    infer::expect_shape(c, 7, {(*q)[0], heads, (*past)[2], value_size});
    keys = infer::plus(c, (*past)[2], fresh);
  }
  if ((c.input(6) != nullptr) != (c.input(7) != nullptr)) c.fail("past keys and values belong together", "both or neither");
  expect_bias(c, 5, {(*q)[0], heads, (*q)[1], keys});
  infer::set(c, Shape{(*q)[0], (*q)[1], value_columns});
  infer::set(c, Shape{(*q)[0], heads, keys, size}, 1);
  infer::set(c, Shape{(*q)[0], heads, keys, value_size}, 2);
}

void infer_group_query(InferenceContext& c) {
  if (c.node().outputs.size() < 3 || c.node().outputs[1] == none || c.node().outputs[2] == none)
    c.fail("present_key and present_value are missing", "three outputs", std::to_string(c.node().outputs.size()));
  if ((c.input(1) != nullptr) != (c.input(2) != nullptr)) c.fail("key and value belong together", "both or neither");
  if ((c.input(3) != nullptr) != (c.input(4) != nullptr)) c.fail("past keys and values belong together", "both or neither");
  if (c.node().integer("do_rotary", 0) && (!c.input(7) || !c.input(8))) c.fail("rotation wants caches of cosines and sines", "inputs 7 and 8");
  infer::expect_rank(c, 0, 3, 3);
  infer::expect_rank(c, 3, 4, 4);
  const Shape* q = infer::shape(c, 0);
  if (!q) {
    for (size_t i = 0; i < 3; ++i) infer::set(c, std::nullopt, i);
    return;
  }
  const int64_t heads = c.node().integer("num_heads", 0), key_heads = c.node().integer("kv_num_heads", 0);
  if (heads < 1 || key_heads < 1 || heads % key_heads)
    c.fail("attributes 'num_heads' and 'kv_num_heads' do not fit each other", "the first a multiple of the second",
           std::to_string(heads) + " and " + std::to_string(key_heads));
  const int64_t parts = c.input(1) ? heads : heads + 2 * key_heads;
  if ((*q)[2].constant() && (*q)[2].value % parts)
    c.fail("the heads do not divide the query", "a multiple of " + std::to_string(parts), std::to_string((*q)[2].value));
  const Dimension size = infer::divided(c, (*q)[2], Dimension(parts));
  for (const size_t input : {1, 2}) infer::expect_shape(c, input, {(*q)[0], (*q)[1], infer::times(c, Dimension(key_heads), size)});
  for (const size_t input : {3, 4}) infer::expect_shape(c, input, {(*q)[0], Dimension(key_heads), Dimension(), size});
  infer::expect_shape(c, 5, {(*q)[0]});
  const std::optional<std::vector<int64_t>> total = infer::known_integers(c, 6);
  Dimension present;
  if (total && total->size() == 1) {
    if (!c.input(3))
      present = Dimension((*total)[0]);
    else if (const Shape* past = infer::shape(c, 3); past && (*past)[2].constant())
      present = Dimension(std::max((*total)[0], (*past)[2].value));
  }
  infer::set(c, Shape{(*q)[0], (*q)[1], infer::times(c, Dimension(heads), size)});
  for (const size_t output : {1, 2}) infer::set(c, Shape{(*q)[0], Dimension(key_heads), present, size}, output);
}

void infer_rotary(InferenceContext& c) {
  infer::expect_rank(c, 0, 3, 4);
  infer::expect_rank(c, 1, 1, 2);
  for (const size_t input : {2, 3}) infer::expect_rank(c, input, 2, 2);
  refuse(c, "is_packed_batching");
  infer::same_as_input(c);
  const Shape *x = infer::shape(c, 0), *cosines = infer::shape(c, 2);
  if (!x || !cosines) return;
  infer::expect_shape(c, 3, *cosines);
  const int64_t heads = c.node().integer("num_heads", 0), rotated = c.node().integer("rotary_embedding_dim", 0);
  if (rotated > 0 && heads < 1 && x->size() == 3) c.fail("a partial rotation wants to know the heads", "attribute 'num_heads'");
  if (rotated > 0 && infer::differ((*cosines)[1], Dimension(rotated / 2)))
    c.fail("the caches do not fit 'rotary_embedding_dim'", std::to_string(rotated / 2), std::to_string((*cosines)[1].value));
  const Dimension& columns = x->back();
  const int64_t unit = x->size() == 3 ? (heads > 0 ? heads : (*cosines)[1].constant() ? 2 * (*cosines)[1].value : 1) : 1;
  if (unit < 1 || (columns.constant() && columns.value % unit))
    c.fail("the heads do not divide the input", "a multiple of " + std::to_string(unit), std::to_string(columns.value));
}

}  // namespace

std::span<const Operator> attention_microsoft_operators() {
  constexpr AttributeKind integer = AttributeKind::integer;
  constexpr Formal::Kind optional = Formal::optional;
  constexpr std::string_view int32_tensor = "tensor(int32)";
  const std::vector<DataType> types{DataType::float32, DataType::float16, DataType::bfloat16};
  static const FormalAttribute scale{"scale", AttributeKind::real, false, "1 / sqrt(head size)"},
      filter{"mask_filter_value", AttributeKind::real, false, "-10000.0"}, heads{"num_heads", integer, true, {}};
  static const Operator table[] = {
      {"com.microsoft",
       "Attention",
       {1},
       {{"input", "T"},
        {"weights", "T"},
        {"bias", "T", optional},
        {"mask_index", int32_tensor, optional},
        {"past", "T", optional},
        {"attention_bias", "T", optional}},
       {{"output", "T"}, {"present", "T", optional}},
       {{"T", types}},
       {{"do_rotary", integer, false, "0"},
        filter,
        heads,
        {"past_present_share_buffer", integer, false, "0"},
        {"qkv_hidden_sizes", AttributeKind::integers},
        {"rotary_embedding_dim", integer},
        scale,
        {"unidirectional", integer, false, "0"}},
       infer_attention,
       kernels::microsoft_attention,
       kernels::microsoft_attention_scratch},
      {"com.microsoft",
       "MultiHeadAttention",
       {1},
       {{"query", "T"},
        {"key", "T", optional},
        {"value", "T", optional},
        {"bias", "T", optional},
        {"key_padding_mask", int32_tensor, optional},
        {"attention_bias", "T", optional},
        {"past_key", "T", optional},
        {"past_value", "T", optional}},
       {{"output", "T"}, {"present_key", "T", optional}, {"present_value", "T", optional}},
       {{"T", types}},
       {filter, heads, scale, {"unidirectional", integer, false, "0"}},
       infer_multi_head,
       kernels::multi_head_attention,
       kernels::multi_head_attention_scratch},
      {"com.microsoft",
       "GroupQueryAttention",
       {1},
       {{"query", "T"},
        {"key", "T", optional},
        {"value", "T", optional},
        {"past_key", "T", optional},
        {"past_value", "T", optional},
        {"seqlens_k", int32_tensor},
        {"total_sequence_length", int32_tensor},
        {"cos_cache", "T", optional},
        {"sin_cache", "T", optional},
        {"position_ids", infer::int64_tensor, optional},
        {"attention_bias", "T", optional},
        {"head_sink", "T", optional}},
       {{"output", "T"}, {"present_key", "T"}, {"present_value", "T"}},
       {{"T", types}},
       {{"do_rotary", integer, false, "0"},
        {"kv_num_heads", integer, true, {}},
        {"local_window_size", integer, false, "-1"},
        heads,
        {"rotary_interleaved", integer, false, "0"},
        scale,
        {"smooth_softmax", integer, false, "0"},
        {"softcap", AttributeKind::real, false, "0.0"}},
       infer_group_query,
       kernels::group_query_attention,
       kernels::group_query_attention_scratch},
      {"com.microsoft",
       "RotaryEmbedding",
       {1},
       {{"input", "T"}, {"position_ids", infer::int64_tensor}, {"cos_cache", "T"}, {"sin_cache", "T"}},
       {{"output", "T"}},
       {{"T", types}},
       {{"interleaved", integer, false, "0"},
        {"is_packed_batching", integer, false, "0"},
        {"num_heads", integer, false, "0"},
        {"rotary_embedding_dim", integer, false, "0"},
        {"scale", AttributeKind::real, false, "1.0"}},
       infer_rotary,
       kernels::microsoft_rotary_embedding},
  };
  return table;
}

}  // namespace lathe
