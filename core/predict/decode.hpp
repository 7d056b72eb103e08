// From a detector's outputs to candidates: every place whose best class is sure enough.
#pragma once
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/ir/tensor.hpp"
#include "core/predict/contract.hpp"
#include "core/predict/detection.hpp"

namespace lathe {

struct NamedOutput {
  std::string name;
  Tensor tensor;
};

struct Candidates {
  std::vector<Detection> detections;  // in pixels of the input, in the outputs' order
  bool suppressed = false;            // by the model itself: what overlaps is gone already
};

// The forms of outputs, C classes and E further values a box (mask coefficients, keypoints, an angle):
//
//   decoded       output0 [1, 4 + C + E, A]: centre, size, scores; E behind them
//   with anchors  output0 [1, A, 5 + C + E]: centre, size, objectness, scores
//   queries       output0 [1, A, 4 + C]: centre and size in parts of the input, scores; nothing overlaps
//   final boxes   output0 [1, K, 6 + E] or [K, 6 + E]: corners (of rotated boxes: centre and size), score, class
//   raw           boxes<i> [1, 4 R, h, w]: distributions over the distances 0..R-1 to the four sides in cells, scores<i> [1, C, h, w] before
//                 the sigmoid, and masks<i>, keypoints<i> or angles<i>; or scale<i> [1, n (5 + C + E), h, w] of a head with anchors; or
//                 boxes [1, A, 4] and scores [1, A, C] of queries
//
// `width`, `height`: of the input. A place is a candidate when its best score is above `confidence` and its class among `classes` (empty: all).
// Throws Error(failed) when the outputs have none of these forms.
Candidates decode(const Contract& contract, std::span<const NamedOutput> outputs, int64_t width, int64_t height, float confidence,
                  const std::set<int64_t>& classes);

}  // namespace lathe
