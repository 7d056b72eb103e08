// Conversion between element types: signatures and inference. The kernels are in lathe/kernels/conversion.hpp.
#include "lathe/kernels/conversion.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void convert(InferenceContext& c, DataType to) {
  const Shape* x = infer::shape(c, 0);
  infer::set(c, to, x ? std::optional(*x) : std::nullopt);
  const bool integer = to == DataType::int64 || to == DataType::int32;
  const Shape* elements = c.elements(0);
  if (elements && integer) c.set_elements(0, *elements);
  if (!elements || to != DataType::boolean) return;
  Shape truths(elements->size());
  for (size_t i = 0; i < truths.size(); ++i)
    if (const std::optional<int64_t> value = infer::number((*elements)[i])) truths[i] = Dimension(*value != 0);
  c.set_elements(0, std::move(truths));
}

void infer_cast(InferenceContext& c) {
  const int64_t to = c.node().integer("to", 0);
  if (to < 1 || to > int64_t(DataType::int2)) c.fail("attribute 'to' names no element type", "a TensorProto.DataType number", std::to_string(to));
  convert(c, DataType(to));
}
void infer_cast_like(InferenceContext& c) { convert(c, infer::element(c, 1)); }

}  // namespace

std::span<const Operator> conversion_operators() {
  static const FormalAttribute saturate{"saturate", AttributeKind::integer, false, "1"}, round_mode{"round_mode", AttributeKind::text, false, "up"};
  static const Operator table[] = {
      {"",
       "Cast",
       {6, 9, 13, 19, 21, 23, 24, 25},
       {{"input", "T1"}},
       {{"output", "T2"}},
       {{"T1", infer::every_type()}, {"T2", infer::every_type()}},
       {round_mode, saturate, {"to", AttributeKind::integer, true, {}}},
       infer_cast,
       kernels::cast},
      {"",
       "CastLike",
       {15, 19, 21, 23, 24, 25},
       {{"input", "T1"}, {"target_type", "T2"}},
       {{"output", "T2"}},
       {{"T1", infer::every_type()}, {"T2", infer::every_type()}},
       {round_mode, saturate},
       infer_cast_like,
       kernels::cast_like},
  };
  return table;
}

}  // namespace lathe
