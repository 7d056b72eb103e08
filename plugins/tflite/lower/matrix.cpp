// Matrix products: FULLY_CONNECTED with constant weights, BATCH_MATMUL otherwise.
#include <algorithm>
#include <cmath>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

// One scale per output, which the runtime's FULLY_CONNECTED takes none of and its CONV_2D does: a convolution over one pixel per row.
int32_t by_convolution(Lowering& l, const Work& w, int32_t x, int32_t by, const std::vector<float>& bias, int32_t out) {
  const Quantization q = l.quantization_of(by);
  const Extents weights = l.extents_of(by);
  const int64_t outputs = weights[0], inner = weights[1];
  Tensor kernel = l.main().tensors[static_cast<size_t>(by)];
  kernel.name += "_pixel";
  kernel.shape = {static_cast<int32_t>(outputs), 1, 1, static_cast<int32_t>(inner)};
  l.main().tensors.push_back(std::move(kernel));
  const auto pixel = static_cast<int32_t>(l.main().tensors.size() - 1);
  const float in = l.value(w.in(0)).quantization.scales[0];
  Quantization of_bias;
  std::vector<int32_t> elements(static_cast<size_t>(outputs));
  for (size_t i = 0; i < elements.size(); ++i) {
    of_bias.scales.push_back(in * q.scales[i]);
    of_bias.zero_points.push_back(0);
    const double value = bias.empty() ? 0 : std::nearbyint(bias[i] / of_bias.scales[i]);
    if (!(std::fabs(value) <= 2147483647.0)) l.refuse("its quantised bias does not fit 32 bits");
    elements[i] = static_cast<int32_t>(value);
  }
  const int32_t add = l.constant<int32_t>(Type::int32, {outputs}, std::move(elements), of_bias, "bias");
  int64_t rows = 1;
  const Extents from = l.extents_of(x);
  for (size_t i = 0; i + 1 < from.size(); ++i) rows = rows < 0 || from[i] < 0 ? -1 : rows * from[i];
  const int32_t pixels = l.make("CONV_2D", {l.reshape(x, {rows, 1, 1, inner}), pixel, add}, l.type_of(out), {rows, 1, 1, outputs},
                                {{"padding", 1, {}}, {"stride_h", 1, {}}, {"stride_w", 1, {}}, {"activation", static_cast<double>(w.activation), {}}},
                                l.quantization_of(out));
  const Extents to = l.extents_of(out);
  const std::vector<int32_t> shape(to.begin(), to.end());
  l.emit("RESHAPE", {pixels, l.ints(shape)}, {out}).options = {{"new_shape", 0, shape}};
  return out;
}

// [.., K] times [K, N] held as [N, K], plus a bias of N.
int32_t fully_connected(Lowering& l, const Work& w, int32_t x, uint32_t weights, bool outputs_first, std::optional<std::vector<float>> bias,
                        int32_t out) {
  const Extents& e = l.extents(weights);
  const int64_t outputs = e[outputs_first ? 0 : 1];
  const int axis = outputs_first ? 0 : 1;
  const Quantization& q = l.value(weights).quantization;
  if (w.quantized && q.per_axis() && q.axis != axis) l.refuse("its weights are quantised along another axis than that of the outputs");
  if (w.quantized && l.type(weights) == Type::int8)
    for (const int64_t z : q.zero_points)
      if (z != 0) l.refuse("its int8 weights have a zero point other than 0, which the format's kernels do not take");
  const int32_t by = l.in_order(weights, outputs_first ? Order{0, 1} : Order{1, 0});
  const Extents made = l.extents_of(out);
  const auto open = std::count_if(made.begin(), made.end(), [](int64_t d) { return d < 0; });
  if (w.quantized && q.per_axis() && open < 2) return by_convolution(l, w, x, by, bias ? *bias : std::vector<float>(), out);
  if (w.quantized && q.per_axis()) l.refuse("the runtime's FULLY_CONNECTED takes one scale for all weights, and more than one dimension is open");
  int32_t add = -1;
  if (w.quantized) {
    const float scale = l.value(w.in(0)).quantization.scales[0] * q.scales[0];
    std::vector<int32_t> elements(static_cast<size_t>(outputs));
    for (size_t i = 0; bias && i < elements.size(); ++i) {
      const double value = std::nearbyint((*bias)[i] / scale);
      if (!(std::fabs(value) <= 2147483647.0)) l.refuse("its quantised bias does not fit 32 bits");
      elements[i] = static_cast<int32_t>(value);
    }
    add = l.constant<int32_t>(Type::int32, {outputs}, std::move(elements), {{scale}, {0}, 0}, "bias");
  } else {
    add = l.constant<float>(Type::float32, {outputs}, bias ? *bias : std::vector<float>(static_cast<size_t>(outputs)), {}, "bias");
  }
  const bool keep = l.extents_of(out).size() > 2;
  l.emit("FULLY_CONNECTED", {x, by, add}, {out}).options = {{"activation", static_cast<double>(w.activation), {}},
                                                            {"keep_num_dims", keep ? 1.0 : 0.0, {}}};
  return out;
}

std::vector<float> floats(const std::vector<double>& numbers) { return {numbers.begin(), numbers.end()}; }

// The bias of the outputs, from a constant that broadcasts along them alone.
std::optional<std::vector<float>> bias_along(const Lowering& l, uint32_t id, int64_t outputs, double factor) {
  const auto numbers = l.numbers(id);
  if (!numbers) return std::nullopt;
  std::vector<float> bias = floats(*numbers);
  const Extents& e = l.extents(id);
  if (bias.size() != 1 && (static_cast<int64_t>(bias.size()) != outputs || e.back() != outputs)) return std::nullopt;
  bias.resize(static_cast<size_t>(outputs), bias[0]);
  for (float& b : bias) b = static_cast<float>(b * factor);
  return bias;
}

void lower_gemm(Lowering& l, const Work& w) {
  const bool ta = w.node.integer("transA", 0) != 0, tb = w.node.integer("transB", 0) != 0;
  const double alpha = w.node.real("alpha", 1), beta = w.node.real("beta", 1);
  if (!w.quantized && l.type(w.out()) != Type::float32) l.refuse("the runtime's FULLY_CONNECTED and BATCH_MATMUL compute in float32");
  const Order plain_order = identity(2);
  const int32_t x = ta ? l.in_order(w.in(0), {1, 0}) : l.plain(w.in(0));
  const int64_t outputs = l.extents(w.out())[1];
  std::optional<std::vector<float>> bias;
  bool has_bias = w.has(2);
  if (has_bias) bias = bias_along(l, w.in(2), outputs, beta);
  if (l.is_constant(w.in(1)) && (!has_bias || bias)) {
    uint32_t weights = w.in(1);
    if (alpha != 1) {
      auto numbers = *l.numbers(weights);
      for (double& n : numbers) n *= alpha;
      weights = l.new_constant(l.value(weights).name + "_scaled", l.extents(weights), floats(numbers));
    }
    fully_connected(l, w, x, weights, tb, bias, l.result(w.out(), plain_order));
    return;
  }
  if (w.quantized) l.refuse("its weights or its bias are computed");
  const int32_t y = tb ? l.in_order(w.in(1), {1, 0}) : l.plain(w.in(1));
  Expression product{&l, l.make("BATCH_MATMUL", {x, y}, Type::float32, l.extents(w.out()))};
  if (alpha != 1) product = product * alpha;
  if (has_bias) {
    Expression c{&l, l.plain(w.in(2))};
    if (beta != 1) c = c * beta;
    product = product + c;
  }
  l.define(w.out(), l.activate(product.tensor, w.activation), plain_order);
}

// The Add behind a product that is its bias and nothing else.
std::optional<sdk::NodeView> bias_node(const Lowering& l, const Work& w) {
  const uint32_t out = w.node.output(0);
  if (w.quantized || w.out() != out || !l.has_single_use(out)) return std::nullopt;
  const sdk::NodeView user = l.graph().node(l.users(out)[0]);
  if (!user.is("Add")) return std::nullopt;
  const uint32_t other = user.input(0) == out ? user.input(1) : user.input(0);
  const int64_t outputs = l.extents(w.in(1))[1];
  if (!l.is_constant(other) || l.extents(user.output(0)) != l.extents(out) || !bias_along(l, other, outputs, 1)) return std::nullopt;
  return user;
}

void lower_matmul(Lowering& l, const Work& w) {
  if (!w.quantized && l.type(w.out()) != Type::float32)
    l.refuse(std::string("the runtime's BATCH_MATMUL has no kernel for ") + name(l.type(w.out())));
  const size_t ra = l.rank(w.in(0)), rb = l.rank(w.in(1));
  if (rb == 2 && ra >= 2 && ra <= 4 && l.is_constant(w.in(1))) {
    const auto behind = bias_node(l, w);
    std::optional<std::vector<float>> bias;
    uint32_t out = w.out();
    if (behind) {
      const uint32_t other = behind->input(0) == w.node.output(0) ? behind->input(1) : behind->input(0);
      bias = bias_along(l, other, l.extents(w.in(1))[1], 1);
      out = behind->output(0);
      l.absorb(behind->index());
    }
    // The rows may lie in any order, as long as K is last.
    Order order = l.order_of(w.in(0));
    if (order.back() != static_cast<int>(ra) - 1) order = identity(ra);
    fully_connected(l, w, l.in_order(w.in(0), order), w.in(1), false, bias, l.result(out, order));
    return;
  }
  if (w.quantized && (!l.value(w.in(1)).quantization.zero_points.empty() && l.is_constant(w.in(1))))
    l.refuse("a product with constant batches is not computed on integers");
  uint32_t a = w.in(0), b = w.in(1);
  if (ra == 1) a = l.reshaped(a, {1, l.extents(a)[0]});
  if (rb == 1) b = l.reshaped(b, {l.extents(b)[0], 1});
  // An operand whose two last axes lie swapped is taken so.
  const auto operand = [&](uint32_t id, bool& swapped) {
    Order order = identity(l.rank(id)), other = order;
    std::swap(other[other.size() - 1], other[other.size() - 2]);
    swapped = !l.is_constant(id) && l.order_of(id) == other;
    return l.in_order(id, swapped ? other : order);
  };
  bool sa = false, sb = false;
  const int32_t x = operand(a, sa), y = operand(b, sb);
  if (l.extents_of(x).size() > 5 || l.extents_of(y).size() > 5) l.refuse("the format's BATCH_MATMUL takes at most five axes");
  Extents out = l.extents(w.out());
  if (ra == 1) out.insert(out.end() - (rb == 1 ? 0 : 1), 1);
  if (rb == 1) out.push_back(1);
  const int32_t product = l.make("BATCH_MATMUL", {x, y}, l.type(w.out()), out, {{"adj_x", sa ? 1.0 : 0.0, {}}, {"adj_y", sb ? 1.0 : 0.0, {}}},
                                 l.value(w.out()).quantization);
  l.define(w.out(), l.reshape(product, l.extents(w.out())), identity(l.rank(w.out())));
}

void lower_matmul_integer(Lowering& l, const Work& w) { integer_product(l, w, lower_matmul); }

const LowerRule rules[] = {{"Gemm", lower_gemm}, {"MatMulInteger", lower_matmul_integer}, {"MatMul", lower_matmul}};

}  // namespace

std::span<const LowerRule> matrix_rules() { return rules; }

}  // namespace lathe::tflite
