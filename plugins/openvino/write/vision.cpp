// Resizing and sampling pictures, and what detectors end in.
#include <algorithm>
#include <cstring>

#include "families.hpp"
#include "resampling.hpp"

namespace lathe::openvino {
namespace {

Dimensions declared(const Step& s, size_t i = 0) {
  const sdk::ValueView value = s.node.output_value(i);
  return value.has_rank() ? Dimensions(value.shape()) : std::nullopt;
}

void resize(Step& s) {
  if (s.in(0).type == LATHE_BOOL) return resample(s);  // Interpolate takes numbers
  const Wire x = s.in(0);
  const int64_t rank = s.rank(0);
  std::string transform(s.node.text("coordinate_transformation_mode", "half_pixel"));
  const std::string_view mode = s.node.text("mode", "nearest");
  // Interpolate has neither of these transformations, smooths in a mode of its own and always takes the neighbours outside into account.
  if (transform == "tf_crop_and_resize" || transform == "half_pixel_symmetric" || s.node.integer("antialias", 0) != 0 ||
      s.node.integer("exclude_outside", 0) != 0)
    return resample(s);
  std::vector<int64_t> axes = s.node.integers("axes");
  if (axes.empty())
    for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  for (int64_t& a : axes) a = s.axis(a, rank);
  const bool sizes = s.has(3);
  const Dimensions target = declared(s);
  // Sizes are rounded; where that is not the scale's product, Interpolate would compute with another scale.
  if (const auto scale = kept_scale(s); scale && target)
    for (const int64_t a : axes)
      if (const int64_t from = (*x.dimensions)[static_cast<size_t>(a)];
          from > 0 && static_cast<double>(from) * *scale != static_cast<double>((*target)[static_cast<size_t>(a)]))
        return resample(s);
  Wire shape, scales;
  if (sizes && s.node.text("keep_aspect_ratio_policy", "stretch") != "stretch") {
    std::vector<int64_t> computed;
    for (const int64_t a : axes) computed.push_back(target ? (*target)[static_cast<size_t>(a)] : -1);
    if (std::any_of(computed.begin(), computed.end(), [](int64_t d) { return d < 0; }))
      s.refuse("Interpolate of the IR does not keep the aspect ratio by itself, and the sizes are not known beforehand");
    shape = s.indices(computed);
  } else if (sizes) {
    shape = s.in(3);
  }
  // The sides that keep their size are left out: linear_onnx takes two or three axes.
  const auto known_scales = !sizes && s.has(2) && s.constant(2) && s.constant(2)->type() == LATHE_FLOAT32 ? s.constant(2) : std::nullopt;
  std::vector<double> numbers;
  std::vector<int64_t> left;
  if (known_scales) {
    for (size_t i = 0; i < axes.size(); ++i) {
      float scale = 0;
      std::memcpy(&scale, static_cast<const char*>(known_scales->data()) + 4 * i, 4);
      if (scale == 1) continue;
      left.push_back(axes[i]);
      numbers.push_back(scale);
    }
    if (left.empty()) return s.out(0, x);
    axes = left;
    scales = s.floats(LATHE_FLOAT32, {static_cast<int64_t>(axes.size())}, numbers);
  } else if (!sizes) {
    if (!s.has(2)) s.refuse("neither sizes nor scales are given");
    scales = s.convert(s.exact(2), LATHE_FLOAT32);
  } else if (const auto known = s.known_integers(3); known && x.has_rank() && s.node.text("keep_aspect_ratio_policy", "stretch") == "stretch") {
    std::vector<int64_t> wanted;
    for (size_t i = 0; i < axes.size(); ++i) {
      if ((*x.dimensions)[static_cast<size_t>(axes[i])] == (*known)[i]) continue;
      left.push_back(axes[i]);
      wanted.push_back((*known)[i]);
    }
    if (left.empty()) return s.out(0, x);
    axes = left;
    shape = s.indices(wanted);
  }
  // The input that the calculation does not use is there all the same.
  if (sizes) {
    std::vector<double> ones(axes.size(), 1.0);
    for (size_t i = 0; i < axes.size(); ++i) {
      const int64_t from = (*x.dimensions)[static_cast<size_t>(axes[i])], to = target ? (*target)[static_cast<size_t>(axes[i])] : -1;
      if (from > 0 && to > 0) ones[i] = static_cast<double>(to) / static_cast<double>(from);
    }
    scales = s.floats(LATHE_FLOAT32, {static_cast<int64_t>(axes.size())}, ones);
  } else {
    std::vector<int64_t> result;
    for (const int64_t a : axes) result.push_back(target && (*target)[static_cast<size_t>(a)] > 0 ? (*target)[static_cast<size_t>(a)] : 1);
    shape = s.indices(result);
  }
  const char* method = mode == "nearest" ? "nearest" : mode == "cubic" ? "cubic" : "linear_onnx";
  const std::vector<int64_t> none(static_cast<size_t>(rank), 0);
  s.out(0, s.make("Interpolate", {x, shape, scales, s.indices(axes)},
                  {{"mode", method},
                   {"shape_calculation_mode", sizes ? "sizes" : "scales"},
                   {"coordinate_transformation_mode", transform},
                   {"nearest_mode", std::string(s.node.text("nearest_mode", "round_prefer_floor"))},
                   {"antialias", "false"},
                   {"pads_begin", text(none)},
                   {"pads_end", text(none)},
                   {"cube_coeff", text(double(s.node.real("cubic_coeff_a", -0.75f)))}},
                  target));
}

void grid_sample(Step& s) {
  std::string mode(s.node.text("mode", "linear"));
  if (mode == "linear") mode = "bilinear";
  if (mode == "cubic") mode = "bicubic";
  if (s.rank(0) != 4) return sample_volume(s);
  const bool truth = s.in(0).type == LATHE_BOOL;
  const Wire x = truth ? s.convert(s.in(0), s.in(1).type) : s.in(0);
  const Wire y = s.make("GridSample", {x, s.in(1)},
                        {{"align_corners", text(s.node.integer("align_corners", 0) != 0)},
                         {"mode", mode},
                         {"padding_mode", std::string(s.node.text("padding_mode", "zeros"))}},
                        declared(s));
  s.out(0, truth ? s.make("NotEqual", {y, s.scalar(y.type, 0)}, {{"auto_broadcast", "numpy"}}) : y);
}

void roi_align(Step& s) {
  const bool half = s.node.text("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  Attributes attributes = {{"pooled_h", text(s.node.integer("output_height", 1))},
                           {"pooled_w", text(s.node.integer("output_width", 1))},
                           {"sampling_ratio", text(s.node.integer("sampling_ratio", 0))},
                           {"spatial_scale", text(double(s.node.real("spatial_scale", 1)))},
                           {"mode", std::string(s.node.text("mode", "avg"))}};
  if (half) attributes.push_back({"aligned_mode", "half_pixel"});
  s.out(0, s.make({"ROIAlign", half ? 9 : 3}, {s.in(0), s.in(1), s.in(2)}, attributes, declared(s)));
}

void suppress(Step& s) {
  const auto one = [&](size_t i, int32_t type) {
    if (!s.has(i)) return s.scalar(type, 0);
    const Wire v = s.in(i);
    return v.has_rank() && v.rank() == 1 ? s.squeeze(v, {0}) : v;
  };
  const Wire boxes = s.in(0), scores = s.in(1), most = one(2, LATHE_INT64), overlap = one(3, LATHE_FLOAT32);
  // Without a limit ONNX keeps every box, however low its score.
  const Wire score = s.has(4) ? one(4, LATHE_FLOAT32) : s.scalar(LATHE_FLOAT32, -3.4028234663852886e38);
  const std::vector<Wire> all = s.make_many("NonMaxSuppression", {boxes, scores, most, overlap, score},
                                            {{"box_encoding", s.node.integer("center_point_box", 0) != 0 ? "center" : "corner"},
                                             {"sort_result_descending", "false"},
                                             {"output_type", "i64"}},
                                            {std::vector<int64_t>{-1, 3}, std::vector<int64_t>{-1, 3}, std::vector<int64_t>{1}});
  s.out(0, all[0]);
}

// Regions [R, 5] of pictures, by Caffe's rule in both.
void max_roi_pool(Step& s) {
  const Wire x = s.in(0), rois = s.in(1);
  const std::vector<int64_t> size = s.node.integers("pooled_shape");
  if (size.size() != 2) s.refuse("its pooled_shape has not two sizes");
  s.out(0, s.make({"ROIPooling", 2}, {x, rois},
                  {{"pooled_h", text(size[0])},
                   {"pooled_w", text(size[1])},
                   {"spatial_scale", text(double(s.node.real("spatial_scale", 1)))},
                   {"method", "max"}},
                  std::vector<int64_t>{(*rois.dimensions)[0], (*x.dimensions)[1], size[0], size[1]}));
}

constexpr Writer writers[] = {
    {"GridSample", Means::exact, grid_sample}, {"MaxRoiPool", Means::exact, max_roi_pool}, {"NonMaxSuppression", Means::exact, suppress},
    {"Resize", Means::exact, resize},          {"RoiAlign", Means::exact, roi_align},
};

}  // namespace

std::span<const Writer> vision_writers() { return writers; }

}  // namespace lathe::openvino
