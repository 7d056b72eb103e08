// A table from operator to rule, and one walk forwards in which every node meets its rule after its inputs met theirs.
#include "core/passes/simplify_algebra.hpp"

#include <cmath>
#include <unordered_map>

#include "core/passes/rewrite.hpp"

namespace lathe {
namespace {

bool is_float(DataType type) {
  return type == DataType::float32 || type == DataType::float64 || type == DataType::float16 || type == DataType::bfloat16;
}

class Simplifier {
 public:
  explicit Simplifier(Graph& graph) : graph_(graph), uses_(graph), replacements_(graph) {}

  bool run() {
    using Rule = bool (Simplifier::*)(Node&);
    static const std::unordered_map<std::string_view, Rule> rules{
        {"Add", &Simplifier::add},
        {"Cast", &Simplifier::cast},
        {"Clip", &Simplifier::clip},
        {"Concat", &Simplifier::of_one},
        {"Div", &Simplifier::divide},
        {"Dropout", &Simplifier::dropout},
        {"Expand", &Simplifier::same_shape_is_same},
        {"Flatten", &Simplifier::reshape},
        {"Identity", &Simplifier::identity},
        {"Max", &Simplifier::of_one},
        {"Mean", &Simplifier::of_one},
        {"Min", &Simplifier::of_one},
        {"Mul", &Simplifier::multiply},
        {"Pad", &Simplifier::pad},
        {"Pow", &Simplifier::power},
        {"Reshape", &Simplifier::reshape},
        {"Slice", &Simplifier::slice},
        {"Squeeze", &Simplifier::reshape},
        {"Sub", &Simplifier::subtract},
        {"Sum", &Simplifier::sum},
        {"Tile", &Simplifier::same_shape_is_same},
        {"Transpose", &Simplifier::transpose},
        {"Unsqueeze", &Simplifier::reshape},
    };
    bool changed = false;
    for (Node& node : graph_.nodes) {
      replacements_.resolve_inputs(node);
      const bool onnx = node.domain.empty() || node.domain == "ai.onnx";
      const auto rule = onnx ? rules.find(node.op_type) : rules.end();
      if (rule == rules.end() || node.input(0) == none || node.outputs.empty() || node.outputs[0] == none) continue;
      changed |= (this->*rule->second)(node);
    }
    if (changed) {
      replacements_.apply();
      compact(graph_);
    }
    return changed;
  }

 private:
  // ---- what rules are made of

  const ValueType& type(ValueId v) const { return graph_.value(v).type; }

  const Node* made_by(ValueId v, std::string_view op_type) const {
    if (v == none || v >= uses_.producer.size() || uses_.producer[v] == none) return nullptr;
    const Node& node = graph_.nodes[uses_.producer[v]];
    return node.op_type == op_type && (node.domain.empty() || node.domain == "ai.onnx") ? &node : nullptr;
  }

  bool unused(ValueId v) const { return v == none || (v < uses_.users.size() && uses_.users[v].empty() && !uses_.output[v]); }

  // The node's first output is nothing but `v`. Where v cannot stand for it (both are inputs or outputs of the graph), Identity says so.
  bool pass_through(Node& node, ValueId v) {
    for (size_t i = 1; i < node.outputs.size(); ++i) {
      if (!unused(node.outputs[i])) return false;
    }
    const ValueType known = type(node.outputs[0]);
    if (replacements_.replace(node.outputs[0], v)) {
      ValueType& kept = graph_.value(replacements_.resolve(v)).type;
      if (!kept.shape) kept.shape = known.shape;
      node = Node();
      return true;
    }
    if (node.op_type == "Identity") return false;
    become(node, "Identity", {v});
    return true;
  }

  static void become(Node& node, const char* op_type, std::vector<ValueId> inputs) {
    node.op_type = op_type;
    node.inputs = std::move(inputs);
    node.outputs.resize(1);
    node.attributes.clear();
  }

  // Is `k` a constant of this one value that leaves the shape of `x` as it is?
  bool is_number(ValueId k, double value, ValueId x) const {
    const Tensor* tensor = graph_.constant(k);
    return tensor && x != none && broadcasts_into(tensor->dimensions, type(x)) && uniform_value(graph_, k) == value;
  }

  // The other operand of a commutative node of two inputs, one of which is this number.
  ValueId beside(const Node& node, double value) const {
    if (node.inputs.size() != 2) return none;
    if (is_number(node.inputs[1], value, node.inputs[0])) return node.inputs[0];
    if (is_number(node.inputs[0], value, node.inputs[1])) return node.inputs[1];
    return none;
  }

  // ---- arithmetic

  bool add(Node& node) {
    const ValueId x = beside(node, 0.0);
    return x != none && pass_through(node, x);
  }

  bool subtract(Node& node) { return is_number(node.input(1), 0.0, node.inputs[0]) && pass_through(node, node.inputs[0]); }

  bool multiply(Node& node) {
    if (const ValueId x = beside(node, 1.0); x != none) return pass_through(node, x);
    if (const ValueId x = beside(node, static_cast<double>(1.0f / 6.0f)); x != none) return sixth(node, x);
    if (node.inputs.size() != 2) return false;
    for (const size_t i : {0, 1}) {
      if (hard_sigmoid_of(node.inputs[1 - i]) == node.inputs[i] && node.inputs[i] != none) {
        become(node, "HardSwish", {node.inputs[i]});
        return true;
      }
    }
    return false;
  }

  bool divide(Node& node) {
    const ValueId x = node.inputs[0];
    if (is_number(node.input(1), 1.0, x)) return pass_through(node, x);
    return is_number(node.input(1), 6.0, x) && sixth(node, x);
  }

  bool power(Node& node) {
    const ValueId x = node.inputs[0];
    if (is_number(node.input(1), 1.0, x)) return pass_through(node, x);
    if (!is_number(node.input(1), 2.0, x) || !is_float(type(x).element)) return false;
    become(node, "Mul", {x, x});
    return true;
  }

  bool sum(Node& node) {
    if (node.inputs.size() != 2) return of_one(node);
    node.op_type = "Add";
    add(node);
    return true;
  }

  // ---- activations

  bool clip(Node& node) {
    const ValueId low = node.input(1), high = node.input(2);
    const bool no_high = high == none || uniform_value(graph_, high) == std::numeric_limits<double>::infinity();
    const bool no_low = low == none || uniform_value(graph_, low) == -std::numeric_limits<double>::infinity();
    if (no_low && no_high) return pass_through(node, node.inputs[0]);
    if (!no_high || !is_float(type(node.inputs[0]).element) || low == none || uniform_value(graph_, low) != 0.0) return false;
    become(node, "Relu", {node.inputs[0]});
    return true;
  }

  // x where v = clip(x + 3, 0, 6), otherwise none.
  ValueId clipped_of(ValueId v) const {
    const Node* clip = made_by(v, "Clip");
    if (!clip || uniform_value(graph_, clip->input(1)) != 0.0 || uniform_value(graph_, clip->input(2)) != 6.0) return none;
    const Node* sum = made_by(clip->inputs[0], "Add");
    return sum ? beside(*sum, 3.0) : none;
  }

  // x where v = HardSigmoid(x) with the constants of HardSwish, otherwise none.
  ValueId hard_sigmoid_of(ValueId v) const {
    const Node* node = made_by(v, "HardSigmoid");
    return node && node->real("alpha", 0.2f) == 1.0f / 6.0f && node->real("beta", 0.5f) == 0.5f ? node->input(0) : none;
  }

  // The node divides v by six.
  bool sixth(Node& node, ValueId v) {
    if (!is_float(type(v).element)) return false;
    if (const ValueId x = clipped_of(v); x != none) {
      become(node, "HardSigmoid", {x});
      node.attributes["alpha"].value = 1.0f / 6.0f;
      node.attributes["beta"].value = 0.5f;
      return true;
    }
    const Node* product = made_by(v, "Mul");
    if (!product || product->inputs.size() != 2) return false;
    for (const size_t i : {0, 1}) {
      const ValueId x = product->inputs[i];
      if (x == none || clipped_of(product->inputs[1 - i]) != x) continue;
      become(node, "HardSwish", {x});
      return true;
    }
    return false;
  }

  // ---- what moves data

  bool identity(Node& node) { return pass_through(node, node.inputs[0]); }
  bool of_one(Node& node) { return node.inputs.size() == 1 && pass_through(node, node.inputs[0]); }

  bool dropout(Node& node) {
    const ValueId training = node.input(2);
    if (training != none && uniform_value(graph_, training) != 0.0) return false;
    return pass_through(node, node.inputs[0]);
  }

  bool cast(Node& node) {
    const DataType from = type(node.inputs[0]).element;
    return from != DataType::none && node.integer("to", 0) == static_cast<int64_t>(from) && pass_through(node, node.inputs[0]);
  }

  bool same_shape_is_same(Node& node) { return same_shape(type(node.inputs[0]), type(node.outputs[0])) && pass_through(node, node.inputs[0]); }

  bool slice(Node& node) {
    if (node.input(4) != none && uniform_value(graph_, node.inputs[4]) != 1.0) return false;
    return same_shape_is_same(node);
  }

  bool pad(Node& node) { return node.input(1) != none && uniform_value(graph_, node.inputs[1]) == 0.0 && pass_through(node, node.inputs[0]); }

  static bool keeps_order(const Node& node) {
    return node.op_type == "Reshape" || node.op_type == "Flatten" || node.op_type == "Squeeze" || node.op_type == "Unsqueeze";
  }

  // Reshape, Flatten, Squeeze and Unsqueeze give the same elements in the same order another shape.
  bool reshape(Node& node) {
    if (same_shape_is_same(node)) return true;
    const ValueId v = node.inputs[0];
    if (v >= uses_.producer.size() || uses_.producer[v] == none) return false;
    const Node& before = graph_.nodes[uses_.producer[v]];
    if (!(before.domain.empty() || before.domain == "ai.onnx") || !keeps_order(before) || before.input(0) == none) return false;
    const ValueId x = before.inputs[0];
    if (same_shape(type(x), type(node.outputs[0]))) return pass_through(node, x);
    if (node.op_type != "Reshape") return false;
    // A 0 in the target copies a dimension of the input, which the one before may have changed.
    const Tensor* target = graph_.constant(node.input(1));
    if (!target || target->type != DataType::int64) return false;
    const std::vector<int64_t> dimensions = to_int64s(*target);
    if (std::find(dimensions.begin(), dimensions.end(), 0) != dimensions.end()) return false;
    node.inputs[0] = x;
    return true;
  }

  static std::optional<std::vector<int64_t>> permutation(const Node& node, const ValueType& x) {
    std::vector<int64_t> perm = node.integers("perm");
    if (!node.has("perm")) {
      if (!x.shape) return std::nullopt;
      for (size_t i = x.shape->size(); i > 0; --i) perm.push_back(static_cast<int64_t>(i - 1));
    }
    std::vector<bool> seen(perm.size(), false);
    for (const int64_t axis : perm) {
      if (axis < 0 || std::cmp_greater_equal(axis, perm.size()) || seen[static_cast<size_t>(axis)]) return std::nullopt;
      seen[static_cast<size_t>(axis)] = true;
    }
    return perm;
  }

  bool transpose(Node& node) {
    auto perm = permutation(node, type(node.inputs[0]));
    if (!perm) return false;
    if (std::is_sorted(perm->begin(), perm->end())) return pass_through(node, node.inputs[0]);
    const Node* before = made_by(node.inputs[0], "Transpose");
    if (!before || before->input(0) == none) return false;
    const auto first = permutation(*before, type(before->inputs[0]));
    if (!first || first->size() != perm->size()) return false;
    for (int64_t& axis : *perm) axis = (*first)[static_cast<size_t>(axis)];
    if (std::is_sorted(perm->begin(), perm->end())) return pass_through(node, before->inputs[0]);
    node.inputs[0] = before->inputs[0];
    node.attributes["perm"].value = std::move(*perm);
    return true;
  }

  Graph& graph_;
  Uses uses_;  // as it was at the start: rules change nodes in place, so producers stay true
  Replacements replacements_;
};

}  // namespace

bool simplify_algebra(Graph& graph) {
  return for_each_graph(graph, [](Graph& one) { return Simplifier(one).run(); });
}

}  // namespace lathe
