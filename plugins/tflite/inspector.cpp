// Describing a file without importing it, so that one that cannot be compiled can still be looked at: custom operators, the Edge TPU's included.
#include "inspector.hpp"

#include <lathe/mapped_file.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "file.hpp"
#include "metadata.hpp"
#include "operators.hpp"

namespace lathe::tflite {
namespace {

using Json = nlohmann::ordered_json;

std::string shown(const Operator& op) {
  const OperatorInfo* info = find_operator(op.code);
  if (info && info->name == "CUSTOM") return "CUSTOM " + op.custom;
  return info ? std::string(info->name) : "operator " + std::to_string(op.code);
}

Json describe(const Tensor& t, std::string& line) {
  const auto& extents = t.signature.empty() ? t.shape : t.signature;
  std::string shape;
  Json list = Json::array();
  for (const int32_t e : extents) {
    shape += (shape.empty() ? "" : "x") + (e < 0 ? std::string("?") : std::to_string(e));
    list.push_back(e < 0 ? Json() : Json(e));
  }
  line += (line.empty() ? "" : ", ") + t.name + " " + name(t.type) + " " + (shape.empty() ? "scalar" : shape);
  Json json = {{"name", t.name}, {"type", name(t.type)}, {"shape", list}};
  if (t.quantization.present()) {
    json["scale"] = t.quantization.scales[0];
    json["zero_point"] = t.quantization.zero_point();
    char text[64];
    std::snprintf(text, sizeof text, " (scale %g, zero point %lld)", static_cast<double>(t.quantization.scales[0]),
                  static_cast<long long>(t.quantization.zero_point()));
    line += text;
  }
  return json;
}

}  // namespace

int Inspector::recognise(const sdk::FileHead& head) { return has_identifier({reinterpret_cast<const char*>(head.bytes), head.size}) ? 100 : 0; }

std::string Inspector::inspect(const sdk::Host&, const std::string& path) {
  const sdk::MappedFile file(path);
  const Model model = read_model(file.bytes(), path);
  const Subgraph& graph = model.subgraphs[0];
  Json json = {{"format", "TensorFlow Lite"}, {"summary", Json::array()}};
  std::string inputs, outputs, operators, kinds;
  json["description"] = model.description;
  json["inputs"] = json["outputs"] = Json::array();
  for (const int32_t i : graph.inputs) json["inputs"].push_back(describe(graph.tensors[static_cast<size_t>(i)], inputs));
  for (const int32_t i : graph.outputs) json["outputs"].push_back(describe(graph.tensors[static_cast<size_t>(i)], outputs));
  std::map<std::string, uint64_t> uses;
  std::map<std::string, int32_t> versions;
  uint64_t count = 0, bytes = 0, device_bytes = 0, on_device = 0;
  std::map<std::string, uint64_t> types;
  for (const Subgraph& g : model.subgraphs) {
    for (const Operator& op : g.operators) {
      ++count;
      ++uses[shown(op)];
      versions[shown(op)] = std::max(versions[shown(op)], op.version);
      if (op.custom == "edgetpu-custom-op") ++on_device, device_bytes += op.custom_options.size();
    }
    for (const Tensor& t : g.tensors) {
      if (!t.constant) continue;
      bytes += t.bytes.size();
      types[name(t.type)] += t.bytes.size();
    }
  }
  json["operators"] = Json::object();
  for (const auto& [label, n] : uses) {
    json["operators"][label] = {{"count", n}, {"version", versions[label]}};
    operators += (operators.empty() ? "" : ", ") + label + " " + std::to_string(n);
  }
  for (const auto& [label, n] : types) kinds += (kinds.empty() ? "" : ", ") + label + " " + std::to_string(n);
  json["operator_count"] = count;
  json["subgraphs"] = model.subgraphs.size();
  json["constant_bytes"] = bytes;
  json["file_bytes"] = file.bytes().size();
  if (on_device) json["edgetpu"] = {{"operators", on_device}, {"bytes", device_bytes}};
  json["metadata"] = Json::array();
  for (const Metadata& entry : model.metadata) json["metadata"].push_back({{"name", entry.name}, {"bytes", entry.bytes.size()}});
  json["signatures"] = Json::array();
  for (const Signature& s : model.signatures) json["signatures"].push_back(s.key);
  json["properties"] = read_properties(file.bytes());
  auto line = [&](const char* label, const std::string& text) {
    if (!text.empty()) json["summary"].push_back(Json::array({label, text}));
  };
  line("description", model.description);
  line("inputs", inputs);
  line("outputs", outputs);
  line("operators", std::to_string(count) + ": " + operators);
  line("constants", kinds.empty() ? "none" : kinds + " bytes");
  if (on_device) line("Edge TPU", std::to_string(on_device) + " of its operators, " + std::to_string(device_bytes) + " bytes");
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lathe::tflite
