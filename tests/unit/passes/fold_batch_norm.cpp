// fold-batch-norm: structure, and numbers through the reference.
#include "core/passes/fold_batch_norm.hpp"

#include "tests/unit/passes/support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

std::string floats(int count, double start, double step) {
  std::string text;
  for (int i = 0; i < count; ++i) text += (i ? ", " : "") + std::to_string(start + step * ((i * 7) % 11));
  return text;
}

std::string constant(const std::string& shape, const std::string& name, int count, double start, double step) {
  return "float[" + shape + "] " + name + " = {" + floats(count, start, step) + "}";
}

const std::string statistics3 = constant("3", "s", 3, 0.5, 0.3) + ", " + constant("3", "b", 3, -1, 0.4) + ", " + constant("3", "m", 3, 0.2, -0.1) +
                                ", " + constant("3", "v", 3, 0.1, 0.2);
const std::string statistics4 = constant("4", "s", 4, 0.5, 0.3) + ", " + constant("4", "b", 4, -1, 0.4) + ", " + constant("4", "m", 4, 0.2, -0.1) +
                                ", " + constant("4", "v", 4, 0.1, 0.2);

// Folds, expects this many nodes and the same numbers.
Graph folded(const std::string& text, size_t nodes) {
  const Graph before = typed(text);
  Graph after = clone(before);
  CHECK(fold_batch_norm(after));
  CHECK_NOTHROW(verify(after));
  CHECK(after.nodes.size() == nodes);
  for (const ValueId v : after.outputs) CHECK_FALSE(after.value(v).constant);
  check_same_results(before, after, 2e-6);
  CHECK_FALSE(fold_batch_norm(after));
  return after;
}

}  // namespace

TEST_CASE("batch normalisation goes into a convolution's weights, with and without bias") {
  const Graph graph = folded("g (float[1,2,5,5] x) => (float[1,3,3,3] y) <" + constant("3,2,3,3", "w", 54, -0.5, 0.1) + ", " + statistics3 +
                                 "> { t = Conv(x, w) y = BatchNormalization<epsilon = 0.01>(t, s, b, m, v) }",
                             1);
  CHECK(graph.value(graph.outputs[0]).name == "y");
  CHECK(graph.nodes[0].inputs.size() == 3);
  folded("g (float[1,2,5,5] x) => (float[1,3,3,3] y) <" + constant("3,2,3,3", "w", 54, -0.5, 0.1) + ", " + constant("3", "c", 3, 1, 0.5) + ", " +
             statistics3 + "> { t = Conv(x, w, c) u = BatchNormalization(t, s, b, m, v) y = Relu(u) }",
         2);
}

TEST_CASE("grouped and transposed convolutions scale the right weights") {
  folded("g (float[1,4,5,5] x) => (float[1,4,3,3] y) <" + constant("4,2,3,3", "w", 72, -0.5, 0.1) + ", " + statistics4 +
             "> { t = Conv<group = 2>(x, w) y = BatchNormalization(t, s, b, m, v) }",
         1);
  folded("g (float[1,2,4,4] x) => (float[1,3,6,6] y) <" + constant("2,3,3,3", "w", 54, -0.5, 0.1) + ", " + statistics3 +
             "> { t = ConvTranspose(x, w) y = BatchNormalization(t, s, b, m, v) }",
         1);
  folded("g (float[1,4,4,4] x) => (float[1,4,6,6] y) <" + constant("4,2,3,3", "w", 72, -0.5, 0.1) + ", " + statistics4 +
             "> { t = ConvTranspose<group = 2>(x, w) y = BatchNormalization(t, s, b, m, v) }",
         1);
}

TEST_CASE("Gemm takes it too, in both layouts, with alpha and beta") {
  folded("g (float[2,5] x) => (float[2,3] y) <" + constant("5,3", "w", 15, -0.5, 0.1) + ", " + statistics3 +
             "> { t = Gemm(x, w) y = BatchNormalization(t, s, b, m, v) }",
         1);
  folded("g (float[2,5] x) => (float[2,3] y) <" + constant("3,5", "w", 15, -0.5, 0.1) + ", " + constant("1,3", "c", 3, 1, 0.5) + ", " + statistics3 +
             "> { t = Gemm<transB = 1, alpha = 0.5, beta = 3.0>(x, w, c) y = BatchNormalization(t, s, b, m, v) }",
         1);
}

TEST_CASE("Mul, Add, Sub and Div by constants per channel go along, in any order and length") {
  const std::string conv = "g (float[1,2,5,5] x) => (float[1,3,3,3] y) <" + constant("3,2,3,3", "w", 54, -0.5, 0.1) + ", " +
                           constant("1,3,1,1", "k", 3, 0.5, 0.25) + ", " + constant("3,1,1", "l", 3, 2, 0.5) + ", float q = {1.75}, " + statistics3 +
                           "> ";
  folded(conv + "{ t = Conv(x, w) y = Mul(t, k) }", 1);
  folded(conv + "{ t = Conv(x, w) y = Add(l, t) }", 1);
  folded(conv + "{ t = Conv(x, w) y = Sub(t, k) }", 1);
  folded(conv + "{ t = Conv(x, w) y = Sub(k, t) }", 1);
  folded(conv + "{ t = Conv(x, w) y = Div(t, l) }", 1);
  folded(conv + "{ t = Conv(x, w) u = Mul(k, t) a = Add(u, l) b1 = BatchNormalization(a, s, b, m, v) c = Sub(q, b1) d = Div(c, l) y = Mul(d, q) }",
         1);
}

TEST_CASE("what is not a scale and shift of the whole result stays") {
  const std::string head = "g (float[1,3,5,5] x) => (float[1,3,3,3] y) <" + constant("3,3,3,3", "w", 81, -0.5, 0.1) + ", ";
  check_stays(fold_batch_norm, head + constant("1,1,1,3", "k", 3, 1, 1) + "> { [a] t = Conv(x, w) [b] y = Mul(t, k) }");
  check_stays(fold_batch_norm, head + constant("3", "k", 3, 1, 1) + "> { [a] t = Conv(x, w) [b] y = Add(t, k) }");
  check_stays(fold_batch_norm, head + constant("3,1,1", "k", 3, 1, 1) + "> { [a] t = Conv(x, w) [b] y = Div(k, t) }");
  check_stays(fold_batch_norm, head + "float k = {0}> { [a] t = Conv(x, w) [b] y = Div(t, k) }");
  check_stays(fold_batch_norm, "g (float[1,3,5,5] x) => (float[1,3,3,3] y) <" + constant("3,3,3,3", "w", 81, -5, 1) +
                                   ", float k = {1e38}> { [a] t = Conv(x, w) [b] y = Mul(t, k) }");  // the weights would not be finite
  // The value between is used twice, or is an output.
  check_stays(fold_batch_norm, head + "float k = {2}> { [a] t = Conv(x, w) [b] u = Mul(t, k) [c] y = Add(t, u) }");
  check_stays(fold_batch_norm, "g (float[1,3,5,5] x) => (float[1,3,3,3] y, float[1,3,3,3] t) <" + constant("3,3,3,3", "w", 81, -0.5, 0.1) +
                                   ", float k = {2}> { [a] t = Conv(x, w) [b] y = Mul(t, k) }");
  check_stays(fold_batch_norm,
              "g (bool c, float[1,3,5,5] x) => (float[1,3,3,3] y) <" + constant("3,3,3,3", "w", 81, -0.5, 0.1) +
                  ", float k = {2}> { [a] t = Conv(x, w) [i] y = If(c) <then_branch = p () => (float[1,3,3,3] z) { [b] z = Mul(t, k) }, "
                  "else_branch = q () => (float[1,3,3,3] u) { [d] u = Neg(x) }> }");
  // The constant makes the result larger.
  check_stays(fold_batch_norm, "g (float[1,3,5,5] x) => (float[2,3,3,3] y) <" + constant("3,3,3,3", "w", 81, -0.5, 0.1) + ", " +
                                   constant("2,3,1,1", "k", 6, 1, 1) + "> { [a] t = Conv(x, w) [b] y = Mul(t, k) }");
}

TEST_CASE("batch normalisation with nothing before it becomes a multiplication and an addition") {
  const Graph graph = folded(
      "g (float[2,3,4,4] x) => (float[2,3,4,4] y) <" + statistics3 + "> { t = Relu(x) [bn] u = BatchNormalization(t, s, b, m, v) y = Relu(u) }", 4);
  CHECK(count(graph, "Mul") == 1);
  CHECK(count(graph, "Add") == 1);
  folded("g (float[2,3] x) => (float[2,3] y) <" + statistics3 + "> { y = BatchNormalization(x, s, b, m, v) }", 2);
  // With what follows it, it is still one pair.
  folded(
      "g (float[2,3,4] x) => (float[2,3,4] y) <" + statistics3 + "> { t = BatchNormalization(x, s, b, m, v) y = BatchNormalization(t, s, b, m, v) }",
      2);
  folded("g (float[2,3,4] x) => (float[2,3,4] y) <" + statistics3 + ", " + constant("3,1", "k", 3, 0.5, 0.25) +
             "> { t = BatchNormalization(x, s, b, m, v) u = Mul(t, k) c = Sub(k, u) y = Relu(c) }",
         3);
  folded("g (float[2,3,4] x) => (float[2,3,4] y, float[2,3,4] u) <" + statistics3 + ", " + constant("3,1", "k", 3, 0.5, 0.25) +
             "> { t = BatchNormalization(x, s, b, m, v) u = Mul(t, k) y = Sub(k, u) }",
         3);
}

TEST_CASE("a chain is followed as far as its sum is a number") {
  const Graph before = typed("g (float[1,3,5,5] x) => (float[1,3,3,3] y) <" + constant("3,3,3,3", "w", 81, -0.5, 0.1) +
                             ", float k = {1e30}> { t = Conv(x, w) u = Mul(t, k) y = Mul(u, k) }");
  Graph after = clone(before);
  CHECK(fold_batch_norm(after));
  verify(after);
  CHECK(after.nodes.size() == 2);  // 1e60 is no float32, so the second stays and overflows as it did
  CHECK(after.nodes[1].op_type == "Mul");
  const auto expected = run_reference(before, random_inputs(before, 0)), found = run_reference(after, random_inputs(after, 0));
  CHECK(expected.at("y").tensor.as<float>()[0] == found.at("y").tensor.as<float>()[0]);
}

TEST_CASE("weights that two convolutions share are folded for each alone") {
  folded("g (float[1,2,5,5] x) => (float[1,3,3,3] y, float[1,3,3,3] z) <" + constant("3,2,3,3", "w", 54, -0.5, 0.1) +
             ", float k = {2}> { t = Conv(x, w) y = Mul(t, k) u = Conv(x, w) z = Add(u, k) }",
         2);
}

TEST_CASE("subgraphs are folded too") {
  Graph graph = typed("g (bool c, float[1,2,5,5] x) => (float[1,3,3,3] y) { y = If(c) <then_branch = p () => (float[1,3,3,3] z) <" +
                      constant("3,2,3,3", "w", 54, -0.5, 0.1) + ", float k = {2}> { t = Conv(x, w) z = Mul(t, k) }, " +
                      "else_branch = q () => (float[1,3,3,3] u) <" + constant("1,3,3,3", "r", 27, 0, 0.1) + "> { u = Neg(r) }> }");
  const Graph before = clone(graph);
  CHECK(fold_batch_norm(graph));
  verify(graph);
  CHECK(count(graph, "Mul") == 0);
  check_same_results(before, graph, 2e-6);
}
