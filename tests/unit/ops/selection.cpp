// What is not zero, distinct, kept by a condition, not suppressed; reversed sequences. Expected numbers are numpy's or worked out by hand.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

using Integers = std::vector<int64_t>;

TEST_CASE("coordinates of what is not zero") {
  const Tensor y = result("g () => (y) <float[2,3] x = {0, 2, -0.0, nan, 0, 5}> { y = NonZero(x) }");
  CHECK(y.dimensions == Integers{2, 3});
  CHECK(values<int64_t>(y) == Integers{0, 1, 1, 1, 0, 2});
  CHECK(result("g () => (y) <int8[3] x = {0, 0, 0}> { y = NonZero(x) }").dimensions == Integers{1, 0});
  CHECK(result("g () => (y) <bool x = {1}> { y = NonZero(x) }").dimensions == Integers{0, 1});
}

TEST_CASE("compressing") {
  const std::string six = "g () => (y) <float[2,3] x = {1, 2, 3, 4, 5, 6}, ";
  check_floats(result(six + "bool[3] c = {1, 0, 1}> { y = Compress<axis = 1>(x, c) }"), {1, 3, 4, 6});
  check_floats(result(six + "bool[1] c = {1}> { y = Compress<axis = -2>(x, c) }"), {1, 2, 3});
  check_floats(result(six + "bool[5] c = {0, 1, 0, 0, 1}> { y = Compress(x, c) }"), {2, 5});
  CHECK_THROWS_WITH_AS(result(six + "bool[3] c = {1, 0, 1}> { [\"keep\"] y = Compress<axis = 0>(x, c) }"), doctest::Contains("'keep'"), Error);
}

TEST_CASE("distinct elements") {
  const std::string text = "<int64[7] x = {5, 2, 9, 2, 5, 5, 1}> { a, b, c, d = Unique";
  const auto unique = [&](const std::string& attributes, const std::string& output) {
    return values<int64_t>(result("g () => (" + output + ") " + text + attributes + "(x) }"));
  };
  CHECK(unique("", "a") == Integers{1, 2, 5, 9});
  CHECK(unique("", "b") == Integers{6, 1, 0, 2});
  CHECK(unique("", "c") == Integers{2, 1, 3, 1, 2, 2, 0});
  CHECK(unique("", "d") == Integers{1, 2, 3, 1});
  CHECK(unique("<sorted = 0>", "a") == Integers{5, 2, 9, 1});
  CHECK(unique("<sorted = 0>", "b") == Integers{0, 1, 2, 6});
  CHECK(unique("<sorted = 0>", "c") == Integers{0, 1, 2, 1, 0, 0, 3});
  CHECK(unique("<sorted = 0>", "d") == Integers{3, 2, 1, 1});
}

TEST_CASE("distinct slices, strings, and numbers that are none") {
  const Tensor columns = result("g () => (y) <float[2,4] x = {1, 0, 1, 0, 2, 3, 2, 1}> { y = Unique<axis = 1>(x) }");
  CHECK(columns.dimensions == Integers{2, 3});
  check_floats(columns, {0, 0, 1, 1, 3, 2});
  CHECK(result("g () => (y) <float[5] x = {nan, 1, nan, -1, 1}> { y = Unique(x) }").dimensions == Integers{3});
  CHECK(result("g () => (y) <float[0] x = {}> { y = Unique(x) }").dimensions == Integers{0});
}

// Three boxes of side 10: the second overlaps the first by 0.68, the third stands apart.
static const std::string boxes = "float[1,3,4] b = {0, 0, 10, 10, 10, 11, 0, 1, 0, 20, 10, 30}, ";

TEST_CASE("suppressing overlapping boxes") {
  const std::string text =
      "g () => (y) <" + boxes + "float[1,2,3] s = {0.5, 0.9, 0.7, 0.3, 0.3, 0.1}, int64 m = {3}, float t = {0.5}, float l = {0.2}> { y = ";
  CHECK(values<int64_t>(result(text + "NonMaxSuppression(b, s, m, t) }")) == Integers{0, 0, 1, 0, 0, 2, 0, 1, 0, 0, 1, 2});
  CHECK(values<int64_t>(result(text + "NonMaxSuppression(b, s, m, t, l) }")) == Integers{0, 0, 1, 0, 0, 2, 0, 1, 0});
  CHECK(values<int64_t>(result("g () => (y) <" + boxes +
                               "float[1,1,3] s = {0.5, 0.9, 0.7}, int64 m = {1}, float t = {0.95}> "
                               "{ y = NonMaxSuppression(b, s, m, t) }")) == Integers{0, 0, 1});
  CHECK(result(text + "NonMaxSuppression(b, s) }").dimensions == Integers{0, 3});
  // The same boxes as centre and size.
  CHECK(values<int64_t>(result("g () => (y) <float[1,3,4] b = {5, 5, 10, 10, 6, 5, 10, 10, 25, 5, 10, 10}, float[1,1,3] s = {0.5, 0.9, 0.7}, "
                               "int64 m = {3}, float t = {0.8}> { y = NonMaxSuppression<center_point_box = 1>(b, s, m, t) }")) ==
        Integers{0, 0, 1, 0, 0, 2});
}

TEST_CASE("reversed sequences") {
  const std::string text = "g () => (y) <float[2,3] x = {1, 2, 3, 4, 5, 6}, ";
  check_floats(result(text + "int64[3] n = {2, 1, 0}> { y = ReverseSequence(x, n) }"), {4, 2, 3, 1, 5, 6});
  check_floats(result(text + "int64[2] n = {3, 2}> { y = ReverseSequence<batch_axis = 0, time_axis = 1>(x, n) }"), {3, 2, 1, 5, 4, 6});
  CHECK_THROWS_WITH_AS(result(text + "int64[3] n = {3, 1, 1}> { [\"turn\"] y = ReverseSequence(x, n) }"), doctest::Contains("'turn'"), Error);
}

TEST_CASE("ranks and known dimensions of what the data decide") {
  const auto rank = [](const std::string& text) {
    Graph graph = parse_text(text);
    infer_types(graph);
    return graph.value(graph.outputs.at(0)).type.shape->size();
  };
  CHECK(rank("g (float[2,3] x) => (y) { y = NonZero(x) }") == 2);
  CHECK(rank("g (float[2,3] x, bool[3] c) => (y) { y = Compress(x, c) }") == 1);
  CHECK(rank("g (float[2,3] x, bool[3] c) => (y) { y = Compress<axis = 1>(x, c) }") == 2);
  CHECK(inferred("g (float[2,3] x) => (c) { a, b, c = Unique(x) }") == "int64[6]");
}

TEST_CASE("bad selections") {
  check_complaint("g (float[3] x, int64[3] c) => (y) { [\"keep\"] y = Compress(x, c) }", {"'keep'", "'condition'", "tensor(bool)", "int64"});
  check_complaint("g (float[3] x, bool[3] c) => (y) { y = Compress<axis = 1>(x, c) }", {"axis", "-1 to 0"});
  check_complaint("g (float[3] x) => (y) { y = Unique<sorted = 2>(x) }", {"'sorted'", "0 or 1"});
  check_complaint("g (float[3] x) => (y) { y = Unique<axis = 3>(x) }", {"axis", "3"});
  check_complaint("g (float[1,3,5] b, float[1,1,3] s) => (y) { y = NonMaxSuppression(b, s) }", {"four numbers", "1x3x5"});
  check_complaint("g (float[1,3,4] b, float[1,1,4] s) => (y) { y = NonMaxSuppression(b, s) }", {"1x3x4", "1x1x4"});
  check_complaint("g (float[1,3,4] b, float[1,1,3] s, int64[2] m) => (y) { y = NonMaxSuppression(b, s, m) }", {"one number"});
  check_complaint("g (float[2,3] x, int64[2] n) => (y) { y = ReverseSequence(x, n) }", {"length", "3", "2"});
  check_complaint("g (float[2,3] x, int64[2] n) => (y) { y = ReverseSequence<time_axis = 1>(x, n) }", {"time axis"});
  check_complaint("g (float[2,3] x) => (y) { y = NonZero<axis = 1>(x) }", {"no attribute 'axis'"});
}
