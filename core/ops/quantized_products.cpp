// Matrix products and convolutions of quantised tensors: signatures and inference. The kernels are in lathe/kernels/quantized_products.hpp.
#include "lathe/kernels/quantized_products.hpp"

#include "core/ops/families.hpp"
#include "core/ops/window.hpp"

namespace lathe {
namespace {

std::optional<int64_t> elements(const InferenceContext& c, size_t input) {
  const Shape* s = infer::shape(c, input);
  if (!s) return std::nullopt;
  const Dimension n = infer::product(c, *s, 0, s->size());
  return n.constant() ? std::optional(n.value) : std::nullopt;
}

// One element, or `count`.
void check_parameter(const InferenceContext& c, size_t input, const Dimension& count) {
  const std::optional<int64_t> found = elements(c, input);
  if (!found || *found == 1 || !count.constant() || *found == count.value) return;
  c.fail("input " + std::to_string(input) + " has the wrong number of elements", count.value == 1 ? "1" : "1 or " + std::to_string(count.value),
         std::to_string(*found));
}

Dimension columns(const Shape* b) { return !b ? Dimension() : (b->size() > 1 ? b->back() : Dimension(1)); }

void multiply(InferenceContext& c, size_t left, size_t right, DataType element) {
  infer::expect_rank(c, left, 1, SIZE_MAX);
  infer::expect_rank(c, right, 1, SIZE_MAX);
  const Shape *a = infer::shape(c, left), *b = infer::shape(c, right);
  infer::set(c, element, a && b ? std::optional(infer::matrix_product(c, *a, *b)) : std::nullopt);
}

void infer_qlinear_matmul(InferenceContext& c) {
  multiply(c, 0, 3, infer::element(c, 7));
  for (const size_t i : {1, 2, 6, 7}) infer::expect_lines(c, i, infer::shape(c, 0), true);
  for (const size_t i : {4, 5}) infer::expect_lines(c, i, infer::shape(c, 3), false);
}

void infer_integer_to_float(InferenceContext& c) {
  multiply(c, 0, 1, infer::element(c, 2));
  for (const size_t i : {2, 4}) infer::expect_lines(c, i, infer::shape(c, 0), true);
  for (const size_t i : {3, 5}) infer::expect_lines(c, i, infer::shape(c, 1), false);
  if (c.input(6)) infer::expect_length(c, 6, columns(infer::shape(c, 1)));
}

void infer_dynamic(InferenceContext& c) {
  multiply(c, 0, 1, DataType::float32);
  for (const size_t i : {2, 3}) infer::expect_lines(c, i, infer::shape(c, 1), false);
  if (c.input(4)) infer::expect_length(c, 4, columns(infer::shape(c, 1)));
}

void infer_qgemm(InferenceContext& c) {
  const DataType type = c.input(8) ? infer::element(c, 8) : DataType::float32;
  if (!c.input(7) != !c.input(8))
    c.fail("the output is quantised by half", "y_scale and y_zero_point, or neither", c.input(7) ? "y_scale" : "y_zero_point");
  infer::expect_rank(c, 0, 2, 2);
  infer::expect_rank(c, 3, 2, 2);
  const Shape *a = infer::shape(c, 0), *b = infer::shape(c, 3);
  if (!a || !b) return infer::set(c, type, std::nullopt);
  const bool a_transposed = c.node().integer("transA", 0) != 0, b_transposed = c.node().integer("transB", 0) != 0;
  if (infer::differ((*a)[a_transposed ? 0 : 1], (*b)[b_transposed ? 1 : 0]))
    c.fail("the inner dimensions of the product differ", to_string(*a), to_string(*b));
  Shape y{(*a)[a_transposed ? 1 : 0], (*b)[b_transposed ? 0 : 1]};
  for (const size_t i : {1, 2}) check_parameter(c, i, Dimension(1));
  for (const size_t i : {4, 5}) check_parameter(c, i, y[1]);
  if (const Shape* addend = infer::shape(c, 6)) {
    const Shape joined = infer::broadcast(c, y, *addend);
    if (joined.size() != 2 || infer::differ(joined[0], y[0]) || infer::differ(joined[1], y[1]))
      c.fail("C does not broadcast to the product", to_string(y), to_string(*addend));
  }
  infer::set(c, type, std::move(y));
}

void infer_nbits(InferenceContext& c) {
  const int64_t k = c.node().integer("K", 0), n = c.node().integer("N", 0), bits = c.node().integer("bits", 4),
                block = c.node().integer("block_size", 0);
  if (k < 1 || n < 1) c.fail("attributes 'K' and 'N' are out of range", "at least 1", std::to_string(k) + " and " + std::to_string(n));
  if (bits < 2 || bits > 8) c.fail("attribute 'bits' is out of range", "2 to 8", std::to_string(bits));
  if (block < 16 || (block & (block - 1))) c.fail("attribute 'block_size' is out of range", "a power of two of at least 16", std::to_string(block));
  const int64_t blocks = (k + block - 1) / block;
  const auto expect = [&](size_t input, int64_t count, std::string_view what) {
    const std::optional<int64_t> found = elements(c, input);
    if (found && *found != count)
      c.fail("input " + std::to_string(input) + " has the wrong number of elements", std::to_string(count) + " (" + std::string(what) + ")",
             std::to_string(*found));
  };
  expect(1, n * blocks * (block * bits / 8), "N times blocks times bytes of a block");
  expect(2, n * blocks, "N times blocks");
  const DataType zeros = infer::element(c, 3);
  if (c.input(3) && zeros != DataType::none) {
    if (zeros != DataType::uint8 && zeros != infer::element(c, 0))
      c.fail("input 3 has the wrong type", "uint8 or A's type", std::string(name(zeros)));
    expect(3, zeros == DataType::uint8 ? n * ((blocks * bits + 7) / 8) : n * blocks, "a zero point for each block");
  }
  if (c.input(4)) {
    if (const Tensor* groups = c.constant(4))
      for (const int64_t group : to_int64s(*groups))
        if (group < 0 || group >= blocks)
          c.fail("input 4 names a block that there is not", "0 to " + std::to_string(blocks - 1), std::to_string(group));
    const std::optional<int64_t> found = elements(c, 4);
    if (found && *found < k) c.fail("input 4 has the wrong number of elements", "K or more", std::to_string(*found));
  }
  if (c.input(5)) infer::expect_length(c, 5, Dimension(n));
  const Shape* a = infer::shape(c, 0);
  if (!a) return infer::set(c, std::nullopt);
  infer::expect_rank(c, 0, 1, SIZE_MAX);
  if (infer::differ(a->back(), Dimension(k))) c.fail("the rows of A do not have K numbers", std::to_string(k), to_string(*a));
  Shape y = *a;
  y.back() = Dimension(n);
  infer::set(c, std::move(y));
}

void infer_qlinear_conv(InferenceContext& c) {
  infer::expect_rank(c, 0, 3, SIZE_MAX);
  const Shape *x = infer::shape(c, 0), *weights = infer::shape(c, 3);
  for (const size_t i : {1, 2, 6, 7}) check_parameter(c, i, Dimension(1));
  if (!x || !weights) return infer::set(c, infer::element(c, 7), std::nullopt);
  if (x->size() != weights->size()) c.fail("input and weights differ in rank", to_string(*x), to_string(*weights));
  for (const size_t i : {4, 5}) check_parameter(c, i, (*weights)[0]);
  if (c.input(8)) infer::expect_length(c, 8, (*weights)[0]);
  infer::set(c, infer::element(c, 7), infer::convolved(c, *x, *weights));
}

}  // namespace

std::span<const Operator> quantized_products_operators() {
  constexpr std::string_view microsoft = "com.microsoft";
  constexpr AttributeKind integer = AttributeKind::integer, integers = AttributeKind::integers;
  const std::vector<DataType> bytes{DataType::uint8, DataType::int8};
  const std::vector<DataType> bytes_and_floats{DataType::uint8,          DataType::int8,       DataType::float8e4m3fn,
                                               DataType::float8e4m3fnuz, DataType::float8e5m2, DataType::float8e5m2fnuz};
  static const Operator table[] = {
      {"",
       "QLinearConv",
       {10},
       {{"x", "T1"},
        {"x_scale", infer::float_tensor},
        {"x_zero_point", "T1"},
        {"w", "T2"},
        {"w_scale", infer::float_tensor},
        {"w_zero_point", "T2"},
        {"y_scale", infer::float_tensor},
        {"y_zero_point", "T3"},
        {"B", "tensor(int32)", Formal::optional}},
       {{"y", "T3"}},
       {{"T1", bytes}, {"T2", bytes}, {"T3", bytes}},
       {{"auto_pad", AttributeKind::text, false, "NOTSET"},
        {"dilations", integers, false, "1 on each axis"},
        {"group", integer, false, "1"},
        {"kernel_shape", integers, false, "that of the weights"},
        {"pads", integers, false, "0"},
        {"strides", integers, false, "1 on each axis"}},
       infer_qlinear_conv,
       kernels::qlinear_conv,
       kernels::qlinear_conv_scratch},
      {"",
       "QLinearMatMul",
       {10, 21},
       {{"a", "T1"},
        {"a_scale", "TS"},
        {"a_zero_point", "T1"},
        {"b", "T2"},
        {"b_scale", "TS"},
        {"b_zero_point", "T2"},
        {"y_scale", "TS"},
        {"y_zero_point", "T3"}},
       {{"y", "T3"}},
       {{"TS", {DataType::float32, DataType::float16, DataType::bfloat16}},
        {"T1", bytes_and_floats},
        {"T2", bytes_and_floats},
        {"T3", bytes_and_floats}},
       {},
       infer_qlinear_matmul,
       kernels::qlinear_matmul},
      {microsoft,
       "DynamicQuantizeMatMul",
       {1},
       {{"A", "T1"}, {"B", "T2"}, {"b_scale", "T1"}, {"b_zero_point", "T2", Formal::optional}, {"bias", "T1", Formal::optional}},
       {{"Y", "T1"}},
       {{"T1", {DataType::float32}}, {"T2", bytes}},
       {},
       infer_dynamic,
       kernels::dynamic_quantize_matmul,
       kernels::dynamic_quantize_matmul_scratch},
      {microsoft,
       "MatMulIntegerToFloat",
       {1},
       {{"A", "T1"},
        {"B", "T2"},
        {"a_scale", "T3"},
        {"b_scale", "T3"},
        {"a_zero_point", "T1", Formal::optional},
        {"b_zero_point", "T2", Formal::optional},
        {"bias", "T3", Formal::optional}},
       {{"Y", "T3"}},
       {{"T1", bytes}, {"T2", bytes}, {"T3", {DataType::float32, DataType::float16}}},
       {},
       infer_integer_to_float,
       kernels::matmul_integer_to_float},
      {microsoft,
       "MatMulNBits",
       {1},
       {{"A", "T1"},
        {"B", "tensor(uint8)"},
        {"scales", "T1"},
        {"zero_points", "T3", Formal::optional},
        {"g_idx", "tensor(int32)", Formal::optional},
        {"bias", "T1", Formal::optional}},
       {{"Y", "T1"}},
       {{"T1", {DataType::float32, DataType::float16, DataType::bfloat16}},
        {"T3", {DataType::uint8, DataType::float32, DataType::float16, DataType::bfloat16}}},
       {{"K", integer, true, {}},
        {"N", integer, true, {}},
        {"accuracy_level", integer, false, "0"},
        {"bits", integer, false, "4"},
        {"block_size", integer, true, {}}},
       infer_nbits,
       kernels::matmul_nbits},
      {microsoft,
       "QGemm",
       {1},
       {{"A", "TA"},
        {"a_scale", infer::float_tensor},
        {"a_zero_point", "TA"},
        {"B", "TB"},
        {"b_scale", infer::float_tensor},
        {"b_zero_point", "TB"},
        {"C", "tensor(int32)", Formal::optional},
        {"y_scale", infer::float_tensor, Formal::optional},
        {"y_zero_point", "TYZ", Formal::optional}},
       {{"Y", "TY"}},
       {{"TA", bytes}, {"TB", bytes}, {"TYZ", bytes}, {"TY", {DataType::float32, DataType::uint8, DataType::int8}}},
       {{"alpha", AttributeKind::real, false, "1.0"}, {"transA", integer, false, "0"}, {"transB", integer, false, "0"}},
       infer_qgemm,
       kernels::qgemm},
  };
  return table;
}

}  // namespace lathe
