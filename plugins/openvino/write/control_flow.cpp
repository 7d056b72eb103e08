// If, Loop and Scan as If, Loop and TensorIterator with bodies. A value from outside enters a body by a port of its own and a Parameter; constants
// from outside stand in the body once more (their bytes are shared in the file).
#include <algorithm>
#include <map>

#include "families.hpp"
#include "graph.hpp"

namespace lathe::openvino {
namespace {

// A layer with bodies in the making: its inputs so far.
struct Ports {
  std::vector<Wire> inputs;
  std::map<uint32_t, int64_t> captured;  // value of the node's graph -> its port, so that both bodies of an If share it

  int64_t add(const Wire& wire) {
    inputs.push_back(wire);
    return static_cast<int64_t>(inputs.size()) - 1;
  }
};

class BodyWriter {
 public:
  BodyWriter(Step& s, const char* attribute, std::string name) : BodyWriter(s, graph_of(s, attribute), std::move(name)) {}

  Draft draft;
  Body body;

  // The body's input `i` comes in by that port. `axis`: cut along it, and the Parameter keeps the axis, with size 1.
  Wire input(size_t i, int64_t port, std::optional<int64_t> axis = std::nullopt, bool backwards = false) {
    const uint32_t value = draft.graph().inputs()[i];
    require_tensor(value);
    const uint32_t layer = parameter(draft, value);
    PortMap map{port, 0, axis, backwards ? -1 : 0, backwards ? 0 : -1, backwards ? -1 : 1, 1, {}};
    inputs_.push_back({map, layer});
    OutputPort& out = draft.model.layers[layer].outputs[0];
    Wire wire{{layer, 0}, out.type, out.dimensions};
    if (axis) {
      // What the body's graph takes has the axis no more.
      Dimensions piece = wire.dimensions;
      if (!piece) throw Refusal{"the rank of what it cuts into pieces is not known"};
      piece->insert(piece->begin() + *axis, 1);
      set_shape(layer, *piece);
      wire.dimensions = piece;
      names_of(layer).clear();
      wire = layers("Squeeze", {wire, index_list({*axis})}, {}, draft.graph().value(value).shape());
    }
    draft.place(value, wire);
    return wire;
  }
  // The number of the turn.
  void turn(size_t i) {
    const uint32_t value = draft.graph().inputs()[i];
    const uint32_t layer = parameter(draft, value);
    set_shape(layer, {});
    inputs_.push_back({PortMap{-1, 0, {}, 0, -1, 1, 1, "current_iteration"}, layer});
    draft.place(value, {{layer, 0}, LATHE_INT64, std::vector<int64_t>{}});
  }
  // A body runs only where its condition holds.
  void is_true(size_t i) {
    static const uint8_t one = 1;
    draft.place(draft.graph().inputs()[i], draft.constant(name_of(i), LATHE_BOOL, {}, &one, 1));
  }
  void captures(Ports& ports) {
    std::map<uint32_t, uint32_t> entered;  // value outside -> Parameter, since a body may take one value under several names
    for (const lathe_capture& capture : draft.graph().captures()) {
      if (draft.constant_of(capture.inner)) continue;
      require_tensor(capture.inner);
      const auto known = ports.captured.find(capture.outer);
      const int64_t port = known != ports.captured.end() ? known->second : ports.add(outer_.draft.value(capture.outer));
      ports.captured.emplace(capture.outer, port);
      const auto there = entered.find(capture.outer);
      if (there != entered.end()) {
        const OutputPort& shared = draft.model.layers[there->second].outputs[0];
        draft.place(capture.inner, {{there->second, 0}, shared.type, shared.dimensions});
        continue;
      }
      const uint32_t layer = parameter(draft, capture.inner);
      entered.emplace(capture.outer, layer);
      // What is known outside holds inside.
      const Wire& outside = ports.inputs[static_cast<size_t>(port)];
      if (!draft.model.layers[layer].outputs[0].dimensions && outside.dimensions) set_shape(layer, *outside.dimensions);
      inputs_.push_back({PortMap{port, 0, {}, 0, -1, 1, 1, {}}, layer});
      draft.place(capture.inner, {{layer, 0}, draft.graph().value(capture.inner).type(), draft.model.layers[layer].outputs[0].dimensions});
    }
  }
  void nodes() { write_nodes(draft); }
  // The body's output `i`.
  Wire output(size_t i) {
    require_tensor(draft.graph().outputs()[i]);
    return draft.value(draft.graph().outputs()[i]);
  }
  // The same with an axis of size 1 in front, or where it is said.
  Wire piece(const Wire& wire, int64_t axis) {
    Dimensions shape = wire.dimensions;
    if (shape) shape->insert(shape->begin() + std::min<int64_t>(axis, wire.rank()), 1);
    return layers("Unsqueeze", {wire, index_list({axis})}, {}, shape);
  }
  // A Result; `port` is the layer's output that takes it, or -1. Its number, for `carries`.
  size_t result(const Wire& wire, int64_t port, std::optional<int64_t> axis = std::nullopt, bool backwards = false, std::string purpose = {}) {
    Layer layer;
    layer.name = draft.unique(draft.model.layers[wire.source.layer].name + "/sink_port_0");
    layer.type = "Result";
    layer.inputs = {wire.source};
    draft.model.layers.push_back(std::move(layer));
    outputs_.push_back({port, 0, axis, backwards ? -1 : 0, backwards ? 0 : -1, backwards ? -1 : 1, 1, std::move(purpose)});
    return outputs_.size() - 1;
  }
  // What that Result holds is the Parameter's value (in the order of input()) in the next turn.
  void carries(size_t result, size_t parameter) { edges_.emplace_back(result, parameter); }

  Body done() {
    std::vector<uint32_t> parameters, results;
    prune(draft.model);
    for (uint32_t i = 0; i < draft.model.layers.size(); ++i) {
      if (draft.model.layers[i].type == "Parameter") parameters.push_back(i);
      if (draft.model.layers[i].type == "Result") results.push_back(i);
    }
    for (size_t i = 0; i < inputs_.size(); ++i) {
      inputs_[i].first.inner = parameters[i];
      body.inputs.push_back(inputs_[i].first);
    }
    for (size_t i = 0; i < outputs_.size(); ++i) {
      outputs_[i].inner = results[i];
      body.outputs.push_back(outputs_[i]);
    }
    for (const auto& [result, parameter] : edges_) body.back_edges.push_back({results[result], parameters[parameter]});
    body.model = std::make_shared<const Model>(std::move(draft.model));
    return std::move(body);
  }

 private:
  BodyWriter(Step& s, const sdk::GraphView& graph, std::string name) : draft(graph, s.draft), outer_(s) {
    body.name = std::move(name);
    if (draft.depth() > deepest_body) s.refuse("its bodies are nested deeper than " + std::to_string(deepest_body));
  }
  static sdk::GraphView graph_of(Step& s, const char* attribute) {
    const auto found = s.node.attribute(attribute);
    if (!found) s.refuse(std::string("it has no graph ") + attribute);
    return found->graph();
  }
  void require_tensor(uint32_t value) const {
    const sdk::ValueView v = draft.graph().value(value);
    if (v.kind() != LATHE_KIND_TENSOR) throw Refusal{"the IR has no sequences and no optionals, and '" + std::string(v.name()) + "' is one"};
  }
  std::string name_of(size_t input) const { return std::string(draft.graph().value(draft.graph().inputs()[input]).name()); }
  std::vector<std::string>& names_of(uint32_t layer) { return draft.model.layers[layer].outputs[0].names; }
  void set_shape(uint32_t layer, const std::vector<int64_t>& shape) {
    std::string words;
    for (const int64_t d : shape) words += (words.empty() ? "" : ",") + (d < 0 ? std::string("?") : std::to_string(d));
    draft.model.layers[layer].attributes[0].value = words;
    draft.model.layers[layer].outputs[0].dimensions = shape;
  }
  Wire index_list(std::vector<int64_t> numbers) {
    const auto kept = std::make_shared<const std::vector<int64_t>>(std::move(numbers));
    return draft.constant("Constant", LATHE_INT64, {static_cast<int64_t>(kept->size())}, kept->data(), kept->size() * 8, kept);
  }
  Wire layers(const char* type, const std::vector<Wire>& inputs, Attributes attributes, const Dimensions& shape) {
    return draft.add(type, type, inputs, std::move(attributes), {shape}).front();
  }

  Step& outer_;
  std::vector<std::pair<PortMap, uint32_t>> inputs_;
  std::vector<PortMap> outputs_;
  std::vector<std::pair<size_t, size_t>> edges_;
};

// The IR takes a scalar, or one axis with one element.
Wire one_element(Step& s, const Wire& wire) {
  if (!wire.has_rank() || wire.rank() > 1) return s.reshape(wire, {1});
  return wire;
}

// The layer, its outputs of the types that the graph gives them.
void finish(Step& s, const Form& form, const Ports& ports, std::vector<Body> bodies, const std::vector<int32_t>& types,
            const std::vector<Dimensions>& shapes) {
  std::vector<Dimensions> dimensions = shapes;
  for (size_t i = 0; i < dimensions.size(); ++i)
    if (s.wants(i) && s.node.output_value(i).has_rank()) dimensions[i] = s.node.output_value(i).shape();
  const std::vector<Wire> outputs = s.make_many(form, ports.inputs, {}, dimensions, types);
  if (outputs.empty()) s.refuse(form.type + " of the IR must have an output");
  s.draft.model.layers[outputs.front().source.layer].bodies = std::move(bodies);
  for (size_t i = 0; i < outputs.size(); ++i) s.out(i, outputs[i]);
}

void write_if(Step& s) {
  Ports ports;
  ports.add(one_element(s, s.in(0)));
  std::vector<Body> bodies;
  std::vector<int32_t> types;
  std::string reasons;
  for (const auto& [attribute, name] : {std::pair("then_branch", "then_body"), std::pair("else_branch", "else_body")}) {
    BodyWriter branch(s, attribute, name);
    try {
      branch.captures(ports);
      branch.nodes();
    } catch (const Refusal& refusal) {
      reasons += (reasons.empty() ? "" : "; ") + refusal.reason;
      continue;
    }
    types.clear();
    const size_t count = branch.draft.graph().outputs().size();
    for (size_t i = 0; i < count; ++i) {
      const Wire wire = branch.output(i);
      types.push_back(wire.type);
      branch.result(wire, static_cast<int64_t>(i));
    }
    bodies.push_back(branch.done());
  }
  if (!reasons.empty()) s.refuse(reasons);
  const size_t count = types.size();
  finish(s, {"If", 8}, ports, std::move(bodies), types, std::vector<Dimensions>(count));
}

// The body's inputs: number of the turn, condition, what is carried. Its outputs: condition, what is carried, pieces.
constexpr int64_t most_turns = 256;  // of a loop that is unrolled

bool is_sequence(const sdk::GraphView& graph, uint32_t value) { return value != LATHE_NONE && graph.value(value).kind() != LATHE_KIND_TENSOR; }

// Whether sequences go through a loop, or into its body.
bool has_sequences(const Step& s, const sdk::GraphView& body) {
  const sdk::GraphView& graph = s.draft.graph();
  for (const uint32_t v : s.node.inputs())
    if (is_sequence(graph, v)) return true;
  for (const uint32_t v : s.node.outputs())
    if (is_sequence(graph, v)) return true;
  for (const lathe_capture& capture : body.captures())
    if (is_sequence(graph, capture.outer)) return true;
  return false;
}

// Whether a loop goes on for as long as it began to.
bool never_stops(const Draft& body) {
  const sdk::GraphView& graph = body.graph();
  const uint32_t goes_on = graph.outputs()[0], given = graph.inputs()[1];
  if (const auto constant = body.constant_of(goes_on)) return constant->bytes() == 1 && *static_cast<const uint8_t*>(constant->data()) != 0;
  const auto producer = body.producer(goes_on);
  return goes_on == given || (producer && producer->is("Identity") && producer->input(0) == given);
}

// A loop through which sequences go: its body once for each turn, where their number is known.
void unroll(Step& s, const sdk::GraphView& body) {
  const auto turns = s.known_integers(0);
  const bool begins = !s.has(1) || s.number(1).value_or(0) != 0;
  {
    const Draft look(body, s.draft);
    if (!turns || turns->size() != 1 || !begins || !never_stops(look))
      s.refuse("the IR has no sequences and no optionals, and how often the loop that makes one runs is only known when it does");
  }
  if (turns->front() > most_turns)
    s.refuse("the IR has no sequences and no optionals, and the loop that makes one is unrolled up to " + std::to_string(most_turns) + " turns");
  const sdk::GraphView& graph = s.draft.graph();
  const size_t carried = s.inputs() > 2 ? s.inputs() - 2 : 0, count = body.outputs().size(), scanned = count - 1 - carried;
  struct State {
    std::optional<Wire> wire;
    List list;
  };
  const auto of = [](Draft& draft, uint32_t value) {
    if (const List* list = draft.list(value)) return State{std::nullopt, *list};
    return State{draft.value(value), {}};
  };
  std::vector<State> states;
  for (size_t i = 0; i < carried; ++i) states.push_back(of(s.draft, s.node.input(2 + i)));
  std::vector<std::vector<Wire>> pieces(scanned);
  for (int64_t turn = 0; turn < turns->front(); ++turn) {
    Draft inner(body, s.draft);
    const auto put = [&](uint32_t value, const State& state) {
      if (state.wire) return inner.place(value, *state.wire);
      inner.set_list(value, state.list);
    };
    for (const lathe_capture& capture : body.captures())
      if (!inner.constant_of(capture.inner)) put(capture.inner, of(s.draft, capture.outer));
    const Wire number = s.index(turn), yes = s.scalar(LATHE_BOOL, 1);
    inner.place(body.inputs()[0], number);
    inner.place(body.inputs()[1], yes);
    for (size_t i = 0; i < carried; ++i) put(body.inputs()[2 + i], states[i]);
    inner.borrow_layers(s.draft);
    try {
      write_nodes(inner);
      for (size_t i = 0; i < carried; ++i) states[i] = of(inner, body.outputs()[1 + i]);
      for (size_t i = 0; i < scanned; ++i) pieces[i].push_back(inner.value(body.outputs()[1 + carried + i]));
    } catch (...) {
      inner.give_back_layers(s.draft);
      throw;
    }
    inner.give_back_layers(s.draft);
  }
  for (size_t i = 0; i < carried; ++i) {
    if (states[i].wire) {
      s.out(i, *states[i].wire);
    } else if (s.wants(i)) {
      s.draft.set_list(s.node.output(i), states[i].list);
    }
  }
  for (size_t i = 0; i < scanned; ++i) {
    if (!s.wants(carried + i)) continue;
    if (pieces[i].empty() || is_sequence(graph, s.node.output(carried + i)))
      s.refuse("it collects no pieces, and Concat of the IR must have an input");
    for (Wire& piece : pieces[i]) piece = s.unsqueeze(piece, {0});
    s.out(carried + i, pieces[i].size() == 1 ? pieces[i][0] : s.concat(pieces[i], 0));
  }
}

void loop(Step& s) {
  if (const auto body = s.node.attribute("body"); body && has_sequences(s, body->graph())) return unroll(s, body->graph());
  Ports ports;
  const size_t carried = s.inputs() > 2 ? s.inputs() - 2 : 0;
  if (!s.has(0)) {
    ports.add(s.index(-1));  // no limit
  } else if (const auto known = s.known_integers(0); known && known->size() == 1) {
    ports.add(s.index(std::max<int64_t>(known->front(), 0)));
  } else {
    // A number below zero is no turn at all in ONNX, and no limit here.
    ports.add(s.make("Maximum", {one_element(s, s.in(0)), s.index(0)}, {{"auto_broadcast", "numpy"}}));
  }
  ports.add(s.has(1) ? one_element(s, s.in(1)) : s.scalar(LATHE_BOOL, 1));
  BodyWriter body(s, "body", "body");
  body.turn(0);
  body.is_true(1);
  std::vector<int32_t> types;
  std::vector<Dimensions> shapes;
  for (size_t i = 0; i < carried; ++i) {
    const int64_t port = ports.add(s.in(2 + i));
    types.push_back(body.input(2 + i, port).type);
  }
  body.captures(ports);
  body.nodes();
  Wire condition = body.output(0);
  if (!condition.has_rank() || condition.rank() > 1)
    s.refuse("the condition that its body yields has a rank that is not known to be 0 or 1, which the IR's Loop wants");
  body.result(condition, -1, {}, false, "execution_condition");
  for (size_t i = 0; i < carried; ++i) body.carries(body.result(body.output(1 + i), static_cast<int64_t>(i)), 1 + i);
  const size_t count = body.draft.graph().outputs().size();
  for (size_t i = 1 + carried; i < count; ++i) {
    const Wire wire = body.output(i);
    types.push_back(wire.type);
    body.result(body.piece(wire, 0), static_cast<int64_t>(i - 1), 0);
  }
  std::vector<Body> bodies;
  bodies.push_back(body.done());
  const size_t outputs = types.size();
  finish(s, {"Loop", 5}, ports, std::move(bodies), types, std::vector<Dimensions>(outputs));
}

// States and then what is cut into pieces, on both sides of the body.
void scan(Step& s) {
  const size_t scanned = static_cast<size_t>(s.node.integer("num_scan_inputs", 0)), states = s.inputs() - scanned;
  const auto list = [&](const char* name, size_t count) {
    std::vector<int64_t> values = s.node.integers(name);
    values.resize(count, 0);
    return values;
  };
  Ports ports;
  BodyWriter body(s, "body", "body");
  const size_t count = body.draft.graph().outputs().size(), yielded = count - states;
  const std::vector<int64_t> axes = list("scan_input_axes", scanned), directions = list("scan_input_directions", scanned);
  const std::vector<int64_t> out_axes = list("scan_output_axes", yielded), out_directions = list("scan_output_directions", yielded);
  std::vector<int32_t> types;
  for (size_t i = 0; i < states; ++i) {
    const int64_t port = ports.add(s.in(i));
    types.push_back(body.input(i, port).type);
  }
  for (size_t i = 0; i < scanned; ++i) {
    const int64_t port = ports.add(s.in(states + i)), axis = s.axis(axes[i], s.rank(states + i));
    body.input(states + i, port, axis, directions[i] != 0);
  }
  body.captures(ports);
  body.nodes();
  for (size_t i = 0; i < states; ++i) body.carries(body.result(body.output(i), static_cast<int64_t>(i)), i);
  for (size_t i = 0; i < yielded; ++i) {
    const Wire wire = body.output(states + i);
    if (!wire.has_rank()) s.refuse("the rank of a piece that its body yields is not known");
    const int64_t axis = s.axis(out_axes[i], wire.rank() + 1);
    types.push_back(wire.type);
    body.result(body.piece(wire, axis), static_cast<int64_t>(states + i), axis, out_directions[i] != 0);
  }
  std::vector<Body> bodies;
  bodies.push_back(body.done());
  const size_t outputs = types.size();
  finish(s, {"TensorIterator", 1}, ports, std::move(bodies), types, std::vector<Dimensions>(outputs));
}

constexpr Writer writers[] = {{"If", Means::exact, write_if}, {"Loop", Means::exact, loop}, {"Scan", Means::exact, scan}};

}  // namespace

std::span<const Writer> control_flow_writers() { return writers; }

}  // namespace lathe::openvino
