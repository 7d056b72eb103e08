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

using Places = std::pair<int64_t, int64_t>;  // height and width

// Of a value [N, C, H, W]; {0, 0} for others.
Places places_of(const Graph& graph, ValueId v) {
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

// What the search goes by, per node: the last learned nodes that it derives from with nothing learned between, and what happened on the way.
struct Origins {
  std::vector<std::set<NodeId>> last;
  std::vector<bool> rearranged;  // joined, or given another shape or order of axes
  std::vector<bool> gathered;    // pooled or resized: its places are no longer those of the convolutions

  Origins(const Graph& graph, const Uses& uses);

  // The sizes of the maps that it derives from; empty when not all of `last` are convolutions with maps.
  std::set<Places> scales(const Graph& graph, NodeId n) const;
};

Origins::Origins(const Graph& graph, const Uses& uses) : last(graph.nodes.size()), rearranged(last.size()), gathered(last.size()) {
  std::vector<bool> followed(graph.nodes.size());
  for (size_t n = graph.nodes.size(); n-- > 0;)
    for (const ValueId v : graph.nodes[n].outputs)
      if (v != none)
        for (const NodeId user : uses.users[v]) followed[n] = followed[n] || followed[user] || learned(graph, graph.nodes[user]);
  static const std::set<std::string_view> rearranging = {"Concat", "Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"};
  static const std::set<std::string_view> gathering = {"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "Resize"};
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (learned(graph, node)) {
      if (!followed[n]) last[n] = {n};
      continue;
    }
    rearranged[n] = rearranging.contains(node.op_type);
    gathered[n] = gathering.contains(node.op_type);
    for (const ValueId v : node.inputs) {
      if (v == none || uses.producer[v] == none) continue;
      const NodeId before = uses.producer[v];
      last[n].insert(last[before].begin(), last[before].end());
      rearranged[n] = rearranged[n] || rearranged[before];
      gathered[n] = gathered[n] || gathered[before];
    }
  }
}

std::set<Places> Origins::scales(const Graph& graph, NodeId n) const {
  std::set<Places> found;
  for (const NodeId layer : last[n]) {
    const Places places = places_of(graph, graph.nodes[layer].outputs[0]);
    if (!is(graph.nodes[layer], "Conv") || places.first == 0) return {};
    found.insert(places);
  }
  return found;
}

// The last layers whose results of several scales are joined.
std::set<NodeId> joined_scales(const Graph& graph, const Origins& origins) {
  std::set<NodeId> joined;
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    if (!is(graph.nodes[n], "Concat")) continue;
    std::set<Places> scales;
    for (const NodeId last : origins.last[n]) {
      const Places places = places_of(graph, graph.nodes[last].outputs[0]);
      if (is(graph.nodes[last], "Conv") && places.first > 0) scales.insert(places);
    }
    if (scales.size() >= 2) joined.insert(origins.last[n].begin(), origins.last[n].end());
  }
  return joined;
}

// The convolutions whose results leave the graph joined or in another form, each output from those of one scale. Maps that leave it as they are
// (prototypes, features) are no part of a head.
std::set<NodeId> rearranged_outputs(const Graph& graph, const Uses& uses, const Origins& origins) {
  std::set<NodeId> layers;
  for (const ValueId v : graph.outputs) {
    const NodeId n = uses.producer[v];
    if (n == none || !origins.rearranged[n] || origins.gathered[n] || origins.scales(graph, n).size() != 1) continue;
    layers.insert(origins.last[n].begin(), origins.last[n].end());
  }
  return layers;
}

// A number for each place of a map, such as the places themselves or the sizes of anchors: what boxes are decoded with.
bool is_grid(const Tensor* tensor, const Places& places) {
  if (!tensor || tensor->size() < places.first * places.second) return false;
  const std::vector<int64_t>& d = tensor->dimensions;
  const auto has = [&](int64_t extent) { return std::find(d.begin(), d.end(), extent) != d.end(); };
  return std::any_of(d.begin(), d.end(), [&](int64_t extent) { return extent % (places.first * places.second) == 0; }) ||
         (has(places.first) && has(places.second));
}

// A head of one scale has no join to be known by; that its boxes are decoded in the graph, or chosen from, is.
std::set<NodeId> decoded_scale(const Graph& graph, const Uses& uses, const Origins& origins) {
  std::set<NodeId> layers;
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const std::set<Places> scales = origins.scales(graph, n);
    if (learned(graph, node) || origins.gathered[n] || scales.size() != 1 || scales.begin()->first * scales.begin()->second < 4) continue;
    const bool arithmetic = is(node, "Add") || is(node, "Sub") || is(node, "Mul") || is(node, "Div");
    const bool decodes = arithmetic && origins.rearranged[n] &&
                         std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId v) { return is_grid(graph.constant(v), *scales.begin()); });
    if (decodes || is(node, "TopK") || is(node, "NonMaxSuppression")) layers.insert(origins.last[n].begin(), origins.last[n].end());
  }
  if (layers.empty()) return layers;
  const Places places = places_of(graph, graph.nodes[*layers.begin()].outputs[0]);
  // What is joined with the boxes, and scores that leave on their own.
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    if (!is(graph.nodes[n], "Concat")) continue;
    const std::set<NodeId>& last = origins.last[n];
    if (std::any_of(layers.begin(), layers.end(), [&](NodeId layer) { return last.contains(layer); })) layers.insert(last.begin(), last.end());
  }
  for (const NodeId n : rearranged_outputs(graph, uses, origins))
    if (places_of(graph, graph.nodes[n].outputs[0]) == places) layers.insert(n);
  return layers;
}

// The convolution whose map `v` holds, in whatever shape; none.
NodeId map_of(const Graph& graph, const Uses& uses, ValueId v) {
  static const std::set<std::string_view> turning = {"Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"};
  while (v != none && uses.producer[v] != none) {
    const Node& node = graph.nodes[uses.producer[v]];
    if (is(node, "Conv")) return places_of(graph, node.outputs[0]).first > 0 ? uses.producer[v] : none;
    if (!turning.contains(node.op_type)) return none;
    v = node.input(0);
  }
  return none;
}

// Transformers that decode (Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", 2023) join the maps of all scales into rows, choose
// rows by TopK and sample the maps where those look: chips neither choose nor sample. The convolutions before the rows; empty: this is none.
std::set<NodeId> before_selection(const Graph& graph, const Uses& uses) {
  for (const Node& node : graph.nodes) {
    if (!is(node, "Concat")) continue;
    std::set<NodeId> layers;
    std::set<Places> scales;
    for (const ValueId v : node.inputs) {
      const NodeId layer = map_of(graph, uses, v);
      if (layer == none) break;
      layers.insert(layer);
      scales.insert(places_of(graph, graph.nodes[layer].outputs[0]));
    }
    const ValueType& rows = graph.value(node.outputs[0]).type;
    if (layers.size() != node.inputs.size() || scales.size() < 2 || !rows.shape || rows.shape->size() != 3) continue;
    std::vector<ValueId> maps;
    for (const NodeId layer : layers) maps.push_back(graph.nodes[layer].outputs[0]);
    const std::vector<bool> behind = nodes_behind(graph, uses, maps);
    bool selects = false, multiplies = false, convolves = false;
    for (NodeId n = 0; n < graph.nodes.size(); ++n) {
      if (!behind[n]) continue;
      const Node& later = graph.nodes[n];
      selects = selects || is(later, "TopK");
      const bool weighed = learned(graph, later), convolution = is(later, "Conv") || is(later, "ConvTranspose");
      multiplies = multiplies || (weighed && !convolution);
      convolves = convolves || (weighed && convolution);
    }
    if (selects && multiplies && !convolves) return layers;
  }
  return {};
}

}  // namespace

HeadCut find_detection_head(const Graph& graph) {
  const Uses uses(graph);
  const Origins origins(graph, uses);
  const std::set<NodeId> before_decoder = before_selection(graph, uses);
  std::set<NodeId> layers = before_decoder;
  if (layers.empty()) layers = joined_scales(graph, origins);
  if (layers.empty()) {
    const std::set<NodeId> apart = rearranged_outputs(graph, uses, origins);
    std::set<Places> scales;
    for (const NodeId n : apart) scales.insert(places_of(graph, graph.nodes[n].outputs[0]));
    if (scales.size() >= 2) layers = apart;
  }
  if (layers.empty()) layers = decoded_scale(graph, uses, origins);
  if (layers.empty()) return no_cut("nothing behind its last layers joins scales or decodes boxes");

  HeadCut cut;
  for (const NodeId n : layers) {
    const Node& node = graph.nodes[n];
    if (!is(node, "Conv") || places_of(graph, node.outputs[0]).first == 0)
      return no_cut("its last layers are no convolutions alone: '" + node.name + "' (" + node.op_type + ")");
    cut.tensors.push_back(node.outputs[0]);
  }
  cut.tail = nodes_behind(graph, uses, cut.tensors);
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    if (!cut.tail[n] || !before_decoder.empty()) continue;
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

}  // namespace lathe
