// Resizing and sampling pictures, and what detectors end in.
#include <algorithm>

#include "step.hpp"

namespace lathe::openvino {
namespace {

void interpolate(ReadStep& s) {
  const bool older = s.operation.opset < 11;
  const std::string mode = s.text("mode"), transform = s.text("coordinate_transformation_mode"), nearest = s.text("nearest_mode");
  const auto zero = [&](const char* name) {
    const std::vector<int64_t> pads = s.integers(name);
    return std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p == 0; });
  };
  if (!zero("pads_begin") || !zero("pads_end")) s.refuse("Interpolate is read without padding of its own");
  if (s.flag("antialias")) s.refuse("Interpolate is read without antialias");
  if (mode == "nearest" && nearest == "simple") s.refuse("the nearest neighbour of the mode 'simple' has no operator in ONNX");
  const bool sizes = s.text("shape_calculation_mode") == "sizes";
  const size_t axes_at = older ? 3 : 2;
  std::vector<int64_t> axes;
  if (s.has(axes_at)) {
    axes = s.integers(axes_at, "the axes");
  } else {
    for (int64_t i = 0; i < s.rank(0); ++i) axes.push_back(i);
  }
  const uint32_t x = s.in(0);
  uint32_t y = 0;
  if (sizes) {
    y = s.emit("Resize", {x, LATHE_NONE, LATHE_NONE, s.list(1)});
  } else {
    const size_t at = older ? 2 : 1;
    uint32_t scales = s.in(at);
    if (s.type(at) != LATHE_FLOAT32) scales = s.cast(scales, LATHE_FLOAT32);
    y = s.emit("Resize", {x, LATHE_NONE, scales});
  }
  s.last().set("mode", mode == "nearest" ? "nearest" : mode == "cubic" ? "cubic" : "linear");
  s.last().set("coordinate_transformation_mode", transform).set("axes", axes);
  if (mode == "nearest") s.last().set("nearest_mode", nearest);
  if (mode == "cubic") s.last().set("cubic_coeff_a", static_cast<float>(s.real("cube_coeff")));
  s.out(0, y);
}

void grid_sample(ReadStep& s) {
  const std::string mode = s.text("mode");
  const uint32_t y = s.emit("GridSample", {s.in(0), s.in(1)});
  s.last().set("mode", mode == "bilinear" ? "linear" : mode == "bicubic" ? "cubic" : "nearest");
  s.last().set("padding_mode", s.text("padding_mode")).set("align_corners", s.flag("align_corners") ? 1 : 0);
  s.out(0, y);
}

void roi_align(ReadStep& s) {
  const std::string aligned = s.operation.opset >= 9 ? s.text("aligned_mode") : "asymmetric";
  if (aligned == "half_pixel_for_nn") s.refuse("ROIAlign of the mode half_pixel_for_nn has no operator in ONNX");
  const uint32_t x = s.in(0), rois = s.in(1);
  const uint32_t batch = s.type(2) == LATHE_INT64 ? s.in(2) : s.cast(s.in(2), LATHE_INT64);
  const uint32_t y = s.emit("RoiAlign", {x, rois, batch});
  s.last().set("output_height", s.integer("pooled_h")).set("output_width", s.integer("pooled_w"));
  s.last()
      .set("sampling_ratio", s.integer("sampling_ratio"))
      .set("spatial_scale", static_cast<float>(s.real("spatial_scale")))
      .set("mode", s.text("mode"));
  s.last().set("coordinate_transformation_mode", aligned == "half_pixel" ? "half_pixel" : "output_half_pixel");
  s.out(0, y);
}

void suppress(ReadStep& s) {
  if (s.flag("sort_result_descending"))
    s.refuse("the boxes of all classes sorted together have no operator in ONNX", "write the model with sort_result_descending=\"false\"");
  if (s.has(5) && s.known_numbers(5) != std::vector<double>{0}) s.refuse("soft suppression has no operator in ONNX");
  if (s.used(1) || s.used(2)) s.refuse("of NonMaxSuppression the indices alone are read");
  const uint32_t boxes = s.in(0), scores = s.in(1);
  std::vector<uint32_t> inputs = {boxes, scores};
  if (s.has(2)) inputs.push_back(s.list(2));
  for (size_t i = 3; i < 5; ++i)
    if (s.has(i)) inputs.push_back(s.rank(i) == 0 ? s.emit("Unsqueeze", {s.in(i), s.indices({0})}) : s.in(i));
  const uint32_t y = s.emit("NonMaxSuppression", inputs);
  s.last().set("center_point_box", s.text("box_encoding") == "center" ? 1 : 0);
  s.out(0, s.out_type(0) == LATHE_INT64 ? y : s.cast(y, s.out_type(0)));
}

constexpr Reader readers[] = {{"GridSample", grid_sample}, {"Interpolate", interpolate}, {"NonMaxSuppression", suppress}, {"ROIAlign", roi_align}};

}  // namespace

std::span<const Reader> vision_readers() { return readers; }

}  // namespace lathe::openvino
