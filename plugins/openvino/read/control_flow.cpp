// If as If; Loop and TensorIterator as Loop. What a turn cuts from an input is a Gather by the turn's number, what it adds to an output a scan
// output whose axis is moved to its place.
#include <algorithm>
#include <map>

#include "step.hpp"

namespace lathe::openvino {
namespace {

// A body becoming a graph.
class BodyReader {
 public:
  BodyReader(ReadStep& s, const Body& body) : body(body), inner(*body.model, s.import), outer_(s) {}

  const Body& body;
  Import inner;

  const OutputPort& parameter(uint32_t layer) const { return body.model->layers[layer].outputs[0]; }
  std::string name(uint32_t layer) { return inner.unique(inner.tensor_name({layer, 0})); }
  // A value of the graph around as the Parameter's.
  void capture(uint32_t layer, uint32_t outer) { inner.set({layer, 0}, inner.builder.add_capture(name(layer), outer)); }
  uint32_t input(uint32_t layer) {
    std::optional<sdk::Shape> shape;
    if (parameter(layer).dimensions) {
      shape.emplace();
      for (const int64_t d : *parameter(layer).dimensions) shape->push_back(sdk::Dimension(d));
    }
    const uint32_t value = inner.builder.add_input(name(layer), parameter(layer).type, std::move(shape));
    inner.set({layer, 0}, value);
    return value;
  }
  uint32_t node(const char* op, std::vector<uint32_t> inputs) {
    const uint32_t value = inner.builder.add_value(inner.unique(std::string("turn/") + op));
    last_ = &inner.builder.add_node(op, std::move(inputs), {value}, inner.unique_node(std::string("turn/") + op));
    return value;
  }
  sdk::NodeData& last() { return *last_; }
  uint32_t constant(int64_t number, std::vector<int64_t> shape) {
    return inner.builder.add_constant(inner.unique("index"), sdk::TensorData::of(LATHE_INT64, std::move(shape), std::vector<int64_t>{number}));
  }
  void layers() {
    read_layers(inner);
    std::vector<sdk::Diagnostic>& problems = outer_.import.problems;
    problems.insert(problems.end(), inner.problems.begin(), inner.problems.end());
    if (!inner.problems.empty()) throw sdk::Failure(LATHE_UNSUPPORTED, std::vector<sdk::Diagnostic>());
  }
  // What a Result holds, as a value that this body makes and no other output is.
  uint32_t result(uint32_t layer) {
    const Layer& result = body.model->layers[layer];
    if (result.inputs.size() != 1) outer_.refuse("a Result of its body has not one input");
    const uint32_t value = inner.value(result.inputs[0]);
    const std::string& from = body.model->layers[result.inputs[0].layer].type;
    if (from != "Parameter" && from != "Const" && std::find(given_.begin(), given_.end(), value) == given_.end()) {
      given_.push_back(value);
      return value;
    }
    return node("Identity", {value});
  }

 private:
  ReadStep& outer_;
  sdk::NodeData* last_ = nullptr;
  std::vector<uint32_t> given_;
};

const Body& body_of(const ReadStep& s, std::string_view name) {
  for (const Body& body : s.layer.bodies)
    if (body.name == name) return body;
  s.refuse("it has no " + std::string(name));
}

void require_ports(const ReadStep& s, const Body& body) {
  for (uint32_t i = 0; i < body.model->layers.size(); ++i)
    if (body.model->layers[i].type == "Parameter" &&
        std::none_of(body.inputs.begin(), body.inputs.end(), [&](const PortMap& m) { return m.inner == i; }))
      s.refuse("a Parameter of its body belongs to no port");
}

void read_if(ReadStep& s) {
  const uint32_t condition = s.in(0);
  std::vector<uint32_t> graphs;
  for (const char* name : {"then_body", "else_body"}) {
    BodyReader branch(s, body_of(s, name));
    require_ports(s, branch.body);
    for (const PortMap& map : branch.body.inputs) {
      if (map.port < 0 || map.axis) s.refuse("an If hands its inputs to its bodies as they are");
      branch.capture(map.inner, s.in(static_cast<size_t>(map.port)));
    }
    branch.layers();
    for (const PortMap& map : branch.body.outputs) branch.inner.builder.add_output(branch.result(map.inner));
    graphs.push_back(s.import.builder.add_subgraph(std::move(branch.inner.builder)));
  }
  const std::vector<uint32_t> values = s.emit_many("If", {condition}, s.layer.outputs.size());
  s.last().set_graph("then_branch", graphs[0]).set_graph("else_branch", graphs[1]);
  for (size_t i = 0; i < values.size(); ++i) s.out(i, values[i]);
}

// Forwards (false) or backwards (true) over the whole axis, element by element.
bool direction(const ReadStep& s, const PortMap& map) {
  if (map.part_size != 1) s.refuse("it cuts pieces of more than one element, which is not read");
  if (map.stride == 1 && map.start == 0 && map.end == -1) return false;
  if (map.stride == -1 && map.start == -1 && map.end == 0) return true;
  s.refuse("it does not run over a whole axis, element by element");
}

// An input of one element as a scalar.
uint32_t scalar(ReadStep& s, size_t i) {
  const uint32_t value = s.in(i);
  return s.rank(i) == 0 ? value : s.emit("Squeeze", {value});
}

// How often a Loop runs: no limit below zero.
uint32_t trip_count(ReadStep& s) {
  if (const auto known = s.known_integers(0); known && known->size() == 1)
    return known->front() < 0 ? LATHE_NONE : s.constant(LATHE_INT64, {}, {static_cast<double>(known->front())});
  uint32_t count = scalar(s, 0);
  if (s.type(0) != LATHE_INT64) count = s.cast(count, LATHE_INT64);
  if (s.source(0, "Maximum")) return count;  // with 0, as the writer does it
  const uint32_t zero = s.constant(LATHE_INT64, {}, {0});
  const uint32_t most = s.constant(sdk::TensorData::of(LATHE_INT64, {}, std::vector<int64_t>{INT64_MAX}));
  const uint32_t below = s.emit("Less", {count, zero});
  return s.emit("Where", {below, most, count});
}

// The length of the first axis that is cut into pieces.
uint32_t turns(ReadStep& s, const Body& body) {
  for (const PortMap& map : body.inputs) {
    if (!map.axis || map.port < 0) continue;
    const size_t port = static_cast<size_t>(map.port);
    const Dimensions& shape = s.dimensions(port);
    if (!shape || *map.axis < 0 || *map.axis >= static_cast<int64_t>(shape->size())) s.refuse("it cuts along an axis that its input does not have");
    if (const int64_t d = (*shape)[static_cast<size_t>(*map.axis)]; d >= 0) return s.constant(LATHE_INT64, {}, {static_cast<double>(d)});
    const uint32_t sizes = s.emit("Shape", {s.in(port)});
    return s.emit("Gather", {sizes, s.constant(LATHE_INT64, {}, {static_cast<double>(*map.axis)})});
  }
  s.refuse("nothing says how often it runs: none of its inputs is cut into pieces");
}

void read_loop(ReadStep& s) {
  const bool iterator = s.layer.type == "TensorIterator";
  BodyReader loop(s, body_of(s, "body"));
  const Body& body = loop.body;
  std::vector<uint32_t> inputs = {iterator ? turns(s, body) : trip_count(s), iterator ? LATHE_NONE : scalar(s, 1)};
  const uint32_t turn = loop.inner.builder.add_input(loop.inner.unique("turn"), LATHE_INT64, sdk::Shape{});
  const uint32_t goes_on = loop.inner.builder.add_input(loop.inner.unique("goes_on"), LATHE_BOOL, sdk::Shape{});
  const auto carried = [&](uint32_t parameter) {
    return std::any_of(body.back_edges.begin(), body.back_edges.end(), [&](const BackEdge& e) { return e.parameter == parameter; });
  };
  // In the order of the back edges: the state.
  for (const BackEdge& edge : body.back_edges) {
    const auto map = std::find_if(body.inputs.begin(), body.inputs.end(), [&](const PortMap& m) { return m.inner == edge.parameter; });
    if (map == body.inputs.end() || map->port < 0 || map->axis) s.refuse("what a back edge leads to has no initial value");
    inputs.push_back(s.in(static_cast<size_t>(map->port)));
    loop.input(edge.parameter);
  }
  for (const PortMap& map : body.inputs) {
    if (carried(map.inner)) continue;
    const OutputPort& port = loop.parameter(map.inner);
    if (map.purpose == "current_iteration") {
      uint32_t number = turn;
      if (port.type != LATHE_INT64) number = loop.node("Cast", {number}), loop.last().set("to", static_cast<int64_t>(port.type));
      if (port.dimensions && port.dimensions->size() == 1) number = loop.node("Unsqueeze", {number, loop.constant(0, {1})});
      loop.inner.set({map.inner, 0}, number);
    } else if (map.port < 0) {
      s.refuse("a Parameter of its body belongs to no port");
    } else if (map.axis) {
      // The element at `turn`, or at -1 - turn from the end; the axis stays, with size 1.
      const bool backwards = direction(s, map);
      const uint32_t whole = loop.inner.builder.add_capture(loop.name(map.inner), s.in(static_cast<size_t>(map.port)));
      const uint32_t at = backwards ? loop.node("Sub", {loop.constant(-1, {}), turn}) : turn;
      const uint32_t list = loop.node("Unsqueeze", {at, loop.constant(0, {1})});
      const uint32_t piece = loop.node("Gather", {whole, list});
      loop.last().set("axis", *map.axis);
      loop.inner.set({map.inner, 0}, piece);
    } else {
      loop.capture(map.inner, s.in(static_cast<size_t>(map.port)));
    }
  }
  require_ports(s, body);
  loop.layers();
  // The condition, the state, then what is put together over the turns.
  const auto condition = std::find_if(body.outputs.begin(), body.outputs.end(), [](const PortMap& m) { return m.purpose == "execution_condition"; });
  if (condition == body.outputs.end() && !iterator) s.refuse("no Result of its body says whether another turn follows");
  if (iterator) {
    loop.inner.builder.add_output(loop.node("Identity", {goes_on}));
  } else {
    const uint32_t value = loop.result(condition->inner);
    const Layer& result = body.model->layers[condition->inner];
    const Dimensions& shape = body.model->layers[result.inputs[0].layer].outputs[result.inputs[0].port].dimensions;
    loop.inner.builder.add_output(shape && shape->size() == 1 ? loop.node("Squeeze", {value}) : value);
  }
  for (const BackEdge& edge : body.back_edges) loop.inner.builder.add_output(loop.result(edge.result));
  struct Output {
    size_t port, place;           // of the layer; among the node's outputs
    std::optional<int64_t> axis;  // of pieces
    bool backwards = false, last = false;
  };
  std::vector<Output> outputs;
  size_t count = body.back_edges.size();
  for (const PortMap& map : body.outputs) {
    if (map.port < 0) continue;
    Output output{static_cast<size_t>(map.port), count, map.axis};
    if (map.axis) {
      output.backwards = direction(s, map);
      const uint32_t axis = loop.constant(*map.axis, {1});
      loop.inner.builder.add_output(loop.node("Squeeze", {loop.result(map.inner), axis}));
      ++count;
    } else if (const auto edge =
                   std::find_if(body.back_edges.begin(), body.back_edges.end(), [&](const BackEdge& e) { return e.result == map.inner; });
               edge != body.back_edges.end()) {
      output.place = static_cast<size_t>(edge - body.back_edges.begin());
    } else {
      loop.inner.builder.add_output(loop.result(map.inner));
      output.last = true;
      ++count;
    }
    outputs.push_back(output);
  }
  const uint32_t graph = s.import.builder.add_subgraph(std::move(loop.inner.builder));
  const std::vector<uint32_t> values = s.emit_many("Loop", inputs, count);
  s.last().set_graph("body", graph);
  for (const Output& output : outputs) {
    uint32_t value = values[output.place];
    const int64_t rank = s.out_dimensions(output.port) ? static_cast<int64_t>(s.out_dimensions(output.port)->size()) : 0;
    if (output.last) value = s.emit("Gather", {value, s.constant(LATHE_INT64, {}, {-1})});
    if (output.backwards) value = s.emit("Slice", {value, s.indices({-1}), s.indices({INT64_MIN + 1}), s.indices({0}), s.indices({-1})});
    if (output.axis && *output.axis != 0) {
      if (*output.axis < 0 || *output.axis >= rank) s.refuse("it joins pieces along an axis that its output does not have");
      std::vector<int64_t> order;
      for (int64_t i = 1; i < rank; ++i) order.push_back(i);
      order.insert(order.begin() + *output.axis, 0);
      value = s.emit("Transpose", {value});
      s.last().set("perm", order);
    }
    s.out(output.port, value);
  }
}

constexpr Reader readers[] = {{"If", read_if}, {"Loop", read_loop}, {"TensorIterator", read_loop}};

}  // namespace

std::span<const Reader> control_flow_readers() { return readers; }

}  // namespace lathe::openvino
