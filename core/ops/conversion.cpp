// Conversion between element types: signatures and inference. The kernels are in lathe/kernels/conversion.hpp.
#include "lathe/kernels/conversion.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void convert(InferenceContext& c, DataType to) {
  if (to == DataType::complex64 || to == DataType::complex128)
    c.fail("nothing is converted to complex numbers", "a real type, bool or string", std::string(name(to)));
  if (const std::string mode = c.node().text("round_mode", "up"); mode != "up" && mode != "down" && mode != "nearest")
    c.fail("attribute 'round_mode' has no such value", "up, down or nearest", mode);
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

void infer_bit_cast(InferenceContext& c) {
  const int64_t number = c.node().integer("to", 0);
  if (number < 1 || number > int64_t(DataType::int2))
    c.fail("attribute 'to' names no element type", "a TensorProto.DataType number", std::to_string(number));
  const DataType from = infer::element(c, 0), to = DataType(number);
  if (to == DataType::string) c.fail("attribute 'to' names a type without bits", "a type of numbers", "string");
  if (from != DataType::none && bits(from) != bits(to))
    c.fail("the types differ in size", std::to_string(bits(from)) + " bits, as in " + std::string(name(from)),
           std::to_string(bits(to)) + " bits, as in " + std::string(name(to)));
  const Shape* x = infer::shape(c, 0);
  infer::set(c, to, x ? std::optional(*x) : std::nullopt);
}

// Complex numbers are never converted.
std::vector<DataType> castable() {
  std::vector<DataType> types = infer::every_type();
  std::erase_if(types, [](DataType t) { return t == DataType::complex64 || t == DataType::complex128; });
  return types;
}
std::vector<DataType> with_bits() {
  std::vector<DataType> types = infer::every_type();
  std::erase(types, DataType::string);
  return types;
}

}  // namespace

std::span<const Operator> conversion_operators() {
  static const FormalAttribute saturate{"saturate", AttributeKind::integer, false, "1"}, round_mode{"round_mode", AttributeKind::text, false, "up"};
  static const Operator table[] = {
      {"",
       "Cast",
       {6, 9, 13, 19, 21, 23, 24, 25},
       {{"input", "T1"}},
       {{"output", "T2"}},
       {{"T1", castable()}, {"T2", castable()}},
       {round_mode, saturate, {"to", AttributeKind::integer, true, {}}},
       infer_cast,
       kernels::cast},
      {"",
       "CastLike",
       {15, 19, 21, 23, 24, 25},
       {{"input", "T1"}, {"target_type", "T2"}},
       {{"output", "T2"}},
       {{"T1", castable()}, {"T2", castable()}},
       {round_mode, saturate},
       infer_cast_like,
       kernels::cast_like},
      {"",
       "BitCast",
       {26},
       {{"input", "T1"}},
       {{"output", "T2"}},
       {{"T1", with_bits()}, {"T2", with_bits()}},
       {{"to", AttributeKind::integer, true, {}}},
       infer_bit_cast,
       kernels::bit_cast},
  };
  return table;
}

}  // namespace lathe
