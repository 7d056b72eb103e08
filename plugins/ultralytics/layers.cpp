// Modules of torch.nn that networks of this kind are made of. Semantics: PyTorch's documentation of each class, in evaluation mode.
#include <algorithm>
#include <cmath>

#include "trace.hpp"

namespace lathe::ultralytics {
namespace {

struct Layer {
  Trace& trace;
  Net& net;
  const Module& module;
  const List& arguments;

  const Tensor& x() const {
    if (arguments.size() != 1) net.refuse(LATHE_FAILED, module.class_name() + " takes one input");
    return tensor_of(net, arguments[0]);
  }
  Tensor parameter(const char* name) const {
    const auto saved = module.tensor(name);
    if (!saved) net.refuse(LATHE_FAILED, module.class_name() + " lacks its parameter '" + name + "'");
    return net.constant(name, *saved);
  }
  std::optional<Tensor> optional_parameter(const char* name) const {
    const auto saved = module.tensor(name);
    if (!saved) return std::nullopt;
    return net.constant(name, *saved);
  }
};

Window2d window(const Layer& l, int64_t stride, bool same_padding_is_known) {
  Window2d w;
  w.kernel = l.module.integers("kernel_size", 2, 1);
  // A pooling whose stride is None steps by its kernel.
  w.stride = stride > 0 ? l.module.integers("stride", 2, stride) : l.module.integers("stride", 2, 0);
  if (stride <= 0 && w.stride == std::vector<int64_t>{0, 0}) w.stride = w.kernel;
  w.dilation = l.module.integers("dilation", 2, 1);
  const std::string named = l.module.text("padding", "");
  if (named == "same" && same_padding_is_known) {
    w.padding = {w.dilation[0] * (w.kernel[0] - 1) / 2, w.dilation[1] * (w.kernel[1] - 1) / 2};
    if (w.kernel[0] % 2 == 0 || w.kernel[1] % 2 == 0) l.net.refuse(LATHE_UNSUPPORTED, "'same' padding of an even kernel is not known here");
  } else {
    w.padding = named == "valid" ? std::vector<int64_t>{0, 0} : l.module.integers("padding", 2, 0);
  }
  for (size_t i = 0; i < 2; ++i)
    if (w.kernel[i] < 1 || w.stride[i] < 1 || w.dilation[i] < 1 || w.padding[i] < 0 || w.kernel[i] > 4096 || w.padding[i] > 65536)
      l.net.refuse(LATHE_FAILED, "the window of a " + l.module.class_name() + " has a size that none can have");
  return w;
}

Value convolution(const Layer& l) {
  const Window2d w = window(l, 1, true);
  if (l.module.text("padding_mode", "zeros") != "zeros")
    l.net.refuse(LATHE_UNSUPPORTED, "convolutions with a padding other than zeros are not known here");
  const auto bias = l.optional_parameter("bias");
  return l.net.convolution(l.x(), l.parameter("weight"), bias ? &*bias : nullptr, w, l.module.integer("groups", 1));
}

Value transposed_convolution(const Layer& l) {
  const auto bias = l.optional_parameter("bias");
  return l.net.transposed_convolution(l.x(), l.parameter("weight"), bias ? &*bias : nullptr, window(l, 1, false),
                                      l.module.integers("output_padding", 2, 0), l.module.integer("groups", 1));
}

Value batch_norm(const Layer& l) {
  const Tensor& x = l.x();
  Tensor mean = l.parameter("running_mean"), variance = l.parameter("running_var");
  const std::vector<float> ones(static_cast<size_t>(mean.shape.at(0)), 1.0f), zeros(ones.size(), 0.0f);
  const auto weight = l.optional_parameter("weight"), bias = l.optional_parameter("bias");
  const Tensor scale = weight ? *weight : l.net.floats("ones", mean.shape, ones), shift = bias ? *bias : l.net.floats("zeros", mean.shape, zeros);
  if (x.rank() < 2 || x.shape[1] != mean.shape[0]) l.net.refuse(LATHE_FAILED, "a batch normalisation has another number of channels than its input");
  return l.net.node("BatchNormalization", {x, scale, shift, mean, variance}, x.shape,
                    [&](sdk::NodeData& n) { n.set("epsilon", static_cast<float>(l.module.real("eps", 1e-5))); });
}

Value layer_norm(const Layer& l) {
  const Tensor& x = l.x();
  const Tensor weight = l.parameter("weight");
  std::vector<Tensor> inputs = {x, weight};
  if (const auto bias = l.optional_parameter("bias")) inputs.push_back(*bias);
  return l.net.node("LayerNormalization", inputs, x.shape, [&](sdk::NodeData& n) {
    n.set("axis", -weight.rank());
    n.set("epsilon", static_cast<float>(l.module.real("eps", 1e-5)));
  });
}

Value linear(const Layer& l) {
  const Tensor& x = l.x();
  const Tensor weight = l.parameter("weight");
  const auto bias = l.optional_parameter("bias");
  if (weight.rank() != 2) l.net.refuse(LATHE_FAILED, "the weights of a Linear are no matrix");
  if (x.rank() == 2) {
    if (x.shape[1] != weight.shape[1]) l.net.refuse(LATHE_FAILED, "a Linear has another number of inputs than its tensor");
    std::vector<Tensor> inputs = {x, weight};
    if (bias) inputs.push_back(*bias);
    return l.net.node("Gemm", inputs, {x.shape[0], weight.shape[0]}, [](sdk::NodeData& n) { n.set("transB", 1); });
  }
  const Tensor product = l.net.matmul(x, l.net.permute(weight, {1, 0}));
  return bias ? l.net.binary("Add", product, *bias) : product;
}

Value max_pool(const Layer& l) { return l.net.pool("MaxPool", l.x(), window(l, 0, false), l.module.integer("ceil_mode", 0) != 0); }
Value average_pool(const Layer& l) {
  return l.net.pool("AveragePool", l.x(), window(l, 0, false), l.module.integer("ceil_mode", 0) != 0, l.module.integer("count_include_pad", 1) != 0);
}
Value adaptive_pool(const Layer& l, const char* global) {
  const std::vector<int64_t> size = l.module.integers("output_size", 2, 1);
  const Tensor& x = l.x();
  if (x.rank() != 4) l.net.refuse(LATHE_FAILED, "a pooling wants an image");
  if (size == std::vector<int64_t>{1, 1}) return l.net.node(global, {x}, {x.shape[0], x.shape[1], 1, 1});
  return l.net.adaptive_pool(std::string(global) == "GlobalMaxPool" ? "ReduceMax" : "ReduceMean", x, size[0], size[1]);
}
Value adaptive_average_pool(const Layer& l) { return adaptive_pool(l, "GlobalAveragePool"); }
Value adaptive_max_pool(const Layer& l) { return adaptive_pool(l, "GlobalMaxPool"); }

Value upsample(const Layer& l) {
  const Tensor& x = l.x();
  if (x.rank() != 4) l.net.refuse(LATHE_FAILED, "an Upsample wants an image");
  const std::string mode = l.module.text("mode", "nearest");
  if (mode != "nearest" && mode != "bilinear") l.net.refuse(LATHE_UNSUPPORTED, "an Upsample of the mode '" + mode + "' is not known here");
  std::vector<int64_t> size = l.module.integers("size", 2, 0);
  if (size[0] <= 0) {
    const PickleId factor = l.module.attribute("scale_factor");
    double scale[2] = {l.module.real("scale_factor", 0), l.module.real("scale_factor", 0)};
    const Pickle& pickle = l.module.checkpoint().pickle();
    if (factor != no_pickle && pickle[factor].items.size() == 2)
      for (size_t i = 0; i < 2; ++i) scale[i] = number(pickle, pickle[factor].items[i]).value_or(0);
    for (size_t i = 0; i < 2; ++i) {
      if (!(scale[i] > 0 && scale[i] < 1024)) l.net.refuse(LATHE_FAILED, "an Upsample has no scale");
      size[i] = static_cast<int64_t>(std::floor(double(x.shape[2 + i]) * scale[i]));
    }
  }
  return l.net.resize(x, size[0], size[1], mode, l.module.integer("align_corners", 0) != 0);
}

Value identity(const Layer& l) { return l.x(); }
Value sequential(const Layer& l) {
  if (l.arguments.size() != 1) l.net.refuse(LATHE_FAILED, "a Sequential takes one input");
  Value value = l.arguments[0];
  for (const auto& [name, child] : l.module.children()) value = l.trace.call(child, name, List{value});
  return value;
}
Value zero_pad(const Layer& l) {
  const std::vector<int64_t> p = l.module.integers("padding", 4, 0);  // left, right, top, bottom
  const Tensor& x = l.x();
  if (x.rank() != 4) l.net.refuse(LATHE_FAILED, "a padding wants an image");
  return l.net.pad(x, {0, 0, p[2], p[0]}, {0, 0, p[3], p[1]}, static_cast<float>(l.module.real("value", 0)));
}
Value flatten(const Layer& l) {
  const Tensor& x = l.x();
  const int64_t begin = l.net.axis(x, l.module.integer("start_dim", 1)), end = l.net.axis(x, l.module.integer("end_dim", -1));
  std::vector<int64_t> shape(x.shape.begin(), x.shape.begin() + begin);
  int64_t all = 1;
  for (int64_t i = begin; i <= end; ++i) all *= x.shape[static_cast<size_t>(i)];
  shape.push_back(all);
  shape.insert(shape.end(), x.shape.begin() + end + 1, x.shape.end());
  return l.net.reshape(x, shape);
}

Value unflatten(const Layer& l) {
  const Tensor& x = l.x();
  const int64_t at = l.net.axis(x, l.module.integer("dim", 1));
  Value sizes;
  if (!attribute_of(l.net, l.module, "unflattened_size", sizes)) l.net.refuse(LATHE_FAILED, "an Unflatten lacks its sizes");
  const std::vector<int64_t> inner = integers_of(l.net, sizes);
  std::vector<int64_t> shape = x.shape;
  shape.erase(shape.begin() + at);
  shape.insert(shape.begin() + at, inner.begin(), inner.end());
  return l.net.reshape(x, shape);
}

// Over groups of channels of one image (Wu & He, "Group Normalization", 2018).
Value group_norm(const Layer& l) {
  const Tensor& x = l.x();
  const int64_t groups = l.module.integer("num_groups", 1);
  if (x.rank() < 2 || groups < 1 || x.shape[1] % groups) l.net.refuse(LATHE_FAILED, "a GroupNorm has groups that do not fit its input");
  const Tensor flat = l.net.reshape(x, {x.shape[0], groups, -1});
  const Tensor centred = l.net.binary("Sub", flat, l.net.reduce("ReduceMean", flat, {2}, true));
  const Tensor variance = l.net.reduce("ReduceMean", l.net.binary("Mul", centred, centred), {2}, true);
  const Tensor spread = l.net.unary("Sqrt", l.net.binary("Add", variance, l.net.scalar(static_cast<float>(l.module.real("eps", 1e-5)))));
  const Tensor normal = l.net.binary("Div", centred, spread);
  Tensor y = l.net.reshape(normal, x.shape);
  std::vector<int64_t> along(x.shape.size() - 1, 1);
  along[0] = x.shape[1];
  if (const auto weight = l.optional_parameter("weight")) y = l.net.binary("Mul", y, l.net.reshape(*weight, along));
  if (const auto bias = l.optional_parameter("bias")) y = l.net.binary("Add", y, l.net.reshape(*bias, along));
  return y;
}
Value pixel_shuffle(const Layer& l) {
  const Tensor& x = l.x();
  const int64_t factor = l.module.integer("upscale_factor", 0);
  if (x.rank() != 4 || factor < 1 || factor > 1024 || x.shape[1] % (factor * factor))
    l.net.refuse(LATHE_FAILED, "a PixelShuffle has a factor that does not fit its input");
  return l.net.node("DepthToSpace", {x}, {x.shape[0], x.shape[1] / (factor * factor), x.shape[2] * factor, x.shape[3] * factor},
                    [&](sdk::NodeData& n) {
                      n.set("blocksize", factor);
                      n.set("mode", "CRD");
                    });
}

// torch.nn.MultiheadAttention with batch_first or not, without masks: softmax(q k^T / sqrt(d)) v (Vaswani et al., 2017).
Value multihead_attention(const Layer& l) {
  if (l.arguments.size() < 3) l.net.refuse(LATHE_FAILED, "a MultiheadAttention takes query, key and value");
  Net& net = l.net;
  const int64_t heads = l.module.integer("num_heads", 0), width = l.module.integer("embed_dim", 0);
  if (heads < 1 || width < 1 || width % heads) net.refuse(LATHE_FAILED, "a MultiheadAttention has no fitting number of heads");
  const bool batch_first = l.module.integer("batch_first", 0) != 0;
  const Tensor weight = l.parameter("in_proj_weight");
  const auto bias = l.optional_parameter("in_proj_bias");
  const std::vector<int64_t> thirds(3, width);
  const std::vector<Tensor> weights = net.split(weight, thirds, 0);
  std::vector<Tensor> biases;
  if (bias) biases = net.split(*bias, thirds, 0);
  Tensor parts[3];
  for (size_t i = 0; i < 3; ++i) {
    Tensor x = tensor_of(net, l.arguments[i]);
    if (x.rank() != 3) net.refuse(LATHE_FAILED, "a MultiheadAttention wants tensors of three axes");
    if (!batch_first) x = net.permute(x, {1, 0, 2});
    x = net.matmul(x, net.permute(weights[i], {1, 0}));
    if (bias) x = net.binary("Add", x, biases[i]);
    x = net.reshape(x, {x.shape[0], x.shape[1], heads, width / heads});
    parts[i] = net.permute(x, i == 1 ? std::vector<int64_t>{0, 2, 3, 1} : std::vector<int64_t>{0, 2, 1, 3});
  }
  Tensor scores = net.binary("Mul", net.matmul(parts[0], parts[1]), net.scalar(1.0f / std::sqrt(float(width / heads))));
  Tensor mixed = net.permute(net.matmul(net.softmax(scores, -1), parts[2]), {0, 2, 1, 3});
  mixed = net.reshape(mixed, {mixed.shape[0], mixed.shape[1], width});
  const auto projection = l.module.child("out_proj");
  if (!projection) net.refuse(LATHE_FAILED, "a MultiheadAttention lacks its output projection");
  mixed = l.trace.call(*projection, "out_proj", mixed);
  return batch_first ? mixed : net.permute(mixed, {1, 0, 2});
}

// ---- activations ------------------------------------------------------------------------------------------------------------------

Value silu(const Layer& l) { return l.net.binary("Mul", l.x(), l.net.unary("Sigmoid", l.x())); }
Value gelu(const Layer& l) {  // x Phi(x), by erf
  Net& net = l.net;
  const Tensor& x = l.x();
  if (l.module.text("approximate", "none") == "tanh") {
    const Tensor cube = net.binary("Mul", net.binary("Mul", x, x), x);
    const Tensor inner = net.binary("Mul", net.binary("Add", x, net.binary("Mul", cube, net.scalar(0.044715f))), net.scalar(0.7978845608f));
    return net.binary("Mul", net.binary("Mul", x, net.scalar(0.5f)), net.binary("Add", net.unary("Tanh", inner), net.scalar(1)));
  }
  const Tensor erf = net.unary("Erf", net.binary("Mul", x, net.scalar(0.70710678118f)));
  return net.binary("Mul", net.binary("Mul", x, net.binary("Add", erf, net.scalar(1))), net.scalar(0.5f));
}
Value leaky_relu(const Layer& l) {
  return l.net.unary("LeakyRelu", l.x(), [&](sdk::NodeData& n) { n.set("alpha", static_cast<float>(l.module.real("negative_slope", 0.01))); });
}
Value elu(const Layer& l) {
  return l.net.unary("Elu", l.x(), [&](sdk::NodeData& n) { n.set("alpha", static_cast<float>(l.module.real("alpha", 1.0))); });
}
Value prelu(const Layer& l) {
  const Tensor& x = l.x();
  Tensor slope = l.parameter("weight");
  if (slope.shape.size() == 1 && slope.shape[0] > 1) slope = l.net.reshape(slope, {slope.shape[0], 1, 1});
  return l.net.node("PRelu", {x, slope}, x.shape);
}
Value hard_tanh(const Layer& l) {
  return l.net.node(
      "Clip", {l.x(), l.net.scalar(static_cast<float>(l.module.real("min_val", -1))), l.net.scalar(static_cast<float>(l.module.real("max_val", 1)))},
      l.x().shape);
}
Value relu6(const Layer& l) { return l.net.node("Clip", {l.x(), l.net.scalar(0), l.net.scalar(6)}, l.x().shape); }
Value hard_sigmoid(const Layer& l) {
  return l.net.unary("HardSigmoid", l.x(), [](sdk::NodeData& n) { n.set("alpha", 1.0f / 6.0f); });
}
Value softplus(const Layer& l) {  // log(1 + exp(beta x)) / beta
  const auto beta = static_cast<float>(l.module.real("beta", 1));
  if (beta == 1) return l.net.unary("Softplus", l.x());
  if (beta == 0) l.net.refuse(LATHE_FAILED, "a Softplus has the factor 0");
  return l.net.binary("Div", l.net.unary("Softplus", l.net.binary("Mul", l.x(), l.net.scalar(beta))), l.net.scalar(beta));
}
Value log_sigmoid(const Layer& l) { return l.net.unary("Neg", l.net.unary("Softplus", l.net.unary("Neg", l.x()))); }
Value celu(const Layer& l) {
  return l.net.unary("Celu", l.x(), [&](sdk::NodeData& n) { n.set("alpha", static_cast<float>(l.module.real("alpha", 1.0))); });
}
Value rrelu(const Layer& l) {  // in evaluation: the mean slope
  const double slope = (l.module.real("lower", 0.125) + l.module.real("upper", 1.0 / 3.0)) / 2;
  return l.net.unary("LeakyRelu", l.x(), [&](sdk::NodeData& n) { n.set("alpha", static_cast<float>(slope)); });
}
Value softmax(const Layer& l) { return l.net.softmax(l.x(), l.module.integer("dim", -1)); }
template <const char* const& Operator>
Value unary(const Layer& l) {
  return l.net.unary(Operator, l.x());
}
constexpr const char *relu = "Relu", *sigmoid = "Sigmoid", *tanh_ = "Tanh", *hard_swish = "HardSwish", *selu = "Selu", *softsign = "Softsign";
Value mish(const Layer& l) { return l.net.binary("Mul", l.x(), l.net.unary("Tanh", l.net.unary("Softplus", l.x()))); }

struct Entry {
  std::string_view name;
  Value (*run)(const Layer&);
};
constexpr Entry layers[] = {
    {"Conv2d", convolution},
    {"ConvTranspose2d", transposed_convolution},
    {"BatchNorm2d", batch_norm},
    {"BatchNorm1d", batch_norm},
    {"SyncBatchNorm", batch_norm},
    {"LayerNorm", layer_norm},
    {"GroupNorm", group_norm},
    {"PixelShuffle", pixel_shuffle},
    {"Linear", linear},
    {"NonDynamicallyQuantizableLinear", linear},
    {"MaxPool2d", max_pool},
    {"AvgPool2d", average_pool},
    {"AdaptiveAvgPool2d", adaptive_average_pool},
    {"AdaptiveMaxPool2d", adaptive_max_pool},
    {"Upsample", upsample},
    {"UpsamplingNearest2d", upsample},
    {"UpsamplingBilinear2d", upsample},
    {"Identity", identity},
    {"Dropout", identity},
    {"Dropout2d", identity},
    {"AlphaDropout", identity},
    {"Sequential", sequential},
    {"ZeroPad2d", zero_pad},
    {"ConstantPad2d", zero_pad},
    {"Flatten", flatten},
    {"Unflatten", unflatten},
    {"MultiheadAttention", multihead_attention},
    {"SiLU", silu},
    {"GELU", gelu},
    {"LeakyReLU", leaky_relu},
    {"ELU", elu},
    {"PReLU", prelu},
    {"Hardtanh", hard_tanh},
    {"ReLU6", relu6},
    {"Hardsigmoid", hard_sigmoid},
    {"Hardswish", unary<hard_swish>},
    {"ReLU", unary<relu>},
    {"Sigmoid", unary<sigmoid>},
    {"Tanh", unary<tanh_>},
    {"Softplus", softplus},
    {"LogSigmoid", log_sigmoid},
    {"CELU", celu},
    {"RReLU", rrelu},
    {"SELU", unary<selu>},
    {"Softsign", unary<softsign>},
    {"Mish", mish},
    {"Softmax", softmax},
};

}  // namespace

bool call_layer(Trace& trace, const Module& module, const List& arguments, Value& result) {
  if (module.class_path().rfind("torch.nn.", 0) != 0) return false;
  return call_layer(trace, module.class_name(), module, arguments, result);
}

std::string layer_names() {
  std::vector<std::string_view> names;
  for (const Entry& entry : layers) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  std::string list;
  for (const std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

bool call_layer(Trace& trace, const std::string& name, const Module& module, const List& arguments, Value& result) {
  for (const Entry& entry : layers) {
    if (entry.name != name) continue;
    result = entry.run({trace, trace.net, module, arguments});
    return true;
  }
  return false;
}

}  // namespace lathe::ultralytics
