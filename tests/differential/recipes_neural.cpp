// Recipes of convolution, pooling, matrix products, normalisation, resizing.
#include "recipe.hpp"

namespace lathe::differential {
namespace {

struct Window {
  Dims kernel, strides, dilations, pads;
};

// A window over `space` that fits at least once and nowhere lies in the padding alone, and the attributes that say so.
bool draw_window(Recipe& r, const Dims& space, Window& w, bool dilate = true, bool small_pads = false) {
  const size_t rank = space.size();
  w = {Dims(rank), Dims(rank), Dims(rank), Dims(2 * rank)};
  const bool strided = r.chance(50), dilated = dilate && r.chance(30), padded = r.chance(50);
  for (size_t i = 0; i < rank; ++i) {
    w.kernel[i] = r.random.between(1, 3);
    w.strides[i] = strided ? r.random.between(1, 3) : 1;
    w.dilations[i] = dilated ? r.random.between(1, 2) : 1;
    const int64_t most = small_pads ? w.kernel[i] - 1 : 2;
    for (const size_t end : {i, i + rank}) w.pads[end] = padded ? r.random.between(0, most) : 0;
    if (space[i] + w.pads[i] + w.pads[i + rank] < (w.kernel[i] - 1) * w.dilations[i] + 1) return false;
    if (small_pads && padded && space[i] < w.dilations[i]) return false;
  }
  if (strided) r.set("strides", w.strides);
  if (dilated) r.set("dilations", w.dilations);
  if (padded)
    r.set("pads", w.pads);
  else if (r.chance(30))
    r.set("auto_pad", dilated ? "VALID" : r.random.pick({"VALID", "SAME_UPPER", "SAME_LOWER"}));
  return true;
}

Dims space(Recipe& r, int64_t rank, int64_t low = 1) {
  Dims dims;
  const int64_t most = rank == 3 ? 5 : rank == 2 ? 9 : 24;
  for (int64_t i = 0; i < rank; ++i) dims.push_back(r.random.between(low, most));
  return dims;
}

Dims joined(Dims a, const Dims& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

bool convolution(Recipe& r) {
  const Dims in = space(r, r.random.pick<int64_t>({1, 2, 2, 2, 3}));
  Window w;
  if (!draw_window(r, in, w)) return false;
  const int64_t group = r.random.pick<int64_t>({1, 1, 1, 2, 3, 4}), per = r.chance(30) ? 1 : r.random.between(1, 4), out = r.random.between(1, 4);
  const bool integer = r.op.name == "ConvInteger";
  const DataType tx = r.input_type(0), tw = integer ? r.input_type(1) : tx;
  r.in(r.d.value(tx, joined({r.random.between(1, 3), group * per}, in)));
  r.in(r.d.value(tw, joined({group * out, per}, w.kernel)));
  if (integer) {
    if (r.chance(60)) {
      r.in(r.d.value(tx, {}));
      if (r.chance(60)) r.in(r.d.value(tw, r.chance(50) ? Dims{} : Dims{group * out}));
    }
  } else if (r.chance(50)) {
    r.in(r.d.value(tx, {group * out}));
  }
  if (group > 1 || r.chance(20)) r.set("group", group);
  if (r.chance(50)) r.set("kernel_shape", w.kernel);
  return true;
}

bool transposed_convolution(Recipe& r) {
  const int64_t rank = r.random.pick<int64_t>({1, 2, 2, 3});
  const Dims in = space(r, rank);
  Window w;
  if (!draw_window(r, in, w, true, true)) return false;
  const int64_t group = r.random.pick<int64_t>({1, 1, 2, 3}), per = r.random.between(1, 3), out = r.random.between(1, 4);
  const DataType t = r.input_type(0);
  r.in(r.d.value(t, joined({r.random.between(1, 2), group * per}, in)));
  r.in(r.d.value(t, joined({group * per, out}, w.kernel)));
  if (r.chance(50)) r.in(r.d.value(t, {group * out}));
  if (group > 1) r.set("group", group);
  if (r.chance(30)) {
    Dims extra(static_cast<size_t>(rank));
    for (size_t i = 0; i < extra.size(); ++i) extra[i] = r.random.between(0, w.strides[i] - 1);
    r.set("output_padding", extra);
  } else if (r.chance(15) && !r.p.attributes.count("pads") && !r.p.attributes.count("auto_pad")) {
    Dims whole(static_cast<size_t>(rank));  // what there is without padding, or some of it less
    for (size_t i = 0; i < whole.size(); ++i)
      whole[i] = std::max<int64_t>(1, (in[i] - 1) * w.strides[i] + (w.kernel[i] - 1) * w.dilations[i] + 1 - r.random.between(0, 2));
    r.set("output_shape", whole);
  }
  return true;
}

bool pool(Recipe& r) {
  const Dims in = space(r, r.random.pick<int64_t>({1, 2, 2, 2, 3}));
  Window w;
  if (!draw_window(r, in, w, true, true)) return false;
  r.in(r.d.value(r.input_type(0), joined({r.random.between(1, 2), r.random.between(1, 4)}, in)));
  r.set("kernel_shape", w.kernel);
  const auto has = [&](std::string_view name) {
    return std::any_of(r.op.attributes.begin(), r.op.attributes.end(), [&](const FormalAttribute& a) { return a.name == name; });
  };
  if (r.p.attributes.find("auto_pad") == r.p.attributes.end() && r.chance(30)) r.set("ceil_mode", int64_t(1));
  if (has("count_include_pad") && r.chance(40)) r.set("count_include_pad", int64_t(1));
  if (has("p") && r.chance(60)) r.set("p", r.random.between(1, 3));
  if (r.op.outputs.size() > 1 && r.chance(40)) {
    r.p.outputs = 2;
    if (r.chance(40)) r.set("storage_order", int64_t(1));
  }
  return true;
}

bool global_pool(Recipe& r) {
  r.in(r.d.some(r.input_type(0), 3, 5));
  return true;
}

bool matmul(Recipe& r) {
  const DataType a = r.input_type(0), b = r.op.name == "MatMulInteger" ? r.input_type(1) : a;
  const int64_t m = r.d.size(), k = r.d.size(), n = r.d.size();
  const Dims batch = r.d.shape(0, 2);
  Dims left = r.d.broadcastable(batch), right = r.d.broadcastable(batch);
  if (r.chance(15))
    left = {k};
  else
    left = joined(left, {m, k});
  if (r.chance(15))
    right = {k};
  else
    right = joined(right, {k, n});
  r.in(r.d.value(a, left)), r.in(r.d.value(b, right));
  if (r.op.name == "MatMulInteger" && r.chance(60)) {
    r.in(r.chance(70) ? r.d.value(a, {}) : none);
    r.in(r.chance(70) ? r.d.value(b, right.size() == 2 && r.chance(40) ? Dims{n} : Dims{}) : none);
  }
  return true;
}

bool gemm(Recipe& r) {
  const DataType t = r.input_type(0);
  const int64_t m = r.d.size(), k = r.d.size(), n = r.d.size();
  const bool ta = r.chance(40), tb = r.chance(40);
  r.in(r.d.value(t, ta ? Dims{k, m} : Dims{m, k})), r.in(r.d.value(t, tb ? Dims{n, k} : Dims{k, n}));
  if (r.chance(60)) r.in(r.d.value(t, r.d.broadcastable({m, n})));
  if (ta) r.set("transA", int64_t(1));
  if (tb) r.set("transB", int64_t(1));
  const bool integer = t != DataType::float32 && t != DataType::float64 && t != DataType::float16 && t != DataType::bfloat16;
  if (r.chance(40)) r.set("alpha", integer ? float(r.random.between(-2, 3)) : float(r.random.between(-8, 8)) / 4);
  if (r.chance(40)) r.set("beta", integer ? float(r.random.between(-2, 3)) : float(r.random.between(-8, 8)) / 4);
  if (r.op.name == "FusedGemm") {
    const bool leaky = r.chance(25);
    r.set("activation", leaky ? "LeakyRelu" : r.random.pick({"Relu", "Sigmoid", "Tanh"}));
    if (leaky) r.set("activation_alpha", 0.25f);
  }
  return true;
}

bool batch_normalization(Recipe& r) {
  const DataType t = r.input_type(0);
  const ValueId x = r.d.some(t, 2, 5);
  const Dims c = {r.d.dims(x)[1]};
  r.in(x), r.in(r.d.value(t, c)), r.in(r.d.value(t, c)), r.in(r.d.value(t, c)), r.in(r.d.value(t, c, Content::positive));
  if (r.chance(40)) r.set("epsilon", 1e-3f);
  const bool wide = t == DataType::float32 || t == DataType::float64;  // sums of halves differ by their order
  if (wide && r.chance(15)) r.set("training_mode", int64_t(1)), r.p.outputs = 3;
  return true;
}

// Enough elements that differ: the variance of a few equal ones amplifies the last bit.
ValueId spread(Recipe& r, DataType type, int64_t low, int64_t high) {
  Dims dims = r.d.shape(low, high);
  if (!dims.empty()) dims.back() = r.random.between(4, 12);
  Tensor t = r.d.filled(type, dims, Content::any);
  return r.d.fresh(std::move(t));
}

bool layer_normalization(Recipe& r) {
  const DataType t = r.input_type(0);
  const ValueId x = spread(r, t, 1, 4);
  const int64_t rank = int64_t(r.d.dims(x).size()), axis = r.axis(rank);
  const Dims rest(r.d.dims(x).begin() + Recipe::positive(axis, rank), r.d.dims(x).end());
  r.in(x), r.in(r.d.value(r.op.name == "RMSNormalization" ? r.input_type(1) : t, rest));
  if (r.op.inputs.size() > 2 && r.chance(50)) r.in(r.d.value(t, rest));
  if (axis != -1 || r.chance(30)) r.set("axis", axis);
  r.set("epsilon", 0.01f);
  if (r.op.outputs.size() > 1 && r.chance(30)) r.p.outputs = size_t(r.random.between(2, 3));
  return true;
}

bool instance_normalization(Recipe& r) {
  const DataType t = r.input_type(0);
  const ValueId x = spread(r, t, 3, 5);
  const Dims c = {r.d.dims(x)[1]};
  r.in(x), r.in(r.d.value(t, c)), r.in(r.d.value(t, c));
  r.set("epsilon", 0.01f);
  return true;
}

bool group_normalization(Recipe& r) {
  const DataType t = r.input_type(0);
  const int64_t groups = r.random.between(1, 3), channels = groups * r.random.between(1, 3);
  Dims dims = {r.random.between(1, 2), channels, r.random.between(3, 6)};
  if (r.chance(50)) dims.push_back(r.random.between(1, 4));
  r.in(r.d.value(t, dims)), r.in(r.d.value(t, {channels})), r.in(r.d.value(t, {channels}));
  r.set("num_groups", groups), r.set("epsilon", 0.01f);
  return true;
}

bool local_response_normalization(Recipe& r) {
  r.in(r.chance(80) ? r.d.some(r.input_type(0), 4, 4) : r.d.some(r.input_type(0), 3, 5));
  r.set("size", r.random.between(0, 2) * 2 + 1);
  if (r.chance(40)) r.set("alpha", 0.01f);
  if (r.chance(40)) r.set("bias", 2.0f);
  return true;
}

bool resize(Recipe& r) {
  const char* mode = r.random.pick({"nearest", "linear", "cubic"});
  const bool two = mode == std::string_view("cubic") || r.chance(70);
  Dims dims = {r.random.between(1, 2), r.random.between(1, 3)};
  for (int i = two ? 2 : r.random.between(1, 2) == 1 ? 1 : 3; i > 0; --i) dims.push_back(r.random.between(2, 7));
  const bool cropped = r.chance(12);
  r.in(r.d.value(r.input_type(0), dims));
  if (cropped) {
    std::vector<float> roi(2 * dims.size(), 0.0f);
    for (size_t i = 0; i < dims.size(); ++i) {
      roi[i] = i < 2 ? 0.0f : float(r.random.between(-2, 4)) / 10 + 0.0131f;  // odd, so that no point lies on an edge
      roi[dims.size() + i] = i < 2 ? 1.0f : float(r.random.between(6, 12)) / 10 + 0.0173f;
    }
    r.in(r.d.constant(Tensor::of<float>(DataType::float32, {int64_t(roi.size())}, roi)));
    if (r.chance(50)) r.set("extrapolation_value", 3.0f);
  } else {
    r.in(none);
  }
  Dims sizes = dims;
  std::vector<float> scales(dims.size(), 1.0f);
  for (size_t i = 2; i < dims.size(); ++i) {
    sizes[i] = r.random.between(1, 12);
    scales[i] = r.random.pick({0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 0.75f});
  }
  if (r.chance(50)) {
    r.in(none);
    const bool spatial = r.chance(25) && !cropped;
    if (spatial) {
      Dims axes;
      for (size_t i = 2; i < dims.size(); ++i) axes.push_back(r.chance(30) ? int64_t(i) - int64_t(dims.size()) : int64_t(i));
      r.set("axes", axes), sizes.erase(sizes.begin(), sizes.begin() + 2);
      if (r.chance(60)) r.set("keep_aspect_ratio_policy", r.random.pick({"not_larger", "not_smaller"}));
    }
    r.in(r.d.ints(sizes));
  } else {
    r.in(r.d.constant(Tensor::of<float>(DataType::float32, {int64_t(scales.size())}, scales)));
  }
  r.set("mode", mode);
  if (cropped)
    r.set("coordinate_transformation_mode", "tf_crop_and_resize");
  else if (r.chance(80))
    r.set("coordinate_transformation_mode",
          r.random.pick({"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"}));
  if (mode == std::string_view("nearest") && r.chance(70))
    r.set("nearest_mode", r.random.pick({"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}));
  if (mode != std::string_view("nearest") && r.chance(25)) r.set("antialias", int64_t(1));
  if (mode == std::string_view("cubic")) {
    if (r.chance(30)) r.set("exclude_outside", int64_t(1));
    if (r.chance(30)) r.set("cubic_coeff_a", -0.5f);
  }
  return true;
}

bool softmax(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1, 4);
  r.in(x);
  if (r.chance(70)) r.set("axis", r.axis(int64_t(r.d.dims(x).size())));
  return true;
}

bool mean_variance_normalization(Recipe& r) {
  r.in(spread(r, r.input_type(0), 4, 4));
  return true;
}

bool lp_normalization(Recipe& r) {
  const ValueId x = spread(r, r.input_type(0), 1, 4);
  r.in(x);
  if (r.chance(70)) r.set("axis", r.axis(int64_t(r.d.dims(x).size())));
  if (r.chance(50)) r.set("p", r.random.between(1, 2));
  return true;
}

// LSTM, GRU and RNN share their form; `gates` and `states` differ.
bool recurrent(Recipe& r) {
  const bool lstm = r.op.name == "LSTM", gru = r.op.name == "GRU";
  const int64_t gates = lstm ? 4 : gru ? 3 : 1;
  const DataType t = r.input_type(0);
  const char* direction = r.random.pick({"forward", "reverse", "bidirectional"});
  const int64_t directions = direction == std::string_view("bidirectional") ? 2 : 1;
  const int64_t steps = r.random.between(1, 4), batch = r.random.between(1, 3), width = r.random.between(1, 4), hidden = r.random.between(1, 4);
  r.in(r.d.value(t, {steps, batch, width}, Content::unit));
  r.in(r.d.value(t, {directions, gates * hidden, width}, Content::unit)), r.in(r.d.value(t, {directions, gates * hidden, hidden}, Content::unit));
  r.in(r.chance(60) ? r.d.value(t, {directions, 2 * gates * hidden}, Content::unit) : none);
  if (r.chance(30)) {
    Tensor lengths = Tensor::allocate(DataType::int32, {batch});
    for (int32_t& n : lengths.as_mutable<int32_t>()) n = int32_t(r.random.between(1, steps));
    r.in(r.d.fresh(std::move(lengths)));
  } else {
    r.in(none);
  }
  r.in(r.chance(40) ? r.d.value(t, {directions, batch, hidden}, Content::unit) : none);
  if (lstm) {
    r.in(r.chance(40) ? r.d.value(t, {directions, batch, hidden}, Content::unit) : none);
    r.in(r.chance(30) ? r.d.value(t, {directions, 3 * hidden}, Content::unit) : none);
    if (r.chance(20)) r.set("input_forget", int64_t(1));
  }
  if (gru && r.chance(50)) r.set("linear_before_reset", int64_t(1));
  if (r.chance(20)) r.set("clip", 1.0f);
  r.set("hidden_size", hidden), r.set("direction", direction);
  if (r.chance(30)) {
    Attribute::Strings functions;
    Attribute::Floats alphas, betas;
    for (int64_t i = directions * (lstm ? 3 : gru ? 2 : 1); i > 0; --i) {
      const char* name = r.random.pick({"Relu", "Tanh", "Sigmoid", "HardSigmoid", "LeakyRelu", "ScaledTanh", "Softsign", "Elu"});
      const std::string_view text = name;
      functions.push_back(name);
      if (text == "HardSigmoid" || text == "LeakyRelu" || text == "ScaledTanh" || text == "Elu") alphas.push_back(float(r.random.between(2, 6)) / 8);
      if (text == "HardSigmoid" || text == "ScaledTanh") betas.push_back(float(r.random.between(2, 6)) / 8);
    }
    r.p.attributes["activations"] = Attribute{functions};
    if (!alphas.empty()) r.p.attributes["activation_alpha"] = Attribute{alphas};
    if (!betas.empty()) r.p.attributes["activation_beta"] = Attribute{betas};
  }
  r.p.outputs = size_t(r.random.between(1, lstm ? 3 : 2));
  return true;
}

bool grid_sample(Recipe& r) {
  const DataType t = r.input_type(0);
  const int64_t n = r.random.between(1, 2);
  Dims in = {n, r.random.between(1, 3), r.random.between(2, 6), r.random.between(2, 6)},
       grid = {n, r.random.between(1, 5), r.random.between(1, 5), 2};
  const bool deep = r.chance(25);  // a volume
  if (deep) in.push_back(r.random.between(2, 4)), grid = {n, r.random.between(1, 3), r.random.between(1, 3), r.random.between(1, 3), 3};
  r.in(r.d.value(t, in)), r.in(r.d.value(r.input_type(1), grid, Content::unit));
  r.set("mode", deep ? r.random.pick({"linear", "nearest"}) : r.random.pick({"linear", "nearest", "cubic"})),
      r.set("padding_mode", r.random.pick({"zeros", "border", "reflection"}));
  if (r.chance(50)) r.set("align_corners", r.random.between(0, 1));
  return true;
}

}  // namespace

std::span<const NamedRecipe> neural_recipes() {
  static const NamedRecipe table[] = {
      {"AveragePool", pool},
      {"BatchNormalization", batch_normalization},
      {"Conv", convolution},
      {"ConvInteger", convolution},
      {"ConvTranspose", transposed_convolution},
      {"FusedGemm", gemm, "com.microsoft"},
      {"GRU", recurrent},
      {"Gemm", gemm},
      {"GlobalAveragePool", global_pool},
      {"GlobalLpPool", global_pool},
      {"GlobalMaxPool", global_pool},
      {"GridSample", grid_sample},
      {"GroupNormalization", group_normalization},
      {"Hardmax", softmax},
      {"InstanceNormalization", instance_normalization},
      {"LRN", local_response_normalization},
      {"LSTM", recurrent},
      {"LayerNormalization", layer_normalization},
      {"LogSoftmax", softmax},
      {"LpNormalization", lp_normalization},
      {"LpPool", pool},
      {"MatMul", matmul},
      {"MatMulInteger", matmul},
      {"MaxPool", pool},
      {"MeanVarianceNormalization", mean_variance_normalization},
      {"RMSNormalization", layer_normalization},
      {"RNN", recurrent},
      {"Resize", resize},
      {"Softmax", softmax},
  };
  return table;
}

}  // namespace lathe::differential
