// ONNX Runtime's normalisations: signatures and inference. The kernels are in lathe/kernels/normalization_microsoft.hpp.
#include "lathe/kernels/normalization_microsoft.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void infer_skip(InferenceContext& c) {
  infer::expect_rank(c, 0, 2, SIZE_MAX);
  const Shape *x = infer::shape(c, 0), *skip = infer::shape(c, 1);
  infer::same_as_input(c);
  std::optional<Shape> kept;
  if (x) {
    kept = *x;
    kept->back() = Dimension(1);
    for (size_t i = 2; i < c.node().inputs.size(); ++i) infer::expect_length(c, i, x->back());
    if (skip) {
      const size_t missing = x->size() - std::min(skip->size(), x->size());
      bool fits = skip->size() <= x->size() && missing <= 1;
      for (size_t i = 0; fits && i < skip->size(); ++i)
        fits = !infer::differ((*skip)[i], (*x)[i + missing]) || (i == 0 && missing == 0 && (*skip)[0].value == 1);
      if (!fits) c.fail("the skip connection does not fit the input", to_string(*x) + ", or with 1 for its batch", to_string(*skip));
    }
  }
  infer::set(c, DataType::float32, kept, 1);
  infer::set(c, DataType::float32, kept, 2);
  infer::set(c, x ? std::optional(*x) : std::nullopt, 3);
}

void infer_embed(InferenceContext& c) {
  infer::expect_rank(c, 0, 2, 2);
  for (const size_t table : {2, 3, 4}) infer::expect_rank(c, table, 2, 2);
  const Shape *ids = infer::shape(c, 0), *words = infer::shape(c, 2);
  if ((c.input(1) != nullptr) != (c.input(4) != nullptr)) c.fail("segment ids and their embeddings belong together", "both or neither");
  const DataType element = infer::element(c, 2);
  std::optional<Shape> y;
  if (ids && words) {
    y = Shape{(*ids)[0], (*ids)[1], (*words)[1]};
    for (const size_t input : {1, 7}) infer::expect_shape(c, input, *ids);
    for (const size_t table : {3, 4}) infer::expect_shape(c, table, {Dimension(), (*words)[1]});
    for (const size_t parameter : {5, 6}) infer::expect_length(c, parameter, (*words)[1]);
    const Shape* positions = infer::shape(c, 8);
    infer::expect_shape(c, 8, {positions && !positions->empty() && (*positions)[0].value == 1 ? Dimension(1) : (*ids)[0], (*ids)[1]});
  }
  infer::set(c, element, y);
  infer::set(c, DataType::int32, ids ? std::optional(Shape{(*ids)[0]}) : std::nullopt, 1);
  infer::set(c, element, y, 2);
}

void infer_group_norm(InferenceContext& c) {
  infer::expect_rank(c, 0, 3, SIZE_MAX);
  infer::same_as_input(c);
  const Shape* x = infer::shape(c, 0);
  if (!x) return;
  const Dimension channels = c.node().integer("channels_last", 1) ? x->back() : (*x)[1];
  for (const size_t parameter : {1, 2}) infer::expect_length(c, parameter, channels);
  const int64_t groups = c.node().integer("groups", 1);
  if (groups < 1 || (channels.constant() && channels.value % groups))
    c.fail("the channels do not divide into the groups", to_string(Shape{channels}) + " channels", std::to_string(groups) + " groups");
}

Operator skip(std::string_view name, std::vector<Formal> inputs, kernels::Kernel kernel) {
  return {"com.microsoft",
          name,
          {1},
          std::move(inputs),
          {{"output", "T"}, {"mean", "U", Formal::optional}, {"inv_std_var", "U", Formal::optional}, {"input_skip_bias_sum", "T", Formal::optional}},
          {{"T", {DataType::float32, DataType::float16, DataType::bfloat16}}, {"U", {DataType::float32}}},
          {{"epsilon", AttributeKind::real, false, "1e-12"}},
          infer_skip,
          kernel};
}

}  // namespace

std::span<const Operator> normalization_microsoft_operators() {
  constexpr Formal::Kind optional = Formal::optional;
  constexpr std::string_view int32_tensor = "tensor(int32)";
  const std::vector<DataType> types{DataType::float32, DataType::float16};
  static const Operator table[] = {
      skip("SkipLayerNormalization", {{"input", "T"}, {"skip", "T"}, {"gamma", "T"}, {"beta", "T", optional}, {"bias", "T", optional}},
           kernels::skip_layer_normalization),
      skip("SkipSimplifiedLayerNormalization", {{"input", "T"}, {"skip", "T"}, {"gamma", "T"}, {"bias", "T", optional}},
           kernels::skip_simplified_layer_normalization),
      {"com.microsoft",
       "EmbedLayerNormalization",
       {1},
       {{"input_ids", int32_tensor},
        {"segment_ids", int32_tensor, optional},
        {"word_embedding", "T"},
        {"position_embedding", "T"},
        {"segment_embedding", "T", optional},
        {"gamma", "T"},
        {"beta", "T"},
        {"mask", int32_tensor, optional},
        {"position_ids", int32_tensor, optional}},
       {{"output", "T"}, {"mask_index", int32_tensor, optional}, {"embedding_sum", "T", optional}},
       {{"T", types}},
       {{"epsilon", AttributeKind::real, false, "1e-12"}, {"mask_index_type", AttributeKind::integer, false, "0"}},
       infer_embed,
       kernels::embed_layer_normalization},
      {"com.microsoft",
       "GroupNorm",
       {1},
       {{"X", "T"}, {"gamma", "M"}, {"beta", "M"}},
       {{"Y", "T"}},
       {{"T", types}, {"M", types}},
       {{"activation", AttributeKind::integer, true, {}},
        {"channels_last", AttributeKind::integer, false, "1"},
        {"epsilon", AttributeKind::real, false, "1e-05"},
        {"groups", AttributeKind::integer, true, {}}},
       infer_group_norm,
       kernels::microsoft_group_norm},
  };
  return table;
}

}  // namespace lathe
