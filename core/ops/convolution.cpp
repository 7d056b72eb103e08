// Convolution, transposed convolution, integer convolution: signatures and inference. The kernels are in lathe/kernels/convolution.hpp.
#include "lathe/kernels/convolution.hpp"

#include "core/ops/families.hpp"
#include "core/ops/window.hpp"

namespace lathe {
namespace {

std::vector<int64_t> spatial_sizes(const Shape& weights) {
  std::vector<int64_t> sizes;
  for (size_t i = 2; i < weights.size(); ++i) sizes.push_back(weights[i].value);
  return sizes;
}

int64_t group(const InferenceContext& c) {
  const int64_t group = c.node().integer("group", 1);
  if (group < 1) c.fail("attribute 'group' is out of range", "at least 1", std::to_string(group));
  return group;
}

// The shapes of input and weights, or false when either rank is not known.
bool shapes(InferenceContext& c, DataType element, const Shape*& x, const Shape*& weights) {
  infer::expect_rank(c, 0, 3, SIZE_MAX);
  x = infer::shape(c, 0);
  weights = infer::shape(c, 1);
  if (!x || !weights) {
    infer::set(c, element, std::nullopt);
    return false;
  }
  if (x->size() != weights->size()) c.fail("input and weights differ in rank", to_string(*x), to_string(*weights));
  return true;
}

void convolve(InferenceContext& c, DataType element) {
  const Shape *x, *weights;
  if (shapes(c, element, x, weights)) infer::set(c, element, infer::convolved(c, *x, *weights));
}

void infer_conv(InferenceContext& c) {
  if (const Shape* weights = infer::shape(c, 1); weights && c.input(2) && !weights->empty()) infer::expect_length(c, 2, (*weights)[0]);
  convolve(c, infer::element(c, 0));
}
void infer_conv_integer(InferenceContext& c) {
  const Shape *x_zero = infer::shape(c, 2), *w_zero = infer::shape(c, 3), *weights = infer::shape(c, 1);
  if (x_zero && infer::differ(infer::product(c, *x_zero, 0, x_zero->size()), Dimension(1)))
    c.fail("the input's zero point is no scalar", "one element", to_string(*x_zero));
  if (w_zero && weights && !weights->empty()) {
    const Dimension count = infer::product(c, *w_zero, 0, w_zero->size());
    if (count.value != 1 && infer::differ(count, (*weights)[0]))
      c.fail("the weights' zero point has the wrong length", "1 or " + to_string(Shape{(*weights)[0]}), to_string(*w_zero));
  }
  convolve(c, DataType::int32);
}

void infer_conv_transpose(InferenceContext& c) {
  const Shape *x, *weights;
  if (!shapes(c, infer::element(c, 0), x, weights)) return;
  if (infer::differ((*x)[1], (*weights)[0])) c.fail("the input's channels do not match the weights", to_string(*weights), to_string(*x));
  const int64_t groups = group(c);
  if ((*x)[1].constant() && (*x)[1].value % groups)
    c.fail("the input channels do not divide into the groups", "a multiple of " + std::to_string(groups), std::to_string((*x)[1].value));
  const size_t rank = x->size() - 2;
  const infer::Window w = infer::window(c, rank, spatial_sizes(*weights));
  std::vector<int64_t> extra = c.node().integers("output_padding"), sizes = c.node().integers("output_shape");
  if (extra.empty()) extra.assign(rank, 0);
  if (extra.size() != rank) c.fail("attribute 'output_padding' has the wrong length", std::to_string(rank), std::to_string(extra.size()));
  if (sizes.size() == rank + 2) sizes.erase(sizes.begin(), sizes.begin() + 2);  // some exporters give batch and channels too
  if (!sizes.empty() && sizes.size() != rank)
    c.fail("attribute 'output_shape' has the wrong length", std::to_string(rank), std::to_string(sizes.size()));
  Shape y{(*x)[0], infer::times(c, (*weights)[1], Dimension(groups))};
  if (c.input(2)) infer::expect_length(c, 2, y[1]);
  for (size_t i = 0; i < rank; ++i) {
    if (extra[i] < 0 || extra[i] > (int64_t(1) << 31)) c.fail("attribute 'output_padding' is out of range", "at least 0", std::to_string(extra[i]));
    if (const int64_t most = std::max(w.strides[i], w.dilations[i]); extra[i] >= most)
      c.fail("attribute 'output_padding' is out of range", "less than the stride or the dilation: " + std::to_string(most), std::to_string(extra[i]));
    if (!sizes.empty()) {
      if (sizes[i] < 1) c.fail("attribute 'output_shape' is out of range", "at least 1", std::to_string(sizes[i]));
      y.push_back(Dimension(sizes[i]));
    } else if (w.auto_pad == "SAME_UPPER" || w.auto_pad == "SAME_LOWER") {
      y.push_back(infer::times(c, (*x)[i + 2], Dimension(w.strides[i])));
    } else if (w.kernel[i] < 0) {
      y.push_back(Dimension());
    } else {
      const int64_t pads = w.auto_pad == "VALID" ? 0 : w.pads[i] + w.pads[rank + i];
      const Dimension steps = infer::times(c, infer::minus(c, (*x)[i + 2], Dimension(1)), Dimension(w.strides[i]));
      y.push_back(infer::plus(c, steps, infer::from_number((w.kernel[i] - 1) * w.dilations[i] + 1 + extra[i] - pads)));
    }
  }
  infer::set(c, std::move(y));
}

std::vector<FormalAttribute> window_attributes(std::vector<FormalAttribute> more = {}) {
  std::vector<FormalAttribute> list{
      {"auto_pad", AttributeKind::text, false, "NOTSET"}, {"dilations", AttributeKind::integers, false, "1 on each axis"},
      {"group", AttributeKind::integer, false, "1"},      {"kernel_shape", AttributeKind::integers, false, "that of the weights"},
      {"pads", AttributeKind::integers, false, "0"},      {"strides", AttributeKind::integers, false, "1 on each axis"}};
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

}  // namespace

std::span<const Operator> convolution_operators() {
  const std::vector<DataType> bytes{DataType::uint8, DataType::int8};
  static const Operator table[] = {
      {"",
       "Conv",
       {1, 11, 22},
       {{"X", "T"}, {"W", "T"}, {"B", "T", Formal::optional}},
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       window_attributes(),
       infer_conv,
       kernels::conv,
       kernels::conv_scratch},
      {"",
       "ConvInteger",
       {10},
       {{"x", "T1"}, {"w", "T2"}, {"x_zero_point", "T1", Formal::optional}, {"w_zero_point", "T2", Formal::optional}},
       {{"y", "tensor(int32)"}},
       {{"T1", bytes}, {"T2", bytes}},
       window_attributes(),
       infer_conv_integer,
       kernels::conv_integer,
       kernels::conv_scratch},
      {"",
       "ConvTranspose",
       {1, 11, 22},
       {{"X", "T"}, {"W", "T"}, {"B", "T", Formal::optional}},
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       window_attributes(
           {{"output_padding", AttributeKind::integers, false, "0"}, {"output_shape", AttributeKind::integers, false, "computed from pads"}}),
       infer_conv_transpose,
       kernels::conv_transpose},
  };
  return table;
}

}  // namespace lathe
