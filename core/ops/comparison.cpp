// Comparisons, logic and selection: signatures and inference. The kernels are in lathe/kernels/comparison.hpp.
//
// Equal and Where also take part in the arithmetic of shapes: exporters write Where(Equal(shape, -1), 1, shape).
#include "lathe/kernels/comparison.hpp"

#include <functional>

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void infer_equal(InferenceContext& c) {
  infer::broadcast_to_bool(c);
  const Shape *a = c.elements(0), *b = c.elements(1);
  if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1)) return;
  Shape elements(a->size() == 1 ? b->size() : a->size());
  for (size_t i = 0; i < elements.size(); ++i) {
    const Dimension &x = (*a)[a->size() == 1 ? 0 : i], &y = (*b)[b->size() == 1 ? 0 : i];
    const std::optional<int64_t> p = infer::number(x), q = infer::number(y);
    if (p && q) elements[i] = Dimension(*p == *q);
    // A symbol stands for a size, which is never negative.
    else if ((p && *p < 0 && !infer::unknown(y)) || (q && *q < 0 && !infer::unknown(x)))
      elements[i] = Dimension(0);
  }
  c.set_elements(0, std::move(elements));
}

// Comparisons and logic of numbers that are known, which is what conditions of control flow are made of.
template <class Operation>
void infer_known(InferenceContext& c) {
  infer::broadcast_to_bool(c);
  const Shape *a = c.elements(0), *b = c.elements(1);
  if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1)) return;
  Shape elements(a->size() == 1 ? b->size() : a->size());
  for (size_t i = 0; i < elements.size(); ++i) {
    const std::optional<int64_t> x = infer::number((*a)[a->size() == 1 ? 0 : i]), y = infer::number((*b)[b->size() == 1 ? 0 : i]);
    if (x && y) elements[i] = Dimension(Operation()(*x, *y) ? 1 : 0);
  }
  c.set_elements(0, std::move(elements));
}

void infer_not(InferenceContext& c) {
  infer::same_as_input(c);
  const Shape* x = c.elements(0);
  if (!x) return;
  Shape elements = *x;
  for (Dimension& d : elements) d = d.constant() ? Dimension(d.value == 0) : Dimension();
  c.set_elements(0, std::move(elements));
}

void infer_where(InferenceContext& c) {
  std::optional<Shape> shape = Shape();
  for (size_t i = 0; i < 3 && shape; ++i) {
    const Shape* s = infer::shape(c, i);
    shape = s ? std::optional(infer::broadcast(c, *shape, *s)) : std::nullopt;
  }
  infer::set(c, infer::element(c, 1), shape);
  const Shape *condition = c.elements(0), *x = c.elements(1), *y = c.elements(2);
  if (!condition || !x || !y) return;
  const size_t count = std::max({condition->size(), x->size(), y->size()});
  Shape elements(count);
  for (size_t i = 0; i < count; ++i) {
    const auto at = [&](const Shape* s) { return s->size() == 1 ? (*s)[0] : (i < s->size() ? (*s)[i] : Dimension()); };
    if (at(condition).constant())
      elements[i] = at(condition).value ? at(x) : at(y);
    else if (at(x) == at(y))
      elements[i] = at(x);
  }
  c.set_elements(0, std::move(elements));
}

void infer_predicate(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  infer::set(c, DataType::boolean, x ? std::optional(*x) : std::nullopt);
}

Operator compare(std::string_view name, std::vector<int> versions, std::vector<DataType> types, kernels::Kernel kernel,
                 void (*infer)(InferenceContext&) = infer::broadcast_to_bool) {
  return {"", name, std::move(versions), {{"A", "T"}, {"B", "T"}}, {{"C", infer::bool_tensor}}, {{"T", std::move(types)}}, {}, infer, kernel};
}
std::vector<DataType> maybe_infinite() {
  std::vector<DataType> types = infer::floats();
  for (const DataType type : {DataType::float8e4m3fn, DataType::float8e4m3fnuz, DataType::float8e5m2, DataType::float8e5m2fnuz})
    types.push_back(type);
  return types;
}
std::vector<DataType> equal_types() {
  std::vector<DataType> types = infer::numbers();
  types.push_back(DataType::boolean);
  types.push_back(DataType::string);
  return types;
}

}  // namespace

std::span<const Operator> comparison_operators() {
  static const Operator table[] = {
      compare("Equal", {7, 11, 13, 19}, equal_types(), kernels::equal, infer_equal),
      compare("Less", {7, 9, 13}, infer::numbers(), kernels::less, infer_known<std::less<>>),
      compare("LessOrEqual", {12, 16}, infer::numbers(), kernels::less_or_equal, infer_known<std::less_equal<>>),
      compare("Greater", {7, 9, 13}, infer::numbers(), kernels::greater, infer_known<std::greater<>>),
      compare("GreaterOrEqual", {12, 16}, infer::numbers(), kernels::greater_or_equal, infer_known<std::greater_equal<>>),
      compare("And", {7}, {DataType::boolean}, kernels::logical_and, infer_known<std::logical_and<>>),
      compare("Or", {7}, {DataType::boolean}, kernels::logical_or, infer_known<std::logical_or<>>),
      compare("Xor", {7}, {DataType::boolean}, kernels::logical_xor, infer_known<std::not_equal_to<>>),
      {"", "Not", {1}, {{"X", "T"}}, {{"Y", "T"}}, {{"T", {DataType::boolean}}}, {}, infer_not, kernels::logical_not},
      {"",
       "Where",
       {9, 16},
       {{"condition", infer::bool_tensor}, {"X", "T"}, {"Y", "T"}},
       {{"output", "T"}},
       {{"T", infer::before_float8(infer::every_type())}},
       {},
       infer_where,
       kernels::where},
      {"", "IsNaN", {9, 13, 20}, {{"X", "T"}}, {{"Y", infer::bool_tensor}}, {{"T", maybe_infinite()}}, {}, infer_predicate, kernels::is_nan},
      {"",
       "IsInf",
       {10, 20},
       {{"X", "T"}},
       {{"Y", infer::bool_tensor}},
       {{"T", maybe_infinite()}},
       {{"detect_negative", AttributeKind::integer, false, "1"}, {"detect_positive", AttributeKind::integer, false, "1"}},
       infer_predicate,
       kernels::is_inf},
  };
  return table;
}

}  // namespace lathe
