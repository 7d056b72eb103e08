// Sampling, regions of interest, deformable convolution, patches, centred cropping: signatures and inference. The kernels are in
// lathe/kernels/vision.hpp.
#include "lathe/kernels/vision.hpp"

#include "core/ops/families.hpp"
#include "core/ops/window.hpp"

namespace lathe {
namespace {

void infer_grid_sample(InferenceContext& c) {
  infer::choice(c, "mode", {"linear", "nearest", "cubic"});
  infer::choice(c, "padding_mode", {"zeros", "border", "reflection"});
  infer::expect_rank(c, 0, 3, SIZE_MAX);
  const Shape *x = infer::shape(c, 0), *grid = infer::shape(c, 1);
  if (x) {
    infer::expect_rank(c, 1, x->size(), x->size());
    if (x->size() > 5) c.unsupported("only one to three spatial axes are supported, the input has " + std::to_string(x->size() - 2));
  }
  if (!x || !grid) return infer::set(c, x ? std::optional(Shape(x->size())) : std::nullopt);
  if (infer::differ((*x)[0], (*grid)[0])) c.fail("the batches of the image and the grid differ", to_string(*x), to_string(*grid));
  const Dimension axes(int64_t(x->size()) - 2);
  if (infer::differ(grid->back(), axes))
    c.fail("the places of the grid have another number of coordinates than the image", std::to_string(axes.value), to_string(*grid));
  Shape y{(*x)[0], (*x)[1]};
  y.insert(y.end(), grid->begin() + 1, grid->end() - 1);
  infer::set(c, std::move(y));
}

void infer_affine_grid(InferenceContext& c) {
  infer::expect_rank(c, 0, 3, 3);
  infer::expect_rank(c, 1, 1, 1);
  const Shape *theta = infer::shape(c, 0), *size = c.elements(1), *length = infer::shape(c, 1);
  std::optional<int64_t> axes;
  if (length && (*length)[0].constant()) axes = (*length)[0].value - 2;
  if (axes && *axes != 2 && *axes != 3) c.fail("the size has the wrong length", "4 (N, C, H, W) or 5 (N, C, D, H, W)", std::to_string(*axes + 2));
  if (theta && axes && (infer::differ((*theta)[1], Dimension(*axes)) || infer::differ((*theta)[2], Dimension(*axes + 1))))
    c.fail("the matrices have the wrong shape", "N x " + std::to_string(*axes) + " x " + std::to_string(*axes + 1), to_string(*theta));
  if (!axes && theta && (*theta)[1].constant()) axes = (*theta)[1].value;
  if (!axes) return infer::set(c, std::nullopt);
  if (*axes != 2 && *axes != 3) c.fail("the matrices have the wrong shape", "N x 2 x 3 or N x 3 x 4", to_string(*theta));
  Shape y(size_t(*axes) + 2);
  if (theta) y[0] = (*theta)[0];
  y.back() = Dimension(*axes);
  for (size_t i = 0; size && i < size_t(*axes); ++i) y[1 + i] = (*size)[2 + i];
  if (size && theta && infer::differ((*size)[0], (*theta)[0]))
    c.fail("the batches of the matrices and the size differ", to_string(*theta), to_string(*size));
  infer::set(c, std::move(y));
}

// Output [regions, channels, height, width] of pooling over regions of `columns` numbers each.
void infer_regions(InferenceContext& c, int64_t columns, int64_t height, int64_t width) {
  infer::expect_rank(c, 0, 4, 4);
  infer::expect_rank(c, 1, 2, 2);
  const Shape *x = infer::shape(c, 0), *rois = infer::shape(c, 1);
  if (rois && infer::differ((*rois)[1], Dimension(columns)))
    c.fail("the regions of interest have the wrong shape", "R x " + std::to_string(columns), to_string(*rois));
  if (height < 1 || width < 1) c.fail("the pooled size is out of range", "at least 1 x 1", std::to_string(height) + " x " + std::to_string(width));
  infer::set(c, Shape{rois ? (*rois)[0] : Dimension(), x ? (*x)[1] : Dimension(), Dimension(height), Dimension(width)});
}

// Points on each axis of a bin. Detectors take 2; far more would keep a processor busy for hours.
constexpr int64_t most_samples = 1024;

void infer_roi_align(InferenceContext& c) {
  infer::choice(c, "mode", {"avg", "max"});
  infer::choice(c, "coordinate_transformation_mode", {"half_pixel", "output_half_pixel"});
  const int64_t sampling = c.node().integer("sampling_ratio", 0);
  if (sampling < 0 || sampling > most_samples)
    c.fail("attribute 'sampling_ratio' is out of range", "0 to " + std::to_string(most_samples), std::to_string(sampling));
  if (const Shape* rois = infer::shape(c, 1); rois && rois->size() == 2) infer::expect_length(c, 2, (*rois)[0]);
  infer_regions(c, 4, c.node().integer("output_height", 1), c.node().integer("output_width", 1));
}

void infer_max_roi_pool(InferenceContext& c) {
  const std::vector<int64_t> size = c.node().integers("pooled_shape");
  if (size.size() != 2) c.fail("attribute 'pooled_shape' has the wrong length", "2 (height, width)", std::to_string(size.size()));
  infer_regions(c, 5, size[0], size[1]);
}

void infer_center_crop_pad(InferenceContext& c) {
  infer::expect_rank(c, 1, 1, 1);
  const Shape *x = infer::shape(c, 0), *wanted = c.elements(1), *length = infer::shape(c, 1);
  if (!x) return infer::set(c, std::nullopt);
  std::vector<int64_t> axes = c.node().integers("axes");
  if (axes.empty())
    for (size_t i = 0; i < x->size(); ++i) axes.push_back(int64_t(i));
  if (length && infer::differ((*length)[0], Dimension(int64_t(axes.size()))))
    c.fail("the wanted shape has the wrong length", std::to_string(axes.size()), to_string(*length));
  Shape y = *x;
  const std::vector<size_t> places = infer::distinct_axes(c, axes, x->size());
  for (size_t i = 0; i < axes.size(); ++i) y[places[i]] = wanted ? (*wanted)[i] : Dimension();
  infer::set(c, std::move(y));
}

// Attribute `name` of the node: `length` integers of at least `lowest`.
std::vector<int64_t> list(const InferenceContext& c, std::string_view name, size_t length, int64_t fallback, int64_t lowest) {
  std::vector<int64_t> values = c.node().integers(name);
  if (values.empty()) values.assign(length, fallback);
  if (values.size() != length)
    c.fail("attribute '" + std::string(name) + "' has the wrong length", std::to_string(length) + " numbers", std::to_string(values.size()));
  for (const int64_t v : values)
    if (v < lowest || v > (int64_t(1) << 31))
      c.fail("attribute '" + std::string(name) + "' is out of range", "at least " + std::to_string(lowest), std::to_string(v));
  return values;
}

void infer_col2im(InferenceContext& c) {
  infer::expect_rank(c, 0, 3, 3);
  infer::expect_rank(c, 1, 1, 1);
  infer::expect_rank(c, 2, 1, 1);
  const Shape *x = infer::shape(c, 0), *image = c.elements(1), *block = c.elements(2);
  const Shape *image_length = infer::shape(c, 1), *block_length = infer::shape(c, 2);
  const Dimension count = image_length && (*image_length)[0].constant() ? (*image_length)[0] : (block_length ? (*block_length)[0] : Dimension());
  if (!count.constant()) return infer::set(c, std::nullopt);
  if ((block_length && infer::differ((*block_length)[0], count)) || count.value < 1)
    c.fail("the shapes of image and block differ in length", "one number per axis, at least one",
           to_string(*block_length) + " for " + std::to_string(count.value));
  const size_t axes = size_t(count.value);
  const std::vector<int64_t> strides = list(c, "strides", axes, 1, 1), dilations = list(c, "dilations", axes, 1, 1),
                             pads = list(c, "pads", 2 * axes, 0, 0);
  Shape y(axes + 2);
  if (x) y[0] = (*x)[0];
  Dimension taps(1), blocks(1);
  for (size_t i = 0; i < axes; ++i) {
    if (image) y[2 + i] = (*image)[i];
    const Dimension side = block ? (*block)[i] : Dimension();
    if (side.constant() && side.value < 1) c.fail("the block is out of range", "at least 1 on every axis", to_string(*block));
    taps = infer::times(c, taps, side);
    const Dimension extent = infer::plus(c, infer::times(c, infer::minus(c, side, Dimension(1)), Dimension(dilations[i])), Dimension(1));
    const Dimension room = infer::minus(c, infer::plus(c, y[2 + i], Dimension(pads[i] + pads[axes + i])), extent);
    if (infer::number(room).value_or(0) < 0)
      c.fail("the block is larger than the padded image", "at least " + to_string(Shape{extent}), to_string(*image));
    blocks = infer::times(c, blocks, infer::plus(c, infer::divided(c, room, Dimension(strides[i])), Dimension(1)));
  }
  if (x) {
    if ((*x)[1].constant() && taps.constant() && (*x)[1].value % taps.value)
      c.fail("the columns do not divide into blocks", "a multiple of " + std::to_string(taps.value), std::to_string((*x)[1].value));
    if (infer::differ((*x)[2], blocks))
      c.fail("there are not as many columns as the image has blocks", std::to_string(blocks.value), std::to_string((*x)[2].value));
    y[1] = infer::divided(c, (*x)[1], taps);
  }
  infer::set(c, std::move(y));
}

void infer_deform_conv(InferenceContext& c) {
  infer::expect_rank(c, 0, 3, SIZE_MAX);
  const Shape *x = infer::shape(c, 0), *weights = infer::shape(c, 1);
  if (!x || !weights) return infer::set(c, x ? std::optional(Shape(x->size())) : std::nullopt);
  if (x->size() != weights->size()) c.fail("input and weights differ in rank", to_string(*x), to_string(*weights));
  const int64_t groups = c.node().integer("group", 1), offset_groups = c.node().integer("offset_group", 1);
  if (groups < 1) c.fail("attribute 'group' is out of range", "at least 1", std::to_string(groups));
  if (offset_groups < 1) c.fail("attribute 'offset_group' is out of range", "at least 1", std::to_string(offset_groups));
  const Dimension channels = infer::times(c, (*weights)[1], Dimension(groups));
  if (infer::differ((*x)[1], channels)) c.fail("the input's channels do not match the weights", to_string(*weights), to_string(*x));
  if ((*weights)[0].constant() && (*weights)[0].value % groups)
    c.fail("the output channels do not divide into the groups", "a multiple of " + std::to_string(groups), std::to_string((*weights)[0].value));
  if ((*x)[1].constant() && (*x)[1].value % offset_groups)
    c.fail("the channels do not divide into the groups of offsets", "a multiple of " + std::to_string(offset_groups), std::to_string((*x)[1].value));
  if (c.input(3)) infer::expect_length(c, 3, (*weights)[0]);
  const size_t axes = x->size() - 2;
  std::vector<int64_t> sizes;
  for (size_t i = 2; i < weights->size(); ++i) sizes.push_back((*weights)[i].value);
  const infer::Window w = infer::window(c, axes, std::move(sizes));
  Shape y{(*x)[0], (*weights)[0]};
  for (size_t i = 0; i < axes; ++i) y.push_back(infer::slide(c, w, i, (*x)[i + 2], false));
  const Dimension rows = infer::times(c, infer::product(c, *weights, 2, weights->size()), Dimension(offset_groups));
  const auto check = [&](size_t input, const Dimension& wanted, std::string_view what) {
    const Shape* given = infer::shape(c, input);
    if (!given) return;
    Shape expected = y;
    expected[1] = wanted;
    bool fits = given->size() == expected.size();
    for (size_t i = 0; fits && i < expected.size(); ++i) fits = !infer::differ(expected[i], (*given)[i]);
    if (!fits) c.fail(std::string(what) + " wrong shape", to_string(expected), to_string(*given));
  };
  check(2, infer::times(c, rows, Dimension(int64_t(axes))), "the offsets have the");
  check(4, rows, "the mask has the");
  infer::set(c, std::move(y));
}

// Engines decode with the libraries of the machine: there is no kernel.
void infer_image_decoder(InferenceContext& c) {
  infer::choice(c, "pixel_format", {"RGB", "BGR", "Grayscale"});
  infer::expect_rank(c, 0, 1, 1);
  infer::set(c, Shape{Dimension(), Dimension(), Dimension(c.node().text("pixel_format", "RGB") == "Grayscale" ? 1 : 3)});
}

}  // namespace

std::span<const Operator> vision_operators() {
  constexpr AttributeKind integer = AttributeKind::integer, text = AttributeKind::text, real = AttributeKind::real,
                          integers = AttributeKind::integers;
  const FormalAttribute align_corners{"align_corners", integer, false, "0"}, scale{"spatial_scale", real, false, "1.0"},
      strides{"strides", integers, false, "1 on each axis"}, dilations{"dilations", integers, false, "1 on each axis"},
      pads{"pads", integers, false, "0"};
  const std::vector<DataType> whole{DataType::int32, DataType::int64};
  std::vector<DataType> sampled = infer::before_bfloat16(infer::numbers());
  sampled.push_back(DataType::boolean);
  static const Operator table[] = {
      {"",
       "GridSample",
       {16, 20, 22},
       {{"X", "T1"}, {"grid", "T2"}},
       {{"Y", "T1"}},
       {{"T1", sampled}, {"T2", infer::floats()}},
       {align_corners, {"mode", text, false, "linear"}, {"padding_mode", text, false, "zeros"}},
       infer_grid_sample,
       kernels::grid_sample},
      {"",
       "AffineGrid",
       {20},
       {{"theta", "T1"}, {"size", infer::int64_tensor}},
       {{"grid", "T1"}},
       {{"T1", infer::floats()}},
       {align_corners},
       infer_affine_grid,
       kernels::affine_grid},
      {"",
       "RoiAlign",
       {10, 16, 22},
       {{"X", "T1"}, {"rois", "T1"}, {"batch_indices", infer::int64_tensor}},
       {{"Y", "T1"}},
       {{"T1", infer::floats()}},
       {{"coordinate_transformation_mode", text, false, "half_pixel"},
        {"mode", text, false, "avg"},
        {"output_height", integer, false, "1"},
        {"output_width", integer, false, "1"},
        {"sampling_ratio", integer, false, "0"},
        scale},
       infer_roi_align,
       kernels::roi_align},
      {"",
       "MaxRoiPool",
       {1, 22},
       {{"X", "T"}, {"rois", "T"}},
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       {{"pooled_shape", integers, true, {}}, scale},
       infer_max_roi_pool,
       kernels::max_roi_pool},
      {"",
       "CenterCropPad",
       {18},
       {{"input_data", "T"}, {"shape", "Tind"}},
       {{"output_data", "T"}},
       {{"T", infer::before_float8(infer::every_type())}, {"Tind", whole}},
       {{"axes", integers, false, "all"}},
       infer_center_crop_pad,
       kernels::center_crop_pad},
      {"",
       "Col2Im",
       {18},
       {{"input", "T"}, {"image_shape", infer::int64_tensor}, {"block_shape", infer::int64_tensor}},
       {{"output", "T"}},
       {{"T", infer::before_bfloat16(infer::numbers())}},
       {dilations, pads, strides},
       infer_col2im,
       kernels::col2im},
      {"",
       "DeformConv",
       {19, 22},
       {{"X", "T"}, {"W", "T"}, {"offset", "T"}, {"B", "T", Formal::optional}, {"mask", "T", Formal::optional}},
       {{"Y", "T"}},
       {{"T", infer::floats()}},
       {dilations,
        {"group", integer, false, "1"},
        {"kernel_shape", integers, false, "that of the weights"},
        {"offset_group", integer, false, "1"},
        pads,
        strides},
       infer_deform_conv,
       kernels::deform_conv},
      {"",
       "ImageDecoder",
       {20},
       {{"encoded_stream", "T1"}},
       {{"image", "T2"}},
       {{"T1", {DataType::uint8}}, {"T2", {DataType::uint8}}},
       {{"pixel_format", text, false, "RGB"}},
       infer_image_decoder,
       kernels::image_decoder},
  };
  return table;
}

}  // namespace lathe
