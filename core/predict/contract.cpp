// See contract.hpp.
#include "core/predict/contract.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/diagnostic.hpp"
#include "core/files/write_file.hpp"
#include "core/package/labels.hpp"
#include "core/package/package.hpp"

namespace lathe {
namespace {
using Json = nlohmann::json;

constexpr std::pair<Task, const char*> tasks[] = {{Task::detect, "detect"}, {Task::segment, "segment"},   {Task::pose, "pose"},
                                                  {Task::rotated, "obb"},   {Task::classify, "classify"}, {Task::unknown, "unknown"}};

[[noreturn]] void bad(const std::string& document, const std::string& text) {
  Diagnostic d;
  d.text = text;
  d.location = document;
  d.hint = "compile the model again";
  throw Error(Code::failed, std::move(d));
}

void read_model(const Json& model, Contract& c) {
  const std::string task = model.value("task", ""), head = model.value("head", "");
  for (const auto& [value, word] : tasks)
    if (task == word) c.task = value;
  c.head = head == "raw" ? Head::raw : head == "decoded" ? Head::decoded : head == "nms" ? Head::final_boxes : Head::unknown;
  c.end_to_end = model.value("end_to_end", false), c.normalised_input = model.value("normalised_input", false);
  c.keypoints_from_centre = model.value("keypoints_from_centre", false), c.angles_in_radians = model.value("angles_in_radians", false);
  if (const auto size = model.find("image_size"); size != model.end()) c.height = size->at(0).get<int64_t>(), c.width = size->at(1).get<int64_t>();
  if (const auto shape = model.find("keypoints"); shape != model.end())
    c.keypoints = shape->at(0).get<int64_t>(), c.keypoint_values = shape->at(1).get<int64_t>();
  if (const auto anchors = model.find("anchors"); anchors != model.end())
    for (const Json& scale : *anchors) {
      c.anchors.emplace_back();
      for (const Json& anchor : scale) c.anchors.back().emplace_back(anchor.at(0).get<float>(), anchor.at(1).get<float>());
    }
}

// (pixel * coefficient - mean) / deviation, or pixel * coefficient, as keys.hpp has them.
std::optional<Contract::Normalisation> read_normalisation(const std::string& document, const Json& input) {
  Contract::Normalisation n{{0, 0, 0, 0}, {1, 1, 1, 1}};
  if (input.value("InputImgNormEn", false)) {
    const double coefficient = input.value("InputImgNormCoeff", 1.0);
    const Json &mean = input.at("InputImgMean"), &deviation = input.at("InputImgStd");
    if (mean.empty() || mean.size() > 4 || deviation.size() != mean.size() || coefficient == 0)
      bad(document, "the numbers that normalise pictures are not one for each channel");
    for (size_t c = 0; c < 4; ++c) {
      const size_t at = std::min(c, mean.size() - 1);
      n.mean[c] = static_cast<float>(mean[at].get<double>() / coefficient);
      n.scale[c] = static_cast<float>(coefficient / deviation[at].get<double>());
    }
    return n;
  }
  if (!input.contains("InputScaleEn")) return std::nullopt;
  // A 255th was written with all its digits.
  if (input["InputScaleEn"].get<bool>()) n.scale.fill(static_cast<float>(input.value("InputScaleCoeff", 1.0 / 255)));
  return n;
}

}  // namespace

std::string Contract::label(int64_t id) const {
  const auto found = labels.find(id);
  return found == labels.end() ? "class " + std::to_string(id) : found->second;
}

const char* name(Task task) {
  for (const auto& [value, word] : tasks)
    if (value == task) return word;
  return "unknown";
}

Contract read_contract(const std::string& artifact) {
  const std::string document = package_document_path(artifact);
  if (document.empty()) {
    Diagnostic d;
    d.text = "this artifact belongs to no package, so nobody knows what its input and outputs mean";
    d.location = artifact;
    d.hint = "give the folder that `lathe compile` wrote, or use `lathe run`";
    throw Error(Code::failed, std::move(d));
  }
  Contract c;
  try {
    const Json j = Json::parse(read_text_file(document));
    if (j.at("lathe").contains("model")) read_model(j.at("lathe").at("model"), c);
    for (const Json& input : j.at("PRE_PROCESS")) {
      const std::string pad = input.value("InputPadMethod", "letterbox");
      c.fit = pad == "stretch" ? Fit::stretch : pad.starts_with("crop") ? Fit::crop : Fit::letterbox;
      c.bgr = input.value("InputColorSpace", "RGB") == "BGR";
      c.normalisation = read_normalisation(document, input);
      break;
    }
    for (const Json& post : j.at("POST_PROCESS")) {
      const std::string file = post.value("LabelsPath", "");
      if (file.empty()) continue;
      if (file.find('/') != std::string::npos || file == "..") bad(document, "the path of the labels is no plain file name");
      c.labels = parse_class_names(read_text_file((std::filesystem::path(document).parent_path() / file).string()));
      if (c.labels.empty()) bad(document, "the labels in '" + file + "' cannot be read");
    }
  } catch (const Json::exception& problem) {
    bad(document, std::string("this is not what a package's JSON holds: ") + problem.what());
  }
  return c;
}

}  // namespace lathe
