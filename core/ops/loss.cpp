// Losses of classifiers: signatures and inference. The kernels are in lathe/kernels/loss.hpp.
#include "lathe/kernels/loss.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void infer_loss(InferenceContext& c) {
  const std::string reduction = infer::choice(c, "reduction", {"mean", "none", "sum"});
  infer::expect_rank(c, 0, 2, SIZE_MAX);
  const Shape *x = infer::shape(c, 0), *labels = infer::shape(c, 1);
  std::optional<Shape> losses;
  if (labels) losses = *labels;
  if (x) {
    Shape wanted = *x;
    wanted.erase(wanted.begin() + 1);
    infer::expect_shape(c, 1, wanted);
    infer::expect_shape(c, 2, {(*x)[1]});
    losses = std::move(wanted);
  }
  infer::set(c, reduction == "none" ? losses : std::optional(Shape()));
  infer::set(c, x ? std::optional(*x) : std::nullopt, 1);
}

Operator loss(std::string_view name, std::vector<int> versions, std::vector<Formal> inputs, std::vector<Formal> outputs, kernels::Kernel kernel) {
  return {"",
          name,
          std::move(versions),
          std::move(inputs),
          std::move(outputs),
          {{"T", infer::floats()}, {"Tind", {DataType::int32, DataType::int64}}},
          {{"ignore_index", AttributeKind::integer}, {"reduction", AttributeKind::text, false, "mean"}},
          infer_loss,
          kernel};
}

}  // namespace

std::span<const Operator> loss_operators() {
  static const Operator table[] = {
      loss("NegativeLogLikelihoodLoss", {12, 13, 22}, {{"input", "T"}, {"target", "Tind"}, {"weight", "T", Formal::optional}}, {{"loss", "T"}},
           kernels::negative_log_likelihood_loss),
      loss("SoftmaxCrossEntropyLoss", {12, 13}, {{"scores", "T"}, {"labels", "Tind"}, {"weights", "T", Formal::optional}},
           {{"output", "T"}, {"log_prob", "T", Formal::optional}}, kernels::softmax_cross_entropy_loss),
  };
  return table;
}

}  // namespace lathe
