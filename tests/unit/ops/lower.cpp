// Older opsets: what is written at one and read again computes the same, operators that it lacks are gone, and what cannot be said is refused by
// name.
#include "core/ops/lower.hpp"

#include <random>

#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

NamedData random_inputs(const Graph& graph) {
  std::mt19937 random(7);
  NamedData inputs;
  for (const ValueId id : graph.inputs) {
    Tensor tensor = Tensor::allocate(graph.value(id).type.element, graph.value(id).type.dimensions());
    if (tensor.type == DataType::float32)
      for (float& x : tensor.as_mutable<float>()) x = std::uniform_real_distribution<float>(-3, 3)(random);
    inputs[graph.value(id).name] = std::move(tensor);
  }
  return inputs;
}

Graph typed(const std::string& text) {
  Graph graph = parse_text(text);
  lift_to_canonical(graph);
  infer_types(graph);
  return graph;
}

// The operators of the graph at that opset, after it was seen that it computes what it did.
std::string lowered(const std::string& text, int64_t opset) {
  const Graph graph = typed(text);
  const NamedData inputs = random_inputs(graph), expected = run_reference(graph, inputs);
  Graph old = clone(graph);
  lower_to_opset(old, opset);
  verify(old);
  CHECK(old.opsets.at("") == opset);
  std::string operators;
  for (const Node& node : old.nodes) operators += (operators.empty() ? "" : " ") + node.op_type;
  lift_to_canonical(old);
  infer_types(old);
  const NamedData found = run_reference(old, inputs);
  for (const auto& [name, datum] : expected) {
    const Tensor &a = datum.tensor, &b = found.at(name).tensor;
    CAPTURE(text);
    CAPTURE(opset);
    REQUIRE(a.dimensions == b.dimensions);
    REQUIRE(a.type == b.type);
    if (a.type != DataType::float32) {
      CHECK(a == b);
      continue;
    }
    for (size_t i = 0; i < a.as<float>().size(); ++i) CHECK(b.as<float>()[i] == doctest::Approx(a.as<float>()[i]).epsilon(1e-5));
  }
  return operators;
}

std::string refusal(const std::string& text, int64_t opset) {
  Graph graph = typed(text);
  try {
    lower_to_opset(graph, opset);
  } catch (const Error& error) {
    std::string all;
    for (const Diagnostic& d : error.diagnostics) all += d.sentence() + "\n";
    return all;
  }
  return "";
}

}  // namespace

TEST_CASE("inputs become attributes again") {
  CHECK(lowered("g (float[2,1,3] x) => (y) <int64[1] a = {1}> { y = Squeeze(x, a) }", 11) == "Squeeze");
  CHECK(lowered("g (float[2,3] x) => (y) <int64[2] a = {0, 3}> { y = Unsqueeze(x, a) }", 12) == "Unsqueeze");
  CHECK(lowered("g (float[2,3] x) => (y) <int64[1] a = {-1}> { y = ReduceSum(x, a) }", 11) == "ReduceSum");
  CHECK(lowered("g (float[2,3] x) => (y) <int64[1] a = {0}> { y = ReduceMean<keepdims = 0>(x, a) }", 17) == "ReduceMean");
  CHECK(lowered("g (float[2,3] x) => (y) { y = ReduceMax(x) }", 13) == "ReduceMax");
  CHECK(lowered("g (float[2,3] x) => (y) { y = ReduceMax<noop_with_empty_axes = 1>(x) }", 13) == "Identity");
  CHECK(lowered("g (float[2,5] x) => (y, z) <int64[2] s = {2, 3}> { y, z = Split<axis = 1>(x, s) }", 11) == "Split");
  CHECK(lowered("g (float[2,5] x) => (y, z) { y, z = Split<axis = 1, num_outputs = 2>(x) }", 13) == "Split");
  CHECK(lowered("g (float[2,3] x) => (y) <int64[2] p = {1, 2}, float v = {5}, int64[1] a = {1}> { y = Pad(x, p, v, a) }", 17) == "Pad");
}

TEST_CASE("softmax along one axis, when it ran over everything behind") {
  CHECK(lowered("g (float[2,3,4] x) => (y) { y = Softmax(x) }", 11) == "Softmax");
  CHECK(lowered("g (float[2,3,1,1] x) => (y) { y = Softmax<axis = 1>(x) }", 12) == "Softmax");
  CHECK(lowered("g (float[2,3,4,2] x) => (y) { y = Softmax<axis = 1>(x) }", 11) == "Transpose Softmax Transpose");
  CHECK(lowered("g (float[2,3,4] x) => (y) { y = LogSoftmax<axis = -2>(x) }", 12) == "Transpose LogSoftmax Transpose");
  CHECK(lowered("g (float[2,3,4] x) => (y) { y = Softmax<axis = 1>(x) }", 13) == "Softmax");
}

TEST_CASE("resizing") {
  const std::string scales =
      "g (float[1,2,3,3] x) => (y) <float[4] s = {1, 1, 2, 2}> { y = Resize<mode = \"nearest\", coordinate_transformation_mode = ";
  CHECK(lowered(scales + "\"asymmetric\", nearest_mode = \"floor\">(x, , s) }", 11) == "Resize");
  CHECK(lowered(scales + "\"half_pixel\">(x, , s) }", 17) == "Resize");
  CHECK(lowered("g (float[1,2,3,3] x) => (y) <int64[4] n = {1, 2, 5, 7}> { y = Resize<mode = \"linear\">(x, , , n) }", 12) == "Resize");
  CHECK(lowered("g (float[1,2,3,3] x) => (y) <int64[2] n = {5, 7}> { y = Resize<mode = \"linear\", axes = [2, 3]>(x, , , n) }", 13) == "Resize");
  CHECK(lowered("g (float[1,2,3,3] x) => (y) <float[1] s = {2}> { y = Resize<mode = \"cubic\", axes = [-1]>(x, , s) }", 13) == "Resize");
  CHECK(refusal("g (float[1,2,4,4] x) => (y) <float[4] s = {1, 1, 0.5, 0.5}> { r = Resize<mode = \"linear\", antialias = 1>(x, , s) y = Neg(r) }", 17)
            .find("antialias") != std::string::npos);
}

TEST_CASE("activations are written out") {
  CHECK(lowered("g (float[9] x) => (y) { y = Swish(x) }", 17) == "Sigmoid Mul");
  CHECK(lowered("g (float[9] x) => (y) { y = Swish<alpha = 1.7>(x) }", 17) == "Mul Sigmoid Mul");
  CHECK(lowered("g (float[9] x) => (y) { y = HardSwish(x) }", 13) == "HardSigmoid Mul");
  CHECK(lowered("g (float[9] x) => (y) { y = HardSwish(x) }", 14) == "HardSwish");
  CHECK(lowered("g (float[9] x) => (y) { y = Mish(x) }", 17) == "Softplus Tanh Mul");
  CHECK(lowered("g (float[9] x) => (y) { y = Gelu(x) }", 17).find("Erf") != std::string::npos);
  CHECK(lowered("g (float[9] x) => (y) { y = Gelu<approximate = \"tanh\">(x) }", 17).find("Tanh") != std::string::npos);
  CHECK(lowered("g (float[9] x) => (y) { y = Celu<alpha = 0.6>(x) }", 11).find("Exp") != std::string::npos);
}

TEST_CASE("normalisation is written out") {
  const std::string layer = "g (float[2,3,4] x, float[4] s, float[4] b) => (y) { y = LayerNormalization<epsilon = 0.01>(x, s, b) }";
  CHECK(lowered(layer, 17) == "LayerNormalization");
  CHECK(lowered(layer, 16).find("ReduceMean") == 0);
  CHECK(lowered("g (float[2,3,4] x, float[3,4] s) => (y) { y = LayerNormalization<axis = 1>(x, s) }", 11).find("Mul") != std::string::npos);
  CHECK(lowered("g (float[2,3,4] x, float[4] s) => (y) { y = RMSNormalization(x, s) }", 17).find("Sqrt") != std::string::npos);
  CHECK(lowered("g (float[2,4,3,3] x, float[4] s, float[4] b) => (y) { y = GroupNormalization<num_groups = 2>(x, s, b) }", 17)
            .find("InstanceNormalization") != std::string::npos);
}

TEST_CASE("what else changed") {
  CHECK(lowered("g (float[2,3,4] x) => (y) { y = Shape<start = 1>(x) }", 14) == "Shape Slice");
  CHECK(lowered("g (float[2,3,4] x) => (y) { y = Shape(x) }", 11) == "Shape");
  CHECK(lowered("g (float[5] x, float[5] z) => (y) { y = GreaterOrEqual(x, z) }", 11) == "Greater Equal Or");
  CHECK(lowered("g (float[5,4] x) => (y) <int64 k = {-1}> { y = Trilu<upper = 0>(x, k) }", 13) == "Where");
  CHECK(lowered("g (float[6] x) => (y) <int64[2] s = {2, 3}> { y = Reshape<allowzero = 1>(x, s) }", 13) == "Reshape");
  CHECK(lowered("g (float[1,1,4,4] x, float[1,2,2,2] i) => (y) { y = GridSample<mode = \"linear\">(x, i) }", 16) == "GridSample");
  CHECK(lowered("g (float[5] x, float[2] z) => (y) { y = CastLike(x, z) }", 13) == "Cast");
  CHECK(lowered("g (float[2,3] x) => (y) { y = ArgMax<axis = 1, select_last_index = 0>(x) }", 11) == "ArgMax");
}

TEST_CASE("what cannot be expressed is refused by name") {
  CHECK(refusal("g (float[2,3] x) => (y) { y = Einsum<equation = \"ij->ji\">(x) }", 11).find("Einsum came with opset 12") != std::string::npos);
  CHECK(refusal("g (float[2,3] x, int64[1] a) => (y) { y = ReduceSum(x, a) }", 11).find("computed") != std::string::npos);
  CHECK(refusal("g (bfloat16[2] x) => (y) { y = Neg(x) }", 11).find("bfloat16") != std::string::npos);
  CHECK(refusal("g (float[2] x) => (y) { y = Neg(x) }", 10).find("11 to 26") != std::string::npos);
  const Graph graph = typed("g (float[2,3] x) => (z) { y = Einsum<equation = \"ij->ji\">(x) z = Relu(y) }");
  const std::vector<std::string> obstacles = lowering_obstacles(graph, 11);
  REQUIRE(obstacles.size() == 2);
  CHECK(!obstacles[0].empty());
  CHECK(obstacles[1].empty());
  CHECK(lowering_obstacles(graph, 12)[0].empty());
}

TEST_CASE("bodies are lowered too") {
  const std::string text =
      "g (float[3] x, bool c) => (y) { y = If<then_branch = t () => (float[3] a) { a = Swish(x) }, else_branch = e () => (float[3] b) { b = Mish(x) "
      "}>(c) }";
  Graph graph = typed(text);
  lower_to_opset(graph, 13);
  verify(graph);
  for (const Graph* body : subgraphs(graph.nodes[0]))
    for (const Node& node : body->nodes) CHECK(node.op_type != "Swish");
}

TEST_CASE("attention and rotary embeddings are products, softmax and slices before opset 23") {
  const auto gone = [](const std::string& text) {
    for (const int64_t opset : {11, 13, 17, 21}) {
      const std::string operators = lowered(text, opset);
      CHECK(operators.find("Attention") == std::string::npos);
      CHECK(operators.find("RotaryEmbedding") == std::string::npos);
    }
  };
  gone("g (float[1,4,3,8] q, float[1,2,5,8] k, float[1,2,5,6] v, float[3,5] m) => (y) { y = Attention<is_causal = 1>(q, k, v, m) }");
  gone(
      "g (float[2,3,8] q, float[2,5,8] k, float[2,5,4] v, float[2,2,1,4] pk, float[2,2,1,2] pv) => (y, a, b) "
      "{ y, a, b = Attention<q_num_heads = 2, kv_num_heads = 2, scale = 0.3, softcap = 2.0>(q, k, v, , pk, pv) }");
  gone("g (float[1,1,2,4] q, float[1,1,3,4] k, float[1,1,3,4] v) => (y) <bool[2,3] m = {1, 0, 1, 0, 0, 0}> { y = Attention(q, k, v, m) }");
  gone("g (float[1,2,3,8] x, float[1,3,4] c, float[1,3,4] s) => (y) { y = RotaryEmbedding(x, c, s) }");
  gone(
      "g (float[2,3,16] x, float[7,2] c, float[7,2] s) => (y) <int64[2,3] at = {0, 1, 2, 6, 5, 4}> "
      "{ y = RotaryEmbedding<num_heads = 2, rotary_embedding_dim = 4, interleaved = 1>(x, c, s, at) }");
}
