// Channels-last hand-over, and sizes given by --width and --height.
#include "core/job/layout.hpp"

#include <algorithm>

#include "core/base/diagnostic.hpp"
#include "core/files/picture.hpp"
#include "core/ops/operator.hpp"

namespace lathe {
namespace {

bool rank_four(const Value& value) { return value.type.kind == ValueKind::tensor && value.type.shape && value.type.shape->size() == 4; }

ValueType permuted(ValueType type, std::initializer_list<size_t> order) {
  Shape shape;
  for (size_t i : order) shape.push_back((*type.shape)[i]);
  type.shape = shape;
  return type;
}

// The value takes a made-up name, and a new one takes its place under the old name.
ValueId take_name(Graph& graph, ValueId id, ValueType type) {
  std::string name = graph.value(id).name;
  graph.value(id).name = graph.fresh_value_name(name + "_channels_first");
  return graph.add_value(name, std::move(type));
}

Node transpose(const Graph& graph, const std::string& name, ValueId from, ValueId to, std::vector<int64_t> order) {
  Node node;
  node.name = graph.fresh_node_name(name);
  node.op_type = "Transpose";
  node.inputs = {from}, node.outputs = {to};
  node.attributes["perm"].value = std::move(order);
  return node;
}

}  // namespace

void hand_over_channels_last(Graph& graph) {
  for (ValueId& id : graph.inputs) {
    if (graph.value(id).constant || !rank_four(graph.value(id))) continue;
    ValueId inner = id;
    if (std::find(graph.outputs.begin(), graph.outputs.end(), inner) != graph.outputs.end()) continue;  // handed through as it came
    id = take_name(graph, inner, permuted(graph.value(inner).type, {0, 2, 3, 1}));
    Node node = transpose(graph, graph.value(id).name + "_from_channels_last", id, inner, {0, 3, 1, 2});
    graph.nodes.insert(graph.nodes.begin(), std::move(node));
  }
  for (ValueId& id : graph.outputs) {
    if (!rank_four(graph.value(id)) || std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end()) continue;
    ValueId inner = id;
    id = take_name(graph, inner, permuted(graph.value(inner).type, {0, 2, 3, 1}));
    Node node = transpose(graph, graph.value(id).name + "_to_channels_last", inner, id, {0, 2, 3, 1});
    graph.nodes.push_back(std::move(node));
  }
}

void pin_picture_size(Graph& graph, int64_t width, int64_t height) {
  if (width <= 0 && height <= 0) return;
  for (ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    if (value.constant || !rank_four(value)) continue;
    std::optional<PictureLayout> layout = picture_layout(*value.type.shape);
    int64_t h = height > 0 ? height : -1, w = width > 0 ? width : -1;
    std::vector<int64_t> dimensions = {-1, -1, h, w};
    if (layout && layout->channels_last) dimensions = {-1, h, w, -1};
    return pin_shapes(graph, {{value.name, dimensions}});
  }
  throw Error(Code::usage, "--width and --height are given, and the model has no input that holds a picture",
              "pin the dimensions with --shape NAME=DIMS");
}

}  // namespace lathe
