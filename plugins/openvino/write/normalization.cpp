// Normalisations.
#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

Wire mvn(Step& s, const Wire& x, const std::vector<int64_t>& axes, double epsilon, const char* mode = "inside_sqrt") {
  return s.make("MVN", {x, s.indices(axes)}, {{"normalize_variance", "true"}, {"eps", text(epsilon)}, {"eps_mode", mode}});
}

Wire scaled(Step& s, const Wire& x, const Wire& scale, const Wire* bias) {
  const Wire y = s.make("Multiply", {x, scale}, {numpy});
  return bias ? s.make("Add", {y, *bias}, {numpy}) : y;
}

std::vector<int64_t> axes_from(int64_t first, int64_t rank) {
  std::vector<int64_t> axes;
  for (int64_t i = first; i < rank; ++i) axes.push_back(i);
  return axes;
}

// [n] -> [1, n, 1, ...]
Wire per_channel(Step& s, const Wire& v, int64_t rank) {
  std::vector<int64_t> shape(static_cast<size_t>(rank), 1);
  shape[1] = -1;
  return s.reshape(v, shape);
}

void batch(Step& s) {
  const Wire x = s.in(0);
  std::vector<Wire> inputs = {x};
  for (size_t i = 1; i < 5; ++i) inputs.push_back(s.convert(s.in(i), x.type));
  if (s.node.integer("training_mode", 0) != 0) {
    // Mean and variance of this batch, and what becomes of the running ones.
    std::vector<int64_t> axes = {0};
    for (int64_t i = 2; i < s.rank(0); ++i) axes.push_back(i);
    const Wire mean = s.reduce("ReduceMean", x, axes, true), centred = s.make("Subtract", {x, mean}, {numpy});
    const Wire variance = s.reduce("ReduceMean", s.make("Multiply", {centred, centred}, {numpy}), axes, false);
    const Wire batch[] = {s.reduce("ReduceMean", x, axes, false), variance};
    const double momentum = s.node.real("momentum", 0.9f);
    for (size_t i = 0; i < 2; ++i) {
      if (!s.wants(1 + i)) continue;
      const Wire kept = s.make("Multiply", {inputs[3 + i], s.scalar(x.type, momentum)}, {numpy});
      const Wire added = s.make("Multiply", {batch[i], s.scalar(x.type, 1 - momentum)}, {numpy});
      s.out(1 + i, s.convert(s.make("Add", {kept, added}, {numpy}), s.node.output_value(1 + i).type()));
    }
    inputs[3] = batch[0], inputs[4] = batch[1];
  }
  s.out(0, s.make("BatchNormInference", inputs, {{"epsilon", text(double(s.node.real("epsilon", 1e-5f)))}}));
}

void instance(Step& s) {
  const int64_t rank = s.rank(0);
  const Wire y = mvn(s, s.in(0), axes_from(2, rank), s.node.real("epsilon", 1e-5f));
  const Wire bias = per_channel(s, s.in(2), rank);
  s.out(0, scaled(s, y, per_channel(s, s.in(1), rank), &bias));
}

// Scale and bias have one number for each channel.
void group(Step& s) {
  const Wire x = s.in(0), scale = s.in(1), bias = s.in(2);
  s.out(0, s.make("GroupNormalization", {x, scale, bias},
                  {{"num_groups", text(s.node.integer("num_groups", 1))}, {"epsilon", text(double(s.node.real("epsilon", 1e-5f)))}}));
}

// What a normalisation is computed in: short floats in float32 (stash_type), and rounded once.
int32_t stash_type(const Step& s, int32_t type) {
  return type == LATHE_FLOAT64 || s.node.integer("stash_type", LATHE_FLOAT32) != LATHE_FLOAT32 ? type : LATHE_FLOAT32;
}

void layer(Step& s) {
  const Wire x = s.convert(s.in(0), stash_type(s, s.in(0).type));
  const int64_t rank = s.rank(0), first = s.axis(s.node.integer("axis", -1), rank);
  const double epsilon = s.node.real("epsilon", 1e-5f);
  const std::vector<int64_t> axes = axes_from(first, rank);
  const Wire scale = s.in(1);
  Wire bias;
  if (s.has(2)) bias = s.in(2);
  if (s.wants(1) || s.wants(2)) {
    const Wire mean = s.reduce("ReduceMean", x, axes, true);
    const Wire centred = s.make("Subtract", {x, mean}, {numpy});
    const Wire variance = s.reduce("ReduceMean", s.make("Multiply", {centred, centred}, {numpy}), axes, true);
    const Wire deviation = s.make("Sqrt", {s.make("Add", {variance, s.scalar(x.type, epsilon)}, {numpy})});
    const Wire inverse = s.make("Divide", {s.scalar(x.type, 1), deviation}, {numpy, {"m_pythondiv", "true"}});
    s.out(0, scaled(s, s.convert(s.make("Multiply", {centred, inverse}, {numpy}), s.in(0).type), scale, s.has(2) ? &bias : nullptr));
    if (s.wants(1)) s.out(1, s.convert(mean, s.node.output_value(1).type()));
    if (s.wants(2)) s.out(2, s.convert(inverse, s.node.output_value(2).type()));
    return;
  }
  s.out(0, scaled(s, s.convert(mvn(s, x, axes, epsilon), s.in(0).type), scale, s.has(2) ? &bias : nullptr));
}

void root_mean_square(Step& s) {
  const Wire x = s.convert(s.in(0), stash_type(s, s.in(0).type));
  const int64_t rank = s.rank(0), first = s.axis(s.node.integer("axis", -1), rank);
  const Wire mean = s.reduce("ReduceMean", s.make("Multiply", {x, x}, {numpy}), axes_from(first, rank), true);
  const Wire root = s.make("Sqrt", {s.make("Add", {mean, s.scalar(x.type, s.node.real("epsilon", 1e-5f))}, {numpy})});
  const Wire y = s.make("Divide", {x, root}, {numpy, {"m_pythondiv", "true"}});
  const int32_t to = s.node.output_value(0).type();
  s.out(0, s.make("Multiply", {s.convert(y, to), s.convert(s.in(1), to)}, {numpy}));
  // SimplifiedLayerNormalization yields the inverse of the root too.
  if (s.wants(1)) s.out(1, s.convert(s.make("Divide", {s.scalar(x.type, 1), root}, {numpy, {"m_pythondiv", "true"}}), s.node.output_value(1).type()));
}

void mean_variance(Step& s) { s.out(0, mvn(s, s.in(0), s.node.integers("axes", {0, 2, 3}), 1e-9, "outside_sqrt")); }

// Nothing is added to the norm; where it is zero the data is, and its quotient with a tiny number too.
void lp(Step& s) {
  const Wire x = s.in(0);
  const int64_t axis = s.axis(s.node.integer("axis", -1), s.rank(0));
  if (s.node.integer("p", 2) == 2) return s.out(0, s.make("NormalizeL2", {x, s.indices({axis})}, {{"eps", text(1e-36)}, {"eps_mode", "max"}}));
  const Wire norm = s.make("Maximum", {s.reduce("ReduceL1", x, {axis}, true), s.scalar(x.type, 1e-36)}, {numpy});
  s.out(0, s.make("Divide", {x, norm}, {numpy, {"m_pythondiv", "true"}}));
}

void local_response(Step& s) {
  s.out(0, s.make("LRN", {s.in(0), s.indices({1})},
                  {{"alpha", text(double(s.node.real("alpha", 1e-4f)))},
                   {"beta", text(double(s.node.real("beta", 0.75f)))},
                   {"bias", text(double(s.node.real("bias", 1)))},
                   {"size", text(s.node.integer("size", 1))}}));
}

constexpr Writer writers[] = {
    {"BatchNormalization", Means::exact, batch},
    {"GroupNormalization", Means::exact, group},
    {"InstanceNormalization", Means::decomposition, instance},
    {"LRN", Means::exact, local_response},
    {"LayerNormalization", Means::decomposition, layer},
    {"LpNormalization", Means::exact, lp},
    {"MeanVarianceNormalization", Means::exact, mean_variance},
    {"RMSNormalization", Means::decomposition, root_mean_square},
    {"SimplifiedLayerNormalization", Means::decomposition, root_mean_square},
};

}  // namespace

std::span<const Writer> normalization_writers() { return writers; }

}  // namespace lathe::openvino
