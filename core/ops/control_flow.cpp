// Control flow: signatures and inference of If, Loop and Scan. There are no kernels: each engine runs the bodies itself
// (core/reference/control_flow.cpp).
//
// A body sees the values around it through captures. What a loop carries from turn to turn is inferred until nothing changes any more: a
// dimension that one turn changes is unknown, and so is a rank.
#include <algorithm>

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

bool scalar_like(const Shape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](const Dimension& d) { return !d.constant() || d.value == 1; });
}

void expect_one_element(const InferenceContext& c, size_t input, std::string_view what) {
  const Shape* s = infer::shape(c, input);
  if (s && !scalar_like(*s)) c.fail(std::string(what) + " is no single element", "a tensor of one element", to_string(*s));
}

std::optional<int64_t> known_scalar(const InferenceContext& c, size_t input) {
  const std::optional<std::vector<int64_t>> known = infer::known_integers(c, input);
  return known && known->size() == 1 ? std::optional((*known)[0]) : std::nullopt;
}

ValueType tensor_type(DataType element) { return {ValueKind::tensor, element, Shape()}; }

const Graph& body_of(const InferenceContext& c, std::string_view attribute) {
  const Graph* body = c.subgraph(attribute);
  if (!body) c.fail("attribute '" + std::string(attribute) + "' holds no graph");
  return *body;
}

void expect_outputs(const InferenceContext& c, std::string_view attribute, size_t wanted) {
  const size_t found = body_of(c, attribute).outputs.size();
  if (found != wanted)
    c.fail("the graph in attribute '" + std::string(attribute) + "' has the wrong number of outputs", std::to_string(wanted), std::to_string(found));
}

// Kinds and element types agree, where both are known.
void expect_same_type(const InferenceContext& c, const std::string& what, const ValueType& wanted, const ValueType& found) {
  if (wanted.element == DataType::none || found.element == DataType::none) return;
  if (wanted.element != found.element || wanted.kind != found.kind) c.fail(what, to_string(wanted), to_string(found));
}

// ---- If ----------------------------------------------------------------------------------------------------------------------------------

void infer_if(InferenceContext& c) {
  expect_one_element(c, 0, "the condition");
  const size_t count = c.node().outputs.size();
  for (const std::string_view branch : {"then_branch", "else_branch"}) expect_outputs(c, branch, count);
  if (const std::optional<int64_t> known = known_scalar(c, 0)) {
    const std::string_view taken = *known ? "then_branch" : "else_branch", other = *known ? "else_branch" : "then_branch";
    try {
      c.infer_body(other, {});
    } catch (const Error&) {
      // It is never run: exporters leave branches that fit other shapes only.
    }
    const std::vector<OutputFacts> facts = c.infer_body(taken, {});
    for (size_t i = 0; i < count; ++i) {
      c.set_output(i, facts[i].type);
      if (facts[i].elements) c.set_elements(i, *facts[i].elements);
    }
    return;
  }
  const std::vector<OutputFacts> a = c.infer_body("then_branch", {}), b = c.infer_body("else_branch", {});
  for (size_t i = 0; i < count; ++i) {
    ValueType x = a[i].type, y = b[i].type;
    expect_same_type(c, "the two branches give output " + std::to_string(i) + " different types", x, y);
    c.set_output(i, infer::merged(x, y));
    if (a[i].elements && a[i].elements == b[i].elements && std::none_of(a[i].elements->begin(), a[i].elements->end(), infer::unknown))
      c.set_elements(i, *a[i].elements);
  }
}

// ---- Loops -------------------------------------------------------------------------------------------------------------------------------

// A value of the body's output as the next turn's input sees it: of the kind that the input declares.
ValueType carried_over(ValueType type, const ValueType& input) {
  if (input.kind == ValueKind::optional && type.kind == ValueKind::tensor) type.kind = input.kind;
  if (input.kind == ValueKind::optional_sequence && type.kind == ValueKind::sequence) type.kind = input.kind;
  return type;
}

// Infers the body over and over until the types of what it carries (inputs and outputs `first_input`, `first_output` and on) hold for every
// turn; `inputs` are those of the first turn and become those of any.
std::vector<OutputFacts> settle(const InferenceContext& c, std::vector<ValueType>& inputs, size_t first_input, size_t first_output, size_t count) {
  const Graph& body = body_of(c, "body");
  // A turn can only take dimensions away, one by one at worst; past this many the ranks are given up too.
  constexpr int patience = 16;
  for (int turn = 0;; ++turn) {
    std::vector<OutputFacts> outputs = c.infer_body("body", inputs);
    bool stable = true;
    for (size_t i = 0; i < count; ++i) {
      ValueType& now = inputs[first_input + i];
      const ValueType next = carried_over(outputs[first_output + i].type, body.value(body.inputs[first_input + i]).type);
      expect_same_type(c, "what the body carries to the next turn as number " + std::to_string(i) + " changes its type",
                       carried_over(now, body.value(body.inputs[first_input + i]).type), next);
      ValueType both = infer::merged(now, next);
      both.kind = now.kind;
      if (turn >= patience && both != now) both.shape.reset();
      stable = stable && both == now;
      now = std::move(both);
    }
    if (stable) return outputs;
  }
}

// Whether the body's first output is its second input, or true, in every turn.
bool goes_on(const Graph& body, const OutputFacts& condition) {
  if (condition.elements && condition.elements->size() == 1 && condition.elements->front().value == 1) return true;
  ValueId v = body.outputs[0];
  for (bool followed = true; followed && v != body.inputs[1];) {
    followed = false;
    for (const Node& node : body.nodes) {
      if (node.op_type != "Identity" || node.outputs.empty() || node.outputs[0] != v || node.input(0) == none) continue;
      v = node.inputs[0];
      followed = true;
      break;
    }
  }
  return v == body.inputs[1];
}

void infer_loop(InferenceContext& c) {
  if (c.input(0)) expect_one_element(c, 0, "the number of turns");
  if (c.input(1)) expect_one_element(c, 1, "the condition");
  const size_t given = c.node().inputs.size(), carried = given > 2 ? given - 2 : 0, outputs = c.node().outputs.size();
  const Graph& body = body_of(c, "body");
  if (outputs < carried) c.fail("it has too few outputs", "at least " + std::to_string(carried), std::to_string(outputs));
  expect_outputs(c, "body", 1 + outputs);
  std::vector<ValueType> inputs = {tensor_type(DataType::int64), tensor_type(DataType::boolean)};
  for (size_t i = 0; i < carried; ++i) {
    if (!c.input(2 + i)) c.fail("what it carries as number " + std::to_string(i) + " has no initial value");
    inputs.push_back(*c.input(2 + i));
  }
  const std::vector<OutputFacts> facts = settle(c, inputs, 2, 1, carried);
  if (facts[0].type.element != DataType::boolean || facts[0].type.kind != ValueKind::tensor)
    c.fail("the body's first output is no condition", "bool", to_string(facts[0].type));
  for (size_t i = 0; i < carried; ++i) {
    // After no turn at all it is the initial value, after others what the body yields.
    ValueType type = infer::merged(inputs[2 + i], facts[1 + i].type);
    type.kind = facts[1 + i].type.kind;
    c.set_output(i, std::move(type));
  }
  Dimension turns;
  if (c.input(0) && (!c.input(1) || known_scalar(c, 1) == 1) && goes_on(body, facts[0])) {
    const Shape* elements = c.elements(0);
    if (const std::optional<int64_t> known = known_scalar(c, 0))
      turns = Dimension(std::max<int64_t>(*known, 0));
    else if (elements && elements->size() == 1 && (*elements)[0].symbol.find('-') == std::string::npos)
      turns = (*elements)[0];  // a size, which is never negative
  } else if (c.input(1) && known_scalar(c, 1) == 0) {
    turns = Dimension(0);
  }
  for (size_t i = carried; i < outputs; ++i) {
    ValueType type = facts[1 + i].type;
    if (type.kind != ValueKind::tensor) c.fail("scan output " + std::to_string(i - carried) + " is no tensor", "a tensor", to_string(type));
    if (type.shape) type.shape->insert(type.shape->begin(), turns);
    c.set_output(i, std::move(type));
  }
}

std::vector<int64_t> per_value(const InferenceContext& c, std::string_view attribute, size_t count) {
  std::vector<int64_t> list = c.node().integers(attribute, std::vector<int64_t>(count, 0));
  if (list.empty()) list.resize(count, 0);
  if (list.size() != count)
    c.fail("attribute '" + std::string(attribute) + "' has the wrong length", std::to_string(count), std::to_string(list.size()));
  return list;
}

void infer_scan(InferenceContext& c) {
  const size_t given = c.node().inputs.size(), outputs = c.node().outputs.size();
  const int64_t wanted = c.node().integer("num_scan_inputs", 0);
  if (wanted < 1 || uint64_t(wanted) > given)
    c.fail("attribute 'num_scan_inputs' does not fit the number of inputs", "1 to " + std::to_string(given), std::to_string(wanted));
  const auto scanned = size_t(wanted);
  const size_t states = given - scanned;
  if (outputs < states) c.fail("it has too few outputs", "at least " + std::to_string(states), std::to_string(outputs));
  expect_outputs(c, "body", outputs);
  const std::vector<int64_t> input_axes = per_value(c, "scan_input_axes", scanned), output_axes = per_value(c, "scan_output_axes", outputs - states);
  for (const std::string_view name : {"scan_input_directions", "scan_output_directions"})
    for (const int64_t direction : per_value(c, name, name[5] == 'i' ? scanned : outputs - states))
      if (direction != 0 && direction != 1) c.fail("attribute '" + std::string(name) + "' holds no direction", "0 or 1", std::to_string(direction));
  std::vector<ValueType> inputs;
  Dimension turns;
  for (size_t i = 0; i < given; ++i) {
    if (!c.input(i)) c.fail("input number " + std::to_string(i) + " is missing");
    ValueType type = *c.input(i);
    if (i >= states && type.shape) {
      const size_t axis = infer::axis(c, input_axes[i - states], type.shape->size(), "a scanned axis");
      const Dimension length = (*type.shape)[axis];
      if (infer::differ(turns, length)) c.fail("the scanned axes have different lengths", std::to_string(turns.value), std::to_string(length.value));
      if (!turns.constant() && !infer::unknown(length)) turns = length;
      type.shape->erase(type.shape->begin() + int64_t(axis));
    }
    inputs.push_back(std::move(type));
  }
  const std::vector<OutputFacts> facts = settle(c, inputs, 0, 0, states);
  for (size_t i = 0; i < outputs; ++i) {
    ValueType type = i < states ? infer::merged(inputs[i], facts[i].type) : facts[i].type;
    if (i >= states && type.shape) {
      const size_t axis = infer::axis(c, output_axes[i - states], type.shape->size() + 1, "a scan output's axis");
      type.shape->insert(type.shape->begin() + int64_t(axis), turns);
    }
    c.set_output(i, std::move(type));
  }
}

}  // namespace

std::span<const Operator> control_flow_operators() {
  constexpr AttributeKind graph = AttributeKind::graph, integers = AttributeKind::integers;
  static const Operator table[] = {
      {"",
       "If",
       {1, 11, 13, 16, 19, 21, 23, 24, 25},
       {{"cond", infer::bool_tensor}},
       {{"outputs", "any", Formal::variadic_or_none}},
       {},
       {{"then_branch", graph, true}, {"else_branch", graph, true}},
       infer_if,
       nullptr},
      {"",
       "Loop",
       {1, 11, 13, 16, 19, 21, 23, 24, 25},
       {{"M", infer::int64_tensor, Formal::optional}, {"cond", infer::bool_tensor, Formal::optional}, {"v_initial", "any", Formal::variadic_or_none}},
       {{"v_final_and_scan_outputs", "any", Formal::variadic_or_none}},
       {},
       {{"body", graph, true}},
       infer_loop,
       nullptr},
      {"",
       "Scan",
       {8, 9, 11, 16, 19, 21, 23, 24, 25},
       {{"initial_state_and_scan_inputs", "any", Formal::variadic}},
       {{"final_state_and_scan_outputs", "any", Formal::variadic}},
       {},
       {{"body", graph, true},
        {"num_scan_inputs", AttributeKind::integer, true},
        {"scan_input_axes", integers, false, "0 for each"},
        {"scan_input_directions", integers, false, "0 for each"},
        {"scan_output_axes", integers, false, "0 for each"},
        {"scan_output_directions", integers, false, "0 for each"}},
       infer_scan,
       nullptr},
  };
  return table;
}

}  // namespace lathe
