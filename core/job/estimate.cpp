// See estimate.hpp.
#include "core/job/estimate.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <set>

#include "core/base/checked.hpp"

namespace lathe {
namespace {

constexpr std::array renaming = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"};
constexpr std::array in_place = {"Relu", "LeakyRelu", "PRelu", "Sigmoid",  "HardSigmoid", "HardSwish",          "Swish", "Mish", "Tanh", "Elu",
                                 "Selu", "Gelu",      "Clip",  "Softplus", "Softsign",    "BatchNormalization", "Add",   "Sub",  "Mul",  "Div",
                                 "Neg",  "Abs",       "Exp",   "Sqrt",     "Cast"};

template <class Names>
bool one_of(const Node& node, const Names& names) {
  return node.domain.empty() && std::find(names.begin(), names.end(), node.op_type) != names.end();
}

// 0 where the shape is open.
int64_t elements(const Graph& graph, ValueId id) {
  if (id == none || !graph.value(id).type.static_shape()) return 0;
  return element_count(graph.value(id).type.dimensions()).value_or(0);
}

int64_t dimension(const Graph& graph, ValueId id, int64_t axis) {
  if (id == none || !graph.value(id).type.static_shape()) return 0;
  const std::vector<int64_t> d = graph.value(id).type.dimensions();
  const int64_t at = axis < 0 ? axis + static_cast<int64_t>(d.size()) : axis;
  return at >= 0 && at < static_cast<int64_t>(d.size()) ? d[static_cast<size_t>(at)] : 0;
}

int64_t product(int64_t a, int64_t b) { return checked_multiply<int64_t>(a, b).value_or(INT64_MAX); }
int64_t sum(int64_t a, int64_t b) { return checked_add<int64_t>(a, b).value_or(INT64_MAX); }

int64_t multiplications_of(const Graph& graph, const Node& node) {
  const std::string& op = node.op_type;
  const ValueId out = node.outputs.empty() ? none : node.outputs[0];
  if (op == "Conv" || op == "ConvInteger" || op == "FusedConv" || op == "QLinearConv") {
    const ValueId weights = node.input(op == "QLinearConv" ? 3 : 1);
    return product(elements(graph, out), elements(graph, weights) / std::max<int64_t>(dimension(graph, weights, 0), 1));
  }
  if (op == "ConvTranspose")
    return product(elements(graph, node.input(0)), elements(graph, node.input(1)) / std::max<int64_t>(dimension(graph, node.input(1), 0), 1));
  if (op == "MatMul" || op == "MatMulInteger" || op == "QLinearMatMul") return product(elements(graph, out), dimension(graph, node.input(0), -1));
  if (op == "Gemm") return product(elements(graph, out), dimension(graph, node.input(0), node.integer("transA", 0) ? 0 : 1));
  if (op == "LSTM" || op == "GRU" || op == "RNN") {
    const int64_t steps = product(dimension(graph, node.input(0), 0), dimension(graph, node.input(0), 1));
    return product(steps, sum(elements(graph, node.input(1)), elements(graph, node.input(2))));
  }
  return 0;
}

bool is_parameter(const Value& value) {
  if (!value.constant) return false;
  const DataType type = value.constant->type;
  return type != DataType::int64 && type != DataType::int32 && type != DataType::boolean && type != DataType::string;
}

// Bits of an element at a precision; 0 for those of several sizes ("mixed") and unknown ones.
int bits_of(std::string_view precision) {
  if (precision == "float32") return 32;
  if (precision == "float16" || precision == "bfloat16") return 16;
  return precision == "int8" ? 8 : 0;
}

// How many times the room an element takes at `precision` that it takes at the smallest one the device declares, which is what its capacity counts.
int64_t room_at(const DeviceSpec& device, std::string_view precision) {
  int smallest = bits_of(precision);
  for (const std::string& declared : device.precisions)
    if (const int bits = bits_of(declared); bits > 0) smallest = std::min(smallest, bits);
  return smallest > 0 ? bits_of(precision) / smallest : 1;
}

std::string amount(double x) {
  char text[32];
  std::snprintf(text, sizeof text, x >= 1e6 ? "%.1f million" : "%.0f", x >= 1e6 ? x / 1e6 : x);
  return text;
}

}  // namespace

NodeCost cost_of(const Graph& graph, const Node& node) {
  NodeCost cost;
  cost.multiplications = multiplications_of(graph, node);
  std::set<ValueId> seen;
  for (const ValueId id : node.inputs)
    if (id != none && is_parameter(graph.value(id)) && seen.insert(id).second)
      cost.parameters = sum(cost.parameters, graph.value(id).constant->size());
  for (const Graph* body : subgraphs(node)) {
    const GraphCost inner = cost_of(*body);
    cost.multiplications = sum(cost.multiplications, inner.multiplications), cost.parameters = sum(cost.parameters, inner.parameters);
  }
  return cost;
}

GraphCost cost_of(const Graph& graph) {
  GraphCost cost;
  for (const Node& node : graph.nodes) cost.multiplications = sum(cost.multiplications, cost_of(graph, node).multiplications);
  const Uses uses(graph);
  for (ValueId id = 0; id < graph.values.size(); ++id)
    if (is_parameter(graph.value(id)) && !uses.users[id].empty()) cost.parameters = sum(cost.parameters, graph.value(id).constant->size());
  for (const Node& node : graph.nodes)
    for (const Graph* body : subgraphs(node)) cost.parameters = sum(cost.parameters, cost_of(*body).parameters);

  // Which value's memory each value lies in, and the last node that reads that memory.
  std::vector<ValueId> lies_in(graph.values.size());
  for (ValueId id = 0; id < graph.values.size(); ++id) lies_in[id] = id;
  for (const Node& node : graph.nodes)
    if (one_of(node, renaming) && node.input(0) != none && !node.outputs.empty() && node.outputs[0] != none)
      lies_in[node.outputs[0]] = lies_in[node.inputs[0]];
  std::vector<size_t> last(graph.values.size(), 0);
  for (ValueId id = 0; id < graph.values.size(); ++id) {
    size_t& end = last[lies_in[id]];
    for (const NodeId n : uses.users[id]) end = std::max<size_t>(end, n);
    if (uses.output[id]) end = graph.nodes.size();
  }
  std::map<ValueId, int64_t> live;
  int64_t total = 0;
  const auto begin = [&](ValueId id) {
    if (id == none || graph.value(id).constant || lies_in[id] != id || live.count(id)) return;
    const int64_t size = elements(graph, id);
    live[id] = size, total = sum(total, size);
  };
  const auto end = [&](ValueId id) {
    const auto found = live.find(id);
    if (found != live.end()) total -= found->second, live.erase(found);
  };
  for (const ValueId id : graph.inputs) begin(id);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    // One input that dies here gives its place to an output of the same size.
    if (one_of(node, in_place) && !node.outputs.empty() && node.outputs[0] != none)
      for (const ValueId id : node.inputs) {
        if (id == none || graph.value(id).constant) continue;
        const ValueId memory = lies_in[id];
        if (last[memory] != n || !live.count(memory) || elements(graph, memory) != elements(graph, node.outputs[0])) continue;
        end(memory);
        break;
      }
    for (const ValueId id : node.outputs) begin(id);
    if (total > cost.features) cost.features = total, cost.features_at = node.name;
    for (const ValueId id : node.inputs)
      if (id != none && last[lies_in[id]] == n) end(lies_in[id]);
    for (const ValueId id : node.outputs)
      if (id != none && uses.users[id].empty() && !uses.output[id]) end(id);
  }
  return cost;
}

std::vector<Diagnostic> hold_against(const GraphCost& cost, const ResolvedTarget& target) {
  const std::vector<DeviceSpec>& devices = target.manifest->devices;
  const auto device = std::find_if(devices.begin(), devices.end(), [&](const DeviceSpec& d) { return d.name == target.device; });
  std::vector<Diagnostic> findings;
  if (device == devices.end()) return findings;
  const int64_t room = room_at(*device, target.precision);
  const auto hold = [&](int64_t elements, uint64_t capacity, const std::string& what, const std::string& hint, bool refuse) {
    const int64_t found = product(elements, room);
    if (capacity == 0 || double(found) < 0.8 * double(capacity)) return;
    Diagnostic d;
    d.severity = refuse && double(found) > 2 * double(capacity) ? Severity::error : Severity::warning;
    const bool above = double(found) > double(capacity);
    d.text = what + (d.severity == Severity::error ? " cannot fit" : above ? " will hardly fit" : " may not fit") + " " + target.spelled();
    d.expected = amount(double(capacity)) + " bytes at most";
    d.found = amount(double(elements)) + " at " + (room == 1 ? std::string("one byte") : std::to_string(room) + " bytes") + " each";
    if (room > 1) d.found += ", " + target.precision;
    d.hint = hint;
    findings.push_back(std::move(d));
  };
  hold(cost.parameters, device->weight_bytes, "the weights", "take a smaller model, or a device that holds more", true);
  hold(cost.features, device->feature_bytes, "the feature maps that live at the same time (most at '" + cost.features_at + "')",
       "make the picture smaller with --width and --height, or take a smaller model", false);
  return findings;
}

}  // namespace lathe
