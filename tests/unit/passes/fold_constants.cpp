// fold-constants.
#include "core/passes/fold_constants.hpp"

#include "tests/unit/passes/support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {
constexpr uint64_t limit = 1 << 20;
bool fold(Graph& graph) { return fold_constants(graph, limit); }
}  // namespace

TEST_CASE("what depends on constants only is computed, over several nodes") {
  check_becomes(fold,
                R"(g (float[2] x) => (float[2] y) <float[2] a = {1, -2}, float[2] b = {3, 5}> {
                   [r] r = Relu(a) [s] s = Sub(r, b) [m] y = Mul(x, s) })",
                R"(g (float[2] x) => (float[2] y) <float[2] s = {-2, -5}> { [m] y = Mul(x, s) })");
}

TEST_CASE("Constant nodes of every kind become constants") {
  Graph graph = parse_text(R"(g (float[1] x) => (float[1] y) {
    a = Constant<value = float[2] {1, 2}>() b = Constant<value_int = 3>() c = Constant<value_float = 1.5>() d = Constant<value_ints = [1, 2]>()
    e = Constant<value_floats = [1.5]>() f = Constant<value_string = "s">() h = Constant<value_strings = ["s", "t"]>() y = Relu(x) })");
  CHECK(fold_constants(graph, limit));
  CHECK(graph.nodes.size() == 1);

  graph = typed("g (float[1] x) => (float[1] y) { a = Constant<value_floats = [1.5]>() y = Add(x, a) }");
  CHECK(fold_constants(graph, limit));
  CHECK(graph.constant(graph.nodes[0].inputs[1])->as<float>()[0] == 1.5f);
}

TEST_CASE("Shape and Size are computed from what is known of the type") {
  check_becomes(fold, "g (float[2,3,N] x) => (int64[2] y) { [s] s = Shape<end = 2>(x) [n] y = Neg(s) }",
                "g (float[2,3,N] x) => (int64[2] y) <int64[2] y_constant = {-2, -3}> { [n] y = Identity(y_constant) }");
  check_becomes(fold, "g (float[2,3,4] x) => (int64[2] y, int64 z) { [s] y = Shape<start = -2>(x) [n] z = Size(x) }",
                R"(g (float[2,3,4] x) => (int64[2] y, int64 z) <int64[2] y_constant = {3, 4}, int64 z_constant = {24}> {
                   [s] y = Identity(y_constant) [n] z = Identity(z_constant) })");
  check_stays(fold, "g (float[2,3,N] x) => (int64[3] y, int64 z) { [s] y = Shape(x) [n] z = Size(x) }");
}

TEST_CASE("quantised constants stay quantised where that is asked for") {
  const char* text = R"(g (float[2] x) => (float[2] y) <int8[2] q = {1, -2}, float s = {0.5}> { [d] d = DequantizeLinear(q, s) [m] y = Mul(x, d) })";
  check_stays([](Graph& graph) { return fold_constants(graph, limit, true); }, text);
  check_becomes(fold, text, "g (float[2] x) => (float[2] y) <float[2] d = {0.5, -1}> { [m] y = Mul(x, d) }");
}

TEST_CASE("a graph output stays the output of a node") {
  check_becomes(fold, "g () => (float[2] y) <float[2] a = {1, -2}> { [r] y = Relu(a) }",
                "g () => (float[2] y) <float[2] y_constant = {1, 0}> { [r] y = Identity(y_constant) }");
}

TEST_CASE("what would blow up beyond the limit stays a node") {
  check_stays(fold, "g () => (float[1024,1024] y) <int64[2] s = {1024, 1024}> { [c] y = ConstantOfShape(s) }");
  check_stays(fold, "g () => (float[1000000,1000000] y) <int64[2] s = {1000000, 1000000}> { [c] y = ConstantOfShape(s) }");
  Graph graph = typed("g () => (float[512,512] y) <int64[2] s = {512, 512}> { [c] y = ConstantOfShape(s) }");
  CHECK(fold_constants(graph, 512 * 512 * 4));
  CHECK_FALSE(
      fold_constants(graph = typed("g () => (float[512,512] y) <int64[2] s = {512, 512}> { [c] y = ConstantOfShape(s) }"), 512 * 512 * 4 - 1));
  // No larger than what it is made from: folded whatever the limit.
  graph = typed("g () => (float[2,3] y) <float[3,2] w = {1, 2, 3, 4, 5, 6}> { [t] t = Transpose(w) [n] y = Relu(t) }");
  CHECK(fold_constants(graph, 0));
  CHECK(graph.nodes.size() == 1);
  CHECK(graph.nodes[0].op_type == "Identity");
}

TEST_CASE("random numbers and failing nodes stay") {
  check_stays(fold, "g () => (float[2] y) { [r] y = RandomNormal<shape = [2]>() }");
  check_stays(fold, "g () => (float[1] y) <float[2] w = {1, 2}, int64[1] i = {7}> { [r] y = Gather(w, i) }");
}

TEST_CASE("subgraphs get the constants they capture, and fold them") {
  check_becomes(fold,
                R"(g (bool c, float[2] x) => (float[2] y) <float[2] w = {-1, 2}> {
                   [r] r = Relu(w)
                   [i] y = If(c) <then_branch = t () => (float[2] p) { [n] n = Neg(r) [a] p = Add(x, n) }, else_branch = e () => (float[2] q) { [s] q = Sub(x, r) }> })",
                R"(g (bool c, float[2] x) => (float[2] y) {
                   [i] y = If(c) <then_branch = t () => (float[2] p) <float[2] n = {-0, -2}> { [a] p = Add(x, n) },
                                  else_branch = e () => (float[2] q) <float[2] r = {0, 2}> { [s] q = Sub(x, r) }> })");
}

TEST_CASE("one known dimension of an open shape is enough") {
  Graph graph =
      typed(R"(g (float[N,3,4] x) => (float[N,3] y, int64[1] n) <int64[1] one = {1}, int64[1] three = {3}, int64[1] two = {2}, int64[1] zero = {0}> {
                   [s] s = Shape(x) [g] d = Gather(s, one) [e] c = Equal(d, three) [h] n = Gather(s, zero)
                   [i] y = If(c) <then_branch = t () => (float[N,3] p) { [a] p = ReduceMax<keepdims = 0>(x, two) },
                                  else_branch = e () => (float[N,3] q) { [b] q = ReduceMin<keepdims = 0>(x, two) }> })");
  CHECK(fold(graph));
  verify(graph);
  CHECK(count(graph, "Equal") == 0);
  CHECK(count(graph, "Gather") == 1);  // the open one
  const Node& branch = graph.nodes.back();
  REQUIRE(branch.op_type == "If");
  REQUIRE(graph.constant(branch.inputs[0]));
  CHECK(graph.constant(branch.inputs[0])->as<uint8_t>()[0] == 1);
  CHECK_FALSE(fold(graph));
}
