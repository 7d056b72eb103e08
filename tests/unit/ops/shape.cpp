// Shapes and shape arithmetic, moving and indexing elements.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("shape arithmetic is evaluated, symbols included") {
  // A flattening as exporters write it: batch kept, the rest multiplied.
  CHECK(inferred("g (float[N,3,4] x) => (y) <int64 zero = {0}, int64[1] axis = {0}, int64[1] rest = {-1}> "
                 "{ s = Shape(x) n = Gather(s, zero) n1 = Unsqueeze(n, axis) t = Concat<axis = 0>(n1, rest) y = Reshape(x, t) }") == "float[N,12]");
  // Half of a channel count, used as the end of a slice.
  CHECK(inferred("g (float[1,10,4] x) => (y) <int64 one = {1}, int64 two = {2}, int64[1] axis = {0}, int64[1] zero = {0}, int64[1] axes = {1}> "
                 "{ s = Shape(x) c = Gather(s, one) h = Div(c, two) e = Unsqueeze(h, axis) y = Slice(x, zero, e, axes) }") == "float[1,5,4]");
  // PyTorch's expand: a -1 in the wanted shape keeps the size.
  CHECK(inferred("g (float[N,1] x) => (y) <int64[2] w = {-1, 4}, int64[1] m = {-1}, int64[2] ones = {1, 1}> { e = Equal(w, m) s = Where(e, ones, w) "
                 "y = Expand(x, s) }") == "float[N,4]");
  CHECK(inferred("g (float[N,6] x) => (y) { y = Shape<start = 1>(x) }") == "int64[1]");
  CHECK(inferred("g (float[A,B] x, float[A,B] z) => (y) { y = Concat<axis = 1>(x, z) }") == "float[A,(B+B)]");
  CHECK(inferred("g (float[N,6] x) => (y) <int64[3] s = {0, 2, -1}> { y = Reshape(x, s) }") == "float[N,2,3]");
  CHECK(inferred("g (float[N,8,H,W] x) => (y) <int64[3] s = {0, 0, -1}> { y = Reshape(x, s) }") == "float[N,8,(H*W)]");
}

TEST_CASE("shape operators by hand") {
  const std::string six = "g () => (y) <float[2,3] x = {1, 2, 3, 4, 5, 6}";
  CHECK(result(six + ", int64[2] s = {3, -1}> { y = Reshape(x, s) }").dimensions == std::vector<int64_t>{3, 2});
  CHECK(result(six + "> { y = Flatten<axis = 0>(x) }").dimensions == std::vector<int64_t>{1, 6});
  CHECK(values<int64_t>(result(six + "> { y = Size(x) }")) == std::vector<int64_t>{6});
  CHECK(values<int64_t>(result("g () => (y) <int64[2] s = {1, 2}> { y = ConstantOfShape<value = int64[1] {7}>(s) }")) == std::vector<int64_t>{7, 7});
  CHECK(values<int64_t>(result("g () => (y) <int64 a = {10}, int64 b = {4}, int64 c = {-3}> { y = Range(a, b, c) }")) == std::vector<int64_t>{10, 7});
  check_floats(result("g () => (y) <float[2,1] x = {1, 2}, int64[2] s = {1, 2}> { y = Expand(x, s) }"), {1, 1, 2, 2});
}

TEST_CASE("movement by hand") {
  const std::string six = "g () => (y) <float[2,3] x = {1, 2, 3, 4, 5, 6}";
  check_floats(result(six + "> { y = Transpose(x) }"), {1, 4, 2, 5, 3, 6});
  check_floats(result(six + "> { y = Concat<axis = 1>(x, x) }"), {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6});
  check_floats(result(six + ", int64[2] p = {1, 2}> { a, y = Split<axis = 1>(x, p) }"), {2, 3, 5, 6});
  check_floats(result(six + ", int64[1] s = {-1}, int64[1] e = {-4}, int64[1] a = {1}, int64[1] t = {-2}> { y = Slice(x, s, e, a, t) }"),
               {3, 1, 6, 4});
  check_floats(result(six + ", int64[2] r = {1, 2}> { y = Tile(x, r) }"), {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6});
  check_floats(result(six + ", int64[4] p = {0, 1, 0, -1}, float c = {9}> { y = Pad(x, p, c) }"), {9, 1, 2, 9, 4, 5});
  check_floats(result("g () => (y) <float[3] x = {1, 2, 3}, int64[2] p = {2, 2}> { y = Pad<mode = \"reflect\">(x, p) }"), {3, 2, 1, 2, 3, 2, 1});
  check_floats(result("g () => (y) <float[3] x = {1, 2, 3}, int64[2] p = {2, 1}> { y = Pad<mode = \"wrap\">(x, p) }"), {2, 3, 1, 2, 3, 1});
  check_floats(result("g () => (y) <float[1,4,1,1] x = {1, 2, 3, 4}> { y = DepthToSpace<blocksize = 2>(x) }"), {1, 2, 3, 4});
  check_floats(result("g () => (y) <float[1,1,2,2] x = {1, 2, 3, 4}> { y = SpaceToDepth<blocksize = 2>(x) }"), {1, 2, 3, 4});
}

TEST_CASE("indexing by hand") {
  const std::string six = "g () => (y) <float[2,3] x = {1, 2, 3, 4, 5, 6}";
  check_floats(result(six + ", int64[2] i = {-1, 0}> { y = Gather<axis = 1>(x, i) }"), {3, 1, 6, 4});
  check_floats(result(six + ", int64[2,1] i = {2, 0}> { y = GatherElements<axis = 1>(x, i) }"), {3, 4});
  check_floats(result(six + ", int64[2,2] i = {0, 1, 1, -1}> { y = GatherND(x, i) }"), {2, 6});
  check_floats(result(six + ", int64[1,1] i = {1}, float[1,3] u = {7, 8, 9}> { y = ScatterND(x, i, u) }"), {1, 2, 3, 7, 8, 9});
  check_floats(result(six + ", int64[1,2] i = {0, 0}, float[1,2] u = {10, 20}> { y = ScatterElements<axis = 1, reduction = \"add\">(x, i, u) }"),
               {31, 2, 3, 4, 5, 6});
  check_floats(result("g () => (v) <float[5] x = {3, 1, 4, 1, 5}, int64[1] k = {3}> { v, i = TopK(x, k) }"), {5, 4, 3});
  CHECK(values<int64_t>(result("g () => (i) <float[5] x = {1, 3, 1, 3, 2}, int64[1] k = {4}> { v, i = TopK(x, k) }")) ==
        std::vector<int64_t>{1, 3, 4, 0});
  CHECK_THROWS_WITH_AS(result(six + ", int64[1] i = {2}> { [\"pick\"] y = Gather(x, i) }"), doctest::Contains("'pick'"), Error);
}

TEST_CASE("ones on a diagonal") {
  CHECK(values<int32_t>(result("g () => (y) <int32[2,3] x = {7, 7, 7, 7, 7, 7}> { y = EyeLike<k = 1>(x) }")) ==
        std::vector<int32_t>{0, 1, 0, 0, 0, 1});
  check_floats(result("g () => (y) <bool[2,2] x = {0, 0, 0, 0}> { y = EyeLike<dtype = 1, k = -1>(x) }"), {0, 0, 1, 0});
  check_complaint("g (float[2,3,4] x) => (y) { [\"eye\"] y = EyeLike(x) }", {"'eye'", "number of dimensions", "2"});
  check_complaint("g (float[2,3] x) => (y) { y = EyeLike<dtype = 8>(x) }", {"type", "8"});
}

TEST_CASE("bad shapes") {
  check_complaint("g (float[2,3] x) => (y) <int64[2] s = {4, -1}> { [\"view\"] y = Reshape(x, s) }", {"'view'", "divide", "2x3"});
  check_complaint("g (float[2,3] x) => (y) <int64[2] s = {2, 4}> { y = Reshape(x, s) }", {"number of elements", "6", "8"});
  check_complaint("g (float[2,3] x) => (y) <int64[2] s = {-1, -1}> { y = Reshape(x, s) }", {"more than one"});
  check_complaint("g (float[2,3] x) => (y) <int64[1] a = {1}> { y = Squeeze(x, a) }", {"not 1", "2x3"});
  check_complaint("g (float[2,3] x, float[3,3] z) => (y) { y = Concat<axis = 1>(x, z) }", {"does not fit", "3x3"});
  check_complaint("g (float[2,3] x) => (y) { y = Transpose<perm = [0, 0]>(x) }", {"permutation"});
  check_complaint("g (float[2,3] x) => (y) <int64[2] p = {1, 1}> { y, z = Split<axis = 1>(x, p) }", {"add up", "3", "2"});
  check_complaint("g (float[2,3] x) => (y) <int64[1] s = {0}, int64[1] e = {2}, int64[1] a = {0}, int64[1] t = {0}> { y = Slice(x, s, e, a, t) }",
                  {"step is 0"});
  check_complaint("g (float[2,3] x) => (y) <int64[3] p = {0, 0, 1}> { y = Pad(x, p) }", {"length", "4", "3"});
  check_complaint("g (float[2,3] x) => (y) <int64[1] k = {9}> { y, i = TopK(x, k) }", {"K is out of range", "9"});
  check_complaint("g () => (y) <int64[3] s = {3037000500, 3037000500, 4}> { y = ConstantOfShape(s) }", {"63 bits"});
  check_complaint("g (float[3] x, float[4] y) => (a, b) { a = Add(x, y) b = Concat<axis = 3>(x, y) }", {"broadcast", "axis"});  // both in one go
}

TEST_CASE("unknown operators are all named, and are not the model's fault") {
  const std::string text = "g (float[3] x) => (b, c) { [\"n1\"] b = Relo(x) [\"n2\"] c = my.own.Thing(x) d = Relu(b) }";
  check_complaint(text, {"'n1'", "Relo", "Relu", "'n2'", "my.own"});
  Graph graph = parse_text(text);
  try {
    infer_types(graph);
    FAIL("it was taken");
  } catch (const Error& error) {
    CHECK(error.code == Code::unsupported);
    CHECK(error.diagnostics.size() == 2);  // d only follows from b
  }
}

TEST_CASE("declared outputs are compared") {
  check_complaint("g (float[2,3] x) => (float[3,2] y) { y = Relu(x) }", {"output 'y'", "float[3,2]", "float[2,3]"});
  check_complaint("g (float[2,3] x) => (double[2,3] y) { y = Relu(x) }", {"element type"});
  CHECK(inferred("g (float[N,3] x, int64[2] s) => (float[Rows,4] y) { y = Reshape(x, s) }") == "float[Rows,4]");
}

TEST_CASE("pinning") {
  Graph graph = parse_text("g (float[N,3,H,H] x, float[N] z) => (float[N,3,H,H] y) { y = Relu(x) }");
  pin_shapes(graph, {{"x", {2, -1, 8, 8}}});
  infer_types(graph);
  CHECK(to_string(graph.value(graph.outputs[0]).type) == "float[2,3,8,8]");
  CHECK(to_string(graph.value(graph.inputs[1]).type) == "float[2]");  // the same symbol elsewhere
  const auto refused = [](const std::map<std::string, std::vector<int64_t>>& shapes) {
    Graph g = parse_text("g (float[N,3,H,H] x) => (y) { y = Relu(x) }");
    CHECK_THROWS_AS(pin_shapes(g, shapes), Error);
  };
  refused({{"X", {1, 3, 8, 8}}});
  refused({{"x", {1, 3, 8}}});
  refused({{"x", {1, 4, 8, 8}}});
  refused({{"x", {1, 3, 8, 9}}});
}

TEST_CASE("what a model declares of its outputs is believed where it cannot be wrong") {
  const std::string concat = " { t = Concat<axis = 0>(x, x) y = Relu(t) }";
  CHECK(inferred("g (float[N,3] x) => (float[M,3] y)" + concat) == "float[M,3]");
  CHECK(inferred("g (float[N,3] x) => (float[8,3] y)" + concat) == "float[8,3]");
  // Exporters label sizes that differ alike, and write down the size that they traced with.
  CHECK(inferred("g (float[N,3] x) => (float[N,3] y)" + concat) != "float[N,3]");
  CHECK(inferred("g (float[N,3] x) => (float[1,3] y) { y = Relu(x) }") == "float[N,3]");
  CHECK(inferred("g (float[N,M] x) => (float[N,M] y) { y = Transpose(x) }") == "float[M,N]");
  check_complaint("g (float[2,3] x) => (float[2,4] y) { y = Relu(x) }", {"output 'y'", "not the declared one", "2,4", "2,3"});
}
