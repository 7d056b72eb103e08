// Pooling: signatures and inference. The kernels are in lathe/kernels/pooling.hpp.
#include "lathe/kernels/pooling.hpp"

#include "core/ops/families.hpp"
#include "core/ops/window.hpp"

namespace lathe {
namespace {

void infer_pool(InferenceContext& c) {
  infer::expect_rank(c, 0, 3, SIZE_MAX);
  const Shape* x = infer::shape(c, 0);
  if (!x) {
    infer::set(c, std::nullopt);
    return infer::set(c, DataType::int64, std::nullopt, 1);
  }
  const infer::Window w = infer::window(c, x->size() - 2, {});
  const bool ceil_mode = c.node().integer("ceil_mode", 0) != 0;
  Shape y{(*x)[0], (*x)[1]};
  for (size_t i = 0; i + 2 < x->size(); ++i) {
    if (w.auto_pad == "NOTSET" && (w.pads[i] >= w.kernel[i] * w.dilations[i] || w.pads[x->size() - 2 + i] >= w.kernel[i] * w.dilations[i]))
      c.fail("the padding is as large as the kernel", "less than " + std::to_string(w.kernel[i] * w.dilations[i]),
             std::to_string(std::max(w.pads[i], w.pads[x->size() - 2 + i])));
    y.push_back(infer::slide(c, w, i, (*x)[i + 2], ceil_mode));
  }
  infer::set(c, y);
  if (c.node().outputs.size() > 1) infer::set(c, DataType::int64, y, 1);
}

void infer_global(InferenceContext& c) {
  infer::expect_rank(c, 0, 2, SIZE_MAX);
  const Shape* x = infer::shape(c, 0);
  if (!x) return infer::set(c, std::nullopt);
  Shape y(x->size(), Dimension(1));
  y[0] = (*x)[0];
  y[1] = (*x)[1];
  infer::set(c, std::move(y));
}

void check_exponent(const InferenceContext& c) {
  if (c.node().integer("p", 2) < 1) c.fail("attribute 'p' is out of range", "at least 1", std::to_string(c.node().integer("p", 2)));
}
void infer_lp_pool(InferenceContext& c) {
  check_exponent(c);
  infer_pool(c);
}
void infer_global_lp_pool(InferenceContext& c) {
  check_exponent(c);
  infer_global(c);
}

void infer_max_unpool(InferenceContext& c) {
  infer::expect_rank(c, 0, 3, SIZE_MAX);
  const Shape *x = infer::shape(c, 0), *places = infer::shape(c, 1), *sizes = c.elements(2);
  if (x && places) {
    bool fits = x->size() == places->size();
    for (size_t i = 0; fits && i < x->size(); ++i) fits = !infer::differ((*x)[i], (*places)[i]);
    if (!fits) c.fail("there are not as many places as elements to unpool", to_string(*x), to_string(*places));
  }
  if (!x) return infer::set(c, std::nullopt);
  const size_t axes = x->size() - 2;
  const infer::Window w = infer::window(c, axes, {});
  Shape y{(*x)[0], (*x)[1]};
  for (size_t i = 0; i < axes; ++i) {
    const Dimension steps = infer::times(c, infer::minus(c, (*x)[2 + i], Dimension(1)), Dimension(w.strides[i]));
    y.push_back(infer::plus(c, steps, infer::from_number(w.kernel[i] - w.pads[i] - w.pads[axes + i])));
  }
  if (c.input(2)) {
    infer::expect_length(c, 2, Dimension(int64_t(x->size())));
    y = sizes ? *sizes : Shape(x->size());
  }
  infer::set(c, std::move(y));
}

}  // namespace

std::span<const Operator> pooling_operators() {
  static const FormalAttribute auto_pad{"auto_pad", AttributeKind::text, false, "NOTSET"}, ceil_mode{"ceil_mode", AttributeKind::integer, false, "0"},
      dilations{"dilations", AttributeKind::integers, false, "1 on each axis"}, kernel{"kernel_shape", AttributeKind::integers, true, {}},
      pads{"pads", AttributeKind::integers, false, "0"}, exponent{"p", AttributeKind::integer, false, "2"},
      strides{"strides", AttributeKind::integers, false, "1 on each axis"};
  std::vector<DataType> max_types = infer::floats();
  max_types.push_back(DataType::int8);
  max_types.push_back(DataType::uint8);
  static const Operator table[] = {
      {"",
       "MaxPool",
       {1, 8, 10, 11, 12, 22},
       {{"X", "T"}},
       {{"Y", "T"}, {"Indices", infer::int64_tensor, Formal::optional}},
       {{"T", max_types}},
       {auto_pad, ceil_mode, dilations, kernel, pads, {"storage_order", AttributeKind::integer, false, "0"}, strides},
       infer_pool,
       kernels::max_pool},
      {"",
       "AveragePool",
       {1, 7, 10, 11, 19, 22},
       {{"X", "T"}},
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       {auto_pad, ceil_mode, {"count_include_pad", AttributeKind::integer, false, "0"}, dilations, kernel, pads, strides},
       infer_pool,
       kernels::average_pool},
      {"",
       "LpPool",
       {2, 11, 18, 22},
       {{"X", "T"}},
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       {auto_pad, ceil_mode, dilations, kernel, exponent, pads, strides},
       infer_lp_pool,
       kernels::lp_pool},
      {"",
       "MaxUnpool",
       {9, 11, 22},
       {{"X", "T1"}, {"I", infer::int64_tensor}, {"output_shape", infer::int64_tensor, Formal::optional}},
       {{"output", "T1"}},
       {{"T1", infer::floats()}},
       {kernel, pads, strides},
       infer_max_unpool,
       kernels::max_unpool},
      {"", "GlobalLpPool", {2, 22}, {{"X", "T"}}, {{"Y", "T"}}, {{"T", infer::floats()}}, {exponent}, infer_global_lp_pool, kernels::global_lp_pool},
      {"", "GlobalAveragePool", {1, 22}, {{"X", "T"}}, {{"Y", "T"}}, {{"T", infer::floats()}}, {}, infer_global, kernels::global_average_pool},
      {"", "GlobalMaxPool", {1, 22}, {{"X", "T"}}, {{"Y", "T"}}, {{"T", infer::floats()}}, {}, infer_global, kernels::global_max_pool},
  };
  return table;
}

}  // namespace lathe
