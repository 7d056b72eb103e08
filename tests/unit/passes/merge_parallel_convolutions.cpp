// merge-parallel-convolutions: structure, and numbers through the reference.
#include "core/passes/merge_parallel_convolutions.hpp"

#include "tests/unit/passes/support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

std::string constant(const std::string& shape, const std::string& name, int count, double start, double step) {
  std::string text = "float[" + shape + "] " + name + " = {";
  for (int i = 0; i < count; ++i) text += (i ? ", " : "") + std::to_string(start + step * ((i * 7) % 11));
  return text + "}";
}

void merges(const std::string& text, size_t nodes) {
  const Graph before = typed(text);
  Graph after = clone(before);
  CHECK(merge_parallel_convolutions(after));
  CHECK_NOTHROW(verify(after));
  CHECK(after.nodes.size() == nodes);
  check_same_results(before, after, 2e-6);
  CHECK_FALSE(merge_parallel_convolutions(after));
}

void stays(const std::string& text) {
  Graph graph = typed(text);
  CHECK_FALSE(merge_parallel_convolutions(graph));
}

const std::string w3 = constant("2,2,3,3", "w3", 36, -0.5, 0.1), w1 = constant("2,2,1,1", "w1", 4, 0.2, -0.3), b = constant("2", "b", 2, 1, 2);

}  // namespace

TEST_CASE("a 3x3 and a 1x1 convolution become one") {
  merges("g (float[1,2,5,4] x) => (float[1,2,5,4] y) <" + w3 + ", " + w1 + ", " + b +
             "> { s = Conv<pads = [1,1,1,1]>(x, w3, b) t = Conv(x, w1) y = Add(t, s) }",
         1);
  merges("g (float[1,2,5,4] x) => (float[1,2,3,2] y) <" + w3 + ", " + w1 + ", " + b +
             "> { s = Conv<pads = [1,1,1,1], strides = [2,2]>(x, w3) t = Conv<strides = [2,2]>(x, w1, b) y = Add(s, t) }",
         1);
}

TEST_CASE("three branches merge one after the other, the smaller first or last") {
  merges("g (float[1,2,5,4] x) => (float[1,2,5,4] y) <" + w3 + ", " + w1 + ", " + constant("2,2,1,1", "v1", 4, -0.4, 0.2) +
             "> { r = Conv(x, w1) t = Conv(x, v1) u = Add(r, t) s = Conv<pads = [1,1,1,1]>(x, w3) y = Add(u, s) }",
         1);
}

TEST_CASE("kernels off centre, depthwise and dilated") {
  merges("g (float[1,2,6,6] x) => (float[1,2,6,6] y) <" + constant("2,1,7,7", "w", 98, -0.5, 0.1) + ", " + constant("2,1,3,3", "v", 18, 0.3, -0.1) +
             "> { s = Conv<pads = [3,3,3,3], group = 2>(x, w) t = Conv<pads = [1,1,1,1], group = 2>(x, v) y = Add(s, t) }",
         1);
  merges("g (float[1,2,6,6] x) => (float[1,2,6,6] y) <" + w3 + ", " + w1 +
             "> { s = Conv<pads = [2,2,2,2], dilations = [2,2]>(x, w3) t = Conv<dilations = [2,2]>(x, w1) y = Add(s, t) }",
         1);
  // The 2x2 kernel lies in the lower right of the 3x3 one.
  merges("g (float[1,2,6,6] x) => (float[1,2,6,6] y) <" + w3 + ", " + constant("2,2,2,2", "v", 16, 0.3, -0.1) +
             "> { s = Conv<pads = [1,1,1,1]>(x, w3) t = Conv<pads = [0,0,1,1]>(x, v) y = Add(s, t) }",
         1);
}

TEST_CASE("what is no sum of like convolutions stays") {
  stays("g (float[1,2,5,4] x, float[1,2,5,4] z) => (float[1,2,5,4] y) <" + w3 + ", " + w1 +
        "> { s = Conv<pads = [1,1,1,1]>(x, w3) t = Conv(z, w1) y = Add(t, s) }");  // two inputs
  stays("g (float[1,2,5,4] x) => (float[1,2,5,4] y, float[1,2,5,4] t) <" + w3 + ", " + w1 +
        "> { s = Conv<pads = [1,1,1,1]>(x, w3) t = Conv(x, w1) y = Add(t, s) }");  // one branch is used elsewhere
  stays("g (float[1,2,5,4] x) => (float[1,2,7,6] y) <" + w3 + ", " + w1 +
        "> { s = Conv<pads = [2,2,2,2]>(x, w3) t = Conv<pads = [1,1,1,1], dilations = [1,1], strides = [1,1]>(x, w1) u = Relu(t) y = Add(u, s) }");
}
