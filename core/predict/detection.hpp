// What is found in a picture. Coordinates are pixels from the upper left corner, of the model's input or of the picture: functions say which.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace lathe {

struct Corners {
  float left = 0, top = 0, right = 0, bottom = 0;
};

// A box that stands at an angle: centre, size, and the rotation of the width's direction from the x axis towards the y axis, in radians.
struct RotatedBox {
  float x = 0, y = 0, width = 0, height = 0, angle = 0;
};

struct Keypoint {
  float x = 0, y = 0;
  float visibility = 1;  // 0..1; 1 where the model does not say
};

struct Detection {
  Corners box;  // of a rotated box: what encloses it
  float score = 0;
  int64_t label = 0;
  std::optional<RotatedBox> rotated;
  std::vector<Keypoint> keypoints;
  std::vector<float> mask;  // coefficients of the prototypes (masks.hpp)
};

// Surest first; those of one score keep their order.
void sort_by_score(std::vector<Detection>& detections);

Corners enclosing(const RotatedBox& box);
// (x, y) of its corners, in turn.
std::array<std::pair<float, float>, 4> corners_of(const RotatedBox& box);

}  // namespace lathe
