// Conv and ConvTranspose: CONV_2D, DEPTHWISE_CONV_2D, CONV_3D, TRANSPOSE_CONV, with groups as parts of their own.
#include <algorithm>
#include <cmath>

#include "expression.hpp"
#include "window.hpp"

namespace lathe::tflite {
namespace {

// The bias as the kernel adds it: float32, or int32 with the scale of the products. Zeros where there is none.
int32_t bias_of(Lowering& l, const Work& w, uint32_t weights, int64_t outputs, int64_t first) {
  const auto n = static_cast<size_t>(outputs);
  if (!w.quantized) {
    if (!w.has(2)) return l.constant<float>(Type::float32, {outputs}, std::vector<float>(n), {}, "no_bias");
    if (!l.is_constant(w.in(2)))
      return first == 0 && l.extents(w.in(2))[0] == outputs ? l.plain(w.in(2)) : l.slice(l.plain(w.in(2)), {first}, {outputs});
    return l.plain(l.extents(w.in(2))[0] == outputs ? w.in(2) : l.sliced_constant(w.in(2), first, outputs));
  }
  const Quantization& in = l.value(w.in(0)).quantization;
  const Quantization& by = l.value(weights).quantization;
  Quantization q;
  for (const float s : by.scales) q.scales.push_back(in.scales[0] * s);
  q.zero_points.assign(q.scales.size(), 0);
  std::vector<int32_t> elements(n);
  if (w.has(2)) {
    const auto numbers = l.numbers(w.in(2));
    // Integers that are quantised with these scales already are taken as they are: a float holds 24 bits of them.
    std::optional<std::vector<int64_t>> exact;
    const uint32_t producer = w.in(2) < l.graph().value_count() ? l.graph().value(w.in(2)).producer() : LATHE_NONE;
    if (producer != LATHE_NONE && l.graph().node(producer).is("DequantizeLinear")) {
      const uint32_t id = l.graph().node(producer).input(0);
      const Quantization& own = l.value(id).quantization;
      exact = l.type(id) == Type::int32 && own.zero_point() == 0 && (!own.per_axis() || by.per_axis()) ? l.integers(id) : std::nullopt;
      for (size_t i = 0; exact && i < n; ++i) {
        const size_t at = own.per_axis() ? i + static_cast<size_t>(first) : 0;
        const double ratio = at < own.scales.size() ? own.scales[at] / q.scales[q.scales.size() > 1 ? i : 0] : 0;
        if (std::fabs(ratio - 1) > 1e-5) exact.reset();
      }
    }
    for (size_t i = 0; i < n; ++i) {
      const double value = exact ? static_cast<double>((*exact)[i + static_cast<size_t>(first)])
                                 : std::nearbyint((*numbers)[i + static_cast<size_t>(first)] / q.scales[q.scales.size() > 1 ? i : 0]);
      if (!(std::fabs(value) <= 2147483647.0)) l.refuse("its quantised bias does not fit 32 bits: the scales of input and weights are too small");
      elements[i] = static_cast<int32_t>(value);
    }
  }
  return l.constant<int32_t>(Type::int32, {outputs}, std::move(elements), q, w.has(2) ? l.value(w.in(2)).name : "no_bias");
}

// Weights that the kernel takes as 8-bit integers: symmetric, along the axis of the outputs.
void check_weights(const Lowering& l, const Work& w, uint32_t weights, int outputs_axis) {
  if (!w.quantized) return;
  const Quantization& q = l.value(weights).quantization;
  if (l.type(weights) == Type::int8)
    for (const int64_t z : q.zero_points)
      if (z != 0) l.refuse("its int8 weights have a zero point other than 0, which the format's kernels do not take");
  if (q.per_axis() && q.axis != outputs_axis) l.refuse("its weights are quantised along another axis than that of the outputs");
}

// Symmetric int8 weights with one scale per output channel, for kernels that quantise their input as they run.
int32_t dynamic_range_weights(Lowering& l, uint32_t weights, const Order& order, int outputs_axis) {
  const auto numbers = l.numbers(weights);
  const Extents& extents = l.extents(weights);
  int64_t inner = 1;
  for (size_t i = static_cast<size_t>(outputs_axis) + 1; i < extents.size(); ++i) inner *= extents[i];
  const auto outputs = static_cast<size_t>(extents[static_cast<size_t>(outputs_axis)]);
  std::vector<float> scales(outputs, 0);
  const auto channel = [&](size_t i) { return i / static_cast<size_t>(inner) % outputs; };
  for (size_t i = 0; i < numbers->size(); ++i) scales[channel(i)] = std::max(scales[channel(i)], static_cast<float>(std::fabs((*numbers)[i])));
  for (float& s : scales) s = s > 0 ? s / 127 : 1;
  std::vector<int8_t> bytes(numbers->size());
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<int8_t>(std::clamp(std::nearbyint((*numbers)[i] / scales[channel(i)]), -127.0, 127.0));
  // Into the kernel's order.
  std::vector<int8_t> held(bytes.size());
  const Extents to = permute(extents, order);
  std::vector<int64_t> place(to.size(), 0), stride(extents.size(), 1);
  for (size_t i = extents.size(); i-- > 1;) stride[i - 1] = stride[i] * extents[i];
  for (int8_t& x : held) {
    int64_t at = 0;
    for (size_t i = 0; i < to.size(); ++i) at += place[i] * stride[static_cast<size_t>(order[i])];
    x = bytes[static_cast<size_t>(at)];
    for (size_t i = to.size(); i-- > 0 && ++place[i] == to[i];) place[i] = 0;
  }
  Quantization q{scales, std::vector<int64_t>(outputs, 0), held_axis(order, outputs_axis)};
  return l.constant<int8_t>(Type::int8, to, std::move(held), q, l.value(weights).name);
}

int32_t weights_in_order(Lowering& l, const Work& w, uint32_t weights, const Order& order, int outputs_axis) {
  constexpr int64_t least = 1024;  // the converter's threshold too: below it nothing is saved
  int64_t count = 1;
  for (const int64_t e : l.extents(weights)) count *= e;
  if (!w.quantized && l.settings().weights == Weights::int8 && l.is_constant(weights) && count >= least)
    return dynamic_range_weights(l, weights, order, outputs_axis);
  return l.in_order(weights, order);
}

std::vector<Option> strides_of(const WindowAxis& a, const WindowAxis& b, Padding padding, Activation activation) {
  return {{"padding", static_cast<double>(padding), {}},       {"stride_h", static_cast<double>(a.stride), {}},
          {"stride_w", static_cast<double>(b.stride), {}},     {"activation", static_cast<double>(activation), {}},
          {"dilation_h", static_cast<double>(a.dilation), {}}, {"dilation_w", static_cast<double>(b.dilation), {}}};
}

// One group of a two-dimensional convolution, `x` held as `order`; the tensor of its results.
void conv2d(Lowering& l, const Work& w, int32_t x, const Order& order, uint32_t weights, const std::vector<WindowAxis>& axes, int32_t out,
            int64_t first, bool depthwise) {
  const WindowAxis& a = axes[static_cast<size_t>(order[1] - 2)];
  const WindowAxis& b = axes[static_cast<size_t>(order[2] - 2)];
  const bool same = is_same(a) && is_same(b);
  if (!same) x = l.pad(x, {0, a.before, b.before, 0}, {0, a.after, b.after, 0}, std::nullopt);
  const int64_t outputs = l.extents(weights)[0];
  check_weights(l, w, weights, 0);
  const Order held = depthwise ? Order{1, order[1], order[2], 0} : Order{0, order[1], order[2], 1};
  const int32_t by = weights_in_order(l, w, weights, held, 0);
  const int32_t bias = bias_of(l, w, weights, outputs, first);
  auto options = strides_of(a, b, same ? Padding::same : Padding::valid, w.activation);
  if (depthwise) options.push_back({"multiplier", static_cast<double>(outputs / l.extents(w.in(0))[1]), {}});
  l.emit(depthwise ? "DEPTHWISE_CONV_2D" : "CONV_2D", {x, by, bias}, {out}).options = std::move(options);
}

// The channels of `x`, the last axis, in equal parts.
std::vector<int32_t> split_channels(Lowering& l, int32_t x, int64_t parts) {
  Extents e = l.extents_of(x);
  e.back() /= parts;
  std::vector<int32_t> outs;
  for (int64_t i = 0; i < parts; ++i) outs.push_back(l.new_tensor("", l.type_of(x), e, l.quantization_of(x)));
  const int32_t axis = l.int_scalar(static_cast<int32_t>(e.size() - 1));
  l.emit("SPLIT", {axis, x}, outs).options = {{"num_splits", static_cast<double>(parts), {}}};
  return outs;
}

void join_channels(Lowering& l, const std::vector<int32_t>& parts, int32_t out) {
  l.emit("CONCATENATION", parts, {out}).options = {{"axis", static_cast<double>(l.extents_of(out).size() - 1), {}}};
}

// A convolution over [N, C, W] is one over [N, C, 1, W].
Work widened(Lowering& l, const Work& w, uint32_t& out) {
  Work wide = w;
  const auto with_one = [](Extents e) {
    e.insert(e.begin() + 2, 1);
    return e;
  };
  wide.inputs[0] = l.reshaped(w.in(0), with_one(l.extents(w.in(0))));
  wide.inputs[1] = l.reshaped(w.in(1), with_one(l.extents(w.in(1))));
  out = l.new_value(l.value(w.out()).name + "_wide", l.type(w.out()), with_one(l.extents(w.out())), l.value(w.out()).quantization);
  wide.outputs[0] = out;
  return wide;
}

std::vector<Option> strides_of_3d(const std::vector<WindowAxis>& axes, bool same, Activation activation) {
  return {{"padding", same ? 0.0 : 1.0, {}},
          {"stride_d", static_cast<double>(axes[0].stride), {}},
          {"stride_h", static_cast<double>(axes[1].stride), {}},
          {"stride_w", static_cast<double>(axes[2].stride), {}},
          {"activation", static_cast<double>(activation), {}},
          {"dilation_d", static_cast<double>(axes[0].dilation), {}},
          {"dilation_h", static_cast<double>(axes[1].dilation), {}},
          {"dilation_w", static_cast<double>(axes[2].dilation), {}}};
}

void conv3d(Lowering& l, const Work& w, const std::vector<WindowAxis>& axes, int64_t groups) {
  if (w.quantized) l.refuse("the format's CONV_3D computes in float32 only");
  if (groups != 1 && !l.is_constant(w.in(1))) l.refuse("its weights are computed and in groups; parts are made of constants only");
  const Order order = channels_last(5);
  int32_t x = l.in_order(w.in(0), order);
  bool same = true;
  std::vector<int64_t> before(5), after(5);
  for (size_t i = 0; i < 3; ++i) {
    same &= is_same(axes[i]);
    before[i + 1] = axes[i].before;
    after[i + 1] = axes[i].after;
  }
  if (!same) x = l.pad(x, before, after, std::nullopt);
  const int64_t outputs = l.extents(w.in(1))[0] / groups;
  const std::vector<int32_t> parts = groups == 1 ? std::vector<int32_t>{x} : split_channels(l, x, groups);
  const int32_t out = l.result(w.out(), order);
  std::vector<int32_t> results;
  Extents e = l.extents_of(out);
  e.back() = outputs;
  for (int64_t g = 0; g < groups; ++g) {
    const uint32_t weights = groups == 1 ? w.in(1) : l.sliced_constant(w.in(1), g * outputs, outputs);
    const int32_t by = l.in_order(weights, {2, 3, 4, 1, 0}), bias = bias_of(l, w, weights, outputs, g * outputs);
    results.push_back(groups == 1 ? out : l.new_tensor("", Type::float32, e));
    l.emit("CONV_3D", {parts[static_cast<size_t>(g)], by, bias}, {results.back()}).options = strides_of_3d(axes, same, w.activation);
  }
  if (groups != 1) join_channels(l, results, out);
}

void conv(Lowering& l, const Work& w, const std::vector<WindowAxis>& axes) {
  const int64_t groups = w.node.integer("group", 1), channels = l.extents(w.in(0))[1], outputs = l.extents(w.in(1))[0];
  if (channels < 0) l.refuse("the number of its input channels is not fixed, and the format's weights have a fixed one");
  if (l.rank(w.in(0)) == 5) return conv3d(l, w, axes, groups);
  const Order order = image_order(l, w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  if (groups == 1 || (groups == channels && l.extents(w.in(1))[1] == 1)) {
    const int32_t out = l.result(w.out(), order);
    return conv2d(l, w, x, order, w.in(1), axes, out, 0, groups != 1);
  }
  if (!l.is_constant(w.in(1))) l.refuse("its weights are computed and in groups; the format knows no groups, and parts are made of constants only");
  const std::vector<int32_t> parts = split_channels(l, x, groups);
  std::vector<int32_t> results;
  Extents e = permute(l.extents(w.out()), order);
  e.back() /= groups;
  for (int64_t g = 0; g < groups; ++g) {
    const uint32_t weights = l.sliced_constant(w.in(1), g * (outputs / groups), outputs / groups);
    results.push_back(l.new_tensor("", l.type(w.out()), e, l.value(w.out()).quantization));
    conv2d(l, w, parts[static_cast<size_t>(g)], order, weights, axes, results.back(), g * (outputs / groups), false);
  }
  join_channels(l, results, l.result(w.out(), order));
}

void lower_conv(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  if (rank < 3 || rank > 5) l.refuse("the format's convolutions have one to three spatial axes");
  const Extents by = l.extents(w.in(1));
  const auto axes = window_of(l, w, {by.begin() + 2, by.end()});
  if (rank != 3) return conv(l, w, axes);
  uint32_t out;
  const Work wide = widened(l, w, out);
  conv(l, wide, {{1, 1, 1, 1, 1, 0, 0}, axes[0]});
  l.alias(w.out(), l.reshaped(out, l.extents(w.out())));
}

// ---- transposed --------------------------------------------------------------------------------------------------------------------

// One group. TRANSPOSE_CONV spreads every input over the kernel's reach; what the padding takes away is cut off, what output_padding adds is empty.
void transposed2d(Lowering& l, const Work& w, int32_t x, const Order& order, uint32_t weights, const std::vector<WindowAxis>& axes, int32_t out,
                  int64_t first) {
  const WindowAxis& a = axes[static_cast<size_t>(order[1] - 2)];
  const WindowAxis& b = axes[static_cast<size_t>(order[2] - 2)];
  if (a.dilation != 1 || b.dilation != 1) {
    if (!l.is_constant(weights) || w.quantized) l.refuse("the format's TRANSPOSE_CONV has no dilations");
    const Extents e = l.extents(weights);
    const auto from = l.numbers(weights);
    const int64_t h = axes[0].reach(), v = axes[1].reach();
    std::vector<float> spread(static_cast<size_t>(e[0] * e[1] * h * v));
    for (int64_t i = 0; i < e[0] * e[1]; ++i)
      for (int64_t p = 0; p < e[2]; ++p)
        for (int64_t q = 0; q < e[3]; ++q)
          spread[static_cast<size_t>((i * h + p * axes[0].dilation) * v + q * axes[1].dilation)] =
              static_cast<float>((*from)[static_cast<size_t>((i * e[2] + p) * e[3] + q)]);
    weights = l.new_constant(l.value(weights).name + "_dilated", {e[0], e[1], h, v}, std::move(spread));
  }
  check_weights(l, w, weights, 1);
  const int64_t outputs = l.extents(weights)[1];
  const int32_t by = l.in_order(weights, {1, order[1], order[2], 0});
  const int32_t bias = bias_of(l, w, weights, outputs, first);
  const Extents wanted = l.extents_of(out);
  // SAME: the output's extent alone says the padding.
  const auto same = [](const WindowAxis& x) {
    const int64_t total = std::max<int64_t>((x.in - 1) * x.stride + x.reach() - x.out, 0);
    return x.in >= 0 && (x.out + x.stride - 1) / x.stride == x.in && x.before == total / 2;
  };
  const bool open = a.in < 0 || b.in < 0 || wanted[0] < 0;
  const auto extra = w.node.integers("output_padding", {0, 0});
  const bool bare = !a.before && !a.after && !b.before && !b.after && extra == std::vector<int64_t>(extra.size(), 0) && !w.node.has("output_shape") &&
                    w.node.text("auto_pad", "NOTSET") == "NOTSET";
  if (open && bare) {  // every extent is stride * (in - 1) + reach, counted when it runs
    const Expression in{&l, l.make("SHAPE", {x}, Type::int32, {4}, {{"out_type", static_cast<double>(Type::int32), {}}})};
    const auto row = [&](int64_t n, int64_t h, int64_t v, int64_t c) {
      return in.with(l.ints({static_cast<int32_t>(n), static_cast<int32_t>(h), static_cast<int32_t>(v), static_cast<int32_t>(c)}));
    };
    const Expression counted = in * row(1, a.stride, b.stride, 0) + row(0, a.reach() - a.stride, b.reach() - b.stride, outputs);
    l.emit("TRANSPOSE_CONV", {counted.tensor, by, x, bias}, {out}).options = {
        {"padding", 1, {}}, {"stride_h", static_cast<double>(a.stride), {}}, {"stride_w", static_cast<double>(b.stride), {}}};
    return;
  }
  for (const WindowAxis* x2 : {&a, &b})
    if (x2->in < 0 || x2->out < 0) l.refuse("the format's TRANSPOSE_CONV wants the shape of its output in numbers");
  Extents full = wanted;
  full[1] = (a.in - 1) * a.stride + a.reach();
  full[2] = (b.in - 1) * b.stride + b.reach();
  const bool plain = full == wanted, as_same = !plain && same(a) && same(b);
  const Extents& made = as_same ? wanted : full;
  const int32_t shape = l.ints(
      {static_cast<int32_t>(made[0] < 0 ? 1 : made[0]), static_cast<int32_t>(made[1]), static_cast<int32_t>(made[2]), static_cast<int32_t>(made[3])});
  if (wanted[0] < 0) l.refuse("the format's TRANSPOSE_CONV wants the shape of its output in numbers");
  std::vector<Option> options = {
      {"padding", as_same ? 0.0 : 1.0, {}}, {"stride_h", static_cast<double>(a.stride), {}}, {"stride_w", static_cast<double>(b.stride), {}}};
  if (plain || as_same) {
    l.emit("TRANSPOSE_CONV", {shape, by, x, bias}, {out}).options = options;
    return;
  }
  // Beyond the kernel's reach there is the bias alone: rows are added by padding the input.
  const auto beyond = [](const WindowAxis& x2) {
    const int64_t missing = x2.before + x2.out - ((x2.in - 1) * x2.stride + x2.reach());
    return missing > 0 ? (missing + x2.stride - 1) / x2.stride : 0;
  };
  if (beyond(a) || beyond(b)) {
    x = l.pad(x, {0, 0, 0, 0}, {0, beyond(a), beyond(b), 0}, std::nullopt);
    full[1] += beyond(a) * a.stride;
    full[2] += beyond(b) * b.stride;
  }
  const int32_t whole_shape =
      l.ints({static_cast<int32_t>(full[0]), static_cast<int32_t>(full[1]), static_cast<int32_t>(full[2]), static_cast<int32_t>(full[3])});
  const int32_t whole = l.make("TRANSPOSE_CONV", {whole_shape, by, x, bias}, l.type_of(out), full, options, l.quantization_of(out));
  const std::vector<int32_t> begin{0, static_cast<int32_t>(a.before), static_cast<int32_t>(b.before), 0};
  l.emit("SLICE", {whole, l.ints(begin), l.ints({wanted.begin(), wanted.end()})}, {out});
}

void transposed(Lowering& l, const Work& w, const std::vector<WindowAxis>& axes) {
  const int64_t groups = w.node.integer("group", 1);
  const Order order = image_order(l, w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  if (groups == 1) {
    const int32_t out = l.result(w.out(), order);
    return transposed2d(l, w, x, order, w.in(1), axes, out, 0);
  }
  if (!l.is_constant(w.in(1)) || w.quantized) l.refuse("the format's TRANSPOSE_CONV has no groups, and parts are made of float constants only");
  const int64_t channels = l.extents(w.in(0))[1], outputs = l.extents(w.in(1))[1];
  const std::vector<int32_t> parts = split_channels(l, x, groups);
  std::vector<int32_t> results;
  Extents e = permute(l.extents(w.out()), order);
  e.back() /= groups;
  for (int64_t g = 0; g < groups; ++g) {
    results.push_back(l.new_tensor("", l.type(w.out()), e, l.value(w.out()).quantization));
    transposed2d(l, w, parts[static_cast<size_t>(g)], order, l.sliced_constant(w.in(1), g * (channels / groups), channels / groups), axes,
                 results.back(), g * outputs);
  }
  join_channels(l, results, l.result(w.out(), order));
}

// CONV_3D_TRANSPOSE over the kernel's whole reach; what the padding takes away is cut off, what output_padding adds is the bias.
void transposed3d(Lowering& l, const Work& w, const std::vector<WindowAxis>& axes) {
  const int64_t groups = w.node.integer("group", 1);
  if (groups != 1 && !l.is_constant(w.in(1))) l.refuse("its weights are computed and in groups; parts are made of constants only");
  if (w.quantized) l.refuse("the format's CONV_3D_TRANSPOSE computes in float32 only");
  const Order order = channels_last(5);
  int32_t x = l.in_order(w.in(0), order);
  const Extents wanted = permute(l.extents(w.out()), order);
  Extents full = wanted;
  std::vector<int64_t> begin(5, 0), none(5, 0), more(5, 0);
  for (size_t i = 0; i < 3; ++i) {
    const WindowAxis& a = axes[i];
    if (a.in < 0 || a.out < 0 || wanted[0] < 0) l.refuse("the format's CONV_3D_TRANSPOSE wants the shape of its output in numbers");
    const int64_t missing = a.before + a.out - ((a.in - 1) * a.stride + a.reach());
    more[i + 1] = missing > 0 ? (missing + a.stride - 1) / a.stride : 0;
    full[i + 1] = (a.in + more[i + 1] - 1) * a.stride + a.reach();
    begin[i + 1] = a.before;
  }
  x = l.pad(x, none, more, std::nullopt);
  const int64_t outputs = l.extents(w.in(1))[1], channels = l.extents(w.in(0))[1] / groups;
  const std::vector<int32_t> parts = groups == 1 ? std::vector<int32_t>{x} : split_channels(l, x, groups);
  std::vector<int32_t> results;
  Extents made = full;
  made.back() = outputs;
  const int32_t shape = l.ints({made.begin(), made.end()});
  for (int64_t g = 0; g < groups; ++g) {
    const uint32_t weights = groups == 1 ? w.in(1) : l.sliced_constant(w.in(1), g * channels, channels);
    const int32_t by = l.in_order(weights, {2, 3, 4, 1, 0});
    results.push_back(
        l.make("CONV_3D_TRANSPOSE", {shape, by, parts[static_cast<size_t>(g)]}, Type::float32, made, strides_of_3d(axes, false, Activation::none)));
  }
  int32_t whole = results[0];
  if (groups != 1) {
    whole = l.new_tensor("", Type::float32, full);
    join_channels(l, results, whole);
  }
  // The kernel of TensorFlow Lite 2.9 holds a bias against the number of inputs, so it is added behind.
  int32_t y = l.slice(whole, begin, wanted);
  if (w.has(2)) y = l.binary("ADD", y, l.plain(w.in(2)));
  l.define(w.out(), l.activate(y, w.activation), order);
}

void lower_conv_transpose(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  if (rank < 3 || rank > 5) l.refuse("the format's transposed convolutions have one to three spatial axes");
  const Extents by = l.extents(w.in(1)), in = l.extents(w.in(0)), out = l.extents(w.out());
  const size_t n = rank - 2;
  const auto strides = w.node.integers("strides", std::vector<int64_t>(n, 1)), dilations = w.node.integers("dilations", std::vector<int64_t>(n, 1));
  const auto pads = w.node.integers("pads", std::vector<int64_t>(2 * n, 0)), extra = w.node.integers("output_padding", std::vector<int64_t>(n, 0));
  const std::string_view automatic = w.node.text("auto_pad", "NOTSET");
  std::vector<WindowAxis> axes(n);
  for (size_t i = 0; i < n; ++i) {
    axes[i] = {in[i + 2], out[i + 2], by[i + 2], strides[i], dilations[i], pads[i], pads[i + n]};
    WindowAxis& a = axes[i];
    if (w.node.has("output_shape") || automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      // A larger output than there is has more behind its end.
      const int64_t total = std::max<int64_t>((a.in - 1) * a.stride + extra[i] + a.reach() - a.out, 0);
      a.before = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
    }
    if (a.before < 0) l.refuse("its padding is negative");
  }
  if (rank == 4) return transposed(l, w, axes);
  if (rank == 5) return transposed3d(l, w, axes);
  uint32_t wide_out;
  const Work wide = widened(l, w, wide_out);
  transposed(l, wide, {{1, 1, 1, 1, 1, 0, 0}, axes[0]});
  l.alias(w.out(), l.reshaped(wide_out, out));
}

void lower_conv_integer(Lowering& l, const Work& w) { integer_product(l, w, lower_conv); }

constexpr LowerRule rules[] = {{"Conv", lower_conv}, {"ConvInteger", lower_conv_integer}, {"ConvTranspose", lower_conv_transpose}};

}  // namespace

std::span<const LowerRule> convolution_rules() { return rules; }

}  // namespace lathe::tflite
