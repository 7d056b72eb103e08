// Convolutions and matrix products.
#include <algorithm>

#include "families.hpp"
#include "windows.hpp"

namespace lathe::openvino {

Window read_window(const Step& s, std::vector<int64_t> kernel, const Wire& data) {
  Window w;
  const auto given = s.node.integers("kernel_shape");
  w.kernel = given.empty() ? std::move(kernel) : given;
  const size_t n = w.kernel.size();
  w.strides = s.node.integers("strides", std::vector<int64_t>(n, 1));
  w.dilations = s.node.integers("dilations", std::vector<int64_t>(n, 1));
  std::vector<int64_t> pads = s.node.integers("pads", std::vector<int64_t>(2 * n, 0));
  if (pads.size() != 2 * n || w.strides.size() != n || w.dilations.size() != n) s.refuse("its window's attributes have different lengths");
  w.begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(n));
  w.end.assign(pads.begin() + static_cast<std::ptrdiff_t>(n), pads.end());
  const std::string_view mode = s.node.text("auto_pad", "NOTSET");
  if (mode == "NOTSET") return w;
  w.begin.assign(n, 0), w.end.assign(n, 0);
  if (mode == "VALID") return w;
  bool known = data.has_rank();
  for (size_t i = 0; known && i < n; ++i) known = (*data.dimensions)[i + 2] >= 0;
  if (!known) {
    w.auto_pad = mode == "SAME_UPPER" ? "same_upper" : "same_lower";
    return w;
  }
  for (size_t i = 0; i < n; ++i) {
    const int64_t size = (*data.dimensions)[i + 2], out = (size + w.strides[i] - 1) / w.strides[i];
    const int64_t pad = std::max<int64_t>(0, (out - 1) * w.strides[i] + w.dilations[i] * (w.kernel[i] - 1) + 1 - size);
    w.begin[i] = mode == "SAME_UPPER" ? pad / 2 : pad - pad / 2;
    w.end[i] = pad - w.begin[i];
  }
  return w;
}

namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

Attributes attributes_of(const Window& w) {
  return {{"strides", text(w.strides)},
          {"dilations", text(w.dilations)},
          {"pads_begin", text(w.begin)},
          {"pads_end", text(w.end)},
          {"auto_pad", w.auto_pad}};
}

// [n] -> [1, n, 1, ...]
Wire per_channel(Step& s, const Wire& bias, int64_t rank) {
  std::vector<int64_t> shape(static_cast<size_t>(rank), 1);
  shape[1] = -1;
  return s.reshape(bias, shape);
}

std::vector<int64_t> spatial(const Step& s, const Wire& weights) {
  if (!weights.has_rank() || weights.rank() < 3)
    s.refuse("the IR has convolutions over 1, 2 or 3 axes, and the weights' rank is not known or too small");
  for (const int64_t d : *weights.dimensions)
    if (d < 0) s.refuse("the IR's convolutions want weights of known sizes");
  if (weights.rank() > 5) s.refuse("the IR has convolutions over 1, 2 or 3 axes");
  return {weights.dimensions->begin() + 2, weights.dimensions->end()};
}

// Weights [O, I/G, ...] as [G, O/G, I/G, ...].
Wire grouped(Step& s, const Wire& weights, int64_t groups) {
  std::vector<int64_t> shape = *weights.dimensions;
  shape[0] /= groups;
  shape.insert(shape.begin(), groups);
  // A constant is stored in that shape at once; so are quantised ones, whose scale stays per output channel.
  const auto stored = s.draft.reshaped(weights, shape);
  return stored ? *stored : s.reshape(weights, shape);
}

}  // namespace

Wire convolve(Step& s, const Wire& data, const Wire& weights) {
  const int64_t groups = s.node.integer("group", 1);
  const Window w = read_window(s, spatial(s, weights), data);
  if (groups < 1 || (*weights.dimensions)[0] % groups != 0) s.refuse("its weights cannot be divided into its groups");
  Dimensions out;
  if (data.has_rank()) {
    out = *data.dimensions;
    (*out)[1] = (*weights.dimensions)[0];
    for (size_t i = 0; i < w.axes(); ++i) (*out)[i + 2] = w.auto_pad == "explicit" ? w.output(i, (*data.dimensions)[i + 2]) : -1;
  }
  if (groups == 1) return s.make("Convolution", {data, weights}, attributes_of(w), out);
  return s.make("GroupConvolution", {data, grouped(s, weights, groups)}, attributes_of(w), out);
}

namespace {

void convolution(Step& s) {
  Wire y = convolve(s, s.in(0), s.in(1));
  if (s.has(2)) y = s.make("Add", {y, per_channel(s, s.in(2), s.in(1).rank())}, {numpy});
  s.out(0, y);
}

void transposed(Step& s) {
  const Wire data = s.in(0), weights = s.in(1);
  const int64_t groups = s.node.integer("group", 1);
  Window w = read_window(s, spatial(s, weights), Wire{});
  std::vector<int64_t> more = s.node.integers("output_padding", std::vector<int64_t>(w.axes(), 0));
  const std::vector<int64_t> wanted = s.node.integers("output_shape");
  if (!wanted.empty() || w.auto_pad != "explicit") {
    // ONNX pads so that the output gets the wanted size, or stride times the input's: as explicit pads.
    w.auto_pad = "explicit";
    const bool upper = s.node.text("auto_pad", "NOTSET") == "SAME_UPPER";
    for (size_t i = 0; i < w.axes(); ++i) {
      const int64_t size = data.has_rank() ? (*data.dimensions)[i + 2] : -1;
      if (size < 0) s.refuse("its padding depends on the size of the data, which is open");
      const int64_t target = wanted.empty() ? size * w.strides[i] : wanted[wanted.size() - w.axes() + i];
      const int64_t total = w.strides[i] * (size - 1) + more[i] + (w.kernel[i] - 1) * w.dilations[i] + 1 - target;
      const int64_t half = total / 2;
      if (total < 0) {
        w.begin[i] = w.end[i] = 0;
        more[i] -= total;
        continue;
      }
      w.begin[i] = upper ? half : total - half;
      w.end[i] = total - w.begin[i];
    }
  }
  Attributes attributes = attributes_of(w);
  attributes.push_back({"output_padding", text(more)});
  Dimensions out;
  if (data.has_rank()) {
    out = *data.dimensions;
    (*out)[1] = (*weights.dimensions)[1] * groups;
    for (size_t i = 0; i < w.axes(); ++i) {
      const int64_t size = (*data.dimensions)[i + 2];
      (*out)[i + 2] = size < 0 ? -1 : w.strides[i] * (size - 1) + more[i] + (w.kernel[i] - 1) * w.dilations[i] + 1 - w.begin[i] - w.end[i];
    }
  }
  Wire y = groups == 1 ? s.make("ConvolutionBackpropData", {data, weights}, attributes, out)
                       : s.make("GroupConvolutionBackpropData", {data, grouped(s, weights, groups)}, attributes, out);
  if (s.has(2)) y = s.make("Add", {y, per_channel(s, s.in(2), weights.rank())}, {numpy});
  s.out(0, y);
}

void deformable(Step& s) {
  const Wire data = s.in(0), weights = s.in(1), offsets = s.in(2);
  if (weights.rank() != 4) s.refuse("the IR's DeformableConvolution takes data of four axes");
  const Window w = read_window(s, spatial(s, weights), data);
  Attributes attributes = attributes_of(w);
  attributes.push_back({"group", text(s.node.integer("group", 1))});
  attributes.push_back({"deformable_group", text(s.node.integer("offset_group", 1))});
  attributes.push_back({"bilinear_interpolation_pad", "true"});
  std::vector<Wire> inputs = {data, offsets, weights};
  if (s.has(4)) inputs.push_back(s.in(4));
  Dimensions out;
  if (data.has_rank()) {
    out = *data.dimensions;
    (*out)[1] = (*weights.dimensions)[0];
    for (size_t i = 0; i < 2; ++i) (*out)[i + 2] = w.output(i, (*data.dimensions)[i + 2]);
  }
  Wire y = s.make("DeformableConvolution", inputs, attributes, out);
  if (s.has(3)) y = s.make("Add", {y, per_channel(s, s.in(3), 4)}, {numpy});
  s.out(0, y);
}

void matmul(Step& s) {
  const Wire a = s.in(0);
  const Wire b = s.in(1);
  s.out(0, s.matmul(a, b));
}

void gemm(Step& s) {
  const float alpha = s.node.real("alpha", 1), beta = s.node.real("beta", 1);
  const Wire a = s.in(0), b = s.in(1);
  Wire y = s.matmul(a, b, s.node.integer("transA", 0) != 0, s.node.integer("transB", 0) != 0);
  if (alpha != 1) y = s.make("Multiply", {y, s.scalar(y.type, alpha)}, {numpy});
  if (s.has(2)) {
    Wire c = s.in(2);
    if (beta != 1) c = s.make("Multiply", {c, s.scalar(c.type, beta)}, {numpy});
    y = s.make("Add", {y, c}, {numpy});
  }
  s.out(0, y);
}

// Letters in any order, spaces left out: what Einsum of the IR takes is a subset of numpy's form.
void einsum(Step& s) {
  std::string equation(s.node.text("equation", ""));
  std::erase(equation, ' ');
  std::vector<Wire> inputs;
  for (size_t i = 0; i < s.inputs(); ++i) inputs.push_back(s.in(i));
  if (equation.find("->") == std::string::npos) {
    // The implicit output: letters that occur once, in alphabetical order, behind the ellipsis.
    std::string once;
    for (char c = 'A'; c <= 'z'; ++c)
      if (std::isalpha(static_cast<unsigned char>(c)) && std::count(equation.begin(), equation.end(), c) == 1) once += c;
    equation += "->" + std::string(equation.find("...") == std::string::npos ? "" : "...") + once;
  }
  s.out(0, s.make("Einsum", inputs, {{"equation", equation}},
                  s.node.output_value(0).has_rank() ? Dimensions(s.node.output_value(0).shape()) : std::nullopt));
}

constexpr Writer writers[] = {
    {"Conv", Means::exact, convolution}, {"ConvTranspose", Means::exact, transposed}, {"DeformConv", Means::exact, deformable},
    {"Einsum", Means::exact, einsum},    {"Gemm", Means::decomposition, gemm},        {"MatMul", Means::exact, matmul},
};

}  // namespace

std::span<const Writer> convolution_writers() { return writers; }

}  // namespace lathe::openvino
