// Convolutions with an addition and an activation (com.microsoft): signatures and inference. The kernels are in lathe/kernels/fused_convolution.hpp.
#include "lathe/kernels/fused_convolution.hpp"

#include "core/ops/families.hpp"
#include "core/ops/window.hpp"

namespace lathe {
namespace {

void check_activation(const InferenceContext& c) {
  const std::vector<std::string> known{"", "Clip", "HardSigmoid", "LeakyRelu", "Relu", "Sigmoid", "Tanh"};
  const std::string activation = c.node().text("activation", "");
  if (std::find(known.begin(), known.end(), activation) == known.end())
    c.fail("attribute 'activation' has an unknown value" + did_you_mean(activation, known), "Relu, Sigmoid, Tanh, LeakyRelu, Clip or HardSigmoid",
           activation);
}

void check_addend(const InferenceContext& c, const Shape& y) {
  const Shape* z = infer::shape(c, 3);
  if (!z) return;
  bool same = z->size() == y.size();
  for (size_t i = 0; same && i < y.size(); ++i) same = !infer::differ((*z)[i], y[i]);
  if (!same) c.fail("input 'Z' does not have the output's shape", to_string(y), to_string(*z));
}

void infer(InferenceContext& c, bool channels_last) {
  check_activation(c);
  infer::expect_rank(c, 0, 3, SIZE_MAX);
  const Shape *given = infer::shape(c, 0), *weights = infer::shape(c, 1);
  if (!given || !weights) return infer::set(c, std::nullopt);
  if (given->size() != weights->size()) c.fail("input and weights differ in rank", to_string(*given), to_string(*weights));
  if (c.input(2)) infer::expect_length(c, 2, (*weights)[0]);
  Shape x = *given;
  if (channels_last) std::rotate(x.begin() + 1, x.end() - 1, x.end());
  Shape y = infer::convolved(c, x, *weights);
  if (channels_last) std::rotate(y.begin() + 1, y.begin() + 2, y.end());
  check_addend(c, y);
  infer::set(c, std::move(y));
}
void infer_fused(InferenceContext& c) { infer(c, false); }
void infer_nhwc(InferenceContext& c) { infer(c, true); }

}  // namespace

std::span<const Operator> fused_convolution_operators() {
  const std::vector<Formal> inputs{{"X", "T"}, {"W", "T"}, {"B", "T", Formal::optional}, {"Z", "T", Formal::optional}};
  const std::vector<FormalAttribute> attributes{
      {"activation", AttributeKind::text, false, "none"}, {"activation_params", AttributeKind::reals, false, "the activation's own defaults"},
      {"auto_pad", AttributeKind::text, false, "NOTSET"}, {"dilations", AttributeKind::integers, false, "1 on each axis"},
      {"group", AttributeKind::integer, false, "1"},      {"kernel_shape", AttributeKind::integers, false, "that of the weights"},
      {"pads", AttributeKind::integers, false, "0"},      {"strides", AttributeKind::integers, false, "1 on each axis"}};
  static const Operator table[] = {
      {"com.microsoft",
       "FusedConv",
       {1},
       inputs,
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       attributes,
       infer_fused,
       kernels::fused_conv,
       kernels::conv_scratch},
      {"com.microsoft",
       "NhwcFusedConv",
       {1},
       inputs,
       {{"Y", "T"}},
       {{"T", {DataType::float16, DataType::float32}}},
       attributes,
       infer_nhwc,
       kernels::nhwc_fused_conv},
  };
  return table;
}

}  // namespace lathe
