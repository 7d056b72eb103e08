// Sequences and optionals: signatures and inference. There are no kernels: each engine holds these values itself (core/reference/sequences.cpp).
//
// A sequence's type is the element type and the shape that all its elements have in common; how many there are is known only when it runs.
#include <algorithm>

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

ValueType as_kind(ValueType type, ValueKind kind) {
  type.kind = kind;
  return type;
}

// Positions and other numbers may be scalars or have one element.
void expect_one_element(const InferenceContext& c, size_t input) {
  const Shape* s = infer::shape(c, input);
  const auto one = [](const Dimension& d) { return !d.constant() || d.value == 1; };
  if (s && (s->size() > 1 || !std::all_of(s->begin(), s->end(), one)))
    c.fail("input " + std::to_string(input) + " is no single number", "a tensor of one element", to_string(*s));
}

void infer_empty(InferenceContext& c) {
  const int64_t type = c.node().integer("dtype", int64_t(DataType::float32));
  if (type <= 0 || type > int64_t(DataType::int2)) c.fail("attribute 'dtype' holds no element type", {}, std::to_string(type));
  c.set_output(0, {ValueKind::sequence, DataType(type), std::nullopt});
}

void infer_construct(InferenceContext& c) {
  ValueType type = *c.input(0);
  for (size_t i = 1; i < c.node().inputs.size(); ++i)
    if (c.input(i)) type = infer::merged(type, *c.input(i));
  c.set_output(0, as_kind(std::move(type), ValueKind::sequence));
}

void infer_at(InferenceContext& c) {
  expect_one_element(c, 1);
  c.set_output(0, as_kind(*c.input(0), ValueKind::tensor));
}

void infer_insert(InferenceContext& c) {
  if (c.input(2)) expect_one_element(c, 2);
  // An empty sequence has no shape yet, which is the same as an unknown one.
  c.set_output(0, infer::merged(*c.input(0), as_kind(*c.input(1), ValueKind::sequence)));
}

void infer_erase(InferenceContext& c) {
  if (c.input(1)) expect_one_element(c, 1);
  c.set_output(0, *c.input(0));
}

void infer_length(InferenceContext& c) { infer::set(c, DataType::int64, Shape()); }

void infer_split_to_sequence(InferenceContext& c) {
  ValueType type = as_kind(*c.input(0), ValueKind::sequence);
  const int64_t keep = c.node().integer("keepdims", 1);
  infer::expect_rank(c, 1, 0, 1);
  if (type.shape) {
    const size_t axis = infer::axis(c, c.node().integer("axis", 0), type.shape->size());
    Dimension& d = (*type.shape)[axis];
    const std::optional<std::vector<int64_t>> split = c.input(1) ? infer::known_integers(c, 1) : std::nullopt;
    const Shape* form = infer::shape(c, 1);
    if (!c.input(1) && keep == 0) {
      type.shape->erase(type.shape->begin() + int64_t(axis));
    } else if (!c.input(1)) {
      d = Dimension(1);
    } else if (!split || !form) {
      d = Dimension();
    } else if (form->empty()) {
      const int64_t size = split->front();
      if (size < 1) c.fail("the size of a part is not positive", "1 or more", std::to_string(size));
      if (!d.constant() || d.value % size != 0)
        d = Dimension();  // the last part may be smaller
      else if (d.value > 0)
        d = Dimension(size);
    } else {
      int64_t sum = 0;
      for (const int64_t size : *split)
        if (size < 0 || __builtin_add_overflow(sum, size, &sum)) c.fail("a part's size is negative or too large", "0 or more", std::to_string(size));
      if (infer::differ(d, Dimension(sum))) c.fail("the parts do not add up to the axis", std::to_string(d.value), std::to_string(sum));
      const bool equal = !split->empty() && std::all_of(split->begin(), split->end(), [&](int64_t size) { return size == split->front(); });
      d = equal ? Dimension(split->front()) : Dimension();
    }
  }
  c.set_output(0, std::move(type));
}

void infer_concat_from_sequence(InferenceContext& c) {
  ValueType type = as_kind(*c.input(0), ValueKind::tensor);
  const int64_t stack = c.node().integer("new_axis", 0);
  if (stack != 0 && stack != 1) c.fail("attribute 'new_axis' is no switch", "0 or 1", std::to_string(stack));
  if (type.shape) {
    const size_t axis = infer::axis(c, c.node().integer("axis", 0), type.shape->size() + size_t(stack));
    if (stack)
      type.shape->insert(type.shape->begin() + int64_t(axis), Dimension());
    else
      (*type.shape)[axis] = Dimension();
  }
  c.set_output(0, std::move(type));
}

void infer_map(InferenceContext& c) {
  std::vector<ValueType> inputs;
  for (size_t i = 0; i < c.node().inputs.size(); ++i) {
    if (!c.input(i)) c.fail("input number " + std::to_string(i) + " is missing");
    inputs.push_back(c.input(i)->kind == ValueKind::sequence ? as_kind(*c.input(i), ValueKind::tensor) : *c.input(i));
  }
  const std::vector<OutputFacts> facts = c.infer_body("body", inputs);
  if (facts.size() != c.node().outputs.size())
    c.fail("the graph in attribute 'body' has the wrong number of outputs", std::to_string(c.node().outputs.size()), std::to_string(facts.size()));
  for (size_t i = 0; i < facts.size(); ++i) {
    if (facts[i].type.kind != ValueKind::tensor)
      c.fail("the body's output " + std::to_string(i) + " is no tensor", "a tensor", to_string(facts[i].type));
    c.set_output(i, as_kind(facts[i].type, ValueKind::sequence));
  }
}

// "seq(tensor(float))": what attribute 'type' of Optional holds.
std::optional<ValueType> parse_type(std::string_view text) {
  ValueType type;
  type.kind = ValueKind::optional;
  const auto strip = [&](std::string_view word) {
    const bool is = text.starts_with(word) && text.ends_with(')');
    if (is) text = text.substr(word.size(), text.size() - word.size() - 1);
    return is;
  };
  if (strip("seq(")) type.kind = ValueKind::optional_sequence;
  if (!strip("tensor(")) return std::nullopt;
  const std::optional<DataType> element = parse_data_type(text);
  if (!element) return std::nullopt;
  type.element = *element;
  return type;
}

void infer_optional(InferenceContext& c) {
  if (const ValueType* x = c.input(0)) {
    c.set_output(0, as_kind(*x, x->kind == ValueKind::sequence ? ValueKind::optional_sequence : ValueKind::optional));
    return;
  }
  if (!c.node().has("type")) c.fail("it has neither an input nor a type", "one of them");
  const std::string text = c.node().text("type", "");
  const std::optional<ValueType> type = parse_type(text);
  if (!type) c.fail("attribute 'type' is no type of a tensor or sequence", "as tensor(float) or seq(tensor(float))", text);
  c.set_output(0, *type);
}

void infer_has_element(InferenceContext& c) { infer::set(c, DataType::boolean, Shape()); }

void infer_get_element(InferenceContext& c) {
  const ValueType& x = *c.input(0);
  const bool sequence = x.kind == ValueKind::sequence || x.kind == ValueKind::optional_sequence;
  c.set_output(0, as_kind(x, sequence ? ValueKind::sequence : ValueKind::tensor));
}

}  // namespace

std::span<const Operator> sequence_operators() {
  constexpr AttributeKind integer = AttributeKind::integer;
  constexpr std::string_view whatever = "T | seq(T) | optional(T) | optional(seq(T))";
  const std::vector<TypeVariable> any = {{"T", infer::every_type()}};
  const std::vector<TypeVariable> any_at = {{"T", infer::every_type()}, {"I", {DataType::int32, DataType::int64}}};
  static const Operator table[] = {
      {"", "SequenceEmpty", {11}, {}, {{"output", "seq(T)"}}, any, {{"dtype", integer, false, "float"}}, infer_empty, nullptr},
      {"", "SequenceConstruct", {11}, {{"inputs", "T", Formal::variadic}}, {{"output_sequence", "seq(T)"}}, any, {}, infer_construct, nullptr},
      {"", "SequenceAt", {11}, {{"input_sequence", "seq(T)"}, {"position", "I"}}, {{"tensor", "T"}}, any_at, {}, infer_at, nullptr},
      {"",
       "SequenceInsert",
       {11},
       {{"input_sequence", "seq(T)"}, {"tensor", "T"}, {"position", "I", Formal::optional}},
       {{"output_sequence", "seq(T)"}},
       any_at,
       {},
       infer_insert,
       nullptr},
      {"",
       "SequenceErase",
       {11},
       {{"input_sequence", "seq(T)"}, {"position", "I", Formal::optional}},
       {{"output_sequence", "seq(T)"}},
       any_at,
       {},
       infer_erase,
       nullptr},
      {"", "SequenceLength", {11}, {{"input_sequence", "seq(T)"}}, {{"length", infer::int64_tensor}}, any, {}, infer_length, nullptr},
      {"",
       "SplitToSequence",
       {11, 24},
       {{"input", "T"}, {"split", "I", Formal::optional}},
       {{"output_sequence", "seq(T)"}},
       any_at,
       {{"axis", integer, false, "0"}, {"keepdims", integer, false, "1"}},
       infer_split_to_sequence,
       nullptr},
      {"",
       "ConcatFromSequence",
       {11},
       {{"input_sequence", "seq(T)"}},
       {{"concat_result", "T"}},
       any,
       {{"axis", integer, true}, {"new_axis", integer, false, "0"}},
       infer_concat_from_sequence,
       nullptr},
      {"",
       "SequenceMap",
       {17},
       {{"input_sequence", "seq(T)"}, {"additional_inputs", "any", Formal::variadic_or_none}},
       {{"out_sequence", "any", Formal::variadic}},
       any,
       {{"body", AttributeKind::graph, true}},
       infer_map,
       nullptr},
      {"",
       "Optional",
       {15},
       {{"input", "T | seq(T)", Formal::optional}},
       {{"output", "optional(T) | optional(seq(T))"}},
       any,
       {{"type", AttributeKind::text}},
       infer_optional,
       nullptr},
      {"",
       "OptionalHasElement",
       {15, 18},
       {{"input", whatever, Formal::optional}},
       {{"output", infer::bool_tensor}},
       any,
       {},
       infer_has_element,
       nullptr},
      {"", "OptionalGetElement", {15, 18}, {{"input", whatever}}, {{"output", "T | seq(T)"}}, any, {}, infer_get_element, nullptr},
  };
  return table;
}

}  // namespace lathe
