// eliminate-dead-code.
#include "core/passes/eliminate_dead_code.hpp"

#include "tests/unit/passes/support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("nodes and constants that no output needs are dropped, inputs stay") {
  check_becomes(eliminate_dead_code,
                R"(g (float[4] x, float[4] unused) => (float[4] y) <float[4] w = {1,2,3,4}, float[4] dead = {0,0,0,0}> {
                   [a] t = Relu(x) [b] u = Neg(t) [c] v = Add(u, dead) [d] y = Mul(t, w) })",
                R"(g (float[4] x, float[4] unused) => (float[4] y) <float[4] w = {1,2,3,4}> { [a] t = Relu(x) [d] y = Mul(t, w) })");
}

TEST_CASE("an optional output that nobody uses becomes absent") {
  check_becomes(eliminate_dead_code,
                R"(g (float[1,1,4,4] x) => (float[1,1,2,2] y) { [p] y, i = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x) })",
                R"(g (float[1,1,4,4] x) => (float[1,1,2,2] y) { [p] y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x) })");
  check_stays(eliminate_dead_code,
              R"(g (float[1,1,4,4] x) => (float[1,1,2,2] y, int64[1,1,2,2] i) { [p] y, i = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x) })");
}

TEST_CASE("subgraphs are swept, and what only their dead nodes captured goes with them") {
  check_becomes(eliminate_dead_code,
                R"(g (bool c, float[4] x) => (float[4] y) {
                   [n] a = Neg(x) [r] b = Relu(x)
                   [i] y = If(c) <then_branch = t () => (float[4] p) { [d] dead = Exp(a) [tp] p = Abs(b) },
                                  else_branch = e () => (float[4] q) { [eq] q = Sqrt(b) }> })",
                R"(g (bool c, float[4] x) => (float[4] y) {
                   [r] b = Relu(x)
                   [i] y = If(c) <then_branch = t () => (float[4] p) { [tp] p = Abs(b) }, else_branch = e () => (float[4] q) { [eq] q = Sqrt(b) }> })");
}

TEST_CASE("what branches and loops yield for nobody goes, what loops carry stays") {
  check_becomes(eliminate_dead_code,
                R"(g (bool c, float[4] x) => (float[4] y) {
                   [i] z, y = If(c) <then_branch = t () => (float[4] a, float[4] b) { [m] a = Neg(x) [n] b = Abs(x) },
                                     else_branch = e () => (float[4] u, float[4] v) { [o] u = Exp(x) [p] v = Sqrt(x) }> })",
                R"(g (bool c, float[4] x) => (float[4] y) {
                   [i] y = If(c) <then_branch = t () => (float[4] b) { [n] b = Abs(x) }, else_branch = e () => (float[4] v) { [p] v = Sqrt(x) }> })");
  check_becomes(eliminate_dead_code,
                R"(g (int64 m, float[4] x) => (float[M,4] y) {
                   [l] v, w, y = Loop(m, , x) <body = b (int64 i, bool c, float[4] a) => (bool c, float[4] d, float[4] e, float[4] f) {
                       [n] d = Neg(a) [o] e = Exp(a) [p] f = Abs(a) }> })",
                R"(g (int64 m, float[4] x) => (float[M,4] y) {
                   [l] v, y = Loop(m, , x) <body = b (int64 i, bool c, float[4] a) => (bool c, float[4] d, float[4] f) { [n] d = Neg(a) [p] f = Abs(a) }> })");
  check_becomes(eliminate_dead_code,
                R"(g (float[5,4] x) => (float[4,5] y) {
                   [s] w, y = Scan(x) <num_scan_inputs = 1, scan_output_axes = [0, 1], body = b (float[4] a) => (float[4] d, float[4] e) { [n] d = Neg(a) [o] e = Exp(a) }> })",
                R"(g (float[5,4] x) => (float[4,5] y) {
                   [s] y = Scan(x) <num_scan_inputs = 1, scan_output_axes = [1], body = b (float[4] a) => (float[4] e) { [o] e = Exp(a) }> })");
}

TEST_CASE("what is needed stays") {
  check_stays(eliminate_dead_code, "g (float[4] x) => (float[4] y, float[4] a) { [r] a = Relu(x) [n] y = Neg(a) }");
  check_stays(eliminate_dead_code, "g (float[4] x) => (float[4] x) {}");
}
