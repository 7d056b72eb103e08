// See keys.hpp.
#include "core/package/keys.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace lathe {
namespace {
using Json = nlohmann::ordered_json;
using enum KeyType;

constexpr const char* types = "DG_FLT|DG_UINT8|DG_INT8|DG_UINT16|DG_INT16|DG_INT32|DG_INT64|DG_DBL|DG_UINT32|DG_UINT64";

constexpr PackageKey table[] = {
    {"", "ConfigVersion", integer, 1},
    {"", "Checksum", text, 1},
    {"", "CloudURL", text, 0},
    {"", "CloudModelName", text, 0},
    {"", "CloudToken", text, 0},
    {"", "MeasureTime", boolean, 0},

    {"DEVICE", "DeviceType", text, 1},
    {"DEVICE", "RuntimeAgent", text, 1},
    {"DEVICE", "SupportedDeviceTypes", text, 6},
    {"DEVICE", "DeviceMask", integer, 0},
    {"DEVICE", "DeviceTimeout_ms", number, 0},
    {"DEVICE", "EagerBatchSize", integer, 0},
    {"DEVICE", "ExtraDeviceParams", object, 0},
    {"DEVICE", "ThreadPackSize", integer, 10},
    {"DEVICE", "SimulateAbort", boolean, 0},
    {"DEVICE", "SimulateFail", integer, 0},
    {"DEVICE", "SimulateParams", boolean, 0},
    {"DEVICE", "SimulateTime_ms", number, 0},
    {"DEVICE", "SimulatePreprocessor", boolean, 0},

    {"PRE_PROCESS", "InputType", text, 6, "Image|Audio|Tensor|Prompt"},
    {"PRE_PROCESS", "InputN", integer, 1},
    {"PRE_PROCESS", "InputH", integer, 1},
    {"PRE_PROCESS", "InputW", integer, 1},
    {"PRE_PROCESS", "InputC", integer, 1},
    {"PRE_PROCESS", "InputShape", integers, 0},
    {"PRE_PROCESS", "InputTensorLayout", text, 6, "auto|NHWC|NCHW"},
    {"PRE_PROCESS", "InputFmt", text, 0, "auto|NHWC|NCHW"},
    {"PRE_PROCESS", "InputRawDataType", text, 10, types},
    {"PRE_PROCESS", "InputImgRawDataType", text, 0, types},
    {"PRE_PROCESS", "InputImgFmt", text, 2, "JPEG|RAW"},
    {"PRE_PROCESS", "InputColorSpace", text, 6, "RGB|BGR"},
    {"PRE_PROCESS", "InputImgRotation", integer, 0},
    {"PRE_PROCESS", "InputResizeMethod", text, 6, "nearest|bilinear|area|bicubic|lanczos"},
    {"PRE_PROCESS", "InputPadMethod", text, 6, "stretch|letterbox|crop-first|crop-last"},
    {"PRE_PROCESS", "InputCropPercentage", number, 0},
    {"PRE_PROCESS", "ImageBackend", text, 6, "auto|pil|opencv"},
    {"PRE_PROCESS", "InputQuantEn", boolean, 6},
    {"PRE_PROCESS", "InputQuantScale", number, 6},
    {"PRE_PROCESS", "InputQuantOffset", number, 6},
    {"PRE_PROCESS", "InputImgQuantScale", number, 0},
    {"PRE_PROCESS", "InputImgQuantOffset", number, 0},
    {"PRE_PROCESS", "InputNormEn", boolean, 0},
    {"PRE_PROCESS", "InputNormCoeff", number, 0},
    {"PRE_PROCESS", "InputNormMean", numbers, 0},
    {"PRE_PROCESS", "InputNormStd", numbers, 0},
    {"PRE_PROCESS", "InputImgNormEn", boolean, 2},
    {"PRE_PROCESS", "InputImgNormCoeff", number, 6},
    {"PRE_PROCESS", "InputImgMean", numbers, 6},
    {"PRE_PROCESS", "InputImgStd", numbers, 6},
    {"PRE_PROCESS", "InputScaleEn", boolean, 6},
    {"PRE_PROCESS", "InputScaleCoeff", number, 6},
    {"PRE_PROCESS", "InputImgSliceType", text, 6, "None|SLICE2"},
    {"PRE_PROCESS", "InputFrameSize", integer, 0},
    {"PRE_PROCESS", "InputFrameHopStepSize", integer, 0},
    {"PRE_PROCESS", "InputSamplingRate", number, 0},
    {"PRE_PROCESS", "InputWaveformSize", integer, 0},
    {"PRE_PROCESS", "InputMelFrequencyRange", numbers, 0},

    {"MODEL_PARAMETERS", "ModelPath", text, 1},
    {"MODEL_PARAMETERS", "ModelInputN", integer, 2},
    {"MODEL_PARAMETERS", "ModelInputH", integer, 2},
    {"MODEL_PARAMETERS", "ModelInputW", integer, 2},
    {"MODEL_PARAMETERS", "ModelInputC", integer, 2},
    {"MODEL_PARAMETERS", "ModelQuantEn", boolean, 2},
    {"MODEL_PARAMETERS", "ModelFmt", text, 0, "auto|NHWC|NCHW"},
    {"MODEL_PARAMETERS", "ModelSchedulerThreshold", number, 0},
    {"MODEL_PARAMETERS", "CalibrationFilePath", text, 0},
    {"MODEL_PARAMETERS", "UseFloat16", boolean, 0},
    {"MODEL_PARAMETERS", "CompilerOptions", object, 0},
    {"MODEL_PARAMETERS", "LLMMaxNewTokens", integer, 0},
    {"MODEL_PARAMETERS", "LLMTemperature", number, 0},
    {"MODEL_PARAMETERS", "LLMTopK", integer, 0},
    {"MODEL_PARAMETERS", "LLMTopP", number, 0},

    {"POST_PROCESS", "OutputPostprocessType", text, 2},
    {"POST_PROCESS", "InferenceResultsType", text, 0},
    {"POST_PROCESS", "OutputConfThreshold", number, 0},
    {"POST_PROCESS", "OutputNMSThreshold", number, 0},
    {"POST_PROCESS", "OutputTopK", integer, 2},
    {"POST_PROCESS", "MaxDetections", integer, 0},
    {"POST_PROCESS", "MaxDetectionsPerClass", integer, 0},
    {"POST_PROCESS", "MaxClassesPerDetection", integer, 0},
    {"POST_PROCESS", "UseRegularNMS", boolean, 0},
    {"POST_PROCESS", "SigmoidOnCLS", boolean, 0},
    {"POST_PROCESS", "PoseThreshold", number, 0},
    {"POST_PROCESS", "PythonFile", text, 6},
    {"POST_PROCESS", "PostProcessorInputs", integers, 2},
    {"POST_PROCESS", "OutputNumClasses", integer, 2},
    {"POST_PROCESS", "OutputNumLandmarks", integer, 0},
    {"POST_PROCESS", "OutputSoftmaxEn", boolean, 0},
    {"POST_PROCESS", "OutputClassIDAdjustment", integer, 0},
    {"POST_PROCESS", "OutputYoloAnchors", nested, 0},
    {"POST_PROCESS", "OutputYoloStrides", integers, 0},
    {"POST_PROCESS", "OutputYoloRegMax", integer, 0},
    {"POST_PROCESS", "OutputYoloBoxScales", numbers, 0},
    {"POST_PROCESS", "OutputShapePerLandmark", integer, 0},
    {"POST_PROCESS", "OutputTensorLayout", text, 0, "auto|NHWC|NCHW"},
    {"POST_PROCESS", "XScale", number, 0},
    {"POST_PROCESS", "YScale", number, 0},
    {"POST_PROCESS", "HScale", number, 0},
    {"POST_PROCESS", "WScale", number, 0},
    {"POST_PROCESS", "NMSRadius", number, 0},
    {"POST_PROCESS", "Stride", integer, 0},
    {"POST_PROCESS", "LabelsPath", text, 1},
    {"POST_PROCESS", "LandmarkLabels", texts, 0},
    {"POST_PROCESS", "Connections", object, 0},
};

constexpr const char* sections[] = {"DEVICE", "PRE_PROCESS", "MODEL_PARAMETERS", "POST_PROCESS", "INTERNAL"};

const PackageKey* find(std::string_view section, std::string_view name) {
  for (const PackageKey& key : table)
    if (section == key.section && name == key.name) return &key;
  return nullptr;
}

bool all(const Json& list, bool (Json::*is)() const noexcept) {
  return list.is_array() && std::all_of(list.begin(), list.end(), [&](const Json& x) { return (x.*is)(); });
}

bool has_type(const Json& value, KeyType type) {
  switch (type) {
    case boolean:
      return value.is_boolean();
    case integer:
      return value.is_number_integer();
    case number:
      return value.is_number();
    case text:
      return value.is_string();
    case integers:
      return all(value, &Json::is_number_integer);
    case numbers:
      return all(value, &Json::is_number);
    case texts:
      return all(value, &Json::is_string);
    case object:
      return value.is_object();
    case nested:
      return value.is_array();
  }
  return false;
}

const char* type_name(KeyType type) {
  static constexpr const char* names[] = {"true or false",     "a whole number",  "a number",  "a text",         "a list of whole numbers",
                                          "a list of numbers", "a list of texts", "an object", "a list of lists"};
  return names[static_cast<int>(type)];
}

bool is_choice(std::string_view word, std::string_view choices) {
  while (!choices.empty()) {
    const size_t end = std::min(choices.find('|'), choices.size());
    if (choices.substr(0, end) == word) return true;
    choices.remove_prefix(std::min(end + 1, choices.size()));
  }
  return false;
}

// Calls visit(section, key, value) for every key of the document's own.
template <class Visit>
void each_key(const Json& document, const Visit& visit) {
  for (const auto& [name, value] : document.items()) {
    if (name == "lathe") continue;
    if (std::find(std::begin(sections), std::end(sections), name) == std::end(sections)) {
      visit("", name, value);
    } else if (value.is_array() && name != "INTERNAL") {
      for (const Json& entry : value)
        if (entry.is_object())
          for (const auto& [key, inner] : entry.items()) visit(name, key, inner);
    }
  }
}

// "RUNTIME/DEVICE, RUNTIME/DEVICE"; what is not of that form comes back empty.
std::vector<std::string> supported_devices(const std::string& list) {
  std::vector<std::string> devices;
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    std::string word = list.substr(at, end - at);
    word.erase(0, word.find_first_not_of(' '));
    word.erase(word.find_last_not_of(' ') + 1);
    const size_t slash = word.find('/');
    if (slash == std::string::npos || slash == 0 || slash + 1 == word.size() || word.find('/', slash + 1) != std::string::npos) return {};
    devices.push_back(std::move(word));
    at = end + 1;
  }
  return devices;
}

}  // namespace

std::span<const PackageKey> package_keys() { return table; }

int lowest_config_version(const Json& document) {
  int version = 1;
  each_key(document, [&](std::string_view section, const std::string& name, const Json&) {
    if (const PackageKey* key = find(section, name)) version = std::max(version, key->seen_in ? key->seen_in : unseen_config_version);
  });
  return version;
}

std::vector<Diagnostic> check_package_document(const Json& document, const std::string& source) {
  std::vector<Diagnostic> findings;
  const auto say = [&](Severity severity, std::string sentence, std::string expected = {}, std::string found = {}, std::string hint = {}) {
    Diagnostic d;
    d.severity = severity, d.text = std::move(sentence), d.location = source;
    d.expected = std::move(expected), d.found = std::move(found), d.hint = std::move(hint);
    findings.push_back(std::move(d));
  };
  const auto error = [&](std::string sentence, std::string expected = {}, std::string found = {}, std::string hint = {}) {
    say(Severity::error, std::move(sentence), std::move(expected), std::move(found), std::move(hint));
  };
  if (!document.is_object()) {
    error("this is no JSON object");
    return findings;
  }
  for (const char* key : {"ConfigVersion", "Checksum"})
    if (!document.contains(key)) error(std::string("the key '") + key + "' is missing, and every package has it");
  for (const char* section : sections) {
    const auto found = document.find(section);
    if (found == document.end()) {
      if (section == std::string_view("MODEL_PARAMETERS")) error("the section 'MODEL_PARAMETERS' is missing");
      continue;
    }
    if (!found->is_array() || !std::all_of(found->begin(), found->end(), [](const Json& entry) { return entry.is_object(); }))
      error(std::string("the section '") + section + "' is no list of objects", "[{...}]", std::string(found->type_name()));
  }
  const auto entry = [&](const char* section, const char* key) -> const Json* {
    const auto found = document.find(section);
    if (found == document.end() || !found->is_array() || found->empty() || !found->front().is_object()) return nullptr;
    const auto value = found->front().find(key);
    return value == found->front().end() ? nullptr : &*value;
  };
  const auto word = [&](const char* section, const char* key) {
    const Json* value = entry(section, key);
    return value && value->is_string() ? value->get<std::string>() : std::string();
  };
  if (word("MODEL_PARAMETERS", "ModelPath").empty())
    error("the key 'ModelPath' is missing, which names the artifact", "MODEL_PARAMETERS: [{\"ModelPath\": \"...\"}]");

  const bool brings_code = !word("POST_PROCESS", "PythonFile").empty();
  each_key(document, [&](const std::string& section, const std::string& name, const Json& value) {
    const std::string place = section.empty() ? "'" + name + "'" : "'" + name + "' in " + section;
    const PackageKey* key = find(section, name);
    if (!key) {
      std::vector<std::string> names;
      for (const PackageKey& known : table)
        if (section == known.section) names.push_back(known.name);
      say(brings_code && !section.empty() ? Severity::warning : Severity::error, "the key " + place + " is not known" + did_you_mean(name, names), "",
          "", brings_code ? "it may be for the package's own code" : "");
      return;
    }
    if (!has_type(value, key->type)) {
      error("the key " + place + " has another type", type_name(key->type), value.dump().substr(0, 60));
    } else if (*key->choices && !is_choice(value.get<std::string>(), key->choices)) {
      std::string choices = key->choices;
      std::replace(choices.begin(), choices.end(), '|', ' ');
      error("the key " + place + " has a value that is none of its words", choices, value.get<std::string>());
    }
  });

  if (const auto version = document.find("ConfigVersion"); version != document.end() && version->is_number_integer()) {
    const int64_t says = version->get<int64_t>();
    const int lowest = lowest_config_version(document);
    if (says < 1) error("the ConfigVersion is below 1", "1 to " + std::to_string(newest_config_version), std::to_string(says));
    if (says > newest_config_version)
      error("the ConfigVersion is newer than any framework knows", std::to_string(newest_config_version) + " at most", std::to_string(says),
            "write the lowest that carries the keys: " + std::to_string(lowest));
    if (says >= 1 && says < lowest)
      say(Severity::warning, "the ConfigVersion is lower than that of any package seen with these keys", std::to_string(lowest) + " or more",
          std::to_string(says));
  }
  for (const char* file : {"ModelPath", "PythonFile", "LabelsPath"}) {
    const std::string path = word(file == std::string_view("ModelPath") ? "MODEL_PARAMETERS" : "POST_PROCESS", file);
    if (path.find('/') != std::string::npos || path.find('\\') != std::string::npos || path == "." || path == "..")
      error(std::string("the key '") + file + "' leaves the package's folder", "a plain file name", path);
  }
  if (const Json* list = entry("DEVICE", "SupportedDeviceTypes"); list && list->is_string() && !list->get<std::string>().empty()) {
    const std::vector<std::string> devices = supported_devices(*list);
    const std::string chosen = word("DEVICE", "RuntimeAgent") + "/" + word("DEVICE", "DeviceType");
    if (devices.empty()) error("'SupportedDeviceTypes' is no list of devices", "RUNTIME/DEVICE, RUNTIME/DEVICE", list->get<std::string>());
    if (!devices.empty() && word("DEVICE", "DeviceType") != "" && std::find(devices.begin(), devices.end(), chosen) == devices.end())
      error("'SupportedDeviceTypes' lacks the device that is chosen", chosen, list->get<std::string>());
  }
  const auto inputs = document.find("PRE_PROCESS");
  if (inputs != document.end() && inputs->is_array())
    for (const Json& input : *inputs)
      for (const char* extent : {"InputN", "InputH", "InputW", "InputC"})
        if (input.is_object() && input.contains(extent) && input[extent].is_number_integer() && input[extent].get<int64_t>() < 0)
          error(std::string("the key '") + extent + "' is negative", "0 or more", input[extent].dump());
  return findings;
}

}  // namespace lathe
