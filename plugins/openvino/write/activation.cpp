// Activation functions.
#include "families.hpp"

namespace lathe::openvino {
namespace {

constexpr std::pair<std::string_view, std::string_view> names[] = {{"HardSwish", "HSwish"}, {"Mish", "Mish"},         {"Relu", "ReLU"},
                                                                   {"Sigmoid", "Sigmoid"},  {"Softplus", "SoftPlus"}, {"Softsign", "SoftSign"}};
const Attribute numpy = {"auto_broadcast", "numpy"};

void simple(Step& s) {
  if (s.draft.skipped(s.node.index())) return;  // part of a Swish
  for (const auto& [ours, theirs] : names)
    if (ours == s.node.op_type()) return s.out(0, s.make(theirs, {s.in(0)}));
}

void elu(Step& s) { s.out(0, s.make("Elu", {s.in(0)}, {{"alpha", text(double(s.node.real("alpha", 1)))}})); }

// max(0, x) + min(0, alpha (exp(x / alpha) - 1)), with the Elu of x / alpha.
void celu(Step& s) {
  const Wire x = s.in(0);
  const Wire alpha = s.scalar(x.type, s.node.real("alpha", 1));
  // max(0, x) + min(0, alpha * (exp(x / alpha) - 1)): only what is negative is divided, so that nothing large overflows.
  const Wire zero = s.scalar(x.type, 0), low = s.make("Minimum", {x, zero}, {numpy}), high = s.make("Maximum", {x, zero}, {numpy});
  const Wire small = s.make("Divide", {low, alpha}, {numpy, {"m_pythondiv", "true"}});
  s.out(0, s.make("Add", {high, s.make("Multiply", {s.make("Elu", {small}, {{"alpha", "1"}}), alpha}, {numpy})}, {numpy}));
}

void selu(Step& s) {
  const Wire x = s.in(0);
  const Wire alpha = s.floats(x.type, {1}, {s.node.real("alpha", 1.67326319217681884765625f)});
  const Wire gamma = s.floats(x.type, {1}, {s.node.real("gamma", 1.05070102214813232421875f)});
  s.out(0, s.make("Selu", {x, alpha, gamma}));
}

void leaky(Step& s) {
  const Wire x = s.in(0);
  s.out(0, s.make("PReLU", {x, s.floats(x.type, {1}, {s.node.real("alpha", 0.01f)})}));
}

// PReLU reads a slope of one axis as that of the channels (axis 1); ONNX broadcasts from the last axis on. A slope of the data's rank means
// the same in both.
void prelu(Step& s) {
  const Wire x = s.in(0);
  Wire slope = s.in(1);
  if (x.type != LATHE_FLOAT32 && x.type != LATHE_FLOAT16 && x.type != LATHE_FLOAT64 && x.type != LATHE_BFLOAT16) {
    const Wire zero = s.scalar(x.type, 0);
    const Wire negative = s.make("Multiply", {x, slope}, {numpy});
    const Wire below = s.make("Less", {x, zero}, {numpy});
    return s.out(0, s.make("Select", {below, negative, x}, {numpy}, x.dimensions));
  }
  const int64_t rank = s.rank(0), own = s.rank(1);
  if (own < rank) {
    std::vector<int64_t> axes;
    for (int64_t i = 0; i < rank - own; ++i) axes.push_back(i);
    slope = s.unsqueeze(slope, axes);
  }
  s.out(0, s.make("PReLU", {x, slope}));
}

void hard_sigmoid(Step& s) {
  const Wire x = s.in(0);
  const Wire alpha = s.scalar(x.type, s.node.real("alpha", 0.2f));
  const Wire beta = s.scalar(x.type, s.node.real("beta", 0.5f));
  s.out(0, s.make("HardSigmoid", {x, alpha, beta}));
}

void gelu(Step& s) {
  s.out(0, s.make({"Gelu", 7}, {s.in(0)}, {{"approximation_mode", s.node.text("approximate", "none") == "tanh" ? "TANH" : "ERF"}}));
}

void swish(Step& s) {
  const Wire x = s.in(0);
  const float alpha = s.node.real("alpha", 1);
  if (alpha == 1) return s.out(0, s.make("Swish", {x}));
  s.out(0, s.make("Swish", {x, s.scalar(x.type, alpha)}));
}

void thresholded(Step& s) {
  const Wire x = s.in(0);
  const Wire above = s.make("Greater", {x, s.scalar(x.type, s.node.real("alpha", 1))}, {numpy});
  s.out(0, s.make("Select", {above, x, s.scalar(x.type, 0)}, {numpy}, x.dimensions));
}

// x - bias above lambda, x + bias below -lambda, else 0.
void shrink(Step& s) {
  const Wire x = s.in(0);
  const double lambda = s.node.real("lambd", 0.5f), bias = s.node.real("bias", 0);
  const Wire zero = s.scalar(x.type, 0);
  const auto part = [&](const char* test, double limit, double offset, const Wire& otherwise) {
    // Limits of integers are compared as real numbers.
    const int32_t type = x.type == LATHE_FLOAT64 || x.type == LATHE_INT64 || x.type == LATHE_INT32 || x.type == LATHE_UINT64 || x.type == LATHE_UINT32
                             ? LATHE_FLOAT64
                             : LATHE_FLOAT32;
    const Wire real = s.convert(x, type);
    const Wire found = s.make(test, {real, s.scalar(type, limit)}, {numpy});
    const Wire moved = s.convert(s.make("Add", {real, s.scalar(type, offset)}, {numpy}), x.type);
    return s.make("Select", {found, moved, otherwise}, {numpy}, x.dimensions);
  };
  s.out(0, part("Less", -lambda, bias, part("Greater", lambda, -bias, zero)));
}

void softmax(Step& s) {
  const Wire x = s.in(0);
  const int64_t axis = s.node.integer("axis", -1);
  if (s.node.op_type() == "LogSoftmax") return s.out(0, s.make("LogSoftmax", {x}, {{"axis", text(axis)}}));
  // Form 1 counts axes from the front alone.
  if (axis >= 0) return s.out(0, s.make({"SoftMax", 1}, {x}, {{"axis", text(axis)}}));
  if (x.has_rank()) return s.out(0, s.make({"SoftMax", 1}, {x}, {{"axis", text(axis + x.rank())}}));
  s.out(0, s.make({"SoftMax", 8}, {x}, {{"axis", text(axis)}}));
}

// 1 at the first largest element along the axis, else 0.
void hardmax(Step& s) {
  const Wire x = s.in(0);
  const int64_t rank = s.rank(0), axis = s.axis(s.node.integer("axis", -1), rank);
  std::vector<int64_t> kept = x.dimensions.value_or(std::vector<int64_t>());
  kept.at(static_cast<size_t>(axis)) = 1;
  const std::vector<Wire> top =
      s.make_many({"TopK", 11}, {x, s.index(1)},
                  {{"axis", text(axis)}, {"mode", "max"}, {"sort", "value"}, {"index_element_type", "i64"}, {"stable", "true"}}, {kept, kept});
  const Wire depth = s.squeeze(s.gather(s.shape_of(x), s.indices({axis}), 0), {0});
  const Wire one = s.scalar(x.type, 1), zero = s.scalar(x.type, 0);
  s.out(0, s.make("OneHot", {s.squeeze(top[1], {axis}), depth, one, zero}, {{"axis", text(axis)}}, x.dimensions));
}

constexpr Writer writers[] = {
    {"Celu", Means::decomposition, celu},
    {"Elu", Means::exact, elu},
    {"Gelu", Means::exact, gelu},
    {"HardSigmoid", Means::exact, hard_sigmoid},
    {"HardSwish", Means::exact, simple},
    {"Hardmax", Means::decomposition, hardmax},
    {"LeakyRelu", Means::exact, leaky},
    {"LogSoftmax", Means::exact, softmax},
    {"Mish", Means::exact, simple},
    {"PRelu", Means::exact, prelu},
    {"Relu", Means::exact, simple},
    {"Selu", Means::exact, selu},
    {"Shrink", Means::decomposition, shrink},
    {"Sigmoid", Means::exact, simple},
    {"Softmax", Means::exact, softmax},
    {"Softplus", Means::exact, simple},
    {"Softsign", Means::exact, simple},
    {"Swish", Means::exact, swish},
    {"ThresholdedRelu", Means::decomposition, thresholded},
};

}  // namespace

std::span<const Writer> activation_writers() { return writers; }

}  // namespace lathe::openvino
