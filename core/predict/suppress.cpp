// See suppress.hpp.
#include "core/predict/suppress.hpp"

#include <algorithm>
#include <cmath>

namespace lathe {
namespace {

// Boxes of different classes are moved apart by more than any picture is wide. In single precision, with the rounding that this brings: the
// results that people know have it too.
constexpr float class_distance = 7680;
// More candidates than this are cut off before the work grows with their square.
constexpr size_t most_candidates = 30000;

struct Covariance {
  float a, b, c;
};
Covariance covariance(const RotatedBox& box) {
  const float a = box.width * box.width / 12, b = box.height * box.height / 12, cosine = std::cos(box.angle), sine = std::sin(box.angle);
  return {a * cosine * cosine + b * sine * sine, a * sine * sine + b * cosine * cosine, (a - b) * cosine * sine};
}

}  // namespace

float intersection_over_union(const Corners& a, const Corners& b) {
  const float width = std::max(std::min(a.right, b.right) - std::max(a.left, b.left), 0.0f);
  const float height = std::max(std::min(a.bottom, b.bottom) - std::max(a.top, b.top), 0.0f);
  const float common = width * height;
  return common / ((a.right - a.left) * (a.bottom - a.top) + (b.right - b.left) * (b.bottom - b.top) - common);
}

float probabilistic_overlap(const RotatedBox& p, const RotatedBox& q) {
  constexpr float epsilon = 1e-7f;
  const Covariance s = covariance(p), t = covariance(q);
  const float a = s.a + t.a, b = s.b + t.b, c = s.c + t.c, x = p.x - q.x, y = p.y - q.y, determinant = a * b - c * c;
  const float first = (a * y * y + b * x * x) / (determinant + epsilon) * 0.25f, second = -(c * x * y) / (determinant + epsilon) * 0.5f;
  const float own = std::max(s.a * s.b - s.c * s.c, 0.0f) * std::max(t.a * t.b - t.c * t.c, 0.0f);
  const float third = std::log(determinant / (4 * std::sqrt(own) + epsilon) + epsilon) * 0.5f;
  const float bhattacharyya = std::clamp(first + second + third, epsilon, 100.0f);
  return 1 - std::sqrt(1 - std::exp(-bhattacharyya) + epsilon);
}

std::vector<Detection> suppress(std::vector<Detection> detections, const SuppressOptions& options) {
  sort_by_score(detections);
  if (detections.size() > most_candidates) detections.resize(most_candidates);
  const bool rotated = !detections.empty() && detections.front().rotated;
  // Where each box lies once classes are apart.
  std::vector<Corners> boxes;
  std::vector<RotatedBox> turned;
  for (const Detection& d : detections) {
    const float away = options.agnostic ? 0.0f : static_cast<float>(d.label) * class_distance;
    boxes.push_back({d.box.left + away, d.box.top + away, d.box.right + away, d.box.bottom + away});
    turned.push_back(d.rotated.value_or(RotatedBox{}));
    turned.back().x += away, turned.back().y += away;
  }
  std::vector<Detection> kept;
  std::vector<size_t> places;  // of those that silence others
  for (size_t i = 0; i < detections.size() && kept.size() < static_cast<size_t>(std::max<int64_t>(options.most, 0)); ++i) {
    const bool silenced = std::any_of(places.begin(), places.end(), [&](size_t k) {
      return rotated ? probabilistic_overlap(turned[k], turned[i]) >= options.overlap : intersection_over_union(boxes[k], boxes[i]) > options.overlap;
    });
    if (!silenced) kept.push_back(std::move(detections[i]));
    if (!silenced || rotated) places.push_back(i);
  }
  return kept;
}

}  // namespace lathe
