// Matrix products: signatures and inference. The kernels are in lathe/kernels/matmul.hpp.
#include "lathe/kernels/matmul.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

// numpy.matmul.
void multiply(InferenceContext& c, DataType element) {
  infer::expect_rank(c, 0, 1, SIZE_MAX);
  infer::expect_rank(c, 1, 1, SIZE_MAX);
  const Shape *a = infer::shape(c, 0), *b = infer::shape(c, 1);
  if (!a || !b) return infer::set(c, element, std::nullopt);
  const Dimension &inner_a = a->back(), &inner_b = b->size() > 1 ? (*b)[b->size() - 2] : (*b)[0];
  if (infer::differ(inner_a, inner_b))
    c.fail("the inner dimensions of the product differ", to_string(*a) + " times " + std::to_string(inner_a.value) + "xN", to_string(*b));
  const Shape batch_a(a->begin(), a->end() - std::min<ptrdiff_t>(2, ptrdiff_t(a->size()))),
      batch_b(b->begin(), b->end() - std::min<ptrdiff_t>(2, ptrdiff_t(b->size())));
  Shape y = infer::broadcast(c, batch_a, batch_b);
  if (a->size() > 1) y.push_back((*a)[a->size() - 2]);
  if (b->size() > 1) y.push_back(b->back());
  infer::set(c, element, std::move(y));
}

void infer_matmul(InferenceContext& c) { multiply(c, infer::element(c, 0)); }
void infer_matmul_integer(InferenceContext& c) { multiply(c, DataType::int32); }

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
  };
  return table;
}

}  // namespace lathe
