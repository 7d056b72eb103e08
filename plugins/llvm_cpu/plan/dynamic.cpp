// Nodes that work on run-time values: shapes that only the run knows, strings, sequences, optionals, control flow. Which nodes these are, what the
// driver does for them (Action), and the networks of their bodies.
#include <algorithm>
#include <map>
#include <stdexcept>
#include <string_view>

#include "kernel_names.hpp"
#include "plan/constants.hpp"
#include "plan/network.hpp"

namespace lathe::llvm_cpu {

namespace {

std::string text(lathe_string s) { return s.size ? std::string(s.data, s.size) : std::string(); }

const lathe_attribute& attribute_at(const lathe_node& node, size_t i) {
  return *LATHE_AT(lathe_attribute, node.attributes, node.attribute_stride, i);
}

Generic::AttributeTensor attribute_tensor(const lathe_tensor& tensor) {
  Generic::AttributeTensor result;
  result.type = tensor.type;
  result.dimensions.assign(tensor.dimensions, tensor.dimensions + tensor.rank);
  const auto* bytes = static_cast<const uint8_t*>(tensor.data);
  if (tensor.type == LATHE_STRING)
    for (int64_t i = 0; i < count(result.dimensions); ++i) result.strings.push_back(text(tensor.strings[i]));
  else if (is_packed(tensor.type))
    result.bytes = unpacked(tensor.type, bytes, count(result.dimensions));
  else
    result.bytes.assign(bytes, bytes + tensor.size);
  return result;
}

bool has_body(const lathe_node& node) {
  for (size_t i = 0; i < node.attribute_count; ++i)
    if (attribute_at(node, i).kind == LATHE_ATTRIBUTE_GRAPH) return true;
  return false;
}

}  // namespace

std::vector<Generic::Attribute> read_attributes(const lathe_graph& graph, const lathe_node& node) {
  std::vector<Generic::Attribute> result;
  for (size_t i = 0; i < node.attribute_count; ++i) {
    const lathe_attribute& a = attribute_at(node, i);
    Generic::Attribute copy{text(a.name), {}, {}, {}};
    if (a.count == 0) continue;  // an empty list is as good as none
    switch (a.kind) {
      case LATHE_ATTRIBUTE_INT:
      case LATHE_ATTRIBUTE_INTS:
        copy.ints.assign(a.ints, a.ints + a.count);
        break;
      case LATHE_ATTRIBUTE_FLOAT:
      case LATHE_ATTRIBUTE_FLOATS:
        copy.floats.assign(a.floats, a.floats + a.count);
        break;
      case LATHE_ATTRIBUTE_STRING:
        copy.text = text(a.strings[0]);
        break;
      case LATHE_ATTRIBUTE_STRINGS:
        for (size_t k = 0; k < a.count; ++k) copy.strings.push_back(text(a.strings[k]));
        break;
      case LATHE_ATTRIBUTE_TENSOR:
        copy.tensor.push_back(attribute_tensor(*LATHE_AT(lathe_tensor, graph.tensors, graph.tensor_stride, a.tensors[0])));
        break;
      case LATHE_ATTRIBUTE_GRAPH:
        continue;
      default:
        throw std::runtime_error("attribute '" + copy.name + "' of node '" + text(node.name) + "' is of a kind that has no kernel");
    }
    result.push_back(std::move(copy));
  }
  return result;
}

bool is_dynamic(const Network& network, const lathe_node& node) {
  const std::string domain = text(node.domain), op_type = text(node.op_type);
  const auto any = [&](const uint32_t* list, size_t count) {
    return std::any_of(list, list + count, [&](uint32_t t) { return t != LATHE_NONE && network.at(t).dynamic(); });
  };
  return any(node.inputs, node.input_count) || any(node.outputs, node.output_count) || has_body(node) || !has_kernel(domain, op_type) ||
         kernel_decides_shapes(domain, op_type) || runs_unspecialised(domain, op_type);
}

Operation read_dynamic(const lathe_graph& graph, const lathe_node& node, const Network& network) {
  Operation o;
  o.kind = Operation::Kind::dynamic;
  o.inputs.assign(node.inputs, node.inputs + node.input_count);
  o.outputs.assign(node.outputs, node.outputs + node.output_count);
  o.node_inputs = o.inputs.size();
  o.nodes = {text(node.name)};
  o.op_type = text(node.op_type);
  o.domain = text(node.domain);
  o.action = action_of(o.domain, o.op_type);
  o.attributes = read_attributes(graph, node);
  // Loop's trip count and condition may be left out at the end.
  if (o.action == Action::loop)
    while (o.inputs.size() < 2) o.inputs.push_back(no_tensor), ++o.node_inputs;
  for (const std::string_view name : {"then_branch", "else_branch", "body"})
    for (size_t i = 0; i < node.attribute_count; ++i) {
      const lathe_attribute& a = attribute_at(node, i);
      if (a.kind != LATHE_ATTRIBUTE_GRAPH || std::string_view(a.name.data, a.name.size) != name) continue;
      Operation::Body body = read_body(*LATHE_AT(lathe_graph, graph.subgraphs, graph.subgraph_stride, a.graphs[0]), network, o.inputs);
      o.bodies.push_back(std::move(body));
    }
  return o;
}

}  // namespace lathe::llvm_cpu
