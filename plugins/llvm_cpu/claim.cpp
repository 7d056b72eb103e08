// A node is taken when there is code for its operator (a kernel, or the artifact's driver) and its tensors' element types are known; so are, for
// control flow, the nodes of its bodies.
#include "claim.hpp"

#include "kernel_names.hpp"

namespace lathe::llvm_cpu {
namespace {

std::string obstacle_in_value(const sdk::ValueView& value) {
  return value.type() == 0 ? "the element type of '" + std::string(value.name()) + "' is not known" : "";
}

std::string obstacle_in_body(const sdk::GraphView& body, const Brought& brought) {
  for (const sdk::NodeView node : body.nodes())
    if (std::string why = obstacle_to(body, node, brought); !why.empty()) return "in its body, node '" + std::string(node.name()) + "': " + why;
  return "";
}

}  // namespace

std::string obstacle_to(const sdk::GraphView& graph, const sdk::NodeView& node, const Brought& brought) {
  const std::string op = (node.domain().empty() ? "" : std::string(node.domain()) + ".") + std::string(node.op_type());
  if (!has_code(node.domain(), node.op_type()) && !brought(node.domain(), node.op_type())) return "there is no kernel for the operator " + op;
  for (uint32_t index : node.inputs())
    if (index != LATHE_NONE)
      if (std::string why = obstacle_in_value(graph.value(index)); !why.empty()) return why;
  for (uint32_t index : node.outputs())
    if (index != LATHE_NONE)
      if (std::string why = obstacle_in_value(graph.value(index)); !why.empty()) return why;
  for (size_t i = 0; i < node.attribute_count(); ++i) {
    const sdk::AttributeView attribute = node.attribute(i);
    if (attribute.kind() != LATHE_ATTRIBUTE_GRAPH) continue;
    if (std::string why = obstacle_in_body(attribute.graph(), brought); !why.empty()) return why;
  }
  return "";
}

}  // namespace lathe::llvm_cpu
