// Operators on the bits of integers: signatures and inference. The kernels are in lathe/kernels/bitwise.hpp.
#include "lathe/kernels/bitwise.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void infer_shift(InferenceContext& c) {
  const std::string direction = c.node().text("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") c.fail("attribute 'direction' has no such value", "LEFT or RIGHT", direction);
  infer::broadcast_all(c);
}

Operator binary(std::string_view name, kernels::Kernel kernel) {
  return {"", name, {18}, {{"A", "T"}, {"B", "T"}}, {{"C", "T"}}, {{"T", infer::integers()}}, {}, infer::broadcast_all, kernel};
}

}  // namespace

std::span<const Operator> bitwise_operators() {
  static const Operator table[] = {
      {"",
       "BitShift",
       {11},
       {{"X", "T"}, {"Y", "T"}},
       {{"Z", "T"}},
       {{"T", {DataType::uint8, DataType::uint16, DataType::uint32, DataType::uint64}}},
       {{"direction", AttributeKind::text, true, {}}},
       infer_shift,
       kernels::bit_shift},
      binary("BitwiseAnd", kernels::bitwise_and),
      binary("BitwiseOr", kernels::bitwise_or),
      binary("BitwiseXor", kernels::bitwise_xor),
      {"", "BitwiseNot", {18}, {{"X", "T"}}, {{"Y", "T"}}, {{"T", infer::integers()}}, {}, infer::same_as_input, kernels::bitwise_not},
  };
  return table;
}

}  // namespace lathe
