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
  // One axis shrinks, by rounding places up, the other grows, by rounding them down (ONNX Runtime 1.30's numbers); scales of a Constant, and
  // computed.
  const std::string both = "y = Resize(x, s) }";
  const std::string x = "g () => (y) <float[1,1,3,2] x = {1, 2, 3, 4, 5, 6}";
  const std::vector<float> mixed = {1, 1, 1, 2, 2, 5, 5, 5, 6, 6};
  check_floats(result(old(10, x + ", float[4] s = {1, 1, 0.67, 2.5}> { " + both)), mixed);
  check_floats(result(old(10, x + "> { s = Constant<value = float[4] {1, 1, 0.67, 2.5}>() " + both)), mixed);
  check_floats(result(old(10, x + ", double[4] d = {1, 1, 0.67, 2.5}> { s = Cast<to = 1>(d) " + both)), mixed);
  check_floats(result(old(10, "g () => (y) <float[1,1,1,4] x = {1, 2, 3, 4}> { s = Constant<value = float[4] {1, 1, 1, 0.75}>() " + both)),
               {1, 3, 4});
  // The rows of ONNX's own test of these coordinates: places 2/3, 2 and 10/3, rounded to the nearest, and rounded down.
  const std::string rows =
      "g () => (y) <float[1,1,4,1] x = {1, 2, 3, 4}, float[4] s = {1, 1, 0.75, 1}> { y = Resize<coordinate_transformation_mode = "
      "\"tf_half_pixel_for_nn\", mode = \"nearest\"";
  check_floats(result(old(11, rows + ">(x, , s) }")), {2, 3, 4});
  check_floats(result(old(11, rows + ", nearest_mode = \"floor\">(x, , s) }")), {1, 3, 4});
  check_floats(result(old(9, "g () => (y) <float[3] x = {1, 2, 3}, int64[1] i = {1}, float[1] u = {9}> { y = Scatter(x, i, u) }")), {1, 9, 3});
}

TEST_CASE("softmax over everything from the axis on") {
  // 1/4 each: the two last axes are one line.
  check_floats(result(old(11, "g () => (y) <float[1,2,2] x = {5, 5, 5, 5}> { y = Softmax(x) }")), {0.25f, 0.25f, 0.25f, 0.25f});
  check_floats(result(old(11, "g () => (y) <float[1,2,2] x = {5, 5, 5, 5}> { y = Softmax<axis = 2>(x) }")), {0.5f, 0.5f, 0.5f, 0.5f});
  check_floats(result(old(13, "g () => (y) <float[1,2,2] x = {5, 5, 5, 5}> { y = Softmax<axis = 1>(x) }")), {0.5f, 0.5f, 0.5f, 0.5f});
  CHECK(inferred(old(11, "g (float[2,3,0] x) => (y) { y = Softmax(x) }")) == "float[2,3,0]");
  result(old(11, "g () => (y) <float[2,3,0] x = {}> { y = Hardmax(x) }"));
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

TEST_CASE("attributes become inputs of the type that the data turns out to have") {
  CHECK(inferred(old(7, "g (float16[3] x) => (y) { t = Neg(x) y = Clip<min = -1.0, max = 1.0>(t) }")) == "float16[3]");
  CHECK(inferred(old(7, "g (double[3] x) => (y) { t = Neg(x) y = Pad<pads = [1, 1], value = 2.0>(t) }")) == "double[5]");
}

TEST_CASE("statistics per element, scales per group") {
  // (x - mean) / sqrt(variance + 0) * scale + bias, each of shape [2].
  check_floats(
      result(
          old(8,
              "g () => (y) <float[2,2] x = {1, 2, 3, 4}, float[2] s = {2, 3}, float[2] b = {10, 20}, float[2] m = {1, 1}, float[2] v = {4, 1}> { y = "
              "BatchNormalization<spatial = 0, epsilon = 0.0>(x, s, b, m, v) }")),
      {10, 23, 12, 29});
  // Two groups of two channels: -1 and 1 in each, then its group's scale and bias.
  check_floats(result(old(18,
                          "g () => (y) <float[1,4,1] x = {1, 3, 10, 20}, float[2] s = {1, 5}, float[2] b = {0, 100}> { y = "
                          "GroupNormalization<num_groups = 2, epsilon = "
                          "0.0>(x, s, b) }")),
               {-1, 1, 95, 105});
}

TEST_CASE("defaults that changed") {
  Graph graph = parse_text(old(10, "g (float[1,1,4,4] x, float[1,4] r, int64[1] i) => (y) { y = RoiAlign(x, r, i) }"));
  lift_to_canonical(graph);
  CHECK(graph.nodes[0].text("coordinate_transformation_mode", "") == "output_half_pixel");
  graph = parse_text(old(16, "g (float[1,1,4,4] x, float[1,2,2,2] z) => (y) { y = GridSample<mode = \"bicubic\">(x, z) }"));
  lift_to_canonical(graph);
  CHECK(graph.nodes[0].text("mode", "") == "cubic");
  graph = parse_text(old(17, "g (float[1,4,4,1] x) => (y) { y = DFT<axis = 2>(x) }"));
  lift_to_canonical(graph);
  REQUIRE(graph.nodes[0].inputs.size() == 3);
  CHECK(to_int64s(*graph.constant(graph.nodes[0].inputs[2])) == std::vector<int64_t>{2});
  CHECK(inferred(old(10, "g (float16[2] x) => (m) { y, m = Dropout(x) }")) == "bool[2]");
  CHECK(inferred(old(7, "g (float16[2] x) => (m) { y, m = Dropout(x) }")) == "float16[2]");
}

TEST_CASE("opsets 1 to 6") {
  check_floats(result(old(6, "g () => (y) <float[2,2] x = {1, 2, 3, 4}, float[2] b = {10, 20}> { y = Add<broadcast = 1, axis = 0>(x, b) }")),
               {11, 12, 23, 24});
  check_floats(result(old(6, "g () => (y) <float[2,2] x = {1, 2, 3, 4}, float[2] b = {10, 20}> { y = Add<broadcast = 1>(x, b) }")), {11, 22, 13, 24});
  check_floats(result(old(6, "g () => (y) <float[2,2] x = {1, 2, 3, 4}, float[2] b = {10, 20}> { y = Sub<broadcast = 1, axis = -2>(x, b) }")),
               {-9, -8, -17, -16});
  check_floats(result(old(6, "g () => (y) <float[1,2,2] x = {-1, -2, -3, -4}, float[2] s = {10, 100}> { y = PRelu(x, s) }")), {-10, -20, -300, -400});
  check_floats(result(old(1, "g () => (y) <float[2] x = {-1, 2}> { y = Relu<consumed_inputs = [0]>(x) }")), {0, 2});
  check_floats(result(old(1, "g () => (y) <float[1,2] x = {1, 2}> { y = Concat(x, x) }")), {1, 2, 1, 2});
  check_floats(result(old(1, "g () => (y) <float[4] x = {1, 2, 3, 4}> { y = Reshape<shape = [2, 2]>(x) }")), {1, 2, 3, 4});
  check_floats(result(old(5, "g () => (y) <int32[2] x = {1, 2}> { y = Cast<to = \"FLOAT\">(x) }")), {1, 2});
  check_floats(result(old(1, "g () => (y) <float[1,2] x = {1, 2}, int64[1] n = {2}, int64[1] a = {1}> { y = Tile(x, n, a) }")), {1, 2, 1, 2});
  check_floats(result(old(1, "g () => (y) <float[1,1,1,2] x = {1, 2}> { y = Upsample<width_scale = 2.0, height_scale = 1.0>(x) }")), {1, 1, 2, 2});
}

TEST_CASE("nodes of another opset than their graph's") {
  // As in the body of a model-local function: the axis was an attribute, and Softmax saw a matrix.
  Graph graph = parse_text(
      "g () => (y) <float[1,2,2] x = {5, 5, 5, 5}> { a = Constant<value_int = 1>() t = Softmax(x) y = ReduceSum<axes = [0], keepdims = 0>(t) }");
  for (Node& node : graph.nodes) node.domain = "ai.onnx@12";
  lift_to_canonical(graph);
  infer_types(graph);
  check_floats(run_reference(graph, {}).at("y").tensor, {0.25f, 0.25f, 0.25f, 0.25f});
  for (const char* domain : {"ai.onnx@27", "ai.onnx@", "ai.onnx@x", "ai.onnx@0"}) {
    graph = parse_text("g (float[2] x) => (y) { [\"n\"] y = Relu(x) }");
    graph.nodes[0].domain = domain;
    CHECK_THROWS_WITH_AS(lift_to_canonical(graph), doctest::Contains("'n' (Relu): it is written for an opset that cannot be read"), Error);
  }
}

TEST_CASE("what cannot be lifted is said") {
  check_complaint(old(0, "g (float[2] x) => (y) { y = Relu(x) }"), {"opset 0", "1 to 26"});
  check_complaint(old(27, "g (float[2] x) => (y) { y = Relu(x) }"), {"opset 27", "1 to 26"});
  check_complaint(old(4, "g (float[2] x) => (y) { [\"c\"] y = Cast<to = \"FLOTE\">(x) }"), {"'c'", "'to'", "FLOTE"});
  check_complaint(old(8, "g (float[1,2] s, float[1,3,2] x) => (y) { [\"s\"] y = Scan(, s, x) <num_scan_inputs = 5, body = b () => () {}> }"),
                  {"'s'", "num_scan_inputs", "5"});
}
