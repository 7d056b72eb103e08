// What a head's last layers become before they are cut off, so that each of their tensors holds one kind of number. See detection_head.hpp.
#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "core/passes/detection_head.hpp"
#include "core/passes/rewrite.hpp"

namespace lathe {
namespace {

bool is(const Node& node, std::string_view op_type) { return node.op_type == op_type && node.domain.empty(); }

// The rows of a tensor along its first axis, in another order.
Tensor rows_of(const Tensor& tensor, const std::vector<int64_t>& rows) {
  std::vector<int64_t> dimensions = tensor.dimensions;
  const size_t row = tensor.bytes.size / static_cast<size_t>(std::max<int64_t>(dimensions[0], 1));
  dimensions[0] = static_cast<int64_t>(rows.size());
  Tensor result = Tensor::allocate(tensor.type, dimensions);
  std::byte* to = const_cast<std::byte*>(result.bytes.data);
  for (const int64_t r : rows) to = std::copy_n(tensor.bytes.data + static_cast<size_t>(r) * row, row, to);
  return result;
}

int64_t product(const std::vector<int64_t>& d, size_t begin, size_t end) {
  return std::accumulate(d.begin() + int64_t(begin), d.begin() + int64_t(end), int64_t(1), std::multiplies<>());
}

// How the channels of a map are read behind it: `anchors` times `width` values, parted at `borders`.
struct Reading {
  int64_t anchors = 1, width = 0;
  std::set<int64_t> borders;
  bool same = true;  // everybody reads it so
};

// Where the values of one anchor lie in a tensor.
struct Lane {
  size_t axis;
  int64_t extent;
  bool split;  // anchors and values are axes of their own, or the anchors went into another
};

void read_borders(const Graph& graph, const Node& node, const Lane& lane, const std::vector<int64_t>& from, Reading& reading) {
  const auto normal = [&](int64_t axis) { return axis < 0 ? axis + int64_t(from.size()) : axis; };
  if (is(node, "Split")) {
    if (normal(node.integer("axis", 0)) != int64_t(lane.axis)) return;
    int64_t at = 0;
    for (size_t i = 0; i + 1 < node.outputs.size(); ++i) {
      const ValueType& part = graph.value(node.outputs[i]).type;
      if (node.outputs[i] == none || !part.static_shape()) return;
      reading.borders.insert(at += part.dimensions()[lane.axis]);
    }
    return;
  }
  const Tensor *starts = graph.constant(node.input(1)), *ends = graph.constant(node.input(2)), *axes = graph.constant(node.input(3));
  if (!starts || !ends || (node.input(3) != none && !axes)) return;
  const std::vector<int64_t> first = to_int64s(*starts), end = to_int64s(*ends);
  std::vector<int64_t> along(first.size());
  std::iota(along.begin(), along.end(), 0);
  if (axes) along = to_int64s(*axes);
  for (size_t i = 0; i < first.size() && i < end.size() && i < along.size(); ++i) {
    if (normal(along[i]) != int64_t(lane.axis)) continue;
    for (int64_t border : {first[i], end[i]}) {
      if (border < 0) border += lane.extent;
      if (border > 0 && border < lane.extent) reading.borders.insert(border);
    }
  }
}

// Follows one map through what has the same numbers in another order, to where its channels are parted.
void follow(const Graph& graph, const Uses& uses, ValueId v, const Lane& lane, Reading& reading, int depth = 0) {
  if (depth > 32) return;
  static const std::set<std::string_view> elementwise = {"Sigmoid", "Mul", "Add", "Sub", "Div", "Exp", "Cast", "Identity"};
  const std::vector<int64_t> from = graph.value(v).type.dimensions();
  for (const NodeId n : uses.users[v]) {
    const Node& node = graph.nodes[n];
    if (node.outputs.empty() || node.outputs[0] == none || !graph.value(node.outputs[0]).type.static_shape()) continue;
    const ValueId out = node.outputs[0];
    const std::vector<int64_t> to = graph.value(out).type.dimensions();
    if (is(node, "Split") || is(node, "Slice")) {
      read_borders(graph, node, lane, from, reading);
    } else if (is(node, "Transpose")) {
      const std::vector<int64_t> order = node.integers("perm");
      const auto at = std::find(order.begin(), order.end(), int64_t(lane.axis));
      if (at != order.end()) follow(graph, uses, out, {size_t(at - order.begin()), lane.extent, lane.split}, reading, depth + 1);
    } else if (is(node, "Concat")) {
      const int64_t axis = node.integer("axis", 0);
      if ((axis < 0 ? axis + int64_t(from.size()) : axis) != int64_t(lane.axis)) follow(graph, uses, out, lane, reading, depth + 1);
    } else if (is(node, "Reshape") || is(node, "Flatten") || is(node, "Squeeze") || is(node, "Unsqueeze")) {
      const int64_t outer = product(from, 0, lane.axis);
      for (size_t j = 0; j < to.size(); ++j) {
        const int64_t before = product(to, 0, j);
        if (to[j] == lane.extent && before == outer) {
          follow(graph, uses, out, {j, lane.extent, lane.split}, reading, depth + 1);
          break;
        }
        // The channels become anchors, which may join what stands before them, and the values of each.
        if (lane.split || to[j] < 5 || before <= outer || before % outer != 0 || before / outer * to[j] != lane.extent) continue;
        const int64_t anchors = before / outer;
        if (reading.anchors != 1 && (reading.anchors != anchors || reading.width != to[j])) reading.same = false;
        reading.anchors = anchors, reading.width = to[j];
        follow(graph, uses, out, {j, to[j], true}, reading, depth + 1);
        break;
      }
    } else if (elementwise.contains(node.op_type) && to == from) {
      follow(graph, uses, out, lane, reading, depth + 1);
    }
  }
}

struct Part {
  std::string name;
  int64_t first, end;
};

// Boxes are four numbers; what is parted behind objectness and scores are coefficients of masks and the like. Empty: nothing tells what is what.
std::vector<Part> parts_of(const Reading& reading) {
  std::vector<Part> parts;
  if (reading.anchors > 1 || reading.borders.contains(4)) {
    if (reading.width < 5) return {};
    const auto rest = reading.borders.upper_bound(5);
    const int64_t scores_end = rest == reading.borders.end() ? reading.width : *rest;
    parts = {{"boxes", 0, 4}, {"scores", 4, scores_end}};
    if (scores_end < reading.width) parts.push_back({"coefficients", scores_end, reading.width});
    return parts;
  }
  if (reading.borders.empty() || reading.borders.size() > 3) return {};
  int64_t first = 0;
  std::vector<int64_t> ends(reading.borders.begin(), reading.borders.end());
  ends.push_back(reading.width);
  for (const int64_t end : ends) parts.push_back({"part" + std::to_string(parts.size() + 1), first, end}), first = end;
  return parts;
}

// The convolution becomes one for each part; `out` is put together from them behind.
void part(Graph& graph, NodeId n, const Reading& reading, const std::vector<Part>& parts) {
  const Node convolution = graph.nodes[n];  // copies: adding nodes and values moves them
  const ValueId out = convolution.outputs[0];
  const ValueType type = graph.value(out).type;
  const std::vector<int64_t> map = type.dimensions();
  const Tensor weights = *graph.constant(convolution.input(1));
  graph.nodes[n].op_type.clear();
  graph.nodes[n].outputs.clear();
  const auto reshape = [&](ValueId from, const std::string& name, const std::vector<int64_t>& shape, ValueId to) {
    const ValueId table = graph.add_constant(name + ".shape", Tensor::of<int64_t>(DataType::int64, {int64_t(shape.size())}, shape));
    if (to == none) to = graph.add_value(name, {ValueKind::tensor, type.element, Shape(shape.begin(), shape.end())});
    graph.add_node("Reshape", {from, table}, {to}, graph.fresh_node_name(name));
    return to;
  };
  std::vector<ValueId> pieces;
  for (const Part& p : parts) {
    std::vector<int64_t> rows;
    for (int64_t a = 0; a < reading.anchors; ++a)
      for (int64_t v = p.first; v < p.end; ++v) rows.push_back(a * reading.width + v);
    const std::string suffix = "." + p.name;
    std::vector<ValueId> inputs = {convolution.input(0), graph.add_constant(graph.value(convolution.input(1)).name + suffix, rows_of(weights, rows))};
    if (convolution.input(2) != none) {
      const Tensor bias = *graph.constant(convolution.input(2));
      inputs.push_back(graph.add_constant(graph.value(convolution.input(2)).name + suffix, rows_of(bias, rows)));
    }
    const ValueId piece =
        graph.add_value(graph.value(out).name + suffix, {ValueKind::tensor, type.element, Shape{map[0], int64_t(rows.size()), map[2], map[3]}});
    graph.add_node("Conv", inputs, {piece}, graph.fresh_node_name(convolution.name + suffix)).attributes = convolution.attributes;
    pieces.push_back(reading.anchors == 1
                         ? piece
                         : reshape(piece, graph.value(piece).name + ".cells", {map[0], reading.anchors, p.end - p.first, map[2], map[3]}, none));
  }
  ValueId joined = out;
  if (reading.anchors > 1)
    joined = graph.add_value(graph.value(out).name + ".cells",
                             {ValueKind::tensor, type.element, Shape{map[0], reading.anchors, reading.width, map[2], map[3]}});
  graph.add_node("Concat", pieces, {joined}, graph.fresh_node_name(convolution.name + ".join")).attributes["axis"].value =
      int64_t(reading.anchors > 1 ? 2 : 1);
  if (joined != out) reshape(joined, graph.value(out).name + ".whole", map, out);
}

}  // namespace

bool separate_boxes(Graph& graph) {
  const HeadCut head = find_detection_head(graph);
  std::map<std::pair<int64_t, int64_t>, std::vector<ValueId>> scales;
  for (const ValueId v : head.tensors) {
    const std::vector<int64_t> d = graph.value(v).type.dimensions();
    scales[{d[2], d[3]}].push_back(v);
  }
  const Uses uses(graph);
  // Where transformers decode, no channel is a box yet.
  for (NodeId n = 0; n < head.tail.size(); ++n)
    if (head.tail[n] && (is(graph.nodes[n], "MatMul") || is(graph.nodes[n], "Gemm"))) return false;
  bool changed = false;
  for (const auto& [places, tensors] : scales) {
    const NodeId n = uses.producer[tensors.front()];
    const Node& node = graph.nodes[n];
    if (tensors.size() != 1 || uses.output[tensors.front()]) continue;  // several a scale: boxes have their own
    if (node.integer("group", 1) != 1 || !graph.constant(node.input(1)) || (node.input(2) != none && !graph.constant(node.input(2)))) continue;
    Reading reading;
    reading.width = graph.value(tensors.front()).type.dimensions()[1];
    follow(graph, uses, tensors.front(), {1, reading.width, false}, reading);
    const std::vector<Part> parts = parts_of(reading);
    if (parts.empty() || !reading.same) continue;
    part(graph, n, reading, parts);
    changed = true;
  }
  if (changed) compact(graph);
  return changed;
}

namespace {

// [K, C], in whatever rank, of a constant that products over channels take; nullopt: it varies along other axes too.
std::optional<Tensor> matrix_of(const Graph& graph, ValueId v, bool transposed) {
  const Tensor* tensor = graph.constant(v);
  if (!tensor || tensor->type != DataType::float32 || tensor->dimensions.size() < 2) return std::nullopt;
  const std::vector<int64_t>& d = tensor->dimensions;
  if (product(d, 0, d.size() - 2) != 1) return std::nullopt;
  const int64_t rows = d[d.size() - 2], columns = d.back();
  Tensor result = Tensor::allocate(DataType::float32, {transposed ? columns : rows, transposed ? rows : columns, 1, 1});
  const std::span<const float> from = tensor->as<float>();
  const std::span<float> to = result.as_mutable<float>();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) to[size_t(transposed ? c * rows + r : r * columns + c)] = from[size_t(r * columns + c)];
  return result;
}

// A product over the channels of a map [1, C, h, w]: the map, and the weights [K, C, 1, 1].
struct ChannelProduct {
  ValueId map = none;
  Tensor weights;
  bool rows = false;  // it yields [1, h w, K] instead of [1, K, h w]
};

std::optional<ChannelProduct> channel_product(const Graph& graph, const Uses& uses, const Node& node) {
  const auto map_shape = [&](ValueId v) -> std::optional<std::vector<int64_t>> {
    if (v == none || !graph.value(v).type.static_shape() || graph.value(v).type.shape->size() != 4) return std::nullopt;
    std::vector<int64_t> d = graph.value(v).type.dimensions();
    return d[0] == 1 ? std::optional(d) : std::nullopt;
  };
  if (is(node, "Einsum") && node.inputs.size() == 2) {
    std::string equation = node.text("equation", "");
    std::erase(equation, ' ');
    const auto map = map_shape(node.inputs[0]);
    // bchw,bkc->bkhw, by whatever letters
    if (!map || equation.size() != 14 || equation.substr(4, 2) != std::string(",") + equation[0] || equation[7] != equation[1] ||
        equation.substr(8) != std::string("->") + equation[0] + equation[6] + equation[2] + equation[3])
      return std::nullopt;
    auto weights = matrix_of(graph, node.inputs[1], false);
    if (!weights || weights->dimensions[1] != (*map)[1]) return std::nullopt;
    return ChannelProduct{node.inputs[0], std::move(*weights), false};
  }
  if (!is(node, "MatMul")) return std::nullopt;
  for (const bool rows : {false, true}) {
    ValueId v = node.inputs[rows ? 0 : 1];
    const auto maker = [&] { return v == none || uses.producer[v] == none ? nullptr : &graph.nodes[uses.producer[v]]; };
    const Node* before = maker();
    if (rows) {
      if (!before || !is(*before, "Transpose") || before->integers("perm") != std::vector<int64_t>{0, 2, 1}) continue;
      v = before->inputs[0];
      before = maker();
    }
    if (!before || !is(*before, "Reshape")) continue;
    const auto map = map_shape(before->inputs[0]);
    const ValueType& flat = graph.value(v).type;
    if (!map || !flat.static_shape() || flat.dimensions() != std::vector<int64_t>{1, (*map)[1], (*map)[2] * (*map)[3]}) continue;
    auto weights = matrix_of(graph, node.inputs[rows ? 1 : 0], rows);
    if (weights && weights->dimensions[1] == (*map)[1]) return ChannelProduct{before->inputs[0], std::move(*weights), rows};
  }
  return std::nullopt;
}

}  // namespace

bool convolve_channel_products(Graph& graph) {
  const Uses uses(graph);
  bool changed = false;
  const size_t count = graph.nodes.size();
  for (NodeId n = 0; n < count; ++n) {
    std::optional<ChannelProduct> found = channel_product(graph, uses, graph.nodes[n]);
    if (!found) continue;
    const std::string name = graph.nodes[n].name;
    const ValueId out = graph.nodes[n].outputs[0];
    const ValueType type = graph.value(out).type;
    const std::vector<int64_t> map = graph.value(found->map).type.dimensions();
    const int64_t channels = found->weights.dimensions[0];
    const std::vector<ValueId> inputs = {found->map, graph.add_constant(name + ".weights", std::move(found->weights))};
    changed = true;
    if (graph.nodes[n].op_type == "Einsum") {
      graph.nodes[n].op_type = "Conv";
      graph.nodes[n].inputs = inputs;
      graph.nodes[n].attributes.clear();
      continue;
    }
    const ValueId maps = graph.add_value(name + ".map", {ValueKind::tensor, type.element, Shape{1, channels, map[2], map[3]}});
    graph.add_node("Conv", inputs, {maps}, graph.fresh_node_name(name + ".Conv"));
    const std::vector<int64_t> flat = {1, channels, map[2] * map[3]};
    const ValueId table = graph.add_constant(name + ".flat", Tensor::of<int64_t>(DataType::int64, {3}, flat));
    Node& node = graph.nodes[n];
    node.attributes.clear();
    if (!found->rows) {
      node.op_type = "Reshape", node.inputs = {maps, table};
      continue;
    }
    node.op_type = "Transpose";
    node.attributes["perm"].value = std::vector<int64_t>{0, 2, 1};
    const ValueId columns = graph.add_value(name + ".columns", {ValueKind::tensor, type.element, Shape(flat.begin(), flat.end())});
    graph.nodes[n].inputs = {columns};
    graph.add_node("Reshape", {maps, table}, {columns}, graph.fresh_node_name(name + ".Reshape"));
  }
  if (changed) compact(graph);
  return changed;
}

}  // namespace lathe
