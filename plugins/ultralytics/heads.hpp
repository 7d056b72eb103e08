// The last module of a network: from feature maps to what Ultralytics' own ONNX export returns, or to less or more than that.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "trace.hpp"

namespace lathe::ultralytics {

enum class HeadForm {
  raw,      // what the convolutions yield, per scale, boxes and scores apart: what chips without the operators of decoding want
  decoded,  // as Ultralytics exports: boxes in pixels and scores in one tensor
  nms       // final boxes: [K, 6] of x1, y1, x2, y2, score, class, and what else belongs to each box behind them
};

struct HeadOptions {
  HeadForm form = HeadForm::decoded;
  float confidence = 0.25f, overlap = 0.7f;  // of nms
  int64_t most_boxes = 300;
};

struct Outputs {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::string task;  // "detect", "segment", "pose", "obb", "classify"
};

// Whether the class is a head, by its name.
bool is_head(const Module& module);

// `features`: the head's inputs; `height`: of the network's input, in pixels.
Outputs trace_head(Trace& trace, const Module& head, const std::string& name, const std::vector<Tensor>& features, int64_t height,
                   const HeadOptions& options);

}  // namespace lathe::ultralytics
