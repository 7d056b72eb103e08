// Lifting of older opsets.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

static std::string old(int opset, const std::string& graph) {
  return "<ir_version: 4, opset_import: [\"\": " + std::to_string(opset) + "]> " + graph;
}

TEST_CASE("attributes became inputs") {
  check_floats(result(old(6 + 1, "g () => (y) <float[3] x = {-2, 0.5, 3}> { y = Clip<min = -1.0, max = 1.0>(x) }")), {-1, 0.5f, 1});
  check_floats(result(old(9, "g () => (y) <float[4] x = {1, 2, 3, 4}> { y = Slice<starts = [1], ends = [-1]>(x) }")), {2, 3});
  check_floats(result(old(9, "g () => (y) <float[2] x = {1, 2}> { y = Pad<pads = [1, 1], value = 5.0>(x) }")), {5, 1, 2, 5});
  CHECK(inferred(old(11, "g (float[2,3] x) => (y) { y = Unsqueeze<axes = [0, 3]>(x) }")) == "float[1,2,3,1]");
  CHECK(inferred(old(11, "g (float[1,2,1] x) => (y) { y = Squeeze<axes = [2]>(x) }")) == "float[1,2]");
  check_floats(result(old(11, "g () => (y) <float[2,2] x = {1, 2, 3, 4}> { y = ReduceMean<axes = [1], keepdims = 0>(x) }")), {1.5f, 3.5f});
  check_floats(result(old(11, "g () => (b) <float[3] x = {1, 2, 3}> { a, b = Split<split = [1, 2]>(x) }")), {2, 3});
  check_floats(result(old(9, "g () => (v) <float[3] x = {1, 3, 2}> { v, i = TopK<k = 2>(x) }")), {3, 2});
  check_floats(result(old(10, "g () => (y) <float[2] x = {1, 2}> { y, m = Dropout<ratio = 0.3>(x) }")), {1, 2});
}

TEST_CASE("renamed operators") {
  check_floats(result(old(9, "g () => (y) <float[1,1,1,2] x = {1, 2}, float[4] s = {1, 1, 1, 2}> { y = Upsample(x, s) }")), {1, 1, 2, 2});
  check_floats(result(old(7, "g () => (y) <float[1,1,1,2] x = {1, 2}> { y = Upsample<scales = [1.0, 1.0, 1.0, 2.0], mode = \"linear\">(x) }")),
               {1, 1.5f, 2, 2});
  check_floats(result(old(10, "g () => (y) <float[1,1,1,4] x = {1, 2, 3, 4}, float[4] s = {1, 1, 1, 0.5}> { y = Resize(x, s) }")), {1, 3});
  check_floats(result(old(9, "g () => (y) <float[3] x = {1, 2, 3}, int64[1] i = {1}, float[1] u = {9}> { y = Scatter(x, i, u) }")), {1, 9, 3});
}

TEST_CASE("softmax over everything from the axis on") {
  // 1/4 each: the two last axes are one line.
  check_floats(result(old(11, "g () => (y) <float[1,2,2] x = {5, 5, 5, 5}> { y = Softmax(x) }")), {0.25f, 0.25f, 0.25f, 0.25f});
  check_floats(result(old(11, "g () => (y) <float[1,2,2] x = {5, 5, 5, 5}> { y = Softmax<axis = 2>(x) }")), {0.5f, 0.5f, 0.5f, 0.5f});
  check_floats(result(old(13, "g () => (y) <float[1,2,2] x = {5, 5, 5, 5}> { y = Softmax<axis = 1>(x) }")), {0.5f, 0.5f, 0.5f, 0.5f});
  // Only one of the axes is longer than 1: no detour over a matrix.
  Graph graph = parse_text(old(9, "g (float[1,8,1,1] x) => (y) { y = Softmax(x) }"));
  lift_to_canonical(graph);
  REQUIRE(graph.nodes.size() == 1);
  CHECK(graph.nodes[0].integer("axis", 0) == 1);
  CHECK(graph.opsets.at("") == canonical_opset);
}

TEST_CASE("constants become values") {
  Graph graph = parse_text(old(12, "g (float[2] x) => (y) { c = Constant<value_floats = [1.0, 2.0]>() y = Add(x, c) }"));
  lift_to_canonical(graph);
  CHECK(graph.nodes.size() == 1);
  check_floats(result("g () => (y) { y = Constant<value = float[2] {3, 4}>() }"), {3, 4});
}

TEST_CASE("what cannot be lifted is said") {
  check_complaint(old(6, "g (float[2] x) => (y) { y = Relu(x) }"), {"opset 6", "7 to 26"});
  check_complaint(old(27, "g (float[2] x) => (y) { y = Relu(x) }"), {"opset 27", "7 to 26"});
  check_complaint(old(8, "g (float[1,2,1] x, float[2] s) => (y) { [\"bn\"] y = BatchNormalization<spatial = 0>(x, s, s, s, s) }"),
                  {"'bn'", "spatial"});
}
