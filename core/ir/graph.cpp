// Building and changing graphs: names, attribute access, uses, replacement, compaction, copies. The checks are in verify.cpp.
#include "core/ir/graph.hpp"

#include <functional>
#include <queue>
#include <utility>

#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {

template <class T>
const T* attribute_as(const Node& node, std::string_view name, const char* kind) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return nullptr;
  if (const T* value = std::get_if<T>(&found->second.value)) return value;
  static constexpr const char* kinds[] = {"an int",         "a float",          "a string",          "a tensor",          "a graph",
                                          "a list of ints", "a list of floats", "a list of strings", "a list of tensors", "a list of graphs"};
  Diagnostic d;
  d.text = "attribute '" + std::string(name) + "' has the wrong type";
  d.node = node.name;
  d.op_type = node.op_type;
  d.expected = kind;
  d.found = kinds[found->second.value.index()];
  throw Error(Code::failed, std::move(d));
}

// Kahn's algorithm with the lowest original index first, so nodes that are in order already stay as they are. Returns old indices.
std::vector<NodeId> topological_order(const Graph& graph, const Uses& uses) {
  std::vector<uint32_t> waiting(graph.nodes.size(), 0);  // inputs whose producer has not been placed
  const auto count_waits = [&](NodeId n, ValueId v) {
    if (v != none && uses.producer[v] != none) ++waiting[n];
  };
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    for (const ValueId v : graph.nodes[n].inputs) count_waits(n, v);
    for (const Graph* inner : subgraphs(graph.nodes[n])) {
      for (const Capture& c : inner->captures) count_waits(n, c.outer);
    }
  }
  std::priority_queue<NodeId, std::vector<NodeId>, std::greater<>> ready;
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    if (waiting[n] == 0) ready.push(n);
  }
  std::vector<NodeId> order;
  order.reserve(graph.nodes.size());
  while (!ready.empty()) {
    const NodeId n = ready.top();
    ready.pop();
    order.push_back(n);
    for (const ValueId v : graph.nodes[n].outputs) {
      if (v == none) continue;
      for (const NodeId user : uses.users[v]) {
        if (--waiting[user] == 0) ready.push(user);
      }
    }
  }
  if (order.size() != graph.nodes.size()) {
    Diagnostic d;
    d.text = "the graph has a cycle: this node needs, over other nodes, its own output";
    for (NodeId n = 0; n < graph.nodes.size() && d.op_type.empty(); ++n) {
      if (waiting[n] == 0) continue;
      d.node = graph.nodes[n].name;
      d.op_type = graph.nodes[n].op_type;
    }
    throw Error(Code::failed, std::move(d));
  }
  return order;
}

void compact_values(Graph& graph) {
  std::vector<bool> used(graph.values.size(), false);
  const auto mark = [&](ValueId v) {
    if (v != none) used[v] = true;
  };
  for (const ValueId v : graph.inputs) mark(v);
  for (const ValueId v : graph.outputs) mark(v);
  for (const Node& node : graph.nodes) {
    for (const ValueId v : node.inputs) mark(v);
    for (const ValueId v : node.outputs) mark(v);
    for (const Graph* inner : subgraphs(node)) {
      for (const Capture& c : inner->captures) mark(c.outer);
    }
  }
  // A capture is kept for what uses it inside, so it does not count as a use itself.
  std::erase_if(graph.captures, [&](const Capture& c) { return !used[c.inner]; });

  std::vector<ValueId> renumbered(graph.values.size(), none);
  ValueId next = 0;
  for (ValueId v = 0; v < graph.values.size(); ++v) {
    if (!used[v]) continue;
    renumbered[v] = next;
    if (next != v) graph.values[next] = std::move(graph.values[v]);
    ++next;
  }
  graph.values.resize(next);
  const auto renumber = [&](ValueId& v) {
    if (v != none) v = renumbered[v];
  };
  for (ValueId& v : graph.inputs) renumber(v);
  for (ValueId& v : graph.outputs) renumber(v);
  for (Capture& c : graph.captures) renumber(c.inner);
  for (Node& node : graph.nodes) {
    for (ValueId& v : node.inputs) renumber(v);
    for (ValueId& v : node.outputs) renumber(v);
    for (Graph* inner : subgraphs(node)) {
      for (Capture& c : inner->captures) renumber(c.outer);
    }
  }
}

}  // namespace

bool ValueType::static_shape() const {
  return kind == ValueKind::tensor && shape && std::all_of(shape->begin(), shape->end(), [](const Dimension& d) { return d.constant(); });
}

std::vector<int64_t> ValueType::dimensions() const {
  std::vector<int64_t> result;
  if (shape) {
    for (const Dimension& d : *shape) result.push_back(d.value);
  }
  return result;
}

// A scalar is "float", an unknown rank "float[]", as in ONNX's textual syntax.
std::string to_string(const ValueType& type) {
  std::string s(name(type.element));
  if (!type.shape) {
    s += "[]";
  } else if (!type.shape->empty()) {
    s += '[';
    for (size_t i = 0; i < type.shape->size(); ++i) {
      const Dimension& d = (*type.shape)[i];
      if (i > 0) s += ',';
      s += d.constant() ? std::to_string(d.value) : d.symbol.empty() ? "?" : d.symbol;
    }
    s += ']';
  }
  if (type.kind == ValueKind::sequence || type.kind == ValueKind::optional_sequence) s = "seq(" + s + ")";
  if (type.kind == ValueKind::optional || type.kind == ValueKind::optional_sequence) s = "optional(" + s + ")";
  return s;
}

int64_t Node::integer(std::string_view attribute, int64_t fallback) const {
  const auto* value = attribute_as<int64_t>(*this, attribute, "an int");
  return value ? *value : fallback;
}

float Node::real(std::string_view attribute, float fallback) const {
  const auto* value = attribute_as<float>(*this, attribute, "a float");
  return value ? *value : fallback;
}

std::string Node::text(std::string_view attribute, std::string_view fallback) const {
  const auto* value = attribute_as<std::string>(*this, attribute, "a string");
  return value ? *value : std::string(fallback);
}

std::vector<int64_t> Node::integers(std::string_view attribute, std::vector<int64_t> fallback) const {
  const auto* value = attribute_as<Attribute::Ints>(*this, attribute, "a list of ints");
  return value ? *value : fallback;
}

std::string NameIndex::first_free(std::string_view base) {
  std::string stem(base);
  if (!stem.empty() && !taken_.contains(stem)) return stem;
  uint32_t& suffix = suffix_[stem];
  for (;;) {
    std::string candidate = stem + "_" + std::to_string(suffix + 1);
    if (!taken_.contains(candidate)) return candidate;
    ++suffix;
  }
}

std::string Graph::fresh_value_name(std::string_view base) const { return value_names.fresh(values, base.empty() ? "value" : base); }
std::string Graph::fresh_node_name(std::string_view base) const { return node_names.fresh(nodes, base.empty() ? "node" : base); }

void Graph::rename_value(ValueId id, std::string name_in) {
  value_names.insert(name_in);
  values[id].name = std::move(name_in);
}

ValueId Graph::add_value(std::string base, ValueType type) {
  values.push_back({fresh_value_name(base), std::move(type), std::nullopt});
  return static_cast<ValueId>(values.size() - 1);
}

ValueId Graph::add_constant(std::string base, Tensor tensor) {
  ValueType type{ValueKind::tensor, tensor.type, Shape(tensor.dimensions.begin(), tensor.dimensions.end())};
  const ValueId id = add_value(std::move(base), std::move(type));
  values[id].constant = std::move(tensor);
  return id;
}

Node& Graph::add_node(std::string op_type, std::vector<ValueId> node_inputs, std::vector<ValueId> node_outputs, std::string base) {
  Node node;
  node.name = fresh_node_name(base.empty() ? op_type : base);
  node.op_type = std::move(op_type);
  node.inputs = std::move(node_inputs);
  node.outputs = std::move(node_outputs);
  return nodes.emplace_back(std::move(node));
}

std::vector<Graph*> subgraphs(const Node& node) {
  std::vector<Graph*> result;
  for (const auto& [name, attribute] : node.attributes) {
    if (const auto* one = std::get_if<Attribute::Subgraph>(&attribute.value)) {
      if (*one) result.push_back(one->get());
    } else if (const auto* many = std::get_if<Attribute::Subgraphs>(&attribute.value)) {
      for (const auto& graph : *many) {
        if (graph) result.push_back(graph.get());
      }
    }
  }
  return result;
}

Uses::Uses(const Graph& graph) : producer(graph.values.size(), none), users(graph.values.size()), output(graph.values.size(), false) {
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    for (const ValueId v : node.outputs) {
      if (v != none) producer[v] = n;
    }
    for (const ValueId v : node.inputs) {
      if (v != none) users[v].push_back(n);
    }
    for (const Graph* inner : subgraphs(node)) {
      for (const Capture& c : inner->captures) users[c.outer].push_back(n);
    }
  }
  for (const ValueId v : graph.outputs) output[v] = true;
}

bool replace_value(Graph& graph, ValueId from, ValueId to) {
  if (from == to) return true;
  const auto among = [](const std::vector<ValueId>& ids, ValueId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); };
  if (among(graph.outputs, from)) {
    const bool captured = std::any_of(graph.captures.begin(), graph.captures.end(), [&](const Capture& c) { return c.inner == to; });
    if (graph.value(to).constant || captured || among(graph.inputs, to) || among(graph.outputs, to)) return false;
    std::swap(graph.value(from).name, graph.value(to).name);
    // What the model declares of its output is not forgotten.
    ValueType& type = graph.value(to).type;
    const ValueType& declared = graph.value(from).type;
    if (type.element == DataType::none) type.element = declared.element;
    if (!type.shape) type.shape = declared.shape;
  }
  const auto replace = [&](ValueId& v) {
    if (v == from) v = to;
  };
  for (ValueId& v : graph.outputs) replace(v);
  for (Node& node : graph.nodes) {
    for (ValueId& v : node.inputs) replace(v);
    for (Graph* inner : subgraphs(node)) {
      for (Capture& c : inner->captures) replace(c.outer);
    }
  }
  return true;
}

void compact(Graph& graph) {
  std::erase_if(graph.nodes, [](const Node& node) { return node.op_type.empty(); });
  for (const Node& node : graph.nodes) {
    for (Graph* inner : subgraphs(node)) compact(*inner);
  }
  const std::vector<NodeId> order = topological_order(graph, Uses(graph));
  if (!std::is_sorted(order.begin(), order.end())) {
    std::vector<Node> sorted;
    sorted.reserve(graph.nodes.size());
    for (const NodeId n : order) sorted.push_back(std::move(graph.nodes[n]));
    graph.nodes = std::move(sorted);
  }
  compact_values(graph);
  graph.value_names.forget();
  graph.node_names.forget();
}

Graph clone(const Graph& graph) {
  Graph copy = graph;
  for (Node& node : copy.nodes) {
    for (auto& [name, attribute] : node.attributes) {
      if (auto* one = std::get_if<Attribute::Subgraph>(&attribute.value)) {
        if (*one) *one = std::make_shared<Graph>(clone(**one));
      } else if (auto* many = std::get_if<Attribute::Subgraphs>(&attribute.value)) {
        for (auto& inner : *many) {
          if (inner) inner = std::make_shared<Graph>(clone(*inner));
        }
      }
    }
  }
  return copy;
}

}  // namespace lathe
