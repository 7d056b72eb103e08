// Operators that read, change or make shapes: signatures and inference. The kernels are in lathe/kernels/shape.hpp.
//
// This is where shape arithmetic begins (Shape, Size, Constant) and ends (Reshape, Expand, ConstantOfShape).
#include "lathe/kernels/shape.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"
#include "core/ops/node_inference.hpp"

namespace lathe {

Tensor constant_of(const Node& node) {
  const auto fail = [&](std::string text) {
    Diagnostic d;
    d.text = std::move(text);
    d.node = node.name;
    d.op_type = node.op_type;
    throw Error(Code::failed, std::move(d));
  };
  if (node.attributes.size() != 1) fail("it wants exactly one attribute that holds the value");
  const auto& [name, attribute] = *node.attributes.begin();
  const auto shaped = [](auto count) { return std::vector<int64_t>{int64_t(count)}; };
  if (const auto* tensor = std::get_if<Tensor>(&attribute.value); tensor && name == "value") return *tensor;
  if (const auto* number = std::get_if<int64_t>(&attribute.value); number && name == "value_int")
    return Tensor::of<int64_t>(DataType::int64, {}, {number, 1});
  if (const auto* number = std::get_if<float>(&attribute.value); number && name == "value_float")
    return Tensor::of<float>(DataType::float32, {}, {number, 1});
  if (const auto* list = std::get_if<Attribute::Ints>(&attribute.value); list && name == "value_ints")
    return Tensor::of<int64_t>(DataType::int64, shaped(list->size()), *list);
  if (const auto* list = std::get_if<Attribute::Floats>(&attribute.value); list && name == "value_floats")
    return Tensor::of<float>(DataType::float32, shaped(list->size()), *list);
  Tensor text;
  text.type = DataType::string;
  if (const auto* string = std::get_if<std::string>(&attribute.value); string && name == "value_string") {
    text.strings = std::make_shared<const std::vector<std::string>>(1, *string);
    return text;
  }
  if (const auto* list = std::get_if<Attribute::Strings>(&attribute.value); list && name == "value_strings") {
    text.dimensions = shaped(list->size());
    text.strings = std::make_shared<const std::vector<std::string>>(*list);
    return text;
  }
  fail("attribute '" + name + "' holds no value that a Constant can have");
  return text;
}

namespace {

void pass_elements(InferenceContext& c) {
  if (const Shape* elements = c.elements(0)) c.set_elements(0, *elements);
}

void infer_identity(InferenceContext& c) {
  infer::same_as_input(c);
  pass_elements(c);
}

void infer_constant(InferenceContext& c) {
  const Tensor value = constant_of(c.node());
  infer::set(c, value.type, Shape(value.dimensions.begin(), value.dimensions.end()));
}

void infer_shape(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  if (!x) return infer::set(c, DataType::int64, Shape{Dimension()});
  const int64_t rank = int64_t(x->size());
  const auto clamp = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
  const int64_t start = clamp(c.node().integer("start", 0)), end = std::max(start, clamp(c.node().integer("end", rank)));
  infer::set(c, DataType::int64, Shape{Dimension(end - start)});
  c.set_elements(0, Shape(x->begin() + start, x->begin() + end));
}

void infer_size(InferenceContext& c) {
  infer::set(c, DataType::int64, Shape());
  if (const Shape* x = infer::shape(c, 0)) c.set_elements(0, {infer::product(c, *x, 0, x->size())});
}

// 0 keeps the input's dimension (unless allowzero), -1 takes what is left.
void infer_reshape(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  infer::expect_rank(c, 1, 1, 1);
  const Shape* elements = c.elements(1);
  if (!elements) {
    const Shape* s = infer::shape(c, 1);
    const bool counted = s && (*s)[0].constant() && (*s)[0].value <= kernels::max_rank;
    return infer::set(c, counted ? std::optional(Shape(size_t((*s)[0].value))) : std::nullopt);
  }
  const bool allow_zero = c.node().integer("allowzero", 0) != 0;
  Shape y;
  std::optional<size_t> open;  // the one dimension that follows from the others
  size_t unknowns = 0;
  for (size_t i = 0; i < elements->size(); ++i) {
    const Dimension& e = (*elements)[i];
    const std::optional<int64_t> value = infer::number(e);
    if (value && *value == -1) {
      if (open) c.fail("more than one dimension is -1", "at most one", to_string(*elements));
      open = i;
      y.push_back(Dimension());
    } else if (value && *value < 0) {
      c.fail("a dimension is negative", "-1, 0 or a size", to_string(*elements));
    } else if (value && *value == 0 && !allow_zero) {
      if (x && i >= x->size()) c.fail("a 0 copies a dimension that the input does not have", to_string(*elements), to_string(*x));
      y.push_back(x ? (*x)[i] : Dimension());
    } else {
      unknowns += infer::unknown(e);
      y.push_back(e);
    }
  }
  if (x) {
    // A single element of which nothing is known is either -1 or the very size that -1 would give.
    if (!open && unknowns == 1)
      for (size_t i = 0; i < y.size(); ++i)
        if (infer::unknown(y[i])) open = i;
    if (open) {
      // Equal dimensions on both sides cancel, symbols included.
      Shape left = *x, right;
      for (size_t i = 0; i < y.size(); ++i) {
        if (i == *open) continue;
        const auto match = infer::unknown(y[i]) ? left.end() : std::find(left.begin(), left.end(), y[i]);
        if (match != left.end() && y[i].value != 0)
          left.erase(match);
        else
          right.push_back(y[i]);
      }
      const Dimension whole = infer::product(c, left, 0, left.size()), part = infer::product(c, right, 0, right.size());
      if (whole.constant() && part.constant() && (part.value == 0 ? whole.value != 0 : whole.value % part.value != 0))
        c.fail("the elements do not divide into the new shape", to_string(*elements), to_string(*x));
      y[*open] = part.value == 0 ? Dimension(0) : infer::divided(c, whole, part);
    }
    const Dimension before = infer::product(c, *x, 0, x->size()), after = infer::product(c, y, 0, y.size());
    if (infer::differ(before, after))
      c.fail("the new shape has another number of elements", std::to_string(before.value) + " (" + to_string(*x) + ")",
             std::to_string(after.value) + " (" + to_string(y) + ")");
  }
  const bool scalar_to_list = y.size() <= 1;
  infer::set(c, std::move(y));
  if (scalar_to_list) pass_elements(c);
}

void infer_flatten(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  if (!x) return infer::set(c, Shape(2));
  const int64_t rank = int64_t(x->size()), given = c.node().integer("axis", 1);
  if (given < -rank || given > rank)
    c.fail("axis lies outside the tensor's rank", std::to_string(-rank) + " to " + std::to_string(rank), std::to_string(given));
  const size_t axis = size_t(given < 0 ? given + rank : given);
  infer::set(c, Shape{infer::product(c, *x, 0, axis), infer::product(c, *x, axis, x->size())});
}

void infer_squeeze(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  std::optional<std::vector<int64_t>> axes;
  if (c.input(1)) axes = infer::known_integers(c, 1);
  if (!x || (c.input(1) && !axes)) return infer::set(c, std::nullopt);
  std::vector<bool> drop(x->size(), false);
  if (axes) {
    for (const int64_t axis : *axes) {
      const size_t i = infer::axis(c, axis, x->size());
      if (infer::differ((*x)[i], Dimension(1))) c.fail("a dimension to be removed is not 1", "1 on axis " + std::to_string(axis), to_string(*x));
      drop[i] = true;
    }
  } else {
    for (size_t i = 0; i < x->size(); ++i) {
      if (!(*x)[i].constant()) return infer::set(c, std::nullopt);
      drop[i] = (*x)[i].value == 1;
    }
  }
  Shape y;
  for (size_t i = 0; i < x->size(); ++i)
    if (!drop[i]) y.push_back((*x)[i]);
  infer::set(c, std::move(y));
  pass_elements(c);
}

void infer_unsqueeze(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  const std::optional<std::vector<int64_t>> axes = infer::known_integers(c, 1);
  if (!x || !axes) return infer::set(c, std::nullopt);
  const size_t rank = x->size() + axes->size();
  std::vector<bool> added(rank, false);
  for (const int64_t axis : *axes) {
    const size_t i = infer::axis(c, axis, rank);
    if (added[i]) c.fail("an axis is added twice", "distinct axes", std::to_string(axis));
    added[i] = true;
  }
  Shape y;
  for (size_t i = 0, from = 0; i < rank; ++i) y.push_back(added[i] ? Dimension(1) : (*x)[from++]);
  infer::set(c, std::move(y));
  if (rank <= 1) pass_elements(c);
}

void infer_constant_of_shape(InferenceContext& c) {
  DataType type = DataType::float32;
  const Tensor* value = nullptr;
  if (const auto found = c.node().attributes.find("value"); found != c.node().attributes.end()) {
    value = std::get_if<Tensor>(&found->second.value);
    if (!value || value->size() != 1)
      c.fail("attribute 'value' is not one element", "one element", value ? std::to_string(value->size()) : "no tensor");
    type = value->type;
  }
  infer::expect_rank(c, 0, 1, 1);
  const Shape* elements = c.elements(0);
  if (!elements) {
    const Shape* s = infer::shape(c, 0);
    const bool counted = s && (*s)[0].constant() && (*s)[0].value <= kernels::max_rank;
    return infer::set(c, type, counted ? std::optional(Shape(size_t((*s)[0].value))) : std::nullopt);
  }
  infer::set(c, type, *elements);
  const bool integer = value && (type == DataType::int64 || type == DataType::int32);
  if (integer && elements->size() == 1 && (*elements)[0].constant() && (*elements)[0].value <= 64)
    c.set_elements(0, Shape(size_t((*elements)[0].value), infer::from_number(to_int64s(*value)[0])));
}

void infer_expand(InferenceContext& c) {
  const Shape *x = infer::shape(c, 0), *elements = c.elements(1);
  infer::expect_rank(c, 1, 1, 1);
  if (!x || !elements) {
    const Shape* s = infer::shape(c, 1);
    const bool counted = x && s && (*s)[0].constant() && (*s)[0].value <= kernels::max_rank;
    return infer::set(c, counted ? std::optional(Shape(std::max(x->size(), size_t((*s)[0].value)))) : std::nullopt);
  }
  for (const Dimension& e : *elements)
    if (infer::number(e).value_or(0) < 0) c.fail("a dimension of the new shape is negative", "1 or a size", to_string(*elements));
  // An element of which nothing is known may be 1, so it says nothing against a constant of the input.
  infer::set(c, infer::broadcast(c, *x, *elements));
  const bool whole = elements->size() == 1 && (*elements)[0].constant() && (*elements)[0].value <= 64;
  if (const Shape* values = c.elements(0); values && values->size() == 1 && whole)
    c.set_elements(0, Shape(size_t((*elements)[0].value), (*values)[0]));
}

void infer_eye_like(InferenceContext& c) {
  infer::expect_rank(c, 0, 2, 2);
  DataType type = infer::element(c, 0);
  if (c.node().has("dtype")) type = infer::data_type(c, "dtype");
  std::vector<DataType> allowed = infer::numbers();
  allowed.push_back(DataType::boolean);
  allowed.push_back(DataType::none);
  if (std::find(allowed.begin(), allowed.end(), type) == allowed.end())
    c.fail("the output has a type that the operator does not yield", "a number type or bool", std::to_string(int32_t(type)));
  const Shape* x = infer::shape(c, 0);
  infer::set(c, type, x ? std::optional(*x) : std::nullopt);
}

template <class T>
int64_t range_length(const InferenceContext& c, const Tensor& start, const Tensor& limit, const Tensor& delta) {
  const int64_t count = kernels::detail::range_length(start.as<T>()[0], limit.as<T>()[0], delta.as<T>()[0]);
  if (count == -1) c.fail("the step of a range is 0");
  if (count < 0) c.fail("the range has too many elements");
  return count;
}

void infer_range(InferenceContext& c) {
  const Tensor *start = c.constant(0), *limit = c.constant(1), *delta = c.constant(2);
  if (!start || !limit || !delta) {
    const auto low = infer::known_integers(c, 0), step = infer::known_integers(c, 2);
    const Shape* high = c.elements(1);
    if (low && step && high && low->size() == 1 && step->size() == 1 && high->size() == 1 && (*step)[0] == 1) {
      const Dimension count = infer::minus(c, (*high)[0], infer::from_number((*low)[0]));
      infer::set(c, Shape{infer::number(count).value_or(0) < 0 ? Dimension(0) : count});
      if (count.constant() && count.value <= 64) {
        Shape elements;
        for (int64_t i = 0; i < count.value; ++i) elements.push_back(infer::from_number(kernels::math::add((*low)[0], i)));
        c.set_elements(0, std::move(elements));
      }
      return;
    }
    return infer::set(c, Shape{Dimension()});
  }
  for (const Tensor* t : {start, limit, delta})
    if (t->size() != 1) c.fail("start, limit and step of a range are scalars", "one element", std::to_string(t->size()));
  int64_t count = 0;
  switch (start->type) {
    case DataType::float32:
      count = range_length<float>(c, *start, *limit, *delta);
      break;
    case DataType::float64:
      count = range_length<double>(c, *start, *limit, *delta);
      break;
    case DataType::int16:
      count = range_length<int16_t>(c, *start, *limit, *delta);
      break;
    case DataType::int32:
      count = range_length<int32_t>(c, *start, *limit, *delta);
      break;
    case DataType::int64:
      count = range_length<int64_t>(c, *start, *limit, *delta);
      break;
    case DataType::float16:
      count = range_length<kernels::float16>(c, *start, *limit, *delta);
      break;
    case DataType::bfloat16:
      count = range_length<kernels::bfloat16>(c, *start, *limit, *delta);
      break;
    default:
      return infer::set(c, Shape{Dimension()});
  }
  infer::set(c, Shape{Dimension(count)});
  if (start->type == DataType::int64 && count <= 64) {
    Shape elements;
    for (int64_t i = 0; i < count; ++i)
      elements.push_back(infer::from_number(kernels::math::add(start->as<int64_t>()[0], kernels::math::multiply(i, delta->as<int64_t>()[0]))));
    c.set_elements(0, std::move(elements));
  }
}

Operator same_elements(std::string_view name, std::vector<int> versions, std::vector<Formal> inputs, std::vector<FormalAttribute> attributes,
                       void (*infer)(InferenceContext&), kernels::Kernel kernel) {
  return {"", name, std::move(versions), std::move(inputs), {{"output", "T"}}, {{"T", infer::every_type()}}, std::move(attributes), infer, kernel};
}

}  // namespace

std::span<const Operator> shape_operators() {
  constexpr std::string_view int64_tensor = infer::int64_tensor;
  constexpr AttributeKind integer = AttributeKind::integer;
  std::vector<DataType> eye = infer::numbers();
  eye.push_back(DataType::boolean);
  static const Operator table[] = {
      {"",
       "Constant",
       {1, 9, 11, 12, 13, 19, 21, 23, 24, 25},
       {},
       {{"output", "T"}},
       {{"T", infer::every_type()}},
       {{"value", AttributeKind::tensor},
        {"value_int", integer},
        {"value_ints", AttributeKind::integers},
        {"value_float", AttributeKind::real},
        {"value_floats", AttributeKind::reals},
        {"value_string", AttributeKind::text},
        {"value_strings", AttributeKind::texts}},
       infer_constant,
       nullptr},
      same_elements("Identity", {1, 13, 14, 16, 19, 21, 23, 24, 25}, {{"input", "T | seq(T) | optional(T) | optional(seq(T))"}}, {}, infer_identity,
                    kernels::identity),
      same_elements("Reshape", {5, 13, 14, 19, 21, 23, 24, 25}, {{"data", "T"}, {"shape", int64_tensor}}, {{"allowzero", integer, false, "0"}},
                    infer_reshape, kernels::reshape),
      same_elements("Flatten", {1, 9, 11, 13, 21, 23, 24, 25}, {{"input", "T"}}, {{"axis", integer, false, "1"}}, infer_flatten, kernels::flatten),
      same_elements("Squeeze", {1, 11, 13, 21, 23, 24, 25}, {{"data", "T"}, {"axes", int64_tensor, Formal::optional}}, {}, infer_squeeze,
                    kernels::squeeze),
      same_elements("Unsqueeze", {1, 11, 13, 21, 23, 24, 25}, {{"data", "T"}, {"axes", int64_tensor}}, {}, infer_unsqueeze, kernels::unsqueeze),
      {"",
       "Expand",
       {8, 13},
       {{"input", "T"}, {"shape", int64_tensor}},
       {{"output", "T"}},
       {{"T", infer::before_float8(infer::every_type())}},
       {},
       infer_expand,
       kernels::expand},
      {"",
       "EyeLike",
       {9, 22},
       {{"input", "T1"}},
       {{"output", "T2"}},
       {{"T1", eye}, {"T2", eye}},
       {{"dtype", integer, false, "that of the input"}, {"k", integer, false, "0"}},
       infer_eye_like,
       kernels::eye_like},
      {"",
       "Shape",
       {1, 13, 15, 19, 21, 23, 24, 25},
       {{"data", "T"}},
       {{"shape", int64_tensor}},
       {{"T", infer::every_type()}},
       {{"end", integer}, {"start", integer, false, "0"}},
       infer_shape,
       kernels::shape},
      {"",
       "Size",
       {1, 13, 19, 21, 23, 24, 25},
       {{"data", "T"}},
       {{"size", int64_tensor}},
       {{"T", infer::every_type()}},
       {},
       infer_size,
       kernels::size},
      {"",
       "ConstantOfShape",
       {9, 20, 21, 23, 24, 25},
       {{"input", int64_tensor}},
       {{"output", "T"}},
       {{"T", infer::every_type()}},
       {{"value", AttributeKind::tensor, false, "0.0"}},
       infer_constant_of_shape,
       kernels::constant_of_shape},
      {"",
       "Range",
       {11},
       {{"start", "T"}, {"limit", "T"}, {"delta", "T"}},
       {{"output", "T"}},
       {{"T", {DataType::float32, DataType::float64, DataType::int16, DataType::int32, DataType::int64, DataType::float16, DataType::bfloat16}}},
       {},
       infer_range,
       kernels::range},
  };
  return table;
}

}  // namespace lathe
