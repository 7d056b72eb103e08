// Arithmetic on quantised tensors (com.microsoft). The expected numbers are ONNX Runtime's.
#include "lathe/kernels/types.hpp"
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {
template <class T>
void check_quantized(const Tensor& found, const std::vector<int64_t>& dimensions, const std::vector<int>& expected) {
  CHECK(found.type == DataType(kernels::type_of<T>));
  CHECK(found.dimensions == dimensions);
  const std::vector<T> numbers = values<T>(found);
  CHECK(std::vector<int>(numbers.begin(), numbers.end()) == expected);
}
}  // namespace

TEST_CASE("additions and multiplications broadcast") {
  check_quantized<uint8_t>(result("g () => (y) <uint8[2,4] a = {0, 10, 128, 255, 3, 77, 200, 130}, float b = {0.100000001}, uint8 c = {128}, "
                                  "uint8[4] d = {1, 50, 120, 250}, float e = {0.0500000007}, uint8 f = {100}, float g = {0.200000003}, uint8 h = "
                                  "{120}> { y = com.microsoft.QLinearAdd(a, b, c, d, e, f, g, h) }"),
                           {2, 4}, {31, 48, 125, 221, 33, 82, 161, 158});
  check_quantized<int8_t>(result("g () => (y) <int8[7] a = {-128, -50, -1, 0, 1, 60, 127}, float b = {0.100000001}, int8 c = {0}, int8[7] d = {127, "
                                 "60, 1, 0, -1, -50, -128}, float e = {0.0500000007}, int8 f = {-4}, float g = {0.0700000003}, int8 h = {3}> { y = "
                                 "com.microsoft.QLinearAdd(a, b, c, d, e, f, g, h) }"),
                          {7}, {-86, -23, 5, 6, 7, 56, 96});
  check_quantized<uint8_t>(result("g () => (y) <uint8[2,4] a = {0, 10, 128, 255, 3, 77, 200, 130}, float b = {0.100000001}, uint8 c = {128}, "
                                  "uint8[4] d = {1, 50, 120, 250}, float e = {0.0500000007}, uint8 f = {100}, float g = {0.200000003}, uint8 h = "
                                  "{120}> { y = com.microsoft.QLinearMul(a, b, c, d, e, f, g, h) }"),
                           {2, 4}, {255, 255, 120, 255, 255, 184, 156, 128});
}

TEST_CASE("activations") {
  check_quantized<int8_t>(result("g () => (y) <int8[7] a = {-128, -50, -1, 0, 1, 60, 127}, float b = {0.0500000007}, int8 c = {5}, float d = "
                                 "{0.00390625}, int8 e = {-128}> { y = com.microsoft.QLinearSigmoid(a, b, c, d, e) }"),
                          {7}, {-128, -113, -19, -16, -13, 113, 127});
  check_quantized<uint8_t>(result("g () => (y) <uint8[2,4] a = {0, 10, 128, 255, 3, 77, 200, 130}, float b = {0.0500000007}, uint8 c = {128}, float "
                                  "d = {0.00390625}, uint8 e = {0}> { y = com.microsoft.QLinearSigmoid(a, b, c, d, e) }"),
                           {2, 4}, {0, 1, 128, 255, 0, 19, 249, 134});
  check_quantized<int8_t>(result("g () => (y) <int8[7] a = {-128, -50, -1, 0, 1, 60, 127}, float b = {0.0500000007}, int8 c = {5}, float d = "
                                 "{0.0399999991}, int8 e = {-3}> { y = com.microsoft.QLinearLeakyRelu<alpha = 0.1>(a, b, c, d, e) }"),
                          {7}, {-20, -10, -4, -4, -4, 66, 127});
}

TEST_CASE("joined tensors take the scale of the result") {
  check_quantized<uint8_t>(result("g () => (y) <float a = {0.100000001}, uint8 b = {10}, uint8[2,4] c = {0, 10, 128, 255, 3, 77, 200, 130}, float d "
                                  "= {0.200000003}, uint8 e = {128}, uint8[2,2] f = {0, 10, 3, 77}, float g = {0.100000001}, uint8 h = {10}> { y = "
                                  "com.microsoft.QLinearConcat<axis = 1>(a, b, c, d, e, f, g, h) }"),
                           {2, 6}, {0, 0, 10, 255, 0, 10, 0, 0, 154, 14, 3, 77});
}

TEST_CASE("pooling in both layouts") {
  check_quantized<uint8_t>(
      result("g () => (y) <uint8[1,2,4,4] a = {172, 47, 117, 192, 67, 251, 195, 103, 9, 211, 21, 242, 36, 87, 70, 216, 88, 140, 58, 193, 230, 39, "
             "87, 174, 88, 81, 165, 25, 77, 72, 9, 148}, float b = {0.100000001}, uint8 c = {128}, float d = {0.0799999982}, uint8 e = {100}> { y = "
             "com.microsoft.QLinearAveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1], strides = [2, 2]>(a, b, c, d, e) }"),
      {1, 2, 2, 2}, {108, 129, 78, 134, 95, 84, 62, 51});
  check_quantized<uint8_t>(
      result(
          "g () => (y) <uint8[1,2,4,4] a = {172, 47, 117, 192, 67, 251, 195, 103, 9, 211, 21, 242, 36, 87, 70, 216, 88, 140, 58, 193, 230, 39, 87, "
          "174, 88, 81, 165, 25, 77, 72, 9, 148}, float b = {0.100000001}, uint8 c = {128}, float d = {0.0799999982}, uint8 e = {100}> { y = "
          "com.microsoft.QLinearAveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1], strides = [2, 2], count_include_pad = 1>(a, b, c, d, e) }"),
      {1, 2, 2, 2}, {103, 119, 85, 134, 98, 89, 75, 51});
  check_quantized<uint8_t>(
      result("g () => (y) <uint8[1,4,4,2] a = {172, 88, 47, 140, 117, 58, 192, 193, 67, 230, 251, 39, 195, 87, 103, 174, 9, 88, 211, 81, 21, 165, "
             "242, 25, 36, 77, 87, 72, 70, 9, 216, 148}, float b = {0.100000001}, uint8 c = {128}, float d = {0.0799999982}, uint8 e = {100}> { y = "
             "com.microsoft.QLinearAveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1], strides = [2, 2], channels_last = 1>(a, b, c, d, e) }"),
      {1, 2, 2, 2}, {108, 95, 129, 84, 78, 62, 134, 51});
  check_quantized<uint8_t>(
      result("g () => (y) <uint8[1,2,4,4] a = {172, 47, 117, 192, 67, 251, 195, 103, 9, 211, 21, 242, 36, 87, 70, 216, 88, 140, 58, 193, 230, 39, "
             "87, 174, 88, 81, 165, 25, 77, 72, 9, 148}, float b = {0.100000001}, uint8 c = {128}, float d = {0.0799999982}, uint8 e = {100}> { y = "
             "com.microsoft.QLinearAveragePool<kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1>(a, b, c, d, e) }"),
      {1, 2, 2, 2}, {91, 121, 30, 112, 76, 86, 42, 48});
  check_quantized<uint8_t>(result("g () => (y) <uint8[1,2,4,4] a = {172, 47, 117, 192, 67, 251, 195, 103, 9, 211, 21, 242, 36, 87, 70, 216, 88, 140, "
                                  "58, 193, 230, 39, 87, 174, 88, 81, 165, 25, 77, 72, 9, 148}, float b = {0.100000001}, uint8 c = {128}, float d = "
                                  "{0.0799999982}, uint8 e = {100}> { y = com.microsoft.QLinearGlobalAveragePool(a, b, c, d, e) }"),
                           {1, 2, 1, 1}, {99, 71});
  check_quantized<uint8_t>(
      result("g () => (y) <uint8[1,4,4,2] a = {172, 88, 47, 140, 117, 58, 192, 193, 67, 230, 251, 39, 195, 87, 103, 174, 9, 88, 211, 81, 21, 165, "
             "242, 25, 36, 77, 87, 72, 70, 9, 216, 148}, float b = {0.100000001}, uint8 c = {128}, float d = {0.0799999982}, uint8 e = {100}> { y = "
             "com.microsoft.QLinearGlobalAveragePool<channels_last = 1>(a, b, c, d, e) }"),
      {1, 1, 1, 2}, {99, 71});
}

TEST_CASE("softmax over one axis, or over all from it on") {
  check_quantized<uint8_t>(result("g () => (y) <uint8[2,4] a = {0, 10, 128, 255, 3, 77, 200, 130}, float b = {0.0199999996}, uint8 c = {128}, float "
                                  "d = {0.00390625}, uint8 e = {0}> { y = com.microsoft.QLinearSoftmax<axis = -1, opset = 13>(a, b, c, d, e) }"),
                           {2, 4}, {1, 2, 18, 234, 4, 16, 189, 47});
  check_quantized<uint8_t>(result("g () => (y) <uint8[1,2,4,4] a = {172, 47, 117, 192, 67, 251, 195, 103, 9, 211, 21, 242, 36, 87, 70, 216, 88, 140, "
                                  "58, 193, 230, 39, 87, 174, 88, 81, 165, 25, 77, 72, 9, 148}, float b = {0.0199999996}, uint8 c = {128}, float d = "
                                  "{0.00390625}, uint8 e = {0}> { y = com.microsoft.QLinearSoftmax<axis = 2, opset = 12>(a, b, c, d, e) }"),
                           {1, 2, 4, 4},
                           {14, 1, 5, 20, 2, 66, 22, 3, 1, 30, 1, 55, 1, 2, 2, 33, 5, 15, 3, 43, 90, 2, 5, 29, 5, 5, 25, 1, 4, 4, 1, 18});
}

TEST_CASE("bad models of quantised arithmetic") {
  check_complaint("g (uint8[2] a, float s, uint8 z, int8[2] b, int8 w) => (y) { y = com.microsoft.QLinearAdd(a, s, z, b, s, w, s, z) }",
                  {"QLinearAdd", "'B'", "int8"});
  check_complaint("g (uint8[2] a, float s, uint8 z, uint8[3] b) => (y) { y = com.microsoft.QLinearMul(a, s, z, b, s, z, s, z) }",
                  {"QLinearMul", "broadcast"});
  check_complaint("g (uint8[2] a, float[2] s, uint8 z) => (y) { y = com.microsoft.QLinearSigmoid(a, s, z, s, z) }", {"QLinearSigmoid", "no scalar"});
  check_complaint("g (uint8[2] a, float s, uint8 z) => (y) { y = com.microsoft.QLinearConcat<axis = 0>(s, z, a, s) }", {"QLinearConcat", "triples"});
  check_complaint("g (uint8[2] a, int8[2] b, float s, uint8 z) => (y) { y = com.microsoft.QLinearConcat<axis = 0>(s, z, a, s, z, b, s, z) }",
                  {"QLinearConcat", "input 5", "uint8", "int8"});
  check_complaint("g (uint8[1,2,4,4] a, float s, uint8 z) => (y) { y = com.microsoft.QLinearAveragePool(a, s, z, s, z) }",
                  {"QLinearAveragePool", "kernel_shape"});
  check_complaint("g (uint8[2] a, float s, uint8 z) => (y) { y = com.microsoft.QLinearSoftmax<opset = 13, axis = 1>(a, s, z, s, z) }",
                  {"QLinearSoftmax", "axis"});
}
