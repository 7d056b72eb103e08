// Matrix products: signatures and inference. The kernels are in lathe/kernels/matmul.hpp.
#include "lathe/kernels/matmul.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void multiply(InferenceContext& c, DataType element) {
  infer::expect_rank(c, 0, 1, SIZE_MAX);
  infer::expect_rank(c, 1, 1, SIZE_MAX);
  const Shape *a = infer::shape(c, 0), *b = infer::shape(c, 1);
  infer::set(c, element, a && b ? std::optional(infer::matrix_product(c, *a, *b)) : std::nullopt);
}

void infer_matmul(InferenceContext& c) { multiply(c, infer::element(c, 0)); }
void infer_matmul_integer(InferenceContext& c) {
  multiply(c, DataType::int32);
  infer::expect_lines(c, 2, infer::shape(c, 0), true);
  infer::expect_lines(c, 3, infer::shape(c, 1), false);
}

// The last two axes transposed if `transposed`; before that, the first axis put in front of the last one if `batch_transposed`.
Shape transposed(Shape s, bool transposed, bool batch_transposed) {
  if (s.size() < 2) return s;
  if (batch_transposed) std::rotate(s.begin(), s.begin() + 1, s.end() - 1);
  if (transposed) std::swap(s[s.size() - 2], s[s.size() - 1]);
  return s;
}
void infer_fused_matmul(InferenceContext& c) {
  infer::expect_rank(c, 0, 1, SIZE_MAX);
  infer::expect_rank(c, 1, 1, SIZE_MAX);
  const Shape *a = infer::shape(c, 0), *b = infer::shape(c, 1);
  if (!a || !b) return infer::set(c, std::nullopt);
  const auto flag = [&](std::string_view name) { return c.node().integer(name, 0) != 0; };
  infer::set(c, infer::matrix_product(c, transposed(*a, flag("transA"), flag("transBatchA")), transposed(*b, flag("transB"), flag("transBatchB"))));
}

void infer_determinant(InferenceContext& c) {
  infer::expect_rank(c, 0, 2, SIZE_MAX);
  const Shape* x = infer::shape(c, 0);
  if (!x) return infer::set(c, std::nullopt);
  if (infer::differ((*x)[x->size() - 1], (*x)[x->size() - 2])) c.fail("its matrices are not square", "two equal sizes at the end", to_string(*x));
  infer::set(c, Shape(x->begin(), x->end() - 2));
}

void infer_gemm(InferenceContext& c) {
  infer::expect_rank(c, 0, 2, 2);
  infer::expect_rank(c, 1, 2, 2);
  const Shape *a = infer::shape(c, 0), *b = infer::shape(c, 1);
  if (!a || !b) return infer::set(c, std::nullopt);
  const bool a_transposed = c.node().integer("transA", 0) != 0, b_transposed = c.node().integer("transB", 0) != 0;
  const Dimension &k_a = (*a)[a_transposed ? 0 : 1], &k_b = (*b)[b_transposed ? 1 : 0];
  if (infer::differ(k_a, k_b))
    c.fail("the inner dimensions of the product differ", "A " + to_string(*a) + (a_transposed ? " transposed" : ""),
           "B " + to_string(*b) + (b_transposed ? " transposed" : ""));
  Shape y{(*a)[a_transposed ? 1 : 0], (*b)[b_transposed ? 0 : 1]};
  if (const Shape* addend = infer::shape(c, 2)) {
    const Shape joined = infer::broadcast(c, y, *addend);
    if (joined.size() != 2 || infer::differ(joined[0], y[0]) || infer::differ(joined[1], y[1]))
      c.fail("C does not broadcast to the product", to_string(y), to_string(*addend));
  }
  infer::set(c, std::move(y));
}

void infer_fused_gemm(InferenceContext& c) {
  constexpr std::string_view known[] = {"",    "Relu", "Sigmoid", "Tanh",       "Softplus", "Softsign", "LeakyRelu", "ThresholdedRelu",
                                        "Elu", "Celu", "Selu",    "HardSigmoid"};
  const std::string activation = c.node().text("activation", "");
  if (std::find(std::begin(known), std::end(known), activation) == std::end(known))
    c.unsupported("its activation '" + activation + "' is not known", "use Gemm and an operator of its own");
  infer_gemm(c);
}

Operator fused_matmul(std::string_view name, bool with_batches) {
  constexpr AttributeKind integer = AttributeKind::integer;
  Operator op{"com.microsoft",
              name,
              {1},
              {{"A", "T"}, {"B", "T"}},
              {{"Y", "T"}},
              {{"T", infer::floats()}},
              {{"alpha", AttributeKind::real, false, "1.0"}, {"transA", integer, false, "0"}, {"transB", integer, false, "0"}},
              infer_fused_matmul,
              kernels::fused_matmul,
              kernels::fused_matmul_scratch};
  if (with_batches)
    for (const std::string_view attribute : {"transBatchA", "transBatchB"}) op.attributes.push_back({attribute, integer, false, "0"});
  return op;
}

}  // namespace

std::span<const Operator> matmul_operators() {
  const std::vector<DataType> bytes{DataType::uint8, DataType::int8};
  static const Operator table[] = {
      {"",
       "MatMul",
       {1, 9, 13},
       {{"A", "T"}, {"B", "T"}},
       {{"Y", "T"}},
       {{"T", infer::reducible()}},
       {},
       infer_matmul,
       kernels::matmul,
       kernels::matmul_scratch},
      {"",
       "MatMulInteger",
       {10},
       {{"A", "T1"}, {"B", "T2"}, {"a_zero_point", "T1", Formal::optional}, {"b_zero_point", "T2", Formal::optional}},
       {{"Y", "tensor(int32)"}},
       {{"T1", bytes}, {"T2", bytes}},
       {},
       infer_matmul_integer,
       kernels::matmul_integer},
      {"",
       "Gemm",
       {7, 9, 11, 13},
       {{"A", "T"}, {"B", "T"}, {"C", "T", Formal::optional}},
       {{"Y", "T"}},
       {{"T", infer::reducible()}},
       {{"alpha", AttributeKind::real, false, "1.0"},
        {"beta", AttributeKind::real, false, "1.0"},
        {"transA", AttributeKind::integer, false, "0"},
        {"transB", AttributeKind::integer, false, "0"}},
       infer_gemm,
       kernels::general_matmul,
       kernels::gemm_scratch},
      {"",
       "Det",
       {11, 22},
       {{"X", "T"}},
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       {},
       infer_determinant,
       kernels::determinant,
       kernels::determinant_scratch},
      {"com.microsoft",
       "FusedGemm",
       {1},
       {{"A", "T"}, {"B", "T"}, {"C", "T", Formal::optional}},
       {{"Y", "T"}},
       {{"T", {DataType::float32}}},
       {{"alpha", AttributeKind::real, false, "1.0"},
        {"beta", AttributeKind::real, false, "1.0"},
        {"transA", AttributeKind::integer, false, "0"},
        {"transB", AttributeKind::integer, false, "0"},
        {"activation", AttributeKind::text},
        {"activation_alpha", AttributeKind::real},
        {"activation_beta", AttributeKind::real},
        {"activation_gamma", AttributeKind::real}},
       infer_fused_gemm,
       kernels::fused_gemm,
       kernels::gemm_scratch},
      fused_matmul("FusedMatMul", true),
      fused_matmul("TransposeMatMul", false),
  };
  return table;
}

}  // namespace lathe
