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

void lower_loop(Lowering& l, const Work& w) {
  const sdk::GraphView body = w.node.attribute("body")->graph();
  const auto captured = l.captured_by({&body, 1});
  const size_t carried = w.inputs.size() < 2 ? 0 : w.inputs.size() - 2, scans = body.outputs().size() - 1 - carried;
  // Count and condition have the ranks that the body gives them.
  const Extents count_shape = body.value(body.inputs()[0]).shape(), condition_shape = body.value(body.inputs()[1]).shape();
  const auto single = [](Extents e) { return Extents(e.size(), 1); };
  std::vector<int32_t> start;
  start.push_back(l.filled(Type::int64, single(count_shape), 0));
  start.push_back(w.has(1) ? l.reshape(l.plain(w.in(1)), single(condition_shape)) : l.filled(Type::boolean, single(condition_shape), 1));
  for (size_t i = 0; i < carried; ++i) start.push_back(l.plain(w.in(i + 2)));
  std::vector<Type> scan_types;
  for (size_t i = 0; i < scans; ++i) {
    const sdk::ValueView v = body.value(body.outputs()[1 + carried + i]);
    Type type;
    if (!v.has_rank() || !type_of(v.type(), type)) l.refuse("the rank or type of what it gathers is not known, or none of the format's");
    scan_types.push_back(type);
    start.push_back(l.filled(type, {0}, 0));
  }
  const size_t limit_at = start.size();
  const bool limited = w.has(0);
  if (limited) start.push_back(l.reshape(l.plain(w.in(0)), {}));
  const size_t captured_at = start.size();
  for (const uint32_t id : captured) start.push_back(l.plain(id));
  std::vector<StateTensor> state;
  for (const int32_t t : start) state.push_back({l.type_of(t), l.extents_of(t)});
  for (size_t i = 0; i < carried; ++i) {  // a shape that changes as it goes round is open
    const sdk::ValueView v = body.value(body.inputs()[i + 2]);
    if (v.has_rank() && v.shape().size() == state[2 + i].extents.size()) state[2 + i].extents = v.shape();
  }
  for (size_t i = 0; i < scans; ++i) state[2 + carried + i].extents = {-1};

  const int32_t condition = l.add_subgraph("goes_on", [&](Lowering& c) {
    std::vector<int32_t> in;
    for (size_t i = 0; i < state.size(); ++i) in.push_back(c.add_input("state_" + std::to_string(i), state[i].type, state[i].extents));
    const int32_t on = c.reshape(in[1], {});
    c.main().outputs = {limited ? c.binary("LOGICAL_AND", c.compare("LESS", c.reshape(in[0], {}), in[limit_at]), on) : c.copied(on)};
  });
  const int32_t round = l.lower_body(body, captured, [&](Lowering& b) {
    // Its own inputs are count, condition and what is carried; then what was captured. The rest of the state goes between.
    auto& in = b.main().inputs;
    const size_t own = 2 + carried;
    std::vector<int32_t> between;
    for (size_t i = own; i < captured_at; ++i) between.push_back(b.new_tensor("state_" + std::to_string(i), state[i].type, state[i].extents));
    in.insert(in.begin() + static_cast<std::ptrdiff_t>(own), between.begin(), between.end());
    const auto inputs = in;
    std::vector<int32_t> out{b.binary("ADD", inputs[0], b.filled(Type::int64, {}, 1)),
                             b.reshape(b.plain(body.outputs()[0]), single(condition_shape))};
    for (size_t i = 0; i < carried; ++i) out.push_back(b.plain(body.outputs()[1 + i]));
    for (size_t i = 0; i < scans; ++i) {
      const int32_t more = all_in_a_row(b, b.plain(body.outputs()[1 + carried + i]));
      out.push_back(b.make("CONCATENATION", {inputs[own + i], more}, scan_types[i], {-1}, {{"axis", 0, {}}}));
    }
    for (size_t i = own + scans; i < inputs.size(); ++i) out.push_back(inputs[i]);
    set_outputs(b, out);
    name_state(b, b.main().inputs);
  });
  std::vector<int32_t> outputs;
  for (size_t i = 0; i < start.size(); ++i) {
    if (i >= 2 && i < 2 + carried && w.out(i - 2) != LATHE_NONE)
      outputs.push_back(l.result(w.out(i - 2), identity(l.rank(w.out(i - 2)))));
    else
      outputs.push_back(l.new_tensor("", state[i].type, state[i].extents));
  }
  l.emit("WHILE", start, outputs).options = {{"cond_subgraph", static_cast<double>(condition), {}},
                                             {"body_subgraph", static_cast<double>(round), {}}};
  for (size_t i = 0; i < scans; ++i) {
    const uint32_t id = w.out(carried + i);
    if (id == LATHE_NONE) continue;
    const Extents e = l.extents(id);
    if (std::count_if(e.begin(), e.end(), [](int64_t d) { return d < 0; }) > 1)
      l.refuse("what it gathers has more than one open dimension, and a RESHAPE of the format leaves one");
    const std::vector<int32_t> shape(e.begin(), e.end());
    l.define(id, l.make("RESHAPE", {outputs[2 + carried + i], l.ints(shape)}, scan_types[i], e, {{"new_shape", 0, shape}}), identity(e.size()));
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
  std::vector<int32_t> start{l.filled(Type::int32, {}, 0)};
  for (size_t i = 0; i < carried; ++i) start.push_back(l.plain(w.in(i)));
  std::vector<Type> scan_types;
  for (size_t i = 0; i < scans; ++i) {
    const sdk::ValueView v = body.value(body.outputs()[carried + i]);
    Type type;
    if (!v.has_rank() || !type_of(v.type(), type)) l.refuse("the rank or type of what it gathers is not known, or none of the format's");
    scan_types.push_back(type);
    start.push_back(l.filled(type, {0}, 0));
  }
  for (const int32_t x : scanned) start.push_back(x);
  const size_t captured_at = start.size();
  for (const uint32_t id : captured) start.push_back(l.plain(id));
  std::vector<StateTensor> state;
  for (const int32_t t : start) state.push_back({l.type_of(t), l.extents_of(t)});
  for (size_t i = 0; i < scans; ++i) state[1 + carried + i].extents = {-1};
  const int32_t condition = l.add_subgraph("goes_on", [&](Lowering& c) {
    std::vector<int32_t> in;
    for (size_t i = 0; i < state.size(); ++i) in.push_back(c.add_input("state_" + std::to_string(i), state[i].type, state[i].extents));
    c.main().outputs = {c.compare("LESS", in[0], c.filled(Type::int32, {}, static_cast<double>(steps)))};
  });
  const int32_t round = l.lower_body(body, captured, [&](Lowering& b) {
    auto& graph = b.main();
    // The body's own inputs: what is carried, then one slice of each scan input, which the count now picks.
    std::vector<int32_t> own(graph.inputs.begin(), graph.inputs.begin() + static_cast<std::ptrdiff_t>(carried)),
        slices(graph.inputs.begin() + static_cast<std::ptrdiff_t>(carried),
               graph.inputs.begin() + static_cast<std::ptrdiff_t>(carried + inputs_scanned)),
        rest(graph.inputs.begin() + static_cast<std::ptrdiff_t>(carried + inputs_scanned), graph.inputs.end());
    std::vector<int32_t> in;
    for (size_t i = 0; i < captured_at; ++i)
      in.push_back(i >= 1 && i < 1 + carried ? own[i - 1] : b.new_tensor("state_" + std::to_string(i), state[i].type, state[i].extents));
    in.insert(in.end(), rest.begin(), rest.end());
    graph.inputs = in;
    const size_t lowered = graph.operators.size();
    for (size_t i = 0; i < inputs_scanned; ++i) b.emit("GATHER", {in[1 + carried + scans + i], in[0]}, {slices[i]}).options = {{"axis", 0, {}}};
    std::rotate(b.main().operators.begin(), b.main().operators.begin() + static_cast<std::ptrdiff_t>(lowered), b.main().operators.end());
    std::vector<int32_t> out{b.binary("ADD", in[0], b.filled(Type::int32, {}, 1))};
    for (size_t i = 0; i < carried; ++i) out.push_back(b.plain(body.outputs()[i]));
    for (size_t i = 0; i < scans; ++i) {
      const int32_t more = all_in_a_row(b, b.plain(body.outputs()[carried + i])), so_far = in[1 + carried + i];
      const std::vector<int32_t> parts = out_back[i] ? std::vector<int32_t>{more, so_far} : std::vector<int32_t>{so_far, more};
      out.push_back(b.make("CONCATENATION", parts, scan_types[i], {-1}, {{"axis", 0, {}}}));
    }
    for (size_t i = 1 + carried + scans; i < in.size(); ++i) out.push_back(in[i]);
    set_outputs(b, out);
  });
  std::vector<int32_t> outputs;
  for (size_t i = 0; i < start.size(); ++i) {
    if (i >= 1 && i < 1 + carried && w.out(i - 1) != LATHE_NONE)
      outputs.push_back(l.result(w.out(i - 1), identity(l.rank(w.out(i - 1)))));
    else
      outputs.push_back(l.new_tensor("", state[i].type, state[i].extents));
  }
  l.emit("WHILE", start, outputs).options = {{"cond_subgraph", static_cast<double>(condition), {}},
                                             {"body_subgraph", static_cast<double>(round), {}}};
  for (size_t i = 0; i < scans; ++i) {
    const uint32_t id = w.out(carried + i);
    if (id == LATHE_NONE) continue;
    const auto n = static_cast<int64_t>(l.rank(id)), axis = out_axes[i] < 0 ? out_axes[i] + n : out_axes[i];
    Order order = identity(l.rank(id));
    order.erase(order.begin() + axis);
    order.insert(order.begin(), static_cast<int>(axis));
    Extents e = permute(l.extents(id), order);
    e[0] = steps;
    if (std::count_if(e.begin(), e.end(), [](int64_t d) { return d < 0; }) > 1)
      l.refuse("what it gathers has more than one open dimension, and a RESHAPE of the format leaves one");
    const std::vector<int32_t> shape(e.begin(), e.end());
    l.define(id, l.make("RESHAPE", {outputs[1 + carried + i], l.ints(shape)}, scan_types[i], e, {{"new_shape", 0, shape}}), order);
  }
}

const LowerRule rules[] = {{"If", lower_if}, {"Loop", lower_loop}, {"Scan", lower_scan}};

}  // namespace

std::span<const LowerRule> control_flow_rules() { return rules; }

}  // namespace lathe::tflite
