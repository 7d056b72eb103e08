// What is said of bad nodes, for every operator: wrong counts, types and attributes are made up from the signatures themselves; impossible shapes
// and values stand in tables with a row for every family. What an operator says beyond that is tested in its family's own file.
#include <set>

#include "core/ops/families.hpp"
#include "core/ops/node_inference.hpp"
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

// The element types that a formal's first alternative takes, and the kind of value it is.
struct Wanted {
  ValueKind kind = ValueKind::tensor;
  std::vector<DataType> types;  // empty: any
};

Wanted wanted(const Operator& op, const Formal& formal) {
  std::string_view text = formal.types.substr(0, formal.types.find(" | "));
  const auto strip = [&](std::string_view word) {
    const bool is = text.starts_with(word);
    if (is) text = text.substr(word.size(), text.size() - word.size() - 1);
    return is;
  };
  const bool optional = strip("optional("), sequence = strip("seq(");
  Wanted result;
  result.kind = optional ? (sequence ? ValueKind::optional_sequence : ValueKind::optional) : (sequence ? ValueKind::sequence : ValueKind::tensor);
  for (const TypeVariable& variable : op.types)
    if (variable.name == text) result.types = variable.allowed;
  if (strip("tensor(")) result.types = {*parse_data_type(text)};
  return result;
}

ValueType fitting(const Operator& op, const Formal& formal) {
  const Wanted w = wanted(op, formal);
  return {w.kind, w.types.empty() ? DataType::float32 : w.types.front(), std::nullopt};
}

// A node of the operator with all its formal inputs, its outputs that must be there, and no attributes.
struct Draft {
  const Operator& op;
  Node node;
  std::vector<ValueType> inputs;

  explicit Draft(const Operator& o) : op(o) {
    node.name = "judged";
    node.domain = std::string(o.domain);
    node.op_type = std::string(o.name);
    for (const Formal& formal : o.inputs) inputs.push_back(fitting(o, formal));
    for (const Formal& formal : o.outputs)
      if (formal.kind == Formal::required || formal.kind == Formal::variadic) node.outputs.push_back(ValueId(node.outputs.size()));
  }

  // The one complaint about it.
  Diagnostic complaint() const {
    std::vector<InputFacts> facts;
    Node copy = node;
    for (const ValueType& type : inputs) {
      facts.push_back({&type, nullptr, nullptr});
      copy.inputs.push_back(ValueId(copy.inputs.size()));
    }
    try {
      infer_node(op, copy, facts);
    } catch (const Error& error) {
      REQUIRE(error.diagnostics.size() == 1);
      CHECK(error.code == Code::failed);
      const Diagnostic& d = error.diagnostics[0];
      CHECK(d.node == "judged");
      CHECK(d.op_type == op.name);
      CHECK(d.sentence().find("judged") != std::string::npos);
      CHECK(d.sentence().find(op.name) != std::string::npos);
      return d;
    }
    FAIL_CHECK("nothing was said of " << op.name);
    return {};
  }
};

std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }
bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

template <class Check>
void each_operator(Check check) {
  for (const Operator* op : operators()) {
    CAPTURE(op->domain);
    CAPTURE(op->name);
    check(*op);
  }
}

bool takes_any_number(const std::vector<Formal>& formals) { return !formals.empty() && formals.back().kind >= Formal::variadic; }

}  // namespace

TEST_CASE("wrong counts of inputs and outputs, for every operator") {
  each_operator([](const Operator& op) {
    for (const Formal& formal : op.inputs) {
      if (formal.kind != Formal::required && formal.kind != Formal::variadic) continue;
      Draft bare(op);
      bare.inputs.clear();
      CHECK(bare.complaint().text == "input " + quoted(formal.name) + " is missing");
      break;
    }
    if (!takes_any_number(op.inputs)) {
      Draft crowded(op);
      crowded.inputs.push_back({ValueKind::tensor, DataType::float32, std::nullopt});
      const Diagnostic d = crowded.complaint();
      CHECK(d.text == "it has too many inputs");
      CHECK(d.expected == "at most " + std::to_string(op.inputs.size()));
      CHECK(d.found == std::to_string(op.inputs.size() + 1));
    }
    if (!op.outputs.empty() && (op.outputs[0].kind == Formal::required || op.outputs[0].kind == Formal::variadic)) {
      Draft mute(op);
      mute.node.outputs.clear();
      CHECK(mute.complaint().text == "output " + quoted(op.outputs[0].name) + " is missing");
    }
    if (!takes_any_number(op.outputs)) {
      Draft crowded(op);
      crowded.node.outputs.assign(op.outputs.size() + 1, 0);
      const Diagnostic d = crowded.complaint();
      CHECK(d.text == "it has too many outputs");
      CHECK(d.expected == "at most " + std::to_string(op.outputs.size()));
    }
  });
}

TEST_CASE("wrong types of every input, for every operator") {
  each_operator([](const Operator& op) {
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      const Formal& formal = op.inputs[i];
      CAPTURE(formal.name);
      const Wanted w = wanted(op, formal);
      const auto refused = [&](DataType type) { return std::find(w.types.begin(), w.types.end(), type) == w.types.end(); };
      for (int number = 1; !w.types.empty() && number <= int(DataType::int2); ++number) {
        if (!refused(DataType(number))) continue;
        Draft draft(op);
        draft.inputs[i].element = DataType(number);
        const Diagnostic d = draft.complaint();
        CHECK(holds(d.text, "input " + quoted(formal.name)));
        CHECK(holds(d.text, "type"));
        CHECK(holds(d.expected, name(w.types.front())));
        CHECK(d.found == name(DataType(number)));
        break;
      }
      if (formal.types == "any" || holds(std::string(formal.types), "seq(")) continue;
      Draft draft(op);
      draft.inputs[i].kind = ValueKind::sequence;
      const Diagnostic d = draft.complaint();
      CHECK(holds(d.text, "input " + quoted(formal.name)));
      CHECK(holds(d.text, "wrong kind"));
      CHECK(d.expected == formal.types);
    }
  });
}

TEST_CASE("unknown, missing and wrong attributes, for every operator") {
  each_operator([](const Operator& op) {
    Draft unknown(op);
    unknown.node.attributes["colour"] = Attribute{int64_t{1}};
    CHECK(holds(unknown.complaint().text, "the operator has no attribute 'colour'"));
    for (const FormalAttribute& attribute : op.attributes) {
      CAPTURE(attribute.name);
      Draft wrong(op);
      wrong.node.attributes[std::string(attribute.name)] =
          attribute.kind == AttributeKind::texts ? Attribute{1.5f} : Attribute{Attribute::Strings{"a"}};
      const Diagnostic d = wrong.complaint();
      CHECK(d.text == "attribute " + quoted(attribute.name) + " has the wrong kind");
      CHECK(!d.expected.empty());
    }
    for (const FormalAttribute& attribute : op.attributes) {
      if (!attribute.required) continue;
      CHECK(Draft(op).complaint().text == "attribute " + quoted(attribute.name) + " is missing");
      break;
    }
  });
}

TEST_CASE("more dimensions than anything has, for every operator that takes tensors") {
  each_operator([](const Operator& op) {
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      Draft draft(op);
      if (draft.inputs[i].kind != ValueKind::tensor || op.inputs[i].types == "any") continue;
      draft.inputs[i].shape = Shape(17, Dimension(1));
      const Diagnostic d = draft.complaint();
      CHECK(holds(d.text, "input " + quoted(op.inputs[i].name) + " has too many dimensions"));
      CHECK(d.expected == "at most 16");
      CHECK(d.found == "17");
      break;
    }
  });
}

namespace {

struct BadNode {
  std::span<const Operator> (*family)();
  std::string inputs, node;        // of a graph with the one output y
  std::vector<std::string> parts;  // of the sentence, beside node and operator
};

const BadNode bad_shapes[] = {
    {activation_operators, "float[2,3] x, float[4] s", "PRelu(x, s)", {"2x3", "4"}},
    {attention_operators, "float[2,4,8] q, float[3,4,8] k, float[3,4,8] v", "Attention<q_num_heads = 2, kv_num_heads = 2>(q, k, v)", {"2", "3"}},
    {attention_microsoft_operators,
     "float[2,4,8] q, float[3,4,8] k, float[3,4,8] v",
     "com.microsoft.MultiHeadAttention<num_heads = 2>(q, k, v)",
     {"2", "3"}},
    {bitwise_operators, "int32[2] a, int32[3] b", "BitwiseAnd(a, b)", {"2", "3"}},
    {comparison_operators, "float[2] a, float[3] b", "Less(a, b)", {"2", "3"}},
    {control_flow_operators,
     "bool[2] c, float x",
     "If(c) <then_branch = t () => (a) { a = Neg(x) }, else_branch = e () => (b) { b = Abs(x) }>",
     {"2"}},
    {conversion_operators, "float[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1] x", "Cast<to = 7>(x)", {"16", "17"}},
    {convolution_operators, "float[1,3,8,8] x, float[4,2,3,3] w", "Conv(x, w)", {"3", "2"}},
    {einsum_operators, "float[2,3] a, float[4,5] b", "Einsum<equation = \"ij,jk->ik\">(a, b)", {"3", "4"}},
    {elementwise_binary_operators, "float[2] a, float[3] b", "Add(a, b)", {"2", "3"}},
    {elementwise_unary_operators, "float[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1] x", "Sqrt(x)", {"16", "17"}},
    {fused_convolution_operators, "float[1,3,8,8] x, float[4,2,3,3] w", "com.microsoft.FusedConv(x, w)", {"3", "2"}},
    {indexing_operators, "float[2,3] x, int64[2] i", "GatherElements(x, i)", {"2"}},
    {loss_operators, "float[3,5] x, int64[4] t", "SoftmaxCrossEntropyLoss(x, t)", {"3", "4"}},
    {matmul_operators, "float[2,3] a, float[4,5] b", "MatMul(a, b)", {"2x3", "4x5"}},
    {ml_features_operators, "float[2,3] x", "ai.onnx.ml.Scaler<offset = [1.0, 2.0], scale = [1.0, 2.0]>(x)", {"3", "2"}},
    {ml_linear_operators, "float[2,3] x", "ai.onnx.ml.LinearRegressor<coefficients = [1.0, 2.0]>(x)", {"3", "2"}},
    {ml_trees_operators,
     "float[2,3,4] x",
     "ai.onnx.ml.TreeEnsembleRegressor<nodes_treeids = [0], nodes_nodeids = [0], nodes_featureids = [0], nodes_modes = [\"LEAF\"], nodes_values = "
     "[0.0], nodes_truenodeids = [0], nodes_falsenodeids = [0], target_treeids = [0], target_nodeids = [0], target_ids = [0], target_weights = "
     "[1.0]>(x)",
     {"2x3x4"}},
    {movement_operators, "float[2,3] a, float[4,5] b", "Concat<axis = 0>(a, b)", {"2x3", "4x5"}},
    {normalization_operators, "float[1,3,4] x, float[2] s, float[3] b, float[3] m, float[3] v", "BatchNormalization(x, s, b, m, v)", {"3", "2"}},
    {normalization_microsoft_operators,
     "float[1,2,8] x, float[1,2,4] s, float[8] g",
     "com.microsoft.SkipLayerNormalization(x, s, g)",
     {"1x2x8", "1x2x4"}},
    {pooling_operators, "float[1,3,8,8] x", "MaxPool<kernel_shape = [2, 2, 2]>(x)", {"2", "3"}},
    {quantization_operators, "uint8[2,3] x, float[4] s", "DequantizeLinear(x, s)", {"3", "4"}},
    {quantized_arithmetic_operators, "uint8[2] a, float s, uint8 z, uint8[3] b", "com.microsoft.QLinearAdd(a, s, z, b, s, z, s, z)", {"2", "3"}},
    {quantized_products_operators, "uint8[2,3] a, float s, uint8 z, uint8[4,5] b", "QLinearMatMul(a, s, z, b, s, z, s, z)", {"2x3", "4x5"}},
    {random_operators, "float[3] x", "Multinomial(x)", {"2", "1"}},
    {recurrent_operators, "float[5,1,4] x, float[1,8,3] w, float[1,8,2] r", "LSTM<hidden_size = 2>(x, w, r)", {"4", "3"}},
    {reduction_operators, "float[2,3] x", "ArgMax<axis = 2>(x)", {"2"}},
    {resize_operators, "float[1,3,8,8] x, float[0] r, float[3] s", "Resize(x, r, s)", {"4", "3"}},
    {selection_operators, "float[1,5,3] b, float[1,1,5] s", "NonMaxSuppression(b, s)", {"4", "3"}},
    {sequence_operators, "seq(float[2]) s, int64[2] i", "SequenceAt(s, i)", {"2"}},
    {shape_operators, "float[2,3] x, float[1] y0", "Flatten<axis = 3>(x)", {"3"}},
    {signal_operators, "float[8] x", "DFT(x)", {"1"}},
    {softmax_operators, "float[2,3] x", "Softmax<axis = 3>(x)", {"3"}},
    {string_operators, "string[2] a, string[3] b", "StringConcat(a, b)", {"2", "3"}},
    {vision_operators, "float[1,1,2,2] x, float[2,1,1,2] g", "GridSample(x, g)", {"1x1x2x2", "2x1x1x2"}},
};

// Values of attributes that mean nothing, for every family whose operators have attributes with such values.
const BadNode bad_values[] = {
    {activation_operators, "float[2] x", "Gelu<approximate = \"tahn\">(x)", {"'approximate'", "none, tanh", "tahn"}},
    {attention_operators, "float[2,4,9] q", "Attention<q_num_heads = 2, kv_num_heads = 2>(q, q, q)", {"9"}},
    {attention_microsoft_operators, "float[2,4,8] q", "com.microsoft.MultiHeadAttention<num_heads = 3>(q, q, q)", {"8", "3"}},
    {bitwise_operators, "uint8[2] a", "BitShift<direction = \"UP\">(a, a)", {"'direction'", "LEFT", "UP"}},
    {control_flow_operators, "float[2] a", "Scan<num_scan_inputs = 3, body = b (c) => (d) { d = Neg(c) }>(a)", {"'num_scan_inputs'", "3"}},
    {conversion_operators, "float[2] x", "Cast<to = 99>(x)", {"'to'", "99"}},
    {convolution_operators, "float[1,2,8,8] x, float[2,2,3,3] w", "Conv<strides = [1, 0]>(x, w)", {"'strides'", "0"}},
    {einsum_operators, "float[2,3] a", "Einsum<equation = \"ij->ik\">(a)", {"k"}},
    {fused_convolution_operators,
     "float[1,2,8,8] x, float[2,2,3,3] w",
     "com.microsoft.FusedConv<activation = \"Relux\">(x, w)",
     {"'activation'", "Relux"}},
    {indexing_operators, "float[2] x, int64[2] i", "ScatterElements<reduction = \"mean\">(x, i, x)", {"'reduction'", "none, add", "mean"}},
    {loss_operators, "float[3,5] x, int64[3] t", "NegativeLogLikelihoodLoss<reduction = \"most\">(x, t)", {"'reduction'", "mean, none, sum", "most"}},
    {ml_features_operators, "float[2,3] x", "ai.onnx.ml.Normalizer<norm = \"L3\">(x)", {"'norm'", "L3"}},
    {ml_linear_operators, "float[2,1] x", "ai.onnx.ml.LinearRegressor<coefficients = [1.0], post_transform = \"NO\">(x)", {"'post_transform'", "NO"}},
    {ml_trees_operators,
     "float[2,3] x",
     "ai.onnx.ml.TreeEnsembleRegressor<nodes_treeids = [0], nodes_nodeids = [0], nodes_featureids = [0], nodes_modes = [\"LEAVE\"], nodes_values = "
     "[0.0], nodes_truenodeids = [0], nodes_falsenodeids = [0], target_treeids = [0], target_nodeids = [0], target_ids = [0], target_weights = "
     "[1.0]>(x)",
     {"'nodes_modes'", "LEAVE"}},
    {movement_operators, "float[1,8,2,2] x", "DepthToSpace<blocksize = 3>(x)", {"8", "9"}},
    {normalization_operators, "float[2,3] x, float[3] s", "LayerNormalization<stash_type = 7>(x, s)", {"'stash_type'", "7"}},
    {normalization_microsoft_operators, "float[1,4,4,6] x, float[6] s", "com.microsoft.GroupNorm<groups = 4, activation = 0>(x, s, s)", {"6", "4"}},
    {pooling_operators, "float[1,3,8,8] x", "MaxPool<kernel_shape = [2, 2], auto_pad = \"SAME\">(x)", {"'auto_pad'", "SAME"}},
    {quantization_operators, "float[2] x, float s", "QuantizeLinear<output_dtype = 99>(x, s)", {"'output_dtype'", "99"}},
    {quantized_arithmetic_operators,
     "uint8[1,1,4,4] x, float s, uint8 z",
     "com.microsoft.QLinearAveragePool<kernel_shape = [0, 1]>(x, s, z, s, z)",
     {"'kernel_shape'", "0"}},
    {quantized_products_operators,
     "float[2,32] a, uint8[4,1,16] b, float[4] s",
     "com.microsoft.MatMulNBits<K = 32, N = 4, bits = 9, block_size = 32>(a, b, s)",
     {"'bits'", "9"}},
    {random_operators, "float[3] x", "Bernoulli<dtype = 99>(x)", {"'dtype'", "99"}},
    {recurrent_operators, "float[5,1,4] x, float[1,8,4] w, float[1,8,2] r", "LSTM<hidden_size = -2>(x, w, r)", {"'hidden_size'", "-2"}},
    {reduction_operators, "float[2,3] x", "ArgMax<axis = -3>(x)", {"axis", "-3"}},
    {resize_operators, "float[1,1,2,2] x, float[2] s", "Resize<axes = [2, -2]>(x, , s)", {"'axes'", "twice", "-2"}},
    {selection_operators, "float[2,3] x", "Unique<axis = 2>(x)", {"axis", "2"}},
    {sequence_operators, "seq(float[2]) s", "ConcatFromSequence<axis = 0, new_axis = 2>(s)", {"'new_axis'", "2"}},
    {shape_operators, "float[2,3] x", "EyeLike<dtype = 99>(x)", {"'dtype'", "99"}},
    {signal_operators, "int64 n", "HannWindow<output_datatype = 8>(n)", {"'output_datatype'", "8"}},
    {softmax_operators, "float[2,3] x", "LogSoftmax<axis = -3>(x)", {"axis", "-3"}},
    {string_operators, "string[2] a", "StringNormalizer<case_change_action = \"TITLE\">(a)", {"'case_change_action'", "TITLE"}},
    {vision_operators,
     "float[1,1,4,4] x, float[2,4] r, int64[2] b",
     "RoiAlign<sampling_ratio = 4611686018427387904>(x, r, b)",
     {"'sampling_ratio'", "1024"}},
};

void check_rows(std::span<const BadNode> rows) {
  for (const BadNode& row : rows) {
    const size_t dot = row.node.substr(0, row.node.find_first_of("<(")).rfind('.');
    const size_t begin = dot == std::string::npos ? 0 : dot + 1;
    std::vector<std::string> parts = row.parts;
    parts.push_back("judged");
    parts.push_back(row.node.substr(begin, row.node.find_first_of("<(") - begin));
    check_complaint("g (" + row.inputs + ") => (y) { [judged] y = " + row.node + " }", parts);
  }
}

}  // namespace

TEST_CASE("shapes that no operator of a family can take") {
  check_rows(bad_shapes);
  std::set<const Operator*> covered;
  for (const BadNode& row : bad_shapes)
    for (const Operator& op : row.family()) covered.insert(&op);
  for (const Operator* op : operators()) CHECK_MESSAGE(covered.contains(op), op->name, " belongs to a family without a row");
}

TEST_CASE("values of attributes that no operator of a family can take") { check_rows(bad_values); }
