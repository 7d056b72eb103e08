// Which of a network's boxes are final: the best of an end-to-end network, or what suppression leaves of the others.
#pragma once
#include <optional>

#include "heads.hpp"

namespace lathe::ultralytics {

struct Candidates {
  Tensor boxes;                 // [1, 4, A]: two corners in pixels; of rotated ones centre and size
  Tensor scores;                // [1, classes, A]
  std::optional<Tensor> extra;  // [1, E, A]: what else belongs to each box; of rotated ones the angle first
};

// The best `most` boxes, strongest first (Wang et al., "YOLOv10", 2024, section 3.1): [1, K, 6 + E]: box, score, class, extra. A box may come
// twice, with two classes.
Tensor best_boxes(Net& net, const Candidates& candidates, int64_t most);

// What Ultralytics' non_max_suppression leaves: every box counts with its best class only, boxes of other classes do not touch it. [N, 6 + E],
// strongest first, N known when it runs.
Tensor suppressed_boxes(Net& net, const Candidates& candidates, const HeadOptions& options);

// The same for boxes at an angle, by the overlap of the Gaussians they stand for (Llerena et al., "ProbIoU", 2021): a box goes when a stronger
// one of its class, gone or not, overlaps it. The 1024 strongest boxes are looked at.
Tensor suppressed_rotated_boxes(Net& net, const Candidates& candidates, const HeadOptions& options);

// Rows `indices` of `x` along an axis.
Tensor gather(Net& net, const Tensor& x, const Tensor& indices, int64_t axis);
// The `count` largest elements along the last axis, largest first, and their places.
std::pair<Tensor, Tensor> largest(Net& net, const Tensor& x, int64_t count);

}  // namespace lathe::ultralytics
