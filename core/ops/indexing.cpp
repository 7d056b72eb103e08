// Gathering, scattering, largest elements: signatures and inference. The kernels are in lathe/kernels/indexing.hpp.
#include "lathe/kernels/indexing.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void infer_gather(InferenceContext& c) {
  const Shape *x = infer::shape(c, 0), *indices = infer::shape(c, 1);
  if (!x || !indices) return infer::set(c, std::nullopt);
  const size_t axis = infer::axis(c, c.node().integer("axis", 0), x->size());
  Shape y(x->begin(), x->begin() + ptrdiff_t(axis));
  y.insert(y.end(), indices->begin(), indices->end());
  y.insert(y.end(), x->begin() + ptrdiff_t(axis) + 1, x->end());
  infer::set(c, std::move(y));
  const Shape* elements = c.elements(0);
  const std::optional<std::vector<int64_t>> places = infer::known_integers(c, 1);
  if (!elements || !places || x->size() != 1 || indices->size() > 1) return;
  Shape selected;
  for (int64_t place : *places) {
    const int64_t count = int64_t(elements->size());
    if (place < -count || place >= count)
      c.fail("an index lies outside the tensor it points into", std::to_string(-count) + " to " + std::to_string(count - 1), std::to_string(place));
    selected.push_back((*elements)[size_t(place < 0 ? place + count : place)]);
  }
  c.set_elements(0, std::move(selected));
}

// The indices lie within the data on every axis but `axis`.
void check_inside(const InferenceContext& c, const Shape& data, const Shape& indices, size_t axis) {
  if (data.size() != indices.size()) c.fail("data and indices differ in rank", to_string(data), to_string(indices));
  for (size_t i = 0; i < data.size(); ++i)
    if (i != axis && data[i].constant() && indices[i].constant() && indices[i].value > data[i].value)
      c.fail("the indices reach beyond the data on axis " + std::to_string(i), "at most " + std::to_string(data[i].value),
             std::to_string(indices[i].value));
}

void infer_gather_elements(InferenceContext& c) {
  const Shape *x = infer::shape(c, 0), *indices = infer::shape(c, 1);
  if (x && indices) check_inside(c, *x, *indices, infer::axis(c, c.node().integer("axis", 0), x->size()));
  infer::set(c, indices ? std::optional(*indices) : std::nullopt);
}

void infer_gather_nd(InferenceContext& c) {
  infer::expect_rank(c, 0, 1, SIZE_MAX);
  infer::expect_rank(c, 1, 1, SIZE_MAX);
  const Shape *x = infer::shape(c, 0), *indices = infer::shape(c, 1);
  if (!x || !indices || !indices->back().constant()) return infer::set(c, std::nullopt);
  const int64_t batch = c.node().integer("batch_dims", 0), tuple = indices->back().value;
  if (batch < 0 || batch >= int64_t(std::min(x->size(), indices->size())))
    c.fail("attribute 'batch_dims' is out of range", "less than both ranks", std::to_string(batch));
  if (tuple < 1 || tuple > int64_t(x->size()) - batch)
    c.fail("the index tuples have the wrong length", "1 to " + std::to_string(int64_t(x->size()) - batch), std::to_string(tuple));
  for (size_t i = 0; i < size_t(batch); ++i)
    if (infer::differ((*x)[i], (*indices)[i])) c.fail("the batch dimensions differ", to_string(*x), to_string(*indices));
  Shape y(indices->begin(), indices->end() - 1);
  y.insert(y.end(), x->begin() + batch + tuple, x->end());
  infer::set(c, std::move(y));
}

void check_reduction(const InferenceContext& c) {
  const std::vector<std::string> known{"none", "add", "mul", "max", "min"};
  const std::string given = c.node().text("reduction", "none");
  if (std::find(known.begin(), known.end(), given) == known.end())
    c.fail("attribute 'reduction' has an unknown value" + did_you_mean(given, known), "none, add, mul, max or min", given);
}

void infer_scatter_elements(InferenceContext& c) {
  check_reduction(c);
  const Shape *x = infer::shape(c, 0), *indices = infer::shape(c, 1), *updates = infer::shape(c, 2);
  if (x && indices) check_inside(c, *x, *indices, infer::axis(c, c.node().integer("axis", 0), x->size()));
  if (indices && updates) {
    bool same = indices->size() == updates->size();
    for (size_t i = 0; same && i < indices->size(); ++i) same = !infer::differ((*indices)[i], (*updates)[i]);
    if (!same) c.fail("indices and updates differ in shape", to_string(*indices), to_string(*updates));
  }
  infer::same_as_input(c);
}

void infer_scatter_nd(InferenceContext& c) {
  check_reduction(c);
  infer::expect_rank(c, 1, 1, SIZE_MAX);
  const Shape *x = infer::shape(c, 0), *indices = infer::shape(c, 1), *updates = infer::shape(c, 2);
  if (x && indices && updates && indices->back().constant()) {
    const int64_t tuple = indices->back().value;
    if (tuple < 1 || tuple > int64_t(x->size()))
      c.fail("the index tuples have the wrong length", "1 to " + std::to_string(x->size()), std::to_string(tuple));
    Shape expected(indices->begin(), indices->end() - 1);
    expected.insert(expected.end(), x->begin() + tuple, x->end());
    bool same = expected.size() == updates->size();
    for (size_t i = 0; same && i < expected.size(); ++i) same = !infer::differ(expected[i], (*updates)[i]);
    if (!same) c.fail("the updates have the wrong shape", to_string(expected), to_string(*updates));
  }
  infer::same_as_input(c);
}

void infer_top_k(InferenceContext& c) {
  const Shape *x = infer::shape(c, 0), *k = c.elements(1);
  if (const Shape* s = infer::shape(c, 1); s && infer::differ(infer::product(c, *s, 0, s->size()), Dimension(1)))
    c.fail("K is not one number", "one element", to_string(*s));
  std::optional<Shape> y;
  if (x) {
    const size_t axis = infer::axis(c, c.node().integer("axis", -1), x->size());
    y = *x;
    (*y)[axis] = k && k->size() == 1 ? (*k)[0] : Dimension();
    const std::optional<int64_t> count = infer::number((*y)[axis]);
    if (count && (*count < 0 || ((*x)[axis].constant() && *count > (*x)[axis].value)))
      c.fail("K is out of range", "0 to " + to_string(Shape{(*x)[axis]}), std::to_string(*count));
  }
  infer::set(c, y);
  infer::set(c, DataType::int64, y, 1);
}

// The only element of a tensor of numbers, cut to an integer.
int64_t whole_number(const Tensor& tensor) {
  int64_t number = 0;
  const auto read = [&]<class T>() { number = kernels::convert<int64_t>(*reinterpret_cast<const T*>(tensor.bytes.data)); };
  kernels::detail::dispatch(kernels::Numbers{}, kernels::Type(tensor.type), read);
  return number;
}

void infer_one_hot(InferenceContext& c) {
  const Shape* indices = infer::shape(c, 0);
  const Shape* values = infer::shape(c, 2);
  if (values && (values->size() != 1 || infer::differ((*values)[0], Dimension(2))))
    c.fail("the values are not two, off and on", "2", to_string(*values));
  std::optional<std::vector<int64_t>> depth = infer::known_integers(c, 1);
  if (const Tensor* constant = c.constant(1); constant && constant->size() == 1) depth = std::vector<int64_t>{whole_number(*constant)};
  if (!indices) return infer::set(c, infer::element(c, 2), std::nullopt);
  const size_t axis = infer::axis(c, c.node().integer("axis", -1), indices->size() + 1);
  Shape y = *indices;
  if (depth && (depth->size() != 1 || (*depth)[0] < 1)) c.fail("the depth is not one positive number");
  y.insert(y.begin() + ptrdiff_t(axis), depth ? Dimension((*depth)[0]) : Dimension());
  infer::set(c, infer::element(c, 2), std::move(y));
}

}  // namespace

std::span<const Operator> indexing_operators() {
  constexpr AttributeKind integer = AttributeKind::integer;
  const std::vector<TypeVariable> any{{"T", infer::before_float8(infer::every_type())}, {"Tind", {DataType::int32, DataType::int64}}};
  static const FormalAttribute axis{"axis", integer, false, "0"}, reduction{"reduction", AttributeKind::text, false, "none"};
  static const Operator table[] = {
      {"", "Gather", {1, 11, 13}, {{"data", "T"}, {"indices", "Tind"}}, {{"output", "T"}}, any, {axis}, infer_gather, kernels::gather},
      {"",
       "GatherElements",
       {11, 13},
       {{"data", "T"}, {"indices", "Tind"}},
       {{"output", "T"}},
       any,
       {axis},
       infer_gather_elements,
       kernels::gather_elements},
      {"",
       "GatherND",
       {11, 12, 13},
       {{"data", "T"}, {"indices", infer::int64_tensor}},
       {{"output", "T"}},
       any,
       {{"batch_dims", integer, false, "0"}},
       infer_gather_nd,
       kernels::gather_nd},
      {"",
       "ScatterElements",
       {11, 13, 16, 18},
       {{"data", "T"}, {"indices", "Tind"}, {"updates", "T"}},
       {{"output", "T"}},
       any,
       {axis, reduction},
       infer_scatter_elements,
       kernels::scatter_elements},
      {"",
       "ScatterND",
       {11, 13, 16, 18},
       {{"data", "T"}, {"indices", infer::int64_tensor}, {"updates", "T"}},
       {{"output", "T"}},
       any,
       {reduction},
       infer_scatter_nd,
       kernels::scatter_nd},
      {"",
       "TopK",
       {1, 10, 11, 24},
       {{"X", "T"}, {"K", infer::int64_tensor}},
       {{"Values", "T"}, {"Indices", infer::int64_tensor}},
       {{"T", infer::numbers()}},
       {{"axis", integer, false, "-1"}, {"largest", integer, false, "1"}, {"sorted", integer, false, "1"}},
       infer_top_k,
       kernels::top_k},
      {"",
       "OneHot",
       {9, 11},
       {{"indices", "T1"}, {"depth", "T2"}, {"values", "T"}},
       {{"output", "T"}},
       {{"T1", infer::before_bfloat16(infer::numbers())},
        {"T2", infer::before_bfloat16(infer::numbers())},
        {"T", infer::before_bfloat16(infer::every_type())}},
       {{"axis", integer, false, "-1"}},
       infer_one_hot,
       kernels::one_hot},
  };
  return table;
}

}  // namespace lathe
