// Detection heads. The anchor-free ones: Ultralytics' Detect (distances from cell centres to the four sides, distribution focal loss: Li et al.,
// "Generalized Focal Loss", 2020) and what adds masks, keypoints or angles to it; the anchor-based one of YOLOv5's repository.
#include "heads.hpp"

#include <algorithm>
#include <cmath>

namespace lathe::ultralytics {
namespace {

constexpr float pi = 3.14159265358979323846f;

class Head {
 public:
  Head(Trace& trace, const Module& module, const std::vector<Tensor>& features, int64_t height, const HeadOptions& options)
      : trace_(trace), net_(trace.net), module_(module), features_(features), height_(height), options_(options) {}

  Outputs run() {
    const std::string name = module_.class_name(), path = module_.class_path();
    if (name == "Classify") return classify();
    if (path.rfind("models.", 0) == 0 || module_.child("m")) return anchor_based();
    return anchor_free(name);
  }

 private:
  Outputs classify() {
    const Tensor x = features_.size() == 1 ? features_[0] : net_.concat(features_, 1);
    Outputs outputs;
    outputs.task = "classify";
    outputs.tensors = {{"output0", trace_.call(module_, "", x)}};
    return outputs;
  }

  // ---- anchor-free ------------------------------------------------------------------------------------------------------------------

  // The convolutions of one branch, per scale.
  std::vector<Tensor> branch(const std::string& name) {
    const auto list = module_.child(name);
    if (!list) net_.refuse(LATHE_FAILED, "the head lacks its branch '" + name + "'");
    const auto children = list->children();
    if (children.size() != features_.size())
      net_.refuse(LATHE_FAILED, "the head's branch '" + name + "' has another number of scales than there are feature maps");
    std::vector<Tensor> outputs;
    for (size_t i = 0; i < children.size(); ++i) outputs.push_back(trace_.call(children[i].second, name + "." + children[i].first, features_[i]));
    return outputs;
  }
  // [1, C, h, w] of each scale -> [1, C, A], A over all scales.
  Tensor joined(const std::vector<Tensor>& scales) {
    std::vector<Tensor> flat;
    for (const Tensor& t : scales) flat.push_back(net_.reshape(t, {t.shape[0], t.shape[1], -1}));
    return net_.concat(flat, 2);
  }

  std::vector<double> strides() {
    const auto saved = module_.tensor("stride");
    std::vector<double> values;
    for (size_t i = 0; i < features_.size(); ++i) values.push_back(double(height_) / double(features_[i].shape.at(2)));
    if (!saved) return values;
    // The stride that training used is the truth; it is checked against the shapes at hand.
    if (saved->dimensions != std::vector<int64_t>{static_cast<int64_t>(features_.size())})
      net_.refuse(LATHE_FAILED, "the head has another number of strides than of feature maps");
    return values;
  }

  Outputs anchor_free(const std::string& name) {
    const bool end_to_end = module_.child("one2one_cv2").has_value();
    const std::string prefix = end_to_end ? "one2one_" : "";
    const std::vector<Tensor> boxes = branch(prefix + "cv2"), scores = branch(prefix + "cv3");
    const bool masks = name == "Segment", points = name == "Pose", angles = name == "OBB";
    std::vector<Tensor> extras;
    if (masks || points || angles) extras = branch(module_.child(prefix + "cv4") ? prefix + "cv4" : "cv4");
    Outputs outputs;
    outputs.task = masks ? "segment" : points ? "pose" : angles ? "obb" : "detect";
    std::optional<Tensor> prototypes;
    if (masks) {
      const auto proto = module_.child("proto");
      if (!proto) net_.refuse(LATHE_FAILED, "the head lacks its prototypes");
      prototypes = trace_.call(*proto, "proto", features_[0]);
    }
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
    const Tensor probability = net_.unary("Sigmoid", joined(scores));
    std::optional<Tensor> extra;
    Tensor box;
    if (angles) {
      const Tensor raw = net_.unary("Sigmoid", joined(extras));
      extra = net_.binary("Mul", net_.binary("Sub", raw, net_.scalar(0.25f)), net_.scalar(pi));
      box = rotated_boxes(distances, *extra);
    } else {
      // Corners where no suppression follows outside (end to end), centre and size where Ultralytics' export has them.
      box = options_.form == HeadForm::nms || end_to_end ? corners(distances) : centres(distances);
      if (masks) extra = joined(extras);
      if (points) extra = keypoints(joined(extras));
    }
    box = net_.binary("Mul", box, stride_);
    if (end_to_end) {
      outputs.tensors.emplace_back("output0", best(box, probability, extra));
    } else if (options_.form == HeadForm::nms) {
      if (angles) net_.refuse(LATHE_UNSUPPORTED, "head=nms is not known for rotated boxes", "use head=decoded");
      outputs.tensors.emplace_back("output0", suppressed(box, probability, extra));
    } else {
      std::vector<Tensor> parts = {box, probability};
      if (extra) parts.push_back(*extra);
      outputs.tensors.emplace_back("output0", net_.concat(parts, 1));
    }
    if (prototypes) outputs.tensors.emplace_back("output1", *prototypes);
    return outputs;
  }

  // anchors_: [1, 2, A] cell centres in cells; stride_: [1, 1, A] pixels per cell.
  void make_anchors() {
    const std::vector<double> stride = strides();
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
  Tensor keypoints(const Tensor& x) {
    const std::vector<int64_t> shape = module_.integers("kpt_shape", 2, 0);
    if (shape[0] < 1 || (shape[1] != 2 && shape[1] != 3) || shape[0] * shape[1] != x.shape[1])
      net_.refuse(LATHE_FAILED, "the head's keypoints have another number of channels than its kpt_shape says");
    const Tensor points = net_.reshape(x, {1, shape[0], shape[1], x.shape[2]});
    const Tensor place = net_.binary("Mul", net_.slice(points, 2, 0, 2), net_.scalar(2));
    const Tensor cell = net_.reshape(net_.binary("Sub", anchors_, net_.scalar(0.5f)), {1, 1, 2, x.shape[2]});
    Tensor result = net_.binary("Mul", net_.binary("Add", place, cell), net_.reshape(stride_, {1, 1, 1, x.shape[2]}));
    if (shape[1] == 3) result = net_.concat({result, net_.unary("Sigmoid", net_.slice(points, 2, 2, 3))}, 2);
    return net_.reshape(result, x.shape);
  }

  // ---- choosing boxes ---------------------------------------------------------------------------------------------------------------

  Tensor gather(const Tensor& x, const Tensor& indices, int64_t axis) {
    std::vector<int64_t> shape = x.shape;
    shape.erase(shape.begin() + axis);
    shape.insert(shape.begin() + axis, indices.shape.begin(), indices.shape.end());
    return net_.node(
        "Gather", {x, indices}, shape, [&](sdk::NodeData& n) { n.set("axis", axis); }, x.type);
  }
  std::pair<Tensor, Tensor> top(const Tensor& x, int64_t count) {  // over the last axis
    Tensor values = x, indices = x;
    values.shape.back() = indices.shape.back() = count;
    indices.type = LATHE_INT64;
    const Tensor k = net_.integers("count", {count});
    const std::string name = "/" + net_.path() + "/TopK_" + std::to_string(net_.graph.node_count());
    sdk::Shape shape(values.shape.begin(), values.shape.end());
    values.value = net_.graph.add_value(name + "_values", values.type, shape);
    indices.value = net_.graph.add_value(name + "_indices", LATHE_INT64, shape);
    net_.graph.add_node("TopK", {x.value, k.value}, {values.value, indices.value}, name);
    return {values, indices};
  }

  // End to end: the best boxes by their best score, then the best scores among those (Wang et al., "YOLOv10", 2024). [1, K, 6 (+ extras)].
  Tensor best(const Tensor& box, const Tensor& scores, const std::optional<Tensor>& extra) {
    const int64_t anchors = box.shape[2], classes = scores.shape[1], count = std::min(options_.most_boxes, anchors);
    const Tensor strongest = net_.reshape(net_.reduce("ReduceMax", scores, {1}, false), {anchors});
    const Tensor chosen = top(strongest, count).second;
    const auto rows = [&](const Tensor& t) { return gather(net_.reshape(net_.permute(t, {0, 2, 1}), {anchors, t.shape[1]}), chosen, 0); };
    const Tensor boxes = rows(box);
    const auto [values, places] = top(net_.reshape(rows(scores), {count * classes}), count);
    const Tensor classes_constant = net_.integers("classes", {classes});
    const Tensor row = net_.node("Div", {places, classes_constant}, {count}, {}, LATHE_INT64);
    const Tensor label = net_.node("Mod", {places, classes_constant}, {count}, {}, LATHE_INT64);
    std::vector<Tensor> parts = {gather(boxes, row, 0), net_.reshape(values, {count, 1}), net_.reshape(to_float(label), {count, 1})};
    if (extra) parts.push_back(gather(rows(*extra), row, 0));
    const Tensor all = net_.concat(parts, 1);
    return net_.reshape(all, {1, all.shape[0], all.shape[1]});
  }

  Tensor to_float(const Tensor& x) {
    return net_.node("Cast", {x}, x.shape, [](sdk::NodeData& n) { n.set("to", int64_t(LATHE_FLOAT32)); });
  }

  // Classic suppression, per class: [K, 6 (+ extras)] with K known when it runs.
  Tensor suppressed(const Tensor& box, const Tensor& scores, const std::optional<Tensor>& extra) {
    const Tensor boxes = net_.permute(box, {0, 2, 1});
    auto& graph = net_.graph;
    const std::string name = "/" + net_.path() + "/";
    const auto open = [&](const char* what, std::vector<sdk::Dimension> shape, int32_t type) {
      return graph.add_value(name + what, type, std::move(shape));
    };
    const uint32_t picked = open("picked", {"boxes", 3}, LATHE_INT64);
    graph.add_node("NonMaxSuppression",
                   {boxes.value, scores.value, net_.integers("most_boxes", {options_.most_boxes}).value,
                    net_.floats("overlap", {1}, {options_.overlap}).value, net_.floats("confidence", {1}, {options_.confidence}).value},
                   {picked}, name + "NonMaxSuppression");
    // Indices are (batch, class, box).
    const auto column = [&](const char* what, int64_t index) {
      const uint32_t value = open(what, {"boxes"}, LATHE_INT64);
      const Tensor at = net_.node(
          "Constant", {}, {}, [&](sdk::NodeData& n) { n.set("value_int", index); }, LATHE_INT64);
      graph.add_node("Gather", {picked, at.value}, {value}, name + "Gather_" + what).set("axis", 1);
      return value;
    };
    const uint32_t label = column("label", 1), row = column("row", 2);
    const auto rows = [&](const char* what, const Tensor& t) {  // [1, C, A] -> [K, C]
      const Tensor flat = net_.reshape(net_.permute(t, {0, 2, 1}), {t.shape[2], t.shape[1]});
      const uint32_t value = open(what, {"boxes", t.shape[1]}, LATHE_FLOAT32);
      graph.add_node("Gather", {flat.value, row}, {value}, name + "Gather_" + what).set("axis", 0);
      return value;
    };
    const Tensor minus_one = net_.integers("last_axis", {1});
    const uint32_t column_label = open("label_column", {"boxes", 1}, LATHE_INT64), score = open("score", {"boxes", 1}, LATHE_FLOAT32),
                   real_label = open("label_real", {"boxes", 1}, LATHE_FLOAT32);
    graph.add_node("Unsqueeze", {label, minus_one.value}, {column_label}, name + "Unsqueeze_label");
    graph.add_node("GatherElements", {rows("scores", scores), column_label}, {score}, name + "GatherElements").set("axis", 1);
    graph.add_node("Cast", {column_label}, {real_label}, name + "Cast_label").set("to", int64_t(LATHE_FLOAT32));
    std::vector<uint32_t> parts = {rows("boxes", box), score, real_label};
    int64_t width = 6;
    if (extra) {
      parts.push_back(rows("extras", *extra));
      width += extra->shape[1];
    }
    Tensor result;
    result.value = open("final", {"boxes", width}, LATHE_FLOAT32);
    result.shape = {-1, width};
    graph.add_node("Concat", parts, {result.value}, name + "Concat_final").set("axis", 1);
    return result;
  }

  // ---- anchor-based -----------------------------------------------------------------------------------------------------------------

  // YOLOv5's own repository, release 7: each cell holds boxes relative to anchors. [1, A, 5 + classes]: centre, size, objectness, classes.
  Outputs anchor_based() {
    Outputs outputs;
    outputs.task = "detect";
    if (module_.class_name() != "Detect") net_.refuse(LATHE_UNSUPPORTED, "heads of class " + module_.class_path() + " are not known");
    const auto saved = module_.tensor("anchors");
    if (!saved) net_.refuse(LATHE_FAILED, "the head lacks its anchors");
    const std::vector<Tensor> scales = branch("m");
    const int64_t classes = module_.integer("nc", 0), width = classes + 5;
    const Tensor anchors = net_.constant("anchors", *saved);  // [scales, anchors per cell, 2], in cells
    if (anchors.rank() != 3 || anchors.shape[0] != static_cast<int64_t>(scales.size()) || anchors.shape[2] != 2)
      net_.refuse(LATHE_FAILED, "the head's anchors have a shape that does not fit its scales");
    const int64_t per_cell = anchors.shape[1];
    const std::vector<double> stride = strides();
    std::vector<Tensor> all;
    for (size_t i = 0; i < scales.size(); ++i) {
      const Tensor& x = scales[i];
      if (x.shape[1] != per_cell * width) net_.refuse(LATHE_FAILED, "the head's channels fit neither its anchors nor its classes");
      if (options_.form == HeadForm::raw) {
        outputs.tensors.emplace_back("scale" + std::to_string(i), x);
        continue;
      }
      const int64_t h = x.shape[2], w = x.shape[3];
      const Tensor cells = net_.permute(net_.reshape(x, {x.shape[0], per_cell, width, h, w}), {0, 1, 3, 4, 2});
      const std::vector<Tensor> parts = net_.split(net_.unary("Sigmoid", cells), {2, 2, classes + 1}, 4);
      std::vector<float> grid;
      for (int64_t y = 0; y < h; ++y)
        for (int64_t c = 0; c < w; ++c) grid.push_back(float(c) - 0.5f), grid.push_back(float(y) - 0.5f);
      const Tensor step = net_.scalar(float(stride[i]));
      const Tensor centre =
          net_.binary("Mul", net_.binary("Add", net_.binary("Mul", parts[0], net_.scalar(2)), net_.floats("grid", {1, 1, h, w, 2}, grid)), step);
      const Tensor anchor = net_.binary("Mul", net_.reshape(net_.slice(anchors, 0, int64_t(i), int64_t(i) + 1), {1, per_cell, 1, 1, 2}), step);
      const Tensor twice = net_.binary("Mul", parts[1], net_.scalar(2));
      const Tensor size = net_.binary("Mul", net_.binary("Mul", twice, twice), anchor);
      all.push_back(net_.reshape(net_.concat({centre, size, parts[2]}, 4), {x.shape[0], per_cell * h * w, width}));
    }
    if (options_.form == HeadForm::raw) return outputs;
    const Tensor joined_rows = net_.concat(all, 1);
    if (options_.form == HeadForm::decoded) {
      outputs.tensors.emplace_back("output0", joined_rows);
      return outputs;
    }
    const std::vector<Tensor> columns = net_.split(net_.permute(joined_rows, {0, 2, 1}), {2, 2, 1, classes}, 1);
    const Tensor half = net_.binary("Mul", columns[1], net_.scalar(0.5f));
    const Tensor box = net_.concat({net_.binary("Sub", columns[0], half), net_.binary("Add", columns[0], half)}, 1);
    outputs.tensors.emplace_back("output0", suppressed(box, net_.binary("Mul", columns[3], columns[2]), std::nullopt));
    return outputs;
  }

  Trace& trace_;
  Net& net_;
  const Module& module_;
  const std::vector<Tensor>& features_;
  int64_t height_;
  const HeadOptions& options_;
  Tensor anchors_, stride_;
};

}  // namespace

bool is_head(const Module& module) {
  static constexpr std::string_view names[] = {"Detect",    "Segment",     "Pose",        "OBB",          "Classify",
                                               "v10Detect", "WorldDetect", "YOLOEDetect", "RTDETRDecoder"};
  const std::string name = module.class_name();
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

Outputs trace_head(Trace& trace, const Module& head, const std::string& name, const std::vector<Tensor>& features, int64_t height,
                   const HeadOptions& options) {
  const Net::Scope scope(trace.net, name);
  return Head(trace, head, features, height, options).run();
}

}  // namespace lathe::ultralytics
