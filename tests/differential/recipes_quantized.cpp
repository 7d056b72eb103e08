// Recipes of com.microsoft's operators on quantised tensors. Scales come from a list of numbers whose quotients hardly ever lie half way between
// two integers: at such ties engines differ, because they scale in another order.
#include "recipe.hpp"

namespace lathe::differential {
namespace {

ValueId scale(Recipe& r, const Dims& dims = {}) {
  constexpr float odd[] = {0.0137f, 0.0291f, 0.0537f, 0.1173f, 0.2371f};
  Tensor t = Tensor::allocate(DataType::float32, dims);
  for (float& x : t.as_mutable<float>()) x = odd[r.random.below(5)];
  return r.d.fresh(std::move(t));
}
void quantised(Recipe& r, DataType type, const Dims& dims) {
  r.in(r.d.value(type, dims));
  r.in(scale(r));
  r.in(r.d.value(type, {}));
}
void result(Recipe& r, DataType type) {
  r.in(scale(r));
  r.in(r.d.value(type, {}));
}

bool binary(Recipe& r) {
  const DataType type = r.input_type(0);
  const Dims whole = r.d.shape(1, 4);
  quantised(r, type, r.d.broadcastable(whole));
  quantised(r, type, whole);
  result(r, type);
  return true;
}

bool unary(Recipe& r) {
  const DataType type = r.input_type(0);
  quantised(r, type, r.d.shape(1, 4));
  result(r, type);
  if (r.op.name == "QLinearLeakyRelu" && r.chance(50)) r.set("alpha", 0.21f);
  if (r.op.name == "QLinearSoftmax") r.set("opset", int64_t(13)), r.set("axis", r.axis(int64_t(r.d.dims(r.p.inputs[0]).size())));
  return true;
}

bool concat(Recipe& r) {
  const DataType type = r.input_type(1);
  result(r, type);
  Dims dims = r.d.shape(1, 4);
  const int64_t rank = int64_t(dims.size()), axis = r.axis(rank);
  for (int64_t i = 0, n = r.random.between(1, 3); i < n; ++i) {
    dims[size_t(Recipe::positive(axis, rank))] = r.d.size();
    quantised(r, type, dims);
  }
  r.set("axis", axis);
  return true;
}

bool pool(Recipe& r) {
  const DataType type = r.input_type(0);
  const bool last = r.chance(30);
  const int64_t channels = r.random.between(1, 3), height = r.random.between(4, 7), width = r.random.between(4, 7);
  quantised(r, type, last ? Dims{1, height, width, channels} : Dims{1, channels, height, width});
  result(r, type);
  if (last) r.set("channels_last", int64_t(1));
  if (r.op.name == "QLinearGlobalAveragePool") return true;
  r.set("kernel_shape", Dims{r.random.between(1, 3), r.random.between(2, 3)});
  if (r.chance(40)) r.set("strides", Dims{2, 1});
  if (r.chance(40)) r.set("pads", Dims{0, 1, 0, 1});
  return true;
}

bool gemm(Recipe& r) {
  const DataType a = r.input_type(0), b = r.input_type(3);
  const int64_t m = r.d.size(), n = r.d.size(), k = r.d.size();
  const bool a_transposed = r.chance(30), b_transposed = r.chance(30), per_column = r.chance(40);
  quantised(r, a, a_transposed ? Dims{k, m} : Dims{m, k});
  r.in(r.d.value(b, b_transposed ? Dims{n, k} : Dims{k, n}));
  r.in(scale(r, per_column ? Dims{n} : Dims{}));
  r.in(r.d.value(b, per_column ? Dims{n} : Dims{}));
  r.in(r.chance(50) ? r.d.value(DataType::int32, {1, n}) : none);
  if (r.chance(60)) result(r, a);
  if (a_transposed) r.set("transA", int64_t(1));
  if (b_transposed) r.set("transB", int64_t(1));
  return true;
}

bool integer_to_float(Recipe& r) {
  const DataType a = r.input_type(0), b = r.input_type(1);
  const int64_t m = r.d.size(), n = r.d.size(), k = r.d.size();
  r.in(r.d.value(a, {m, k}));
  r.in(r.d.value(b, {k, n}));
  r.in(scale(r)), r.in(scale(r, r.chance(50) ? Dims{n} : Dims{}));
  r.in(r.chance(60) ? r.d.value(a, {}) : none);
  r.in(r.chance(60) ? r.d.value(b, {}) : none);
  if (r.chance(50)) r.in(r.d.value(DataType::float32, {n}));
  return true;
}

bool dynamic_to_float(Recipe& r) {
  const DataType b = r.input_type(1);
  const int64_t m = r.d.size(), n = r.d.size(), k = r.d.size(), stack = r.random.between(1, 3);
  const Dims line = r.chance(50) ? Dims{n} : Dims{};
  r.in(r.d.value(DataType::float32, r.chance(40) ? Dims{stack, m, k} : Dims{m, k}));
  r.in(r.d.value(b, {k, n}));
  r.in(scale(r, line));
  r.in(r.chance(60) ? r.d.value(b, line) : none);
  if (r.chance(50)) r.in(r.d.value(DataType::float32, {n}));
  return true;
}

// A scalar, a list or a matrix of places on an axis of `length`, from either end.
Tensor indices(Recipe& r, int64_t length) {
  Dims dims;
  for (size_t i = r.random.below(3); i > 0; --i) dims.push_back(r.random.between(1, 3));
  Tensor t = Tensor::allocate(r.input_type(1), dims);
  for (int64_t i = 0; i < t.size(); ++i) {
    const int64_t place = r.random.between(-length, length - 1);
    if (t.type == DataType::int32)
      t.as_mutable<int32_t>()[size_t(i)] = int32_t(place);
    else
      t.as_mutable<int64_t>()[size_t(i)] = place;
  }
  return t;
}

bool few_bits(Recipe& r) {
  const int64_t block = r.chance(50) ? 16 : 32, k = r.random.between(1, 3) * block, n = r.random.between(1, 5), blocks = k / block;
  r.in(r.d.value(DataType::float32, {r.random.between(1, 4), k}));
  r.in(r.d.value(DataType::uint8, {n, blocks, block / 2}));
  r.in(scale(r, {n * blocks}));
  if (r.chance(50)) r.in(r.d.value(DataType::uint8, {n * ((blocks + 1) / 2)}));
  r.set("K", k), r.set("N", n), r.set("bits", int64_t(4)), r.set("block_size", block);
  return true;
}

// Tables of 4 bits a number or, in bytes, of 2, 4 or 8; those of bytes are gathered along the first axis and quantised along the last.
bool gather_block(Recipe& r) {
  const DataType t = r.input_type(0), s = r.input_type(2);
  const bool bytes = t == DataType::uint8;
  const int64_t bits = bytes ? int64_t(2) << r.random.below(3) : 4, packed = bytes ? 8 / bits : 1, block = r.chance(50) ? 16 : 32;
  Dims dims = {r.random.between(1, 4), r.random.between(1, 12) * 4};
  if (r.chance(40)) dims.insert(dims.begin() + 1, r.random.between(1, 3));
  const int64_t rank = int64_t(dims.size()), gathered = bytes ? 0 : r.random.between(0, rank - 1);
  int64_t quantised = bytes ? rank - 1 : r.random.between(0, rank - 1);
  if (quantised == gathered) quantised = (gathered + 1) % rank;
  Dims groups = dims, stored = dims;
  groups[size_t(quantised)] = (dims[size_t(quantised)] + block - 1) / block;
  stored.back() /= packed;
  r.in(r.d.value(t, stored));
  r.in(r.d.fresh(indices(r, dims[size_t(gathered)])));
  r.in(r.d.fresh(r.d.filled(s, groups, Content::positive)));
  // Zero points stand in the unit test: its shape inference refuses some that its kernel takes.
  r.set("bits", bits), r.set("block_size", block), r.set("gather_axis", r.chance(30) ? gathered - rank : gathered), r.set("quantize_axis", quantised);
  return true;
}

bool fused_matmul(Recipe& r) {
  const int64_t m = r.d.size(), n = r.d.size(), k = r.d.size(), stack = r.random.between(1, 3);
  const bool a_transposed = r.chance(40), b_transposed = r.chance(40), flat = r.chance(40);
  const auto operand = [&](int64_t rows, int64_t columns, bool transposed, bool alone) {
    Dims dims = transposed ? Dims{columns, rows} : Dims{rows, columns};
    if (!alone) dims.insert(dims.begin(), stack);
    return r.d.value(DataType::float32, dims);
  };
  r.in(operand(m, k, a_transposed, false)), r.in(operand(k, n, b_transposed, flat));
  r.set("transA", int64_t(a_transposed)), r.set("transB", int64_t(b_transposed));
  if (r.chance(40)) r.set("alpha", 0.5f);
  return true;
}

bool fused_conv(Recipe& r) {
  const int64_t channels = r.random.between(1, 3), out = r.random.between(1, 4), kernel = r.random.between(1, 3), height = r.random.between(3, 6),
                width = r.random.between(3, 6), pad = kernel / 2;
  r.in(r.d.value(DataType::float32, {1, channels, height, width}));
  r.in(r.d.value(DataType::float32, {out, channels, kernel, kernel}));
  r.in(r.chance(50) ? r.d.value(DataType::float32, {out}) : none);
  if (r.chance(50)) r.in(r.d.value(DataType::float32, {1, out, height + 2 * pad - kernel + 1, width + 2 * pad - kernel + 1}));
  r.set("pads", Dims{pad, pad, pad, pad});
  constexpr const char* activations[] = {"Relu", "Sigmoid", "Tanh"};
  r.set("activation", activations[r.random.below(3)]);
  return true;
}

}  // namespace

std::span<const NamedRecipe> quantized_recipes() {
  static const NamedRecipe table[] = {
      {"DynamicQuantizeMatMul", dynamic_to_float, "com.microsoft"},
      {"FusedConv", fused_conv, "com.microsoft"},
      {"FusedMatMul", fused_matmul, "com.microsoft"},
      {"GatherBlockQuantized", gather_block, "com.microsoft"},
      {"MatMulIntegerToFloat", integer_to_float, "com.microsoft"},
      {"MatMulNBits", few_bits, "com.microsoft"},
      {"QGemm", gemm, "com.microsoft"},
      {"QLinearAdd", binary, "com.microsoft"},
      {"QLinearAveragePool", pool, "com.microsoft"},
      {"QLinearConcat", concat, "com.microsoft"},
      {"QLinearGlobalAveragePool", pool, "com.microsoft"},
      {"QLinearLeakyRelu", unary, "com.microsoft"},
      {"QLinearMul", binary, "com.microsoft"},
      {"QLinearSigmoid", unary, "com.microsoft"},
      {"QLinearSoftmax", unary, "com.microsoft"},
  };
  return table;
}

}  // namespace lathe::differential
