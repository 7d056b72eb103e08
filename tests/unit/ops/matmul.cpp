// Matrix products, softmax, normalisation, reductions.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("matrix products by hand") {
  check_floats(result("g () => (y) <float[2,2] a = {1, 2, 3, 4}, float[2,3] b = {1, 0, 2, 0, 1, 3}> { y = MatMul(a, b) }"), {1, 2, 8, 3, 4, 18});
  check_floats(result("g () => (y) <float[2] a = {1, 2}, float[2,2] b = {1, 2, 3, 4}> { y = MatMul(a, b) }"), {7, 10});
  check_floats(result("g () => (y) <float[2,1,2] a = {1, 2, 3, 4}, float[2,1] b = {10, 1}> { y = MatMul(a, b) }"), {12, 34});
  check_floats(result("g () => (y) <float[2,1] a = {1, 2}, float[2,2] b = {1, 2, 3, 4}, float[2] c = {100, 200}> { y = Gemm<transA = 1, transB = 1, "
                      "alpha = 2.0, beta = 0.5>(a, b, c) }"),
               {60, 122});
  CHECK(values<int32_t>(result("g () => (y) <uint8[1,2] a = {5, 7}, int8[2,1] b = {-1, 2}, uint8 z = {5}> { y = MatMulInteger(a, b, z) }")) ==
        std::vector<int32_t>{4});
}

TEST_CASE("determinants") {
  check_floats(result("g () => (y) <float[2,2,2] x = {1, 2, 3, 4, 2, 4, 1, 2}> { y = Det(x) }"), {-2, 0});
  check_floats(result("g () => (y) <float[3,3] x = {0, 2, 1, 3, 0, 2, 1, 4, 0}> { y = Det(x) }"), {16});  // needs a pivot
}

TEST_CASE("ONNX Runtime's fused products") {
  const std::string constants = "float[2,2] a = {1, 2, 3, 4}, float[2,2] b = {1, 0, 5, -6}, float[2] c = {-100, 1}";
  const auto run = [&](const std::string& node) { return result("g () => (y) <" + constants + "> { y = com.microsoft." + node + " }"); };
  check_floats(run("FusedGemm<activation = \"Relu\">(a, b, c)"), {0, 0, 0, 0});
  check_floats(run("FusedGemm<activation = \"LeakyRelu\", activation_alpha = 0.5>(a, b)"), {11, -6, 23, -12});
  check_floats(run("FusedMatMul<transA = 1, alpha = 0.5>(a, b)"), {8, -9, 11, -12});
  check_floats(run("TransposeMatMul<transB = 1>(a, b)"), {1, -7, 3, -9});
}

TEST_CASE("softmax") {
  check_floats(result("g () => (y) <float[1,3] x = {0, 0.69314718, 1.0986123}> { y = Softmax(x) }"), {1.f / 6, 2.f / 6, 3.f / 6});
  check_floats(result("g () => (y) <float[2,2] x = {0, 5, 0, 5}> { y = Softmax<axis = 0>(x) }"), {0.5f, 0.5f, 0.5f, 0.5f});
  check_floats(result("g () => (y) <float[1,2] x = {1000, 1000}> { y = LogSoftmax(x) }"), {-0.69314718f, -0.69314718f});
  check_floats(result("g () => (y) <float[1,3] x = {1, 3, 3}> { y = Hardmax(x) }"), {0, 1, 0});
  // A line longer than the kernel's lanes: forty equal elements.
  const Tensor y = result("g () => (y) <float[1] one = {1}, int64[2] s = {1, 40}> { x = Expand(one, s) y = Softmax(x) }");
  check_floats(y, std::vector<float>(40, 0.025f));
}

TEST_CASE("normalisation") {
  check_floats(result("g () => (y) <float[1,2,1,1] x = {3, 5}, float[2] s = {2, 1}, float[2] b = {1, 0}, float[2] m = {1, 5}, float[2] v = {4, 9}> "
                      "{ y = BatchNormalization<epsilon = 0.0>(x, s, b, m, v) }"),
               {3, 0});
  check_floats(result("g () => (y) <float[1,4] x = {1, 3, 1, 3}, float[4] s = {1, 1, 2, 2}, float[4] b = {0, 0, 1, 1}> { y = "
                      "LayerNormalization<epsilon = 0.0>(x, s, b) }"),
               {-1, 1, -1, 3});
  check_floats(result("g () => (y) <float[1,2,2] x = {1, 3, 10, 30}, float[2] s = {1, 1}, float[2] b = {0, 5}> { y = InstanceNormalization<epsilon = "
                      "0.0>(x, s, b) }"),
               {-1, 1, 4, 6});
  check_floats(result("g () => (y) <float[1,2,1] x = {1, 3}, float[2] s = {1, 2}, float[2] b = {0, 0}> { y = GroupNormalization<num_groups = 1, "
                      "epsilon = 0.0>(x, s, b) }"),
               {-1, 2});
  check_floats(result("g () => (y) <float[1,0,2] x = {}, float[0] s = {}, float[0] b = {}> { y = InstanceNormalization(x, s, b) }"), {});
  check_floats(result("g () => (y) <float[1,2] x = {3, 4}, float[2] s = {1, 2}> { y = RMSNormalization<epsilon = 0.0>(x, s) }"),
               {0.84852814f, 2.2627417f});
}

TEST_CASE("reductions") {
  const auto run = [](const std::string& op, const std::string& axis) {
    return result("g () => (y) <float[2,3] x = {1, 2, 3, 4, 5, 6}, int64[1] a = {" + axis + "}> { y = " + op + "<keepdims = 0>(x, a) }");
  };
  check_floats(run("ReduceSum", "0"), {5, 7, 9});
  check_floats(run("ReduceSum", "-1"), {6, 15});
  check_floats(run("ReduceMean", "1"), {2, 5});
  check_floats(run("ReduceMax", "0"), {4, 5, 6});
  check_floats(run("ReduceMin", "1"), {1, 4});
  check_floats(run("ReduceProd", "1"), {6, 120});
  check_floats(run("ReduceL2", "1"), {3.7416574f, 8.7749644f});
  check_floats(run("ReduceSumSquare", "1"), {14, 77});
  check_floats(run("ReduceLogSum", "1"), {1.7917595f, 2.7080502f});
  check_floats(run("ReduceLogSumExp", "1"), {3.4076059f, 6.4076059f});
  CHECK(values<int64_t>(result("g () => (y) <float[2,3] x = {1, 9, 3, 4, 4, 2}> { y = ArgMax<axis = 1, keepdims = 0>(x) }")) ==
        std::vector<int64_t>{1, 0});
  check_floats(result("g () => (y) <float[3] x = {1, 2, 3}, int64 a = {0}> { y = CumSum<exclusive = 1, reverse = 1>(x, a) }"), {5, 3, 0});
  check_floats(result("g () => (y) <float[3] x = {2, 3, 4}, int64 a = {0}> { y = CumProd(x, a) }"), {2, 6, 24});
  check_floats(result("g () => (y) <float[3] x = {2, 3, 4}, int32 a = {-1}> { y = CumProd<exclusive = 1, reverse = 1>(x, a) }"), {12, 4, 1});
  check_floats(result("g () => (y) <float[1] one = {2}, int64[1] s = {37}> { x = Expand(one, s) y = ReduceSum<keepdims = 0>(x) }"), {74});
}

TEST_CASE("bad products, normalisations and reductions") {
  check_complaint("g (float[2,3] a, float[4,5] b) => (y) { [\"fc\"] y = MatMul(a, b) }", {"'fc'", "inner dimensions", "2x3", "4x5"});
  check_complaint("g (float[2,3] a, float[4,3] b) => (y) { y = Gemm(a, b) }", {"inner dimensions"});
  check_complaint("g (float[2,3,4] a, float[4,3] b) => (y) { y = Gemm(a, b) }", {"number of dimensions", "2", "3"});
  check_complaint("g (float[2,3] x) => (y) { y = Softmax<axis = 2>(x) }", {"axis", "-2 to 1", "2"});
  check_complaint("g (float[1,3,2,2] x, float[4] s, float[3] b, float[3] m, float[3] v) => (y) { y = BatchNormalization(x, s, b, m, v) }",
                  {"length", "3", "4"});
  check_complaint("g (float[2,3] x) => (y) <int64[1] a = {5}> { y = ReduceSum(x, a) }", {"axis", "5"});
  check_complaint("g (float[2,3] x) => (y) { y = Det(x) }", {"square", "2x3"});
  check_complaint("g (float[2,3] x, int64 a) => (y) { y = CumProd<exclusiv = 1>(x, a) }", {"no attribute 'exclusiv'"});
  check_complaint("g (float[2,3] a, float[2,3] b) => (y) { y = com.microsoft.FusedMatMul(a, b) }", {"inner dimensions", "2x3"});
  check_complaint("g (float[2,3] a, float[3,3] b) => (y) { y = com.microsoft.FusedGemm<activation = \"Sin\">(a, b) }", {"activation", "Sin"});
}
