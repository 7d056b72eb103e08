// Lifting of Scan as opset 8 had it (ONNX, Changelog.md, Scan-8): all values have a batch as their first axis, the scanned axis is the second, and
// each element of the batch may have a length of its own.
//
// It becomes a Scan over the batch whose body holds the Scan over the sequence: in the inner one lie the old body, cut and padded sequences.
#include "core/ops/lift.hpp"

namespace lathe::lift {

void lift_scan(const Place& p) {
  const Node old = p.node();
  const int64_t wanted = old.integer("num_scan_inputs", 0);
  const auto found = old.attributes.find("body");
  const auto* given = found == old.attributes.end() ? nullptr : std::get_if<Attribute::Subgraph>(&found->second.value);
  if (!given || !*given) fail(old, "attribute 'body' holds no graph");
  const Attribute::Subgraph inner = *given;
  if (old.inputs.empty() || wanted < 1 || uint64_t(wanted) >= old.inputs.size())
    fail(old, "attribute 'num_scan_inputs' does not fit the number of inputs", {}, std::to_string(wanted));
  const size_t scanned = size_t(wanted), count = old.inputs.size() - 1, states = count - scanned;
  if (old.outputs.size() < states || inner->outputs.size() != old.outputs.size())
    fail(old, "the number of outputs does not fit the body's", std::to_string(inner->outputs.size()), std::to_string(old.outputs.size()));
  const bool lengths = old.inputs[0] != none;

  auto batch = std::make_shared<Graph>();
  batch->name = inner->name + ".batch";
  const auto integers = [&](const char* name, std::vector<int64_t> values) {
    return batch->add_constant(name, Tensor::of<int64_t>(DataType::int64, {int64_t(values.size())}, values));
  };
  const auto make = [&](const char* op_type, std::vector<ValueId> inputs) {
    const ValueId result = batch->add_value(batch->fresh_value_name(op_type));
    batch->add_node(op_type, std::move(inputs), {result}, batch->fresh_node_name(op_type));
    return result;
  };
  for (Capture& c : inner->captures) {
    const ValueId through = batch->add_value(batch->fresh_value_name(p.graph.value(c.outer).name));
    batch->captures.push_back({through, c.outer});
    c.outer = through;
  }
  ValueId length = none, whole = none;
  const ValueId zero = integers("zero", {0});
  if (lengths) {
    batch->inputs.push_back(batch->add_value("length"));
    length = make("Reshape", {batch->inputs[0], integers("flat", {-1})});
  }
  std::vector<ValueId> arguments;
  for (size_t i = 0; i < count; ++i) {
    const ValueId input = batch->add_value(batch->fresh_value_name("input"));
    batch->inputs.push_back(input);
    arguments.push_back(lengths && i >= states ? make("Slice", {input, zero, length, zero}) : input);
    if (i == states && lengths) {
      whole = make("Shape", {input});
      batch->nodes.back().attributes["end"].value = int64_t(1);
    }
  }
  std::vector<ValueId> results;
  for (size_t i = 0; i < old.outputs.size(); ++i) results.push_back(batch->add_value(batch->fresh_value_name("result")));
  Node& scan = batch->add_node("Scan", arguments, results, "scan");
  scan.attributes["body"].value = inner;
  scan.attributes["num_scan_inputs"].value = wanted;
  if (old.has("directions")) scan.attributes["scan_input_directions"].value = old.integers("directions");
  for (size_t i = 0; i < results.size(); ++i) {
    if (i < states || !lengths) {
      batch->outputs.push_back(results[i]);
      continue;
    }
    // Past an element's own length the outputs are zero.
    const ValueId missing = make("Sub", {whole, length});
    const ValueId pads = make("Concat", {zero, missing});
    batch->nodes.back().attributes["axis"].value = int64_t(0);
    batch->outputs.push_back(make("Pad", {results[i], pads, none, zero}));
  }

  Node& node = p.node();
  if (!lengths) node.inputs.erase(node.inputs.begin());
  node.attributes.clear();
  node.attributes["num_scan_inputs"].value = int64_t(node.inputs.size());
  node.attributes["body"].value = batch;
}

}  // namespace lathe::lift
