// Value numbering: one walk forwards with a hash table of the nodes seen so far.
#include "core/passes/eliminate_common_subexpressions.hpp"

#include <unordered_map>

#include "core/ir/compare.hpp"
#include "core/ops/operator.hpp"
#include "core/passes/rewrite.hpp"

namespace lathe {
namespace {

// Larger constants are merged only when they share their bytes: reading gigabytes to find a duplicate costs more than it saves.
constexpr uint64_t compared_bytes = 1 << 20;

size_t mix(size_t seed, size_t value) { return seed ^ (value + 0x9e3779b97f4a7c15ULL + (seed << 6) + (seed >> 2)); }

size_t hash_node(const Node& node) {
  size_t seed = mix(std::hash<std::string>()(node.op_type), std::hash<std::string>()(node.domain));
  for (const ValueId v : node.inputs) seed = mix(seed, v);
  for (const auto& [name, attribute] : node.attributes) seed = mix(mix(seed, std::hash<std::string>()(name)), hash(attribute));
  return seed;
}

bool equal(const Node& a, const Node& b) {
  if (a.op_type != b.op_type || a.domain != b.domain || a.inputs != b.inputs || a.attributes.size() != b.attributes.size()) return false;
  for (auto p = a.attributes.begin(), q = b.attributes.begin(); p != a.attributes.end(); ++p, ++q) {
    if (p->first != q->first || !same(p->second, q->second)) return false;
  }
  return true;
}

bool deterministic(const Graph& graph);

// Control flow and SequenceMap compute what their graphs compute.
bool mergeable(const Node& node) {
  const Operator* op = find_operator(node.domain, node.op_type);
  if (!op || !op->deterministic) return false;
  const auto inner = subgraphs(node);
  return std::all_of(inner.begin(), inner.end(), [](const Graph* graph) { return deterministic(*graph); });
}

bool deterministic(const Graph& graph) { return std::all_of(graph.nodes.begin(), graph.nodes.end(), mergeable); }

// Lets the outputs of `kept` stand for those of `node`.
bool merge(Node& kept, const Node& node, Replacements& replacements) {
  for (size_t i = 0; i < std::min(node.outputs.size(), kept.outputs.size()); ++i) {
    const ValueId from = node.outputs[i], to = kept.outputs[i];
    if (from != none && to != none && !replacements.can_replace(from, to)) return false;
  }
  if (kept.outputs.size() < node.outputs.size()) kept.outputs.resize(node.outputs.size(), none);
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == none) continue;
    if (kept.outputs[i] == none) {
      kept.outputs[i] = node.outputs[i];
    } else {
      replacements.replace(node.outputs[i], kept.outputs[i]);
    }
  }
  return true;
}

bool merge_constants(const Graph& graph, Replacements& replacements) {
  std::unordered_multimap<size_t, ValueId> seen;
  bool changed = false;
  for (ValueId v = 0; v < graph.values.size(); ++v) {
    const Tensor* tensor = graph.constant(v);
    if (!tensor) continue;
    const bool small = tensor->bytes.size <= compared_bytes;
    const size_t key = small ? hash(*tensor) : reinterpret_cast<uintptr_t>(tensor->bytes.data);
    const auto [first, last] = seen.equal_range(key);
    const auto found = std::find_if(first, last, [&](const auto& entry) {
      const Tensor& other = *graph.constant(entry.second);
      return small ? other == *tensor
                   : other.bytes.data == tensor->bytes.data && other.bytes.size == tensor->bytes.size && other.type == tensor->type &&
                         other.dimensions == tensor->dimensions;
    });
    if (found == last) {
      seen.emplace(key, v);
    } else {
      changed |= replacements.replace(v, found->second);
    }
  }
  return changed;
}

bool number_values(Graph& graph) {
  Replacements replacements(graph);
  bool changed = merge_constants(graph, replacements);
  std::unordered_multimap<size_t, NodeId> seen;
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    replacements.resolve_inputs(node);
    if (!mergeable(node)) continue;
    const size_t key = hash_node(node);
    const auto [first, last] = seen.equal_range(key);
    const auto found = std::find_if(first, last, [&](const auto& entry) { return equal(graph.nodes[entry.second], node); });
    if (found == last) {
      seen.emplace(key, n);
    } else if (merge(graph.nodes[found->second], node, replacements)) {
      node = Node();
      changed = true;
    }
  }
  if (!changed) return false;
  replacements.apply();
  compact(graph);
  return true;
}

}  // namespace

bool eliminate_common_subexpressions(Graph& graph) { return for_each_graph(graph, number_values); }

}  // namespace lathe
