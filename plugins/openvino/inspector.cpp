// Inputs, outputs, operations, weights by element type, rt_info, and the checker's opinion.
#include "inspector.hpp"

#include <map>
#include <nlohmann/json.hpp>

#include "check/checker.hpp"
#include "element_types.hpp"
#include "read/xml.hpp"

namespace lathe::openvino {
namespace {

using Json = nlohmann::ordered_json;

Json describe(const Layer& layer, const OutputPort& port, std::string& line) {
  const ElementType* type = find_type(port.type);
  const std::string name = port.names.empty() ? layer.name : port.names.front();
  Json shape;
  std::string sizes;
  if (port.dimensions) {
    shape = Json::array();
    for (const int64_t d : *port.dimensions) {
      shape.push_back(d >= 0 ? Json(d) : Json());
      sizes += (sizes.empty() ? "" : "x") + (d >= 0 ? std::to_string(d) : std::string("?"));
    }
    if (sizes.empty()) sizes = "scalar";
  }
  const std::string word = type ? std::string(type->data) : "?";
  line += (line.empty() ? "" : ", ") + name + " " + word + " " + (port.dimensions ? sizes : "?");
  return {{"name", name}, {"type", word}, {"shape", shape}};
}

Json tree(const std::vector<Info>& list) {
  Json json = Json::object();
  for (const Info& info : list) json[info.name] = info.children.empty() ? Json(info.value) : tree(info.children);
  return json;
}

}  // namespace

std::string inspect_model(const std::string& path) {
  const ModelFile file(path);
  const sdk::MappedFile text(path);
  const Model& model = file.model();
  Json json = {{"format", "OpenVINO IR"}, {"summary", Json::array()}};
  json["ir_version"] = model.version;
  json["name"] = model.name;
  std::string inputs, outputs;
  json["inputs"] = json["outputs"] = Json::array();
  std::map<std::string, uint64_t> operations, weights;
  int newest = 1;
  for (const Layer& layer : model.layers) {
    newest = std::max(newest, layer.opset);
    if (layer.type == "Parameter") {
      json["inputs"].push_back(describe(layer, layer.outputs[0], inputs));
    } else if (layer.type == "Const") {
      weights[std::string(find_type(layer.outputs[0].type)->data)] += layer.size;
    } else if (layer.type == "Result") {
      if (layer.inputs.empty()) continue;
      const Layer& from = model.layers[layer.inputs[0].layer];
      json["outputs"].push_back(describe(from, from.outputs[layer.inputs[0].port], outputs));
    } else {
      ++operations[layer.type];
    }
  }
  json["layers"] = model.layers.size();
  json["newest_opset"] = newest;
  json["operations"] = operations;
  json["weights"] = weights;
  json["weights_bytes"] = file.weights().size();
  json["rt_info"] = tree(model.info);
  json["problems"] = check_ir(text.bytes(), file.weights());
  const auto list = [](const std::map<std::string, uint64_t>& counts, const char* unit) {
    std::string out;
    for (const auto& [name, count] : counts) out += (out.empty() ? "" : ", ") + name + " " + std::to_string(count) + unit;
    return out;
  };
  const auto line = [&](const std::string& label, const std::string& value) {
    if (!value.empty()) json["summary"].push_back(Json::array({label, value}));
  };
  line("IR version", std::to_string(model.version));
  line("newest opset", std::to_string(newest));
  line("inputs", inputs);
  line("outputs", outputs);
  line("layers", std::to_string(model.layers.size()));
  line("operations", list(operations, ""));
  line("weights", list(weights, " bytes"));
  for (const auto& problem : json["problems"]) line("problem", problem.get<std::string>());
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lathe::openvino
