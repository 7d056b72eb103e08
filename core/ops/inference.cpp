// Shared helpers of the inference functions; see inference.hpp.
#include "core/ops/inference.hpp"

#include <charconv>

namespace lathe::infer {

std::vector<DataType> floats() { return {DataType::float16, DataType::bfloat16, DataType::float32, DataType::float64}; }

std::vector<DataType> signed_types() {
  return {DataType::float16, DataType::bfloat16, DataType::float32, DataType::float64,
          DataType::int8,    DataType::int16,    DataType::int32,   DataType::int64};
}

std::vector<DataType> integers() {
  return {DataType::int8, DataType::int16, DataType::int32, DataType::int64, DataType::uint8, DataType::uint16, DataType::uint32, DataType::uint64};
}

std::vector<DataType> numbers() {
  std::vector<DataType> types = floats();
  for (const DataType type : integers()) types.push_back(type);
  return types;
}

std::vector<DataType> reducible() {
  return {DataType::float16, DataType::bfloat16, DataType::float32, DataType::float64,
          DataType::int32,   DataType::int64,    DataType::uint32,  DataType::uint64};
}

std::vector<DataType> every_type() {
  std::vector<DataType> types;
  for (int32_t type = 1; type <= int32_t(DataType::int2); ++type) types.push_back(DataType(type));
  return types;
}

std::vector<DataType> before_bfloat16(std::vector<DataType> types) {
  std::erase_if(types, [](DataType type) { return type >= DataType::bfloat16; });
  return types;
}

std::vector<DataType> before_float8(std::vector<DataType> types) {
  std::erase_if(types, [](DataType type) { return type > DataType::bfloat16; });
  return types;
}

const Shape* shape(const InferenceContext& context, size_t index) {
  const ValueType* type = context.input(index);
  return type && type->shape ? &*type->shape : nullptr;
}

DataType element(const InferenceContext& context, size_t index) {
  const ValueType* type = context.input(index);
  return type ? type->element : DataType::none;
}

void set(InferenceContext& context, std::optional<Shape> shape, size_t output) { set(context, element(context, 0), std::move(shape), output); }

void set(InferenceContext& context, DataType element, std::optional<Shape> shape, size_t output) {
  ValueType type;
  type.element = element;
  type.shape = std::move(shape);
  context.set_output(output, std::move(type));
}

void same_as_input(InferenceContext& context) { context.set_output(0, *context.input(0)); }

namespace {
std::optional<Shape> broadcast_inputs(const InferenceContext& context) {
  Shape result;
  for (size_t i = 0; i < context.node().inputs.size(); ++i) {
    if (!context.input(i)) continue;
    const Shape* next = shape(context, i);
    if (!next) return std::nullopt;
    result = broadcast(context, result, *next);
  }
  return result;
}
}  // namespace

void broadcast_all(InferenceContext& context) { set(context, broadcast_inputs(context)); }
void broadcast_to_bool(InferenceContext& context) { set(context, DataType::boolean, broadcast_inputs(context)); }

size_t axis(const InferenceContext& context, int64_t axis, size_t rank, std::string_view what) {
  const int64_t r = int64_t(rank);
  if (axis < -r || axis >= r)
    context.fail(std::string(what) + " lies outside the tensor's rank",
                 r ? std::to_string(-r) + " to " + std::to_string(r - 1) : "a tensor with axes", std::to_string(axis));
  return size_t(axis < 0 ? axis + r : axis);
}

std::vector<size_t> distinct_axes(const InferenceContext& context, const std::vector<int64_t>& axes, size_t rank) {
  std::vector<size_t> places;
  for (const int64_t each : axes) {
    const size_t place = axis(context, each, rank);
    if (std::find(places.begin(), places.end(), place) != places.end())
      context.fail("attribute 'axes' names an axis twice", "each axis once", std::to_string(each));
    places.push_back(place);
  }
  return places;
}

std::string choice(const InferenceContext& context, std::string_view attribute, const std::vector<std::string>& known) {
  std::string given = context.node().text(attribute, known[0]);
  if (std::find(known.begin(), known.end(), given) != known.end()) return given;
  std::string expected;
  for (const std::string& k : known) expected += (expected.empty() ? "" : ", ") + k;
  context.fail("attribute '" + std::string(attribute) + "' has an unknown value" + did_you_mean(given, known), expected, given);
  return given;
}

DataType data_type(const InferenceContext& context, std::string_view attribute) {
  const int64_t number = context.node().integer(attribute, 0);
  if (number < 0 || number > int64_t(DataType::int2))
    context.fail("attribute '" + std::string(attribute) + "' names no element type", "a TensorProto.DataType number", std::to_string(number));
  return DataType(number);
}

std::optional<std::vector<int64_t>> known_integers(const InferenceContext& context, size_t input) {
  if (const Tensor* constant = context.constant(input); constant && (constant->type == DataType::int64 || constant->type == DataType::int32))
    return to_int64s(*constant);
  const Shape* elements = context.elements(input);
  if (!elements) return std::nullopt;
  std::vector<int64_t> result;
  for (const Dimension& d : *elements) {
    const std::optional<int64_t> value = number(d);
    if (!value) return std::nullopt;
    result.push_back(*value);
  }
  return result;
}

void expect_rank(const InferenceContext& context, size_t input, size_t low, size_t high) {
  const Shape* s = shape(context, input);
  if (!s || (s->size() >= low && s->size() <= high)) return;
  context.fail("input " + std::to_string(input) + " has the wrong number of dimensions",
               low == high ? std::to_string(low)
                           : (high == SIZE_MAX ? "at least " + std::to_string(low) : std::to_string(low) + " to " + std::to_string(high)),
               std::to_string(s->size()) + " (" + to_string(*s) + ")");
}

void expect_length(const InferenceContext& context, size_t input, const Dimension& length) {
  expect_rank(context, input, 1, 1);
  const Shape* s = shape(context, input);
  if (s && differ((*s)[0], length))
    context.fail("input " + std::to_string(input) + " has the wrong length", std::to_string(length.value), std::to_string((*s)[0].value));
}

void expect_shape(const InferenceContext& context, size_t input, const Shape& expected) {
  const Shape* s = shape(context, input);
  if (!s) return;
  bool fits = s->size() == expected.size();
  for (size_t i = 0; fits && i < expected.size(); ++i) fits = !differ((*s)[i], expected[i]);
  if (!fits) context.fail("input " + std::to_string(input) + " has the wrong shape", to_string(expected), to_string(*s));
}

Shape broadcast(const InferenceContext& context, const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()));
  for (size_t i = 0; i < result.size(); ++i) {
    const Dimension one(1);
    const size_t skip_a = result.size() - a.size(), skip_b = result.size() - b.size();
    const Dimension &x = i < skip_a ? one : a[i - skip_a], &y = i < skip_b ? one : b[i - skip_b];
    if (x.value == 1)
      result[i] = y;
    else if (y.value == 1)
      result[i] = x;
    else if (differ(x, y))
      context.fail("the shapes do not broadcast", "equal sizes or 1 on every axis, aligned at the right", to_string(a) + " and " + to_string(b));
    else if (x.constant())
      result[i] = x;  // the symbol is this or 1
    else if (y.constant())
      result[i] = y;
    else
      result[i] = x == y ? x : Dimension();
  }
  return result;
}

void expect_lines(const InferenceContext& context, size_t input, const Shape* operand, bool rows) {
  const Shape* s = shape(context, input);
  if (!s || !operand || operand->empty()) return;
  const Dimension count = product(context, *s, 0, s->size());
  const size_t rank = operand->size();
  const Dimension lines = rank < 2 ? Dimension(1) : (*operand)[rows ? rank - 2 : rank - 1];
  const Dimension all = times(context, lines, product(context, *operand, 0, rank < 2 ? 0 : rank - 2));
  if (count.value == 1 || !count.constant() || !lines.constant() || !all.constant() || count == lines || count == all) return;
  std::string expected = "1 or " + std::to_string(lines.value);
  if (lines != all) expected += " or " + std::to_string(all.value);
  context.fail("input " + std::to_string(input) + " has the wrong number of elements", expected, std::to_string(count.value));
}

ValueType merged(const ValueType& a, const ValueType& b) {
  ValueType result = a.element == DataType::none ? b : a;
  result.shape.reset();
  if (!a.shape || !b.shape || a.shape->size() != b.shape->size()) return result;
  result.shape = a.shape;
  for (size_t i = 0; i < a.shape->size(); ++i)
    if ((*a.shape)[i] != (*b.shape)[i]) (*result.shape)[i] = Dimension();
  return result;
}

Shape matrix_product(const InferenceContext& context, const Shape& a, const Shape& b) {
  const Dimension &inner_a = a.back(), &inner_b = b.size() > 1 ? b[b.size() - 2] : b[0];
  if (differ(inner_a, inner_b))
    context.fail("the inner dimensions of the product differ", to_string(a) + " times " + std::to_string(inner_a.value) + "xN", to_string(b));
  const auto stack = [](const Shape& s) { return Shape(s.begin(), s.end() - std::min<ptrdiff_t>(2, ptrdiff_t(s.size()))); };
  Shape y = broadcast(context, stack(a), stack(b));
  if (a.size() > 1) y.push_back(a[a.size() - 2]);
  if (b.size() > 1) y.push_back(b.back());
  return y;
}

bool unknown(const Dimension& d) { return !d.constant() && d.symbol.empty(); }
bool differ(const Dimension& a, const Dimension& b) { return a.constant() && b.constant() && a.value != b.value; }

Dimension from_number(int64_t number) { return number >= 0 ? Dimension(number) : Dimension(std::to_string(number)); }

std::optional<int64_t> number(const Dimension& element) {
  if (element.constant()) return element.value;
  if (element.symbol.empty() || element.symbol[0] != '-') return std::nullopt;
  int64_t value = 0;
  const char* end = element.symbol.data() + element.symbol.size();
  const auto [stop, error] = std::from_chars(element.symbol.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

namespace {

Dimension formula(const Dimension& a, char operation, const Dimension& b) {
  if (unknown(a) || unknown(b)) return {};
  const auto text = [](const Dimension& d) { return d.constant() ? std::to_string(d.value) : d.symbol; };
  std::string result = "(" + text(a) + operation + text(b) + ")";
  constexpr size_t longest = 60;
  return result.size() > longest ? Dimension() : Dimension(std::move(result));
}

template <class F>
Dimension arithmetic(const InferenceContext& context, const Dimension& a, char operation, const Dimension& b, F compute) {
  const std::optional<int64_t> x = number(a), y = number(b);
  if (!x || !y) return formula(a, operation, b);
  int64_t result = 0;
  if (compute(*x, *y, &result)) context.fail("a size overflows 63 bits", {}, to_string(Shape{a}) + " " + operation + " " + to_string(Shape{b}));
  return from_number(result);
}

}  // namespace

Dimension plus(const InferenceContext& context, const Dimension& a, const Dimension& b) {
  if (a.value == 0) return b;
  if (b.value == 0) return a;
  if (const std::optional<int64_t> y = number(b); !number(a) && y && *y < 0 && *y > INT64_MIN) return formula(a, '-', Dimension(-*y));
  return arithmetic(context, a, '+', b, [](int64_t x, int64_t y, int64_t* r) { return __builtin_add_overflow(x, y, r); });
}

Dimension minus(const InferenceContext& context, const Dimension& a, const Dimension& b) {
  if (b.value == 0) return a;
  if (!unknown(a) && a == b) return Dimension(0);
  return arithmetic(context, a, '-', b, [](int64_t x, int64_t y, int64_t* r) { return __builtin_sub_overflow(x, y, r); });
}

Dimension times(const InferenceContext& context, const Dimension& a, const Dimension& b) {
  if (a.value == 0 || b.value == 1) return a;
  if (b.value == 0 || a.value == 1) return b;
  return arithmetic(context, a, '*', b, [](int64_t x, int64_t y, int64_t* r) { return __builtin_mul_overflow(x, y, r); });
}

Dimension divided(const InferenceContext& context, const Dimension& a, const Dimension& b) {
  if (b.value == 1) return a;
  if (b.value == 0) return {};
  if (!unknown(a) && a == b) return Dimension(1);
  return arithmetic(context, a, '/', b, [](int64_t x, int64_t y, int64_t* r) {
    if (y == -1) return __builtin_sub_overflow(int64_t(0), x, r);
    *r = x / y - (x % y != 0 && (x < 0) != (y < 0) ? 1 : 0);
    return false;
  });
}

Dimension product(const InferenceContext& context, const Shape& shape, size_t begin, size_t end) {
  Dimension result(1);
  for (size_t i = begin; i < end; ++i) result = times(context, result, shape[i]);
  return result;
}

}  // namespace lathe::infer
