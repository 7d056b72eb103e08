// Reductions, positions of extremes, running sums: signatures and inference. The kernels are in lathe/kernels/reduction.hpp.
#include "lathe/kernels/reduction.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void infer_reduce(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  const bool keep = c.node().integer("keepdims", 1) != 0;
  if (!x) return infer::set(c, std::nullopt);
  std::vector<bool> reduced(x->size(), false);
  std::optional<std::vector<int64_t>> axes = std::vector<int64_t>();
  if (c.input(1)) axes = infer::known_integers(c, 1);
  if (const Shape* s = infer::shape(c, 1); !axes && s && s->size() == 1 && (*s)[0] == Dimension(0)) axes.emplace();  // whatever is in it
  if (!axes) {
    if (const Shape* s = infer::shape(c, 1); keep || !s || s->size() != 1 || !(*s)[0].constant())
      return infer::set(c, keep ? std::optional(Shape(x->size())) : std::nullopt);
    const int64_t count = (*infer::shape(c, 1))[0].value;
    return infer::set(c, count > int64_t(x->size()) ? std::nullopt : std::optional(Shape(x->size() - size_t(count))));
  }
  if (axes->empty()) reduced.assign(x->size(), c.node().integer("noop_with_empty_axes", 0) == 0);
  for (const int64_t axis : *axes) reduced[infer::axis(c, axis, x->size())] = true;
  Shape y;
  for (size_t i = 0; i < x->size(); ++i) {
    if (!reduced[i])
      y.push_back((*x)[i]);
    else if (keep)
      y.push_back(Dimension(1));
  }
  infer::set(c, std::move(y));
}

void infer_position(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  if (!x) return infer::set(c, DataType::int64, std::nullopt);
  const size_t axis = infer::axis(c, c.node().integer("axis", 0), x->size());
  if ((*x)[axis].value == 0) c.fail("there is nothing to find on an empty axis", "at least one element", to_string(*x));
  Shape y = *x;
  if (c.node().integer("keepdims", 1))
    y[axis] = Dimension(1);
  else
    y.erase(y.begin() + ptrdiff_t(axis));
  infer::set(c, DataType::int64, std::move(y));
}

void infer_running(InferenceContext& c) {
  const std::optional<std::vector<int64_t>> axis = infer::known_integers(c, 1);
  const Shape *x = infer::shape(c, 0), *s = infer::shape(c, 1);
  if (s && infer::differ(infer::product(c, *s, 0, s->size()), Dimension(1))) c.fail("the axis is no scalar", "one element", to_string(*s));
  if (x && axis && axis->size() == 1) infer::axis(c, (*axis)[0], x->size());
  infer::same_as_input(c);
}

Operator reduce(std::string_view name, std::vector<int> versions, kernels::Kernel kernel, std::vector<DataType> types = infer::reducible()) {
  return {"",
          name,
          std::move(versions),
          {{"data", "T"}, {"axes", infer::int64_tensor, Formal::optional}},
          {{"reduced", "T"}},
          {{"T", std::move(types)}},
          {{"keepdims", AttributeKind::integer, false, "1"}, {"noop_with_empty_axes", AttributeKind::integer, false, "0"}},
          infer_reduce,
          kernel};
}
Operator position(std::string_view name, kernels::Kernel kernel) {
  return {"",
          name,
          {1, 11, 12, 13},
          {{"data", "T"}},
          {{"reduced", infer::int64_tensor}},
          {{"T", infer::numbers()}},
          {{"axis", AttributeKind::integer, false, "0"},
           {"keepdims", AttributeKind::integer, false, "1"},
           {"select_last_index", AttributeKind::integer, false, "0"}},
          infer_position,
          kernel};
}

Operator running(std::string_view name, std::vector<int> versions, kernels::Kernel kernel) {
  return {"",
          name,
          std::move(versions),
          {{"x", "T"}, {"axis", "T2"}},
          {{"y", "T"}},
          {{"T", infer::reducible()}, {"T2", {DataType::int32, DataType::int64}}},
          {{"exclusive", AttributeKind::integer, false, "0"}, {"reverse", AttributeKind::integer, false, "0"}},
          infer_running,
          kernel};
}

}  // namespace

std::span<const Operator> reduction_operators() {
  std::vector<DataType> ordered = infer::reducible();
  for (const DataType type : {DataType::int8, DataType::uint8, DataType::boolean}) ordered.push_back(type);
  static const Operator table[] = {
      reduce("ReduceSum", {1, 11, 13}, kernels::reduce_sum),
      reduce("ReduceMean", {1, 11, 13, 18}, kernels::reduce_mean),
      reduce("ReduceMax", {1, 11, 12, 13, 18, 20}, kernels::reduce_max, ordered),
      reduce("ReduceMin", {1, 11, 12, 13, 18, 20}, kernels::reduce_min, ordered),
      reduce("ReduceProd", {1, 11, 13, 18}, kernels::reduce_prod),
      reduce("ReduceL1", {1, 11, 13, 18}, kernels::reduce_l1),
      reduce("ReduceL2", {1, 11, 13, 18}, kernels::reduce_l2),
      reduce("ReduceSumSquare", {1, 11, 13, 18}, kernels::reduce_sum_square),
      reduce("ReduceLogSum", {1, 11, 13, 18}, kernels::reduce_log_sum),
      reduce("ReduceLogSumExp", {1, 11, 13, 18}, kernels::reduce_log_sum_exp),
      position("ArgMax", kernels::arg_max),
      position("ArgMin", kernels::arg_min),
      running("CumSum", {11, 14}, kernels::cum_sum),
      running("CumProd", {26}, kernels::cum_prod),
  };
  return table;
}

}  // namespace lathe
