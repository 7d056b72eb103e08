// Writing a package.
#include "core/package/package.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/sha256.hpp"
#include "core/files/picture.hpp"
#include "core/files/write_file.hpp"
#include "core/job/diagnostic_json.hpp"
#include "core/package/labels.hpp"

namespace lathe {
namespace {
using Json = nlohmann::ordered_json;

std::string name_part(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '+';
    out += plain ? c : '_';
  }
  if (out.empty() || out[0] == '.' || out[0] == '-') out.insert(0, "_");
  return out.substr(0, 120);
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return text;
}

bool quantised(const std::string& precision) { return precision == "int8" || precision == "mixed"; }

const Value* picture_input(const Graph& graph, PictureLayout& layout) {
  for (ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    if (value.constant || !value.type.shape) continue;
    std::optional<PictureLayout> found = picture_layout(*value.type.shape);
    if (!found || (value.type.element != DataType::float32 && value.type.element != DataType::float16 && value.type.element != DataType::uint8))
      continue;
    layout = *found;
    return &value;
  }
  return nullptr;
}

Json describe(const Value& value) {
  Json shape = Json::array();
  if (value.type.shape)
    for (const Dimension& d : *value.type.shape) {
      if (d.constant()) {
        shape.push_back(d.value);
      } else {
        shape.push_back(d.symbol.empty() ? "?" : d.symbol);
      }
    }
  return {{"name", value.name}, {"type", name(value.type.element)}, {"shape", shape}};
}

const char* raw_type(DataType type) {
  switch (type) {
    case DataType::float32:
      return "DG_FLT";
    case DataType::float64:
      return "DG_DBL";
    case DataType::uint8:
    case DataType::boolean:
      return "DG_UINT8";
    case DataType::int8:
      return "DG_INT8";
    case DataType::uint16:
      return "DG_UINT16";
    case DataType::int16:
      return "DG_INT16";
    case DataType::int32:
      return "DG_INT32";
    case DataType::int64:
      return "DG_INT64";
    case DataType::uint32:
      return "DG_UINT32";
    case DataType::uint64:
      return "DG_UINT64";
    default:
      return "DG_FLT";
  }
}

// One entry of PRE_PROCESS. `version` rises to the lowest ConfigVersion that carries the keys used.
Json pre_process(const Value& value, const char* pad, int& version) {
  std::optional<PictureLayout> picture = value.type.shape ? picture_layout(*value.type.shape) : std::nullopt;
  bool fixed = picture && picture->width > 0 && picture->height > 0;
  if (fixed && (value.type.element == DataType::float32 || value.type.element == DataType::uint8)) {
    Json j{{"InputType", "Image"}, {"InputN", 1}, {"InputH", picture->height}, {"InputW", picture->width}, {"InputC", picture->channels}};
    j["InputTensorLayout"] = picture->channels_last ? "NHWC" : "NCHW";
    j["InputResizeMethod"] = "bilinear", j["InputPadMethod"] = pad, j["InputColorSpace"] = "RGB";
    j["InputQuantEn"] = value.type.element == DataType::uint8;
    if (value.type.element == DataType::uint8) j["InputQuantScale"] = 1.0 / 255, j["InputQuantOffset"] = 0;
    if (value.type.element == DataType::float32) j["InputScaleEn"] = true, j["InputScaleCoeff"] = 1.0 / 255;
    return j;
  }
  version = std::max(version, 11);
  Json shape = Json::array();
  if (value.type.shape)
    for (const Dimension& d : *value.type.shape) shape.push_back(d.constant() ? d.value : -1);
  return {{"InputType", "Tensor"}, {"InputShape", shape}, {"InputRawDataType", raw_type(value.type.element)}, {"InputQuantEn", false}};
}

Json bindings(const std::vector<PackageStage::Binding>& list) {
  Json j = Json::array();
  for (const PackageStage::Binding& b : list) j.push_back({{"tensor", b.tensor}, {"name", b.name}});
  return j;
}

// A property that holds numbers as Python or JSON writes them: "[640, 640]", "(17, 3)"; null when it holds none.
Json numbers(std::string text) {
  std::replace(text.begin(), text.end(), '(', '[');
  std::replace(text.begin(), text.end(), ')', ']');
  Json j = Json::parse(text, nullptr, false);
  return j.is_discarded() ? Json() : j;
}

bool pair_of_numbers(const Json& j) { return j.is_array() && j.size() == 2 && j[0].is_number() && j[1].is_number(); }

// Per scale a list of pairs: [[[10, 13], [16, 30]], ...].
bool anchors_per_scale(const Json& j) {
  return j.is_array() && std::all_of(j.begin(), j.end(),
                                     [](const Json& scale) { return scale.is_array() && std::all_of(scale.begin(), scale.end(), pair_of_numbers); });
}

// What the frontend's properties say about the model's meaning; what they do not say, or say in another form, is left out.
Json model_key(const Graph& graph) {
  Json model = Json::object();
  const auto property = [&](std::string_view key) {
    const auto found = graph.properties.find(key);
    return found == graph.properties.end() ? std::string() : found->second;
  };
  if (const std::string task = property("task"); !task.empty()) model["task"] = task;
  if (const std::string head = property("head"); head == "raw" || head == "decoded" || head == "nms") model["head"] = head;
  if (const std::string end = property("end2end"); end == "True" || end == "true") model["end_to_end"] = true;
  if (const Json stride = numbers(property("stride")); stride.is_number()) model["stride"] = stride;
  if (const Json size = numbers(property("imgsz")); pair_of_numbers(size)) model["image_size"] = size;
  if (const Json points = numbers(property("kpt_shape")); pair_of_numbers(points)) model["keypoints"] = points;
  if (property("keypoints_from") == "centre") model["keypoints_from_centre"] = true;
  if (property("input") == "normalised") model["normalised_input"] = true;
  if (property("angles") == "radians") model["angles_in_radians"] = true;
  if (const Json anchors = numbers(property("anchors")); anchors_per_scale(anchors)) model["anchors"] = anchors;
  return model;
}

// How a picture is brought to the input's size, in PySDK's words.
const char* pad_method(const Graph& graph) {
  const auto holds = [&](std::string_view key, std::string_view value) {
    const auto found = graph.properties.find(key);
    return found != graph.properties.end() && found->second == value;
  };
  return holds("task", "classify") ? "crop-last" : holds("fit", "stretch") ? "stretch" : "letterbox";
}

Json lathe_key(const PackageContents& contents) {
  Json inputs = Json::array(), outputs = Json::array(), stages = Json::array();
  for (ValueId id : contents.graph->inputs)
    if (!contents.graph->value(id).constant) inputs.push_back(describe(contents.graph->value(id)));
  for (ValueId id : contents.graph->outputs) outputs.push_back(describe(contents.graph->value(id)));
  for (const PackageStage& stage : contents.stages)
    stages.push_back({{"artifact", stage.artifact},
                      {"target", stage.target.spelled()},
                      {"precision", stage.target.precision},
                      {"inputs", bindings(stage.inputs)},
                      {"outputs", bindings(stage.outputs)}});
  return {{"format", 1}, {"model", model_key(*contents.graph)}, {"inputs", inputs}, {"outputs", outputs}, {"stages", stages}};
}

// A figure that is the same wherever rounding noise is: rounded up to one digit.
double round_up(double x) {
  if (!(x > 0) || !std::isfinite(x)) return x > 0 ? 1e308 : 0;
  double step = std::pow(10.0, std::floor(std::log10(x)));
  char text[32];
  std::snprintf(text, sizeof text, "%.0e", std::ceil(x / step) * step);
  return std::strtod(text, nullptr);
}

Json describe(const Verification& v) {
  Json j{{"state", name(v.state)}};
  if (!v.reason.empty()) j["reason"] = v.reason;
  if (v.state == Verification::State::off || v.state == Verification::State::skipped) return j;
  j["inputs"] = v.inputs, j["relative_limit"] = v.limits.relative;
  Json outputs = Json::array();
  for (const OutputComparison& o : v.outputs)
    outputs.push_back({{"name", o.name}, {"relative_difference_at_most", round_up(o.difference / std::max(o.largest, 1e-30))}});
  j["outputs"] = outputs;
  return j;
}

Json describe(const PackageContents::Calibration& calibration) {
  const CalibrationSource& source = *calibration.source;
  Json j{{"kind", name(source.kind)}, {"sha256", source.sha256}, {"samples", calibration.findings.used}};
  if (source.kind == CalibrationSource::Kind::random) j["seed"] = source.seed;
  if (calibration.findings.given != calibration.findings.used) j["left_out"] = calibration.findings.given - calibration.findings.used;
  return j;
}

Json file_facts(const std::string& directory, const std::string& file) {
  std::string path = directory + "/" + file;
  return {{"file", file}, {"sha256", sha256_of_file(path)}, {"bytes", std::filesystem::file_size(path)}};
}

}  // namespace

std::string package_stem(const Graph& graph, const std::string& name, const ResolvedTarget& target, const std::string& version) {
  PictureLayout layout;
  std::string size;
  if (picture_input(graph, layout) && layout.width > 0 && layout.height > 0)
    size = "--" + std::to_string(layout.width) + "x" + std::to_string(layout.height);
  return name_part(name) + size + (quantised(target.precision) ? "_quant_" : "_float_") + name_part(target.manifest->runtime) + "_" +
         name_part(target.device) + "_" + name_part(version);
}

std::vector<std::string> write_model_json(const std::string& directory, const PackageContents& contents) {
  const Graph& graph = *contents.graph;
  const PackageStage& main = contents.stages.at(contents.main);
  std::vector<std::string> files;

  std::map<int64_t, std::string> classes;
  if (auto found = graph.properties.find("names"); found != graph.properties.end()) classes = parse_class_names(found->second);
  std::string labels = classes.empty() ? "" : "labels_" + name_part(contents.name) + ".json";
  if (!labels.empty()) write_file(directory + "/" + labels, labels_json(classes)), files.push_back(labels);

  int version = 6;
  Json inputs = Json::array();
  for (ValueId id : graph.inputs)
    if (!graph.value(id).constant) inputs.push_back(pre_process(graph.value(id), pad_method(graph), version));
  auto property = [&](std::string_view key) {
    auto found = graph.properties.find(key);
    return found == graph.properties.end() ? std::string() : found->second;
  };
  Json post{{"OutputPostprocessType", property("task") == "classify" ? "Classification" : "None"}};
  if (!classes.empty()) post["OutputNumClasses"] = classes.size(), post["LabelsPath"] = labels;
  std::string runtime = upper(main.target.manifest->runtime), device = upper(main.target.device);
  Json model;
  model["ConfigVersion"] = version;
  model["Checksum"] = sha256_of_file(directory + "/" + main.artifact);
  model["DEVICE"] = Json::array({{{"DeviceType", device}, {"RuntimeAgent", runtime}, {"SupportedDeviceTypes", runtime + "/" + device}}});
  model["PRE_PROCESS"] = inputs;
  model["MODEL_PARAMETERS"] = Json::array({{{"ModelPath", main.artifact}}});
  model["POST_PROCESS"] = Json::array({post});
  model["lathe"] = lathe_key(contents);
  std::string json = contents.stem + ".json";
  write_file(directory + "/" + json, dump(model, 2) + "\n");
  files.push_back(json);
  return files;
}

void write_manifest(const std::string& directory, const PackageContents& contents, const std::vector<std::string>& described) {
  std::vector<std::string> files = described;
  for (const PackageStage& stage : contents.stages) files.insert(files.end(), stage.files.begin(), stage.files.end());
  Json manifest;
  manifest["lathe"] = LATHE_VERSION;
  manifest["model"] = {{"file", contents.model_file}, {"sha256", contents.model_sha256}};
  manifest["inputs"] = Json::array();
  for (const auto& [file, hash] : contents.inputs) manifest["inputs"].push_back({{"file", file}, {"sha256", hash}});
  manifest["frontend"] = {{"plugin", contents.frontend}, {"version", contents.frontend_version}};
  manifest["stages"] = Json::array();
  for (const PackageStage& stage : contents.stages) {
    Json settings = Json::object();
    for (const Setting& s : stage.target.settings) settings[s.name] = s.value;
    manifest["stages"].push_back({{"artifact", stage.artifact},
                                  {"target", stage.target.spelled()},
                                  {"plugin", stage.target.manifest->name},
                                  {"version", stage.target.manifest->version},
                                  {"precision", stage.target.precision},
                                  {"settings", settings},
                                  {"facts", stage.facts}});
  }
  manifest["options"] = Json::object();
  for (const auto& [key, value] : contents.options) manifest["options"][key] = value;
  if (contents.preprocessing) manifest["preprocessing"] = describe(*contents.preprocessing);
  if (contents.calibration) manifest["calibration"] = describe(*contents.calibration);
  manifest["verification"] = describe(contents.verification);
  std::sort(files.begin(), files.end());
  manifest["files"] = Json::array();
  for (const std::string& file : files) manifest["files"].push_back(file_facts(directory, file));
  if (const char* epoch = std::getenv("SOURCE_DATE_EPOCH")) manifest["time"] = std::strtoll(epoch, nullptr, 10);
  write_file(directory + "/manifest.json", dump(manifest, 2) + "\n");
}

}  // namespace lathe
