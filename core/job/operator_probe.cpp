// Typical uses come from signatures: every required input a float tensor [1,4,8,8], or of fewer dimensions, where its type allows, else of the
// first allowed type. Operators that such inputs do not fit (weights, axes, shapes) have a line in the table of specimens, in ONNX's textual syntax.
#include "core/job/operator_probe.hpp"

#include <algorithm>
#include <array>

#include "core/base/diagnostic.hpp"
#include "core/ir/text.hpp"
#include "core/ops/operator.hpp"
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
  for (const Specimen& specimen : specimens)
    if (specimen.op == op.name && op.domain.empty()) return parse_text(specimen.graph, std::string(op.name));
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
      graph = typical_graph(*op);
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
