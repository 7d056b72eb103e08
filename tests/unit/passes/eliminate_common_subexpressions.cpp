// eliminate-common-subexpressions.
#include "core/passes/eliminate_common_subexpressions.hpp"

#include "tests/unit/passes/support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("equal nodes are computed once, also those that become equal on the way") {
  check_becomes(eliminate_common_subexpressions,
                R"(g (float[4] x) => (float[4] y) { [a] a = Relu(x) [b] b = Relu(x) [c] c = Neg(a) [d] d = Neg(b) [e] y = Add(c, d) })",
                R"(g (float[4] x) => (float[4] y) { [a] a = Relu(x) [c] c = Neg(a) [e] y = Add(c, c) })");
}

TEST_CASE("equal constants are kept once") {
  check_becomes(eliminate_common_subexpressions,
                R"(g (float[2] x) => (float[2] y, float[2] z) <float[2] v = {1, 2}, float[2] w = {1, 2}, float[2] u = {1, 3}> {
                   [a] y = Add(x, v) [b] t = Mul(x, w) [c] z = Mul(t, u) })",
                R"(g (float[2] x) => (float[2] y, float[2] z) <float[2] v = {1, 2}, float[2] u = {1, 3}> {
                   [a] y = Add(x, v) [b] t = Mul(x, v) [c] z = Mul(t, u) })");
  // Minus zero is equal to zero and yet another number; so is another type or shape with the same bytes.
  check_stays(eliminate_common_subexpressions,
              R"(g (float[2] x, int32[1] i) => (float[2] y, float[2] z, int32[1] j, float[1,2] k)
                 <float[1] v = {0}, float[1] w = {-0.0}, int32[1] u = {0}, float[1,1] t = {0}> {
                 [a] y = Add(x, v) [b] z = Add(x, w) [c] j = Add(i, u) [d] k = Add(x, t) })");
}

TEST_CASE("a graph output keeps its name and takes over the earlier node; two outputs stay two") {
  check_becomes(eliminate_common_subexpressions, "g (float[4] x) => (float[4] y, float[4] z) { [a] a = Relu(x) [b] y = Relu(x) [c] z = Neg(a) }",
                "g (float[4] x) => (float[4] y, float[4] z) { [a] y = Relu(x) [c] z = Neg(y) }");
  check_stays(eliminate_common_subexpressions, "g (float[4] x) => (float[4] y, float[4] z) { [a] y = Relu(x) [b] z = Relu(x) }");
}

TEST_CASE("attributes, number and order of inputs, and domains tell nodes apart") {
  check_stays(eliminate_common_subexpressions,
              R"(g (float[2,3] x, float[2,3] z) => (float[2,3] y) {
                 [a] a = Softmax<axis = 0>(x) [b] b = Softmax<axis = 1>(x) [c] c = Sub(x, z) [d] d = Sub(z, x)
                 [e] e = Max(x, z) [f] f = Max(x, z, x) [s] y = Sum(a, b, c, d, e, f) })");
}

TEST_CASE("random numbers are drawn twice") {
  check_stays(eliminate_common_subexpressions,
              R"(g (float[4] x) => (float[4] y) { [a] a = RandomNormalLike(x) [b] b = RandomNormalLike(x) [c] y = Add(a, b) })");
}

TEST_CASE("subgraphs are compared by their structure") {
  const std::string head = "g (bool c, float[4] x) => (float[4] y) { [r] r = Relu(x) ";
  const std::string first =
      R"([i] a = If(c) <then_branch = t () => (float[4] p) { [tp] p = Neg(x) }, else_branch = e () => (float[4] q) { [eq] q = Abs(x) }> )";
  const auto second = [](const std::string& op, const std::string& captured) {
    return "[j] b = If(c) <then_branch = tt () => (float[4] s) { [ts] s = " + op + "(" + captured +
           ") }, else_branch = ee () => (float[4] u) { [eu] u = Abs(x) }> ";
  };
  check_becomes(eliminate_common_subexpressions, head + first + second("Neg", "x") + "[z] y = Sum(a, b, r) }",
                head + first + "[z] y = Sum(a, a, r) }");
  check_stays(eliminate_common_subexpressions, head + first + second("Exp", "x") + "[z] y = Sum(a, b, r) }");
  check_stays(eliminate_common_subexpressions, head + first + second("Neg", "r") + "[z] y = Sum(a, b, r) }");
}

TEST_CASE("constants inside of subgraphs count, also where only a graph further inside uses them") {
  const auto text = [](const char* k) {
    const auto branch = [&](const std::string& name, const std::string& constant) {
      return "[" + name + "] " + name + " = If(c) <then_branch = t () => (float[1] p) <float[1] k = {" + constant +
             "}> { [n] p = If(c) <then_branch = u () => (float[1] s) { [m] s = Add(x, k) }, else_branch = v () => (float[1] w) { [o] w = Neg(x) }> "
             "}, " +
             "else_branch = e () => (float[1] q) { [eq] q = Abs(x) }> ";
    };
    return "g (bool c, float[1] x) => (float[1] y) { " + branch("a", "1") + branch("b", k) + "[z] y = Sub(a, b) }";
  };
  check_stays(eliminate_common_subexpressions, text("2"));
  Graph same = typed(text("1"));
  CHECK(eliminate_common_subexpressions(same));
  CHECK(same.nodes.size() == 2);
}

TEST_CASE("equal nodes inside of a subgraph are merged there") {
  check_becomes(eliminate_common_subexpressions,
                R"(g (bool c, float[4] x) => (float[4] y) { [i] y = If(c) <
                   then_branch = t () => (float[4] p) { [a] a = Neg(x) [b] b = Neg(x) [s] p = Add(a, b) }, else_branch = e () => (float[4] q) { [eq] q = Abs(x) }> })",
                R"(g (bool c, float[4] x) => (float[4] y) { [i] y = If(c) <
                   then_branch = t () => (float[4] p) { [a] a = Neg(x) [s] p = Add(a, a) }, else_branch = e () => (float[4] q) { [eq] q = Abs(x) }> })");
}
