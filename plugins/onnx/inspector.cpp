// Describing a model without importing it, so that a file that cannot be compiled can still be looked at.
#include "inspector.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "files.hpp"
#include "model_file.hpp"
#include "tensors.hpp"
#include "types.hpp"

namespace lathe::onnx_plugin {
namespace {

using Json = nlohmann::ordered_json;

struct Counts {
  std::map<std::string, uint64_t> operators;
  uint64_t nodes = 0, subgraphs = 0, parameters = 0, bytes = 0, external_tensors = 0;
};

void count(const onnx::TensorProto& tensor, Counts& counts) {
  const auto elements = element_count({tensor.dims().begin(), tensor.dims().end()});
  if (!elements) return;
  counts.parameters += *elements;
  counts.bytes += packed_size(tensor.data_type(), *elements).value_or(0);
  counts.external_tensors += tensor.data_location() == onnx::TensorProto::EXTERNAL;
}

void count(const onnx::GraphProto& graph, Counts& counts);

void count(const onnx::NodeProto& node, Counts& counts) {
  const std::string_view domain = plain_domain(node.domain());
  ++counts.nodes;
  ++counts.operators[domain.empty() ? node.op_type() : std::string(domain) + "." + node.op_type()];
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (node.op_type() == "Constant" && attribute.has_t()) count(attribute.t(), counts);
    if (attribute.has_g()) count(attribute.g(), counts);
    for (const onnx::GraphProto& body : attribute.graphs()) count(body, counts);
    counts.subgraphs += static_cast<uint64_t>(attribute.has_g()) + static_cast<uint64_t>(attribute.graphs_size());
  }
}

void count(const onnx::GraphProto& graph, Counts& counts) {
  for (const onnx::NodeProto& node : graph.node()) count(node, counts);
  for (const onnx::TensorProto& tensor : graph.initializer()) count(tensor, counts);
  for (const onnx::SparseTensorProto& tensor : graph.sparse_initializer()) count(tensor.values(), counts);
}

std::string shape_text(const ValueType& type) {
  if (!type.shape) return "?";
  std::string text;
  for (const sdk::Dimension& d : *type.shape)
    text += (text.empty() ? "" : "x") + (d.value >= 0 ? std::to_string(d.value) : d.symbol.empty() ? std::string("?") : d.symbol);
  return text.empty() ? "scalar" : text;
}

Json describe(const onnx::ValueInfoProto& info, std::string& line) {
  std::string ignored;
  const ValueType type = value_type(info.type(), ignored);
  Json shape;  // null: the rank is not known
  if (type.shape) {
    shape = Json::array();
    for (const sdk::Dimension& d : *type.shape) shape.push_back(d.value >= 0 ? Json(d.value) : d.symbol.empty() ? Json() : Json(d.symbol));
  }
  line += (line.empty() ? "" : ", ") + info.name() + " " + type_text(info.type()) + " " + shape_text(type);
  return {{"name", info.name()}, {"type", type_text(info.type())}, {"shape", shape}};
}

}  // namespace

std::string inspect_model(const std::string& path) {
  const auto file = open_model(path);
  const auto model = parse_model(file->bytes(), path);
  const onnx::GraphProto& graph = model->graph();
  Counts counts;
  count(graph, counts);
  for (const onnx::FunctionProto& function : model->functions())
    for (const onnx::NodeProto& node : function.node()) count(node, counts);

  Json json = {{"format", "ONNX"}, {"summary", Json::array()}};
  json["ir_version"] = model->ir_version();
  json["graph"] = graph.name();
  json["producer"] = {{"name", model->producer_name()}, {"version", model->producer_version()}};
  std::string opsets;
  json["opsets"] = Json::object();
  for (const onnx::OperatorSetIdProto& import : model->opset_import()) {
    const std::string domain(plain_domain(import.domain()));
    json["opsets"][domain] = import.version();
    opsets += (opsets.empty() ? "" : ", ") + (domain.empty() ? "" : domain + " ") + std::to_string(import.version());
  }

  std::unordered_set<std::string> constants;
  for (const onnx::TensorProto& tensor : graph.initializer()) constants.insert(tensor.name());
  std::string inputs, outputs;
  json["inputs"] = json["outputs"] = Json::array();
  for (const onnx::ValueInfoProto& input : graph.input())
    if (!constants.count(input.name())) json["inputs"].push_back(describe(input, inputs));
  for (const onnx::ValueInfoProto& output : graph.output()) json["outputs"].push_back(describe(output, outputs));

  json["nodes"] = counts.nodes;
  json["subgraphs"] = counts.subgraphs;
  json["functions"] = model->functions_size();
  json["operators"] = counts.operators;
  json["parameters"] = counts.parameters;
  json["parameter_bytes"] = counts.bytes;
  json["external_tensors"] = counts.external_tensors;
  json["file_bytes"] = file->size();
  json["metadata"] = Json::object();
  for (const onnx::StringStringEntryProto& entry : model->metadata_props()) json["metadata"][entry.key()] = entry.value();

  std::string operators;
  for (const auto& [name, uses] : counts.operators) operators += (operators.empty() ? "" : ", ") + name + " " + std::to_string(uses);
  auto line = [&](const std::string& label, const std::string& text) {
    if (!text.empty()) json["summary"].push_back(Json::array({label, text}));
  };
  line("IR version", std::to_string(model->ir_version()));
  line("opset", opsets);
  line("producer", model->producer_name() + (model->producer_version().empty() ? "" : " " + model->producer_version()));
  line("inputs", inputs);
  line("outputs", outputs);
  line("nodes", std::to_string(counts.nodes));
  line("operators", operators);
  line("parameters", std::to_string(counts.parameters) + " (" + std::to_string(counts.bytes) + " bytes)");
  for (const onnx::StringStringEntryProto& entry : model->metadata_props()) line(entry.key(), entry.value());
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lathe::onnx_plugin
