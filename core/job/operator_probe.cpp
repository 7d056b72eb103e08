// Typical uses come from signatures: every required input a float tensor [1,4,8,8], or of fewer dimensions, where its type allows, else of the
// first allowed type. Operators that such inputs do not fit (weights, axes, shapes) have a line in the table of specimens, in ONNX's textual syntax.
#include "core/job/operator_probe.hpp"

#include <algorithm>
#include <array>

#include "core/base/diagnostic.hpp"
#include "core/ir/text.hpp"
#include "core/ops/operator.hpp"
#include "core/passes/expand_functions.hpp"
#include "core/plugin/regions.hpp"

namespace lathe {
namespace {

struct Specimen {
  std::string_view op, graph;
};
constexpr std::array specimens = {
    Specimen{"Conv", "g (float[1,4,8,8] x, float[4,4,3,3] w) => (float[1,4,6,6] y) { y = Conv(x, w) }"},
    Specimen{"ConvTranspose", "g (float[1,4,8,8] x, float[4,4,3,3] w) => (float[1,4,10,10] y) { y = ConvTranspose(x, w) }"},
    Specimen{"Gemm", "g (float[4,8] x, float[8,4] w) => (float[4,4] y) { y = Gemm(x, w) }"},
    Specimen{"MatMul", "g (float[4,8] x, float[8,4] w) => (float[4,4] y) { y = MatMul(x, w) }"},
    Specimen{"MaxPool", "g (float[1,4,8,8] x) => (float[1,4,4,4] y) { y = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x) }"},
    Specimen{"AveragePool", "g (float[1,4,8,8] x) => (float[1,4,4,4] y) { y = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(x) }"},
    Specimen{"LpPool", "g (float[1,4,8,8] x) => (float[1,4,4,4] y) { y = LpPool<kernel_shape = [2, 2], strides = [2, 2]>(x) }"},
    Specimen{"BatchNormalization",
             "g (float[1,4,8,8] x, float[4] s, float[4] b, float[4] m, float[4] v) => (float[1,4,8,8] y) { y = BatchNormalization(x, s, b, m, v) }"},
    Specimen{"InstanceNormalization", "g (float[1,4,8,8] x, float[4] s, float[4] b) => (float[1,4,8,8] y) { y = InstanceNormalization(x, s, b) }"},
    Specimen{"LayerNormalization", "g (float[1,4,8] x, float[8] s) => (float[1,4,8] y) { y = LayerNormalization(x, s) }"},
    Specimen{"Reshape", "g (float[1,4,8,8] x) => (float[4,64] y) <int64[2] s = {4, 64}> { y = Reshape(x, s) }"},
    Specimen{"Expand", "g (float[1,4] x) => (float[3,4] y) <int64[2] s = {3, 4}> { y = Expand(x, s) }"},
    Specimen{"Tile", "g (float[1,4] x) => (float[3,4] y) <int64[2] r = {3, 1}> { y = Tile(x, r) }"},
    Specimen{"Unsqueeze", "g (float[4,8] x) => (float[1,4,8] y) <int64[1] a = {0}> { y = Unsqueeze(x, a) }"},
    Specimen{"Squeeze", "g (float[1,4,8] x) => (float[4,8] y) <int64[1] a = {0}> { y = Squeeze(x, a) }"},
    Specimen{"Slice", "g (float[4,8] x) => (float[2,8] y) <int64[1] s = {0}, int64[1] e = {2}> { y = Slice(x, s, e) }"},
    Specimen{"Split", "g (float[4,8] x) => (float[2,8] y, float[2,8] z) { y, z = Split<num_outputs = 2>(x) }"},
    Specimen{"Gather", "g (float[4,8] x) => (float[2,8] y) <int64[2] i = {0, 3}> { y = Gather(x, i) }"},
    Specimen{"Concat", "g (float[4,8] x, float[4,8] z) => (float[8,8] y) { y = Concat<axis = 0>(x, z) }"},
    Specimen{"Pad", "g (float[4,8] x) => (float[6,8] y) <int64[4] p = {1, 0, 1, 0}> { y = Pad(x, p) }"},
    Specimen{"Resize", "g (float[1,4,8,8] x) => (float[1,4,16,16] y) <float[4] s = {1, 1, 2, 2}> { y = Resize<mode = \"nearest\">(x, , s) }"},
    Specimen{"TopK", "g (float[4,8] x) => (float[4,2] y, int64[4,2] i) <int64[1] k = {2}> { y, i = TopK(x, k) }"},
    Specimen{"Where", "g (bool[4,8] c, float[4,8] a, float[4,8] b) => (float[4,8] y) { y = Where(c, a, b) }"},
    Specimen{"Cast", "g (float[4,8] x) => (int64[4,8] y) { y = Cast<to = 7>(x) }"},
    Specimen{"ConstantOfShape", "g () => (float[2,3] y) <int64[2] s = {2, 3}> { y = ConstantOfShape(s) }"},
    Specimen{"Einsum", "g (float[4,8] a, float[8,4] b) => (float[4,4] y) { y = Einsum<equation = \"ij,jk->ik\">(a, b) }"},
    Specimen{"DepthToSpace", "g (float[1,4,8,8] x) => (float[1,1,16,16] y) { y = DepthToSpace<blocksize = 2>(x) }"},
    Specimen{"SpaceToDepth", "g (float[1,4,8,8] x) => (float[1,16,4,4] y) { y = SpaceToDepth<blocksize = 2>(x) }"},
    Specimen{"CumSum", "g (float[4,8] x) => (float[4,8] y) <int64 a = {1}> { y = CumSum(x, a) }"},
    Specimen{"AffineGrid", "g (float[1,2,3] t) => (y) <int64[4] s = {1, 1, 4, 4}> { y = AffineGrid(t, s) }"},
    Specimen{"Attention", "g (float[1,2,4,8] q) => (y) { y = Attention(q, q, q) }"},
    Specimen{"BitShift", "g (uint8[4,8] x, uint8[4,8] n) => (y) { y = BitShift<direction = \"LEFT\">(x, n) }"},
    Specimen{"CenterCropPad", "g (float[4,8] x) => (y) <int64[2] s = {2, 10}> { y = CenterCropPad(x, s) }"},
    Specimen{"Col2Im", "g (float[1,4,16] x) => (y) <int64[2] i = {5, 5}, int64[2] b = {2, 2}> { y = Col2Im(x, i, b) }"},
    Specimen{"ConcatFromSequence", "g (seq(float[4,8]) s) => (y) { y = ConcatFromSequence<axis = 0>(s) }"},
    Specimen{"Constant", "g (float[2] x) => (y) { c = Constant<value = float[2] {1, 2}>() y = Add(x, c) }"},
    Specimen{"DFT", "g (float[1,8,1] x) => (y) { y = DFT(x) }"},
    Specimen{"DeformConv", "g (float[1,1,3,3] x, float[1,1,2,2] w, float[1,8,2,2] o) => (y) { y = DeformConv(x, w, o) }"},
    Specimen{"GRU", "g (float[5,1,4] x, float[1,6,4] w, float[1,6,2] r) => (y, h) { y, h = GRU<hidden_size = 2>(x, w, r) }"},
    Specimen{"GridSample", "g (float[1,1,4,4] x, float[1,2,2,2] g) => (y) { y = GridSample(x, g) }"},
    Specimen{"GroupNormalization", "g (float[1,4,8] x, float[4] s) => (y) { y = GroupNormalization<num_groups = 2>(x, s, s) }"},
    Specimen{"If",
             "g (bool c, float[4] x) => (y) { y = If(c) <then_branch = t () => (a) { a = Neg(x) }, else_branch = e () => (b) { b = Abs(x) }> }"},
    Specimen{"LSTM", "g (float[5,1,4] x, float[1,8,4] w, float[1,8,2] r) => (y, h) { y, h = LSTM<hidden_size = 2>(x, w, r) }"},
    Specimen{"Loop",
             "g (int64 n, float[4] x) => (y) { y = Loop(n, , x) <body = b (int64 i, bool c, float[4] a) => (d, e) { d = Identity(c) e = Neg(a) }> }"},
    Specimen{"MaxRoiPool", "g (float[1,1,4,4] x, float[2,5] r) => (y) { y = MaxRoiPool<pooled_shape = [2, 2]>(x, r) }"},
    Specimen{"MaxUnpool", "g (float[1,1,2,2] x, int64[1,1,2,2] i) => (y) { y = MaxUnpool<kernel_shape = [2, 2], strides = [2, 2]>(x, i) }"},
    Specimen{"NegativeLogLikelihoodLoss", "g (float[3,5] x, int64[3] t) => (y) { y = NegativeLogLikelihoodLoss(x, t) }"},
    Specimen{"NonMaxSuppression", "g (float[1,5,4] b, float[1,1,5] s) => (y) <int64 n = {2}> { y = NonMaxSuppression(b, s, n) }"},
    Specimen{"OneHot", "g (int64[4] x) => (y) <int64 d = {3}, float[2] v = {0, 1}> { y = OneHot(x, d, v) }"},
    Specimen{"Optional", "g (float[4] x) => (y) { y = Optional(x) }"},
    Specimen{"QLinearConv",
             "g (uint8[1,2,4,4] x, uint8[2,2,3,3] w) => (y) <float s = {1}, uint8 z = {0}> { y = QLinearConv(x, s, z, w, s, z, s, z) }"},
    Specimen{"QLinearMatMul", "g (uint8[2,3] a, uint8[3,4] b) => (y) <float s = {1}, uint8 z = {0}> { y = QLinearMatMul(a, s, z, b, s, z, s, z) }"},
    Specimen{"RNN", "g (float[5,1,4] x, float[1,2,4] w, float[1,2,2] r) => (y, h) { y, h = RNN<hidden_size = 2>(x, w, r) }"},
    Specimen{"RandomNormal", "g () => (y) { y = RandomNormal<shape = [4, 8]>() }"},
    Specimen{"RandomUniform", "g () => (y) { y = RandomUniform<shape = [4, 8]>() }"},
    Specimen{"RegexFullMatch", "g (string[4] x) => (y) { y = RegexFullMatch<pattern = \"a+b\">(x) }"},
    Specimen{"ReverseSequence", "g (float[4,8] x) => (y) <int64[8] n = {1, 2, 3, 4, 1, 2, 3, 4}> { y = ReverseSequence(x, n) }"},
    Specimen{"RoiAlign", "g (float[1,1,4,4] x, float[2,4] r, int64[2] b) => (y) { y = RoiAlign(x, r, b) }"},
    Specimen{"RotaryEmbedding", "g (float[1,2,4,8] x, float[1,4,4] c) => (y) { y = RotaryEmbedding(x, c, c) }"},
    Specimen{"STFT", "g (float[1,16,1] x) => (y) <int64 t = {4}, int64 n = {8}> { y = STFT(x, t, , n) }"},
    Specimen{"Scan",
             "g (float[4] s, float[3,4] x) => (t, y) { t, y = Scan(s, x) <num_scan_inputs = 1, body = b (float[4] a, float[4] c) => (d, e) { d = "
             "Add(a, c) e = Neg(d) }> }"},
    Specimen{"ScatterND", "g (float[4,8] x, float[2,8] u) => (y) <int64[2,1] i = {0, 3}> { y = ScatterND(x, i, u) }"},
    Specimen{"SequenceAt", "g (seq(float[4]) s, int64 i) => (y) { y = SequenceAt(s, i) }"},
    Specimen{"SequenceErase", "g (seq(float[4]) s, int64 i) => (y) { y = SequenceErase(s, i) }"},
    Specimen{"SequenceInsert", "g (seq(float[4]) s, float[4] x) => (y) { y = SequenceInsert(s, x) }"},
    Specimen{"SequenceLength", "g (seq(float[4]) s) => (y) { y = SequenceLength(s) }"},
    Specimen{"SequenceMap", "g (seq(float[4]) s) => (y) { y = SequenceMap(s) <body = b (float[4] a) => (c) { c = Neg(a) }> }"},
    Specimen{"SoftmaxCrossEntropyLoss", "g (float[3,5] x, int64[3] t) => (y) { y = SoftmaxCrossEntropyLoss(x, t) }"},
    Specimen{"TfIdfVectorizer",
             "g (int64[6] x) => (y) { y = TfIdfVectorizer<mode = \"TF\", min_gram_length = 1, max_gram_length = 1, max_skip_count = 0, ngram_counts "
             "= [0], ngram_indexes = [0, 1], pool_int64s = [1, 2]>(x) }"},
    Specimen{"ai.onnx.ml.Imputer", "g (float[2,3] x) => (y) { y = ai.onnx.ml.Imputer<imputed_value_floats = [1.0]>(x) }"},
    Specimen{"ai.onnx.ml.LabelEncoder",
             "g (string[4] x) => (y) { y = ai.onnx.ml.LabelEncoder<keys_strings = [\"a\", \"b\"], values_int64s = [1, 2]>(x) }"},
    Specimen{"ai.onnx.ml.LinearClassifier",
             "g (float[2,3] x) => (y, z) { y, z = ai.onnx.ml.LinearClassifier<coefficients = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], intercepts = [0.0, "
             "1.0], classlabels_ints = [0, 1]>(x) }"},
    Specimen{"ai.onnx.ml.LinearRegressor", "g (float[2,3] x) => (y) { y = ai.onnx.ml.LinearRegressor<coefficients = [1.0, 2.0, 3.0]>(x) }"},
    Specimen{"ai.onnx.ml.OneHotEncoder", "g (int64[4] x) => (y) { y = ai.onnx.ml.OneHotEncoder<cats_int64s = [1, 2]>(x) }"},
    Specimen{"ai.onnx.ml.SVMClassifier",
             "g (float[2,2] x) => (y, z) { y, z = ai.onnx.ml.SVMClassifier<classlabels_ints = [0, 1], coefficients = [1.0, -1.0], kernel_params = "
             "[0.5, 0.0, 3.0], kernel_type = \"RBF\", rho = [0.1], support_vectors = [0.0, 1.0, 1.0, 0.0], vectors_per_class = [1, 1]>(x) }"},
    Specimen{"ai.onnx.ml.SVMRegressor",
             "g (float[2,2] x) => (y) { y = ai.onnx.ml.SVMRegressor<coefficients = [1.0, -1.0], kernel_params = [0.5, 0.0, 3.0], kernel_type = "
             "\"RBF\", n_supports = 2, rho = [0.1], support_vectors = [0.0, 1.0, 1.0, 0.0]>(x) }"},
    Specimen{"ai.onnx.ml.TreeEnsemble",
             "g (float[2,3] x) => (y) { y = ai.onnx.ml.TreeEnsemble<n_targets = 1, tree_roots = [0], nodes_featureids = [0], nodes_splits = float[1] "
             "{0.5}, nodes_modes = uint8[1] {0}, nodes_truenodeids = [0], nodes_trueleafs = [1], nodes_falsenodeids = [1], nodes_falseleafs = [1], "
             "leaf_targetids = [0, 0], leaf_weights = float[2] {1, 2}>(x) }"},
    Specimen{"ai.onnx.ml.TreeEnsembleClassifier",
             "g (float[2,3] x) => (y, z) { y, z = ai.onnx.ml.TreeEnsembleClassifier<nodes_treeids = [0, 0, 0], nodes_nodeids = [0, 1, 2], "
             "nodes_featureids = [0, 0, 0], nodes_modes = [\"BRANCH_LEQ\", \"LEAF\", \"LEAF\"], nodes_values = [0.5, 0.0, 0.0], nodes_truenodeids = "
             "[1, 0, 0], nodes_falsenodeids = [2, 0, 0], class_treeids = [0, 0], class_nodeids = [1, 2], class_ids = [0, 1], class_weights = [1.0, "
             "1.0], classlabels_int64s = [0, 1]>(x) }"},
    Specimen{
        "ai.onnx.ml.TreeEnsembleRegressor",
        "g (float[2,3] x) => (y) { y = ai.onnx.ml.TreeEnsembleRegressor<nodes_treeids = [0, 0, 0], nodes_nodeids = [0, 1, 2], nodes_featureids = [0, "
        "0, 0], nodes_modes = [\"BRANCH_LEQ\", \"LEAF\", \"LEAF\"], nodes_values = [0.5, 0.0, 0.0], nodes_truenodeids = [1, 0, 0], "
        "nodes_falsenodeids = [2, 0, 0], target_treeids = [0, 0], target_nodeids = [1, 2], target_ids = [0, 0], target_weights = [1.0, 2.0]>(x) }"},
    Specimen{"com.microsoft.Attention",
             "g (float[1,4,8] x, float[8,24] w, float[24] b) => (y) { y = com.microsoft.Attention<num_heads = 2>(x, w, b) }"},
    Specimen{"com.microsoft.DynamicQuantizeMatMul",
             "g (float[2,4] a, uint8[4,3] b, float s) => (y) { y = com.microsoft.DynamicQuantizeMatMul(a, b, s) }"},
    Specimen{
        "com.microsoft.EmbedLayerNormalization",
        "g (int32[1,4] i, float[9,8] w, float[6,8] p, float[8] g) => (y, m) { y, m = com.microsoft.EmbedLayerNormalization(i, , w, p, , g, g) }"},
    Specimen{"com.microsoft.GatherBlockQuantized",
             "g (uint8[5,16] x, int64[3] i, float[5,1] s) => (y) { y = com.microsoft.GatherBlockQuantized<block_size = 32>(x, i, s) }"},
    Specimen{"com.microsoft.GroupNorm",
             "g (float[1,4,4,6] x, float[6] s) => (y) { y = com.microsoft.GroupNorm<groups = 2, activation = 0>(x, s, s) }"},
    Specimen{"com.microsoft.GroupQueryAttention",
             "g (float[1,1,16] q, float[1,1,8] k, float[1,1,3,8] p, int32[1] n) => (y, a, b) <int32 t = {4}> { y, a, b = "
             "com.microsoft.GroupQueryAttention<num_heads = 2, kv_num_heads = 1>(q, k, k, p, p, n, t) }"},
    Specimen{"com.microsoft.MatMulIntegerToFloat",
             "g (uint8[2,4] a, uint8[4,3] b, float s) => (y) { y = com.microsoft.MatMulIntegerToFloat(a, b, s, s) }"},
    Specimen{
        "com.microsoft.MatMulNBits",
        "g (float[2,32] a, uint8[4,1,16] b, float[4] s) => (y) { y = com.microsoft.MatMulNBits<K = 32, N = 4, bits = 4, block_size = 32>(a, b, s) }"},
    Specimen{"com.microsoft.MultiHeadAttention", "g (float[1,4,8] q) => (y) { y = com.microsoft.MultiHeadAttention<num_heads = 2>(q, q, q) }"},
    Specimen{"com.microsoft.NhwcFusedConv", "g (float[1,8,8,4] x, float[4,4,3,3] w) => (y) { y = com.microsoft.NhwcFusedConv(x, w) }"},
    Specimen{"com.microsoft.QGemm", "g (uint8[2,3] a, uint8[3,4] b, float s, uint8 z) => (y) { y = com.microsoft.QGemm(a, s, z, b, s, z) }"},
    Specimen{"com.microsoft.QLinearAdd",
             "g (uint8[4,8] a) => (y) <float s = {1}, uint8 z = {0}> { y = com.microsoft.QLinearAdd(a, s, z, a, s, z, s, z) }"},
    Specimen{
        "com.microsoft.QLinearAveragePool",
        "g (uint8[1,2,4,4] x) => (y) <float s = {1}, uint8 z = {0}> { y = com.microsoft.QLinearAveragePool<kernel_shape = [2, 2]>(x, s, z, s, z) }"},
    Specimen{"com.microsoft.QLinearConcat",
             "g (uint8[4,8] x) => (y) <float s = {1}, uint8 z = {0}> { y = com.microsoft.QLinearConcat<axis = 0>(s, z, x, s, z, x, s, z) }"},
    Specimen{"com.microsoft.QLinearGlobalAveragePool",
             "g (uint8[1,2,4,4] x) => (y) <float s = {1}, uint8 z = {0}> { y = com.microsoft.QLinearGlobalAveragePool(x, s, z, s, z) }"},
    Specimen{"com.microsoft.QLinearLeakyRelu",
             "g (uint8[4,8] x) => (y) <float s = {1}, uint8 z = {0}> { y = com.microsoft.QLinearLeakyRelu(x, s, z, s, z) }"},
    Specimen{"com.microsoft.QLinearMul",
             "g (uint8[4,8] a) => (y) <float s = {1}, uint8 z = {0}> { y = com.microsoft.QLinearMul(a, s, z, a, s, z, s, z) }"},
    Specimen{"com.microsoft.QLinearSigmoid",
             "g (uint8[4,8] x) => (y) <float s = {1}, uint8 z = {0}> { y = com.microsoft.QLinearSigmoid(x, s, z, s, z) }"},
    Specimen{"com.microsoft.QLinearSoftmax",
             "g (uint8[4,8] x) => (y) <float s = {1}, uint8 z = {0}> { y = com.microsoft.QLinearSoftmax<opset = 13>(x, s, z, s, z) }"},
    Specimen{"com.microsoft.RotaryEmbedding",
             "g (float[1,4,16] x, int64[1,4] p, float[8,4] c) => (y) { y = com.microsoft.RotaryEmbedding(x, p, c, c) }"},
    Specimen{"com.microsoft.SkipLayerNormalization", "g (float[1,4,8] x, float[8] g) => (y) { y = com.microsoft.SkipLayerNormalization(x, x, g) }"},
    Specimen{"com.microsoft.SkipSimplifiedLayerNormalization",
             "g (float[1,4,8] x, float[8] g) => (y) { y = com.microsoft.SkipSimplifiedLayerNormalization(x, x, g) }"},
};

// The type a formal takes in a typical use: float32 where it may be.
DataType typical_type(const Operator& op, const Formal& formal) {
  for (const TypeVariable& variable : op.types) {
    if (variable.name != formal.types) continue;
    if (variable.allowed.empty() || std::find(variable.allowed.begin(), variable.allowed.end(), DataType::float32) != variable.allowed.end())
      return DataType::float32;
    return variable.allowed.front();
  }
  size_t open = formal.types.find('('), close = formal.types.find(')');
  if (open == std::string_view::npos || close == std::string_view::npos) return DataType::float32;
  return parse_data_type(formal.types.substr(open + 1, close - open - 1)).value_or(DataType::float32);
}

// Every required input with that shape, where its type allows float32; integers are small constants, as axes and sizes are.
Graph graph_of(const Operator& op, const Shape& shape, bool constant_integers) {
  Graph graph;
  graph.name = "probe";
  graph.opsets[""] = canonical_opset;
  if (!op.domain.empty()) graph.opsets[std::string(op.domain)] = op.versions.back();
  std::vector<ValueId> inputs, outputs;
  for (const Formal& formal : op.inputs) {
    if (formal.kind == Formal::optional) break;
    const ValueType type{ValueKind::tensor, typical_type(op, formal), shape};
    if (constant_integers && type.element == DataType::int64) {
      inputs.push_back(graph.add_constant(std::string(formal.name), Tensor::of<int64_t>(DataType::int64, {1}, std::array<int64_t, 1>{1})));
      continue;
    }
    inputs.push_back(graph.add_value(std::string(formal.name), type));
    graph.inputs.push_back(inputs.back());
    if (formal.kind == Formal::variadic) {
      inputs.push_back(graph.add_value(std::string(formal.name) + "_2", type));
      graph.inputs.push_back(inputs.back());
    }
  }
  for (const Formal& formal : op.outputs) {
    if (formal.kind == Formal::optional) break;
    outputs.push_back(graph.add_value("out_" + std::string(formal.name)));
  }
  graph.outputs = outputs;
  Node& node = graph.add_node(std::string(op.name), inputs, outputs, "probe");
  node.domain = op.domain;
  for (const FormalAttribute& a : op.attributes) {
    if (!a.required) continue;
    if (a.kind == AttributeKind::integer) node.attributes[std::string(a.name)] = Attribute{int64_t(a.name == "axis" ? 0 : 1)};
    if (a.kind == AttributeKind::real) node.attributes[std::string(a.name)] = Attribute{1.0f};
  }
  return graph;
}

}  // namespace

Graph typical_graph(const Operator& op) {
  const std::string name = op.domain.empty() ? std::string(op.name) : std::string(op.domain) + "." + std::string(op.name);
  for (const Specimen& specimen : specimens)
    if (specimen.op == name) return parse_text(specimen.graph, name);
  const std::array shapes = {Shape{1, 4, 8, 8}, Shape{1, 4, 8}, Shape{4, 4}, Shape{4}, Shape{}};
  for (const bool constant_integers : {false, true})
    for (const Shape& shape : shapes) {
      Graph graph = graph_of(op, shape, constant_integers);
      try {
        infer_types(graph);
        return graph;
      } catch (const Error&) {
      }
    }
  return graph_of(op, shapes[0], false);
}

std::vector<OperatorProbe> probe_operators(Backend& backend, const std::string& target, std::span<const Operator* const> list) {
  std::vector<OperatorProbe> probes;
  for (const Operator* op : list) {
    OperatorProbe probe;
    Graph graph;
    bool made = true;
    try {
      // As a target sees it: constants are values, and what every pipeline expands is expanded.
      graph = typical_graph(*op);
      lift_to_canonical(graph);
      infer_types(graph);
      expand_functions(graph);
      infer_types(graph);
    } catch (const Error&) {
      made = false;  // an operator whose typical use a signature does not tell
    }
    if (made) {
      probe.answer = OperatorProbe::Answer::taken;
      for (const NodeVerdict& verdict : ask_verdicts(graph, {&backend.plugin(), backend.self(), target, backend.opset()}))
        if (!verdict.taken) probe.answer = OperatorProbe::Answer::refused, probe.reason = verdict.reason;
    }
    probes.push_back(std::move(probe));
  }
  return probes;
}

}  // namespace lathe
