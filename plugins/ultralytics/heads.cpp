// The anchor-free heads: Ultralytics' Detect (distances from cell centres to the four sides, distribution focal loss: Li et al., "Generalized
// Focal Loss", 2020), what adds masks, keypoints or angles to it, and those that compare with embeddings of the classes' names.
#include "heads.hpp"

#include <algorithm>
#include <cmath>

#include "final_boxes.hpp"

namespace lathe::ultralytics {
namespace {

constexpr float pi = 3.14159265358979323846f;

class Head {
 public:
  Head(Trace& trace, const Module& module, const HeadInputs& inputs, const HeadOptions& options)
      : trace_(trace), net_(trace.net), module_(module), inputs_(inputs), features_(inputs.features), options_(options) {}

  Outputs run() {
    const std::string name = module_.class_name();
    const bool end_to_end = is_end_to_end();
    const std::string prefix = end_to_end ? "one2one_" : "";
    const auto branch = [&](const std::string& which) { return trace_branch(trace_, module_, prefix + which, features_); };
    const bool masks = name.find("Segment") != std::string::npos, points = name == "Pose" || name == "Pose26";
    const bool angles = name == "OBB" || name == "OBB26", with_text = name.rfind("YOLOE", 0) == 0 || name == "WorldDetect";
    std::vector<Tensor> boxes = branch("cv2"), scores = branch("cv3");
    if (const auto vocabulary = module_.child("lrpc")) {
      by_vocabulary(*vocabulary, boxes, scores);
    } else if (with_text) {
      scores = compared(prefix + "cv4", scores);
    }
    std::vector<Tensor> extras;
    // YOLOv10's first heads had no one-to-one branch beside boxes and scores.
    const auto extra_branch = [&](const std::string& which) {
      return trace_branch(trace_, module_, module_.child(prefix + which) ? prefix + which : which, features_);
    };
    if (masks) extras = extra_branch(with_text ? "cv5" : "cv4");
    if (points || angles) extras = extra_branch("cv4");
    if (name == "Pose26") {
      const std::string which = prefix + "cv4_kpts";
      extras = trace_branch(trace_, module_, module_.child(which) ? which : "cv4_kpts", extras);
    }
    Outputs outputs;
    outputs.task = masks ? "segment" : points ? "pose" : angles ? "obb" : "detect";
    outputs.properties["head"] = ultralytics::name(options_.form);
    if (end_to_end) outputs.properties["end2end"] = "True";
    if (name == "Pose26") outputs.properties["keypoints_from"] = "centre";
    if (name == "OBB26") outputs.properties["angles"] = "radians";
    std::optional<Tensor> prototypes;
    if (masks) prototypes = make_prototypes();
    if (options_.form == HeadForm::raw) {
      for (size_t i = 0; i < boxes.size(); ++i) {
        outputs.tensors.emplace_back("boxes" + std::to_string(i), boxes[i]);
        outputs.tensors.emplace_back("scores" + std::to_string(i), scores[i]);
        if (!extras.empty()) outputs.tensors.emplace_back((masks ? "masks" : points ? "keypoints" : "angles") + std::to_string(i), extras[i]);
      }
      if (prototypes) outputs.tensors.emplace_back("prototypes", *prototypes);
      return outputs;
    }
    make_anchors();
    const Tensor distances = expectation(joined(boxes));
    Candidates candidates;
    candidates.scores = net_.unary("Sigmoid", joined(scores));
    if (angles) {
      Tensor angle = joined(extras);
      // Older heads learn a quarter turn back to three quarters forth, newer ones the angle itself.
      if (name == "OBB") angle = net_.binary("Mul", net_.binary("Sub", net_.unary("Sigmoid", angle), net_.scalar(0.25f)), net_.scalar(pi));
      candidates.extra = angle;
      candidates.boxes = rotated_boxes(distances, net_.slice(angle, 1, 0, 1));
    } else {
      // Corners where no suppression follows outside (end to end), centre and size where Ultralytics' export has them.
      const bool as_corners = options_.form == HeadForm::nms || end_to_end || module_.integer("xyxy", 0) != 0;
      candidates.boxes = as_corners ? corners(distances) : centres(distances);
      if (masks) candidates.extra = joined(extras);
      if (points) candidates.extra = keypoints(joined(extras), name == "Pose26");
    }
    candidates.boxes = net_.binary("Mul", candidates.boxes, stride_);
    if (end_to_end) {
      outputs.tensors.emplace_back("output0", best_boxes(net_, candidates, options_.most_boxes));
    } else if (options_.form == HeadForm::nms) {
      outputs.tensors.emplace_back("output0",
                                   angles ? suppressed_rotated_boxes(net_, candidates, options_) : suppressed_boxes(net_, candidates, options_));
    } else {
      std::vector<Tensor> parts = {candidates.boxes, candidates.scores};
      if (candidates.extra) parts.push_back(*candidates.extra);
      outputs.tensors.emplace_back("output0", net_.concat(parts, 1));
    }
    if (prototypes) outputs.tensors.emplace_back("output1", *prototypes);
    return outputs;
  }

 private:
  // Whether the network was left to choose its boxes itself: it has the branches for it, and nobody turned that off.
  bool is_end_to_end() const { return module_.child("one2one_cv2") && module_.integer("_end2end", 1) != 0 && module_.integer("end2end", 1) != 0; }

  Tensor make_prototypes() {
    const auto proto = module_.child("proto");
    if (!proto) net_.refuse(LATHE_FAILED, "the head lacks its prototypes");
    if (!proto->child("feat_fuse")) return trace_.call(*proto, "proto", features_[0]);
    List all;
    for (const Tensor& f : features_) all.emplace_back(f);
    return tensor_of(net_, trace_.call(*proto, "proto", List{Value::list(std::move(all))}));
  }

  // Scores by comparing each place with the classes' embeddings.
  std::vector<Tensor> compared(const std::string& branch, const std::vector<Tensor>& features) {
    const auto list = module_.child(branch);
    if (!list || list->children().size() != features.size()) net_.refuse(LATHE_FAILED, "the head lacks its branch '" + branch + "'");
    std::vector<Tensor> scores;
    for (const auto& [index, module] : list->children()) {
      if (!inputs_.text && module.child("norm"))
        net_.refuse(LATHE_UNSUPPORTED, "the checkpoint carries no embeddings of class names, which its head compares with",
                    "set the classes once with set_classes() and save the model");
      const Value text = inputs_.text ? Value(*inputs_.text) : Value();
      scores.push_back(tensor_of(net_, trace_.call(module, branch + "." + index, List{features[scores.size()], text})));
    }
    return scores;
  }

  // A head without prompts (YOLOE): its last convolutions and a vocabulary of its own stand in `lrpc`.
  void by_vocabulary(const Module& list, std::vector<Tensor>& boxes, std::vector<Tensor>& scores) {
    const auto children = list.children();
    if (children.size() != boxes.size()) net_.refuse(LATHE_FAILED, "the head's vocabulary has another number of scales than there are feature maps");
    for (size_t i = 0; i < children.size(); ++i) {
      const Value both = trace_.call(children[i].second, "lrpc." + children[i].first, List{scores[i], boxes[i]});
      const std::vector<Tensor> pair = tensors_of(net_, both);
      if (pair.size() != 2) net_.refuse(LATHE_FAILED, "the head's vocabulary yields no scores and boxes");
      boxes[i] = pair[1];
      scores[i] = net_.reshape(pair[0], {1, -1, boxes[i].shape.at(2), boxes[i].shape.at(3)});
    }
  }

  // [1, C, h, w] of each scale -> [1, C, A], A over all scales.
  Tensor joined(const std::vector<Tensor>& scales) {
    std::vector<Tensor> flat;
    for (const Tensor& t : scales) flat.push_back(net_.reshape(t, {t.shape[0], t.shape[1], -1}));
    return net_.concat(flat, 2);
  }

  // anchors_: [1, 2, A] cell centres in cells; stride_: [1, 1, A] pixels per cell.
  void make_anchors() {
    const std::vector<double> stride = strides_of(net_, module_, inputs_);
    std::vector<float> xs, ys, steps;
    for (size_t i = 0; i < features_.size(); ++i) {
      for (int64_t y = 0; y < features_[i].shape.at(2); ++y)
        for (int64_t x = 0; x < features_[i].shape.at(3); ++x) {
          xs.push_back(float(x) + 0.5f);
          ys.push_back(float(y) + 0.5f);
          steps.push_back(float(stride[i]));
        }
    }
    const auto count = static_cast<int64_t>(xs.size());
    stride_ = net_.floats("strides", {1, 1, count}, steps);
    xs.insert(xs.end(), ys.begin(), ys.end());
    anchors_ = net_.floats("anchors", {1, 2, count}, xs);
  }

  // [1, 4 R, A] -> [1, 4, A]: the mean of each side's distribution over 0 to R-1.
  Tensor expectation(const Tensor& x) {
    const int64_t bins = x.shape[1] / 4;
    if (bins * 4 != x.shape[1] || bins < 1) net_.refuse(LATHE_FAILED, "the head's boxes have a number of channels that is no multiple of 4");
    if (bins == 1) return x;
    const Tensor weights = net_.softmax(net_.reshape(x, {x.shape[0], 4, bins, x.shape[2]}), 2);
    std::vector<float> places;
    for (int64_t i = 0; i < bins; ++i) places.push_back(float(i));
    // A 1x1 convolution over the bins, as the exported models have it: [1, R, 4, A].
    const Tensor first = net_.permute(weights, {0, 2, 1, 3});
    const Tensor mean = net_.convolution(first, net_.floats("bins", {1, bins, 1, 1}, places), nullptr, {{1, 1}, {1, 1}, {0, 0}, {1, 1}}, 1);
    return net_.reshape(mean, {x.shape[0], 4, x.shape[2]});
  }

  std::pair<Tensor, Tensor> opposite_corners(const Tensor& distances) {
    const std::vector<Tensor> sides = net_.split(distances, {2, 2}, 1);
    return {net_.binary("Sub", anchors_, sides[0]), net_.binary("Add", anchors_, sides[1])};
  }
  Tensor corners(const Tensor& distances) {
    const auto [low, high] = opposite_corners(distances);
    return net_.concat({low, high}, 1);
  }
  Tensor centres(const Tensor& distances) {
    const auto [low, high] = opposite_corners(distances);
    return net_.concat({net_.binary("Mul", net_.binary("Add", low, high), net_.scalar(0.5f)), net_.binary("Sub", high, low)}, 1);
  }
  // Centre and size of boxes that stand at an angle [1, 1, A].
  Tensor rotated_boxes(const Tensor& distances, const Tensor& angle) {
    const std::vector<Tensor> sides = net_.split(distances, {2, 2}, 1);
    const Tensor offset = net_.binary("Mul", net_.binary("Sub", sides[1], sides[0]), net_.scalar(0.5f));
    const std::vector<Tensor> xy = net_.split(offset, {1, 1}, 1);
    const Tensor cosine = net_.unary("Cos", angle), sine = net_.unary("Sin", angle);
    const Tensor x = net_.binary("Sub", net_.binary("Mul", xy[0], cosine), net_.binary("Mul", xy[1], sine));
    const Tensor y = net_.binary("Add", net_.binary("Mul", xy[0], sine), net_.binary("Mul", xy[1], cosine));
    return net_.concat({net_.binary("Add", net_.concat({x, y}, 1), anchors_), net_.binary("Add", sides[0], sides[1])}, 1);
  }
  // [1, K D, A] -> the same: positions in pixels, visibility as probability.
  // From the cell's centre (YOLO26), or twice as far from its corner (older heads).
  Tensor keypoints(const Tensor& x, bool from_centre) {
    const std::vector<int64_t> shape = module_.integers("kpt_shape", 2, 0);
    if (shape[0] < 1 || (shape[1] != 2 && shape[1] != 3) || shape[0] * shape[1] != x.shape[1])
      net_.refuse(LATHE_FAILED, "the head's keypoints have another number of channels than its kpt_shape says");
    const Tensor points = net_.reshape(x, {1, shape[0], shape[1], x.shape[2]});
    Tensor place = net_.slice(points, 2, 0, 2), cell = net_.reshape(anchors_, {1, 1, 2, x.shape[2]});
    if (!from_centre) {
      place = net_.binary("Mul", place, net_.scalar(2));
      cell = net_.binary("Sub", cell, net_.scalar(0.5f));
    }
    Tensor result = net_.binary("Mul", net_.binary("Add", place, cell), net_.reshape(stride_, {1, 1, 1, x.shape[2]}));
    if (shape[1] == 3) result = net_.concat({result, net_.unary("Sigmoid", net_.slice(points, 2, 2, 3))}, 2);
    return net_.reshape(result, x.shape);
  }

  Trace& trace_;
  Net& net_;
  const Module& module_;
  const HeadInputs& inputs_;
  const std::vector<Tensor>& features_;
  const HeadOptions& options_;
  Tensor anchors_, stride_;
};

constexpr std::string_view names[] = {"Classify", "Detect",    "OBB",         "OBB26",       "Pose",         "Pose26",         "RTDETRDecoder",
                                      "Segment",  "Segment26", "WorldDetect", "YOLOEDetect", "YOLOESegment", "YOLOESegment26", "v10Detect"};

}  // namespace

bool is_head(const Module& module) {
  const std::string name = module.class_name();
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::string head_names() {
  std::string list;
  for (const std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

std::vector<Tensor> trace_branch(Trace& trace, const Module& head, const std::string& name, const std::vector<Tensor>& features) {
  const auto list = head.child(name);
  if (!list) trace.net.refuse(LATHE_FAILED, "the head lacks its branch '" + name + "'");
  const auto children = list->children();
  if (children.size() != features.size())
    trace.net.refuse(LATHE_FAILED, "the head's branch '" + name + "' has another number of scales than there are feature maps");
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < children.size(); ++i) outputs.push_back(trace.call(children[i].second, name + "." + children[i].first, features[i]));
  return outputs;
}

const char* name(HeadForm form) { return form == HeadForm::raw ? "raw" : form == HeadForm::nms ? "nms" : "decoded"; }

std::vector<double> strides_of(Net& net, const Module& head, const HeadInputs& inputs) {
  std::vector<double> values;
  for (const Tensor& f : inputs.features) values.push_back(double(inputs.height) / double(f.shape.at(2)));
  const auto saved = head.tensor("stride");
  if (!saved) return values;
  if (saved->dimensions != std::vector<int64_t>{static_cast<int64_t>(inputs.features.size())})
    net.refuse(LATHE_FAILED, "the head has another number of strides than of feature maps");
  const std::vector<float> trained = as_floats(*saved);
  if (std::all_of(trained.begin(), trained.end(), [](float s) { return s >= 1 && s <= 4096; })) values.assign(trained.begin(), trained.end());
  return values;
}

Outputs trace_head(Trace& trace, const Module& head, const std::string& name, const HeadInputs& inputs, const HeadOptions& options) {
  const Net::Scope scope(trace.net, name);
  const std::string class_name = head.class_name();
  if (inputs.features.empty()) trace.net.refuse(LATHE_FAILED, "the head has no inputs");
  if (class_name == "Classify") {
    Outputs outputs;
    outputs.task = "classify";
    // YOLOv5's own classifiers are trained on pictures normalised by ImageNet's mean and deviation, and yield logits.
    if (head.class_path().ends_with("models.common.Classify")) outputs.properties["input"] = "normalised";
    outputs.tensors = {{"output0", trace.call(head, "", trace.net.concat(inputs.features, 1))}};
    return outputs;
  }
  int64_t places = 0;
  for (const Tensor& f : inputs.features) {
    if (f.rank() != 4) trace.net.refuse(LATHE_FAILED, "the head wants images as its inputs");
    places += f.shape[2] * f.shape[3];
  }
  // A picture of 8192x8192 at a stride of 4 has half of that; decoding writes some numbers for each place.
  if (places > (int64_t(1) << 23)) trace.net.refuse(LATHE_FAILED, "the head would look at " + std::to_string(places) + " places of the picture");
  if (class_name == "RTDETRDecoder") return trace_decoder_head(trace, head, inputs, options);
  if (head.class_path().rfind("models.", 0) == 0 || head.child("m")) return trace_anchor_head(trace, head, inputs, options);
  return Head(trace, head, inputs, options).run();
}

}  // namespace lathe::ultralytics
