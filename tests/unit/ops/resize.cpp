// Resize and quantisation.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("resize: the standard's examples") {
  const std::string two = "g () => (y) <float[1,1,2,2] x = {1, 2, 3, 4}, float[4] s = {1, 1, 2, 2}> { y = ";
  check_floats(result(two + "Resize<mode = \"nearest\">(x, \"\", s) }"), {1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4});
  check_floats(result(two + "Resize<mode = \"linear\">(x, \"\", s) }"),
               {1, 1.25f, 1.75f, 2, 1.5f, 1.75f, 2.25f, 2.5f, 2.5f, 2.75f, 3.25f, 3.5f, 3, 3.25f, 3.75f, 4});
  check_floats(result(two + "Resize<mode = \"linear\", coordinate_transformation_mode = \"align_corners\">(x, \"\", s) }"),
               {1, 1.33333333f, 1.66666667f, 2, 1.66666667f, 2, 2.33333333f, 2.66666667f, 2.33333333f, 2.66666667f, 3, 3.33333333f, 3, 3.33333333f,
                3.66666667f, 4});
  const std::string eight = "g () => (y) <float[1,1,2,4] x = {1, 2, 3, 4, 5, 6, 7, 8}, float[4] s = {1, 1, 0.6, 0.6}> { y = ";
  check_floats(result(eight + "Resize<mode = \"linear\">(x, \"\", s) }"), {2.6666665f, 4.3333331f});
  check_floats(result(eight + "Resize<mode = \"nearest\">(x, \"\", s) }"), {1, 3});
  check_floats(result("g () => (y) <float[1,1,1,4] x = {1, 2, 3, 4}, int64[4] z = {1, 1, 1, 2}> { y = Resize<mode = \"cubic\">(x, \"\", \"\", z) }"),
               {1.40625f, 3.59375f});
}

TEST_CASE("a region of interest that is no number does not lead outside") {
  const Tensor y = result(
      "g () => (y) <float[2] x = {1, 2}, float[2] r = {nan, 1e30}, int64[1] z = {3}> "
      "{ y = Resize<mode = \"linear\", coordinate_transformation_mode = \"tf_crop_and_resize\">(x, r, \"\", z) }");
  CHECK(y.size() == 3);
}

TEST_CASE("bad resizes") {
  check_complaint("g (float[1,1,2,2] x) => (y) <float[4] s = {1, 1, 2, 2}, int64[4] z = {1, 1, 4, 4}> { [\"up\"] y = Resize(x, \"\", s, z) }",
                  {"'up'", "exactly one", "both"});
  check_complaint("g (float[1,1,2,2] x) => (y) <float[2] s = {2, 2}> { y = Resize(x, \"\", s) }", {"length", "4", "2"});
  check_complaint("g (float[1,1,2,2] x) => (y) <float[4] s = {1, 1, -2, 2}> { y = Resize(x, \"\", s) }", {"scale", "out of range"});
  check_complaint("g (float[1,1,2,2] x) => (y) <float[4] s = {1, 1, 2, 2}> { y = Resize<mode = \"liner\">(x, \"\", s) }", {"'mode'", "linear"});
}

TEST_CASE("quantisation rounds to even and saturates") {
  CHECK(values<uint8_t>(
            result("g () => (y) <float[6] x = {0, 1, 3, 5, 1000, -1000}, float s = {2}, uint8 z = {128}> { y = QuantizeLinear(x, s, z) }")) ==
        std::vector<uint8_t>{128, 128, 130, 130, 255, 0});
  CHECK(values<int8_t>(result(
            "g () => (y) <float[2,2] x = {1, 2, 3, 4}, float[2] s = {1, 0.5}, int8[2] z = {0, 1}> { y = QuantizeLinear<axis = 0>(x, s, z) }")) ==
        std::vector<int8_t>{1, 2, 7, 9});
  check_floats(result("g () => (y) <uint8[3] x = {0, 3, 255}, float s = {2}, uint8 z = {128}> { y = DequantizeLinear(x, s, z) }"), {-256, -250, 254});
  check_floats(result("g () => (y) <int8[1,4] x = {1, 2, 3, 4}, float[1,2] s = {1, 10}> { y = DequantizeLinear<axis = 1, block_size = 2>(x, s) }"),
               {1, 2, 30, 40});
  CHECK(values<uint8_t>(result("g () => (y) <float[6] x = {0, 2, -3, -2.5, 1.34, 0.5}> { y, s, z = DynamicQuantizeLinear(x) }")) ==
        std::vector<uint8_t>{153, 255, 0, 26, 221, 179});  // the standard's example
}

TEST_CASE("bad quantisation") {
  check_complaint("g (float[2,3] x) => (y) <float[4] s = {1, 1, 1, 1}> { [\"q\"] y = QuantizeLinear(x, s) }", {"'q'", "length", "3", "4"});
  check_complaint("g (float[2,3] x) => (y) <float[2,2] s = {1, 1, 1, 1}> { y = QuantizeLinear<block_size = 2>(x, s, \"\") z = Relu(x) }", {});
  check_complaint("g (float[2,3] x) => (y) <float[2] s = {1, 1}, int8[3] z = {0, 0, 0}> { y = QuantizeLinear<axis = 0>(x, s, z) }",
                  {"differ in shape"});
}
