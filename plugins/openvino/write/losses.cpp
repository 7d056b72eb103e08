// Losses of classifiers, composed from gathering and reducing.
#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

// -weight[target] * x[target], with targets to be ignored weighing nothing. x: [N, C, d...], target: [N, d...].
Wire negative_likelihood(Step& s, const Wire& x, const Wire& target, const Wire* weight) {
  Wire index = target, ignored;
  const bool ignore = s.node.has("ignore_index");
  if (ignore) {
    ignored = s.make("Equal", {target, s.scalar(target.type, static_cast<double>(s.node.integer("ignore_index", 0)))}, {numpy});
    index = s.make("Select", {ignored, s.scalar(target.type, 0), target}, {numpy}, target.dimensions);
  }
  const Wire column = s.unsqueeze(index, {1});
  const Wire picked = s.squeeze(s.make("GatherElements", {x, column}, {{"axis", "1"}}, column.dimensions), {1});
  Wire loss = s.make("Negative", {picked});
  const std::string_view reduction = s.node.text("reduction", "mean");
  Wire weights;
  const bool weighed = weight || ignore;
  if (weight) weights = s.gather(*weight, index, 0);
  if (weighed && !weight) weights = s.broadcast_to(s.scalar(x.type, 1), s.shape_of(index), index.dimensions);
  if (ignore) weights = s.make("Select", {ignored, s.scalar(x.type, 0), weights}, {numpy}, weights.dimensions);
  if (weighed) loss = s.make("Multiply", {loss, weights}, {numpy});
  if (reduction == "none") return loss;
  std::vector<int64_t> axes;
  if (!target.has_rank()) s.refuse("the rank of its targets is not known");
  for (int64_t i = 0; i < target.rank(); ++i) axes.push_back(i);
  if (reduction == "sum") return s.reduce("ReduceSum", loss, axes, false);
  if (!weighed) return s.reduce("ReduceMean", loss, axes, false);
  const Wire sum = s.reduce("ReduceSum", loss, axes, false), total = s.reduce("ReduceSum", weights, axes, false);
  return s.make("Divide", {sum, total}, {numpy, {"m_pythondiv", "true"}});
}

void likelihood(Step& s) {
  Wire weight;
  if (s.has(2)) weight = s.in(2);
  s.out(0, negative_likelihood(s, s.in(0), s.in(1), s.has(2) ? &weight : nullptr));
}

void cross_entropy(Step& s) {
  const Wire logs = s.make("LogSoftmax", {s.in(0)}, {{"axis", "1"}});
  Wire weight;
  if (s.has(2)) weight = s.in(2);
  s.out(0, negative_likelihood(s, logs, s.in(1), s.has(2) ? &weight : nullptr));
  s.out(1, logs);
}

constexpr Writer writers[] = {{"NegativeLogLikelihoodLoss", Means::decomposition, likelihood},
                              {"SoftmaxCrossEntropyLoss", Means::decomposition, cross_entropy}};

}  // namespace

std::span<const Writer> loss_writers() { return writers; }

}  // namespace lathe::openvino
