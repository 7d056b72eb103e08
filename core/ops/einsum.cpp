// Einsum: signature and inference. The kernel, and the reading of equations, are in lathe/kernels/einsum.hpp.
#include "lathe/kernels/einsum.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void infer_einsum(InferenceContext& c) {
  const std::string equation = c.node().text("equation", "");
  std::vector<int> ranks;
  for (size_t i = 0; i < c.node().inputs.size(); ++i) {
    if (!infer::shape(c, i)) return infer::set(c, std::nullopt);
    ranks.push_back(int(infer::shape(c, i)->size()));
  }
  kernels::detail::Einsum e;
  if (const char* problem = kernels::detail::read_einsum(equation.c_str(), ranks.data(), int(ranks.size()), e)) {
    std::string shapes;
    for (size_t i = 0; i < ranks.size(); ++i) shapes += (i ? ", " : "") + to_string(*infer::shape(c, i));
    c.fail(problem, {}, "'" + equation + "' for " + shapes);
  }
  std::vector<Dimension> sizes(kernels::detail::einsum_labels, Dimension(1));
  for (int operand = 0; operand < e.count; ++operand) {
    for (int axis = 0; axis < e.ranks[operand]; ++axis) {
      const Dimension& d = (*infer::shape(c, size_t(operand)))[size_t(axis)];
      Dimension& size = sizes[size_t(e.labels[operand][axis])];
      if (size.value == 1)
        size = d;
      else if (d.value != 1 && infer::differ(size, d))
        c.fail("axes of one letter of '" + equation + "' have different sizes", std::to_string(size.value), std::to_string(d.value));
      else if (d.constant() && d.value != 1)
        size = d;
    }
  }
  Shape y;
  for (int i = 0; i < e.output_rank; ++i) y.push_back(sizes[size_t(e.output[i])]);
  infer::set(c, std::move(y));
}

}  // namespace

std::span<const Operator> einsum_operators() {
  static const Operator table[] = {
      {"",
       "Einsum",
       {12},
       {{"Inputs", "T", Formal::variadic}},
       {{"Output", "T"}},
       {{"T", infer::before_bfloat16(infer::numbers())}},
       {{"equation", AttributeKind::text, true, {}}},
       infer_einsum,
       kernels::einsum},
  };
  return table;
}

}  // namespace lathe
