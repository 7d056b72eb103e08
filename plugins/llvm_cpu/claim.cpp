// A node is taken when its operator has a kernel, and all its tensors have element types that kernels compute with and constant shapes.
#include "claim.hpp"

#include "kernel_names.hpp"

namespace lathe::llvm_cpu {
namespace {

bool has_storage(int32_t type) {
  switch (type) {
    case LATHE_FLOAT32:
    case LATHE_UINT8:
    case LATHE_INT8:
    case LATHE_UINT16:
    case LATHE_INT16:
    case LATHE_INT32:
    case LATHE_INT64:
    case LATHE_BOOL:
    case LATHE_FLOAT16:
    case LATHE_FLOAT64:
    case LATHE_UINT32:
    case LATHE_UINT64:
    case LATHE_BFLOAT16:
      return true;
    default:
      return false;
  }
}

std::string type_name(int32_t type) {
  static const char* const names[] = {"unknown",   "float",      "uint8",      "int8",         "uint16",         "int16",      "int32",
                                      "int64",     "string",     "bool",       "float16",      "double",         "uint32",     "uint64",
                                      "complex64", "complex128", "bfloat16",   "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz",
                                      "uint4",     "int4",       "float4e2m1", "float8e8m0",   "uint2",          "int2"};
  return type >= 0 && static_cast<size_t>(type) < sizeof names / sizeof *names ? names[type] : std::to_string(type);
}

// The graph input that has the symbol among its dimensions: "--shape images=1x3xHxW" with the constants filled in.
std::string pin_advice(const sdk::GraphView& graph, std::string_view symbol) {
  for (uint32_t index : graph.inputs()) {
    const sdk::ValueView input = graph.value(index);
    std::string shape;
    bool found = false;
    for (const lathe_dimension& d : input.dimensions()) {
      found = found || (d.value < 0 && (symbol.empty() || sdk::view(d.symbol) == symbol));
      shape += (shape.empty() ? "" : "x") + (d.value >= 0 ? std::to_string(d.value) : d.symbol.size ? std::string(sdk::view(d.symbol)) : "?");
    }
    if (found) return ": pin it with --shape " + std::string(input.name()) + "=" + shape + ", with numbers for the names";
  }
  return "";
}

std::string obstacle_in_value(const sdk::GraphView& graph, const sdk::ValueView& value, bool output) {
  const std::string name = "'" + std::string(value.name()) + "'";
  if (value.kind() != LATHE_KIND_TENSOR) return name + " is a sequence or an optional, and only tensors are compiled";
  if (value.type() == 0) return "the element type of " + name + " is not known";
  if (!has_storage(value.type())) return name + " has element type " + type_name(value.type()) + ", which has no kernels here";
  if (!value.has_rank()) return "the rank of " + name + " is not known" + pin_advice(graph, "");
  for (const lathe_dimension& d : value.dimensions()) {
    if (d.value >= 0) continue;
    const std::string_view symbol = sdk::view(d.symbol);
    const std::string advice = pin_advice(graph, symbol);
    if (advice.empty() && output) return "the shape of " + name + " depends on the data, and only constant shapes are compiled";
    return "dimension '" + std::string(symbol.empty() ? "?" : symbol) + "' of " + name + " is not fixed" + advice;
  }
  return "";
}

}  // namespace

std::string obstacle_to(const sdk::GraphView& graph, const sdk::NodeView& node) {
  const std::string op = (node.domain().empty() ? "" : std::string(node.domain()) + ".") + std::string(node.op_type());
  if (!has_kernel(node.domain(), node.op_type())) return "there is no kernel for the operator " + op;
  for (size_t i = 0; i < node.attribute_count(); ++i)
    if (node.attribute(i).kind() == LATHE_ATTRIBUTE_GRAPH || node.attribute(i).kind() == LATHE_ATTRIBUTE_GRAPHS)
      return "the operator " + op + " holds a graph of its own, and those are not compiled";
  for (uint32_t index : node.inputs()) {
    if (index == LATHE_NONE) continue;
    if (std::string why = obstacle_in_value(graph, graph.value(index), false); !why.empty()) return why;
  }
  for (uint32_t index : node.outputs()) {
    if (index == LATHE_NONE) continue;
    if (std::string why = obstacle_in_value(graph, graph.value(index), true); !why.empty()) return why;
  }
  return "";
}

}  // namespace lathe::llvm_cpu
