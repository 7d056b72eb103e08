// One walk forwards: each linear operator looks down the chain of its only users and takes over the last one's output.
#include "core/passes/fold_batch_norm.hpp"

#include <cmath>
#include <limits>
#include <utility>

#include "core/passes/rewrite.hpp"

namespace lathe {
namespace {

// y[c] = scale[c] * x[c] + shift[c]
struct Affine {
  std::vector<double> scale, shift;

  explicit Affine(size_t channels) : scale(channels, 1.0), shift(channels, 0.0) {}
  void then(const Affine& next) {
    for (size_t c = 0; c < scale.size(); ++c) {
      scale[c] *= next.scale[c];
      shift[c] = shift[c] * next.scale[c] + next.shift[c];
    }
  }
};

bool is_op(const Node& node, std::string_view op_type) { return node.op_type == op_type && (node.domain.empty() || node.domain == "ai.onnx"); }

// One number per channel from a constant that is broadcast against a value of this rank, channels on axis 1.
std::optional<std::vector<double>> per_channel(const Graph& graph, ValueId v, size_t rank, size_t channels) {
  const Tensor* tensor = graph.constant(v);
  if (!tensor || tensor->dimensions.size() > rank) return std::nullopt;
  for (size_t i = 0; i < tensor->dimensions.size(); ++i) {
    const bool channel_axis = i + rank - tensor->dimensions.size() == 1;
    if (tensor->dimensions[i] != 1 && !(channel_axis && std::cmp_equal(tensor->dimensions[i], channels))) return std::nullopt;
  }
  auto values = to_doubles(*tensor);
  if (!values || values->empty()) return std::nullopt;
  if (values->size() == 1) values->resize(channels, values->front());
  return values;
}

std::optional<Affine> batch_norm(const Graph& graph, const Node& node) {
  if (node.inputs.size() != 5 || node.integer("training_mode", 0) != 0) return std::nullopt;
  for (size_t i = 1; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != none) return std::nullopt;
  }
  std::vector<double> parameters[4];  // scale, B, mean, var
  for (size_t i = 0; i < 4; ++i) {
    const Tensor* tensor = graph.constant(node.inputs[i + 1]);
    auto values = tensor ? to_doubles(*tensor) : std::nullopt;
    if (!values || (i > 0 && values->size() != parameters[0].size())) return std::nullopt;
    parameters[i] = std::move(*values);
  }
  const float epsilon = node.real("epsilon", 1e-5f);
  const auto affine_in = [&]<class T>(T) {
    Affine affine(parameters[0].size());
    for (size_t c = 0; c < affine.scale.size(); ++c) {
      const T scale = static_cast<T>(parameters[0][c]), shift = static_cast<T>(parameters[1][c]), mean = static_cast<T>(parameters[2][c]);
      const T deviation = std::sqrt(static_cast<T>(parameters[3][c]) + static_cast<T>(epsilon));
      affine.scale[c] = static_cast<double>(scale / deviation);
      affine.shift[c] = static_cast<double>(shift - scale * mean / deviation);
    }
    return affine;
  };
  // Training frameworks fuse float32 networks in float32; a scale of their rounding gives the weights that they deploy, to the bit.
  const bool single = graph.constant(node.inputs[1])->type == DataType::float32;
  return single ? affine_in(0.0f) : affine_in(0.0);
}

// What the node does to `x`, a value of this rank and number of channels, if it is a scale and a shift per channel.
std::optional<Affine> affine_of(const Graph& graph, const Node& node, ValueId x, size_t rank, size_t channels) {
  if (node.outputs.empty() || node.outputs[0] == none) return std::nullopt;
  if (is_op(node, "BatchNormalization")) {
    auto affine = node.input(0) == x ? batch_norm(graph, node) : std::nullopt;
    return affine && affine->scale.size() == channels ? affine : std::nullopt;
  }
  const bool multiply = is_op(node, "Mul"), add = is_op(node, "Add"), subtract = is_op(node, "Sub"), divide = is_op(node, "Div");
  if ((!multiply && !add && !subtract && !divide) || node.inputs.size() != 2 || node.inputs[0] == node.inputs[1]) return std::nullopt;
  const bool x_first = node.inputs[0] == x;
  const auto constant = per_channel(graph, node.inputs[x_first ? 1 : 0], rank, channels);
  if (!constant || (divide && !x_first)) return std::nullopt;
  Affine affine(channels);
  for (size_t c = 0; c < channels; ++c) {
    const double k = (*constant)[c];
    if (multiply) affine.scale[c] = k;
    if (divide) affine.scale[c] = 1.0 / k;
    if (add) affine.shift[c] = k;
    if (subtract) {
      affine.scale[c] = x_first ? 1.0 : -1.0;
      affine.shift[c] = x_first ? -k : k;
    }
  }
  return affine;
}

// A linear operator with constant weights, ready to take an affine step.
struct Linear {
  Node* node = nullptr;
  const Tensor* weights = nullptr;
  std::vector<double> bias;
  size_t channels = 0, rank = 0;
};

std::optional<Linear> linear_of(const Graph& graph, Node& node) {
  const bool conv = is_op(node, "Conv"), transposed = is_op(node, "ConvTranspose"), gemm = is_op(node, "Gemm");
  if (!conv && !transposed && !gemm) return std::nullopt;
  const Tensor* weights = graph.constant(node.input(1));
  if (!weights || weights->dimensions.size() < 2 || node.outputs.size() != 1 || node.outputs[0] == none) {
    return std::nullopt;
  }
  const auto& d = weights->dimensions;
  int64_t channels = d[0];
  if (transposed) {
    const int64_t group = node.integer("group", 1);
    if (group < 1 || d[0] % group != 0) return std::nullopt;
    channels = d[1] * group;  // no overflow: group divides d[0], and d[0] * d[1] was checked
  }
  if (gemm) {
    if (d.size() != 2) return std::nullopt;
    channels = node.integer("transB", 0) != 0 ? d[0] : d[1];
  }
  if (weights->type != DataType::float32 && weights->type != DataType::float64 && weights->type != DataType::float16 &&
      weights->type != DataType::bfloat16) {
    return std::nullopt;
  }
  Linear linear{&node, weights, std::vector<double>(static_cast<size_t>(channels), 0.0), static_cast<size_t>(channels), gemm ? 2 : d.size()};
  if (node.input(2) != none) {
    // A Gemm's C may vary by row too; then it is no bias per channel.
    const Tensor* bias = graph.constant(node.inputs[2]);
    const auto values = gemm ? per_channel(graph, node.inputs[2], 2, linear.channels) : bias ? to_doubles(*bias) : std::nullopt;
    if (!values || values->size() != linear.channels) return std::nullopt;
    const double beta = gemm ? static_cast<double>(node.real("beta", 1.0f)) : 1.0;
    for (size_t c = 0; c < linear.channels; ++c) linear.bias[c] = beta * (*values)[c];
  }
  return linear;
}

// The output channel that each weight belongs to, times its scale.
std::vector<double> scaled_weights(const Linear& linear, const std::vector<double>& scale) {
  std::vector<double> w = *to_doubles(*linear.weights);
  const auto& d = linear.weights->dimensions;
  if (w.empty()) return w;
  const size_t rows = static_cast<size_t>(d[0]), per_row = w.size() / rows;
  const auto columns = static_cast<size_t>(d[1]);
  const size_t per_column = per_row / columns;
  const bool gemm = is_op(*linear.node, "Gemm");
  const bool by_row = is_op(*linear.node, "Conv") || (gemm && linear.node->integer("transB", 0) != 0);
  const auto group = is_op(*linear.node, "ConvTranspose") ? static_cast<size_t>(linear.node->integer("group", 1)) : 1;
  const size_t rows_per_group = rows / group;
  for (size_t i = 0; i < w.size(); ++i) {
    const size_t row = i / per_row, column = i % per_row / per_column;
    w[i] *= scale[by_row ? row : row / rows_per_group * columns + column];
  }
  return w;
}

bool representable(const std::vector<double>& values, DataType type) {
  const double largest = type == DataType::float64   ? std::numeric_limits<double>::max()
                         : type == DataType::float16 ? 65504.0
                                                     : static_cast<double>(std::numeric_limits<float>::max());
  return std::all_of(values.begin(), values.end(), [&](double v) { return std::fabs(v) <= largest; });
}

bool representable(const Affine& affine, DataType type) { return representable(affine.scale, type) && representable(affine.shift, type); }

class Folder {
 public:
  explicit Folder(Graph& graph) : graph_(graph), uses_(graph) {}

  bool run() {
    for (NodeId n = 0; n < graph_.nodes.size(); ++n) {
      Node& node = graph_.nodes[n];
      if (auto linear = linear_of(graph_, node)) changed_ |= fold_chain(*linear);
    }
    for (NodeId n = 0; n < graph_.nodes.size(); ++n) {
      if (is_op(graph_.nodes[n], "BatchNormalization")) split(n);
    }
    insert_nodes(graph_, std::move(insertions_));
    if (changed_) compact(graph_);
    return changed_;
  }

 private:
  // The affine steps after x, as long as each is the only user of what comes before it and their sum is a number of this type.
  struct Chain {
    Affine total;
    std::vector<NodeId> nodes;
    ValueId end;  // what the last one yields
  };
  Chain chain_after(ValueId x, size_t rank, DataType type, Affine start) const {
    Chain chain{std::move(start), {}, x};
    while (uses_.users[chain.end].size() == 1 && !uses_.output[chain.end]) {
      const NodeId next = uses_.users[chain.end][0];
      const auto step = affine_of(graph_, graph_.nodes[next], chain.end, rank, chain.total.scale.size());
      if (!step) break;
      Affine sum = chain.total;
      sum.then(*step);
      if (!representable(sum, type)) break;
      chain.total = std::move(sum);
      chain.nodes.push_back(next);
      chain.end = graph_.nodes[next].outputs[0];
    }
    return chain;
  }

  bool fold_chain(Linear& linear) {
    const Chain chain = chain_after(linear.node->outputs[0], linear.rank, linear.weights->type, Affine(linear.channels));
    if (chain.nodes.empty() || !rewrite(linear, chain.total)) return false;
    linear.node->outputs[0] = chain.end;
    for (const NodeId n : chain.nodes) graph_.nodes[n] = Node();
    return true;
  }

  bool rewrite(Linear& linear, const Affine& total) {
    Node& node = *linear.node;
    const DataType type = linear.weights->type;
    const std::vector<double> weights = scaled_weights(linear, total.scale);
    std::vector<double> bias(linear.channels);
    for (size_t c = 0; c < linear.channels; ++c) bias[c] = linear.bias[c] * total.scale[c] + total.shift[c];
    if (!representable(weights, type) || !representable(bias, type)) return false;
    const std::vector<int64_t> dimensions = linear.weights->dimensions;
    const std::string weights_name = graph_.value(node.inputs[1]).name + "_folded";
    const std::string bias_name = node.input(2) != none ? graph_.value(node.inputs[2]).name + "_folded" : node.name + "_bias";
    node.inputs.resize(3, none);
    node.inputs[1] = graph_.add_constant(weights_name, from_doubles(type, dimensions, weights));
    node.inputs[2] = graph_.add_constant(bias_name, from_doubles(type, {static_cast<int64_t>(linear.channels)}, bias));
    node.attributes.erase("beta");  // the bias has it now
    return true;
  }

  // BatchNormalization, with what follows it, becomes x * scale + shift.
  void split(NodeId n) {
    const Node& node = graph_.nodes[n];
    const ValueId x = node.input(0);
    if (x == none || node.outputs.empty() || node.outputs[0] == none) return;
    const ValueType x_type = graph_.value(x).type;
    const bool real = x_type.element == DataType::float32 || x_type.element == DataType::float64;
    if (!real || !x_type.shape || x_type.shape->size() < 2) return;
    auto affine = batch_norm(graph_, node);
    if (!affine || !representable(*affine, x_type.element)) return;
    const Chain chain = chain_after(node.outputs[0], x_type.shape->size(), x_type.element, std::move(*affine));
    std::vector<int64_t> dimensions(x_type.shape->size() - 1, 1);
    dimensions[0] = static_cast<int64_t>(chain.total.scale.size());
    const std::string name = node.name;
    const ValueId scale = graph_.add_constant(name + "_scale", from_doubles(x_type.element, dimensions, chain.total.scale));
    const ValueId shift = graph_.add_constant(name + "_shift", from_doubles(x_type.element, dimensions, chain.total.shift));
    const ValueId product = graph_.add_value(name + "_scaled", graph_.value(chain.end).type);
    Node multiply;
    multiply.name = graph_.fresh_node_name(name + "_scale");
    multiply.op_type = "Mul";
    multiply.inputs = {x, scale};
    multiply.outputs = {product};
    insertions_.emplace_back(n, std::move(multiply));
    Node add;
    add.name = name;
    add.op_type = "Add";
    add.inputs = {product, shift};
    add.outputs = {chain.end};
    for (const NodeId user : chain.nodes) graph_.nodes[user] = Node();
    graph_.nodes[n] = std::move(add);
    changed_ = true;
  }

  Graph& graph_;
  Uses uses_;
  std::vector<std::pair<NodeId, Node>> insertions_;
  bool changed_ = false;
};

}  // namespace

bool fold_batch_norm(Graph& graph) {
  return for_each_graph(graph, [](Graph& one) { return Folder(one).run(); });
}

}  // namespace lathe
