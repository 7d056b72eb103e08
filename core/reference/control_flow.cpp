// If, Loop and Scan in the reference engine. A body's frame lives for one turn; what it carries is moved from turn to turn, so a loop holds
// one turn's values, its state and its scan outputs.
#include <algorithm>

#include "core/reference/execution.hpp"
#include "core/reference/pieces.hpp"

namespace lathe {
namespace {

const Graph& body_of(const Node& node, std::string_view attribute) {
  const auto found = node.attributes.find(attribute);
  const auto* body = found == node.attributes.end() ? nullptr : std::get_if<Attribute::Subgraph>(&found->second.value);
  if (!body || !*body) fail_node(node, "attribute '" + std::string(attribute) + "' holds no graph");
  return **body;
}

const Tensor& single(const Node& node, const Datum& datum, DataType type, const std::string& what) {
  if (!datum.is_tensor() || datum.tensor.type != type || datum.tensor.size() != 1)
    fail_node(node, what + " is no single element", std::string(name(type)), describe(datum));
  return datum.tensor;
}
bool truth(const Node& node, const Datum& datum) { return single(node, datum, DataType::boolean, "the condition").as<uint8_t>()[0] != 0; }

Datum integer(int64_t value) { return Tensor::of<int64_t>(DataType::int64, {}, {&value, 1}); }
Datum boolean(bool value) {
  const uint8_t byte = value;
  return Tensor::of<uint8_t>(DataType::boolean, {}, {&byte, 1});
}

Datum taken(Argument& argument) { return argument.mine ? std::move(*argument.mine) : *argument.datum; }

// What a body yields turn by turn and the node as a whole.
class ScanOutput {
 public:
  ScanOutput(const Node& node, const Graph& body, size_t output, int64_t axis, bool backwards)
      : node_(node), type_(body.value(body.outputs[output]).type), axis_(axis), backwards_(backwards) {}

  void add(Datum datum) {
    if (!datum.is_tensor()) fail_node(node_, "a scan output is no tensor", "a tensor", describe(datum));
    const Tensor& tensor = datum.tensor;
    const size_t axis = place(tensor.dimensions.size());
    if (!parts_.empty()) {
      std::vector<int64_t> dimensions = tensor.dimensions;
      dimensions.insert(dimensions.begin() + int64_t(axis), 1);
      if (parts_.front().type != tensor.type || parts_.front().dimensions != dimensions)
        fail_node(node_, "a scan output has another shape than in the turn before",
                  to_string(Shape(parts_.front().dimensions.begin(), parts_.front().dimensions.end())),
                  to_string(Shape(dimensions.begin(), dimensions.end())));
    }
    parts_.push_back(with_axis(std::move(datum.tensor), axis));
  }

  Tensor done(const Execution& execution) {
    if (!parts_.empty()) {
      if (backwards_) std::reverse(parts_.begin(), parts_.end());
      const size_t axis = place(parts_.front().dimensions.size() - 1);
      return joined(std::move(parts_), axis);
    }
    // There was no turn to show the shape: what inference and the model's inputs tell of it, and 0 for the rest.
    std::vector<int64_t> dimensions;
    if (type_.shape)
      for (const Dimension& d : *type_.shape) dimensions.push_back(execution.size_of(d));
    dimensions.insert(dimensions.begin() + int64_t(place(dimensions.size())), 0);
    return Tensor::allocate(type_.element == DataType::none ? DataType::float32 : type_.element, dimensions);
  }

 private:
  // The new axis of an element of that rank.
  size_t place(size_t rank) const {
    const int64_t axis = axis_ < 0 ? axis_ + int64_t(rank) + 1 : axis_;
    if (axis < 0 || axis > int64_t(rank))
      fail_node(node_, "a scan output's axis lies outside its rank", std::to_string(-int64_t(rank) - 1) + " to " + std::to_string(rank),
                std::to_string(axis_));
    return size_t(axis);
  }

  const Node& node_;
  const ValueType& type_;
  int64_t axis_;
  bool backwards_;
  std::vector<Tensor> parts_;
};

std::vector<Datum> run_if(Execution& execution, const Frame& frame, const Node& node, std::vector<Argument>& arguments) {
  const std::string_view branch = truth(node, *arguments.at(0).datum) ? "then_branch" : "else_branch";
  return execution.run(body_of(node, branch), {}, &frame, frame.prefix + node.name + "/");
}

std::vector<Datum> run_loop(Execution& execution, const Frame& frame, const Node& node, std::vector<Argument>& arguments) {
  const Graph& body = body_of(node, "body");
  const bool limited = !arguments.empty() && arguments[0].datum;
  const int64_t turns = limited ? single(node, *arguments[0].datum, DataType::int64, "the number of turns").as<int64_t>()[0] : 0;
  bool goes_on = arguments.size() < 2 || !arguments[1].datum || truth(node, *arguments[1].datum);
  std::vector<Datum> state;
  for (size_t i = 2; i < arguments.size(); ++i) state.push_back(taken(arguments[i]));
  std::vector<ScanOutput> scans;
  for (size_t i = 1 + state.size(); i < body.outputs.size(); ++i) scans.emplace_back(node, body, i, 0, false);
  const std::string prefix = frame.prefix + node.name + "/";
  for (int64_t turn = 0; goes_on && (!limited || turn < turns); ++turn) {
    execution.check_cancelled();
    std::vector<Datum> inputs = {integer(turn), boolean(goes_on)};
    for (Datum& datum : state) inputs.push_back(std::move(datum));
    std::vector<Datum> outputs = execution.run(body, std::move(inputs), &frame, prefix);
    goes_on = truth(node, outputs.at(0));
    for (size_t i = 0; i < state.size(); ++i) state[i] = std::move(outputs[1 + i]);
    for (size_t i = 0; i < scans.size(); ++i) scans[i].add(std::move(outputs[1 + state.size() + i]));
  }
  for (ScanOutput& scan : scans) state.emplace_back(scan.done(execution));
  return state;
}

std::vector<Datum> run_scan(Execution& execution, const Frame& frame, const Node& node, std::vector<Argument>& arguments) {
  const Graph& body = body_of(node, "body");
  const size_t scanned = size_t(node.integer("num_scan_inputs", 0)), states = arguments.size() - scanned, yielded = body.outputs.size() - states;
  const auto list = [&](std::string_view name, size_t count) {
    std::vector<int64_t> values = node.integers(name);
    values.resize(count, 0);
    return values;
  };
  const std::vector<int64_t> axes = list("scan_input_axes", scanned), directions = list("scan_input_directions", scanned);
  const std::vector<int64_t> output_axes = list("scan_output_axes", yielded), output_directions = list("scan_output_directions", yielded);
  std::vector<size_t> places;
  int64_t turns = 0;
  for (size_t i = 0; i < scanned; ++i) {
    const Tensor& tensor = arguments[states + i].datum->tensor;
    const int64_t rank = int64_t(tensor.dimensions.size()), axis = axes[i] < 0 ? axes[i] + rank : axes[i];
    if (axis < 0 || axis >= rank)
      fail_node(node, "a scanned axis lies outside the tensor's rank", std::to_string(rank) + " axes", std::to_string(axes[i]));
    places.push_back(size_t(axis));
    const int64_t length = tensor.dimensions[size_t(axis)];
    if (i > 0 && length != turns) fail_node(node, "the scanned axes have different lengths", std::to_string(turns), std::to_string(length));
    turns = length;
  }
  std::vector<Datum> state;
  for (size_t i = 0; i < states; ++i) state.push_back(taken(arguments[i]));
  std::vector<ScanOutput> scans;
  for (size_t i = 0; i < yielded; ++i) scans.emplace_back(node, body, states + i, output_axes[i], output_directions[i] != 0);
  const std::string prefix = frame.prefix + node.name + "/";
  for (int64_t turn = 0; turn < turns; ++turn) {
    execution.check_cancelled();
    std::vector<Datum> inputs = std::move(state);
    for (size_t i = 0; i < scanned; ++i) {
      const int64_t at = directions[i] ? turns - 1 - turn : turn;
      inputs.emplace_back(without_axis(part_of(arguments[states + i].datum->tensor, places[i], at, 1), places[i]));
    }
    state = execution.run(body, std::move(inputs), &frame, prefix);
    for (size_t i = 0; i < yielded; ++i) scans[i].add(std::move(state[states + i]));
    state.resize(states);
  }
  for (ScanOutput& scan : scans) state.emplace_back(scan.done(execution));
  return state;
}

}  // namespace

bool is_control_flow(const Node& node) { return node.domain.empty() && (node.op_type == "If" || node.op_type == "Loop" || node.op_type == "Scan"); }

std::vector<Datum> run_control_flow(Execution& execution, const Frame& frame, const Node& node, std::vector<Argument>& arguments) {
  if (node.op_type == "If") return run_if(execution, frame, node, arguments);
  return node.op_type == "Loop" ? run_loop(execution, frame, node, arguments) : run_scan(execution, frame, node, arguments);
}

}  // namespace lathe
