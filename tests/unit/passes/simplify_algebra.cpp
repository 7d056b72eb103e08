// simplify-algebra: each rule does its work, and keeps off where it would be wrong.
#include "core/passes/simplify_algebra.hpp"

#include "tests/unit/passes/support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

// A body between two Relu, so that neither graph input nor output stands in the way: `t` goes in, `u` comes out.
std::string within(const std::string& shape, const std::string& constants, const std::string& body, const std::string& out_shape = "") {
  const std::string out = out_shape.empty() ? shape : out_shape;
  return "g (float[" + shape + "] x) => (float[" + out + "] y) <" + constants + "> { [in] t = Abs(x) " + body + " [out] y = Abs(u) }";
}

void check_vanishes(const std::string& shape, const std::string& constants, const std::string& body) {
  CAPTURE(body);
  const Graph before = typed(within(shape, constants, body));
  Graph after = clone(before);
  CHECK(simplify_algebra(after));
  CHECK_NOTHROW(verify(after));
  CHECK(after.nodes.back().inputs[0] == after.nodes.front().outputs[0]);
  check_same_results(before, after);
  CHECK_FALSE(simplify_algebra(after));
}

void check_kept(const std::string& shape, const std::string& constants, const std::string& body, const std::string& out_shape = "") {
  CAPTURE(body);
  check_stays(simplify_algebra, within(shape, constants, body, out_shape));
}

// The last node before the output has this operator afterwards, and the numbers stay.
Graph check_rewritten(const std::string& shape, const std::string& constants, const std::string& body, const char* op, double tolerance = 0,
                      const std::string& out_shape = "") {
  CAPTURE(body);
  const Graph before = typed(within(shape, constants, body, out_shape));
  Graph after = clone(before);
  CHECK(simplify_algebra(after));
  CHECK_NOTHROW(verify(after));
  const Uses uses(after);
  const Node& node = after.nodes[uses.producer[after.nodes.back().inputs[0]]];
  CHECK(node.op_type == op);
  CHECK(node.inputs[0] == after.nodes.front().outputs[0]);
  check_same_results(before, after, tolerance);
  CHECK_FALSE(simplify_algebra(after));
  return after;
}

}  // namespace

TEST_CASE("neutral arithmetic vanishes") {
  const std::string k = "float zero = {0}, float[4] zeros = {0,0,0,0}, float[1,1] one = {1}, float[1] two = {2}";
  check_vanishes("3,4", k, "[a] u = Add(t, zero)");
  check_vanishes("3,4", k, "[a] u = Add(zeros, t)");
  check_vanishes("3,4", k, "[a] u = Sub(t, zero)");
  check_vanishes("3,4", k, "[a] u = Mul(one, t)");
  check_vanishes("3,4", k, "[a] u = Div(t, one)");
  check_vanishes("3,4", k, "[a] u = Pow(t, one)");
  check_vanishes("3,4", k, "[a] a = Mul(t, one) [b] b = Add(a, zero) [c] u = Sub(b, zeros)");
}

TEST_CASE("arithmetic that is not neutral stays") {
  const std::string k = "float zero = {0}, float one = {1}, float[4] mixed = {0,0,0,1}, float[1,1,1] wide = {1}, float[3,1] tall = {0,0,0}";
  check_kept("3,4", k, "[a] u = Sub(zero, t)");
  check_kept("3,4", k, "[a] u = Div(one, t)");
  check_kept("3,4", k, "[a] u = Add(t, mixed)");
  check_kept("3,4", k, "[a] u = Add(t, one)");
  check_kept("3,4", k, "[a] u = Mul(t, zero)");
  check_kept("3,4", k, "[a] u = Mul(t, wide)", "1,3,4");  // one dimension more
  check_kept("4", k, "[a] u = Add(t, tall)", "3,4");      // broadcast
  check_kept("1,4", k, "[a] u = Add(t, tall)", "3,4");
  check_kept("3,4", k, "[a] s = Sigmoid(t) [b] u = Mul(t, s)");  // SiLU is for the target to see
}

TEST_CASE("what moves nothing vanishes") {
  const std::string k =
      "int64[2] same = {3, 4}, int64[2] copy = {0, -1}, int64[2] ones = {1, 1}, int64[4] nothing = {0, 0, 0, 0}, int64[1] from = {0}, int64[1] to = "
      "{9}, "
      "int64[1] axis = {1}, float ratio = {0.5}, bool no = {0}";
  check_vanishes("3,4", k, "[a] u = Identity(t)");
  check_vanishes("3,4", k, "[a] u = Dropout(t)");
  check_vanishes("3,4", k, "[a] u, mask = Dropout(t, ratio, no)");
  check_vanishes("3,4", k, "[a] u = Cast<to = 1>(t)");
  check_vanishes("3,4", k, "[a] u = Transpose<perm = [0, 1]>(t)");
  check_vanishes("3,4", k, "[a] u = Reshape(t, same)");
  check_vanishes("3,4", k, "[a] u = Reshape(t, copy)");
  check_vanishes("3,4", k, "[a] u = Expand(t, ones)");
  check_vanishes("3,4", k, "[a] u = Tile(t, ones)");
  check_vanishes("3,4", k, "[a] u = Slice(t, from, to, axis)");
  check_vanishes("3,4", k, "[a] u = Pad(t, nothing)");
  check_vanishes("3,4", k, "[a] u = Concat<axis = 0>(t)");
  check_vanishes("3,4", k, "[a] u = Sum(t)");
  check_vanishes("3,4", k, "[a] u = Max(t)");
  check_vanishes("3,4", k, "[a] u = Clip(t)");
  check_vanishes("3,4", k, "[a] u = Flatten<axis = 1>(t)");
  check_vanishes("3,4", k, "[a] a = Unsqueeze(t, axis) [b] u = Squeeze(a, axis)");
  check_vanishes("3,4", k, "[a] a = Transpose(t) [b] u = Transpose(a)");
}

TEST_CASE("what moves something stays") {
  const std::string k =
      "int64[2] turned = {4, 3}, int64[2] threes = {3, 4}, int64[2] twos = {2, 1}, int64[4] some = {0, 1, 0, 0}, int64[1] last = {-1}, int64[1] "
      "before = {-9}, "
      "int64[1] axis = {1}, int64[1] back = {-1}, float ratio = {0.5}, bool yes = {1}";
  check_kept("3,4", k, "[a] u = Transpose(t)", "4,3");
  check_kept("3,3", k, "[a] u = Transpose(t)");
  check_kept("3,4", k, "[a] u = Reshape(t, turned)", "4,3");
  check_kept("1,4", k, "[a] u = Expand(t, threes)", "3,4");
  check_kept("3,4", k, "[a] u = Tile(t, twos)", "6,4");
  check_kept("3,4", k, "[a] u = Slice(t, last, before, axis, back)");  // reversed: the same shape, other places
  check_kept("3,4", k, "[a] u = Pad(t, some)", "3,5");
  Graph training = parse_text(within("3,4", k, "[a] u, mask = Dropout(t, ratio, yes)"));
  CHECK_FALSE(simplify_algebra(training));
  check_stays(simplify_algebra, "g (float[4] x) => (float[4] y, bool[4] m) { [a] t = Abs(x) [d] u, m = Dropout(t) [b] y = Abs(u) }");
  check_stays(simplify_algebra, "g (float[4] x) => (float[4] y) { [a] t = Cast<to = 7>(x) [b] y = Cast<to = 1>(t) }");
}

TEST_CASE("an unknown dimension is not taken for an equal one") {
  check_stays(simplify_algebra, "g (float[N,4] x, int64[2] s) => (float[?,?] y) { [a] t = Abs(x) [r] u = Reshape(t, s) [b] y = Abs(u) }");
  const auto text = [](const std::string& t, const std::string& u) {
    return "g (float[N,4] x, int64[2] s) => (float[?,?] y) <float" + t + " t, float" + u + " u> { t = Abs(x) u = Reshape(t, s) y = Abs(u) }";
  };
  Graph graph = parse_text(text("[?,4]", "[?,4]"));
  CHECK_FALSE(simplify_algebra(graph));
  graph = parse_text(text("[]", "[]"));
  CHECK_FALSE(simplify_algebra(graph));
  graph = parse_text(text("[N,4]", "[N,4]"));  // the same symbol is the same number
  CHECK(simplify_algebra(graph));
}

TEST_CASE("Transposes in a row become one, and so do Reshapes") {
  const Graph graph = check_rewritten("2,3,4", "int64[1] z = {0}", "[a] a = Transpose<perm = [1, 2, 0]>(t) [b] u = Transpose<perm = [0, 2, 1]>(a)",
                                      "Transpose", 0, "3,2,4");
  CHECK(graph.nodes[2].integers("perm") == std::vector<int64_t>{1, 0, 2});
  check_rewritten("2,3,4", "int64[2] p = {6, 4}, int64[3] q = {4, -1, 1}", "[a] a = Reshape(t, p) [b] u = Reshape(a, q)", "Reshape", 0, "4,6,1");
  check_rewritten("2,3,4", "int64[3] q = {4, 3, 2}", "[a] a = Flatten(t) [b] u = Reshape(a, q)", "Reshape", 0, "4,3,2");
  // A 0 copies a dimension of what comes directly before.
  check_kept("2,3,4", "int64[2] p = {6, 4}, int64[3] q = {0, 2, 2}", "[a] a = Reshape(t, p) [b] u = Reshape(a, q)", "6,2,2");
}

TEST_CASE("patterns become the operator they spell out") {
  const std::string k =
      "float zero = {0}, float six = {6}, float three = {3}, float sixth = {0.16666667}, float two = {2}, float inf = {inf}, float five = {5}";
  const std::string relu6 = "[p] p = Add(t, three) [c] c = Clip(p, zero, six) ";
  check_rewritten("3,4", k, "[a] u = Clip(t, zero)", "Relu");
  check_rewritten("3,4", k, "[a] u = Clip(t, zero, inf)", "Relu");
  check_rewritten("3,4", k, "[a] u = Sum(t, six)", "Add");
  check_rewritten("3,4", k, "[a] u = Pow(t, two)", "Mul");
  check_rewritten("3,4", k, relu6 + "[d] u = Div(c, six)", "HardSigmoid", 1e-6);
  check_rewritten("3,4", k, relu6 + "[d] u = Mul(sixth, c)", "HardSigmoid", 1e-6);
  check_rewritten("3,4", k, relu6 + "[m] m = Mul(t, c) [d] u = Div(m, six)", "HardSwish", 1e-6);
  check_rewritten("3,4", k, relu6 + "[m] m = Mul(c, t) [d] u = Mul(m, sixth)", "HardSwish", 1e-6);
  check_rewritten("3,4", k, relu6 + "[d] d = Div(c, six) [m] u = Mul(t, d)", "HardSwish", 1e-6);
  check_rewritten("3,4", k, "[h] h = HardSigmoid<alpha = 0.16666667, beta = 0.5>(t) [m] u = Mul(h, t)", "HardSwish", 1e-6);
  // Constants that are nearly the right ones.
  check_kept("3,4", k, "[a] u = Clip(t, zero, six)");
  check_kept("3,4", k, relu6 + "[d] u = Div(c, five)");
  check_kept("3,4", k, "[p] p = Add(t, two) [c] c = Clip(p, zero, six) [d] u = Div(c, six)");
  check_kept("3,4", k, "[p] p = Add(t, three) [c] c = Clip(p, zero, five) [d] u = Div(c, six)");
  check_kept("3,4", k, "[h] h = HardSigmoid(t) [m] u = Mul(h, t)");
  check_kept("3,4", k, "[n] n = Neg(t) [p] p = Add(n, three) [c] c = Clip(p, zero, six) [m] m = Mul(t, c) [d] u = Div(m, six)");
}

TEST_CASE("graph outputs keep their names") {
  check_becomes(simplify_algebra, "g (float[4] x) => (float[4] y) { [a] t = Relu(x) [i] y = Identity(t) }",
                "g (float[4] x) => (float[4] y) { [a] y = Relu(x) }");
  // The value is an output already, or an input: Identity stays, or comes in the place of what did nothing.
  check_stays(simplify_algebra, "g (float[4] x) => (float[4] y, float[4] z) { [a] y = Relu(x) [i] z = Identity(y) }");
  check_stays(simplify_algebra, "g (float[4] x) => (float[4] y) { [i] y = Identity(x) }");
  check_becomes(simplify_algebra, "g (float[4] x) => (float[4] y) <float zero = {0}> { [i] y = Add(x, zero) }",
                "g (float[4] x) => (float[4] y) { [i] y = Identity(x) }");
}

TEST_CASE("subgraphs are simplified, and captures follow what is replaced outside") {
  const Graph before = typed(R"(g (bool c, float[4] x) => (float[4] y) { [r] r = Relu(x) [i] t = Identity(r)
    [j] y = If(c) <then_branch = a () => (float[4] p) { [k] q = Identity(t) [l] p = Neg(q) }, else_branch = b () => (float[4] s) { [m] s = Identity(t) }> })");
  Graph graph = clone(before);
  CHECK(simplify_algebra(graph));
  CHECK_NOTHROW(verify(graph));
  REQUIRE(graph.nodes.size() == 2);
  for (const Graph* branch : subgraphs(graph.nodes[1])) {
    REQUIRE(branch->nodes.size() == 1);  // Neg, and the Identity without which the branch's output would be a capture
    CHECK(branch->nodes[0].inputs[0] == branch->captures[0].inner);
    CHECK(branch->captures[0].outer == graph.nodes[0].outputs[0]);
  }
  check_same_results(before, graph);
}
