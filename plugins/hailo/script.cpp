// The model script and the files of suppression, as text.
#include "script.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace lathe::hailo {
namespace {

std::string shortest(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr;
  std::string number(text, end);
  return number.find('.') == std::string::npos ? number + ".0" : number;
}

std::string list(const std::vector<float>& values) {
  std::string text;
  for (const float v : values) text += (text.empty() ? "[" : ", ") + shortest(v);
  return text + "]";
}

}  // namespace

std::string script_text(const Script& s) {
  std::string text;
  if (!s.mean.empty()) text += "normalization1 = normalization(" + list(s.mean) + ", " + list(s.deviation) + ")\n";
  text += "model_optimization_flavor(optimization_level=" + std::to_string(s.optimization_level) +
          ", compression_level=" + std::to_string(s.compression_level) + ")\n";
  if (s.calibration_count)
    text += "model_optimization_config(calibration, batch_size=" + std::to_string(std::min<uint64_t>(s.calibration_count, 8)) +
            ", calibset_size=" + std::to_string(s.calibration_count) + ")\n";
  if (s.wide_outputs) text += "quantization_param({output_layer*}, precision_mode=a16_w16)\n";
  if (s.highest_effort) text += "performance_param(compiler_optimization_level=max)\n";
  if (!s.more.empty()) text += s.more + (s.more.back() == '\n' ? "" : "\n");
  return text;
}

std::string suppression_text(const Suppressing& s) {
  nlohmann::ordered_json json = {{"network", s.network},
                                 {"image_dims", {s.height, s.width}},
                                 {"classes", s.classes},
                                 {"regression_length", s.box_length},
                                 {"nms_scores_th", s.score_threshold},
                                 {"nms_iou_th", s.iou_threshold},
                                 {"max_proposals_per_class", s.most_per_class},
                                 {"decoders", nlohmann::ordered_json::array()}};
  for (const Decoder& d : s.decoders)
    json["decoders"].push_back({{"stride", d.stride},
                                {"boxes", {{"node", d.boxes}, {"features", d.box_features}}},
                                {"scores", {{"node", d.scores}, {"features", d.score_features}}}});
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace lathe::hailo
