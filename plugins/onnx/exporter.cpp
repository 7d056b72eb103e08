// Names, captures and where tensor bytes go. The result depends on the graph alone, so equal graphs give equal bytes.
#include "exporter.hpp"

#include "names.hpp"
#include "types.hpp"

namespace lathe::onnx_plugin {
namespace {

constexpr uint64_t most_in_message = (uint64_t{1} << 31) - (uint64_t{1} << 24);  // protobuf's limit, less room for the graph itself
constexpr uint64_t least_external = 1024;                                        // smaller tensors stay where they are read first
constexpr uint64_t page = 4096;                                                  // external tensors begin at pages, so that they can be mapped

// The IR version that came with an operator set (onnx/docs/Versioning.md, "Released Versions").
int64_t ir_version_of(int64_t opset) {
  if (opset >= 25) return 13;
  if (opset == 24) return 12;
  if (opset == 23) return 11;
  if (opset >= 21) return 10;
  if (opset >= 19) return 9;
  if (opset >= 15) return 8;
  return opset >= 12 ? 7 : 6;
}

std::string text(std::string_view s) { return std::string(s); }

class Exporter {
 public:
  Exporter(Exported& out, const std::string& data_file, bool external) : out_(out), data_file_(data_file), external_(external) {}

  // Fills `result`; `outer` are the names of the enclosing graph's values, by index.
  void fill(const sdk::GraphView& graph, const std::vector<std::string>* outer, onnx::GraphProto& result) {
    const std::vector<std::string> names = name_values(graph, outer);
    result.set_name(graph.name().empty() ? "graph" : text(graph.name()));
    for (const uint32_t input : graph.inputs()) describe(graph.value(input), names[input], *result.add_input());
    for (const sdk::ValueView value : graph.values())
      if (const auto constant = value.constant()) fill(*constant, names[value.index()], *result.add_initializer());
    for (const sdk::NodeView node : graph.nodes()) fill(node, names, *result.add_node());
    fill_outputs(graph, names, result);

    std::vector<bool> told(graph.value_count());
    for (const uint32_t i : graph.inputs()) told[i] = true;
    for (const uint32_t i : graph.outputs()) told[i] = true;
    for (const lathe_capture& capture : graph.captures()) told[capture.inner] = true;
    for (const sdk::ValueView value : graph.values())
      if (!told[value.index()] && !value.is_constant() && value.type() != 0) describe(value, names[value.index()], *result.add_value_info());
  }

 private:
  // A captured value goes by its outer name, and no other value may hide one.
  std::vector<std::string> name_values(const sdk::GraphView& graph, const std::vector<std::string>* outer) {
    std::vector<std::string> names(graph.value_count());
    for (const lathe_capture& capture : graph.captures()) names[capture.inner] = (*outer)[capture.outer];
    for (const sdk::ValueView value : graph.values())
      if (names[value.index()].empty()) names[value.index()] = names_.make(text(value.name()));
    return names;
  }

  // A subgraph must not return an outer value, or one value twice: an Identity makes it its own.
  void fill_outputs(const sdk::GraphView& graph, const std::vector<std::string>& names, onnx::GraphProto& result) {
    std::vector<bool> taken(graph.value_count());
    for (const lathe_capture& capture : graph.captures()) taken[capture.inner] = true;
    for (const uint32_t output : graph.outputs()) {
      std::string name = names[output];
      if (taken[output]) {
        onnx::NodeProto& copy = *result.add_node();
        copy.set_op_type("Identity");
        copy.add_input(name);
        copy.add_output(name = names_.make(name));
        copy.set_name(name + "/Identity");
      }
      taken[output] = true;
      describe(graph.value(output), name, *result.add_output());
    }
  }

  static void describe(const sdk::ValueView& value, const std::string& name, onnx::ValueInfoProto& info) {
    info.set_name(name);
    onnx::TypeProto* type = info.mutable_type();
    if (value.kind() == LATHE_KIND_OPTIONAL || value.kind() == LATHE_KIND_OPTIONAL_SEQUENCE)
      type = type->mutable_optional_type()->mutable_elem_type();
    if (value.kind() == LATHE_KIND_SEQUENCE || value.kind() == LATHE_KIND_OPTIONAL_SEQUENCE)
      type = type->mutable_sequence_type()->mutable_elem_type();
    onnx::TypeProto_Tensor& tensor = *type->mutable_tensor_type();
    tensor.set_elem_type(value.type());
    if (!value.has_rank()) return;
    onnx::TensorShapeProto& shape = *tensor.mutable_shape();
    for (const lathe_dimension& d : value.dimensions()) {
      onnx::TensorShapeProto_Dimension& dimension = *shape.add_dim();
      if (d.value >= 0) {
        dimension.set_dim_value(d.value);
      } else if (d.symbol.size) {
        dimension.set_dim_param(text(sdk::view(d.symbol)));
      }
    }
  }

  void fill(const sdk::TensorView& tensor, const std::string& name, onnx::TensorProto& result) {
    if (!name.empty()) result.set_name(name);
    result.set_data_type(tensor.type());
    for (const int64_t d : tensor.dimensions()) result.add_dims(d);
    if (tensor.type() == LATHE_STRING) {
      for (int64_t i = 0; i < tensor.size(); ++i) result.add_string_data(text(tensor.text(static_cast<size_t>(i))));
    } else if (external_ && tensor.bytes() >= least_external) {
      next_ = (next_ + page - 1) / page * page;
      out_.external.push_back({tensor.data(), next_, tensor.bytes()});
      result.set_data_location(onnx::TensorProto::EXTERNAL);
      place(result, "location", data_file_);
      place(result, "offset", std::to_string(next_));
      place(result, "length", std::to_string(tensor.bytes()));
      next_ += tensor.bytes();
    } else {
      result.set_raw_data(tensor.data(), tensor.bytes());
    }
  }
  static void place(onnx::TensorProto& tensor, const char* key, const std::string& value) {
    onnx::StringStringEntryProto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }

  void fill(const sdk::NodeView& node, const std::vector<std::string>& names, onnx::NodeProto& result) {
    result.set_name(text(node.name()));
    result.set_op_type(text(node.op_type()));
    if (!node.domain().empty()) result.set_domain(text(node.domain()));
    for (const uint32_t input : node.inputs()) result.add_input(input == LATHE_NONE ? "" : names[input]);
    for (const uint32_t output : node.outputs()) result.add_output(output == LATHE_NONE ? "" : names[output]);
    for (size_t i = 0; i < node.attribute_count(); ++i) fill(node, node.attribute(i), names, *result.add_attribute());
  }

  void fill(const sdk::NodeView& node, const sdk::AttributeView& attribute, const std::vector<std::string>& names, onnx::AttributeProto& result) {
    using Type = onnx::AttributeProto;
    const size_t count = attribute.count();
    result.set_name(text(attribute.name()));
    switch (attribute.kind()) {
      case LATHE_ATTRIBUTE_INT:
        result.set_type(Type::INT);
        result.set_i(attribute.integer());
        break;
      case LATHE_ATTRIBUTE_FLOAT:
        result.set_type(Type::FLOAT);
        result.set_f(attribute.real());
        break;
      case LATHE_ATTRIBUTE_STRING:
        // The boundary hands a type over as text; only Optional has such an attribute.
        if (node.is("Optional") && attribute.name() == "type" && parse_type(attribute.text(), *result.mutable_tp())) {
          result.set_type(Type::TYPE_PROTO);
          break;
        }
        result.clear_tp();
        result.set_type(Type::STRING);
        result.set_s(text(attribute.text()));
        break;
      case LATHE_ATTRIBUTE_TENSOR:
        result.set_type(Type::TENSOR);
        fill(attribute.tensor(), "", *result.mutable_t());
        break;
      case LATHE_ATTRIBUTE_GRAPH:
        result.set_type(Type::GRAPH);
        fill(attribute.graph(), &names, *result.mutable_g());
        break;
      case LATHE_ATTRIBUTE_INTS:
        result.set_type(Type::INTS);
        for (const int64_t v : attribute.integers()) result.add_ints(v);
        break;
      case LATHE_ATTRIBUTE_FLOATS:
        result.set_type(Type::FLOATS);
        for (const float v : attribute.reals()) result.add_floats(v);
        break;
      case LATHE_ATTRIBUTE_STRINGS:
        result.set_type(Type::STRINGS);
        for (size_t i = 0; i < count; ++i) result.add_strings(text(attribute.text(i)));
        break;
      case LATHE_ATTRIBUTE_TENSORS:
        result.set_type(Type::TENSORS);
        for (size_t i = 0; i < count; ++i) fill(attribute.tensor(i), "", *result.add_tensors());
        break;
      case LATHE_ATTRIBUTE_GRAPHS:
        result.set_type(Type::GRAPHS);
        for (size_t i = 0; i < count; ++i) fill(attribute.graph(i), &names, *result.add_graphs());
        break;
      default:
        node.fail("the attribute '" + text(attribute.name()) + "' is of a kind that ONNX has none for");
    }
  }

  Exported& out_;
  const std::string& data_file_;
  const bool external_;
  uint64_t next_ = 0;  // first free offset of the data file
  UniqueNames names_;  // of all graphs together
};

uint64_t tensor_bytes(const sdk::GraphView& graph) {
  const lathe_graph& g = graph.get();
  uint64_t bytes = 0;
  for (size_t i = 0; i < g.tensor_count; ++i) bytes += LATHE_AT(lathe_tensor, g.tensors, g.tensor_stride, i)->size;
  for (size_t i = 0; i < g.subgraph_count; ++i) bytes += tensor_bytes(graph.subgraph(i));
  return bytes;
}

}  // namespace

Exported export_graph(const sdk::GraphView& graph, const std::string& data_file, bool always_external) {
  Exported out;
  const lathe_graph& g = graph.get();
  const int64_t opset = graph.opset();
  out.model.set_ir_version(ir_version_of(opset));
  out.model.set_producer_name("lathe");
  for (size_t i = 0; i < g.opset_count; ++i) {
    onnx::OperatorSetIdProto& import = *out.model.add_opset_import();
    import.set_domain(text(sdk::view(g.opsets[i].domain)));
    import.set_version(g.opsets[i].version);
  }
  for (size_t i = 0; i < g.property_count; ++i) {
    onnx::StringStringEntryProto& entry = *out.model.add_metadata_props();
    entry.set_key(text(sdk::view(g.properties[i].key)));
    entry.set_value(text(sdk::view(g.properties[i].value)));
  }
  Exporter(out, data_file, always_external || tensor_bytes(graph) > most_in_message).fill(graph, nullptr, *out.model.mutable_graph());
  return out;
}

}  // namespace lathe::onnx_plugin
