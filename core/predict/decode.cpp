// See decode.hpp. The arithmetic is in single precision and in the order in which the exported heads do it, so that both agree.
#include "core/predict/decode.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

std::string dimensions(const Tensor& tensor) {
  std::string text;
  for (const int64_t d : tensor.dimensions) text += (text.empty() ? "" : "x") + std::to_string(d);
  return text;
}

class Decoder {
 public:
  Decoder(const Contract& contract, std::span<const NamedOutput> outputs, int64_t width, int64_t height, float confidence,
          const std::set<int64_t>& classes)
      : contract_(contract), outputs_(outputs), width_(width), height_(height), confidence_(confidence), classes_(classes) {}

  Candidates run() {
    if (outputs_.empty()) refuse("it has no outputs");
    for (const NamedOutput& output : outputs_)
      if (output.tensor.type != DataType::float32) refuse("its output '" + output.name + "' is no float");
    if (find("scale0")) {
      raw_with_anchors();
    } else if (find("boxes") && find("scores")) {
      raw_queries(*find("boxes"), *find("scores"));
    } else if (find("boxes0")) {
      raw();
    } else {
      choose();
    }
    return std::move(result_);
  }

 private:
  [[noreturn]] void refuse(const std::string& text) const {
    Diagnostic d;
    d.text = "the model's outputs are none that predictions can be made from: " + text;
    for (const NamedOutput& output : outputs_) d.found += (d.found.empty() ? "" : ", ") + output.name + " " + dimensions(output.tensor);
    d.hint = "`lathe run` writes the bare outputs";
    throw Error(Code::failed, std::move(d));
  }
  const Tensor* find(const std::string& name) const {
    for (const NamedOutput& output : outputs_)
      if (output.name == name) return &output.tensor;
    return nullptr;
  }

  // Values of a box beyond its corners and scores.
  int64_t extra_values() const {
    switch (contract_.task) {
      case Task::segment:
        for (const char* name : {"prototypes", "output1"})
          if (const Tensor* t = find(name); t && t->dimensions.size() == 4) return t->dimensions[1];
        return 0;
      case Task::pose:
        return contract_.keypoints * contract_.keypoint_values;
      case Task::rotated:
        return 1;
      default:
        return 0;
    }
  }

  // Which of the forms with one tensor it is: by the head that the package names, else by the number of classes.
  void choose() {
    const Tensor& t = outputs_[0].tensor;
    const std::vector<int64_t>& d = t.dimensions;
    const int64_t extra = extra_values(), named = static_cast<int64_t>(contract_.labels.size());
    const bool rows = d.size() == 3 && d[0] == 1, bare_rows = d.size() == 2;
    // Networks that yield each object once have rows of final boxes, or queries.
    const bool final_rows = contract_.head == Head::final_boxes || (contract_.end_to_end && rows && d[2] == 6 + extra && d[2] != 4 + named + extra);
    if (final_rows || bare_rows) {
      if ((!rows && !bare_rows) || d.back() != 6 + extra) refuse("rows of 6 + " + std::to_string(extra) + " values were expected");
      return final_boxes(t, d.back());
    }
    if (!rows) refuse("[1, values, places] was expected");
    if (!contract_.anchors.empty() && d[2] > 5 + extra) return with_anchors(t, d[2] - 5 - extra);
    if (contract_.head == Head::decoded && !contract_.end_to_end && d[1] > 4 + extra) return decoded(t, d[1] - 4 - extra);
    if (named > 0) {
      if (d[1] == 4 + named + extra) return decoded(t, named);
      if (d[2] == 5 + named + extra) return with_anchors(t, named);
      if (d[2] == 4 + named + extra) return queries(t, named);
      if (d[2] == 6 + extra) return final_boxes(t, d[2]);
      refuse(std::to_string(named) + " classes and " + std::to_string(extra) + " further values for each box fit none of their sizes");
    }
    if (d[2] == 6 + extra) return final_boxes(t, d[2]);
    if (d[1] > 4 + extra && d[1] < d[2]) return decoded(t, d[1] - 4 - extra);
    refuse("the package names no classes, and the sizes do not tell how many there are");
  }

  // One place: its box (centre and size) in pixels, the score of each class, further values. Values are asked for only where needed.
  struct Place {
    std::function<void(float* centre_and_size)> box;
    std::function<float(int64_t)> score, extra;
  };

  bool wanted(int64_t label) const { return classes_.empty() || classes_.contains(label); }

  void consider_every_class(const Place& place, int64_t classes) {
    for (int64_t c = 0; c < classes; ++c)
      if (const float s = place.score(c); s > confidence_ && wanted(c)) add(place, c, s);
  }
  void consider(const Place& place, int64_t classes) {
    int64_t best = 0;
    float score = place.score(0);
    for (int64_t c = 1; c < classes; ++c)
      if (const float s = place.score(c); s > score) best = c, score = s;
    if (score > confidence_ && wanted(best)) add(place, best, score);
  }
  void add(const Place& place, int64_t label, float score) {
    Detection d;
    d.score = score, d.label = label;
    float b[4];
    place.box(b);
    d.box = {b[0] - b[2] / 2, b[1] - b[3] / 2, b[0] + b[2] / 2, b[1] + b[3] / 2};
    finish(d, b, place.extra);
  }

  // Adds what the task knows beyond the box. `box`: centre and size.
  void finish(Detection& d, const float* box, const std::function<float(int64_t)>& extra) {
    if (!std::all_of(box, box + 4, [](float v) { return std::isfinite(v); })) return;  // it is nowhere
    if (contract_.task == Task::rotated) {
      d.rotated = RotatedBox{box[0], box[1], box[2], box[3], extra(0)};
      d.box = enclosing(*d.rotated);
    }
    const int64_t count = extra_values();
    if (contract_.task == Task::segment)
      for (int64_t i = 0; i < count; ++i) d.mask.push_back(extra(i));
    if (contract_.task == Task::pose)
      for (int64_t i = 0; i < contract_.keypoints; ++i) {
        const int64_t at = i * contract_.keypoint_values;
        d.keypoints.push_back({extra(at), extra(at + 1), contract_.keypoint_values > 2 ? extra(at + 2) : 1.0f});
      }
    result_.detections.push_back(std::move(d));
  }

  void decoded(const Tensor& t, int64_t classes) {
    const int64_t places = t.dimensions[2];
    const std::span<const float> v = t.as<float>();
    for (int64_t i = 0; i < places; ++i) {
      const auto row = [&](int64_t r) { return v[static_cast<size_t>(r * places + i)]; };
      const auto box = [&](float* b) {
        for (int64_t k = 0; k < 4; ++k) b[k] = row(k);
      };
      consider({box, [&](int64_t c) { return row(4 + c); }, [&](int64_t e) { return row(4 + classes + e); }}, classes);
    }
  }

  void with_anchors(const Tensor& t, int64_t classes) {
    const int64_t width = t.dimensions[2];
    const std::span<const float> v = t.as<float>();
    for (int64_t i = 0; i < t.dimensions[1]; ++i) {
      const float* row = &v[static_cast<size_t>(i * width)];
      if (!(row[4] > confidence_)) continue;
      const auto box = [&](float* b) { std::copy_n(row, 4, b); };
      consider({box, [&](int64_t c) { return row[5 + c] * row[4]; }, [&](int64_t e) { return row[5 + classes + e]; }}, classes);
    }
  }

  void queries(const Tensor& t, int64_t classes) {
    result_.suppressed = true;
    const int64_t width = t.dimensions[2];
    const std::span<const float> v = t.as<float>();
    for (int64_t i = 0; i < t.dimensions[1]; ++i) {
      const float* row = &v[static_cast<size_t>(i * width)];
      const auto box = [&](float* b) {
        for (int64_t k = 0; k < 4; ++k) b[k] = row[k] * static_cast<float>(k % 2 == 0 ? width_ : height_);
      };
      consider({box, [&](int64_t c) { return row[4 + c]; }, [&](int64_t e) { return row[4 + classes + e]; }}, classes);
    }
  }

  void raw_queries(const Tensor& boxes, const Tensor& scores) {
    const std::vector<int64_t>&b = boxes.dimensions, &s = scores.dimensions;
    if (b.size() != 3 || s.size() != 3 || b[0] != 1 || b[1] != s[1] || b[2] != 4 || s[2] < 1) refuse("boxes and scores do not fit");
    Tensor joined = Tensor::allocate(DataType::float32, {1, b[1], 4 + s[2]});
    float* to = joined.as_mutable<float>().data();
    for (int64_t i = 0; i < b[1]; ++i) {
      to = std::copy_n(&boxes.as<float>()[static_cast<size_t>(i * 4)], 4, to);
      to = std::transform(&scores.as<float>()[static_cast<size_t>(i * s[2])], &scores.as<float>()[static_cast<size_t>(i * s[2])] + s[2], to, sigmoid);
    }
    queries(joined, s[2]);
  }

  void final_boxes(const Tensor& t, int64_t width) {
    result_.suppressed = true;
    const std::span<const float> v = t.as<float>();
    for (size_t at = 0; at + static_cast<size_t>(width) <= v.size(); at += static_cast<size_t>(width)) {
      const float* row = &v[at];
      Detection d;
      d.score = row[4], d.label = static_cast<int64_t>(row[5]);
      if (!(d.score > confidence_) || !wanted(d.label)) continue;
      d.box = {row[0], row[1], row[2], row[3]};
      finish(d, row, [&](int64_t e) { return row[6 + e]; });
    }
  }

  // What the exported head would have computed (see the frontend's): distances as means of distributions, anchors in the cells' centres.
  void raw() {
    result_.suppressed = contract_.end_to_end;
    const char* extra_name = contract_.task == Task::segment   ? "masks"
                             : contract_.task == Task::pose    ? "keypoints"
                             : contract_.task == Task::rotated ? "angles"
                                                               : nullptr;
    size_t places = 0;
    for (int scale = 0;; ++scale) {
      const std::string number = std::to_string(scale);
      const Tensor *boxes = find("boxes" + number), *scores = find("scores" + number);
      if (!boxes || !scores) break;
      const Tensor* extras = extra_name ? find(extra_name + number) : nullptr;
      const std::vector<int64_t>&d = boxes->dimensions, &s = scores->dimensions;
      if (d.size() != 4 || s.size() != 4 || d[1] % 4 != 0 || d[1] == 0 || s[1] < 1 || d[2] != s[2] || d[3] != s[3] || d[2] < 1 || d[3] < 1)
        refuse("boxes" + number + " and scores" + number + " do not fit");
      if (extra_name && (!extras || extras->dimensions.size() != 4 || extras->dimensions[2] != d[2] || extras->dimensions[3] != d[3]))
        refuse(extra_name + number + " is missing, or has another size than the boxes");
      const int64_t bins = d[1] / 4, cells = d[2] * d[3];
      places += static_cast<size_t>(cells);
      const float stride = static_cast<float>(height_) / static_cast<float>(d[2]);
      for (int64_t i = 0; i < cells; ++i) {
        const auto at = [&](const Tensor& t, int64_t channel) { return t.as<float>()[static_cast<size_t>(channel * cells + i)]; };
        const float x = static_cast<float>(i % d[3]) + 0.5f, y = static_cast<float>(i / d[3]) + 0.5f;
        const auto extra = [&](int64_t e) { return raw_extra(at(*extras, e), e, x, y, stride); };
        const auto box = [&](float* b) {
          float side[4];
          for (int64_t k = 0; k < 4; ++k) side[k] = expectation([&](int64_t bin) { return at(*boxes, k * bins + bin); }, bins);
          if (contract_.task == Task::rotated) {
            const float angle = extra(0), dx = (side[2] - side[0]) / 2, dy = (side[3] - side[1]) / 2;
            b[0] = x + dx * std::cos(angle) - dy * std::sin(angle), b[1] = y + dx * std::sin(angle) + dy * std::cos(angle);
          } else {
            b[0] = x + (side[2] - side[0]) / 2, b[1] = y + (side[3] - side[1]) / 2;
          }
          b[2] = side[0] + side[2], b[3] = side[1] + side[3];
          for (int k = 0; k < 4; ++k) b[k] *= stride;
        };
        const Place place = {box, [&](int64_t c) { return sigmoid(at(*scores, c)); }, extra};
        // Without suppression the best scores of all places and classes are chosen, no more than there are places.
        if (contract_.end_to_end) {
          consider_every_class(place, s[1]);
        } else {
          consider(place, s[1]);
        }
      }
    }
    if (!contract_.end_to_end || result_.detections.size() <= places) return;
    sort_by_score(result_.detections);
    result_.detections.resize(places);
  }
  float raw_extra(float value, int64_t e, float x, float y, float stride) const {
    if (contract_.task == Task::rotated) return contract_.angles_in_radians ? value : (sigmoid(value) - 0.25f) * std::numbers::pi_v<float>;
    if (contract_.task != Task::pose) return value;
    const int64_t part = e % contract_.keypoint_values;
    if (part == 2) return sigmoid(value);
    const float centre = part == 0 ? x : y;
    return (contract_.keypoints_from_centre ? value + centre : value * 2 + centre - 0.5f) * stride;
  }
  template <class F>
  static float expectation(F&& logit, int64_t bins) {
    if (bins == 1) return logit(0);
    float largest = logit(0), sum = 0, mean = 0;
    for (int64_t i = 1; i < bins; ++i) largest = std::max(largest, logit(i));
    for (int64_t i = 0; i < bins; ++i) {
      const float weight = std::exp(logit(i) - largest);
      sum += weight, mean += weight * static_cast<float>(i);
    }
    return mean / sum;
  }

  void raw_with_anchors() {
    for (size_t scale = 0;; ++scale) {
      const Tensor* t = find("scale" + std::to_string(scale));
      if (!t) break;
      if (scale >= contract_.anchors.size()) refuse("the package does not hold the anchors of scale" + std::to_string(scale));
      const auto& anchors = contract_.anchors[scale];
      const std::vector<int64_t>& d = t->dimensions;
      const auto count = static_cast<int64_t>(anchors.size());
      const int64_t extra = extra_values();
      if (d.size() != 4 || count == 0 || d[1] % count != 0 || d[1] / count < 6 + extra || d[2] < 1 || d[3] < 1) refuse("the anchors do not fit");
      const int64_t values = d[1] / count, cells = d[2] * d[3], classes = values - 5 - extra;
      const float stride = static_cast<float>(height_) / static_cast<float>(d[2]);
      const std::span<const float> v = t->as<float>();
      for (int64_t a = 0; a < count; ++a)
        for (int64_t i = 0; i < cells; ++i) {
          const auto bare = [&](int64_t value) { return v[static_cast<size_t>((a * values + value) * cells + i)]; };
          const auto at = [&](int64_t value) { return sigmoid(bare(value)); };
          const float object = at(4);
          if (!(object > confidence_)) continue;
          const auto box = [&](float* b) {
            b[0] = (at(0) * 2 + static_cast<float>(i % d[3]) - 0.5f) * stride, b[1] = (at(1) * 2 + static_cast<float>(i / d[3]) - 0.5f) * stride;
            const float w = at(2) * 2, h = at(3) * 2;
            b[2] = w * w * anchors[static_cast<size_t>(a)].first, b[3] = h * h * anchors[static_cast<size_t>(a)].second;
          };
          consider({box, [&](int64_t c) { return at(5 + c) * object; }, [&](int64_t e) { return bare(5 + classes + e); }}, classes);
        }
    }
  }

  const Contract& contract_;
  std::span<const NamedOutput> outputs_;
  int64_t width_, height_;
  float confidence_;
  const std::set<int64_t>& classes_;
  Candidates result_;
};

}  // namespace

Candidates decode(const Contract& contract, std::span<const NamedOutput> outputs, int64_t width, int64_t height, float confidence,
                  const std::set<int64_t>& classes) {
  return Decoder(contract, outputs, width, height, confidence, classes).run();
}

}  // namespace lathe
