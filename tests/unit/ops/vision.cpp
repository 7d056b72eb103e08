// Sampling, regions of interest, deformable convolution, patches, centred cropping. Expected numbers are PyTorch's (grid_sample, affine_grid, fold)
// or worked out by hand.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("sampling a plane: modes, paddings, corners") {
  const auto sample = [](const std::string& attributes) {
    return result("g () => (y) <float[1,1,2,3] x = {0, 1, 2, 3, 4, 5}, float[1,1,4,2] g = {-1, -1, 0.3, -0.2, 1.5, 0.6, -2, 3}> { y = GridSample<" +
                  attributes + ">(x, g) }");
  };
  const std::string border = ", padding_mode = \"border\"", reflection = ", padding_mode = \"reflection\"", corners = ", align_corners = 1";
  check_floats(sample("mode = \"linear\""), {0, 2.35f, 0, 0});
  check_floats(sample("mode = \"linear\"" + corners), {0, 2.5f, 2.2f, 0});
  check_floats(sample("mode = \"linear\"" + border), {0, 2.35f, 5, 3});
  check_floats(sample("mode = \"linear\"" + border + corners), {0, 2.5f, 4.4f, 3});
  check_floats(sample("mode = \"linear\"" + reflection), {0, 2.35f, 4.75f, 1});
  check_floats(sample("mode = \"linear\"" + reflection + corners), {0, 2.5f, 3.9f, 1});
  check_floats(sample("mode = \"nearest\""), {0, 1, 0, 0});
  check_floats(sample("mode = \"nearest\"" + corners), {0, 1, 5, 0});
  check_floats(sample("mode = \"nearest\"" + reflection), {0, 1, 5, 1});
  check_floats(sample("mode = \"cubic\""), {-0.1875f, 3.04326725f, -0.50332326f, 0});
  check_floats(sample("mode = \"cubic\"" + border), {-0.375f, 2.38290739f, 5.18225098f, 3});
  check_floats(sample("mode = \"cubic\"" + reflection), {-0.75f, 2.38290739f, 5.01109409f, 0.4375f});
  check_floats(sample("mode = \"cubic\"" + reflection + corners), {0, 2.49249935f, 4.37550163f, 1});
}

TEST_CASE("sampling in space, other types, and places that are no numbers") {
  check_floats(result("g () => (y) <float[1,1,2,2,2] x = {0, 1, 2, 3, 4, 5, 6, 7}, float[1,1,1,1,3] g = {0.1, -0.3, 0.5}> { y = GridSample(x, g) }"),
               {5});
  CHECK(values<int32_t>(result("g () => (y) <int32[1,1,1,3] x = {7, 8, 9}, double[1,1,2,2] g = {-0.9, 0, 0.9, 0}> "
                               "{ y = GridSample<mode = \"nearest\">(x, g) }")) == std::vector<int32_t>{7, 9});
  check_floats(result("g () => (y) <float[1,1,1,2] x = {7, 8}, float[1,1,2,2] g = {nan, 0, 1e30, 0}> "
                      "{ y = GridSample<mode = \"nearest\", padding_mode = \"border\">(x, g) }"),
               {7, 8});
  // The 16 modes of older opsets were named after two dimensions.
  check_floats(
      result("<ir_version: 8, opset_import: [\"\" : 16]> g () => (y) <float[1,1,2,3] x = {0, 1, 2, 3, 4, 5}, float[1,1,1,2] g = {0.3, -0.2}> "
             "{ y = GridSample<mode = \"bicubic\", padding_mode = \"border\">(x, g) }"),
      {2.38290739f});
}

TEST_CASE("affine grids") {
  const std::string text = "g () => (y) <float[1,2,3] t = {1, 0.5, 0.1, 0, 2, -0.3}, int64[4] s = {1, 1, 2, 3}> { y = AffineGrid";
  check_floats(result(text + "(t, s) }"),
               {-0.81666666f, -1.3f, -0.15f, -1.3f, 0.51666671f, -1.3f, -0.31666669f, 0.7f, 0.35f, 0.7f, 1.01666665f, 0.7f});
  check_floats(result(text + "<align_corners = 1>(t, s) }"), {-1.4f, -2.3f, -0.4f, -2.3f, 0.6f, -2.3f, -0.4f, 1.7f, 0.6f, 1.7f, 1.6f, 1.7f});
}

// The image is 4 y + x, so interpolation gives that exactly, and an average that of the middle.
static const std::string plane = "g () => (y) <float[1,1,4,4] x = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, ";

TEST_CASE("regions of interest, aligned") {
  const std::string text = plane + "float[1,4] r = {0.5, 0.5, 2.5, 2.5}, int64[1] b = {0}> { y = RoiAlign<sampling_ratio = 2";
  check_floats(result(text + ">(x, r, b) }"), {5});
  check_floats(result(text + ", coordinate_transformation_mode = \"output_half_pixel\">(x, r, b) }"), {7.5f});
  check_floats(result(text + ", output_height = 2, output_width = 2>(x, r, b) }"), {2.5f, 3.5f, 6.5f, 7.5f});
  check_floats(
      result(plane +
             "float[1,4] r = {1, 1, 3, 3}, int64[1] b = {0}> { y = RoiAlign<spatial_scale = 0.5, mode = \"max\", sampling_ratio = 1>(x, r, b) }"),
      {1.25f});
  // Without a ratio as many points as a bin has elements: here 2 by 2, at 0.5 and 1.5.
  check_floats(result(plane + "float[1,4] r = {0.5, 0.5, 2.5, 2.5}, int64[1] b = {0}> { y = RoiAlign(x, r, b) }"), {5});
  CHECK_THROWS_WITH_AS(result(plane + "float[1,4] r = {0, 0, 1, 1}, int64[1] b = {1}> { [\"roi\"] y = RoiAlign(x, r, b) }"),
                       doctest::Contains("'roi'"), Error);
}

TEST_CASE("regions of interest, rounded") {
  check_floats(result(plane + "float[2,5] r = {0, 0, 0, 3, 3, 0, 1, 1, 2, 2}> { y = MaxRoiPool<pooled_shape = [2, 2]>(x, r) }"),
               {5, 7, 13, 15, 5, 6, 9, 10});
}

TEST_CASE("centred cropping and padding") {
  const std::string text = "g () => (y) <float[2,5] x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, int64[1] s = ";
  check_floats(result(text + "{2}> { y = CenterCropPad<axes = [1]>(x, s) }"), {2, 3, 7, 8});
  check_floats(result(text + "{5}> { y = CenterCropPad<axes = [-2]>(x, s) }"),
               {0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("columns to images") {
  const std::string text =
      "g () => (y) <float[1,4,4] x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, int64[2] i = {3, 3}, int64[2] b = {2, 2}> "
      "{ y = Col2Im";
  check_floats(result(text + "(x, i, b) }"), {1, 7, 6, 12, 34, 22, 11, 27, 16});
  check_floats(result(text + "<pads = [1, 1, 1, 1], strides = [2, 2]>(x, i, b) }"), {13, 10, 14, 7, 4, 8, 15, 12, 16});
}

TEST_CASE("deformable convolution") {
  const std::string head =
      "g () => (y) <float[1,1,3,3] x = {0, 1, 2, 3, 4, 5, 6, 7, 8}, float[1,1,1,1] w = {1}, float[1] b = {1}, "
      "float[1,2,3,3] o = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "
      "float[1,1,3,3] m = {2, 2, 2, 2, 2, 2, 2, 2, 2}> { y = DeformConv";
  check_floats(result(head + "(x, w, o) }"), {1.5f, 2.5f, 3.5f, 4.5f, 5.5f, 6.5f, 3, 3.5f, 4});
  check_floats(result(head + "(x, w, o, b, m) }"), {4, 6, 8, 10, 12, 14, 7, 8, 9});
  // Without offsets it is a convolution.
  check_floats(result("g () => (y) <float[1,1,3,3] x = {0, 1, 2, 3, 4, 5, 6, 7, 8}, float[1,1,2,2] w = {1, 2, 3, 4}, int64[4] s = {1, 8, 2, 2}> "
                      "{ o = ConstantOfShape(s) y = DeformConv(x, w, o) }"),
               {27, 37, 57, 67});
}

TEST_CASE("shapes with open dimensions") {
  CHECK(inferred("g (float[N,3,H,W] x, float[N,A,B,2] g) => (y) { y = GridSample(x, g) }") == "float[N,3,A,B]");
  CHECK(inferred("g (float[1,3,H,W] x, float[R,4] r, int64[R] b) => (y) { y = RoiAlign<output_height = 7, output_width = 7>(x, r, b) }") ==
        "float[R,3,7,7]");
  CHECK(inferred("g (float[N,12,L] x) => (y) <int64[2] i = {5, 5}, int64[2] b = {2, 2}> { y = Col2Im(x, i, b) }") == "float[N,3,5,5]");
}

TEST_CASE("bad vision") {
  check_complaint("g (float[1,1,2,2] x, float[1,1,1,3] g) => (y) { [\"warp\"] y = GridSample(x, g) }", {"'warp'", "coordinates", "2"});
  check_complaint("g (float[1,1,2,2] x, float[2,1,1,2] g) => (y) { y = GridSample(x, g) }", {"batches", "1x1x2x2", "2x1x1x2"});
  check_complaint("g (float[1,1,2,2] x, float[1,1,1,2] g) => (y) { y = GridSample<mode = \"bilinear\">(x, g) }", {"'mode'", "linear"});
  check_complaint("g (float[1,2,3] t) => (y) <int64[3] s = {1, 1, 2}> { y = AffineGrid(t, s) }", {"size has the wrong length"});
  check_complaint("g (float[1,3,3] t) => (y) <int64[4] s = {1, 1, 2, 2}> { y = AffineGrid(t, s) }", {"matrices", "1x3x3"});
  check_complaint("g (float[1,1,4,4] x, float[2,5] r, int64[2] b) => (y) { y = RoiAlign(x, r, b) }", {"regions of interest", "R x 4", "2x5"});
  check_complaint("g (float[1,1,4,4] x, float[2,4] r, int64[3] b) => (y) { y = RoiAlign(x, r, b) }", {"length", "2", "3"});
  check_complaint("g (float[1,1,4,4] x, float[2,5] r) => (y) { y = MaxRoiPool<pooled_shape = [0, 2]>(x, r) }", {"pooled size"});
  check_complaint("g (float[1,1,4,4] x, float[2,5] r) => (y) { y = MaxRoiPool(x, r) }", {"'pooled_shape' is missing"});
  check_complaint("g (float[4,4] x) => (y) <int64[1] s = {2}> { y = CenterCropPad(x, s) }", {"length", "2"});
  check_complaint("g (float[4,4] x) => (y) <int64[2] s = {2, -2}> { y = CenterCropPad(x, s) }", {"negative"});
  check_complaint("g (float[1,5,16] x) => (y) <int64[2] i = {5, 5}, int64[2] b = {2, 2}> { y = Col2Im(x, i, b) }", {"multiple of 4", "5"});
  check_complaint("g (float[1,4,15] x) => (y) <int64[2] i = {5, 5}, int64[2] b = {2, 2}> { y = Col2Im(x, i, b) }", {"16", "15"});
  check_complaint("g (float[1,1,3,3] x, float[1,1,2,2] w, float[1,4,2,2] o) => (y) { y = DeformConv(x, w, o) }", {"offsets", "1x8x2x2", "1x4x2x2"});
  check_complaint("g (float[1,1,3,3] x, float[1,1,2,2] w, double[1,8,2,2] o) => (y) { y = DeformConv(x, w, o) }", {"'offset'", "double"});
}

TEST_CASE("decoding pictures") {
  // A Netpbm picture of two pixels, red and (0, 0, 100).
  const std::string text =
      "g () => (y) <uint8[17] x = {80, 54, 10, 50, 32, 49, 10, 50, 53, 53, 10, 255, 0, 0, 0, 0, 100}> { [\"picture\"] y = ImageDecoder";
  const Tensor rgb = result(text + "(x) }");
  CHECK(rgb.dimensions == std::vector<int64_t>{1, 2, 3});
  CHECK(values<uint8_t>(rgb) == std::vector<uint8_t>{255, 0, 0, 0, 0, 100});
  CHECK(values<uint8_t>(result(text + "<pixel_format = \"BGR\">(x) }")) == std::vector<uint8_t>{0, 0, 255, 100, 0, 0});
  CHECK(values<uint8_t>(result(text + "<pixel_format = \"Grayscale\">(x) }")) == std::vector<uint8_t>{76, 11});  // 0.299 r + 0.587 g + 0.114 b
  CHECK_THROWS_WITH_AS(result("g () => (y) <uint8[3] x = {1, 2, 3}> { [\"picture\"] y = ImageDecoder(x) }"), doctest::Contains("'picture'"), Error);
  CHECK_THROWS_WITH_AS(result("g () => (y) <uint8[3] x = {1, 2, 3}> { y = ImageDecoder(x) }"), doctest::Contains("no picture of a known format"),
                       Error);
  check_complaint("g (uint8[9] x) => (y) { y = ImageDecoder<pixel_format = \"RGBA\">(x) }", {"'pixel_format'", "RGB, BGR, Grayscale"});
  check_complaint("g (uint8[3,3] x) => (y) { y = ImageDecoder(x) }", {"number of dimensions"});
}
