// Arithmetic on quantised tensors (com.microsoft): signatures and inference. The kernels are in lathe/kernels/quantized_arithmetic.hpp.
#include "lathe/kernels/quantized_arithmetic.hpp"

#include "core/ops/families.hpp"
#include "core/ops/window.hpp"

namespace lathe {
namespace {

// Scale and zero point of a tensor that is quantised as a whole.
void check_scalars(const InferenceContext& c, size_t scale) {
  for (const size_t i : {scale, scale + 1}) {
    const Shape* s = infer::shape(c, i);
    if (s && infer::differ(infer::product(c, *s, 0, s->size()), Dimension(1)))
      c.fail("input " + std::to_string(i) + " is no scalar", "one element", to_string(*s));
  }
}

void infer_binary(InferenceContext& c) {
  for (const size_t scale : {1, 4, 6}) check_scalars(c, scale);
  const Shape *a = infer::shape(c, 0), *b = infer::shape(c, 3);
  infer::set(c, a && b ? std::optional(infer::broadcast(c, *a, *b)) : std::nullopt);
}

void infer_unary(InferenceContext& c) {
  for (const size_t scale : {1, 3}) check_scalars(c, scale);
  const Shape* x = infer::shape(c, 0);
  infer::set(c, x ? std::optional(*x) : std::nullopt);
}

void infer_softmax(InferenceContext& c) {
  infer_unary(c);
  if (const Shape* x = infer::shape(c, 0)) infer::axis(c, c.node().integer("axis", -1), x->size());
}

void infer_concat(InferenceContext& c) {
  check_scalars(c, 0);
  const size_t count = c.node().inputs.size();
  if (count < 5 || (count - 2) % 3)
    c.fail("the inputs are no triples", "2, then a tensor, a scale and a zero point for each tensor to be joined", std::to_string(count));
  const DataType type = infer::element(c, 1);
  std::optional<Shape> y;
  bool known = true;
  for (size_t i = 2; i < count; i += 3) {
    check_scalars(c, i + 1);
    const auto check_type = [&](size_t input, DataType expected) {
      const DataType found = infer::element(c, input);
      if (const ValueType* given = c.input(input); given && given->kind != ValueKind::tensor)
        c.fail("input " + std::to_string(input) + " is of the wrong kind", "a tensor", to_string(*given));
      if (expected != DataType::none && found != DataType::none && found != expected)
        c.fail("input " + std::to_string(input) + " has the wrong type", std::string(name(expected)), std::string(name(found)));
    };
    check_type(i, type);
    check_type(i + 1, DataType::float32);
    check_type(i + 2, type);
    const Shape* next = infer::shape(c, i);
    if (!next) {
      known = false;
      continue;
    }
    const size_t axis = infer::axis(c, c.node().integer("axis", 0), next->size());
    if (!y) {
      y = *next;
      continue;
    }
    if (next->size() != y->size()) c.fail("tensors that are joined differ in rank", to_string(*y), to_string(*next));
    for (size_t k = 0; k < y->size(); ++k) {
      if (k == axis)
        (*y)[k] = infer::plus(c, (*y)[k], (*next)[k]);
      else if (infer::differ((*y)[k], (*next)[k]))
        c.fail("tensors that are joined differ in another dimension than the axis", to_string(*y), to_string(*next));
    }
  }
  if (!known && y) (*y)[infer::axis(c, c.node().integer("axis", 0), y->size())] = Dimension();
  infer::set(c, type, std::move(y));
}

// The shape as [N, C, spatial...].
Shape channels_first(const InferenceContext& c, const Shape& x) {
  Shape result = x;
  if (c.node().integer("channels_last", 0)) std::rotate(result.begin() + 1, result.end() - 1, result.end());
  return result;
}
Shape as_given(const InferenceContext& c, Shape y) {
  if (c.node().integer("channels_last", 0)) std::rotate(y.begin() + 1, y.begin() + 2, y.end());
  return y;
}

void infer_average_pool(InferenceContext& c) {
  for (const size_t scale : {1, 3}) check_scalars(c, scale);
  infer::expect_rank(c, 0, 3, SIZE_MAX);
  if (!infer::shape(c, 0)) return infer::set(c, std::nullopt);
  const Shape x = channels_first(c, *infer::shape(c, 0));
  const infer::Window w = infer::window(c, x.size() - 2, {});
  Shape y{x[0], x[1]};
  for (size_t i = 0; i + 2 < x.size(); ++i) y.push_back(infer::slide(c, w, i, x[i + 2], c.node().integer("ceil_mode", 0) != 0));
  infer::set(c, as_given(c, std::move(y)));
}

void infer_global_pool(InferenceContext& c) {
  for (const size_t scale : {1, 3}) check_scalars(c, scale);
  infer::expect_rank(c, 0, 3, SIZE_MAX);
  if (!infer::shape(c, 0)) return infer::set(c, std::nullopt);
  Shape y = channels_first(c, *infer::shape(c, 0));
  std::fill(y.begin() + 2, y.end(), Dimension(1));
  infer::set(c, as_given(c, std::move(y)));
}

constexpr std::string_view microsoft = "com.microsoft";

Operator binary(std::string_view name, kernels::Kernel kernel) {
  return {microsoft,
          name,
          {1},
          {{"A", "T"},
           {"A_scale", infer::float_tensor},
           {"A_zero_point", "T", Formal::optional},
           {"B", "T"},
           {"B_scale", infer::float_tensor},
           {"B_zero_point", "T", Formal::optional},
           {"C_scale", infer::float_tensor},
           {"C_zero_point", "T", Formal::optional}},
          {{"C", "T"}},
          {{"T", {DataType::uint8, DataType::int8}}},
          {},
          infer_binary,
          kernel};
}

Operator unary(std::string_view name, std::vector<FormalAttribute> attributes, void (*infer)(InferenceContext&), kernels::Kernel kernel,
               Formal::Kind last_zero_point = Formal::optional) {
  return {microsoft,
          name,
          {1},
          {{"X", "T"},
           {"X_scale", infer::float_tensor},
           {"X_zero_point", "T", Formal::optional},
           {"Y_scale", infer::float_tensor},
           {"Y_zero_point", "T", last_zero_point}},
          {{"Y", "T"}},
          {{"T", {DataType::uint8, DataType::int8}}},
          std::move(attributes),
          infer,
          kernel};
}

}  // namespace

std::span<const Operator> quantized_arithmetic_operators() {
  static const FormalAttribute channels_last{"channels_last", AttributeKind::integer, false, "0"};
  static const Operator table[] = {
      binary("QLinearAdd", kernels::qlinear_add),
      binary("QLinearMul", kernels::qlinear_mul),
      unary("QLinearSigmoid", {}, infer_unary, kernels::qlinear_sigmoid),
      unary("QLinearLeakyRelu", {{"alpha", AttributeKind::real, false, "0.01"}}, infer_unary, kernels::qlinear_leaky_relu),
      unary("QLinearSoftmax", {{"axis", AttributeKind::integer, false, "-1"}, {"opset", AttributeKind::integer, true, {}}}, infer_softmax,
            kernels::qlinear_softmax, Formal::required),
      unary("QLinearAveragePool",
            {{"auto_pad", AttributeKind::text, false, "NOTSET"},
             {"ceil_mode", AttributeKind::integer, false, "0"},
             channels_last,
             {"count_include_pad", AttributeKind::integer, false, "0"},
             {"kernel_shape", AttributeKind::integers, true, {}},
             {"pads", AttributeKind::integers, false, "0"},
             {"strides", AttributeKind::integers, false, "1 on each axis"}},
            infer_average_pool, kernels::qlinear_average_pool),
      unary("QLinearGlobalAveragePool", {channels_last}, infer_global_pool, kernels::qlinear_global_average_pool),
      {microsoft,
       "QLinearConcat",
       {1},
       {{"Y_scale", infer::float_tensor}, {"Y_zero_point", "T"}, {"inputs", "any", Formal::variadic}},
       {{"Y", "T"}},
       {{"T", {DataType::uint8, DataType::int8}}},
       {{"axis", AttributeKind::integer, true, {}}},
       infer_concat,
       kernels::qlinear_concat},
  };
  return table;
}

}  // namespace lathe
