// Recipes of conversion, quantisation, reductions and of arithmetic whose attributes need thought.
#include "recipe.hpp"

namespace lathe::differential {
namespace {

bool is_float(DataType t) { return t == DataType::float32 || t == DataType::float64 || t == DataType::float16 || t == DataType::bfloat16; }

bool reduce(Recipe& r) {
  const bool log = r.op.name == "ReduceLogSum", product = r.op.name == "ReduceProd";
  const DataType type = r.input_type(0);
  // Products of integers stay within their type.
  const Content content = product      ? (is_float(type) ? Content::nonzero : Content::unit)
                          : r.d.wild() ? Content::any
                          : log        ? Content::positive
                                       : Content::any;
  const ValueId x = r.d.some(type, 0, 5, content);
  const int64_t rank = int64_t(r.d.dims(x).size());
  r.in(x);
  const Dims axes = r.axes(rank);
  if (!axes.empty() || r.chance(15)) r.in(r.d.ints(axes));
  if (r.chance(60)) r.set("keepdims", r.random.between(0, 1));
  if (r.chance(20)) r.set("noop_with_empty_axes", int64_t(1));
  return true;
}

// Of eight and fewer bits: their numbers are drawn by their bits, so they are of any size.
bool is_small_float(DataType t) { return t >= DataType::float8e4m3fn && t <= DataType::float8e8m0 && t != DataType::uint4 && t != DataType::int4; }

bool cast(Recipe& r) {
  const DataType from = r.input_type(0), to = r.output_type(0);
  if (is_small_float(from) && !is_float(to) && !is_small_float(to) && to != DataType::string && to != DataType::boolean) return false;
  // Numbers outside the target's range have no meaning that the standard gives.
  const bool narrow = is_float(from) && !is_float(to);
  r.in(r.d.some(from, 0, 5, narrow ? Content::positive : Content::any));
  if (narrow && !(from == DataType::float32 || from == DataType::float64 || from == DataType::float16)) return false;
  r.set("to", int64_t(to));
  return true;
}
bool cast_like(Recipe& r) {
  const DataType from = r.input_type(0), to = r.output_type(0);
  if (is_small_float(from) && !is_float(to) && !is_small_float(to) && to != DataType::string && to != DataType::boolean) return false;
  const bool narrow = is_float(from) && !is_float(to);
  r.in(r.d.some(from, 0, 5, narrow ? Content::positive : Content::any)), r.in(r.d.value(to, r.d.shape(0, 2)));
  return true;
}

bool bit_cast(Recipe& r) {
  const DataType from = r.input_type(0), to = r.output_type(0);
  if (bits(from) != bits(to)) return false;
  r.in(r.d.some(from));
  r.set("to", int64_t(to));
  return true;
}

bool cum_sum(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1, 4, r.op.name == "CumProd" ? Content::unit : Content::any);
  r.in(x), r.in(r.d.integer(r.axis(int64_t(r.d.dims(x).size())), r.input_type(1)));
  if (r.chance(40)) r.set("exclusive", int64_t(1));
  if (r.chance(40)) r.set("reverse", int64_t(1));
  return true;
}

bool mod(Recipe& r) {
  const DataType t = r.input_type(0);
  const Dims dims = r.d.shape();
  r.in(r.d.value(t, dims)), r.in(r.d.fresh(r.d.filled(t, r.d.broadcastable(dims), Content::nonzero)));
  if (is_float(t) || r.chance(40)) r.set("fmod", int64_t(1));
  return true;
}

bool divide(Recipe& r) {
  const DataType t = r.input_type(0);
  const Dims dims = r.d.shape();
  r.in(r.d.value(t, dims)), r.in(r.d.fresh(r.d.filled(t, r.d.broadcastable(dims), is_float(t) && r.d.wild() ? Content::any : Content::nonzero)));
  return true;
}

bool power(Recipe& r) {
  const DataType base = r.input_type(0), exponent = r.input_type(1);
  const Dims dims = r.d.shape();
  const Content unit = r.d.wild() && is_float(base) ? Content::any : Content::unit;
  // Integer powers stay within their type, and those with fractions within the numbers.
  const Content whole = is_float(exponent) ? Content::positive : Content::unit;
  r.in(r.d.fresh(r.d.filled(base, dims, !is_float(base) ? whole : r.d.wild() ? Content::any : Content::positive)));
  Tensor e = r.d.filled(exponent, r.d.broadcastable(dims), is_float(base) ? unit : is_float(exponent) ? Content::unit : Content::positive);
  r.in(r.d.fresh(std::move(e)));
  return true;
}

bool clip(Recipe& r) {
  const DataType t = r.input_type(0);
  r.in(r.d.some(t));
  r.in(r.chance(70) ? r.d.value(t, {}) : none), r.in(r.chance(70) ? r.d.value(t, {}) : none);
  return true;
}

bool bit_shift(Recipe& r) {
  const DataType t = r.input_type(0);
  const Dims dims = r.d.shape();
  r.in(r.d.value(t, dims));
  Tensor amount = r.d.filled(t, r.d.broadcastable(dims), Content::unit);
  r.in(r.d.fresh(std::move(amount)));
  r.set("direction", r.random.pick({"LEFT", "RIGHT"}));
  return true;
}

// Positive scales, none so small that everything saturates.
ValueId scale(Recipe& r, DataType type, const Dims& dims) { return r.d.fresh(r.d.filled(type, dims, Content::positive)); }

bool quantize(Recipe& r) {
  const bool back = r.op.name == "DequantizeLinear";
  const DataType t = r.input_type(0), s = r.input_type(1);
  if (s == DataType::int32 || (!back && t == DataType::int32)) return false;
  const ValueId x = r.d.some(t, 1, 4);
  const int64_t rank = int64_t(r.d.dims(x).size()), axis = r.axis(rank);
  Dims dims;
  switch (r.random.below(3)) {
    case 0:
      break;
    case 1:
      dims = {r.d.dims(x)[size_t(Recipe::positive(axis, rank))]};
      r.set("axis", axis);
      break;
    default: {  // blocks along the axis
      dims = r.d.dims(x);
      int64_t& n = dims[size_t(Recipe::positive(axis, rank))];
      if (n == 0) return false;
      const int64_t block = r.random.between(1, n);
      n = (n + block - 1) / block;
      r.set("axis", axis), r.set("block_size", block);
    }
  }
  r.in(x), r.in(scale(r, s, dims));
  const DataType q = back ? t : r.output_type(0);
  if (r.chance(70) && q != DataType::int32)
    r.in(r.d.value(q, dims));
  else if (!back && r.chance(70))
    r.set("output_dtype", int64_t(q));
  return true;
}

bool qlinear_matmul(Recipe& r) {
  const int64_t m = r.d.size(), k = r.d.size(), n = r.d.size();
  const DataType a = r.input_type(0), s = r.input_type(1), b = r.input_type(3), y = r.input_type(7);
  r.in(r.d.value(a, {m, k})), r.in(scale(r, s, {})), r.in(r.d.value(a, {}));
  r.in(r.d.value(b, {k, n})), r.in(scale(r, s, {})), r.in(r.d.value(b, {}));
  r.in(scale(r, s, {})), r.in(r.d.value(y, {}));
  return true;
}

bool qlinear_conv(Recipe& r) {
  const DataType x = r.input_type(0), w = r.input_type(3), y = r.input_type(7);
  const int64_t channels = r.random.between(1, 4), out = r.random.between(1, 4), kernel = r.random.between(1, 3);
  r.in(r.d.value(x, {1, channels, r.random.between(3, 7), r.random.between(3, 7)})), r.in(scale(r, DataType::float32, {})), r.in(r.d.value(x, {}));
  r.in(r.d.value(w, {out, channels, kernel, kernel})), r.in(scale(r, DataType::float32, r.chance(50) ? Dims{} : Dims{out})),
      r.in(r.d.value(w, r.d.dims(r.p.inputs.back())));
  r.in(scale(r, DataType::float32, {})), r.in(r.d.value(y, {}));
  if (r.chance(50)) r.in(r.d.value(DataType::int32, {out}));
  if (r.chance(40)) r.set("pads", Dims{1, 1, 1, 1});
  if (r.chance(40)) r.set("strides", Dims{2, 1});
  return true;
}

bool einsum(Recipe& r) {
  const DataType t = r.input_type(0);
  const int64_t i = r.d.size(), j = r.d.size(), k = r.random.between(1, 5), b = r.random.between(1, 3);
  switch (r.random.below(12)) {
    case 0:
      r.set("equation", "ij,jk->ik"), r.in(r.d.value(t, {i, j})), r.in(r.d.value(t, {j, k}));
      return true;
    case 1:
      r.set("equation", "bij,bjk->bik"), r.in(r.d.value(t, {b, i, j})), r.in(r.d.value(t, {b, j, k}));
      return true;
    case 2:
      r.set("equation", "ij->ji"), r.in(r.d.value(t, {i, j}));
      return true;
    case 3:
      r.set("equation", "...ij,...jk->...ik"), r.in(r.d.value(t, {b, k, i, j})), r.in(r.d.value(t, {b, k, j, i}));
      return true;
    case 4:
      r.set("equation", "i,j->ij"), r.in(r.d.value(t, {i})), r.in(r.d.value(t, {j}));
      return true;
    case 5:
      r.set("equation", "ij->i"), r.in(r.d.value(t, {i, j}));
      return true;
    case 6:
      r.set("equation", "ii->i"), r.in(r.d.value(t, {i, i}));
      return true;
    case 7:
      r.set("equation", "ij,jk"), r.in(r.d.value(t, {i, j})), r.in(r.d.value(t, {j, k}));
      return true;
    case 8:
      r.set("equation", "...i,...i->..."), r.in(r.d.value(t, {b, k, i})), r.in(r.d.value(t, {b, k, i}));
      return true;
    case 9:
      r.set("equation", "bhqd,bhkd->bhqk"), r.in(r.d.value(t, {b, k, i, 3})), r.in(r.d.value(t, {b, k, j, 3}));
      return true;
    case 10:
      r.set("equation", "ij,jk,kl->il"), r.in(r.d.value(t, {i, b})), r.in(r.d.value(t, {b, k})), r.in(r.d.value(t, {k, j}));
      return true;
    default:
      r.set("equation", "bij, bij -> b"), r.in(r.d.value(t, {b, i, j})), r.in(r.d.value(t, {b, i, j}));
      return true;
  }
}

bool is_inf(Recipe& r) {
  r.in(r.d.fresh(r.d.filled(r.input_type(0), r.d.shape(), Content::wild)));
  if (r.chance(40)) r.set("detect_negative", r.random.between(0, 1));
  if (r.chance(40)) r.set("detect_positive", r.random.between(0, 1));
  return true;
}
bool is_nan(Recipe& r) {
  r.in(r.d.fresh(r.d.filled(r.input_type(0), r.d.shape(), Content::wild)));
  return true;
}

bool dropout(Recipe& r) {
  r.in(r.d.some(r.input_type(0)));
  if (const DataType ratio = r.input_type(1); r.chance(40) && ratio != DataType::bfloat16) {
    Tensor half = Tensor::allocate(ratio, {});
    if (ratio == DataType::float32) half.as_mutable<float>()[0] = 0.5f;
    if (ratio == DataType::float64) half.as_mutable<double>()[0] = 0.5;
    r.in(r.d.fresh(std::move(half)));
  } else {
    r.in(none);
  }
  if (r.chance(40)) r.in(r.d.constant(Tensor::allocate(DataType::boolean, {})));  // inference only: training drops at random
  r.p.outputs = size_t(r.random.between(1, 2));
  return true;
}

bool determinant(Recipe& r) {
  const int64_t n = r.random.between(1, 4);
  Dims dims = r.d.shape(0, 2);
  dims.push_back(n), dims.push_back(n);
  r.in(r.d.value(r.input_type(0), dims));
  return true;
}

}  // namespace

std::span<const NamedRecipe> arithmetic_recipes() {
  static const NamedRecipe table[] = {
      {"BitCast", bit_cast},
      {"BitShift", bit_shift},
      {"Cast", cast},
      {"CastLike", cast_like},
      {"Clip", clip},
      {"CumProd", cum_sum},
      {"CumSum", cum_sum},
      {"DequantizeLinear", quantize},
      {"Det", determinant},
      {"Div", divide},
      {"Dropout", dropout},
      {"Einsum", einsum},
      {"IsInf", is_inf},
      {"IsNaN", is_nan},
      {"Mod", mod},
      {"Pow", power},
      {"QLinearConv", qlinear_conv},
      {"QLinearMatMul", qlinear_matmul},
      {"QuantizeLinear", quantize},
      {"ReduceL1", reduce},
      {"ReduceL2", reduce},
      {"ReduceLogSum", reduce},
      {"ReduceLogSumExp", reduce},
      {"ReduceMax", reduce},
      {"ReduceMean", reduce},
      {"ReduceMin", reduce},
      {"ReduceProd", reduce},
      {"ReduceSum", reduce},
      {"ReduceSumSquare", reduce},
  };
  return table;
}

}  // namespace lathe::differential
