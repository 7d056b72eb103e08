// Activation functions: signatures and inference. The kernels are in lathe/kernels/activation.hpp.
#include "lathe/kernels/activation.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void infer_prelu(InferenceContext& c) {
  const Shape *x = infer::shape(c, 0), *slope = infer::shape(c, 1);
  if (x && slope) {
    const Shape joined = infer::broadcast(c, *x, *slope);
    if (joined.size() != x->size()) c.fail("the slope has more dimensions than the input", to_string(*x), to_string(*slope));
    for (size_t i = 0; i < x->size(); ++i)
      if (infer::differ(joined[i], (*x)[i])) c.fail("the slope does not broadcast to the input", to_string(*x), to_string(*slope));
  }
  infer::same_as_input(c);
}

void infer_clip(InferenceContext& c) {
  for (size_t i = 1; i <= 2; ++i) {
    const Shape* s = infer::shape(c, i);
    if (s && (s->size() > 1 || (s->size() == 1 && infer::differ((*s)[0], Dimension(1)))))
      c.fail("a bound is no scalar", "one element", to_string(*s));
  }
  infer::same_as_input(c);
}

void infer_gelu(InferenceContext& c) {
  infer::choice(c, "approximate", {"none", "tanh"});
  infer::same_as_input(c);
}

// A bias is as long as the last axis.
void infer_biased(InferenceContext& c) {
  infer::same_as_input(c);
  infer::expect_rank(c, 0, 1, SIZE_MAX);
  if (const Shape* x = infer::shape(c, 0); x && c.input(1)) infer::expect_length(c, 1, x->back());
}

Operator activation(std::string_view name, std::vector<int> versions, kernels::Kernel kernel, std::vector<FormalAttribute> attributes = {}) {
  return {"", name, std::move(versions), {{"X", "T"}}, {{"Y", "T"}}, {{"T", infer::floats()}}, std::move(attributes), infer::same_as_input, kernel};
}

}  // namespace

std::span<const Operator> activation_operators() {
  constexpr AttributeKind real = AttributeKind::real;
  static const Operator table[] = {
      {"", "Relu", {6, 13, 14}, {{"X", "T"}}, {{"Y", "T"}}, {{"T", infer::signed_types()}}, {}, infer::same_as_input, kernels::relu},
      activation("LeakyRelu", {6, 16}, kernels::leaky_relu, {{"alpha", real, false, "0.01"}}),
      activation("ThresholdedRelu", {10, 22}, kernels::thresholded_relu, {{"alpha", real, false, "1.0"}}),
      activation("Sigmoid", {6, 13}, kernels::sigmoid),
      activation("HardSigmoid", {6, 22}, kernels::hard_sigmoid, {{"alpha", real, false, "0.2"}, {"beta", real, false, "0.5"}}),
      activation("HardSwish", {14, 22}, kernels::hard_swish),
      activation("Tanh", {6, 13}, kernels::tanh),
      activation("Elu", {6, 22}, kernels::elu, {{"alpha", real, false, "1.0"}}),
      {"",
       "Celu",
       {12},
       {{"X", "T"}},
       {{"Y", "T"}},
       {{"T", {DataType::float32}}},
       {{"alpha", real, false, "1.0"}},
       infer::same_as_input,
       kernels::celu},
      activation("Selu", {6, 22}, kernels::selu, {{"alpha", real, false, "1.67326"}, {"gamma", real, false, "1.0507"}}),
      activation("Softplus", {1, 22}, kernels::softplus),
      activation("Softsign", {1, 22}, kernels::softsign),
      activation("Mish", {18, 22}, kernels::mish),
      activation("Swish", {24}, kernels::swish, {{"alpha", real, false, "1.0"}}),
      {"",
       "Gelu",
       {20},
       {{"X", "T"}},
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       {{"approximate", AttributeKind::text, false, "none"}},
       infer_gelu,
       kernels::gelu},
      {"",
       "Shrink",
       {9},
       {{"input", "T"}},
       {{"output", "T"}},
       {{"T", infer::before_bfloat16(infer::numbers())}},
       {{"bias", real, false, "0.0"}, {"lambd", real, false, "0.5"}},
       infer::same_as_input,
       kernels::shrink},
      {"com.microsoft", "Gelu", {1}, {{"X", "T"}}, {{"Y", "T"}}, {{"T", infer::floats()}}, {}, infer::same_as_input, kernels::gelu},
      {"com.microsoft",
       "FastGelu",
       {1},
       {{"X", "T"}, {"bias", "T", Formal::optional}},
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       {},
       infer_biased,
       kernels::fast_gelu},
      {"com.microsoft", "BiasGelu", {1}, {{"A", "T"}, {"B", "T"}}, {{"C", "T"}}, {{"T", infer::floats()}}, {}, infer_biased, kernels::bias_gelu},
      {"com.microsoft",
       "QuickGelu",
       {1},
       {{"X", "T"}},
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       {{"alpha", real, false, "1.702"}},
       infer::same_as_input,
       kernels::quick_gelu},
      {"", "PRelu", {7, 9, 16}, {{"X", "T"}, {"slope", "T"}}, {{"Y", "T"}}, {{"T", infer::reducible()}}, {}, infer_prelu, kernels::prelu},
      {"",
       "Clip",
       {6, 11, 12, 13},
       {{"input", "T"}, {"min", "T", Formal::optional}, {"max", "T", Formal::optional}},
       {{"output", "T"}},
       {{"T", infer::numbers()}},
       {},
       infer_clip,
       kernels::clip},
  };
  return table;
}

}  // namespace lathe
