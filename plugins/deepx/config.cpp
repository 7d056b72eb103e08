// The steps of dxcom's loader, in the order in which they are applied.
#include "config.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

namespace lathe::deepx {
namespace {

using Json = nlohmann::ordered_json;

// A float as the shortest decimal number that is that float.
double decimal(float value) {
  for (int digits = 6; digits < 9; ++digits) {
    char text[32];
    std::snprintf(text, sizeof text, "%.*g", digits, static_cast<double>(value));
    if (std::strtof(text, nullptr) == value) return std::strtod(text, nullptr);
  }
  return static_cast<double>(value);
}

// value = (pixel - mean) * scale, in dxcom's words: div, or subtract and mul for one number for all channels, else div by 255 and normalize.
void add_normalisation(Json& steps, const lathe_preprocessing& p) {
  const size_t channels = static_cast<size_t>(p.channels < 1 ? 1 : p.channels > 4 ? 4 : p.channels);
  bool same = true, nothing = true;
  for (size_t c = 0; c < channels; ++c) {
    same = same && p.mean[c] == p.mean[0] && p.scale[c] == p.scale[0];
    nothing = nothing && p.mean[c] == 0 && p.scale[c] == 1;
  }
  if (nothing) return;
  if (same) {
    if (p.mean[0] != 0) steps.push_back({{"subtract", {{"x", decimal(p.mean[0])}}}});
    const double divisor = 1 / static_cast<double>(p.scale[0]);
    if (std::fabs(divisor - std::round(divisor)) < 1e-4 * divisor)
      steps.push_back({{"div", {{"x", std::round(divisor)}}}});
    else
      steps.push_back({{"mul", {{"x", decimal(p.scale[0])}}}});
    return;
  }
  std::vector<double> mean, deviation;
  for (size_t c = 0; c < channels; ++c) {
    mean.push_back(decimal(p.mean[c] / 255));
    deviation.push_back(decimal(1 / (p.scale[c] * 255)));
  }
  steps.push_back({{"div", {{"x", 255.0}}}});
  steps.push_back({{"normalize", {{"mean", mean}, {"std", deviation}}}});
}

}  // namespace

std::string config_json(const Config& config, const lathe_preprocessing& p) {
  Json steps = Json::array();
  if (p.channels == 1)
    steps.push_back({{"convertColor", {{"form", "BGR2GRAY"}}}});
  else if (!p.bgr)
    steps.push_back({{"convertColor", {{"form", "BGR2RGB"}}}});
  steps.push_back({{"resize", {{"mode", "default"}, {"width", p.width}, {"height", p.height}}}});
  add_normalisation(steps, p);
  if (!p.channels_last && p.channels != 1) steps.push_back({{"transpose", {{"axis", {2, 0, 1}}}}});
  if (p.channels == 1) steps.push_back({{"expandDim", {{"axis", p.channels_last ? 2 : 0}}}});
  steps.push_back({{"expandDim", {{"axis", 0}}}});
  Json json = {{"inputs", {{config.input, config.shape}}},
               {"calibration_method", config.method},
               {"calibration_num", config.count},
               {"default_loader", {{"dataset_path", config.folder}, {"file_extensions", {config.extension}}, {"preprocessings", steps}}}};
  if (!config.device.empty()) json["quantization_device"] = config.device;
  return json.dump(2) + "\n";
}

}  // namespace lathe::deepx
