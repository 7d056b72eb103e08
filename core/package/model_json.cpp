// <stem>.json: the model as DeGirum's PySDK reads it (keys.hpp), and how Lathe runs its stages.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/sha256.hpp"
#include "core/files/picture.hpp"
#include "core/files/write_file.hpp"
#include "core/job/diagnostic_json.hpp"
#include "core/package/keys.hpp"
#include "core/package/labels.hpp"
#include "core/package/package.hpp"

namespace lathe {
namespace {
using Json = nlohmann::ordered_json;

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return text;
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

// One entry of PRE_PROCESS. The older of two spellings is written where there are two: every version reads it.
Json pre_process(const Value& value, const std::optional<Preprocessing>& preprocessing, const ArtifactInput& artifact) {
  const Preprocessing* p = preprocessing && preprocessing->input == value.name ? &*preprocessing : nullptr;
  if (p && p->layout.width > 0 && p->layout.height > 0 && p->type != DataType::float16) {
    const PictureLayout& layout = p->layout;
    const auto channels = static_cast<size_t>(layout.channels);
    Json j{{"InputType", "Image"}, {"InputN", 1}, {"InputH", layout.height}, {"InputW", layout.width}, {"InputC", layout.channels}};
    j["InputTensorLayout"] = !artifact.layout.empty() ? artifact.layout : layout.channels_last ? "NHWC" : "NCHW";
    j["InputRawDataType"] = "DG_UINT8";
    j["InputResizeMethod"] = "bilinear", j["InputColorSpace"] = p->bgr ? "BGR" : "RGB";
    j["InputPadMethod"] = p->fit == Fit::stretch ? "stretch" : p->fit == Fit::crop ? "crop-last" : "letterbox";
    j["InputQuantEn"] = artifact.pixels || p->type == DataType::uint8;
    if (j["InputQuantEn"]) {
      j["InputQuantScale"] = 1, j["InputQuantOffset"] = 0;
    } else if (std::all_of(p->mean.begin(), p->mean.begin() + layout.channels, [](float x) { return x == 0; }) &&
               std::all_of(p->scale.begin(), p->scale.begin() + layout.channels, [&](float x) { return x == p->scale[0]; })) {
      j["InputScaleEn"] = p->scale[0] != 1;
      if (p->scale[0] != 1) j["InputScaleCoeff"] = p->scale[0] == 1.0f / 255 ? 1.0 / 255 : double{p->scale[0]};
    } else {
      // PySDK computes (pixel * coefficient - mean) / deviation.
      Json mean = Json::array(), deviation = Json::array();
      for (size_t c = 0; c < channels; ++c) mean.push_back(p->mean[c] / 255.0), deviation.push_back(1 / (255.0 * p->scale[c]));
      j["InputImgNormEn"] = true, j["InputImgNormCoeff"] = 1.0 / 255, j["InputImgMean"] = mean, j["InputImgStd"] = deviation;
    }
    return j;
  }
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

// The chosen device first, then all others of the same runtime.
Json device_entry(const ResolvedTarget& target) {
  const std::string runtime = upper(target.manifest->runtime), device = upper(target.device);
  std::string supported = runtime + "/" + device;
  for (const DeviceSpec& other : target.manifest->devices)
    if (upper(other.name) != device) supported += ", " + runtime + "/" + upper(other.name);
  return {{"DeviceType", device}, {"RuntimeAgent", runtime}, {"SupportedDeviceTypes", supported}};
}

}  // namespace

std::vector<std::string> write_model_json(const std::string& directory, const PackageContents& contents) {
  const Graph& graph = *contents.graph;
  const PackageStage& main = contents.stages.at(contents.main);
  std::vector<std::string> files;

  std::map<int64_t, std::string> classes;
  if (auto found = graph.properties.find("names"); found != graph.properties.end()) classes = parse_class_names(found->second);
  std::string labels = classes.empty() ? "" : "labels_" + name_part(contents.name) + ".json";
  if (!labels.empty()) write_file(directory + "/" + labels, labels_json(classes)), files.push_back(labels);

  Json inputs = Json::array();
  const std::optional<Preprocessing> preprocessing = contents.preprocessing ? contents.preprocessing : preprocessing_of(graph);
  for (ValueId id : graph.inputs)
    if (!graph.value(id).constant) inputs.push_back(pre_process(graph.value(id), preprocessing, contents.artifact_input));
  const auto task = graph.properties.find("task");
  const auto fact = main.facts.find("postprocess");
  Json post{{"OutputPostprocessType", fact != main.facts.end()                                       ? fact->second
                                      : task != graph.properties.end() && task->second == "classify" ? "Classification"
                                                                                                     : "None"}};
  if (!classes.empty()) post["OutputNumClasses"] = classes.rbegin()->first + 1, post["LabelsPath"] = labels;
  Json model;
  model["ConfigVersion"] = 0;
  model["Checksum"] = sha256_of_file(directory + "/" + main.artifact);
  model["DEVICE"] = Json::array({device_entry(main.target)});
  model["PRE_PROCESS"] = inputs;
  model["MODEL_PARAMETERS"] = Json::array({{{"ModelPath", main.artifact}}});
  model["POST_PROCESS"] = Json::array({post});
  model["lathe"] = lathe_key(contents);
  model["ConfigVersion"] = lowest_config_version(model);
  std::string json = contents.stem + ".json";
  write_file(directory + "/" + json, dump(model, 2) + "\n");
  files.push_back(json);
  return files;
}

}  // namespace lathe
