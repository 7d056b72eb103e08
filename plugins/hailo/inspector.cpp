// A HEF as JSON and as lines for people.
#include "inspector.hpp"

#include <cstdio>
#include <ctime>
#include <lathe/mapped_file.hpp>
#include <nlohmann/json.hpp>

#include "hef/hef.hpp"

namespace lathe::hailo {
namespace {

using Json = nlohmann::ordered_json;

std::string date(uint64_t milliseconds) {
  const auto seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm parts{};
  char text[64] = "";
  if (milliseconds && milliseconds < 253402300800000ull && ::gmtime_r(&seconds, &parts)) std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string shown(const Stream& s) {
  std::string text = s.name + " " + std::to_string(s.height) + "x" + std::to_string(s.width) + "x" + std::to_string(s.features) + " " +
                     format_name(s.format) + " uint" + std::to_string(s.data_bytes > 8 ? 0 : s.data_bytes * 8);
  if (s.quantization.scale != 0)
    text += " (scale " + number(s.quantization.scale) + ", zero point " + number(s.quantization.zero_point) +
            (s.quantization.per_feature ? ", others for other features)" : ")");
  return text;
}

Json described(const Suppression& s) {
  return {{"architecture", s.architecture},       {"classes", s.classes},
          {"score_threshold", s.score_threshold}, {"iou_threshold", s.iou_threshold},
          {"boxes_per_class", s.most_per_class},  {"decodes_only", s.decodes_only}};
}

Json described(const Stream& s) {
  Json json = {{"name", s.name},
               {"shape", {s.height, s.width, s.features}},
               {"format", format_name(s.format)},
               {"bytes", s.data_bytes},
               {"scale", s.quantization.scale},
               {"zero_point", s.quantization.zero_point},
               {"lowest", s.quantization.lowest},
               {"highest", s.quantization.highest},
               {"per_feature", s.quantization.per_feature},
               {"original_names", s.original_names}};
  if (s.suppression) json["nms"] = described(*s.suppression);
  return json;
}

Json named(const std::vector<uint64_t>& extensions) {
  Json list = Json::array();
  for (const uint64_t e : extensions) list.push_back({{"index", e}, {"name", extension_name(e)}});
  return list;
}

}  // namespace

int Inspector::recognise(const sdk::FileHead& head) { return is_hef({reinterpret_cast<const char*>(head.bytes), head.size}) ? 100 : 0; }

std::string Inspector::inspect(const sdk::Host&, const std::string& path) {
  const sdk::MappedFile file(path);
  const Hef hef = read_hef(file.bytes(), path);
  Json json = {{"format", "HEF"}, {"summary", Json::array()}};
  const auto line = [&](const std::string& label, const std::string& text) {
    if (!text.empty()) json["summary"].push_back(Json::array({label, text}));
  };
  json["version"] = hef.version, json["architecture"] = architecture_name(hef.architecture), json["architecture_code"] = hef.architecture;
  json["compiler"] = hef.compiler, json["date"] = date(hef.milliseconds), json["file_bytes"] = file.bytes().size();
  json["description_bytes"] = hef.description_bytes, json["configuration_bytes"] = hef.configuration_bytes;
  json["extensions"] = named(hef.extensions), json["optional_extensions"] = named(hef.optional_extensions);
  json["external_resources"] = hef.external_resources;
  // What `lathe package` and `lathe zoo verify` hold against a model.
  json["runtime"] = "HAILORT", json["devices"] = Json::array(), json["inputs"] = Json::array(), json["outputs"] = Json::array();
  for (const char* device : {"HAILO8", "HAILO8L"})
    if (runs_on(hef.architecture, device)) json["devices"].push_back(device);
  json["network_groups"] = Json::array();
  line("architecture", architecture_name(hef.architecture));
  line("compiler",
       hef.compiler.empty() ? "" : "Dataflow Compiler " + hef.compiler + (date(hef.milliseconds).empty() ? "" : ", " + date(hef.milliseconds)));
  for (const NetworkGroup& g : hef.groups) {
    Json group = {{"name", g.name},
                  {"networks", g.networks},
                  {"contexts", g.contexts},
                  {"partitions", g.partitions},
                  {"frames_per_second", g.frames_per_second},
                  {"latency", g.latency},
                  {"inputs", Json::array()},
                  {"outputs", Json::array()},
                  {"nms", Json::array()}};
    line("network group",
         g.name +
             (g.contexts > 1 ? ", " + std::to_string(g.contexts) + " contexts: the chip is loaded anew within each inference, which is slow" : "") +
             (g.frames_per_second > 0 ? ", estimated " + number(g.frames_per_second) + " frames per second" : ""));
    for (const Stream& s : g.streams) {
      group[s.input ? "inputs" : "outputs"].push_back(described(s));
      json[s.input ? "inputs" : "outputs"].push_back(
          {{"name", s.name}, {"type", s.data_bytes == 2 ? "uint16" : "uint8"}, {"shape", {uint64_t{1}, s.height, s.width, s.features}}});
      line(s.input ? "input" : "output", shown(s));
    }
    for (const Suppression& s : g.suppressions) {
      group["nms"].push_back(described(s));
      line("NMS by HailoRT", std::string(s.architecture) + ", " + std::to_string(s.classes) + " classes, score " + number(s.score_threshold) +
                                 ", IoU " + number(s.iou_threshold) + (s.decodes_only ? ", boxes decoded only" : ""));
    }
    json["network_groups"].push_back(std::move(group));
  }
  std::string needs;
  for (const uint64_t e : hef.extensions) needs += (needs.empty() ? "" : ", ") + extension_name(e);
  line("HailoRT must know", needs);
  line("header", "version " + std::to_string(hef.version) + ", checksum right");
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lathe::hailo
