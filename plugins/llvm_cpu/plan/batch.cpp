// Which nodes treat the items of a batch alike: decided from the operator, its constant inputs, and where the open dimension stands in the shapes.
#include "plan/batch.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include "kernel_names.hpp"
#include "lathe/view.hpp"

namespace lathe::llvm_cpu {

namespace {

// Every output element depends on the input elements at its place (numpy broadcasting).
const std::set<std::string_view> elementwise = {"Abs",
                                                "Acos",
                                                "Acosh",
                                                "Add",
                                                "And",
                                                "Asin",
                                                "Asinh",
                                                "Atan",
                                                "Atanh",
                                                "BitwiseAnd",
                                                "BitwiseNot",
                                                "BitwiseOr",
                                                "BitwiseXor",
                                                "Cast",
                                                "Ceil",
                                                "Celu",
                                                "Clip",
                                                "Cos",
                                                "Cosh",
                                                "Div",
                                                "Dropout",
                                                "Elu",
                                                "Equal",
                                                "Erf",
                                                "Exp",
                                                "Floor",
                                                "Gelu",
                                                "Greater",
                                                "HardSigmoid",
                                                "HardSwish",
                                                "Identity",
                                                "IsInf",
                                                "IsNaN",
                                                "LeakyRelu",
                                                "Less",
                                                "Log",
                                                "Max",
                                                "Mean",
                                                "Min",
                                                "Mish",
                                                "Mod",
                                                "Mul",
                                                "Neg",
                                                "Not",
                                                "Or",
                                                "PRelu",
                                                "Pow",
                                                "Reciprocal",
                                                "Relu",
                                                "Round",
                                                "Selu",
                                                "Sigmoid",
                                                "Sign",
                                                "Sin",
                                                "Sinh",
                                                "Softplus",
                                                "Softsign",
                                                "Sqrt",
                                                "Sub",
                                                "Sum",
                                                "Swish",
                                                "Tan",
                                                "Tanh",
                                                "ThresholdedRelu",
                                                "Where",
                                                "Xor",
                                                "GreaterOrEqual",
                                                "LessOrEqual"};
// The first dimension of input 0 is a batch by the operator's definition; nothing else has it.
const std::set<std::string_view> batched = {"AveragePool",
                                            "BatchNormalization",
                                            "Conv",
                                            "ConvInteger",
                                            "ConvTranspose",
                                            "DepthToSpace",
                                            "GlobalAveragePool",
                                            "GlobalMaxPool",
                                            "GlobalLpPool",
                                            "GroupNormalization",
                                            "InstanceNormalization",
                                            "LRN",
                                            "LpPool",
                                            "MaxPool",
                                            "SpaceToDepth"};
// Along `axis` (the attribute's default), which must not be the first.
struct Axis {
  std::string_view op_type;
  int64_t fallback;
};
constexpr Axis along_axis[] = {
    {"Concat", 0}, {"Split", 0},  {"Softmax", -1}, {"LogSoftmax", -1},         {"Hardmax", -1},         {"ArgMax", 0}, {"ArgMin", 0},
    {"TopK", -1},  {"Gather", 0}, {"Flatten", 1},  {"LayerNormalization", -1}, {"RMSNormalization", -1}};
// Inputs, by position, that must be constants so that the rest can be judged by shapes.
const std::set<std::string_view> along_listed_axes = {"ReduceL1",   "ReduceL2",  "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
                                                      "ReduceMean", "ReduceMin", "ReduceProd",   "ReduceSum",       "ReduceSumSquare"};

class Finder {
 public:
  explicit Finder(const lathe_graph& graph) : graph_(&graph) {}

  std::optional<BatchPart> find() {
    for (const uint32_t input : graph_.inputs()) {
      const sdk::ValueView value = graph_.value(input);
      if (value.kind() != LATHE_KIND_TENSOR || value.rank() < 1 || value.dimensions()[0].value >= 0) continue;
      part_.symbol = std::string(sdk::view(value.dimensions()[0].symbol));
      if (!part_.symbol.empty()) break;
    }
    if (part_.symbol.empty()) return std::nullopt;
    sort_nodes();
    if (!worthwhile()) return std::nullopt;
    list_values();
    return part_.inputs.empty() || part_.outputs.empty() ? std::nullopt : std::optional(part_);
  }

 private:
  // Every dimension but the first is fixed, and that is the open one.
  bool open(uint32_t index) const {
    const sdk::ValueView v = graph_.value(index);
    if (v.kind() != LATHE_KIND_TENSOR || v.rank() < 1 || v.is_constant() || v.type() == LATHE_STRING) return false;
    for (int32_t d = 0; d < v.rank(); ++d) {
      const lathe_dimension& dimension = v.dimensions()[static_cast<size_t>(d)];
      if (d == 0 ? dimension.value >= 0 || sdk::view(dimension.symbol) != part_.symbol : dimension.value < 0) return false;
    }
    return true;
  }
  bool fixed(uint32_t index) const {
    const sdk::ValueView v = graph_.value(index);
    return v.kind() == LATHE_KIND_TENSOR && v.type() != LATHE_STRING && v.has_static_shape();
  }
  bool is_constant(const sdk::NodeView& node, size_t i) const { return !node.has_input(i) || node.input_value(i).is_constant(); }
  int32_t rank(uint32_t index) const { return graph_.value(index).rank(); }

  // The elements of a constant int64 or int32 input.
  std::optional<std::vector<int64_t>> elements(const sdk::NodeView& node, size_t i) const {
    if (!node.has_input(i) || !node.input_value(i).is_constant()) return std::nullopt;
    const sdk::TensorView tensor = *node.input_value(i).constant();
    if (tensor.type() == LATHE_INT64) return tensor.as<int64_t>().copy();
    if (tensor.type() != LATHE_INT32) return std::nullopt;
    const std::vector<int32_t> narrow = tensor.as<int32_t>().copy();
    return std::vector<int64_t>(narrow.begin(), narrow.end());
  }
  // Whether a list of axes leaves the first one out.
  static bool spares_first(const std::optional<std::vector<int64_t>>& axes, int32_t rank) {
    return axes && !axes->empty() && std::all_of(axes->begin(), axes->end(), [&](int64_t a) { return a != 0 && a != -rank; });
  }

  // Only the first `count` inputs carry the open dimension, the first of them for sure.
  bool only_first(const sdk::NodeView& node, size_t count = 1) const {
    if (!node.has_input(0) || !open(node.input(0))) return false;
    for (size_t i = count; i < node.inputs().size(); ++i)
      if (node.has_input(i) && open(node.input(i))) return false;
    return true;
  }

  bool broadcasts(const sdk::NodeView& node) const {
    const int32_t result = rank(node.output(0));
    for (const uint32_t input : node.inputs()) {
      if (input == LATHE_NONE) continue;
      if (open(input) && rank(input) != result) return false;
      if (!open(input) && rank(input) == result && result > 0 && graph_.value(input).dimensions()[0].value != 1) return false;
    }
    return true;
  }

  bool product(const sdk::NodeView& node) const {
    const uint32_t a = node.input(0), b = node.input(1);
    if (!open(a)) return false;
    if (!open(b)) return rank(b) <= 2 || (rank(b) <= rank(a) && (rank(b) < rank(a) || graph_.value(b).dimensions()[0].value == 1));
    return rank(a) == rank(b) && rank(a) > 2;
  }

  // Whether the node does to every item what it does to the batch. Its outputs have the open dimension in front, and its other shapes are fixed.
  bool item_by_item(const sdk::NodeView& node) const {
    const std::string_view op = node.op_type();
    if (!node.domain().empty() || node.inputs().size() == 0) return false;
    if (elementwise.count(op)) return broadcasts(node);
    if (op == "MaxPool" && node.outputs().size() > 1 && node.output(1) != LATHE_NONE) return false;  // its indices count through the whole batch
    if (op == "BatchNormalization" && node.integer("training_mode", 0) != 0) return false;           // its statistics are those of the batch
    if (batched.count(op)) return only_first(node);
    for (const Axis& a : along_axis)
      if (a.op_type == op) {
        const int64_t axis = node.integer("axis", a.fallback), ranks = rank(node.input(0));
        if (axis == 0 || axis == -ranks) return false;
        if (op == "Concat") return std::all_of(node.inputs().begin(), node.inputs().end(), [&](uint32_t i) { return open(i); });
        if (op == "Flatten") return axis == 1 && only_first(node);
        return only_first(node) && (op == "Gather" || is_constant(node, 1) || op == "LayerNormalization");
      }
    if (along_listed_axes.count(op)) return only_first(node) && spares_first(elements(node, 1), rank(node.input(0)));
    // The elements stay in their order, and the first dimension what it is.
    if (op == "Reshape" || op == "Squeeze" || op == "Unsqueeze") return open(node.input(0));
    if (op == "Transpose") {
      const std::vector<int64_t> order = node.integers("perm");
      return only_first(node) && !order.empty() && order[0] == 0;
    }
    if (op == "MatMul") return product(node);
    if (op == "Gemm")
      return only_first(node) && node.integer("transA", 0) == 0 &&
             (!node.has_input(2) || rank(node.input(2)) < 2 || graph_.value(node.input(2)).dimensions()[0].value == 1);
    if (op == "Slice")
      return only_first(node) && is_constant(node, 1) && is_constant(node, 2) && spares_first(elements(node, 3), rank(node.input(0)));
    if (op == "Pad") {
      const auto pads = elements(node, 1);
      return only_first(node) && is_constant(node, 2) && !node.has_input(3) && pads && !pads->empty() && (*pads)[0] == 0 &&
             (*pads)[pads->size() / 2] == 0;
    }
    if (op == "Resize" || op == "Upsample") return only_first(node) && !node.has("axes");
    if (op == "QuantizeLinear" || op == "DequantizeLinear") return only_first(node) && node.integer("axis", 1) != 0;
    return false;
  }

  // Of Reshape and the like only the data matters: the shapes are known.
  static bool matters(const sdk::NodeView& node, size_t input) {
    const std::string_view op = node.op_type();
    const bool view = op == "Reshape" || op == "Squeeze" || op == "Unsqueeze";
    return !(view && input > 0);
  }

  void sort_nodes() {
    part_.nodes.assign(graph_.node_count(), false);
    part_.before.assign(graph_.node_count(), false);
    enum class Made { elsewhere, before, part };
    std::vector<Made> made(graph_.value_count(), Made::elsewhere);
    for (uint32_t v = 0; v < graph_.value_count(); ++v)
      if (graph_.value(v).is_constant()) made[v] = Made::before;
    for (const uint32_t v : graph_.inputs()) made[v] = open(v) ? Made::part : fixed(v) ? Made::before : Made::elsewhere;
    for (uint32_t n = 0; n < graph_.node_count(); ++n) {
      const sdk::NodeView node = graph_.node(n);
      bool any_open = false, known = true, outputs_open = true, outputs_fixed = true;
      for (size_t i = 0; i < node.inputs().size(); ++i) {
        const uint32_t v = node.input(i);
        if (v == LATHE_NONE || !matters(node, i)) continue;
        any_open = any_open || made[v] == Made::part;
        known = known && made[v] != Made::elsewhere;
      }
      for (const uint32_t v : node.outputs()) {
        if (v == LATHE_NONE) continue;
        outputs_open = outputs_open && open(v);
        outputs_fixed = outputs_fixed && fixed(v);
      }
      const std::vector<int32_t> attributes = node_attributes(node);
      const bool plain = std::none_of(attributes.begin(), attributes.end(), [](int32_t kind) { return kind == LATHE_ATTRIBUTE_GRAPH; });
      if (!known || !plain || node.outputs().size() == 0) continue;
      part_.nodes[n] = any_open && outputs_open && !kernel_decides_shapes(node.domain(), node.op_type()) && item_by_item(node);
      // All inputs count here, those that do not matter to shapes too.
      const bool settled =
          std::all_of(node.inputs().begin(), node.inputs().end(), [&](uint32_t v) { return v == LATHE_NONE || made[v] == Made::before; });
      part_.before[n] = settled && outputs_fixed;
      for (const uint32_t v : node.outputs())
        if (v != LATHE_NONE) made[v] = part_.nodes[n] ? Made::part : part_.before[n] ? Made::before : Made::elsewhere;
    }
  }
  static std::vector<int32_t> node_attributes(const sdk::NodeView& node) {
    std::vector<int32_t> kinds;
    for (size_t i = 0; i < node.attribute_count(); ++i) kinds.push_back(node.attribute(i).kind());
    return kinds;
  }

  void list_values() {
    std::set<uint32_t> made, read, wanted;
    for (uint32_t n = 0; n < graph_.node_count(); ++n) {
      const sdk::NodeView node = graph_.node(n);
      for (size_t i = 0; i < node.inputs().size(); ++i) {
        const uint32_t v = node.input(i);
        if (v == LATHE_NONE) continue;
        if (!part_.nodes[n])
          wanted.insert(v);
        else if (matters(node, i) && !graph_.value(v).is_constant())
          read.insert(v);
      }
      if (part_.nodes[n])
        for (const uint32_t v : node.outputs())
          if (v != LATHE_NONE) made.insert(v);
    }
    for (const uint32_t v : graph_.outputs()) wanted.insert(v);
    for (size_t s = 0; s < graph_.get().subgraph_count; ++s)
      for (const lathe_capture& capture : graph_.subgraph(s).captures()) wanted.insert(capture.outer);
    for (const uint32_t v : read)
      if (!made.count(v)) (open(v) ? part_.inputs : part_.shared).push_back(v);
    for (const uint32_t v : made)
      if (wanted.count(v)) part_.outputs.push_back(v);
  }

  // Items are to be large: what is small is faster as a whole batch.
  bool worthwhile() const {
    constexpr int64_t large = 16384;  // elements
    int64_t elements = 0;
    bool rows = false;
    for (uint32_t n = 0; n < graph_.node_count(); ++n) {
      if (!part_.nodes[n]) continue;
      const sdk::NodeView node = graph_.node(n);
      if (batched.count(node.op_type())) return true;
      rows = rows || ((node.op_type() == "MatMul" || node.op_type() == "Gemm") && rank(node.input(0)) == 2);
      int64_t size = 1;
      for (const int64_t d : node.output_value(0).shape()) size *= d < 0 ? 1 : d;
      elements += size;
    }
    return elements >= large && !rows;
  }

  sdk::GraphView graph_;
  BatchPart part_;
};

}  // namespace

std::optional<BatchPart> find_batch_part(const lathe_graph& graph) { return Finder(graph).find(); }

}  // namespace lathe::llvm_cpu
