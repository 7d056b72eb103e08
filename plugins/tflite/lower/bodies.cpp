// Subgraphs of the model: bodies of control flow, and what stands beside them.
#include <algorithm>

#include "lowering.hpp"

namespace lathe::tflite {

std::vector<uint32_t> Lowering::captured_by(std::span<const sdk::GraphView> bodies) const {
  std::vector<uint32_t> outer;
  for (const sdk::GraphView& body : bodies)
    for (const lathe_capture& capture : body.captures())
      if (!is_constant(capture.outer) && std::find(outer.begin(), outer.end(), capture.outer) == outer.end()) outer.push_back(capture.outer);
  return outer;
}

int32_t Lowering::add_input(const std::string& label, Type type, const Extents& extents, const Quantization& quantization) {
  const int32_t tensor = new_tensor(label, type, extents, quantization);
  main().inputs.push_back(tensor);
  return tensor;
}

// The other's subgraphs behind this one's; the number that its first one has then.
int32_t Lowering::append(Lowering& other) {
  const auto base = static_cast<int32_t>(model_.subgraphs.size());
  for (Subgraph& graph : other.model_.subgraphs) {
    for (Operator& op : graph.operators)
      for (Option& option : op.options)
        if (option.name.ends_with("_subgraph")) option.number += base;
    model_.subgraphs.push_back(std::move(graph));
  }
  return base;
}

int32_t Lowering::lower_body(const sdk::GraphView& body, std::span<const uint32_t> captured, const std::function<void(Lowering&)>& finish) {
  LowerSettings settings = settings_;
  settings.borders = Borders::as_they_are;  // a body's borders are not the model's
  Lowering inner(body, settings);
  inner.main().name = origin_ + "/" + std::string(body.name());
  inner.is_body_ = true;
  inner.read_values();
  std::vector<uint32_t> places(captured.size(), LATHE_NONE);
  for (const lathe_capture& capture : body.captures()) {
    Value& value = inner.values_[capture.inner];
    const Value& outer = values_[capture.outer];
    if (folded(capture.outer)) {
      const auto all = *numbers(capture.outer);
      const uint32_t made = inner.new_constant(outer.name, outer.extents, {all.begin(), all.end()});
      value.constant = inner.values_[made].constant;
    } else {
      value.constant = outer.constant;
    }
    value.extents = outer.extents;
    value.has_rank = outer.has_rank;
    value.onnx_type = outer.onnx_type;
    value.type = outer.type;
    const auto at = std::find(captured.begin(), captured.end(), capture.outer);
    if (at != captured.end()) places[static_cast<size_t>(at - captured.begin())] = capture.inner;
  }
  inner.find_quantization();
  inner.find_activations();
  inner.origin_ = origin_;
  inner.read_inputs();
  for (size_t i = 0; i < captured.size(); ++i) {
    if (places[i] != LATHE_NONE)
      inner.take_input(places[i]);
    else
      inner.add_input(values_[captured[i]].name, type(captured[i]), extents(captured[i]));
  }
  inner.lower_nodes();
  if (!inner.refusals_.empty()) {
    std::string reasons;
    for (const Refusal& r : inner.refusals_) {
      const sdk::NodeView node = body.node(r.node);
      reasons +=
          (reasons.empty() ? "" : "; ") + ("in its body: node '" + std::string(node.name()) + "' (" + std::string(node.op_type()) + "): ") + r.reason;
    }
    refuse(reasons);
  }
  inner.origin_ = origin_;
  if (finish)
    finish(inner);
  else
    inner.finish_outputs();
  for (Operator& op : inner.main().operators) op.version = lowest_version(inner.main(), op);
  return append(inner);
}

int32_t Lowering::add_subgraph(const std::string& label, const std::function<void(Lowering&)>& make) {
  const lathe_graph nothing = {};
  const sdk::GraphView view(&nothing);
  Lowering inner(view, settings_);
  inner.main().name = origin_ + "/" + label;
  inner.origin_ = origin_;
  make(inner);
  for (Operator& op : inner.main().operators) op.version = lowest_version(inner.main(), op);
  return append(inner);
}

}  // namespace lathe::tflite
