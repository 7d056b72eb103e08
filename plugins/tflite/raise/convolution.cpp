// Convolutions, pools, resizing: images are taken channels first.
#include <algorithm>

#include "raising.hpp"

namespace lathe::tflite {
namespace {

struct Axis {
  int64_t before = 0, after = 0;
};

// TensorFlow's SAME: the total that makes ceil(in / stride) results, the smaller half before.
Axis same(const Raising& r, int64_t in, int64_t stride, int64_t reach) {
  if (in < 0) {
    if (stride != 1) r.refuse("SAME padding of an open dimension depends on its extent");
    return {(reach - 1) / 2, reach - 1 - (reach - 1) / 2};
  }
  const int64_t out = (in + stride - 1) / stride, total = std::max<int64_t>((out - 1) * stride + reach - in, 0);
  return {total / 2, total - total / 2};
}

std::vector<int64_t> pads_of(const Raising& r, const Operator& op, const Extents& image, const Extents& kernel, const std::vector<int64_t>& strides,
                             const std::vector<int64_t>& dilations) {
  const size_t n = kernel.size();
  std::vector<int64_t> pads(2 * n, 0);
  if (op.integer("padding") != static_cast<int>(Padding::same)) return pads;
  for (size_t i = 0; i < n; ++i) {
    const Axis axis = same(r, image[i + 1], strides[i], (kernel[i] - 1) * dilations[i] + 1);
    pads[i] = axis.before;
    pads[i + n] = axis.after;
  }
  return pads;
}

Activation activation_of(const Operator& op) { return static_cast<Activation>(op.integer("activation")); }

void need_positive(const Raising& r, const std::vector<int64_t>& numbers) {
  for (const int64_t n : numbers)
    if (n < 1) r.refuse("a stride, a dilation or an extent of its window is below 1");
}

void convolution(Raising& r, const Operator& op) {
  const bool depthwise = find_operator(op.code)->name == "DEPTHWISE_CONV_2D";
  const int32_t x = op.input(0), w = op.input(1);
  if (x < 0 || w < 0 || r.rank(x) != 4 || r.rank(w) != 4) r.refuse("its input and weights are not of rank 4");
  const Extents image = r.extents(x), weights = r.extents(w);
  const std::vector<int64_t> strides{op.integer("stride_h"), op.integer("stride_w")},
      dilations{op.integer("dilation_h", 1), op.integer("dilation_w", 1)};
  need_positive(r, strides);
  need_positive(r, dilations);
  const Extents kernel{weights[1], weights[2]};
  const auto pads = pads_of(r, op, image, kernel, strides, dilations);
  int64_t groups = 1;
  if (depthwise)
    groups = image[3];
  else if (weights[3] > 0 && image[3] > 0)
    groups = image[3] / weights[3];
  if (groups < 1 || (depthwise && weights[3] % std::max<int64_t>(groups, 1)) || (!depthwise && groups * weights[3] != image[3]))
    r.refuse("its channels and those of its weights do not agree");
  // OHWI, or 1HWO, to OIHW.
  const Order first = channels_first(4), by = depthwise ? Order{3, 0, 1, 2} : Order{0, 3, 1, 2};
  std::vector<uint32_t> inputs{r.in_order(x, first), r.in_order(w, by)};
  if (op.input(2) >= 0) inputs.push_back(r.plain(op.input(2)));
  const uint32_t y = r.node("Conv", inputs, [&](sdk::NodeData& n) {
    n.set("kernel_shape", kernel).set("strides", strides).set("dilations", dilations).set("pads", pads).set("group", groups);
  });
  r.define(op.outputs[0], y, first, activation_of(op));
}

void convolution_3d(Raising& r, const Operator& op) {
  const int32_t x = op.input(0), w = op.input(1);
  if (x < 0 || w < 0 || r.rank(x) != 5 || r.rank(w) != 5) r.refuse("its input and weights are not of rank 5");
  const Extents weights = r.extents(w), kernel{weights[0], weights[1], weights[2]};
  const std::vector<int64_t> strides{op.integer("stride_d"), op.integer("stride_h"), op.integer("stride_w")};
  const std::vector<int64_t> dilations{op.integer("dilation_d", 1), op.integer("dilation_h", 1), op.integer("dilation_w", 1)};
  need_positive(r, strides);
  need_positive(r, dilations);
  const auto pads = pads_of(r, op, r.extents(x), kernel, strides, dilations);
  const Order first = channels_first(5);
  std::vector<uint32_t> inputs{r.in_order(x, first), r.in_order(w, {4, 3, 0, 1, 2})};
  if (op.input(2) >= 0) inputs.push_back(r.plain(op.input(2)));
  const uint32_t y = r.node(
      "Conv", inputs, [&](sdk::NodeData& n) { n.set("kernel_shape", kernel).set("strides", strides).set("dilations", dilations).set("pads", pads); });
  r.define(op.outputs[0], y, first, activation_of(op));
}

// Over images or volumes; weights are OHWI, or DHWOI.
void transposed(Raising& r, const Operator& op) {
  const int32_t w = op.input(1), x = op.input(2);
  const bool volume = find_operator(op.code)->name == "CONV_3D_TRANSPOSE";
  const size_t n = volume ? 3 : 2;
  const auto shape = r.integers(op.input(0));
  if (!shape || shape->size() != n + 2) r.refuse("the shape of its output is computed");
  if (x < 0 || w < 0 || r.rank(x) != n + 2 || r.rank(w) != n + 2) r.refuse("its input and weights are of another rank");
  const Extents image = r.extents(x), weights = r.extents(w);
  std::vector<int64_t> strides{op.integer("stride_h"), op.integer("stride_w")}, dilations{op.integer("dilation_h", 1), op.integer("dilation_w", 1)};
  if (volume) {
    strides.insert(strides.begin(), op.integer("stride_d"));
    dilations.insert(dilations.begin(), op.integer("dilation_d", 1));
  }
  need_positive(r, strides);
  need_positive(r, dilations);
  Extents kernel;
  std::vector<int64_t> pads(2 * n, 0), extra(n, 0);
  for (size_t i = 0; i < n; ++i) {
    kernel.push_back(weights[volume ? i : i + 1]);
    const int64_t reach = (kernel[i] - 1) * dilations[i] + 1, total = (image[i + 1] - 1) * strides[i] + reach - (*shape)[i + 1];
    if (image[i + 1] < 0) r.refuse("the extent of its input is open");
    if (total < 0) {
      extra[i] = -total;
    } else {
      pads[i] = op.integer("padding") == 0 ? total / 2 : 0;
      pads[i + n] = total - pads[i];
    }
    if (extra[i] >= strides[i]) r.refuse("its output is larger than its kernel reaches");
  }
  const Order first = channels_first(n + 2);
  std::vector<uint32_t> inputs{r.in_order(x, first), r.in_order(w, volume ? Order{4, 3, 0, 1, 2} : Order{3, 0, 1, 2})};
  if (op.input(3) >= 0) inputs.push_back(r.plain(op.input(3)));
  const uint32_t y = r.node("ConvTranspose", inputs, [&](sdk::NodeData& node) {
    node.set("kernel_shape", kernel).set("strides", strides).set("dilations", dilations).set("pads", pads).set("output_padding", extra);
  });
  r.define(op.outputs[0], y, first, activation_of(op));
}

void pool(Raising& r, const Operator& op) {
  const int32_t x = op.input(0);
  if (x < 0 || r.rank(x) != 4) r.refuse("its input is not of rank 4");
  const std::vector<int64_t> strides{op.integer("stride_h"), op.integer("stride_w")}, kernel{op.integer("filter_h"), op.integer("filter_w")};
  need_positive(r, strides);
  need_positive(r, kernel);
  const auto pads = pads_of(r, op, r.extents(x), kernel, strides, {1, 1});
  const Order first = channels_first(4);
  const bool average = find_operator(op.code)->name == "AVERAGE_POOL_2D";
  const uint32_t y = r.node(average ? "AveragePool" : "MaxPool", {r.in_order(x, first)},
                            [&](sdk::NodeData& n) { n.set("kernel_shape", kernel).set("strides", strides).set("pads", pads); });
  r.define(op.outputs[0], y, first, activation_of(op));
}

void resize(Raising& r, const Operator& op) {
  const int32_t x = op.input(0);
  const auto size = r.integers(op.input(1));
  if (!size || size->size() != 2) r.refuse("the size it resizes to is computed");
  if (x < 0 || r.rank(x) != 4) r.refuse("its input is not of rank 4");
  const Extents image = r.extents(x);
  const bool nearest = find_operator(op.code)->name == "RESIZE_NEAREST_NEIGHBOR", align = op.number("align_corners") != 0,
             half = op.number("half_pixel_centers") != 0;
  const Order first = channels_first(4);
  const uint32_t y = r.node("Resize", {r.in_order(x, first), LATHE_NONE, LATHE_NONE, r.constant({(*size)[0], (*size)[1]})}, [&](sdk::NodeData& n) {
    n.set("axes", std::vector<int64_t>{2, 3});
    n.set("mode", nearest ? "nearest" : "linear");
    n.set("coordinate_transformation_mode", align ? "align_corners" : half ? "half_pixel" : "asymmetric");
    if (nearest) n.set("nearest_mode", align || half ? "round_prefer_ceil" : "floor");
  });
  r.define(op.outputs[0], y, first);
}

void depth_to_space(Raising& r, const Operator& op) {
  const int32_t x = op.input(0);
  if (x < 0 || r.rank(x) != 4) r.refuse("its input is not of rank 4");
  const Order first = channels_first(4);
  const bool to_space = find_operator(op.code)->name == "DEPTH_TO_SPACE";
  const uint32_t y = r.node(to_space ? "DepthToSpace" : "SpaceToDepth", {r.in_order(x, first)},
                            [&](sdk::NodeData& n) { n.set("blocksize", static_cast<int64_t>(op.integer("block_size"))); });
  r.define(op.outputs[0], y, first);
}

void local_response(Raising& r, const Operator& op) {
  const int32_t x = op.input(0);
  if (x < 0 || r.rank(x) != 4) r.refuse("its input is not of rank 4");
  const Order first = channels_first(4);
  const int64_t size = 2 * static_cast<int64_t>(op.integer("radius")) + 1;
  const uint32_t y = r.node("LRN", {r.in_order(x, first)}, [&](sdk::NodeData& n) {
    n.set("size", size).set("alpha", static_cast<float>(op.number("alpha") * static_cast<double>(size)));
    n.set("beta", static_cast<float>(op.number("beta"))).set("bias", static_cast<float>(op.number("bias")));
  });
  r.define(op.outputs[0], y, first);
}

const RaiseRule rules[] = {{"AVERAGE_POOL_2D", pool},
                           {"CONV_2D", convolution},
                           {"CONV_3D", convolution_3d},
                           {"CONV_3D_TRANSPOSE", transposed},
                           {"DEPTHWISE_CONV_2D", convolution},
                           {"DEPTH_TO_SPACE", depth_to_space},
                           {"LOCAL_RESPONSE_NORMALIZATION", local_response},
                           {"MAX_POOL_2D", pool},
                           {"RESIZE_BILINEAR", resize},
                           {"RESIZE_NEAREST_NEIGHBOR", resize},
                           {"SPACE_TO_DEPTH", depth_to_space},
                           {"TRANSPOSE_CONV", transposed}};

}  // namespace

std::span<const RaiseRule> raise_convolutions() { return rules; }

}  // namespace lathe::tflite
