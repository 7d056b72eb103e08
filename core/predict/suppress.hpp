// Non-maximum suppression: of detections that mean the same object, the surest stays.
#pragma once
#include <cstdint>
#include <vector>

#include "core/predict/detection.hpp"

namespace lathe {

struct SuppressOptions {
  float overlap = 0.7f;   // two boxes mean the same object when their intersection over union is above
  int64_t most = 300;     // detections that stay
  bool agnostic = false;  // boxes of different classes may mean the same object
};

// Sorted by score. Straight boxes: greedy, a box is silenced by one that stays. Rotated boxes: by the probabilistic intersection over union, and a
// box is silenced by any surer one, as Ultralytics does it.
std::vector<Detection> suppress(std::vector<Detection> detections, const SuppressOptions& options);

float intersection_over_union(const Corners& a, const Corners& b);

// Of the Gaussian distributions that two rotated boxes stand for (Llerena et al., "Gaussian Bounding Boxes and Probabilistic
// Intersection-over-Union for Object Detection", 2021).
float probabilistic_overlap(const RotatedBox& a, const RotatedBox& b);

}  // namespace lathe
