// Kahn's algorithm (Topological sorting of large networks, CACM 1962), smallest index first so that a sorted file keeps its order.
#include "order.hpp"

#include <algorithm>
#include <functional>
#include <queue>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace lathe::onnx_plugin {
namespace {

using NameSet = std::unordered_set<std::string_view>;

template <class Visit>
void for_each_subgraph(const onnx::NodeProto& node, const Visit& visit) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g()) visit(attribute.g());
    for (const onnx::GraphProto& graph : attribute.graphs()) visit(graph);
  }
}

// Names that `graph` uses and does not define. Depth is bounded by the parser's recursion limit.
void collect_free_names(const onnx::GraphProto& graph, NameSet& free) {
  NameSet defined;
  for (const auto& input : graph.input()) defined.insert(input.name());
  for (const auto& tensor : graph.initializer()) defined.insert(tensor.name());
  for (const auto& tensor : graph.sparse_initializer()) defined.insert(tensor.values().name());
  for (const auto& node : graph.node()) defined.insert(node.output().begin(), node.output().end());
  NameSet used;
  for (const auto& node : graph.node()) {
    used.insert(node.input().begin(), node.input().end());
    for_each_subgraph(node, [&](const onnx::GraphProto& body) { collect_free_names(body, used); });
  }
  for (const auto& output : graph.output()) used.insert(output.name());
  for (const std::string_view name : used)
    if (!defined.count(name)) free.insert(name);
}

// Every node left has a node left before it, so walking backwards must come round.
std::vector<int> find_cycle(const std::vector<std::vector<int>>& before, const std::vector<int>& waiting) {
  const auto first = std::find_if(waiting.begin(), waiting.end(), [](int n) { return n > 0; });
  std::vector<int> path;
  std::unordered_map<int, size_t> seen;
  int at = static_cast<int>(first - waiting.begin());
  while (seen.emplace(at, path.size()).second) {
    path.push_back(at);
    const auto& sources = before[static_cast<size_t>(at)];
    at = *std::find_if(sources.begin(), sources.end(), [&](int n) { return waiting[static_cast<size_t>(n)] > 0; });
  }
  path.erase(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(seen[at]));
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace

NodeOrder topological_order(const Nodes& nodes) {
  const auto count = static_cast<size_t>(nodes.size());
  std::unordered_map<std::string_view, int> producer;
  for (int i = 0; i < nodes.size(); ++i)
    for (const std::string& name : nodes.Get(i).output())
      if (!name.empty()) producer.emplace(name, i);

  std::vector<std::vector<int>> before(count), after(count);
  for (int i = 0; i < nodes.size(); ++i) {
    const onnx::NodeProto& node = nodes.Get(i);
    NameSet used(node.input().begin(), node.input().end());
    for_each_subgraph(node, [&](const onnx::GraphProto& body) { collect_free_names(body, used); });
    for (const std::string_view name : used) {
      const auto found = producer.find(name);
      if (found == producer.end()) continue;
      before[static_cast<size_t>(i)].push_back(found->second);
      after[static_cast<size_t>(found->second)].push_back(i);
    }
  }

  NodeOrder result;
  std::vector<int> waiting(count);
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (size_t i = 0; i < count; ++i) {
    waiting[i] = static_cast<int>(before[i].size());
    if (waiting[i] == 0) ready.push(static_cast<int>(i));
  }
  while (!ready.empty()) {
    const int node = ready.top();
    ready.pop();
    result.order.push_back(node);
    for (const int next : after[static_cast<size_t>(node)])
      if (--waiting[static_cast<size_t>(next)] == 0) ready.push(next);
  }
  if (result.order.size() != count) result.cycle = find_cycle(before, waiting);
  return result;
}

}  // namespace lathe::onnx_plugin
