// Operators of the domain com.microsoft, which ONNX Runtime's tools put into models: fused products and convolutions, activations, arithmetic on
// quantised tensors, normalisations with a sum before them. Source: ONNX Runtime, docs/ContribOperators.md.
#include <algorithm>

#include "families.hpp"
#include "windows.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

Wire binary(Step& s, const char* form, const Wire& a, const Wire& b) { return s.make(form, {a, b}, {numpy}); }
Wire quotient(Step& s, const Wire& a, const Wire& b) {
  Attributes attributes = {numpy};
  attributes.push_back({"m_pythondiv", "true"});
  return s.make("Divide", {a, b}, std::move(attributes));
}

// ---- activations ----------------------------------------------------------------------------------------------------------------

void gelu(Step& s) { s.out(0, s.make({"Gelu", 7}, {s.in(0)}, {{"approximation_mode", "ERF"}})); }
void bias_gelu(Step& s) { s.out(0, s.make({"Gelu", 7}, {binary(s, "Add", s.in(0), s.in(1))}, {{"approximation_mode", "ERF"}})); }
void fast_gelu(Step& s) {
  const Wire x = s.has(1) ? binary(s, "Add", s.in(0), s.in(1)) : s.in(0);
  s.out(0, s.make({"Gelu", 7}, {x}, {{"approximation_mode", "TANH"}}));
}
void quick_gelu(Step& s) {
  const Wire x = s.in(0);
  s.out(0, s.make("Swish", {x, s.scalar(x.type, s.node.real("alpha", 1.702f))}));
}

// What a fused product or convolution ends in.
Wire activated(Step& s, const Wire& x, std::string_view name, const std::vector<float>& p) {
  const auto parameter = [&](size_t i, double fallback) { return i < p.size() ? static_cast<double>(p[i]) : fallback; };
  if (name.empty() || name == "none") return x;
  if (name == "Relu") return s.make("ReLU", {x});
  if (name == "Sigmoid" || name == "Tanh") return s.make(name, {x});
  if (name == "LeakyRelu") return s.make("PReLU", {x, s.floats(x.type, {1}, {parameter(0, 0.01)})});
  if (name == "HardSigmoid") return s.make("HardSigmoid", {x, s.scalar(x.type, parameter(0, 0.2)), s.scalar(x.type, parameter(1, 0.5))});
  if (name == "Clip" && p.size() == 2) return s.make("Clamp", {x}, {{"min", text(double(p[0]))}, {"max", text(double(p[1]))}});
  s.refuse("the activation '" + std::string(name) + "' that it ends in is none of the standard's fused ones");
}

// ---- products -------------------------------------------------------------------------------------------------------------------

// The first axis moves to the rows: [M, batches..., K] becomes [batches..., M, K].
Wire batches_first(Step& s, const Wire& x) {
  std::vector<int64_t> order;
  for (int64_t i = 1; i + 1 < x.rank(); ++i) order.push_back(i);
  order.push_back(0), order.push_back(x.rank() - 1);
  return s.transpose(x, order);
}

void fused_matmul(Step& s) {
  Wire a = s.in(0), b = s.in(1);
  const auto flag = [&](const char* name) { return s.node.integer(name, 0) != 0; };
  if (flag("transBatchA") && s.rank(0) > 2) a = batches_first(s, a);
  if (flag("transBatchB") && s.rank(1) > 2) b = batches_first(s, b);
  const Wire y = s.matmul(a, b, flag("transA") && s.rank(0) > 1, flag("transB") && s.rank(1) > 1);
  const float alpha = s.node.real("alpha", 1);
  s.out(0, alpha == 1 ? y : binary(s, "Multiply", y, s.scalar(y.type, alpha)));
}

void fused_gemm(Step& s) {
  const float alpha = s.node.real("alpha", 1), beta = s.node.real("beta", 1);
  Wire y = s.matmul(s.in(0), s.in(1), s.node.integer("transA", 0) != 0, s.node.integer("transB", 0) != 0);
  if (alpha != 1) y = binary(s, "Multiply", y, s.scalar(y.type, alpha));
  if (s.has(2)) y = binary(s, "Add", y, beta == 1 ? s.in(2) : binary(s, "Multiply", s.in(2), s.scalar(y.type, beta)));
  std::vector<float> parameters;
  for (const char* name : {"activation_alpha", "activation_beta", "activation_gamma"})
    if (s.node.has(name)) parameters.push_back(s.node.real(name, 0));
  s.out(0, activated(s, y, s.node.text("activation", ""), parameters));
}

// Bias, then what is added, then the activation.
Wire convolved(Step& s, const Wire& x, const Wire& w, const std::optional<Wire>& added) {
  Wire y = convolve(s, x, w);
  if (s.has(2)) {
    std::vector<int64_t> shape(static_cast<size_t>(w.rank()), 1);
    shape[1] = -1;
    y = binary(s, "Add", y, s.reshape(s.in(2), shape));
  }
  if (added) y = binary(s, "Add", y, *added);
  return activated(s, y, s.node.text("activation", ""), s.node.reals("activation_params"));
}

void fused_convolution(Step& s) { s.out(0, convolved(s, s.in(0), s.in(1), s.has(3) ? std::optional(s.in(3)) : std::nullopt)); }

Wire channels_first(Step& s, const Wire& x) {
  std::vector<int64_t> order = {0, x.rank() - 1};
  for (int64_t i = 1; i + 1 < x.rank(); ++i) order.push_back(i);
  return s.transpose(x, order);
}
Wire channels_last(Step& s, const Wire& x) {
  std::vector<int64_t> order = {0};
  for (int64_t i = 2; i < x.rank(); ++i) order.push_back(i);
  order.push_back(1);
  return s.transpose(x, order);
}

// ---- quantised tensors ----------------------------------------------------------------------------------------------------------

// Input `i` less the zero point behind its scale, if there is one, as real numbers: (x - zero) * scale, with the scale in the next input.
Wire dequantised(Step& s, size_t i) {
  Wire x = s.convert(s.in(i), LATHE_FLOAT32);
  if (s.has(i + 2)) x = binary(s, "Subtract", x, s.convert(s.in(i + 2), LATHE_FLOAT32));
  return binary(s, "Multiply", x, s.exact(i + 1));
}

// In the steps of the scale in input `scale`, from the zero point behind it.
Wire quantised(Step& s, const Wire& real, size_t scale, int32_t type) {
  Wire y = s.make("Round", {quotient(s, real, s.exact(scale))}, {{"mode", "half_to_even"}});
  if (s.has(scale + 1)) y = binary(s, "Add", y, s.convert(s.in(scale + 1), real.type));
  const bool is_signed = type == LATHE_INT8;
  return s.convert(s.make("Clamp", {y}, {{"min", is_signed ? "-128" : "0"}, {"max", is_signed ? "127" : "255"}}), type);
}

void quantised_binary(Step& s) {
  const Wire a = dequantised(s, 0), b = dequantised(s, 3);
  s.out(0, quantised(s, binary(s, s.node.op_type() == "QLinearAdd" ? "Add" : "Multiply", a, b), 6, s.in(0).type));
}

void quantised_unary(Step& s) {
  const Wire x = dequantised(s, 0);
  const Wire y =
      s.node.op_type() == "QLinearSigmoid" ? s.make("Sigmoid", {x}) : s.make("PReLU", {x, s.floats(x.type, {1}, {s.node.real("alpha", 0.01f)})});
  s.out(0, quantised(s, y, 3, s.in(0).type));
}

// Before opset 13 all axes from the wanted one on are one.
void quantised_softmax(Step& s) {
  Wire x = dequantised(s, 0);
  const int64_t rank = s.rank(0), axis = s.axis(s.node.integer("axis", -1), rank);
  const bool joined = s.node.integer("opset", 13) < 13 && axis != rank - 1;
  const Dimensions shape = x.dimensions;
  if (joined && !x.is_static()) s.refuse("the axes that it joins are open");
  if (joined) {
    int64_t rows = 1;
    for (int64_t i = 0; i < axis; ++i) rows *= (*shape)[static_cast<size_t>(i)];
    x = s.reshape(x, {rows, -1});
  }
  Wire y = s.make({"SoftMax", 1}, {x}, {{"axis", text(joined ? 1 : axis)}}, x.dimensions);
  if (joined) y = s.reshape(y, *shape);
  s.out(0, quantised(s, y, 3, s.in(0).type));
}

void quantised_global_pool(Step& s) {
  const bool last = s.node.integer("channels_last", 0) != 0;
  std::vector<int64_t> axes;
  for (int64_t i = last ? 1 : 2; i < s.rank(0) - (last ? 1 : 0); ++i) axes.push_back(i);
  s.out(0, quantised(s, s.reduce("ReduceMean", dequantised(s, 0), axes, true), 3, s.in(0).type));
}

void quantised_concat(Step& s) {
  std::vector<Wire> parts;
  for (size_t i = 2; i + 1 < s.inputs(); i += 3) parts.push_back(dequantised(s, i));
  const Wire y = parts.size() == 1 ? parts[0] : s.concat(parts, s.axis(s.node.integer("axis", 0), s.rank(2)));
  s.out(0, quantised(s, y, 0, s.node.output_value(0).type()));
}

// (a - its zero) . (b - its zero) as integers; zero points of single columns lie along the last axis.
Wire integer_product(Step& s, const Wire& a, const std::optional<Wire>& a_zero, const Wire& b, const std::optional<Wire>& b_zero,
                     bool turned_a = false, bool turned_b = false) {
  const auto centred = [&](const Wire& x, const std::optional<Wire>& zero, bool turned) {
    const Wire wide = s.convert(x, LATHE_INT32);
    if (!zero) return wide;
    Wire z = s.convert(*zero, LATHE_INT32);
    if (turned && z.has_rank() && z.rank() == 1) z = s.unsqueeze(z, {1});
    return binary(s, "Subtract", wide, z);
  };
  return s.matmul(centred(a, a_zero, false), centred(b, b_zero, turned_b), turned_a, turned_b);
}
std::optional<Wire> optional(Step& s, size_t i) { return s.has(i) ? std::optional(s.in(i)) : std::nullopt; }

void integer_to_float(Step& s) {
  const int32_t type = s.node.output_value(0).type();
  const Wire sum = integer_product(s, s.in(0), optional(s, 4), s.in(1), optional(s, 5));
  const Wire scale = binary(s, "Multiply", s.convert(s.exact(2), LATHE_FLOAT32), s.convert(s.exact(3), LATHE_FLOAT32));
  Wire y = binary(s, "Multiply", s.convert(sum, LATHE_FLOAT32), scale);
  if (s.has(6)) y = binary(s, "Add", y, s.convert(s.in(6), LATHE_FLOAT32));
  s.out(0, s.convert(y, type));
}

// The first matrix in 256 steps between its smallest and largest element, zero among them.
void dynamic_matmul(Step& s) {
  const Wire x = s.in(0), zero = s.scalar(x.type, 0);
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < s.rank(0); ++i) axes.push_back(i);
  const Wire low = binary(s, "Minimum", s.reduce("ReduceMin", x, axes, false), zero),
             high = binary(s, "Maximum", s.reduce("ReduceMax", x, axes, false), zero);
  const Wire spread = quotient(s, binary(s, "Subtract", high, low), s.scalar(x.type, 255));
  const Wire scale = s.make("Select", {binary(s, "Equal", high, low), s.scalar(x.type, 1), spread}, {numpy}, spread.dimensions);
  const auto to_byte = [&](const Wire& v) { return s.make("Clamp", {v}, {{"min", "0"}, {"max", "255"}}); };
  const auto rounded = [&](const Wire& v) { return s.make("Round", {v}, {{"mode", "half_to_even"}}); };
  const Wire point = rounded(to_byte(quotient(s, s.make("Negative", {low}), scale)));
  const Wire steps = to_byte(binary(s, "Add", rounded(quotient(s, x, scale)), point));
  const Wire sum = integer_product(s, s.convert(steps, LATHE_INT32), s.convert(point, LATHE_INT32), s.in(1), optional(s, 3));
  Wire y = binary(s, "Multiply", s.convert(sum, x.type), binary(s, "Multiply", scale, s.exact(2)));
  if (s.has(4)) y = binary(s, "Add", y, s.in(4));
  s.out(0, y);
}

void quantised_gemm(Step& s) {
  const bool turned_a = s.node.integer("transA", 0) != 0, turned_b = s.node.integer("transB", 0) != 0;
  Wire sum = integer_product(s, s.in(0), optional(s, 2), s.in(3), optional(s, 5), turned_a, turned_b);
  if (s.has(6)) sum = binary(s, "Add", sum, s.in(6));
  Wire scale = binary(s, "Multiply", s.exact(1), s.exact(4));
  if (const float alpha = s.node.real("alpha", 1); alpha != 1) scale = binary(s, "Multiply", scale, s.scalar(LATHE_FLOAT32, alpha));
  const Wire y = binary(s, "Multiply", s.convert(sum, LATHE_FLOAT32), scale);
  s.out(0, s.has(7) ? quantised(s, y, 7, s.node.output_value(0).type()) : y);
}

// Weights of 4 bits, two in a byte, or of 8, in blocks along the rows: [N, blocks, block], which is how the IR stores u4 and u8 as well.
void narrow_matmul(Step& s) {
  const int64_t k = s.node.integer("K", 0), n = s.node.integer("N", 0), bits = s.node.integer("bits", 4), block = s.node.integer("block_size", 0);
  const auto weights = s.constant(1);
  if (s.has(4)) s.refuse("rows in another order (g_idx) are no blocks, and the IR stores compressed weights in blocks");
  if (!weights || (bits != 4 && bits != 8) || block < 1 || k % block != 0)
    s.refuse("the IR stores compressed weights as constants of 4 or 8 bits in whole blocks");
  const int64_t blocks = k / block;
  const Wire x = s.in(0);
  const int32_t type = x.type;
  const Wire stored = s.draft.constant(std::string(s.node.name()) + "/weights", bits == 4 ? LATHE_UINT4 : LATHE_UINT8, {n, blocks, block},
                                       weights->data(), weights->bytes());
  Wire zero = s.scalar(type, bits == 4 ? 8 : 128);
  if (s.has(3)) {
    const auto points = s.constant(3);
    if (!points) s.refuse("the IR stores compressed weights with constant zero points");
    if (points->type() == LATHE_UINT8) {
      std::vector<double> list;
      const auto bytes = points->as<uint8_t>();
      const int64_t row = (blocks * bits + 7) / 8;
      for (int64_t i = 0; i < n; ++i)
        for (int64_t b = 0; b < blocks; ++b) {
          const uint8_t byte = bytes[static_cast<size_t>(i * row + b * bits / 8)];
          list.push_back(bits == 8 ? byte : (b % 2 ? byte >> 4 : byte & 15));
        }
      zero = s.floats(type, {n, blocks, 1}, list);
    } else {
      zero = s.reshape(s.convert(s.exact(3), type), {n, blocks, 1});
    }
  }
  const Wire scales = s.reshape(s.exact(2), {n, blocks, 1});
  const Wire real = binary(s, "Multiply", binary(s, "Subtract", s.convert(stored, type), zero), scales);
  const Wire matrix = s.make("Reshape", {real, s.indices({n, k})}, {{"special_zero", "false"}}, std::vector<int64_t>{n, k});
  Wire y = s.matmul(x, matrix, false, true);
  if (s.has(5)) y = binary(s, "Add", y, s.in(5));
  s.out(0, y);
}

// ---- normalisations -------------------------------------------------------------------------------------------------------------

// input + skip (+ bias), then normalised along the last axis.
void skip_normalised(Step& s) {
  const bool simple = s.node.op_type() == "SkipSimplifiedLayerNormalization";
  const size_t bias = simple ? 3 : 4;
  Wire sum = binary(s, "Add", s.in(0), s.in(1));
  if (s.has(bias)) sum = binary(s, "Add", sum, s.in(bias));
  const int64_t last = s.rank(0) - 1;
  const Wire x = s.convert(sum, LATHE_FLOAT32), epsilon = s.scalar(x.type, s.node.real("epsilon", 1e-12f));
  const Wire mean = s.reduce("ReduceMean", x, {last}, true), centred = simple ? x : binary(s, "Subtract", x, mean);
  const Wire variance = s.reduce("ReduceMean", binary(s, "Multiply", centred, centred), {last}, true);
  const Wire root = s.make("Sqrt", {binary(s, "Add", variance, epsilon)});
  Wire y = binary(s, "Multiply", quotient(s, centred, root), s.convert(s.in(2), x.type));
  if (!simple && s.has(3)) y = binary(s, "Add", y, s.convert(s.in(3), x.type));
  s.out(0, s.convert(y, s.in(0).type));
  if (s.wants(1)) s.out(1, mean);
  if (s.wants(2)) s.out(2, quotient(s, s.scalar(x.type, 1), root));
  if (s.wants(3)) s.out(3, sum);
}

// With the channels last unless it is said otherwise; activation 1 is x * sigmoid(x).
void group_normalised(Step& s) {
  const bool last = s.node.integer("channels_last", 1) != 0;
  const Wire given = s.convert(s.in(0), LATHE_FLOAT32), x = last ? channels_first(s, given) : given;
  const Wire gamma = s.convert(s.in(1), x.type), beta = s.convert(s.in(2), x.type);
  Wire y = s.make("GroupNormalization", {x, gamma, beta},
                  {{"num_groups", text(s.node.integer("groups", 1))}, {"epsilon", text(double(s.node.real("epsilon", 1e-5f)))}});
  if (s.node.integer("activation", 0) != 0) y = s.make("Swish", {y});
  s.out(0, s.convert(last ? channels_last(s, y) : y, s.in(0).type));
}

void nhwc_convolution(Step& s) {
  const Wire x = channels_first(s, s.in(0));
  s.out(0, channels_last(s, convolved(s, x, s.in(1), s.has(3) ? std::optional(channels_first(s, s.in(3))) : std::nullopt)));
}

// As ONNX's own.
void as_standard(Step& s) { find_writer("", s.node.op_type())->write(s); }

constexpr Writer writers[] = {
    {"BiasGelu", Means::decomposition, bias_gelu},
    {"DequantizeLinear", Means::decomposition, as_standard},
    {"DynamicQuantizeMatMul", Means::decomposition, dynamic_matmul},
    {"FastGelu", Means::exact, fast_gelu},
    {"FusedConv", Means::decomposition, fused_convolution},
    {"FusedGemm", Means::decomposition, fused_gemm},
    {"FusedMatMul", Means::decomposition, fused_matmul},
    {"Gelu", Means::exact, gelu},
    {"GroupNorm", Means::decomposition, group_normalised},
    {"MatMulIntegerToFloat", Means::decomposition, integer_to_float},
    {"MatMulNBits", Means::decomposition, narrow_matmul},
    {"NhwcFusedConv", Means::decomposition, nhwc_convolution},
    {"QGemm", Means::decomposition, quantised_gemm},
    {"QLinearAdd", Means::decomposition, quantised_binary},
    {"QLinearConcat", Means::decomposition, quantised_concat},
    {"QLinearGlobalAveragePool", Means::decomposition, quantised_global_pool},
    {"QLinearLeakyRelu", Means::decomposition, quantised_unary},
    {"QLinearMul", Means::decomposition, quantised_binary},
    {"QLinearSigmoid", Means::decomposition, quantised_unary},
    {"QLinearSoftmax", Means::decomposition, quantised_softmax},
    {"QuantizeLinear", Means::decomposition, as_standard},
    {"QuickGelu", Means::exact, quick_gelu},
    {"SkipLayerNormalization", Means::decomposition, skip_normalised},
    {"SkipSimplifiedLayerNormalization", Means::decomposition, skip_normalised},
    {"TransposeMatMul", Means::decomposition, fused_matmul},
};

}  // namespace

std::span<const Writer> microsoft_writers() { return writers; }

}  // namespace lathe::openvino
