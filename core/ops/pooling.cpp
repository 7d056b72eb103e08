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

}  // namespace

std::span<const Operator> pooling_operators() {
  static const FormalAttribute auto_pad{"auto_pad", AttributeKind::text, false, "NOTSET"}, ceil_mode{"ceil_mode", AttributeKind::integer, false, "0"},
      dilations{"dilations", AttributeKind::integers, false, "1 on each axis"}, kernel{"kernel_shape", AttributeKind::integers, true, {}},
      pads{"pads", AttributeKind::integers, false, "0"}, strides{"strides", AttributeKind::integers, false, "1 on each axis"};
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
      {"", "GlobalAveragePool", {1, 22}, {{"X", "T"}}, {{"Y", "T"}}, {{"T", infer::floats()}}, {}, infer_global, kernels::global_average_pool},
      {"", "GlobalMaxPool", {1, 22}, {{"X", "T"}}, {{"Y", "T"}}, {{"T", infer::floats()}}, {}, infer_global, kernels::global_max_pool},
  };
  return table;
}

}  // namespace lathe
