// See detection.hpp.
#include "core/predict/detection.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lathe {

void sort_by_score(std::vector<Detection>& detections) {
  std::vector<size_t> order(detections.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return detections[a].score != detections[b].score ? detections[a].score > detections[b].score : a < b; });
  std::vector<Detection> sorted;
  for (const size_t i : order) sorted.push_back(std::move(detections[i]));
  detections = std::move(sorted);
}

Corners enclosing(const RotatedBox& box) {
  const float cosine = std::fabs(std::cos(box.angle)), sine = std::fabs(std::sin(box.angle));
  const float x = (box.width * cosine + box.height * sine) / 2, y = (box.width * sine + box.height * cosine) / 2;
  return {box.x - x, box.y - y, box.x + x, box.y + y};
}

std::array<std::pair<float, float>, 4> corners_of(const RotatedBox& box) {
  const float cosine = std::cos(box.angle), sine = std::sin(box.angle);
  const float ax = box.width / 2 * cosine, ay = box.width / 2 * sine, bx = -box.height / 2 * sine, by = box.height / 2 * cosine;
  return {{{box.x + ax + bx, box.y + ay + by},
           {box.x + ax - bx, box.y + ay - by},
           {box.x - ax - bx, box.y - ay - by},
           {box.x - ax + bx, box.y - ay + by}}};
}

}  // namespace lathe
