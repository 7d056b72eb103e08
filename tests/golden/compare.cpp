// How close is close: see agree() in cases.hpp.
#include <cmath>
#include <cstdio>

#include "cases.hpp"

namespace lathe::golden {
namespace {

struct Range {
  int64_t outer = 1, first = 0, end = 0, length = 0, inner = 1;

  template <class F>
  void each(F&& body) const {
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = first * inner; i < end * inner; ++i) body(size_t(o * length * inner + i));
  }
};

Range range_of(const Part& part, const Tensor& tensor) {
  Range r;
  for (int i = 0; i < part.axis; ++i) r.outer *= tensor.dimensions[size_t(i)];
  r.length = tensor.dimensions[size_t(part.axis)];
  for (size_t i = size_t(part.axis) + 1; i < tensor.dimensions.size(); ++i) r.inner *= tensor.dimensions[i];
  r.first = part.first;
  r.end = part.end;
  return r;
}

bool part_agrees(const char* name, double limit, const Range& range, std::span<const float> found, std::span<const float> expected) {
  double largest = 0, worst = 0;
  range.each([&](size_t i) {
    largest = std::max(largest, std::fabs(double(expected[i])));
    const double difference = std::fabs(double(found[i]) - double(expected[i]));
    worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
  });
  const bool good = worst <= (limit > 0 ? limit : 1e-4 * largest);
  std::printf("%-10s largest %.6g, worst difference %.3g = %.3g of it%s\n", name, largest, worst, worst / largest, good ? "" : "  TOO FAR");
  return good;
}

bool directions_agree(int output, std::span<const float> found, std::span<const float> expected) {
  double dot = 0, a = 0, b = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    dot += double(found[i]) * double(expected[i]);
    a += double(found[i]) * double(found[i]);
    b += double(expected[i]) * double(expected[i]);
  }
  const double cosine = dot / std::sqrt(a * b);
  std::printf("output %d   cosine %.6f%s\n", output, cosine, cosine >= 0.999 ? "" : "  TOO FAR");
  return cosine >= 0.999;
}

struct Detection {
  float x0, y0, x1, y1, score;
  int64_t label;
};

float overlap(const Detection& a, const Detection& b) {
  const float width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0), height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  if (width <= 0 || height <= 0) return 0;
  const float common = width * height;
  return common / ((a.x1 - a.x0) * (a.y1 - a.y0) + (b.x1 - b.x0) * (b.y1 - b.y0) - common);
}

// Output [1, 4 + classes, places] with centre, size: the best class of each place, then greedy non-maximum suppression per class.
std::vector<Detection> detections(const Tensor& tensor) {
  const int64_t rows = tensor.dimensions[1], places = tensor.dimensions[2];
  const std::span<const float> p = tensor.as<float>();
  std::vector<Detection> all, kept;
  for (int64_t i = 0; i < places; ++i) {
    const auto at = [&](int64_t row) { return p[size_t(row * places + i)]; };
    int64_t best = 4;
    for (int64_t row = 5; row < rows; ++row)
      if (at(row) > at(best)) best = row;
    if (at(best) >= 0.25f) all.push_back({at(0) - at(2) / 2, at(1) - at(3) / 2, at(0) + at(2) / 2, at(1) + at(3) / 2, at(best), best - 4});
  }
  std::sort(all.begin(), all.end(), [](const Detection& a, const Detection& b) { return a.score > b.score; });
  for (const Detection& d : all) {
    bool covered = false;
    for (const Detection& k : kept) covered = covered || (k.label == d.label && overlap(k, d) > 0.7f);
    if (!covered) kept.push_back(d);
  }
  return kept;
}

// Every detection has its like on the other side; those within 0.05 of the threshold may be missing there.
bool all_found(const std::vector<Detection>& from, const std::vector<Detection>& in) {
  bool good = true;
  for (const Detection& d : from) {
    bool found = d.score < 0.30f;
    for (const Detection& e : in) found = found || (e.label == d.label && overlap(d, e) >= 0.9f && std::fabs(d.score - e.score) <= 0.05f);
    if (!found) std::printf("class %d at %.0f,%.0f score %.3f has no like\n", int(d.label), double(d.x0), double(d.y0), double(d.score));
    good = good && found;
  }
  return good;
}

// Every row of `from` has its own row of the same class in `in`, within the limits of the case's parts: (corners, score). Rows within a score's limit
// of the lowest one may have lost their place to another.
bool rows_found(const Case& c, const Tensor& from, const Tensor& in, const char* what) {
  const double box_limit = c.parts.at(0).limit, score_limit = c.parts.at(1).limit;
  const std::span<const float> a = from.as<float>(), b = in.as<float>();
  const size_t width = size_t(from.dimensions[2]), rows = a.size() / width;
  double lowest = INFINITY, worst_box = 0, worst_score = 0;
  for (size_t i = 0; i < rows; ++i) lowest = std::min(lowest, double(b[i * width + 4]));
  std::vector<bool> taken(rows);
  size_t missing = 0;
  for (size_t i = 0; i < rows; ++i) {
    size_t best = rows;
    double best_box = box_limit, best_score = 0;
    for (size_t k = 0; k < rows; ++k) {
      if (taken[k] || a[i * width + 5] != b[k * width + 5]) continue;
      double box = 0;
      for (size_t p = 0; p < 4; ++p) box = std::max(box, std::fabs(double(a[i * width + p]) - double(b[k * width + p])));
      const double score = std::fabs(double(a[i * width + 4]) - double(b[k * width + 4]));
      if (box <= best_box && score <= score_limit) best = k, best_box = box, best_score = score;
    }
    if (best < rows) {
      taken[best] = true, worst_box = std::max(worst_box, best_box), worst_score = std::max(worst_score, best_score);
    } else if (double(a[i * width + 4]) > lowest + score_limit) {
      ++missing;
    }
  }
  std::printf("%-10s %zu rows, %zu of them missing; worst difference of boxes %.3g, of scores %.3g%s\n", what, rows, missing, worst_box, worst_score,
              missing ? "  TOO FAR" : "");
  return missing == 0;
}

bool rows_agree(const Case& c, const Tensor& found, const Tensor& expected) {
  const bool complete = rows_found(c, expected, found, "expected");
  return rows_found(c, found, expected, "found") && complete;
}

}  // namespace

bool agree(const Case& c, std::span<const Tensor> found, std::span<const Tensor> expected) {
  if (found.size() != expected.size()) {
    std::printf("%zu outputs instead of %zu\n", found.size(), expected.size());
    return false;
  }
  bool good = true;
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i].type != DataType::float32 || found[i].dimensions != expected[i].dimensions) {
      std::printf("output %zu has another type or shape\n", i);
      return false;
    }
    const std::span<const float> a = found[i].as<float>(), b = expected[i].as<float>();
    if (c.quantized) {
      good = directions_agree(int(i), a, b) && good;
      const std::vector<Detection> ours = detections(found[i]), theirs = detections(expected[i]);
      std::printf("%zu detections, expected %zu\n", ours.size(), theirs.size());
      good = all_found(ours, theirs) && all_found(theirs, ours) && good;
      continue;
    }
    if (c.rows) {
      good = rows_agree(c, found[i], expected[i]) && good;
      continue;
    }
    bool in_parts = false;
    for (const Part& part : c.parts) {
      if (part.output != int(i)) continue;
      in_parts = true;
      good = part_agrees(part.name, part.limit, range_of(part, expected[i]), a, b) && good;
    }
    if (!in_parts) good = part_agrees("output", 0, Range{1, 0, found[i].size(), found[i].size(), 1}, a, b) && good;
  }
  return good;
}

}  // namespace lathe::golden
