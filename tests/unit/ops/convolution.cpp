// Convolution and pooling.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

// x is 0..8 as a 3x3 image.
static const std::string image = "float[1,1,3,3] x = {0, 1, 2, 3, 4, 5, 6, 7, 8}";

TEST_CASE("convolution by hand") {
  const std::string head = "g () => (y) <" + image + ", float[1,1,2,2] w = {1, 2, 3, 4}, float[1] b = {0.5}> { y = ";
  check_floats(result(head + "Conv(x, w) }"), {27, 37, 57, 67});
  check_floats(result(head + "Conv(x, w, b) }"), {27.5f, 37.5f, 57.5f, 67.5f});
  check_floats(result(head + "Conv<pads = [1, 1, 0, 0], strides = [2, 2]>(x, w) }"), {0, 11, 30, 67});
  check_floats(result(head + "Conv<dilations = [2, 2]>(x, w) }"), {0 + 4 + 18 + 32});
  check_floats(result(head + "Conv<auto_pad = \"SAME_UPPER\">(x, w) }"), {27, 37, 17, 57, 67, 29, 20, 23, 8});
  check_floats(result(head + "ConvTranspose<strides = [2, 2]>(x, w) }"),
               {0, 0, 1, 2, 2, 4, 0, 0, 3, 4, 6, 8, 3, 6, 4, 8, 5, 10, 9, 12, 12, 16, 15, 20, 6, 12, 7, 14, 8, 16, 18, 24, 21, 28, 24, 32});
}

TEST_CASE("groups, depthwise and one-dimensional convolution") {
  check_floats(result("g () => (y) <float[1,4,1,1] x = {1, 2, 3, 4}, float[2,2,1,1] w = {1, 10, 100, 1000}> { y = Conv<group = 2>(x, w) }"),
               {21, 4300});
  check_floats(result("g () => (y) <float[1,2,1,3] x = {1, 2, 3, 4, 5, 6}, float[2,1,1,2] w = {1, -1, 2, 1}> { y = Conv<group = 2>(x, w) }"),
               {-1, -1, 13, 16});
  check_floats(result("g () => (y) <float[1,1,4] x = {1, 2, 3, 4}, float[1,1,3] w = {1, 0, -1}> { y = Conv<pads = [1, 1]>(x, w) }"), {-2, -2, -2, 3});
}

// Wider than one tile and deeper than one block of the product beneath: the sum of 600 ones per output, and a marked column.
TEST_CASE("convolution across blocks") {
  Graph graph = parse_text("g (float[1,600,5,21] x, float[17,600,1,1] w) => (y) { y = Conv(x, w) }");
  infer_types(graph);
  std::vector<float> x(600 * 105), w(17 * 600, 1.0f);
  for (size_t c = 0; c < 600; ++c)
    for (size_t i = 0; i < 105; ++i) x[c * 105 + i] = float(i);
  for (size_t k = 0; k < 600; ++k) w[16 * 600 + k] = 2.0f;
  const auto run = [&](unsigned threads) {
    return run_reference(
               graph,
               {{"x", Tensor::of<float>(DataType::float32, {1, 600, 5, 21}, x)}, {"w", Tensor::of<float>(DataType::float32, {17, 600, 1, 1}, w)}},
               ReferenceOptions{threads, {}, {}})
        .at("y")
        .tensor;
  };
  const Tensor y = run(1);
  for (size_t m = 0; m < 17; ++m)
    for (size_t i = 0; i < 105; ++i) REQUIRE(y.as<float>()[m * 105 + i] == float(i) * 600 * (m == 16 ? 2 : 1));
  CHECK(run(3) == y);
}

TEST_CASE("integer convolution") {
  CHECK(values<int32_t>(result("g () => (y) <uint8[1,1,3,3] x = {2, 3, 4, 5, 6, 7, 8, 9, 10}, uint8[1,1,2,2] w = {1, 1, 1, 1}, uint8 z = {1}> { y = "
                               "ConvInteger(x, w, z) }")) == std::vector<int32_t>{12, 16, 24, 28});  // the standard's example
}

TEST_CASE("transposed convolution: output shapes and paddings") {
  const std::string head = "g () => (y) <float[1,1,3] x = {1, 2, 3}, float[1,1,3] w = {1, 10, 100}> { y = ConvTranspose";
  check_floats(result(head + "<strides = [2]>(x, w) }"), {1, 10, 102, 20, 203, 30, 300});
  check_floats(result(head + "<strides = [2], pads = [1, 0]>(x, w) }"), {10, 102, 20, 203, 30, 300});
  check_floats(result(head + "<strides = [2], output_padding = [1]>(x, w) }"), {1, 10, 102, 20, 203, 30, 300, 0});
  // One element too many is cut in front, unless SAME_UPPER asks for the end.
  check_floats(result(head + "<strides = [2], output_shape = [6]>(x, w) }"), {10, 102, 20, 203, 30, 300});
  check_floats(result(head + "<strides = [2], output_shape = [6], auto_pad = \"SAME_UPPER\">(x, w) }"), {1, 10, 102, 20, 203, 30});
  check_floats(result(head + "<strides = [2], output_shape = [6], output_padding = [1]>(x, w) }"), {10, 102, 20, 203, 30, 300});
  check_floats(result(head + "<strides = [2], auto_pad = \"SAME_LOWER\">(x, w) }"), {10, 102, 20, 203, 30, 300});
}

TEST_CASE("pooling by a norm") {
  check_floats(result("g () => (y) <float[1,1,4] x = {3, -4, 0, 12}> { y = LpPool<kernel_shape = [2]>(x) }"), {5, 4, 12});
  check_floats(result("g () => (y) <float[1,1,4] x = {3, -4, 0, 12}> { y = LpPool<kernel_shape = [2], p = 1, strides = [2], pads = [1, 1]>(x) }"),
               {3, 4, 12});
  check_floats(result("g () => (y) <double[1,1,3] x = {3, 4, 5}> { z = GlobalLpPool<p = 3>(x) y = Cast<to = 1>(z) }"), {6});  // 27 + 64 + 125 = 216
}

TEST_CASE("places of maxima, and back") {
  const std::string head = "g () => (i) <" + image + "> { y, i = MaxPool<kernel_shape = [2, 2]";
  CHECK(values<int64_t>(result(head + ">(x) }")) == std::vector<int64_t>{4, 5, 7, 8});
  CHECK(values<int64_t>(result(head + ", storage_order = 1>(x) }")) == std::vector<int64_t>{4, 7, 5, 8});
  CHECK(values<int8_t>(result("g () => (y) <int8[1,1,4] x = {-3, -5, -7, 2}> { y = MaxPool<kernel_shape = [3], pads = [1, 1]>(x) }")) ==
        std::vector<int8_t>{-3, -3, 2, 2});
  const std::string four =
      "g () => (y) <float[1,1,2,2] x = {1, 2, 3, 4}, int64[1,1,2,2] i = {5, 7, 13, 15}, int64[4] s = {1, 1, 5, 5}> "
      "{ y = MaxUnpool<kernel_shape = [2, 2], strides = [2, 2]>(x, i";
  check_floats(result(four + ") }"), {0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4});
  check_floats(result(four + ", s) }"), {0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0, 0});  // the standard's example
  CHECK_THROWS_WITH_AS(result("g () => (y) <float[1,1,1] x = {1}, int64[1,1,1] i = {2}> { [\"up\"] y = MaxUnpool<kernel_shape = [2]>(x, i) }"),
                       doctest::Contains("'up'"), Error);
}

TEST_CASE("pooling by hand") {
  const std::string head = "g () => (y) <" + image + "> { y = ";
  check_floats(result(head + "MaxPool<kernel_shape = [2, 2]>(x) }"), {4, 5, 7, 8});
  check_floats(result(head + "AveragePool<kernel_shape = [2, 2]>(x) }"), {2, 3, 5, 6});
  check_floats(result(head + "AveragePool<kernel_shape = [2, 2], pads = [1, 1, 0, 0], strides = [2, 2]>(x) }"), {0, 1.5f, 4.5f, 6});
  check_floats(result(head + "AveragePool<kernel_shape = [2, 2], pads = [1, 1, 0, 0], strides = [2, 2], count_include_pad = 1>(x) }"),
               {0, 0.75f, 2.25f, 6});
  check_floats(result(head + "MaxPool<kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1>(x) }"), {4, 5, 7, 8});
  check_floats(result(head + "GlobalAveragePool(x) }"), {4});
  check_floats(result(head + "GlobalMaxPool(x) }"), {8});
  CHECK(values<int64_t>(result("g () => (i) <" + image + "> { y, i = MaxPool<kernel_shape = [2, 2]>(x) }")) == std::vector<int64_t>{4, 5, 7, 8});
}

TEST_CASE("symbolic image sizes") {
  CHECK(inferred("g (float[N,3,H,W] x, float[8,3,3,3] w) => (y) { y = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, w) }") ==
        "float[N,8,(((H-1)/2)+1),(((W-1)/2)+1)]");
}

TEST_CASE("bad convolutions and pools") {
  check_complaint("g (float[1,3,8,8] x, float[4,2,3,3] w) => (y) { [\"c1\"] y = Conv(x, w) }", {"'c1'", "channels", "2", "3"});
  check_complaint("g (float[1,3,2,2] x, float[4,3,3,3] w) => (y) { y = Conv(x, w) }", {"larger than the padded input", "3", "2"});
  check_complaint("g (float[1,3,8,8] x, float[4,3,3,3] w, float[5] b) => (y) { y = Conv(x, w, b) }", {"length", "4", "5"});
  check_complaint("g (float[1,3,8,8] x, float[4,3,3,3] w) => (y) { y = Conv<strides = [0, 1]>(x, w) }", {"'strides'", "out of range"});
  check_complaint("g (float[1,3,8,8] x, float[4,3,3,3] w) => (y) { y = Conv<pads = [1, 1]>(x, w) }", {"'pads'", "4", "2"});
  check_complaint("g (float[1,3,8,8] x, float[4,3,3,3] w) => (y) { y = Conv<auto_pad = \"SAME_UPER\">(x, w) }", {"auto_pad", "SAME_UPPER"});
  check_complaint("g (int8[1,1,9223372036854775807] x) => (y) { y = MaxPool<kernel_shape = [2], pads = [1, 1]>(x) }", {"overflows 63 bits"});
  check_complaint("g (float[1,1,8] x, float[0,1,4611686018427387904] w) => (y) { y = Conv<dilations = [2147483648]>(x, w) }", {"out of range"});
  check_complaint("g (float[1,3,8,8] x) => (y) { y = MaxPool(x) }", {"'kernel_shape'", "missing"});
  check_complaint("g (float[1,3,8,8] x) => (y) { y = MaxPool<kernel_shape = [2, 2], pads = [2, 2, 2, 2]>(x) }", {"padding", "kernel"});
}

TEST_CASE("bad pooling by a norm and unpooling") {
  check_complaint("g (float[1,1,3] x, float[1,1,3] w) => (y) { [\"up\"] y = ConvTranspose<strides = [2], output_padding = [2]>(x, w) }",
                  {"'up'", "'output_padding'", "2"});
  check_complaint("g (float[1,1,4] x) => (y) { [\"pool\"] y = LpPool<kernel_shape = [2], p = 0>(x) }", {"'pool'", "'p'", "at least 1"});
  check_complaint("g (float[1,1,4] x) => (y) { y = LpPool(x) }", {"'kernel_shape' is missing"});
  check_complaint("g (int32[1,1,4] x) => (y) { y = GlobalLpPool(x) }", {"int32"});
  check_complaint("g (float[1,1,4] x, int64[1,1,3] i) => (y) { y = MaxUnpool<kernel_shape = [2]>(x, i) }", {"as many places", "1x1x4", "1x1x3"});
  check_complaint("g (float[1,1,4] x, int64[1,1,4] i) => (y) <int64[2] s = {1, 1}> { y = MaxUnpool<kernel_shape = [2]>(x, i, s) }",
                  {"length", "3", "2"});
}
