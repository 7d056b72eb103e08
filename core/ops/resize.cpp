// Resize: signature and inference. The kernel is in lathe/kernels/resize.hpp.
#include "lathe/kernels/resize.hpp"

#include <cmath>

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

bool given(const InferenceContext& c, size_t input) {
  const Shape* s = infer::shape(c, input);
  return c.input(input) && !(s && s->size() == 1 && (*s)[0].value == 0);  // an empty tensor stands for an absent one
}

void infer_resize(InferenceContext& c) {
  infer::choice(c, "mode", {"nearest", "linear", "cubic"});
  infer::choice(c, "coordinate_transformation_mode",
                {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"});
  infer::choice(c, "nearest_mode", {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
  infer::choice(c, "keep_aspect_ratio_policy", {"stretch", "not_larger", "not_smaller"});
  if (given(c, 2) == given(c, 3)) c.fail("exactly one of scales and sizes is wanted", "one of them", given(c, 2) ? "both" : "neither");
  const Shape* x = infer::shape(c, 0);
  if (!x) return infer::set(c, std::nullopt);
  std::vector<int64_t> axes = c.node().integers("axes");
  if (axes.empty())
    for (size_t i = 0; i < x->size(); ++i) axes.push_back(int64_t(i));
  Shape y = *x;
  const std::vector<size_t> places = infer::distinct_axes(c, axes, x->size());
  if (c.node().text("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize") {
    const Shape* region = infer::shape(c, 1);
    if (!c.input(1) || (region && (region->size() != 1 || infer::differ((*region)[0], Dimension(2 * int64_t(axes.size()))))))
      c.fail("cropping wants a region of interest", std::to_string(2 * axes.size()) + " numbers (starts, then ends)",
             region ? to_string(*region) : "none");
  }
  const auto check_count = [&](size_t count) {
    if (count != axes.size())
      c.fail(std::string(given(c, 2) ? "scales" : "sizes") + " have the wrong length", std::to_string(axes.size()), std::to_string(count));
  };
  if (const Shape* counted = infer::shape(c, given(c, 2) ? 2 : 3); counted && counted->size() == 1 && (*counted)[0].constant())
    check_count(size_t((*counted)[0].value));
  for (const size_t place : places) y[place] = Dimension();
  if (given(c, 2)) {
    const Tensor* scales = c.constant(2);
    if (scales && scales->type == DataType::float32) {
      check_count(size_t(scales->size()));
      for (size_t i = 0; i < places.size(); ++i) {
        const float scale = scales->as<float>()[i];
        if (!(scale > 0) || !(scale < 1e9f)) c.fail("a scale is out of range", "a positive number", std::to_string(scale));
        const Dimension& d = (*x)[places[i]];
        // In float32, as ONNX Runtime computes it.
        if (d.constant())
          y[places[i]] = Dimension(kernels::convert<int64_t>(std::floor(float(d.value) * scale)));
        else if (scale == std::floor(scale))
          y[places[i]] = infer::times(c, d, Dimension(int64_t(scale)));
      }
    }
  } else if (const Shape* sizes = c.elements(3)) {
    check_count(sizes->size());
    const std::string policy = c.node().text("keep_aspect_ratio_policy", "stretch");
    for (size_t i = 0; i < places.size(); ++i) y[places[i]] = (*sizes)[i];
    if (policy != "stretch") {
      double scale = 0;
      for (size_t i = 0; i < places.size(); ++i) {
        const Dimension& d = (*x)[places[i]];
        if (!d.constant() || d.value == 0 || !(*sizes)[i].constant()) {
          for (const size_t place : places) y[place] = Dimension();
          return infer::set(c, std::move(y));
        }
        const double own = double((*sizes)[i].value) / double(d.value);
        scale = i == 0 ? own : (policy == "not_larger" ? std::min(scale, own) : std::max(scale, own));
      }
      for (const size_t place : places) y[place] = Dimension(kernels::convert<int64_t>(std::floor(scale * double((*x)[place].value) + 0.5)));
    }
  }
  for (size_t i = 0; i < y.size(); ++i)
    if ((*x)[i].value == 0 && y[i].constant() && y[i].value > 0)
      c.fail("an empty axis has nothing to enlarge", "at least one element", to_string(*x));
  infer::set(c, std::move(y));
}

}  // namespace

std::span<const Operator> resize_operators() {
  constexpr AttributeKind integer = AttributeKind::integer, text = AttributeKind::text, real = AttributeKind::real;
  static const Operator table[] = {
      {"",
       "Resize",
       {10, 11, 13, 18, 19},
       {{"X", "T1"},
        {"roi", "T2", Formal::optional},
        {"scales", infer::float_tensor, Formal::optional},
        {"sizes", infer::int64_tensor, Formal::optional}},
       {{"Y", "T1"}},
       {{"T1", infer::before_float8(infer::every_type())}, {"T2", infer::floats()}},
       {{"antialias", integer, false, "0"},
        {"axes", AttributeKind::integers},
        {"coordinate_transformation_mode", text, false, "half_pixel"},
        {"cubic_coeff_a", real, false, "-0.75"},
        {"exclude_outside", integer, false, "0"},
        {"extrapolation_value", real, false, "0.0"},
        {"keep_aspect_ratio_policy", text, false, "stretch"},
        {"mode", text, false, "nearest"},
        {"nearest_mode", text, false, "round_prefer_floor"}},
       infer_resize,
       kernels::resize},
  };
  return table;
}

}  // namespace lathe
