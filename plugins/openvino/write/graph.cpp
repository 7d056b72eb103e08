// Node by node into a draft, then only what the results need.
#include "graph.hpp"

#include <algorithm>

#include "../element_types.hpp"
#include "families.hpp"

namespace lathe::openvino {
namespace {

constexpr std::span<const Writer> (*families[])() = {
    bit_writers,      algebra_writers,      activation_writers, control_flow_writers, convolution_writers,       elementwise_writers,
    indexing_writers, movement_writers,     attention_writers,  loss_writers,         quantized_product_writers, normalization_writers,
    pooling_writers,  quantization_writers, random_writers,     recurrent_writers,    reduction_writers,         resampling_writers,
    sequence_writers, shape_writers,        signal_writers,     vision_writers};

// What the format has no place for, by operator.
constexpr std::pair<std::string_view, std::string_view> missing[] = {
    {"ImageDecoder", "the IR has no operation that decodes pictures"},
};

// x * Sigmoid(x) becomes Swish: the Sigmoid is left out where only that product takes it.
void find_swish(Draft& draft) {
  for (const sdk::NodeView node : draft.graph().nodes()) {
    if (!node.domain().empty() || node.op_type() != "Mul" || node.get().input_count != 2) continue;
    for (size_t i = 0; i < 2; ++i) {
      const auto sigmoid = draft.producer(node.input(i));
      if (!sigmoid || sigmoid->op_type() != "Sigmoid" || !sigmoid->domain().empty() || sigmoid->input(0) != node.input(1 - i)) continue;
      if (draft.uses(node.input(i)) != 1) continue;
      draft.skip_node(sigmoid->index());
      break;
    }
  }
}

// What leaves a graph is a tensor.
bool leaves(const sdk::GraphView& graph, uint32_t value) {
  const auto outputs = graph.outputs();
  return std::find(outputs.begin(), outputs.end(), value) != outputs.end();
}

void check_types(const Draft& draft, const sdk::NodeView& node, bool lists) {
  const sdk::GraphView& graph = draft.graph();
  const auto check = [&](uint32_t value) {
    if (value == LATHE_NONE) return;
    const sdk::ValueView v = graph.value(value);
    // A body may yield one: a loop that is unrolled takes it, and others refuse it.
    if (lists && v.kind() != LATHE_KIND_TENSOR && (draft.depth() > 0 || !leaves(graph, value))) return;
    if (v.kind() != LATHE_KIND_TENSOR) throw Refusal{"the IR has no sequences and no optionals, and '" + std::string(v.name()) + "' is one"};
    if (!find_type(v.type())) {
      const char* what =
          v.type() == LATHE_STRING
              ? "the IR's operations on strings pack and unpack their bytes (StringTensorPack, StringTensorUnpack) and compute nothing with them"
          : v.type() == LATHE_COMPLEX64 || v.type() == LATHE_COMPLEX128 ? "the IR has no element type for complex numbers"
          : v.type() == LATHE_FLOAT8E4M3FNUZ || v.type() == LATHE_FLOAT8E5M2FNUZ
              ? "the 8-bit floats of the IR are f8e4m3, f8e5m2 and f8e8m0; those without negative zero (FNUZ) are not among them"
          : v.type() == LATHE_INT2 || v.type() == LATHE_UINT2 ? "the IR has no signed 2-bit integers, and its u2 holds compressed weights alone"
                                                              : "the element type is not known";
      throw Refusal{std::string(what) + ", which '" + std::string(v.name()) + "' holds"};
    }
  };
  for (size_t i = 0; i < node.get().input_count; ++i) check(node.get().inputs[i]);
  for (size_t i = 0; i < node.get().output_count; ++i) check(node.get().outputs[i]);
}

void write_node(Draft& draft, const sdk::NodeView& node) {
  const Writer* writer = find_writer(node.domain(), node.op_type());
  if (!writer) throw Refusal{missing_reason(node.domain(), node.op_type())};
  const std::span<const Writer> sequences = sequence_writers();
  check_types(
      draft, node,
      node.op_type() == "Identity" || node.op_type() == "Loop" || (writer >= sequences.data() && writer < sequences.data() + sequences.size()));
  if (draft.options().static_shapes)
    for (size_t i = 0; i < node.get().output_count; ++i)
      if (node.get().outputs[i] != LATHE_NONE && !node.output_value(i).has_static_shape())
        throw Refusal{"the NPU takes static shapes alone, and '" + std::string(node.output_value(i).name()) +
                      "' has an open dimension (--shape pins those of the inputs)"};
  Step step(draft, node);
  writer->write(step);
}

}  // namespace

uint32_t parameter(Draft& draft, uint32_t input) {
  const sdk::ValueView value = draft.graph().value(input);
  const ElementType* type = find_type(value.type());
  Layer layer;
  layer.name = draft.unique(std::string(value.name()));
  layer.type = "Parameter";
  OutputPort port{value.type(), std::nullopt, {std::string(value.name())}};
  if (value.has_rank()) port.dimensions = value.shape();
  std::string shape;
  for (const int64_t d : port.dimensions.value_or(std::vector<int64_t>()))
    shape += (shape.empty() ? "" : ",") + (d < 0 ? std::string("?") : std::to_string(d));
  layer.attributes = {{"shape", port.dimensions ? shape : "..."}, {"element_type", type ? std::string(type->data) : "dynamic"}};
  layer.outputs.push_back(std::move(port));
  draft.model.layers.push_back(std::move(layer));
  return static_cast<uint32_t>(draft.model.layers.size() - 1);
}

namespace {

// A stand-in for a value whose node was refused, so that the nodes behind it are judged on their own.
void assume(Draft& draft, uint32_t value) {
  if (value == LATHE_NONE) return;
  const sdk::ValueView v = draft.graph().value(value);
  const uint32_t layer = parameter(draft, value);
  draft.place(value, {{layer, 0}, v.type(), draft.model.layers[layer].outputs[0].dimensions});
}

}  // namespace

void prune(Model& model) {
  std::vector<bool> needed(model.layers.size(), false);
  for (size_t i = model.layers.size(); i-- > 0;) {
    const Layer& layer = model.layers[i];
    if (layer.type == "Parameter" || layer.type == "Result") needed[i] = true;
    if (needed[i])
      for (const Source& source : layer.inputs) needed[source.layer] = true;
  }
  std::vector<uint32_t> place(model.layers.size(), 0);
  std::vector<Layer> kept;
  for (size_t i = 0; i < model.layers.size(); ++i) {
    if (!needed[i]) continue;
    place[i] = static_cast<uint32_t>(kept.size());
    kept.push_back(std::move(model.layers[i]));
    for (Source& source : kept.back().inputs) source.layer = place[source.layer];
  }
  model.layers = std::move(kept);
}

namespace {

void add_inputs(Draft& draft) {
  for (const uint32_t input : draft.graph().inputs()) {
    const sdk::ValueView value = draft.graph().value(input);
    if (value.is_constant()) continue;
    const uint32_t layer = parameter(draft, input);
    draft.place(input, {{layer, 0}, value.type(), draft.model.layers[layer].outputs[0].dimensions});
  }
}

}  // namespace

const Writer* find_writer(std::string_view domain, std::string_view op_type) {
  if (domain == "ai.onnx.ml")
    for (const std::span<const Writer> family : {classical_writers(), tree_writers()})
      for (const Writer& writer : family)
        if (writer.op_type == op_type) return &writer;
  if (domain == "com.microsoft")
    for (const Writer& writer : microsoft_writers())
      if (writer.op_type == op_type) return &writer;
  if (!domain.empty()) return nullptr;
  for (const auto& family : families)
    for (const Writer& writer : family())
      if (writer.op_type == op_type) return &writer;
  return nullptr;
}

std::string missing_reason(std::string_view domain, std::string_view op_type) {
  constexpr const char* text =
      "the IR's operations on strings pack and unpack their bytes (StringTensorPack, StringTensorUnpack) and compute nothing with them";
  if (domain == "ai.onnx.ml" && op_type == "CategoryMapper") return text;
  if (domain == "ai.onnx.ml" && op_type == "SVMClassifier")
    return "the IR has no support vector machines, and probabilities by pairwise coupling, which end when they agree, are not composed of its "
           "operations here";
  if (!domain.empty())
    return "the IR has no operation " + std::string(op_type) + " of the domain '" + std::string(domain) +
           "', and it is not composed of the IR's own here";
  for (const auto& [name, reason] : missing)
    if (name == op_type) return std::string(reason);
  if (op_type.find("Sequence") != std::string_view::npos) return "the IR has no sequences";
  if (op_type.find("String") != std::string_view::npos || op_type.starts_with("Regex") || op_type.starts_with("TfIdf")) return text;
  return "none of the IR's operations, nor a composition of them known here, computes it";
}

std::vector<std::string> refusals(const sdk::GraphView& graph, const WriteOptions& options) {
  Draft draft(graph, options);
  std::vector<std::string> reasons(graph.node_count());
  add_inputs(draft);
  find_swish(draft);
  for (const sdk::NodeView node : graph.nodes()) {
    try {
      write_node(draft, node);
    } catch (const Refusal& refusal) {
      reasons[node.index()] = refusal.reason;
      for (size_t i = 0; i < node.get().output_count; ++i)
        if (node.get().outputs[i] == LATHE_NONE || !draft.known(node.get().outputs[i])) assume(draft, node.get().outputs[i]);
    }
  }
  return reasons;
}

void write_nodes(Draft& draft) {
  std::string reasons;
  find_swish(draft);
  for (const sdk::NodeView node : draft.graph().nodes()) {
    try {
      write_node(draft, node);
    } catch (const Refusal& refusal) {
      reasons += (reasons.empty() ? "" : "; ") + ("in its body, '" + std::string(node.name()) + "' (" + std::string(node.op_type()) + "): ") +
                 refusal.reason;
      for (size_t i = 0; i < node.get().output_count; ++i)
        if (node.get().outputs[i] == LATHE_NONE || !draft.known(node.get().outputs[i])) assume(draft, node.get().outputs[i]);
    }
  }
  if (!reasons.empty()) throw Refusal{std::move(reasons)};
}

Model write_graph(const sdk::GraphView& graph, const WriteOptions& options) {
  Draft draft(graph, options);
  draft.model.name = graph.name().empty() ? "model" : std::string(graph.name());
  add_inputs(draft);
  find_swish(draft);
  for (const sdk::NodeView node : graph.nodes()) {
    try {
      write_node(draft, node);
    } catch (const Refusal& refusal) {
      node.fail(refusal.reason);
    }
  }
  for (const uint32_t output : graph.outputs()) {
    const Wire wire = draft.value(output);
    const std::string name(graph.value(output).name());
    Layer result;
    result.name = draft.unique(name + "/sink_port_0");
    result.type = "Result";
    result.inputs = {wire.source};
    OutputPort& port = draft.model.layers[wire.source.layer].outputs[wire.source.port];
    // What is called by its name must be the first of the port's names.
    const auto at = std::find(port.names.begin(), port.names.end(), name);
    if (at == port.names.end()) port.names.insert(port.names.begin(), name);
    draft.model.layers.push_back(std::move(result));
  }
  prune(draft.model);
  return std::move(draft.model);
}

}  // namespace lathe::openvino
