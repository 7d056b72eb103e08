// Recipes of computer vision and signal processing.
#include "recipe.hpp"

namespace lathe::differential {
namespace {

// Regions with both corners drawn inside the image, in its own elements.
Tensor regions(Recipe& r, DataType type, int64_t count, int64_t columns, int64_t batches, const Dims& image) {
  std::vector<float> numbers;
  for (int64_t i = 0; i < count; ++i) {
    if (columns == 5) numbers.push_back(float(r.random.below(batches)));
    float corner[4];
    for (size_t k = 0; k < 4; ++k) corner[k] = float(r.random.between(0, 4 * image[3 - k % 2])) / 4 + 0.125f;
    for (size_t k = 0; k < 2; ++k)
      if (corner[k] > corner[k + 2]) std::swap(corner[k], corner[k + 2]);
    numbers.insert(numbers.end(), corner, corner + 4);
  }
  Tensor t = Tensor::allocate(type, {count, columns});
  if (type == DataType::float64)
    for (size_t i = 0; i < numbers.size(); ++i) t.as_mutable<double>()[i] = double(numbers[i]);
  else
    for (size_t i = 0; i < numbers.size(); ++i) t.as_mutable<float>()[i] = numbers[i];
  return t;
}

bool region_pool(Recipe& r) {
  const DataType t = r.input_type(0);
  if (t != DataType::float32 && t != DataType::float64) return false;
  const int64_t batches = r.random.between(1, 2), count = r.random.between(0, 4);
  const Dims image{batches, r.random.between(1, 3), r.random.between(2, 8), r.random.between(2, 8)};
  const bool aligned = r.op.name == "RoiAlign";
  r.in(r.d.value(t, image));
  r.in(r.d.fresh(regions(r, t, count, aligned ? 4 : 5, batches, image)));
  if (r.chance(40)) r.set("spatial_scale", r.random.pick({0.5f, 1.5f}));
  if (!aligned) {
    r.set("pooled_shape", Dims{r.random.between(1, 4), r.random.between(1, 4)});
    return true;
  }
  r.in(r.d.indices({count}, batches, false));
  r.set("output_height", r.random.between(1, 4)), r.set("output_width", r.random.between(1, 4));
  if (r.chance(60)) r.set("sampling_ratio", r.random.between(0, 3));
  if (r.chance(60)) r.set("coordinate_transformation_mode", r.random.pick({"half_pixel", "output_half_pixel"}));
  return true;
}

bool affine_grid(Recipe& r) {
  const int64_t axes = r.random.between(2, 3), batches = r.random.between(1, 3);
  r.in(r.d.value(r.input_type(0), {batches, axes, axes + 1}));
  Dims size{batches, 2};
  for (int64_t i = 0; i < axes; ++i) size.push_back(r.random.between(2, 5));
  r.in(r.d.ints(size));
  if (r.chance(60)) r.set("align_corners", r.random.between(0, 1));
  return true;
}

bool col2im(Recipe& r) {
  const size_t axes = r.chance(80) ? 2 : 1;
  Dims image(axes), block(axes), strides(axes), dilations(axes), pads(2 * axes);
  int64_t taps = 1, blocks = 1;
  for (size_t i = 0; i < axes; ++i) {
    image[i] = r.random.between(2, 7), block[i] = r.random.between(1, 3), strides[i] = r.random.between(1, 2), dilations[i] = r.random.between(1, 2);
    pads[i] = r.random.between(0, 1), pads[axes + i] = r.random.between(0, 1);
    const int64_t room = image[i] + pads[i] + pads[axes + i] - (block[i] - 1) * dilations[i] - 1;
    if (room < 0) return false;
    taps *= block[i], blocks *= room / strides[i] + 1;
  }
  r.in(r.d.value(r.input_type(0), {r.random.between(1, 2), r.random.between(1, 3) * taps, blocks}));
  r.in(r.d.ints(image)), r.in(r.d.ints(block));
  r.set("strides", strides), r.set("dilations", dilations), r.set("pads", pads);
  return true;
}

bool deformable_convolution(Recipe& r) {
  const DataType t = r.input_type(0);
  const int64_t group = r.random.between(1, 2), offset_group = r.random.between(1, 2), per = r.random.between(1, 2) * offset_group,
                out = r.random.between(1, 3), batches = r.random.between(1, 2);
  Dims image{batches, group * per}, weights{group * out, per}, offset{batches, 0}, strides, dilations, pads(4);
  int64_t taps = 1;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t size = r.random.between(3, 7), kernel = r.random.between(1, 3);
    strides.push_back(r.random.between(1, 2)), dilations.push_back(r.random.between(1, 2));
    pads[i] = r.random.between(0, 1), pads[2 + i] = r.random.between(0, 1);
    const int64_t room = size + pads[i] + pads[2 + i] - (kernel - 1) * dilations[i] - 1;
    if (room < 0) return false;
    image.push_back(size), weights.push_back(kernel), offset.push_back(room / strides[i] + 1);
    taps *= kernel;
  }
  offset[1] = 2 * offset_group * taps;
  r.in(r.d.value(t, image)), r.in(r.d.value(t, weights)), r.in(r.d.value(t, offset, Content::unit));
  r.in(r.chance(50) ? r.d.value(t, {group * out}) : none);
  offset[1] = offset_group * taps;
  r.in(r.chance(50) ? r.d.value(t, offset, Content::unit) : none);
  r.set("strides", strides), r.set("dilations", dilations), r.set("pads", pads);
  r.set("group", group), r.set("offset_group", offset_group);
  return true;
}

bool non_max_suppression(Recipe& r) {
  const int64_t batches = r.random.between(1, 2), count = r.random.between(1, 12), classes = r.random.between(1, 3);
  Tensor boxes = Tensor::allocate(DataType::float32, {batches, count, 4});
  const bool centred = r.chance(50);
  const auto numbers = boxes.as_mutable<float>();
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = float(r.random.between(centred && i % 4 >= 2 ? 1 : 0, 20)) / 2;
  r.in(r.d.fresh(std::move(boxes))), r.in(r.d.value(DataType::float32, {batches, classes, count}, Content::unit));
  if (r.chance(90)) r.in(r.d.integer(r.random.between(0, 8)));
  if (r.p.inputs.size() == 3 && r.chance(80)) {
    const float threshold = r.random.pick({0.2f, 0.35f, 0.6f});
    r.in(r.d.constant(Tensor::of<float>(DataType::float32, {1}, {&threshold, 1})));
    if (r.chance(50)) r.in(r.d.value(DataType::float32, {1}, Content::unit));
  }
  if (centred) r.set("center_point_box", int64_t(1));
  return true;
}

bool max_unpool(Recipe& r) {
  const size_t axes = size_t(r.random.between(1, 3));
  Dims image{r.random.between(1, 2), r.random.between(1, 2)}, kernel(axes), strides(axes);
  int64_t whole = image[0] * image[1];
  for (size_t i = 0; i < axes; ++i) {
    image.push_back(r.random.between(1, 3)), kernel[i] = r.random.between(1, 3), strides[i] = r.random.between(1, 3);
    whole *= (image[2 + i] - 1) * strides[i] + kernel[i];
  }
  int64_t count = 1;
  for (const int64_t n : image) count *= n;
  if (count > whole) return false;
  // Every place once: what two elements at one place give depends on the order.
  Dims places;
  for (int64_t i = 0; i < whole; ++i) places.push_back(i);
  r.random.shuffle(places);
  places.resize(size_t(count));
  r.in(r.d.value(r.input_type(0), image)), r.in(r.d.fresh(Tensor::of<int64_t>(DataType::int64, image, places)));
  r.set("kernel_shape", kernel), r.set("strides", strides);
  return true;
}

bool transform(Recipe& r) {
  const int64_t rank = r.random.between(2, 4), axis = r.random.between(0, rank - 2);
  const bool onesided = r.chance(40), inverse = !onesided && r.chance(40);
  Dims dims = r.d.shape(rank, rank);
  for (int64_t& n : dims) n = std::max<int64_t>(n, 1);
  dims[size_t(axis)] = r.random.between(1, 20);
  dims.back() = onesided ? 1 : r.random.between(1, 2);
  r.in(r.d.value(r.input_type(0), dims));
  r.in(r.chance(40) ? r.d.integer(r.random.between(1, 24)) : none);
  r.in(r.d.integer(r.chance(50) ? axis : axis - rank));
  if (onesided) r.set("onesided", int64_t(1));
  if (inverse) r.set("inverse", int64_t(1));
  return true;
}

bool short_time_transform(Recipe& r) {
  const DataType t = r.input_type(0);
  const int64_t length = r.random.between(4, 40), frame = r.random.between(2, length);
  const bool complex = r.chance(30), windowed = r.chance(60);
  r.in(r.d.value(t, {r.random.between(1, 2), length, complex ? 2 : 1})), r.in(r.d.integer(r.random.between(1, 6)));
  r.in(windowed ? r.d.value(t, {frame}) : none);
  if (!windowed || r.chance(50)) r.in(r.d.integer(frame));
  if (complex || r.chance(50)) r.set("onesided", int64_t(complex ? 0 : r.random.between(0, 1)));
  return true;
}

bool window(Recipe& r) {
  r.in(r.d.integer(r.random.between(2, 30), r.input_type(0)));
  if (r.chance(50)) r.set("periodic", r.random.between(0, 1));
  if (r.chance(50)) r.set("output_datatype", int64_t(r.random.pick({DataType::float32, DataType::float64})));
  return true;
}

bool mel_weight_matrix(Recipe& r) {
  const DataType t = r.input_type(0);
  const auto real = [&](float x) { return r.d.constant(Tensor::of<float>(DataType::float32, {}, {&x, 1})); };
  const int64_t rate = r.random.pick<int64_t>({8000, 16000, 22050});
  r.in(r.d.integer(r.random.between(1, 20), t)), r.in(r.d.integer(r.random.between(16, 128), t)), r.in(r.d.integer(rate, t));
  r.in(real(float(r.random.between(0, 300)))), r.in(real(float(rate) / 2 - float(r.random.between(100, 500))));
  return true;
}

}  // namespace

std::span<const NamedRecipe> vision_recipes() {
  static const NamedRecipe table[] = {
      {"AffineGrid", affine_grid},
      {"BlackmanWindow", window},
      {"Col2Im", col2im},
      {"DFT", transform},
      {"DeformConv", deformable_convolution},
      {"HammingWindow", window},
      {"HannWindow", window},
      {"MaxRoiPool", region_pool},
      {"MaxUnpool", max_unpool},
      {"MelWeightMatrix", mel_weight_matrix},
      {"NonMaxSuppression", non_max_suppression},
      {"RoiAlign", region_pool},
      {"STFT", short_time_transform},
  };
  return table;
}

}  // namespace lathe::differential
