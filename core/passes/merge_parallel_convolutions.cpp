// One walk forwards over additions; a merged convolution stands where the addition stood, so a chain of additions merges in order.
#include "core/passes/merge_parallel_convolutions.hpp"

#include <optional>

#include "core/passes/rewrite.hpp"

namespace lathe {
namespace {

struct Branch {
  NodeId node = none;
  const Tensor* weights = nullptr;  // [M, C / group, kernel...]
  std::vector<double> bias;         // M numbers
  std::vector<int64_t> kernel, strides, dilations, begins, ends;
  int64_t group = 1;
};

bool is_op(const Node& node, std::string_view op_type) { return node.op_type == op_type && (node.domain.empty() || node.domain == "ai.onnx"); }

std::optional<Branch> branch_of(const Graph& graph, NodeId id) {
  const Node& node = graph.nodes[id];
  if (!is_op(node, "Conv") || node.outputs.size() != 1) return std::nullopt;
  Branch branch;
  branch.node = id;
  branch.weights = graph.constant(node.input(1));
  if (!branch.weights || branch.weights->dimensions.size() < 3 || branch.weights->size() == 0 || node.text("auto_pad", "NOTSET") != "NOTSET")
    return std::nullopt;
  const DataType type = branch.weights->type;
  if (type != DataType::float32 && type != DataType::float64 && type != DataType::float16 && type != DataType::bfloat16) return std::nullopt;
  const auto& d = branch.weights->dimensions;
  branch.kernel.assign(d.begin() + 2, d.end());
  const size_t rank = branch.kernel.size();
  branch.strides = node.integers("strides", std::vector<int64_t>(rank, 1));
  branch.dilations = node.integers("dilations", std::vector<int64_t>(rank, 1));
  const std::vector<int64_t> pads = node.integers("pads", std::vector<int64_t>(2 * rank, 0));
  if (branch.strides.size() != rank || branch.dilations.size() != rank || pads.size() != 2 * rank) return std::nullopt;
  branch.begins.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
  branch.ends.assign(pads.begin() + static_cast<std::ptrdiff_t>(rank), pads.end());
  branch.group = node.integer("group", 1);
  branch.bias.assign(static_cast<size_t>(d[0]), 0.0);
  if (node.input(2) != none) {
    const Tensor* bias = graph.constant(node.inputs[2]);
    auto values = bias && bias->type == type ? to_doubles(*bias) : std::nullopt;
    if (!values || values->size() != branch.bias.size()) return std::nullopt;
    branch.bias = std::move(*values);
  }
  return branch;
}

// How far into the large kernel the small one begins, per axis; nullopt when their windows do not lie on each other.
std::optional<std::vector<int64_t>> offset_of(const Branch& small, const Branch& large) {
  std::vector<int64_t> offset;
  for (size_t i = 0; i < large.kernel.size(); ++i) {
    const int64_t before = large.begins[i] - small.begins[i], after = large.ends[i] - small.ends[i], step = large.dilations[i];
    if (before < 0 || after < 0 || before % step || after % step || small.kernel[i] + before / step + after / step != large.kernel[i])
      return std::nullopt;
    offset.push_back(before / step);
  }
  return offset;
}

// The large kernel with the small one added to its middle.
std::vector<double> sum_of(const Branch& small, const Branch& large, const std::vector<int64_t>& offset) {
  std::vector<double> sum = *to_doubles(*large.weights);
  const std::vector<double> added = *to_doubles(*small.weights);
  const size_t rank = large.kernel.size();
  int64_t small_size = 1, large_size = 1;
  for (size_t i = 0; i < rank; ++i) small_size *= small.kernel[i], large_size *= large.kernel[i];
  for (size_t at = 0; at < added.size(); ++at) {
    auto place = static_cast<int64_t>(at) % small_size;
    const int64_t filter = static_cast<int64_t>(at) / small_size;
    int64_t target = 0, stride = 1;
    for (size_t i = rank; i-- > 0;) {
      target += (place % small.kernel[i] + offset[i]) * stride;
      place /= small.kernel[i];
      stride *= large.kernel[i];
    }
    sum[static_cast<size_t>(filter * large_size + target)] += added[at];
  }
  return sum;
}

class Merger {
 public:
  explicit Merger(Graph& graph) : graph_(graph), uses_(graph) {}

  bool run() {
    for (NodeId n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      if (is_op(node, "Add") && node.inputs.size() == 2 && node.inputs[0] != node.inputs[1]) merge(n);
    }
    if (changed_) compact(graph_);
    return changed_;
  }

 private:
  // The convolution that yields v, if the addition is all that uses it.
  std::optional<Branch> only_for_sum(ValueId v) const {
    if (v == none || uses_.producer[v] == none || uses_.users[v].size() != 1 || uses_.output[v]) return std::nullopt;
    return branch_of(graph_, uses_.producer[v]);
  }

  void merge(NodeId sum) {
    const auto a = only_for_sum(graph_.nodes[sum].inputs[0]), b = only_for_sum(graph_.nodes[sum].inputs[1]);
    if (!a || !b || graph_.nodes[a->node].inputs[0] != graph_.nodes[b->node].inputs[0] || a->weights->type != b->weights->type ||
        a->group != b->group || a->strides != b->strides || a->dilations != b->dilations || a->kernel.size() != b->kernel.size() ||
        a->weights->dimensions[0] != b->weights->dimensions[0] || a->weights->dimensions[1] != b->weights->dimensions[1])
      return;
    const bool a_large = a->weights->size() >= b->weights->size();
    const Branch &large = a_large ? *a : *b, &small = a_large ? *b : *a;
    const auto offset = offset_of(small, large);
    if (!offset) return;
    std::vector<double> bias = large.bias;
    for (size_t i = 0; i < bias.size(); ++i) bias[i] += small.bias[i];
    const DataType type = large.weights->type;
    const std::vector<int64_t> dimensions = large.weights->dimensions;
    Node merged = graph_.nodes[large.node];
    const std::string name = graph_.value(merged.inputs[1]).name + "_merged";
    const std::vector<double> weights = sum_of(small, large, *offset);
    merged.inputs.resize(3, none);
    merged.inputs[1] = graph_.add_constant(name, from_doubles(type, dimensions, weights));
    merged.inputs[2] = graph_.add_constant(name + "_bias", from_doubles(type, {dimensions[0]}, bias));
    merged.outputs = graph_.nodes[sum].outputs;
    graph_.nodes[small.node] = Node();
    graph_.nodes[large.node] = Node();
    graph_.nodes[sum] = std::move(merged);
    // A later addition may find this one as its branch: its output is produced by the same node index as before.
    changed_ = true;
  }

  Graph& graph_;
  const Uses uses_;
  bool changed_ = false;
};

}  // namespace

bool merge_parallel_convolutions(Graph& graph) {
  return for_each_graph(graph, [](Graph& one) { return Merger(one).run(); });
}

}  // namespace lathe
