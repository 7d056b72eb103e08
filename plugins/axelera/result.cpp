// Reports, manifests and the packed folder.
#include "result.hpp"

#include <lathe/plugin.hpp>
#include <nlohmann/json.hpp>
#include <optional>

#include "zip.hpp"

namespace lathe::axelera {
namespace {

using Json = nlohmann::json;
constexpr int deepest = 64;
constexpr size_t longest_text = size_t{256} << 20, most_tensors = 256, most_dimensions = 16;
constexpr std::string_view manifest_name = "compiled_model/manifest.json";

[[noreturn]] void refuse(const std::string& path, std::string text, std::string expected = {}) {
  sdk::Diagnostic d;
  d.text = std::move(text);
  d.location = path;
  d.expected = std::move(expected);
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

Json parse(std::string_view text, const std::string& path) {
  struct TooDeep {};
  if (text.size() > longest_text) refuse(path, "the file is longer than any of its kind");
  try {
    Json json = Json::parse(text, [](int depth, Json::parse_event_t, Json&) {
      if (depth > deepest) throw TooDeep{};
      return true;
    });
    if (!json.is_object()) refuse(path, "the file holds no JSON object");
    return json;
  } catch (const Json::exception&) {
    refuse(path, "the file is no JSON");
  } catch (const TooDeep&) {
    refuse(path, "the file is nested deeper than " + std::to_string(deepest));
  }
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  const std::string& text = found->get_ref<const std::string&>();
  return text.size() <= 512 ? text : std::string();
}

// A list of lists of sizes; nothing where it is not there.
std::vector<std::vector<int64_t>> shapes_at(const Json& object, const char* key, const std::string& path) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  const auto wrong = [&] { refuse(path, std::string("'") + key + "' of the manifest is no list of shapes"); };
  if (!found->is_array() || found->size() > most_tensors) wrong();
  std::vector<std::vector<int64_t>> all;
  for (const Json& shape : *found) {
    if (!shape.is_array() || shape.size() > most_dimensions) wrong();
    all.emplace_back();
    for (const Json& d : shape) {
      if (!d.is_number_integer() || d.get<int64_t>() < 0 || d.get<int64_t>() > (int64_t{1} << 40)) wrong();
      all.back().push_back(d.get<int64_t>());
    }
  }
  return all;
}

std::string shown(const std::vector<std::vector<int64_t>>& shapes) {
  std::string text;
  for (const auto& shape : shapes) {
    std::string sizes;
    for (const int64_t d : shape) sizes += (sizes.empty() ? "" : "x") + std::to_string(d);
    text += (text.empty() ? "" : ", ") + sizes;
  }
  return text;
}

nlohmann::ordered_json tensors(const std::vector<std::vector<int64_t>>& shapes, const char* type) {
  auto all = nlohmann::ordered_json::array();
  for (const auto& shape : shapes) all.push_back({{"type", type}, {"shape", shape}});
  return all;
}

void add_manifest(const Manifest& m, nlohmann::ordered_json& json) {
  json["runtime"] = "AXELERA";
  json["devices"] = {"METIS"};
  // The shapes of the model that was given are what a package is held against.
  json["inputs"] = tensors(m.original_inputs.empty() ? m.inputs : m.original_inputs, "");
  json["outputs"] = tensors(m.original_outputs.empty() ? m.outputs : m.original_outputs, "");
  for (const char* list : {"inputs", "outputs"})
    for (auto& tensor : json[list]) tensor.erase("type");
  json["memory_inputs"] = tensors(m.inputs, "int8");
  json["memory_outputs"] = tensors(m.outputs, "int8");
  const auto line = [&](const char* label, const std::string& text) {
    if (!text.empty()) json["summary"].push_back({label, text});
  };
  line("inputs", shown(m.original_inputs));
  line("outputs", shown(m.original_outputs));
  line("inputs in memory", shown(m.inputs));
  line("outputs in memory", shown(m.outputs));
  line("program", m.model_file);
  line("on the host before", m.before);
  line("on the host after", m.after);
}

}  // namespace

const std::vector<Status>& statuses() {
  static const std::vector<Status>& all = *new std::vector<Status>{
      {"INITIALIZE_CLI_ERROR", "axcompile does not take its arguments or its configuration",
       "this version of the SDK may name them otherwise; report it with the "
       "log"},
      {"ONNX_GRAPH_CLEANER_ERROR", "axcompile's cleaning of the ONNX graph fails", "simplify the model, or report it with the log"},
      {"QTOOLS_ERROR", "the quantiser fails on the model",
       "`lathe check MODEL --target axelera` shows which operators it may "
       "stumble over"},
      {"GRAPH_EXPORTER_ERROR", "the quantised graph cannot be handed to the code generator",
       "an operator is beyond what METIS has; see `lathe check`"},
      {"TVM_FRONTEND_ERROR", "the code generator cannot read the quantised graph", "pictures smaller than 64x64 end here, too"},
      {"TOP_LEVEL_QUANTIZE_ERROR", "quantising fails", "look into compilation_log.txt, quoted in the log of this job"},
      {"LOWER_FRONTEND_ERROR", "lowering fails in its first step", "an operator is beyond what METIS has; see `lathe check`"},
      {"FRONTEND_TO_MIDEND_ERROR", "lowering fails between its first and second step", "report it with the log"},
      {"LOWER_MIDEND_ERROR", "lowering fails in its second step", "--option tiling-depth=1, or a smaller picture"},
      {"MIDEND_TO_TIR_ERROR", "lowering fails before kernels are made", "--option tiling-depth=1, or a smaller picture"},
      {"LOWER_TIR_ERROR", "kernels cannot be made",
       "the model may not fit the device's memory: a smaller picture, fewer "
       "cores, a smaller model"},
      {"TIR_TO_RUNTIME_ERROR", "the program cannot be written", "report it with the log"},
      {"TOP_LEVEL_LOWER_ERROR", "lowering fails", "look into compilation_log.txt, quoted in the log of this job"}};
  return all;
}

Kind kind_of(std::string_view head, std::string_view name) {
  if (head.substr(0, 4) == "PK\x03\x04") {
    constexpr size_t name_at = 30;
    constexpr std::string_view folder = "compiled_model/";
    return head.size() > name_at && head.substr(name_at, folder.size()) == folder ? Kind::folder : Kind::none;
  }
  if (name.size() > 4 && name.substr(name.size() - 4) == ".axm") return Kind::axm;
  const size_t first = head.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || head[first] != '{') return Kind::none;
  const auto holds = [&](std::string_view key) { return head.find(key) != std::string_view::npos; };
  if (name == "compilation_report.json" && holds("\"status\"")) return Kind::report;
  if (name.find("manifest.json") != std::string_view::npos &&
      (holds("\"quantize_params\"") || holds("\"input_shapes\"") || holds("\"model_lib_file\"")))
    return Kind::manifest;
  return Kind::none;
}

Report read_report(std::string_view text, const std::string& path) {
  const Json json = parse(text, path);
  const Report report = {text_at(json, "status")};
  if (report.status.empty()) refuse(path, "the report says no status", "'status' with SUCCEEDED or the name of an error");
  return report;
}

Manifest read_manifest(std::string_view text, const std::string& path) {
  const Json json = parse(text, path);
  Manifest m;
  m.inputs = shapes_at(json, "input_shapes", path);
  m.outputs = shapes_at(json, "output_shapes", path);
  m.original_inputs = shapes_at(json, "input_shapes_original", path);
  m.original_outputs = shapes_at(json, "output_shapes_original", path);
  m.model_file = text_at(json, "model_lib_file");
  m.before = text_at(json, "preprocess_graph");
  m.after = text_at(json, "postprocess_graph");
  if (m.inputs.empty() || m.outputs.empty()) refuse(path, "the manifest has no input_shapes or no output_shapes");
  return m;
}

Packed read_packed(std::string_view bytes, const std::string& path) {
  Packed packed;
  std::optional<Manifest> manifest;
  for (const Entry& entry : read_zip(bytes, path)) {
    packed.files.emplace_back(entry.name, entry.bytes.size());
    if (entry.name == manifest_name) manifest = read_manifest(entry.bytes, path + ":" + entry.name);
  }
  if (!manifest) refuse(path, "the packed folder has no " + std::string(manifest_name));
  packed.manifest = *manifest;
  return packed;
}

std::string describe(Kind kind, std::string_view bytes, const std::string& path) {
  nlohmann::ordered_json json = {{"format", ""}, {"summary", nlohmann::ordered_json::array()}};
  const auto line = [&](const std::string& label, const std::string& text) { json["summary"].push_back({label, text}); };
  if (kind == Kind::report) {
    const Report report = read_report(bytes, path);
    json["format"] = "Axelera compilation report";
    json["status"] = report.status;
    line("status", report.status);
    for (const Status& s : statuses())
      if (report.status == s.word) json["meaning"] = s.sentence, line("meaning", s.sentence), line("next step", s.hint);
  } else if (kind == Kind::manifest) {
    json["format"] = "Axelera manifest";
    add_manifest(read_manifest(bytes, path), json);
  } else if (kind == Kind::folder) {
    const Packed packed = read_packed(bytes, path);
    json["format"] = "Axelera compiled model, packed";
    add_manifest(packed.manifest, json);
    json["files"] = nlohmann::ordered_json::object();
    for (const auto& [name, size] : packed.files) json["files"][name] = size, line(name, std::to_string(size) + " bytes");
  } else {
    json["format"] = "Axelera AXM";
    json["runtime"] = "AXELERA";
    json["devices"] = {"METIS"};
    json["bytes"] = bytes.size();
    line("size", std::to_string(bytes.size()) + " bytes");
    line("inside", "not public: nothing more is read of it");
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace lathe::axelera
