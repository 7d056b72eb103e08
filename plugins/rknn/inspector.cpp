// An .rknn file as JSON and as lines for people.
#include "inspector.hpp"

#include <cstdio>
#include <lathe/mapped_file.hpp>
#include <nlohmann/json.hpp>

#include "file.hpp"

namespace lathe::rknn {
namespace {

using Json = nlohmann::ordered_json;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

Json describe(const TensorInfo& t, std::string& line) {
  std::string shape;
  for (const int64_t extent : t.shape) shape += (shape.empty() ? "" : "x") + std::to_string(extent);
  line += (line.empty() ? "" : ", ") + t.name + " " + shape + (t.type.empty() ? "" : " " + t.type) + (t.layout.empty() ? "" : " " + t.layout);
  Json json = {{"name", t.name}, {"shape", t.shape}, {"type", t.type}, {"layout", t.layout}};
  if (!t.quantization.empty()) json["quantization"] = t.quantization;
  if (t.low && t.high) json["range"] = {*t.low, *t.high};
  if (const auto scale = t.scale()) {
    json["scale"] = *scale, json["zero_point"] = *t.zero_point();
    line += " (scale " + number(*scale) + ", zero point " + std::to_string(*t.zero_point()) + ")";
  }
  if (!t.mean.empty()) json["mean"] = t.mean;
  if (!t.spread.empty()) json["std"] = t.spread;
  if (t.blue_first) json["rgb2bgr"] = true;
  return json;
}

}  // namespace

int Inspector::recognise(const sdk::FileHead& head) { return has_identifier({reinterpret_cast<const char*>(head.bytes), head.size}) ? 100 : 0; }

std::string Inspector::inspect(const sdk::Host&, const std::string& path) {
  const sdk::MappedFile mapped(path);
  const File file = read_file(mapped.bytes(), path);
  Json json = {{"format", "RKNN"}, {"summary", Json::array()}};
  std::string inputs, outputs, normalisation;
  json["runtime"] = "RKNN";
  json["devices"] = Json::array();
  for (const char* device : {"RK3566", "RK3568", "RK3588"})
    if (serves(file.target, device)) json["devices"].push_back(device);
  json["version"] = file.version;
  json["target"] = file.target;
  json["toolkit"] = file.toolkit;
  json["generator"] = file.generator;
  json["framework"] = file.framework;
  json["shapes"] = file.shapes;
  json["lowest_runtime"] = runtime_for(file.version);
  json["whole_on_npu"] = file.whole_on_npu;
  json["inputs"] = json["outputs"] = Json::array();
  for (const TensorInfo& t : file.inputs) {
    json["inputs"].push_back(describe(t, inputs));
    for (size_t c = 0; c < t.mean.size() && c < t.spread.size(); ++c)
      normalisation += (normalisation.empty() ? "" : ", ") + ("(x - " + number(t.mean[c])) + ") / " + number(t.spread[c]);
  }
  for (const TensorInfo& t : file.outputs) json["outputs"].push_back(describe(t, outputs));
  json["file_bytes"] = mapped.bytes().size();
  json["network_bytes"] = file.flat_bytes;
  const auto line = [&](const char* label, const std::string& text) {
    if (!text.empty()) json["summary"].push_back(Json::array({label, text}));
  };
  line("target", file.target + (serves(file.target, "rk3566") ? " (the same file serves RK3566 and RK3568)" : ""));
  line("written by", file.toolkit);
  line("from", file.framework);
  line("container", "version " + std::to_string(file.version) + ", for librknnrt " + runtime_for(file.version) + " or later");
  line("inputs", inputs);
  line("normalised within", normalisation);
  line("outputs", outputs);
  line("NPU", file.whole_on_npu ? "all of it" : "parts are left to the processor");
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lathe::rknn
