// Elementwise arithmetic with broadcasting: signatures and inference. The kernels are in lathe/kernels/elementwise_binary.hpp.
//
// Add, Sub, Mul and Div are also the arithmetic of shapes: where the elements of both operands are known, those of the result are.
#include "lathe/kernels/elementwise_binary.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

using Arithmetic = Dimension (*)(const InferenceContext&, const Dimension&, const Dimension&);

template <Arithmetic compute>
void infer_arithmetic(InferenceContext& c) {
  infer::broadcast_all(c);
  const Shape *a = c.elements(0), *b = c.elements(1);
  if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1)) return;
  Shape elements(a->size() == 1 ? b->size() : a->size());
  for (size_t i = 0; i < elements.size(); ++i) {
    const Dimension &x = (*a)[a->size() == 1 ? 0 : i], &y = (*b)[b->size() == 1 ? 0 : i];
    // Division of integers truncates; that of dimensions rounds down. They agree where neither is negative.
    if (compute == infer::divided && (infer::number(x).value_or(0) < 0 || infer::number(y).value_or(1) <= 0)) continue;
    elements[i] = compute(c, x, y);
  }
  c.set_elements(0, std::move(elements));
}

Operator binary(std::string_view name, std::vector<int> versions, void (*infer)(InferenceContext&), kernels::Kernel kernel) {
  return {"", name, std::move(versions), {{"A", "T"}, {"B", "T"}}, {{"C", "T"}}, {{"T", infer::numbers()}}, {}, infer, kernel};
}
Operator variadic(std::string_view name, std::vector<int> versions, std::vector<DataType> types, kernels::Kernel kernel) {
  return {
      "",    name, std::move(versions), {{"data_0", "T", Formal::variadic}}, {{"result", "T"}}, {{"T", std::move(types)}}, {}, infer::broadcast_all,
      kernel};
}

}  // namespace

std::span<const Operator> elementwise_binary_operators() {
  static const Operator table[] = {
      binary("Add", {7, 13, 14}, infer_arithmetic<infer::plus>, kernels::add),
      binary("Sub", {7, 13, 14}, infer_arithmetic<infer::minus>, kernels::sub),
      binary("Mul", {7, 13, 14}, infer_arithmetic<infer::times>, kernels::mul),
      binary("Div", {7, 13, 14}, infer_arithmetic<infer::divided>, kernels::div),
      {"",
       "Mod",
       {10, 13},
       {{"A", "T"}, {"B", "T"}},
       {{"C", "T"}},
       {{"T", infer::numbers()}},
       {{"fmod", AttributeKind::integer, false, "0"}},
       infer::broadcast_all,
       kernels::mod},
      {"",
       "Pow",
       {7, 12, 13, 15},
       {{"X", "T"}, {"Y", "T1"}},
       {{"Z", "T"}},
       {{"T", {DataType::int32, DataType::int64, DataType::float16, DataType::float32, DataType::float64, DataType::bfloat16}},
        {"T1", infer::numbers()}},
       {},
       infer::broadcast_all,
       kernels::pow},
      variadic("Max", {6, 8, 12, 13}, infer::numbers(), kernels::max),
      variadic("Min", {6, 8, 12, 13}, infer::numbers(), kernels::min),
      variadic("Sum", {6, 8, 13}, infer::floats(), kernels::sum),
      variadic("Mean", {6, 8, 13}, infer::floats(), kernels::mean),
  };
  return table;
}

}  // namespace lathe
