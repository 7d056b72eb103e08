// A .dfp file as JSON and as lines for people.
#include "inspector.hpp"

#include <cstdio>
#include <lathe/mapped_file.hpp>
#include <nlohmann/json.hpp>

#include "file.hpp"

namespace lathe::memryx {
namespace {

using Json = nlohmann::ordered_json;

Json describe(const Port& port, std::string& line) {
  std::string shape;
  for (const int64_t extent : port.shape) shape += (shape.empty() ? "" : "x") + std::to_string(extent);
  line += (line.empty() ? "" : ", ") + port.layer + " " + shape + " " + port.format;
  Json json = {{"port", port.number},   {"name", port.layer},  {"shape", port.shape}, {"layout", "HWZC"},
               {"format", port.format}, {"model", port.model}, {"chip", port.chip}};
  if (port.converts) json["shift"] = port.shift, json["scale"] = port.scale;
  return json;
}

}  // namespace

int Inspector::recognise(const sdk::FileHead& head) {
  if (!head.has_extension("dfp")) return 0;
  return looks_like_dfp({reinterpret_cast<const char*>(head.bytes), head.size}) ? 90 : 30;
}

std::string Inspector::inspect(const sdk::Host&, const std::string& path) {
  const sdk::MappedFile mapped(path);
  const File file = read_file(mapped.bytes(), path);
  Json json = {{"format", "DFP"}, {"summary", Json::array()}};
  const auto line = [&](const char* label, const std::string& text) {
    if (!text.empty()) json["summary"].push_back(Json::array({label, text}));
  };
  json["runtime"] = "MEMRYX";
  json["devices"] = Json::array({"MX3"});
  json["version"] = file.version;
  json["file_bytes"] = mapped.bytes().size();
  json["reader"] = "told from the vendor's open runtime; it has never met a real file";
  if (file.version == 5) {
    line("container", "version 5; its description is not read");
    line("reader", json["reader"]);
    return json.dump(2);
  }
  std::string inputs, outputs;
  json["sub_version"] = file.sub_version;
  json["compiler"] = file.compiler;
  json["compiled"] = file.time;
  json["chips"] = file.chips;
  json["models"] = file.models;
  json["weight_bytes"] = file.weight_bytes;
  json["configuration_bytes"] = file.configuration_bytes;
  json["inputs"] = json["outputs"] = Json::array();
  for (const Port& port : file.inputs) json["inputs"].push_back(describe(port, inputs));
  for (const Port& port : file.outputs) json["outputs"].push_back(describe(port, outputs));
  line("container", "version 6." + std::to_string(file.sub_version));
  line("target", "MX3, " + std::to_string(file.chips) + " chips");
  line("written by", file.compiler.empty() ? "" : "compiler " + file.compiler + (file.time.empty() ? "" : ", " + file.time));
  line("models", std::to_string(file.models));
  line("inputs", inputs);
  line("outputs", outputs);
  line("weights", std::to_string(file.weight_bytes) + " bytes");
  line("reader", json["reader"]);
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lathe::memryx
