// One walk forwards: a folded output becomes a constant in place, so its users find it as such when the walk reaches them.
#include "core/passes/fold_constants.hpp"

#include "core/base/checked.hpp"
#include "core/base/diagnostic.hpp"
#include "core/ops/inference.hpp"
#include "core/ops/node_inference.hpp"
#include "core/reference/reference.hpp"

namespace lathe {
namespace {

template <class T>
Tensor tensor_of(DataType type, std::vector<int64_t> dimensions, const std::vector<T>& values) {
  return Tensor::of<T>(type, std::move(dimensions), std::span<const T>(values));
}

Tensor strings_of(std::vector<int64_t> dimensions, std::vector<std::string> values) {
  Tensor tensor = Tensor::allocate(DataType::string, std::move(dimensions));
  tensor.strings = std::make_shared<const std::vector<std::string>>(std::move(values));
  return tensor;
}

// What a Constant node holds; nullopt for sparse values.
std::optional<Tensor> constant_value(const Node& node) {
  if (node.attributes.size() != 1) return std::nullopt;
  const auto& [name, attribute] = *node.attributes.begin();
  if (const auto* tensor = std::get_if<Tensor>(&attribute.value); tensor && name == "value") return *tensor;
  if (const auto* i = std::get_if<int64_t>(&attribute.value)) return tensor_of<int64_t>(DataType::int64, {}, {*i});
  if (const auto* f = std::get_if<float>(&attribute.value)) return tensor_of<float>(DataType::float32, {}, {*f});
  if (const auto* s = std::get_if<std::string>(&attribute.value)) return strings_of({}, {*s});
  if (const auto* ints = std::get_if<Attribute::Ints>(&attribute.value)) {
    return tensor_of(DataType::int64, {static_cast<int64_t>(ints->size())}, *ints);
  }
  if (const auto* floats = std::get_if<Attribute::Floats>(&attribute.value)) {
    return tensor_of(DataType::float32, {static_cast<int64_t>(floats->size())}, *floats);
  }
  if (const auto* strings = std::get_if<Attribute::Strings>(&attribute.value)) {
    return strings_of({static_cast<int64_t>(strings->size())}, *strings);
  }
  return std::nullopt;
}

// Shape with its start and end (ONNX Shape-15), where the dimensions it asks for are known.
std::optional<Tensor> shape_value(const Node& node, const ValueType& type) {
  if (type.kind != ValueKind::tensor || !type.shape) return std::nullopt;
  const auto rank = static_cast<int64_t>(type.shape->size());
  const auto position = [&](std::string_view name, int64_t fallback) {
    const int64_t at = node.integer(name, fallback);
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  std::vector<int64_t> dimensions;
  for (int64_t i = position("start", 0); i < position("end", rank); ++i) {
    const Dimension& d = (*type.shape)[static_cast<size_t>(i)];
    if (!d.constant()) return std::nullopt;
    dimensions.push_back(d.value);
  }
  return tensor_of(DataType::int64, {static_cast<int64_t>(dimensions.size())}, dimensions);
}

std::optional<Tensor> size_value(const ValueType& type) {
  if (type.kind != ValueKind::tensor || !type.static_shape()) return std::nullopt;
  const auto count = element_count(type.dimensions());
  return count ? std::optional(tensor_of<int64_t>(DataType::int64, {}, {*count})) : std::nullopt;
}

std::optional<std::vector<Tensor>> run_on_constants(const Graph& graph, const Node& node, uint64_t limit) {
  std::vector<const Tensor*> inputs;
  uint64_t bytes = 0;
  for (const ValueId v : node.inputs) {
    const Tensor* tensor = graph.constant(v);
    if (!tensor && v != none) return std::nullopt;
    if (tensor) bytes = checked_add<uint64_t>(bytes, tensor->bytes.size).value_or(UINT64_MAX);
    inputs.push_back(tensor);
  }
  try {
    return evaluate(graph, node, inputs, std::max(limit, bytes));
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The outputs of the node where they are known now.
std::optional<std::vector<Tensor>> fold(const Graph& graph, const Node& node, uint64_t limit) {
  const auto single = [](std::optional<Tensor> tensor) {
    std::optional<std::vector<Tensor>> outputs;
    if (tensor) outputs.emplace().push_back(std::move(*tensor));
    return outputs;
  };
  const bool onnx = node.domain.empty() || node.domain == "ai.onnx";
  if (onnx && node.op_type == "Constant") return single(constant_value(node));
  if (onnx && node.op_type == "Shape" && node.input(0) != none) return single(shape_value(node, graph.value(node.inputs[0]).type));
  if (onnx && node.op_type == "Size" && node.input(0) != none) return single(size_value(graph.value(node.inputs[0]).type));
  if (!subgraphs(node).empty()) return std::nullopt;
  return run_on_constants(graph, node, limit);
}

void make_constant(Value& value, Tensor tensor) {
  value.type = {ValueKind::tensor, tensor.type, Shape(tensor.dimensions.begin(), tensor.dimensions.end())};
  value.constant = std::move(tensor);
}

class Folder {
 public:
  Folder(Graph& graph, uint64_t limit, bool keep_quantized, const KnownElements& known)
      : graph_(graph), limit_(limit), keep_quantized_(keep_quantized), known_(known), output_(graph.values.size(), false) {
    for (const ValueId v : graph.outputs) output_[v] = true;
  }

  bool run() {
    for (NodeId n = 0; n < graph_.nodes.size(); ++n) {
      Node& node = graph_.nodes[n];
      const std::vector<Graph*> bodies = subgraphs(node);
      for (size_t i = 0; i < bodies.size(); ++i) {
        hand_down(*bodies[i]);
        changed_ |= Folder(*bodies[i], limit_, keep_quantized_, known_.bodies[n][i]).run();
      }
      const bool settled = (node.op_type == "Identity" && graph_.constant(node.input(0)) && is_output(node.outputs[0]));
      if (settled || (keep_quantized_ && node.domain.empty() && node.op_type == "DequantizeLinear")) continue;
      if (auto tensors = fold(graph_, node, limit_))
        settle(node, std::move(*tensors));
      else if (auto tensor = known_value(node))
        settle(node, {std::move(*tensor)});
    }
    if (changed_) compact(graph_);
    return changed_;
  }

 private:
  bool is_output(ValueId v) const { return v != none && v < output_.size() && output_[v]; }

  // The value of a node whose output inference knows, though it depends on what is no constant: one dimension of a shape of which others are open.
  std::optional<Tensor> known_value(const Node& node) const {
    if (node.outputs.size() != 1 || node.outputs[0] == none || is_output(node.outputs[0]) || node.outputs[0] >= known_.values.size())
      return std::nullopt;
    const std::optional<Shape>& elements = known_.values[node.outputs[0]];
    const ValueType& type = graph_.value(node.outputs[0]).type;
    if (!elements || !type.static_shape() || element_count(type.dimensions()) != int64_t(elements->size())) return std::nullopt;
    std::vector<int64_t> numbers;
    for (const Dimension& d : *elements) {
      const std::optional<int64_t> number = infer::number(d);
      if (!number) return std::nullopt;
      numbers.push_back(*number);
    }
    const auto narrow = [&]<class T>(T) { return tensor_of<T>(type.element, type.dimensions(), {numbers.begin(), numbers.end()}); };
    if (type.element == DataType::int64) return narrow(int64_t());
    if (type.element == DataType::int32) return narrow(int32_t());
    if (type.element == DataType::boolean) return narrow(uint8_t());
    return std::nullopt;
  }

  void hand_down(Graph& inner) {
    changed_ |= std::erase_if(inner.captures, [&](const Capture& c) {
                  const Tensor* tensor = graph_.constant(c.outer);
                  if (tensor) make_constant(inner.value(c.inner), *tensor);
                  return tensor != nullptr;
                }) > 0;
  }

  void settle(Node& node, std::vector<Tensor> tensors) {
    if (tensors.size() < node.outputs.size()) return;
    const bool any_output = std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId v) { return is_output(v); });
    if (any_output && node.outputs.size() > 1) return;
    if (any_output) {
      const std::string name = graph_.value(node.outputs[0]).name + "_constant";
      node.inputs = {graph_.add_constant(name, std::move(tensors[0]))};
      node.domain.clear();
      node.op_type = "Identity";
      node.attributes.clear();
    } else {
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        if (node.outputs[i] != none) make_constant(graph_.value(node.outputs[i]), std::move(tensors[i]));
      }
      node = Node();
    }
    changed_ = true;
  }

  Graph& graph_;
  uint64_t limit_;
  bool keep_quantized_;
  const KnownElements& known_;
  std::vector<bool> output_;
  bool changed_ = false;
};

}  // namespace

bool fold_constants(Graph& graph, uint64_t limit, bool keep_quantized) { return Folder(graph, limit, keep_quantized, known_elements(graph)).run(); }

}  // namespace lathe
