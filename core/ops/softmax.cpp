// Softmax and its relatives: signatures and inference. The kernels are in lathe/kernels/softmax.hpp.
#include "lathe/kernels/softmax.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void infer_softmax(InferenceContext& c) {
  if (const Shape* x = infer::shape(c, 0); x && !x->empty()) infer::axis(c, c.node().integer("axis", -1), x->size());
  infer::same_as_input(c);
}

Operator along_axis(std::string_view name, kernels::Kernel kernel) {
  return {"",
          name,
          {1, 11, 13},
          {{"input", "T"}},
          {{"output", "T"}},
          {{"T", infer::floats()}},
          {{"axis", AttributeKind::integer, false, "-1"}},
          infer_softmax,
          kernel};
}

}  // namespace

std::span<const Operator> softmax_operators() {
  static const Operator table[] = {along_axis("Softmax", kernels::softmax), along_axis("LogSoftmax", kernels::log_softmax),
                                   along_axis("Hardmax", kernels::hardmax)};
  return table;
}

}  // namespace lathe
