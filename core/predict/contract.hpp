// What a package says about its model, as far as predictions need it: <stem>.json's PRE_PROCESS and "lathe" / "model", and the labels.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/files/picture_fit.hpp"

namespace lathe {

enum class Task { unknown, detect, segment, pose, rotated, classify };

// What the model's outputs hold (decode.hpp).
enum class Head {
  unknown,      // told by the outputs' shapes
  raw,          // the convolutions' outputs, per scale
  decoded,      // boxes and scores of every place
  final_boxes,  // what suppression left
};

struct Contract {
  Task task = Task::unknown;
  Head head = Head::unknown;
  bool end_to_end = false;        // the network yields each object once: nothing is to be suppressed, and a box may have several classes
  bool normalised_input = false;  // pictures normalised by ImageNet's mean and deviation, instead of 0..1
  bool keypoints_from_centre = false, angles_in_radians = false;  // how raw values are meant (decode.cpp)
  Fit fit = Fit::letterbox;
  bool bgr = false;  // the input's channels, blue first
  // value = (pixel - mean) * scale per channel; nothing where the package does not say: floats are 0..1, bytes are pixels.
  struct Normalisation {
    std::array<float, 4> mean, scale;
  };
  std::optional<Normalisation> normalisation;
  int64_t width = 0, height = 0;          // of the image; 0: not said
  std::map<int64_t, std::string> labels;  // may be empty
  int64_t keypoints = 0, keypoint_values = 0;
  // Of an anchor-based head: per scale, (width, height) of each anchor in pixels of the input.
  std::vector<std::vector<std::pair<float, float>>> anchors;

  // "person", or "class 7" where the model does not say.
  std::string label(int64_t id) const;
};

// `artifact`: an artifact of a package, its folder or its JSON. Throws Error(failed) when there is no package, or it is damaged.
Contract read_contract(const std::string& artifact);

const char* name(Task task);  // "detect", "segment", "pose", "obb", "classify", "unknown"

}  // namespace lathe
