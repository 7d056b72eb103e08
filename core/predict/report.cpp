// See report.hpp.
#include "core/predict/report.hpp"

#include <cmath>
#include <cstdio>
#include <map>

namespace lathe {
namespace {
using Json = nlohmann::ordered_json;

// Pixels to a thousandth, scores to six digits: what is beyond is rounding noise, and differs between machines.
double pixels(float x) { return std::round(double(x) * 1e3) / 1e3; }
double part(float x) { return std::round(double(x) * 1e6) / 1e6; }

Json to_json(const Detection& d, const Contract& contract) {
  Json j{{"class", d.label}, {"label", contract.label(d.label)}, {"score", part(d.score)}};
  j["box"] = {pixels(d.box.left), pixels(d.box.top), pixels(d.box.right), pixels(d.box.bottom)};
  if (d.rotated) {
    const RotatedBox& r = *d.rotated;
    j["rotated_box"] = {{"x", pixels(r.x)}, {"y", pixels(r.y)}, {"width", pixels(r.width)}, {"height", pixels(r.height)}, {"angle", part(r.angle)}};
    j["corners"] = Json::array();
    for (const auto& [x, y] : corners_of(r)) j["corners"].push_back({pixels(x), pixels(y)});
  }
  if (!d.keypoints.empty()) {
    j["keypoints"] = Json::array();
    for (const Keypoint& point : d.keypoints) j["keypoints"].push_back({pixels(point.x), pixels(point.y), part(point.visibility)});
  }
  return j;
}

}  // namespace

Json to_json(const Prediction& prediction, const Contract& contract) {
  Json j;
  if (contract.task == Task::classify) {
    j["classes"] = Json::array();
    for (const auto& [label, score] : prediction.classes)
      j["classes"].push_back({{"class", label}, {"label", contract.label(label)}, {"score", part(score)}});
    return j;
  }
  j["detections"] = Json::array();
  for (size_t i = 0; i < prediction.detections.size(); ++i) {
    j["detections"].push_back(to_json(prediction.detections[i], contract));
    if (i < prediction.masks.size()) {
      const Mask& mask = prediction.masks[i];
      j["detections"].back()["mask"] = {{"area", mask.area()},
                                        {"size", {prediction.height, prediction.width}},
                                        {"counts", run_lengths(mask, {prediction.width, prediction.height})}};
    }
  }
  return j;
}

std::string summary(const Prediction& prediction, const Contract& contract) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  for (const auto& [label, score] : prediction.classes) {
    char number[16];
    std::snprintf(number, sizeof number, " %.2f", double(score));
    add(contract.label(label) + number);
  }
  std::map<int64_t, int64_t> counts;
  for (const Detection& d : prediction.detections) ++counts[d.label];
  for (const auto& [label, count] : counts) add(std::to_string(count) + " " + contract.label(label));
  return text.empty() ? "nothing found" : text;
}

}  // namespace lathe
