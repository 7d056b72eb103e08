// inline-branches.
#include "core/passes/inline_branches.hpp"

#include "core/passes/fold_constants.hpp"
#include "core/passes/simplify_algebra.hpp"
#include "tests/unit/passes/support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("the branch that is taken stands in the If's place") {
  check_becomes(inline_branches,
                R"(g (float[4] x) => (float[4] y) <bool c = {0}> { [a] t = Relu(x)
                   [i] y = If(c) <then_branch = p () => (float[4] u) { [b] u = Neg(t) },
                                  else_branch = q () => (float[4] w) <float[1] k = {2}> { [b] v = Abs(t) [d] w = Mul(v, k) }> })",
                R"(g (float[4] x) => (float[4] y) <float[1] k = {2}> { [a] t = Relu(x) [b] v = Abs(t) [d] w = Mul(v, k) [i] y = Identity(w) })");
}

TEST_CASE("names that are taken get a suffix, and a branch may give what it captured or a constant") {
  Graph graph = typed(R"(g (float[4] x) => (float[4] y, float[4] z, float[1] t) <bool c = {1}> {
                         [a] u = Neg(x)
                         [i] y, z, t = If(c) <then_branch = p () => (float[4] w, float[4] x, float[1] k) <float[1] k = {3}> { [a] w = Abs(x) },
                                              else_branch = q () => (float[4] r, float[4] s, float[1] l) <float[1] l = {4}> { r = Neg(x) s = Neg(u) }> })");
  const Graph before = clone(graph);
  CHECK(inline_branches(graph));
  verify(graph);
  CHECK(count(graph, "If") == 0);
  check_same_results(before, graph);
}

TEST_CASE("ifs inside of branches, loops and captures of captures") {
  Graph graph = typed(R"(g (bool d, float[4] x) => (float[4] y) <bool c = {1}> {
                         [i] y = If(d) <then_branch = p () => (float[4] u) {
                             [j] u = If(c) <then_branch = r () => (float[4] v) { v = Neg(x) }, else_branch = s () => (float[4] w) { w = Abs(x) }> },
                           else_branch = q () => (float[4] z) { z = Relu(x) }> })");
  const Graph before = clone(graph);
  CHECK(fold_constants(graph, 1024));  // gives the branch its condition
  CHECK(inline_branches(graph));
  verify(graph);
  infer_types(graph);
  CHECK(count(graph, "If") == 1);
  check_same_results(before, graph);
  Graph deep = typed(R"(g (float[4] x) => (float[4] y) <bool c = {1}, bool d = {0}> {
                        [i] y = If(c) <then_branch = p () => (float[4] u) {
                            [j] u = If(d) <then_branch = r () => (float[4] v) { v = Neg(x) }, else_branch = s () => (float[4] w) { w = Abs(x) }> },
                          else_branch = q () => (float[4] z) { z = Relu(x) }> })");
  CHECK(inline_branches(deep));
  CHECK(count(deep, "If") == 0);
  CHECK(simplify_algebra(deep));
  CHECK(count(deep, "Abs") == 1);
}

TEST_CASE("a condition that is not known stays") {
  check_stays(inline_branches, R"(g (bool c, float[4] x) => (float[4] y) { [i] y = If(c) <then_branch = p () => (float[4] u) { u = Neg(x) },
                                  else_branch = q () => (float[4] w) { w = Abs(x) }> })");
}
