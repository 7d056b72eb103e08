// Elementwise functions of one tensor: signatures. The kernels are in lathe/kernels/elementwise_unary.hpp.
#include "lathe/kernels/elementwise_unary.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

Operator unary(std::string_view name, std::vector<int> versions, std::vector<DataType> types, kernels::Kernel kernel) {
  return {"", name, std::move(versions), {{"X", "T"}}, {{"Y", "T"}}, {{"T", std::move(types)}}, {}, infer::same_as_input, kernel};
}

}  // namespace

std::span<const Operator> elementwise_unary_operators() {
  static const Operator table[] = {
      unary("Abs", {6, 13}, infer::numbers(), kernels::abs),    unary("Neg", {6, 13}, infer::signed_types(), kernels::neg),
      unary("Sign", {9, 13}, infer::numbers(), kernels::sign),  unary("Reciprocal", {6, 13}, infer::floats(), kernels::reciprocal),
      unary("Sqrt", {6, 13}, infer::floats(), kernels::sqrt),   unary("Floor", {6, 13}, infer::floats(), kernels::floor),
      unary("Ceil", {6, 13}, infer::floats(), kernels::ceil),   unary("Round", {11, 22}, infer::floats(), kernels::round),
      unary("Exp", {6, 13}, infer::floats(), kernels::exp),     unary("Log", {6, 13}, infer::floats(), kernels::log),
      unary("Erf", {9, 13}, infer::floats(), kernels::erf),     unary("Sin", {7, 22}, infer::floats(), kernels::sin),
      unary("Cos", {7, 22}, infer::floats(), kernels::cos),     unary("Tan", {7, 22}, infer::floats(), kernels::tan),
      unary("Asin", {7, 22}, infer::floats(), kernels::asin),   unary("Acos", {7, 22}, infer::floats(), kernels::acos),
      unary("Atan", {7, 22}, infer::floats(), kernels::atan),   unary("Sinh", {9, 22}, infer::floats(), kernels::sinh),
      unary("Cosh", {9, 22}, infer::floats(), kernels::cosh),   unary("Asinh", {9, 22}, infer::floats(), kernels::asinh),
      unary("Acosh", {9, 22}, infer::floats(), kernels::acosh), unary("Atanh", {9, 22}, infer::floats(), kernels::atanh),
  };
  return table;
}

}  // namespace lathe
