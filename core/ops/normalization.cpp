// Normalisation: signatures and inference. The kernels are in lathe/kernels/normalization.hpp.
#include "lathe/kernels/normalization.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void infer_batch(InferenceContext& c) {
  if (!c.node().integer("training_mode", 0) && c.node().outputs.size() > 1)
    c.fail("running statistics exist only in training mode", "one output", std::to_string(c.node().outputs.size()));
  infer::expect_rank(c, 0, 1, SIZE_MAX);
  infer::same_as_input(c);
  const Shape* x = infer::shape(c, 0);
  const Dimension channels = x ? (x->size() > 1 ? (*x)[1] : Dimension(1)) : Dimension();
  for (size_t i = 1; i <= 4; ++i) infer::expect_length(c, i, channels);
  for (size_t i = 1; i < c.node().outputs.size(); ++i) infer::set(c, infer::element(c, i + 2), Shape{channels}, i);
}

// Scale and bias broadcast to the normalised axes.
void infer_layer(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  infer::same_as_input(c);
  const int64_t stash = c.node().integer("stash_type", 1);
  constexpr DataType kinds[] = {DataType::float32, DataType::float64, DataType::float16, DataType::bfloat16};
  DataType statistics = DataType::none;
  for (const DataType kind : kinds)
    if (stash == int64_t(kind)) statistics = kind;
  if (statistics == DataType::none) c.fail("attribute 'stash_type' is no floating-point type", "1, 10, 11 or 16", std::to_string(stash));
  std::optional<Shape> kept;
  if (x) {
    const size_t axis = infer::axis(c, c.node().integer("axis", -1), x->size());
    for (size_t i = 1; i <= 2; ++i) {
      const Shape* parameter = infer::shape(c, i);
      if (!parameter) continue;
      const Shape joined = infer::broadcast(c, *x, *parameter);
      bool fits = joined.size() == x->size();
      for (size_t k = 0; fits && k < x->size(); ++k) fits = !infer::differ(joined[k], (*x)[k]);
      if (!fits) c.fail("a parameter does not broadcast to the input", to_string(*x), to_string(*parameter));
    }
    kept = *x;
    for (size_t i = axis; i < kept->size(); ++i) (*kept)[i] = Dimension(1);
  }
  for (size_t i = 1; i < c.node().outputs.size(); ++i) infer::set(c, statistics, kept, i);
}

// RMSNormalization: the output has the scale's type.
void infer_root_mean_square(InferenceContext& c) {
  infer_layer(c);
  ValueType y = *c.input(0);
  y.element = infer::element(c, 1);
  c.set_output(0, std::move(y));
}

void infer_lp(InferenceContext& c) {
  if (const int64_t p = c.node().integer("p", 2); p != 1 && p != 2) c.fail("attribute 'p' has no such value", "1 or 2", std::to_string(p));
  if (const Shape* x = infer::shape(c, 0)) infer::axis(c, c.node().integer("axis", -1), x->size());
  infer::same_as_input(c);
}

void infer_local_response(InferenceContext& c) {
  infer::expect_rank(c, 0, 2, SIZE_MAX);
  if (const int64_t size = c.node().integer("size", 1); size < 1)
    c.fail("attribute 'size' is no number of channels", "1 or more", std::to_string(size));
  infer::same_as_input(c);
}

void infer_mean_variance(InferenceContext& c) {
  const std::vector<int64_t> axes = c.node().integers("axes");
  if (const Shape* x = infer::shape(c, 0))
    for (const int64_t axis : axes.empty() ? std::vector<int64_t>{0, 2, 3} : axes) infer::axis(c, axis, x->size());
  infer::same_as_input(c);
}

void infer_channels(InferenceContext& c) {
  infer::expect_rank(c, 0, 3, SIZE_MAX);
  if (const Shape* x = infer::shape(c, 0)) {
    const int64_t groups = c.node().integer("num_groups", 1);
    if (groups < 1 || ((*x)[1].constant() && (*x)[1].value % groups))
      c.fail("the channels do not divide into the groups", to_string(Shape{(*x)[1]}) + " channels", std::to_string(groups) + " groups");
    for (size_t i = 1; i <= 2; ++i) infer::expect_length(c, i, (*x)[1]);
  }
  infer::same_as_input(c);
}

}  // namespace

std::span<const Operator> normalization_operators() {
  static const FormalAttribute epsilon{"epsilon", AttributeKind::real, false, "1e-05"}, stash{"stash_type", AttributeKind::integer, false, "1"};
  static const Operator table[] = {
      {"",
       "BatchNormalization",
       {7, 9, 14, 15},
       {{"X", "T"}, {"scale", "T1"}, {"B", "T1"}, {"input_mean", "T2"}, {"input_var", "T2"}},
       {{"Y", "T"}, {"running_mean", "T2", Formal::optional}, {"running_var", "T2", Formal::optional}},
       {{"T", infer::floats()}, {"T1", infer::floats()}, {"T2", infer::floats()}},
       {epsilon, {"momentum", AttributeKind::real, false, "0.9"}, {"training_mode", AttributeKind::integer, false, "0"}},
       infer_batch,
       kernels::batch_normalization},
      {"",
       "LayerNormalization",
       {17},
       {{"X", "T"}, {"Scale", "T"}, {"B", "T", Formal::optional}},
       {{"Y", "T"}, {"Mean", "U", Formal::optional}, {"InvStdDev", "U", Formal::optional}},
       {{"T", infer::floats()}, {"U", infer::floats()}},
       {{"axis", AttributeKind::integer, false, "-1"}, epsilon, stash},
       infer_layer,
       kernels::layer_normalization},
      {"",
       "RMSNormalization",
       {23},
       {{"X", "T"}, {"scale", "V"}},
       {{"Y", "V"}},
       {{"T", infer::floats()}, {"V", infer::floats()}},
       {{"axis", AttributeKind::integer, false, "-1"}, epsilon, stash},
       infer_root_mean_square,
       kernels::rms_normalization},
      // ONNX Runtime's form of it, which it keeps in ONNX's own domain.
      {"",
       "SimplifiedLayerNormalization",
       {1},
       {{"X", "T"}, {"scale", "V"}},
       {{"Y", "V"}, {"inv_std_var", "U", Formal::optional}},
       {{"T", infer::floats()}, {"V", infer::floats()}, {"U", infer::floats()}},
       {{"axis", AttributeKind::integer, false, "-1"}, epsilon, stash},
       infer_root_mean_square,
       kernels::rms_normalization},
      {"",
       "LpNormalization",
       {1, 22},
       {{"input", "T"}},
       {{"output", "T"}},
       {{"T", infer::floats()}},
       {{"axis", AttributeKind::integer, false, "-1"}, {"p", AttributeKind::integer, false, "2"}},
       infer_lp,
       kernels::lp_normalization},
      {"",
       "LRN",
       {1, 13},
       {{"X", "T"}},
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       {{"alpha", AttributeKind::real, false, "0.0001"},
        {"beta", AttributeKind::real, false, "0.75"},
        {"bias", AttributeKind::real, false, "1.0"},
        {"size", AttributeKind::integer, true, {}}},
       infer_local_response,
       kernels::local_response_normalization},
      {"",
       "MeanVarianceNormalization",
       {9, 13},
       {{"X", "T"}},
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       {{"axes", AttributeKind::integers, false, "0, 2, 3"}},
       infer_mean_variance,
       kernels::mean_variance_normalization},
      {"",
       "InstanceNormalization",
       {6, 22},
       {{"input", "T"}, {"scale", "T"}, {"B", "T"}},
       {{"output", "T"}},
       {{"T", infer::floats()}},
       {epsilon},
       infer_channels,
       kernels::instance_normalization},
      {"",
       "GroupNormalization",
       {18, 21},
       {{"X", "T"}, {"scale", "T"}, {"bias", "T"}},
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       {epsilon, {"num_groups", AttributeKind::integer, true, {}}, stash},
       infer_channels,
       kernels::group_normalization},
  };
  return table;
}

}  // namespace lathe
