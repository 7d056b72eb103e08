// See rewrite.hpp.
#include "core/passes/rewrite.hpp"

#include <cstring>

#include "core/base/diagnostic.hpp"
#include "lathe/kernels/types.hpp"

namespace lathe {
namespace {

template <class T>
std::vector<double> widen(const Tensor& tensor) {
  std::vector<double> values(tensor.bytes.size / sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, tensor.bytes.data + i * sizeof(T), sizeof(T));  // constants may lie unaligned in a mapped file
    if constexpr (std::is_class_v<T>) {
      values[i] = static_cast<double>(static_cast<float>(value));
    } else {
      values[i] = static_cast<double>(value);
    }
  }
  return values;
}

template <class T>
void narrow(Tensor& tensor, const std::vector<double>& values) {
  const auto out = tensor.as_mutable<T>();
  for (size_t i = 0; i < values.size(); ++i) {
    if constexpr (std::is_class_v<T>) {
      out[i] = T(static_cast<float>(values[i]));
    } else {
      out[i] = static_cast<T>(values[i]);
    }
  }
}

}  // namespace

Replacements::Replacements(Graph& graph)
    : graph_(graph), to_(graph.values.size()), output_(graph.values.size(), false), fixed_(graph.values.size(), false) {
  for (ValueId v = 0; v < to_.size(); ++v) to_[v] = v;
  for (const ValueId v : graph.outputs) output_[v] = true;
  for (const ValueId v : graph.inputs) fixed_[v] = true;
  for (const Capture& c : graph.captures) fixed_[c.inner] = true;
}

ValueId Replacements::resolve(ValueId v) const {
  while (v < to_.size() && to_[v] != v) v = to_[v];
  return v;
}

void Replacements::resolve_inputs(Node& node) const {
  if (!any_) return;
  for (ValueId& v : node.inputs) v = resolve(v);
  for (Graph* inner : subgraphs(node)) {
    for (Capture& c : inner->captures) c.outer = resolve(c.outer);
  }
}

bool Replacements::can_replace(ValueId from, ValueId to) const {
  if (from >= to_.size()) return false;  // a value of the pass's own
  if (!output_[from]) return true;
  // `to` may be a constant that the pass has just made, and so beyond what was there.
  return to < to_.size() && !fixed_[to] && !output_[to] && !graph_.values[to].constant;
}

bool Replacements::replace(ValueId from, ValueId to) {
  to = resolve(to);
  if (from == to || !can_replace(from, to)) return false;
  if (output_[from]) {
    std::swap(graph_.values[from].name, graph_.values[to].name);
    output_[from] = false;
    output_[to] = true;
    const ValueType& declared = graph_.values[from].type;
    ValueType& type = graph_.values[to].type;
    if (type.element == DataType::none) type.element = declared.element;
    if (!type.shape) type.shape = declared.shape;
  }
  to_[from] = to;
  any_ = true;
  return true;
}

bool Replacements::apply() {
  for (Node& node : graph_.nodes) resolve_inputs(node);
  for (ValueId& v : graph_.outputs) v = resolve(v);
  return any_;
}

void insert_nodes(Graph& graph, std::vector<std::pair<NodeId, Node>> insertions) {
  if (insertions.empty()) return;
  std::vector<Node> nodes;
  nodes.reserve(graph.nodes.size() + insertions.size());
  auto next = insertions.begin();
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    for (; next != insertions.end() && next->first == n; ++next) nodes.push_back(std::move(next->second));
    nodes.push_back(std::move(graph.nodes[n]));
  }
  for (; next != insertions.end(); ++next) nodes.push_back(std::move(next->second));
  graph.nodes = std::move(nodes);
  graph.node_names.forget();
}

bool for_each_graph(Graph& graph, const std::function<bool(Graph&)>& pass) {
  bool changed = false;
  for (const Node& node : graph.nodes) {
    for (Graph* inner : subgraphs(node)) changed |= for_each_graph(*inner, pass);
  }
  return pass(graph) || changed;
}

std::optional<std::vector<double>> to_doubles(const Tensor& tensor) {
  switch (tensor.type) {
    case DataType::float32:
      return widen<float>(tensor);
    case DataType::float64:
      return widen<double>(tensor);
    case DataType::float16:
      return widen<kernels::float16>(tensor);
    case DataType::bfloat16:
      return widen<kernels::bfloat16>(tensor);
    case DataType::int8:
      return widen<int8_t>(tensor);
    case DataType::uint8:
    case DataType::boolean:
      return widen<uint8_t>(tensor);
    case DataType::int16:
      return widen<int16_t>(tensor);
    case DataType::uint16:
      return widen<uint16_t>(tensor);
    case DataType::int32:
      return widen<int32_t>(tensor);
    case DataType::uint32:
      return widen<uint32_t>(tensor);
    case DataType::int64:
      return widen<int64_t>(tensor);
    case DataType::uint64:
      return widen<uint64_t>(tensor);
    default:
      return std::nullopt;
  }
}

Tensor from_doubles(DataType type, std::vector<int64_t> dimensions, const std::vector<double>& values) {
  Tensor tensor = Tensor::allocate(type, std::move(dimensions));
  switch (type) {
    case DataType::float32:
      narrow<float>(tensor, values);
      break;
    case DataType::float64:
      narrow<double>(tensor, values);
      break;
    case DataType::float16:
      narrow<kernels::float16>(tensor, values);
      break;
    case DataType::bfloat16:
      narrow<kernels::bfloat16>(tensor, values);
      break;
    default:
      throw Error(Code::internal, "numbers cannot be rounded to the type " + std::string(name(type)));
  }
  return tensor;
}

std::optional<double> uniform_value(const Graph& graph, ValueId v) {
  const Tensor* tensor = graph.constant(v);
  if (!tensor || tensor->bytes.size == 0) return std::nullopt;
  const auto width = static_cast<size_t>(bits(tensor->type) / 8);
  if (width == 0) return std::nullopt;
  // Equal bits first, so that a large tensor of weights is left at its second element.
  for (size_t at = width; at < tensor->bytes.size; at += width) {
    if (std::memcmp(tensor->bytes.data, tensor->bytes.data + at, width) != 0) return std::nullopt;
  }
  Tensor first = *tensor;
  first.bytes.size = width;
  const auto values = to_doubles(first);
  return values ? std::optional((*values)[0]) : std::nullopt;
}

bool broadcasts_into(const std::vector<int64_t>& dimensions, const ValueType& x) {
  if (!x.shape || x.shape->size() < dimensions.size()) return false;
  const size_t offset = x.shape->size() - dimensions.size();
  for (size_t i = 0; i < dimensions.size(); ++i) {
    const Dimension& d = (*x.shape)[offset + i];
    if (dimensions[i] != 1 && !(d.constant() && d.value == dimensions[i])) return false;
  }
  return true;
}

bool same_shape(const ValueType& a, const ValueType& b) {
  if (!a.shape || !b.shape || a.shape->size() != b.shape->size()) return false;
  for (size_t i = 0; i < a.shape->size(); ++i) {
    const Dimension &x = (*a.shape)[i], &y = (*b.shape)[i];
    if (x != y || (!x.constant() && x.symbol.empty())) return false;
  }
  return true;
}

}  // namespace lathe
