// If, Loop and Scan: IF and WHILE over subgraphs. What a body reads of the graph around it is an input of its subgraph.
#include <algorithm>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

void lower_if(Lowering& l, const Work& w) {
  const sdk::GraphView bodies[] = {w.node.attribute("then_branch")->graph(), w.node.attribute("else_branch")->graph()};
  const auto captured = l.captured_by(bodies);
  int32_t numbers[2];
  for (size_t i = 0; i < 2; ++i) numbers[i] = l.lower_body(bodies[i], captured);
  std::vector<int32_t> inputs{l.reshape(l.plain(w.in(0)), {})}, outputs;
  for (const uint32_t id : captured) inputs.push_back(l.plain(id));
  for (const uint32_t id : w.outputs) {
    if (id != LATHE_NONE) {
      outputs.push_back(l.result(id, identity(l.rank(id))));
    } else {
      const size_t i = outputs.size();
      const sdk::ValueView unused = bodies[0].value(bodies[0].outputs()[i]);
      Type type = Type::float32;
      tflite::type_of(unused.type(), type);
      outputs.push_back(l.new_tensor("", type, unused.shape()));
    }
  }
  l.emit("IF", inputs, outputs).options = {{"then_subgraph", static_cast<double>(numbers[0]), {}},
                                           {"else_subgraph", static_cast<double>(numbers[1]), {}}};
}

struct StateTensor {
  Type type;
  Extents extents;
};

int32_t all_in_a_row(Lowering& l, int32_t tensor) {
  const Extents e = l.extents_of(tensor);
  if (e.size() == 1) return tensor;
  return l.make("RESHAPE", {tensor, l.ints({-1})}, l.type_of(tensor), {-1}, {{"new_shape", 0, {-1}}});
}

// The outputs of a body of WHILE: tensors of their own where an input would come back at another place.
void set_outputs(Lowering& body, std::vector<int32_t> outputs) {
  const auto inputs = body.main().inputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const bool moved = std::find(inputs.begin(), inputs.end(), outputs[i]) != inputs.end() && inputs[i] != outputs[i];
    if (moved || body.main().tensors[static_cast<size_t>(outputs[i])].constant) outputs[i] = body.copied(outputs[i]);
  }
  body.main().outputs = outputs;
}

void name_state(Lowering& l, const std::vector<int32_t>& tensors) {
  for (const int32_t t : tensors) {
    Tensor& tensor = l.main().tensors[static_cast<size_t>(t)];
    if (tensor.name.empty()) tensor.name = "state_" + std::to_string(t);
  }
}

// WHILE over a state: what the tensors hold at first, of which those from `carried_at` on become the node's own outputs.
struct State {
  std::vector<int32_t> start = {};
  std::vector<StateTensor> tensors = {};
  size_t carried_at = 0, carried = 0, gathered = 0;  // what is carried, and behind it what is gathered, flat
  std::vector<Type> gathered_types = {};
};

// The start of what the body's outputs from `first` on are gathered in: rows of nothing.
void start_gathering(Lowering& l, const sdk::GraphView& body, size_t first, State& state) {
  for (size_t i = 0; i < state.gathered; ++i) {
    const sdk::ValueView v = body.value(body.outputs()[first + i]);
    Type type;
    if (!v.has_rank() || !type_of(v.type(), type)) l.refuse("the rank or type of what it gathers is not known, or none of the format's");
    state.gathered_types.push_back(type);
    state.start.push_back(l.filled(type, {0}, 0));
  }
}

void describe_state(Lowering& l, State& state) {
  for (const int32_t t : state.start) state.tensors.push_back({l.type_of(t), l.extents_of(t)});
  for (size_t i = 0; i < state.gathered; ++i) state.tensors[state.carried_at + state.carried + i].extents = {-1};
}

int32_t condition_of(Lowering& l, const State& state, const std::function<int32_t(Lowering&, const std::vector<int32_t>&)>& test) {
  return l.add_subgraph("goes_on", [&](Lowering& c) {
    std::vector<int32_t> in;
    for (size_t i = 0; i < state.tensors.size(); ++i)
      in.push_back(c.add_input("state_" + std::to_string(i), state.tensors[i].type, state.tensors[i].extents));
    c.main().outputs = {test(c, in)};
  });
}

// What one round made, behind or before what there is already.
int32_t gathered_more(Lowering& b, int32_t so_far, int32_t made, Type type, bool before) {
  const int32_t more = all_in_a_row(b, made);
  return b.make("CONCATENATION", before ? std::vector<int32_t>{more, so_far} : std::vector<int32_t>{so_far, more}, type, {-1}, {{"axis", 0, {}}});
}

// Emits WHILE; its outputs, one per tensor of the state.
std::vector<int32_t> emit_while(Lowering& l, const Work& w, const State& state, int32_t condition, int32_t round) {
  std::vector<int32_t> outputs;
  for (size_t i = 0; i < state.start.size(); ++i) {
    const bool own = i >= state.carried_at && i < state.carried_at + state.carried && w.out(i - state.carried_at) != LATHE_NONE;
    const uint32_t id = own ? w.out(i - state.carried_at) : LATHE_NONE;
    outputs.push_back(own ? l.result(id, identity(l.rank(id))) : l.new_tensor("", state.tensors[i].type, state.tensors[i].extents));
  }
  l.emit("WHILE", state.start, outputs).options = {{"cond_subgraph", static_cast<double>(condition), {}},
                                                   {"body_subgraph", static_cast<double>(round), {}}};
  return outputs;
}

// A gathered row in the shape that the value has when its axes are held in `order`.
void define_gathered(Lowering& l, uint32_t id, int32_t row, const Extents& e, const Order& order) {
  if (std::count_if(e.begin(), e.end(), [](int64_t d) { return d < 0; }) > 1)
    l.refuse("what it gathers has more than one open dimension, and a RESHAPE of the format leaves one");
  const std::vector<int32_t> shape(e.begin(), e.end());
  l.define(id, l.make("RESHAPE", {row, l.ints(shape)}, l.type_of(row), e, {{"new_shape", 0, shape}}), order);
}

void lower_loop(Lowering& l, const Work& w) {
  const sdk::GraphView body = w.node.attribute("body")->graph();
  const auto captured = l.captured_by({&body, 1});
  const size_t carried = w.inputs.size() < 2 ? 0 : w.inputs.size() - 2, scans = body.outputs().size() - 1 - carried;
  // Count and condition have the ranks that the body gives them.
  const Extents count_shape = body.value(body.inputs()[0]).shape(), condition_shape = body.value(body.inputs()[1]).shape();
  const auto single = [](Extents e) { return Extents(e.size(), 1); };
  State state{.carried_at = 2, .carried = carried, .gathered = scans};
  state.start.push_back(l.filled(Type::int64, single(count_shape), 0));
  state.start.push_back(w.has(1) ? l.reshape(l.plain(w.in(1)), single(condition_shape)) : l.filled(Type::boolean, single(condition_shape), 1));
  for (size_t i = 0; i < carried; ++i) state.start.push_back(l.plain(w.in(i + 2)));
  start_gathering(l, body, 1 + carried, state);
  const size_t limit_at = state.start.size();
  const bool limited = w.has(0);
  if (limited) state.start.push_back(l.reshape(l.plain(w.in(0)), {}));
  const size_t captured_at = state.start.size();
  for (const uint32_t id : captured) state.start.push_back(l.plain(id));
  describe_state(l, state);
  for (size_t i = 0; i < carried; ++i) {  // a shape that changes as it goes round is open
    const sdk::ValueView v = body.value(body.inputs()[i + 2]);
    if (v.has_rank() && v.shape().size() == state.tensors[2 + i].extents.size()) state.tensors[2 + i].extents = v.shape();
  }
  const int32_t condition = condition_of(l, state, [&](Lowering& c, const std::vector<int32_t>& in) {
    const int32_t on = c.reshape(in[1], {});
    return limited ? c.binary("LOGICAL_AND", c.compare("LESS", c.reshape(in[0], {}), in[limit_at]), on) : c.copied(on);
  });
  const int32_t round = l.lower_body(body, captured, [&](Lowering& b) {
    // Its own inputs are count, condition and what is carried; then what was captured. The rest of the state goes between.
    auto& in = b.main().inputs;
    const size_t own = 2 + carried;
    std::vector<int32_t> between;
    for (size_t i = own; i < captured_at; ++i)
      between.push_back(b.new_tensor("state_" + std::to_string(i), state.tensors[i].type, state.tensors[i].extents));
    in.insert(in.begin() + static_cast<std::ptrdiff_t>(own), between.begin(), between.end());
    const auto inputs = in;
    std::vector<int32_t> out{b.binary("ADD", inputs[0], b.filled(Type::int64, {}, 1)),
                             b.reshape(b.plain(body.outputs()[0]), single(condition_shape))};
    for (size_t i = 0; i < carried; ++i) out.push_back(b.plain(body.outputs()[1 + i]));
    for (size_t i = 0; i < scans; ++i)
      out.push_back(gathered_more(b, inputs[own + i], b.plain(body.outputs()[1 + carried + i]), state.gathered_types[i], false));
    for (size_t i = own + scans; i < inputs.size(); ++i) out.push_back(inputs[i]);
    set_outputs(b, out);
    name_state(b, b.main().inputs);
  });
  const auto outputs = emit_while(l, w, state, condition, round);
  for (size_t i = 0; i < scans; ++i) {
    const uint32_t id = w.out(carried + i);
    if (id != LATHE_NONE) define_gathered(l, id, outputs[2 + carried + i], l.extents(id), identity(l.rank(id)));
  }
}

// One step of a Scan takes the count's slice of each scan input.
void lower_scan(Lowering& l, const Work& w) {
  const sdk::GraphView body = w.node.attribute("body")->graph();
  const auto captured = l.captured_by({&body, 1});
  const auto inputs_scanned = static_cast<size_t>(w.node.integer("num_scan_inputs", 1));
  const size_t carried = w.inputs.size() - inputs_scanned, scans = body.outputs().size() - carried;
  const auto list = [&](const char* name, size_t n) { return w.node.integers(name, std::vector<int64_t>(n, 0)); };
  const auto in_axes = list("scan_input_axes", inputs_scanned), in_back = list("scan_input_directions", inputs_scanned);
  const auto out_axes = list("scan_output_axes", scans), out_back = list("scan_output_directions", scans);
  int64_t steps = -1;
  std::vector<int32_t> scanned;
  for (size_t i = 0; i < inputs_scanned; ++i) {  // the scanned axis comes first
    const uint32_t id = w.in(carried + i);
    const int64_t n = static_cast<int64_t>(l.rank(id)), axis = in_axes[i] < 0 ? in_axes[i] + n : in_axes[i];
    Order order = identity(l.rank(id));
    order.erase(order.begin() + axis);
    order.insert(order.begin(), static_cast<int>(axis));
    int32_t x = l.in_order(id, order);
    if (in_back[i]) x = l.make("REVERSE_V2", {x, l.ints({0})}, l.type_of(x), l.extents_of(x));
    scanned.push_back(x);
    if (steps < 0) steps = l.extents_of(x)[0];
  }
  if (steps < 0) l.refuse("it scans over an open dimension");
  State state{.carried_at = 1, .carried = carried, .gathered = scans};
  state.start.push_back(l.filled(Type::int32, {}, 0));
  for (size_t i = 0; i < carried; ++i) state.start.push_back(l.plain(w.in(i)));
  start_gathering(l, body, carried, state);
  state.start.insert(state.start.end(), scanned.begin(), scanned.end());
  const size_t captured_at = state.start.size();
  for (const uint32_t id : captured) state.start.push_back(l.plain(id));
  describe_state(l, state);
  const int32_t condition = condition_of(l, state, [&](Lowering& c, const std::vector<int32_t>& in) {
    return c.compare("LESS", in[0], c.filled(Type::int32, {}, static_cast<double>(steps)));
  });
  const int32_t round = l.lower_body(body, captured, [&](Lowering& b) {
    auto& graph = b.main();
    // The body's own inputs: what is carried, then one slice of each scan input, which the count now picks.
    const auto part = [&](size_t begin, size_t end) {
      return std::vector<int32_t>(graph.inputs.begin() + static_cast<std::ptrdiff_t>(begin), graph.inputs.begin() + static_cast<std::ptrdiff_t>(end));
    };
    const auto own = part(0, carried), slices = part(carried, carried + inputs_scanned), rest = part(carried + inputs_scanned, graph.inputs.size());
    std::vector<int32_t> in;
    for (size_t i = 0; i < captured_at; ++i)
      in.push_back(i >= 1 && i < 1 + carried ? own[i - 1]
                                             : b.new_tensor("state_" + std::to_string(i), state.tensors[i].type, state.tensors[i].extents));
    in.insert(in.end(), rest.begin(), rest.end());
    graph.inputs = in;
    const size_t lowered = graph.operators.size();
    for (size_t i = 0; i < inputs_scanned; ++i) b.emit("GATHER", {in[1 + carried + scans + i], in[0]}, {slices[i]}).options = {{"axis", 0, {}}};
    std::rotate(b.main().operators.begin(), b.main().operators.begin() + static_cast<std::ptrdiff_t>(lowered), b.main().operators.end());
    std::vector<int32_t> out{b.binary("ADD", in[0], b.filled(Type::int32, {}, 1))};
    for (size_t i = 0; i < carried; ++i) out.push_back(b.plain(body.outputs()[i]));
    for (size_t i = 0; i < scans; ++i)
      out.push_back(gathered_more(b, in[1 + carried + i], b.plain(body.outputs()[carried + i]), state.gathered_types[i], out_back[i] != 0));
    for (size_t i = 1 + carried + scans; i < in.size(); ++i) out.push_back(in[i]);
    set_outputs(b, out);
  });
  const auto outputs = emit_while(l, w, state, condition, round);
  for (size_t i = 0; i < scans; ++i) {
    const uint32_t id = w.out(carried + i);
    if (id == LATHE_NONE) continue;
    const auto n = static_cast<int64_t>(l.rank(id)), axis = out_axes[i] < 0 ? out_axes[i] + n : out_axes[i];
    Order order = identity(l.rank(id));
    order.erase(order.begin() + axis);
    order.insert(order.begin(), static_cast<int>(axis));
    Extents e = permute(l.extents(id), order);
    e[0] = steps;
    define_gathered(l, id, outputs[1 + carried + i], e, order);
  }
}

const LowerRule rules[] = {{"If", lower_if}, {"Loop", lower_loop}, {"Scan", lower_scan}};

}  // namespace

std::span<const LowerRule> control_flow_rules() { return rules; }

}  // namespace lathe::tflite
