// See detection_head.hpp.
#include "core/passes/detection_head.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "core/base/diagnostic.hpp"
#include "core/passes/rewrite.hpp"

namespace lathe {
namespace {

bool is(const Node& node, std::string_view op_type) { return node.op_type == op_type && node.domain.empty(); }

// 0, s, 2s, ...: the places that the mean of a distribution over distances is taken of (Li et al., "Generalized Focal Loss", 2020). Exported heads
// have them as the weights of a convolution or of a product; nothing in them was learned.
bool are_places(const Tensor& tensor) {
  const auto values = to_doubles(tensor);
  if (!values || values->size() < 2 || values->size() > 256) return false;
  const double step = (*values)[1];
  for (size_t i = 0; i < values->size(); ++i)
    if (std::abs((*values)[i] - step * double(i)) > 1e-6 * std::abs(step) * double(i + 1)) return false;
  return step > 0;
}

bool learned(const Graph& graph, const Node& node) {
  if (node.domain == "com.microsoft") return node.op_type.find("Conv") != std::string::npos || node.op_type.find("MatMul") != std::string::npos;
  if (!node.domain.empty()) return true;  // whatever it may be
  static const std::set<std::string_view> always = {"Conv", "ConvTranspose", "ConvInteger", "DeformConv", "Gemm",         "GRU",
                                                    "LSTM", "RNN",           "QLinearConv", "Attention",  "QLinearMatMul"};
  const bool product = is(node, "MatMul") || is(node, "Einsum");
  if (!product && always.find(node.op_type) == always.end()) return false;
  bool constants = false, places = false;
  for (const ValueId v : node.inputs)
    if (const Tensor* tensor = graph.constant(v)) constants = true, places = places || are_places(*tensor);
  return !places && (constants || !product);
}

// Height and width of a value [N, C, H, W]; {0, 0} for others.
std::pair<int64_t, int64_t> places_of(const Graph& graph, ValueId v) {
  const ValueType& type = graph.value(v).type;
  if (!type.static_shape() || type.shape->size() != 4) return {0, 0};
  return {(*type.shape)[2].value, (*type.shape)[3].value};
}

// All nodes that use one of these values, directly or by way of others.
std::vector<bool> nodes_behind(const Graph& graph, const Uses& uses, const std::vector<ValueId>& values) {
  std::vector<bool> behind(graph.nodes.size());
  std::vector<ValueId> open = values;
  while (!open.empty()) {
    const ValueId v = open.back();
    open.pop_back();
    for (const NodeId n : uses.users[v]) {
      if (behind[n]) continue;
      behind[n] = true;
      for (const ValueId out : graph.nodes[n].outputs)
        if (out != none) open.push_back(out);
    }
  }
  return behind;
}

// Nodes that depend on no input of the graph and that only the tail uses belong to it.
void take_in_constants(const Graph& graph, const Uses& uses, std::vector<bool>& tail) {
  std::vector<bool> fed(graph.values.size());
  for (const ValueId v : graph.inputs) fed[v] = true;
  for (const Node& node : graph.nodes) {
    const bool any = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId v) { return v != none && fed[v]; });
    for (const ValueId v : node.outputs)
      if (v != none) fed[v] = any || !subgraphs(node).empty();
  }
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    if (tail[n]) continue;
    const auto only_there = [&](ValueId v) {
      return v == none || (!fed[v] && !uses.output[v] && std::all_of(uses.users[v].begin(), uses.users[v].end(), [&](NodeId u) { return tail[u]; }));
    };
    const std::vector<ValueId>& outputs = graph.nodes[n].outputs;
    tail[n] = !outputs.empty() && std::all_of(outputs.begin(), outputs.end(), only_there);
  }
}

HeadCut no_cut(std::string reason) {
  HeadCut cut;
  cut.reason = std::move(reason);
  return cut;
}

}  // namespace

HeadCut find_detection_head(const Graph& graph) {
  const Uses uses(graph);
  // Last learned nodes, and for every node which of them it depends on with nothing learned between.
  std::vector<bool> followed(graph.nodes.size());
  for (size_t n = graph.nodes.size(); n-- > 0;)
    for (const ValueId v : graph.nodes[n].outputs)
      if (v != none)
        for (const NodeId user : uses.users[v]) followed[n] = followed[n] || followed[user] || learned(graph, graph.nodes[user]);
  std::vector<std::set<NodeId>> last_of(graph.nodes.size());
  std::set<NodeId> joined;
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (learned(graph, node)) {
      if (!followed[n]) last_of[n] = {n};
      continue;
    }
    for (const ValueId v : node.inputs)
      if (v != none && uses.producer[v] != none) last_of[n].insert(last_of[uses.producer[v]].begin(), last_of[uses.producer[v]].end());
    if (!is(node, "Concat")) continue;
    std::set<std::pair<int64_t, int64_t>> scales;
    for (const NodeId last : last_of[n]) {
      const auto places = places_of(graph, graph.nodes[last].outputs[0]);
      if (graph.nodes[last].op_type == "Conv" && places.first > 0) scales.insert(places);
    }
    if (scales.size() >= 2) joined.insert(last_of[n].begin(), last_of[n].end());
  }
  if (joined.empty()) return no_cut("no convolutions of several scales are joined at its end");

  HeadCut cut;
  for (const NodeId n : joined) {
    const Node& node = graph.nodes[n];
    if (!is(node, "Conv") || places_of(graph, node.outputs[0]).first == 0)
      return no_cut("its last layers are no convolutions alone: '" + node.name + "' (" + node.op_type + ")");
    cut.tensors.push_back(node.outputs[0]);
  }
  cut.tail = nodes_behind(graph, uses, cut.tensors);
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    if (!cut.tail[n]) continue;
    if (is(graph.nodes[n], "Resize")) return no_cut("the results of its scales are brought to one size ('" + graph.nodes[n].name + "')");
    if (learned(graph, graph.nodes[n])) return no_cut("its joined results are used by a layer ('" + graph.nodes[n].name + "')");
  }
  take_in_constants(graph, uses, cut.tail);
  // Nodes were met in their order, which stays within a scale.
  std::vector<std::pair<int64_t, size_t>> order;
  for (size_t i = 0; i < cut.tensors.size(); ++i) {
    const auto [height, width] = places_of(graph, cut.tensors[i]);
    order.emplace_back(-height * width, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<ValueId> sorted;
  for (const auto& [places, i] : order) sorted.push_back(cut.tensors[i]);
  cut.tensors = std::move(sorted);
  return cut;
}

HeadCut cut_head_at(const Graph& graph, const std::vector<std::string>& names) {
  HeadCut cut;
  std::vector<std::string> known;
  std::map<std::string_view, ValueId> values;
  for (const Node& node : graph.nodes) {
    if (node.outputs.empty() || node.outputs[0] == none) continue;
    values.emplace(node.name, node.outputs[0]);
    known.push_back(node.name);
  }
  for (const Node& node : graph.nodes)
    for (const ValueId v : node.outputs)
      if (v != none) values[graph.value(v).name] = v, known.push_back(graph.value(v).name);
  std::vector<Diagnostic> problems;
  for (const std::string& name : names) {
    const auto found = values.find(name);
    if (found != values.end()) {
      if (std::find(cut.tensors.begin(), cut.tensors.end(), found->second) == cut.tensors.end()) cut.tensors.push_back(found->second);
      continue;
    }
    Diagnostic d;
    d.text = "head-cut: the model has no tensor or node '" + name + "' after its passes" + did_you_mean(name, known);
    d.hint = "--dump-after all prints the graph";
    problems.push_back(std::move(d));
  }
  if (!problems.empty()) throw Error(Code::usage, std::move(problems));
  const Uses uses(graph);
  cut.tail = nodes_behind(graph, uses, cut.tensors);
  if (std::find(cut.tail.begin(), cut.tail.end(), true) == cut.tail.end())
    throw Error(Code::usage, "head-cut: nothing stands behind the named tensors", "leave the option out, or write head-cut=off");
  take_in_constants(graph, uses, cut.tail);
  std::erase_if(cut.tensors, [&](ValueId v) { return cut.tail[uses.producer[v]]; });  // one that lies behind another
  return cut;
}

namespace {

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

// [1, A V, h, w] -> [1, A, V, h, w] by the convolution's only user; {0, 0}: it is no such head.
std::pair<int64_t, int64_t> anchors_of(const Graph& graph, const Uses& uses, const Node& convolution) {
  const ValueId out = convolution.outputs[0];
  if (uses.users[out].size() != 1 || uses.output[out]) return {0, 0};
  const Node& user = graph.nodes[uses.users[out][0]];
  if (!is(user, "Reshape") || user.outputs.empty() || user.outputs[0] == none) return {0, 0};
  const ValueType &from = graph.value(out).type, &to = graph.value(user.outputs[0]).type;
  if (!from.static_shape() || !to.static_shape() || from.shape->size() != 4 || to.shape->size() != 5) return {0, 0};
  const std::vector<int64_t> f = from.dimensions(), t = to.dimensions();
  if (t[0] != f[0] || t[1] < 1 || t[2] < 6 || t[1] * t[2] != f[1] || t[3] != f[2] || t[4] != f[3]) return {0, 0};
  return {t[1], t[2]};
}

}  // namespace

bool separate_anchor_boxes(Graph& graph) {
  const HeadCut head = find_detection_head(graph);
  std::set<std::pair<int64_t, int64_t>> scales;
  for (const ValueId v : head.tensors) scales.insert(places_of(graph, v));
  if (head.tensors.empty() || scales.size() != head.tensors.size()) return false;  // several a scale: boxes have their own
  const Uses uses(graph);
  std::vector<NodeId> convolutions;
  for (const ValueId v : head.tensors) {
    const NodeId n = uses.producer[v];
    const Node& node = graph.nodes[n];
    if (anchors_of(graph, uses, node).first == 0 || node.integer("group", 1) != 1 || !graph.constant(node.input(1)) ||
        (node.input(2) != none && !graph.constant(node.input(2))))
      return false;
    convolutions.push_back(n);
  }
  for (const NodeId n : convolutions) {
    const Node convolution = graph.nodes[n];  // copies: adding nodes and values moves them
    const auto [anchors, width] = anchors_of(graph, uses, convolution);
    const ValueId out = convolution.outputs[0];
    const NodeId reshape = uses.users[out][0];
    const ValueId cells = graph.nodes[reshape].outputs[0];
    const std::vector<int64_t> map = graph.value(out).type.dimensions();
    const Tensor weights = *graph.constant(convolution.input(1));
    std::vector<ValueId> parts;
    for (const auto& [what, first, end] : {std::tuple{"boxes", int64_t(0), int64_t(4)}, std::tuple{"scores", int64_t(4), width}}) {
      std::vector<int64_t> rows;
      for (int64_t a = 0; a < anchors; ++a)
        for (int64_t v = first; v < end; ++v) rows.push_back(a * width + v);
      const std::string suffix = std::string(".") + what;
      std::vector<ValueId> inputs = {convolution.input(0),
                                     graph.add_constant(graph.value(convolution.input(1)).name + suffix, rows_of(weights, rows))};
      if (convolution.input(2) != none) {
        const Tensor bias = *graph.constant(convolution.input(2));
        inputs.push_back(graph.add_constant(graph.value(convolution.input(2)).name + suffix, rows_of(bias, rows)));
      }
      ValueType type = graph.value(out).type;
      (*type.shape)[1] = static_cast<int64_t>(rows.size());
      const ValueId part = graph.add_value(graph.value(out).name + suffix, type);
      graph.add_node("Conv", inputs, {part}, graph.fresh_node_name(convolution.name + suffix)).attributes = convolution.attributes;
      const std::vector<int64_t> shape = {map[0], anchors, end - first, map[2], map[3]};
      const ValueId table =
          graph.add_constant(graph.value(out).name + suffix + ".shape", Tensor::of<int64_t>(DataType::int64, {int64_t(shape.size())}, shape));
      const ValueId piece = graph.add_value(graph.value(cells).name + suffix, {ValueKind::tensor, type.element, Shape(shape.begin(), shape.end())});
      graph.add_node("Reshape", {part, table}, {piece}, graph.fresh_node_name(graph.nodes[reshape].name + suffix));
      parts.push_back(piece);
    }
    graph.nodes[reshape].op_type.clear();
    graph.nodes[n].op_type.clear();
    graph.nodes[reshape].outputs.clear();
    graph.nodes[n].outputs.clear();
    graph.add_node("Concat", parts, {cells}, graph.fresh_node_name(graph.nodes[reshape].name + ".join")).attributes["axis"].value = int64_t(2);
  }
  compact(graph);
  return true;
}

}  // namespace lathe
