// Quantisation: signatures and inference. The kernels are in lathe/kernels/quantization.hpp.
#include "lathe/kernels/quantization.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

// The scale is a scalar, has one number per place of `axis`, or (block_size) one per block; the zero point has its shape.
void check_scale(const InferenceContext& c) {
  const Shape *x = infer::shape(c, 0), *scale = infer::shape(c, 1), *zero = infer::shape(c, 2);
  const int64_t block = c.node().integer("block_size", 0);
  if (block < 0) c.fail("attribute 'block_size' is out of range", "at least 0", std::to_string(block));
  if (zero && scale) {
    bool same = zero->size() == scale->size();
    for (size_t i = 0; same && i < zero->size(); ++i) same = !infer::differ((*zero)[i], (*scale)[i]);
    const auto single = [&](const Shape& s) { return s.size() <= 1 && infer::product(c, s, 0, s.size()).value == 1; };
    if (!same && !(single(*zero) && single(*scale))) c.fail("scale and zero point differ in shape", to_string(*scale), to_string(*zero));
  }
  if (!x || !scale || scale->empty() || (scale->size() == 1 && (*scale)[0].value == 1)) return;
  const size_t axis = infer::axis(c, c.node().integer("axis", 1), x->size());
  if (block) {
    if (scale->size() != x->size()) c.fail("blocked quantisation wants a scale of the input's rank", to_string(*x), to_string(*scale));
    for (size_t i = 0; i < x->size(); ++i) {
      const Dimension expected = i == axis ? infer::divided(c, infer::plus(c, (*x)[i], Dimension(block - 1)), Dimension(block)) : (*x)[i];
      if (infer::differ((*scale)[i], expected))
        c.fail("the scale's shape does not fit the blocks", std::to_string(expected.value) + " on axis " + std::to_string(i), to_string(*scale));
    }
  } else if (scale->size() != 1) {
    c.fail("the scale has too many dimensions", "a scalar or one number per place of the axis", to_string(*scale));
  } else if (infer::differ((*scale)[0], (*x)[axis])) {
    c.fail("the scale's length does not fit the axis", to_string(Shape{(*x)[axis]}), to_string(*scale));
  }
}

void set_like_input(InferenceContext& c, DataType type) {
  const Shape* x = infer::shape(c, 0);
  infer::set(c, type, x ? std::optional(*x) : std::nullopt);
}

std::vector<DataType> quantized_types() {
  return {DataType::uint8,          DataType::int8,       DataType::uint16,        DataType::int16,      DataType::uint4,
          DataType::int4,           DataType::uint2,      DataType::int2,          DataType::float4e2m1, DataType::float8e4m3fn,
          DataType::float8e4m3fnuz, DataType::float8e5m2, DataType::float8e5m2fnuz};
}

void check_float(const InferenceContext& c, std::string_view attribute, DataType type) {
  if (type == DataType::none || type == DataType::float32 || type == DataType::float16 || type == DataType::bfloat16) return;
  c.fail("attribute '" + std::string(attribute) + "' names a type that it cannot be", "float, float16 or bfloat16", std::string(name(type)));
}

// The zero point of small floats says only which type is meant.
void check_zero(const InferenceContext& c) {
  const Tensor* zero = c.constant(2);
  if (!zero || zero->type < DataType::float8e4m3fn || zero->type > DataType::float8e5m2fnuz) return;
  for (const uint8_t bits : zero->as<uint8_t>())
    if (bits & 0x7f) c.fail("the zero point of " + std::string(name(zero->type)) + " is not zero", "0", "another number");
}

void infer_quantize(InferenceContext& c) {
  check_scale(c);
  const DataType asked = infer::data_type(c, "output_dtype");
  const DataType type = c.input(2) ? infer::element(c, 2) : (asked == DataType::none ? DataType::uint8 : asked);
  if (c.input(2) && asked != DataType::none && asked != type)
    c.fail("output_dtype contradicts the zero point", std::string(name(type)), std::string(name(asked)));
  const std::vector<DataType> allowed = quantized_types();
  if (type != DataType::none && std::find(allowed.begin(), allowed.end(), type) == allowed.end())
    c.fail("attribute 'output_dtype' names no quantised type", "an integer of up to 16 bits, float8 or float4e2m1", std::string(name(type)));
  check_float(c, "precision", infer::data_type(c, "precision"));
  check_zero(c);
  set_like_input(c, type);
}
void infer_dequantize(InferenceContext& c) {
  check_scale(c);
  const DataType asked = infer::data_type(c, "output_dtype");
  if (asked == DataType::none && infer::element(c, 1) == DataType::float8e8m0)
    c.fail("the type of the output is not said", "attribute 'output_dtype', since no output can have the scale's type", "float8e8m0");
  const DataType type = asked == DataType::none ? infer::element(c, 1) : asked;
  check_float(c, "output_dtype", type);
  check_zero(c);
  set_like_input(c, type);
}
// A table [.., gather_axis, ..] of numbers that are quantised in blocks along another axis; bytes of several numbers are packed along the last one.
void infer_gather_block_quantized(InferenceContext& c) {
  const Shape *data = infer::shape(c, 0), *indices = infer::shape(c, 1), *scales = infer::shape(c, 2), *zeros = infer::shape(c, 3);
  const int64_t bits = c.node().integer("bits", 4), block = c.node().integer("block_size", 128);
  const bool bytes = infer::element(c, 0) == DataType::uint8;
  if (bytes ? bits != 2 && bits != 4 && bits != 8 : bits != 4)
    c.fail("attribute 'bits' is out of range", bytes ? "2, 4 or 8" : "4", std::to_string(bits));
  if (block < 16 || (block & (block - 1))) c.fail("attribute 'block_size' is out of range", "a power of two of at least 16", std::to_string(block));
  const DataType type = infer::element(c, 2);
  if (!data || !indices) return infer::set(c, type, std::nullopt);
  const size_t rank = data->size(), gathered = infer::axis(c, c.node().integer("gather_axis", 0), rank, "gather_axis"),
               quantized = infer::axis(c, c.node().integer("quantize_axis", 1), rank, "quantize_axis");
  if (gathered == quantized) c.fail("rows are gathered along the axis that is quantised", "two axes", std::to_string(gathered));
  if (bytes && (gathered != 0 || quantized != rank - 1))
    c.fail("packed numbers lie along another axis", "gather_axis 0 and quantize_axis " + std::to_string(rank - 1),
           std::to_string(gathered) + " and " + std::to_string(quantized));
  const int64_t packed = bytes ? 8 / bits : 1;
  Shape numbers = *data, groups;
  numbers.back() = infer::times(c, numbers.back(), Dimension(packed));
  for (size_t i = 0; i < rank; ++i)
    groups.push_back(i == quantized ? infer::divided(c, infer::plus(c, numbers[i], Dimension(block - 1)), Dimension(block)) : numbers[i]);
  infer::expect_shape(c, 2, groups);
  if (scales && zeros) {
    Shape expected = *scales;
    expected.back() = infer::divided(c, infer::plus(c, expected.back(), Dimension(packed - 1)), Dimension(packed));
    infer::expect_shape(c, 3, expected);
  }
  Shape y(numbers.begin(), numbers.begin() + ptrdiff_t(gathered));
  y.insert(y.end(), indices->begin(), indices->end());
  y.insert(y.end(), numbers.begin() + ptrdiff_t(gathered) + 1, numbers.end());
  infer::set(c, type, std::move(y));
}

void infer_dynamic(InferenceContext& c) {
  set_like_input(c, DataType::uint8);
  infer::set(c, DataType::float32, Shape(), 1);
  infer::set(c, DataType::uint8, Shape(), 2);
}

}  // namespace

std::span<const Operator> quantization_operators() {
  const std::vector<DataType> real{DataType::float32, DataType::float16, DataType::bfloat16, DataType::int32}, quantized = quantized_types();
  std::vector<DataType> scales = real, sources = quantized;
  scales.push_back(DataType::float8e8m0);
  sources.push_back(DataType::int32);
  static const FormalAttribute axis{"axis", AttributeKind::integer, false, "1"}, block{"block_size", AttributeKind::integer, false, "0"},
      output{"output_dtype", AttributeKind::integer, false, "0"};
  // Those of com.microsoft came first for types that ONNX's did not have then.
  const std::vector<DataType> integers{DataType::int8, DataType::uint8, DataType::int16, DataType::uint16, DataType::int4, DataType::uint4};
  std::vector<DataType> integers_and_sums = integers;
  integers_and_sums.push_back(DataType::int32);
  static const Operator table[] = {
      {"",
       "QuantizeLinear",
       {10, 13, 19, 21, 23, 24, 25},
       {{"x", "T1"}, {"y_scale", "T2"}, {"y_zero_point", "T3", Formal::optional}},
       {{"y", "T3"}},
       {{"T1", real}, {"T2", scales}, {"T3", quantized}},
       {axis, block, output, {"precision", AttributeKind::integer, false, "0"}, {"saturate", AttributeKind::integer, false, "1"}},
       infer_quantize,
       kernels::quantize_linear},
      {"",
       "DequantizeLinear",
       {10, 13, 19, 21, 23, 24, 25},
       {{"x", "T1"}, {"x_scale", "T2"}, {"x_zero_point", "T1", Formal::optional}},
       {{"y", "T3"}},
       {{"T1", sources}, {"T2", {DataType::float32, DataType::float16, DataType::bfloat16, DataType::float8e8m0}}, {"T3", infer::floats()}},
       {axis, block, output},
       infer_dequantize,
       kernels::dequantize_linear},
      {"",
       "DynamicQuantizeLinear",
       {11},
       {{"x", infer::float_tensor}},
       {{"y", "tensor(uint8)"}, {"y_scale", infer::float_tensor}, {"y_zero_point", "tensor(uint8)"}},
       {},
       {},
       infer_dynamic,
       kernels::dynamic_quantize_linear},
      {"com.microsoft",
       "QuantizeLinear",
       {1},
       {{"x", "T1"}, {"y_scale", "T1"}, {"y_zero_point", "T2", Formal::optional}},
       {{"y", "T2"}},
       {{"T1", {DataType::float32, DataType::float16}}, {"T2", integers}},
       {axis},
       infer_quantize,
       kernels::quantize_linear},
      {"com.microsoft",
       "DequantizeLinear",
       {1},
       {{"x", "T1"}, {"x_scale", "T2"}, {"x_zero_point", "T1", Formal::optional}},
       {{"y", "T2"}},
       {{"T1", integers_and_sums}, {"T2", {DataType::float32, DataType::float16}}},
       {axis},
       infer_dequantize,
       kernels::dequantize_linear},
      {"com.microsoft",
       "GatherBlockQuantized",
       {1},
       {{"data", "T1"}, {"indices", "Tind"}, {"scales", "T2"}, {"zero_points", "T1", Formal::optional}},
       {{"output", "T2"}},
       {{"T1", {DataType::int4, DataType::uint4, DataType::uint8}},
        {"T2", {DataType::float32, DataType::float16, DataType::bfloat16}},
        {"Tind", {DataType::int32, DataType::int64}}},
       {{"bits", AttributeKind::integer, false, "4"},
        {"block_size", AttributeKind::integer, false, "128"},
        {"gather_axis", AttributeKind::integer, false, "0"},
        {"quantize_axis", AttributeKind::integer, false, "1"}},
       infer_gather_block_quantized,
       kernels::gather_block_quantized},
  };
  return table;
}

}  // namespace lathe
