// Detect and Segment of YOLOv5's own repository (releases 1 to 7): each cell holds some boxes relative to anchors.
#include <sstream>

#include "final_boxes.hpp"
#include "heads.hpp"

namespace lathe::ultralytics {
namespace {

// As JSON: per scale the sizes [width, height] of its boxes; saved are multiples of the stride.
std::string in_pixels(const std::vector<float>& anchors, size_t per_cell, const std::vector<double>& stride) {
  std::ostringstream text;
  for (size_t scale = 0; scale < stride.size(); ++scale) {
    text << (scale ? ", [" : "[[");
    for (size_t i = scale * per_cell; i < (scale + 1) * per_cell; ++i)
      text << (i > scale * per_cell ? ", [" : "[") << double(anchors.at(2 * i)) * stride[scale] << ", "
           << double(anchors.at(2 * i + 1)) * stride[scale] << "]";
    text << "]";
  }
  text << "]";
  return text.str();
}

}  // namespace

// Decoded: [1, A, 5 + classes (+ masks)]: centre, size, objectness, classes, mask coefficients; and the prototypes.
Outputs trace_anchor_head(Trace& trace, const Module& head, const HeadInputs& inputs, const HeadOptions& options) {
  Net& net = trace.net;
  const std::string name = head.class_name();
  if (name != "Detect" && name != "Segment") net.refuse(LATHE_UNSUPPORTED, "heads of class " + head.class_path() + " are not known");
  Outputs outputs;
  outputs.task = name == "Segment" ? "segment" : "detect";
  const auto saved = head.tensor("anchors");
  if (!saved) net.refuse(LATHE_FAILED, "the head lacks its anchors");
  const std::vector<Tensor> scales = trace_branch(trace, head, "m", inputs.features);
  const int64_t classes = head.integer("nc", 0), masks = name == "Segment" ? head.integer("nm", 32) : 0, width = classes + 5 + masks;
  std::optional<Tensor> prototypes;
  if (masks) {
    const auto proto = head.child("proto");
    if (!proto) net.refuse(LATHE_FAILED, "the head lacks its prototypes");
    prototypes = trace.call(*proto, "proto", inputs.features[0]);
  }
  const Tensor anchors = net.constant("anchors", *saved);  // [scales, anchors per cell, 2], in cells
  if (anchors.rank() != 3 || anchors.shape[0] != static_cast<int64_t>(scales.size()) || anchors.shape[2] != 2)
    net.refuse(LATHE_FAILED, "the head's anchors have a shape that does not fit its scales");
  const int64_t per_cell = anchors.shape[1];
  const std::vector<double> stride = strides_of(net, head, inputs);
  outputs.properties = {{"head", ultralytics::name(options.form)}, {"anchors", in_pixels(as_floats(*saved), static_cast<size_t>(per_cell), stride)}};
  std::vector<Tensor> all;
  for (size_t i = 0; i < scales.size(); ++i) {
    const Tensor& x = scales[i];
    if (x.shape[1] != per_cell * width) net.refuse(LATHE_FAILED, "the head's channels fit neither its anchors nor its classes");
    if (options.form == HeadForm::raw) {
      outputs.tensors.emplace_back("scale" + std::to_string(i), x);
      continue;
    }
    const int64_t h = x.shape[2], w = x.shape[3];
    const Tensor cells = net.permute(net.reshape(x, {x.shape[0], per_cell, width, h, w}), {0, 1, 3, 4, 2});
    const std::vector<Tensor> kinds = masks ? net.split(cells, {width - masks, masks}, 4) : std::vector<Tensor>{cells};
    const std::vector<Tensor> parts = net.split(net.unary("Sigmoid", kinds[0]), {2, 2, classes + 1}, 4);
    std::vector<float> grid;
    for (int64_t y = 0; y < h; ++y)
      for (int64_t c = 0; c < w; ++c) grid.push_back(float(c) - 0.5f), grid.push_back(float(y) - 0.5f);
    const Tensor step = net.scalar(float(stride[i]));
    const Tensor centre =
        net.binary("Mul", net.binary("Add", net.binary("Mul", parts[0], net.scalar(2)), net.floats("grid", {1, 1, h, w, 2}, grid)), step);
    const Tensor anchor = net.binary("Mul", net.reshape(net.slice(anchors, 0, int64_t(i), int64_t(i) + 1), {1, per_cell, 1, 1, 2}), step);
    const Tensor twice = net.binary("Mul", parts[1], net.scalar(2));
    const Tensor size = net.binary("Mul", net.binary("Mul", twice, twice), anchor);
    std::vector<Tensor> row = {centre, size, parts[2]};
    if (masks) row.push_back(kinds[1]);
    all.push_back(net.reshape(net.concat(row, 4), {x.shape[0], per_cell * h * w, width}));
  }
  if (options.form == HeadForm::raw) {
    if (prototypes) outputs.tensors.emplace_back("prototypes", *prototypes);
    return outputs;
  }
  const Tensor rows = net.concat(all, 1);
  if (options.form == HeadForm::decoded) {
    outputs.tensors.emplace_back("output0", rows);
  } else {
    std::vector<int64_t> sizes = {2, 2, 1, classes};
    if (masks) sizes.push_back(masks);
    const std::vector<Tensor> columns = net.split(net.permute(rows, {0, 2, 1}), sizes, 1);
    const Tensor half = net.binary("Mul", columns[1], net.scalar(0.5f));
    Candidates candidates;
    candidates.boxes = net.concat({net.binary("Sub", columns[0], half), net.binary("Add", columns[0], half)}, 1);
    candidates.scores = net.binary("Mul", columns[3], columns[2]);
    if (masks) candidates.extra = columns[4];
    outputs.tensors.emplace_back("output0", suppressed_boxes(net, candidates, options));
  }
  if (prototypes) outputs.tensors.emplace_back("output1", *prototypes);
  return outputs;
}

}  // namespace lathe::ultralytics
