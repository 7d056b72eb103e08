// See maps.hpp. Source: ONNX, Operators-ml.md, ZipMap (ai.onnx.ml 1).
#include "maps.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "problems.hpp"

namespace lathe::onnx_plugin {
namespace {

constexpr size_t most_told = 10;  // classes in a warning

bool is_zip_map(const onnx::NodeProto& node) {
  return node.domain() == "ai.onnx.ml" && node.op_type() == "ZipMap" && node.input_size() == 1 && node.output_size() == 1;
}

// The output of the model that the node makes; nullptr when it is none, or somebody else reads it.
onnx::ValueInfoProto* final_output(onnx::GraphProto& graph, const onnx::NodeProto& node) {
  for (const onnx::NodeProto& other : graph.node())
    if (std::find(other.input().begin(), other.input().end(), node.output(0)) != other.input().end()) return nullptr;
  for (onnx::ValueInfoProto& output : *graph.mutable_output())
    if (output.name() == node.output(0)) return &output;
  return nullptr;
}

std::vector<std::string> classes_of(const onnx::NodeProto& node) {
  std::vector<std::string> classes;
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() == "classlabels_int64s")
      for (const int64_t label : attribute.ints()) classes.push_back(std::to_string(label));
    if (attribute.name() == "classlabels_strings") classes.insert(classes.end(), attribute.strings().begin(), attribute.strings().end());
  }
  return classes;
}

std::string sentence(const std::string& output, const std::vector<std::string>& classes) {
  std::string text = "Lathe has no maps, so the output " + onnx_plugin::quoted(output) + " is the tensor of scores itself";
  for (size_t i = 0; i < classes.size() && i < most_told; ++i)
    text += (i ? ", " : ", a column for each of the classes ") + onnx_plugin::quoted(classes[i]);
  if (classes.size() > most_told) text += " and " + std::to_string(classes.size() - most_told) + " more";
  return text;
}

}  // namespace

std::vector<sdk::Diagnostic> replace_final_zip_maps(onnx::ModelProto& model) {
  std::vector<sdk::Diagnostic> warnings;
  std::vector<std::string> names;
  for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node()) {
    onnx::ValueInfoProto* output = is_zip_map(node) ? final_output(*model.mutable_graph(), node) : nullptr;
    if (!output) continue;
    names = classes_of(node);
    sdk::Diagnostic warning;
    warning.severity = LATHE_WARNING;
    warning.text = sentence(output->name(), names);
    warning.node = is_utf8(node.name()) ? node.name() : "";
    warning.op_type = "ZipMap";
    warnings.push_back(std::move(warning));
    output->clear_type();
    output->mutable_type()->mutable_tensor_type()->set_elem_type(LATHE_FLOAT32);
    node.clear_domain();
    node.set_op_type("Identity");
    node.clear_attribute();
  }
  if (warnings.empty()) return warnings;
  const auto is_default = [](const onnx::OperatorSetIdProto& opset) { return opset.domain().empty() || opset.domain() == "ai.onnx"; };
  if (std::none_of(model.opset_import().begin(), model.opset_import().end(), is_default)) model.add_opset_import()->set_version(1);
  const auto has_names = [](const onnx::StringStringEntryProto& entry) { return entry.key() == "names"; };
  if (warnings.size() == 1 && !names.empty() && std::all_of(names.begin(), names.end(), is_utf8) &&
      std::none_of(model.metadata_props().begin(), model.metadata_props().end(), has_names)) {
    onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key("names");
    entry.set_value(nlohmann::json(names).dump());
  }
  return warnings;
}

}  // namespace lathe::onnx_plugin
