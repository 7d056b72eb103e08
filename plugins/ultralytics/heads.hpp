// The last module of a network: from feature maps to what Ultralytics' own ONNX export returns, or to less or more than that.
#pragma once
#include <map>
#include <optional>
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

struct HeadInputs {
  std::vector<Tensor> features;   // one a scale, the finest first
  int64_t height = 0, width = 0;  // of the network's input, in pixels
  std::optional<Tensor> text;     // embeddings of the classes, [1, classes, width]: YOLO-World, YOLOE
};

struct Outputs {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::string task;  // "detect", "segment", "pose", "obb", "classify"
  // What whoever reads the outputs has to know beside the task, as properties of the graph:
  //   head            raw, decoded, nms
  //   end2end         True: the network is trained to yield each object once, so that nothing is to be suppressed
  //   fit             stretch: pictures are brought to the input's size without regard to their aspect ratio
  //   input           normalised: by the mean and deviation of ImageNet, instead of 0 to 1
  //   anchors         per scale the boxes' sizes in pixels: [[[10, 13], ...], ...]
  //   keypoints_from  centre: raw keypoints are distances from the cell's centre; otherwise half of those from its corner
  //   angles          radians: raw angles are angles; otherwise their sigmoid is, in half turns from a quarter turn back
  std::map<std::string, std::string> properties;
};

const char* name(HeadForm form);

// Whether the class is a head, by its name.
bool is_head(const Module& module);
std::string head_names();  // sorted, with commas, for messages

Outputs trace_head(Trace& trace, const Module& head, const std::string& name, const HeadInputs& inputs, const HeadOptions& options);

// anchor_head.cpp: heads of YOLOv5's own repository, boxes relative to anchors.
Outputs trace_anchor_head(Trace& trace, const Module& head, const HeadInputs& inputs, const HeadOptions& options);
// decoder_head.cpp: RT-DETR's, a transformer decoder over queries.
Outputs trace_decoder_head(Trace& trace, const Module& head, const HeadInputs& inputs, const HeadOptions& options);

// The convolutions of one branch of a head, a ModuleList, one a scale.
std::vector<Tensor> trace_branch(Trace& trace, const Module& head, const std::string& name, const std::vector<Tensor>& features);
// Pixels per cell of each scale: what training found, else what the shapes say.
std::vector<double> strides_of(Net& net, const Module& head, const HeadInputs& inputs);

}  // namespace lathe::ultralytics
