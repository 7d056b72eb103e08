// ONNX Runtime's attention operators. Numbers: the formulas in numpy, in float64; the same example as in attention.cpp.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

// One head of two queries and three keys.
Tensor attend(const std::string& node, const std::string& more = "") {
  return result("g () => (y) <float[1,2,2] q = {1, 0, 0, 2}, float[1,3,2] k = {1, 1, 0, 1, 2, -1}, float[1,3,1] v = {1, 2, 4}" + more +
                "> { y = com.microsoft." + node + " }");
}

}  // namespace

TEST_CASE("MultiHeadAttention") {
  check_floats(attend("MultiHeadAttention<num_heads = 1>(q, k, v)"), {2.86795528f, 1.57176143f});
  check_floats(attend("MultiHeadAttention<num_heads = 1, scale = 1.0>(q, k, v)"), {3.08575344f, 1.52268679f});
  check_floats(attend("MultiHeadAttention<num_heads = 1, unidirectional = 1>(q, k, v)"), {1, 1.5f});
  check_floats(attend("MultiHeadAttention<num_heads = 1>(q, k, v, \"\", m)", ", int32[1,3] m = {1, 0, 1}"), {3.00928465f, 1.16742166f});
  check_floats(attend("MultiHeadAttention<num_heads = 1>(q, k, v, \"\", m)", ", int32[1] m = {1}"), {1, 1});
  // The biases of Q, K and V: with Q's first element doubled and V moved by one.
  check_floats(attend("MultiHeadAttention<num_heads = 1>(q, k, v, b)", ", float[5] b = {0, 0, 0, 0, 1}"), {3.86795528f, 2.57176143f});
  // Key and value in one tensor; the past before them.
  check_floats(
      result("g () => (y) <float[1,2,2] q = {1, 0, 0, 2}, float[1,1,1,2,2] kv = {2, -1, 4, 4}, float[1,1,2,2] pk = {1, 1, 0, 1}, float[1,1,2,2] "
             "pv = {1, 1, 2, 2}> { y = com.microsoft.MultiHeadAttention<num_heads = 1>(q, kv, \"\", \"\", \"\", \"\", pk, pv) }"),
      {2.86795528f, 2.86795528f, 1.57176143f, 1.57176143f});
  // All three in one tensor [batch, steps, heads, 3, size]: a single step attends to itself.
  check_floats(result("g () => (y) <float[1,1,2,3,1] x = {1, 2, 3, 4, 5, 6}> { y = com.microsoft.MultiHeadAttention<num_heads = 2>(x) }"), {3, 6});
}

TEST_CASE("Attention with projections") {
  // The weights copy the inputs: Q is column 0, K column 1, V column 2.
  const auto run = [](const std::string& node, const std::string& more = "") {
    return result("g () => (y) <float[1,2,3] x = {1, 0, 10, 1, 0.69314718, 40}, float[3,3] w = {1, 0, 0, 0, 1, 0, 0, 0, 1}" + more + "> { " + node +
                  " }");
  };
  check_floats(run("y = com.microsoft.Attention<num_heads = 1>(x, w)"), {30, 30});  // shares 1/3 and 2/3
  check_floats(run("y = com.microsoft.Attention<num_heads = 1, unidirectional = 1>(x, w)"), {10, 30});
  check_floats(run("y = com.microsoft.Attention<num_heads = 1>(x, w, b, m)", ", float[3] b = {0, 0, 5}, int32[2] m = {2, 1}"), {45, 45});
  check_floats(run("a, y = com.microsoft.Attention<num_heads = 1>(x, w, \"\", \"\", p)", ", float[2,1,1,1,1] p = {7, 8}"),
               {7, 0, 0.69314718f, 8, 10, 40});
}

TEST_CASE("GroupQueryAttention") {
  const std::string more = ", int32[1] n = {2}, int32 t = {3}, float[1,1,2,1] pk = {1, 2}, float[1,1,2,1] pv = {1, 2}";
  // Two query heads of one key head, one new step: keys 1, 2, 3; a window of two leaves out the first.
  const auto run = [&](const std::string& outputs, const std::string& attributes) {
    return result("g () => (y) <float[1,1,2] q = {0, 0}, float[1,1,1] k = {3}, float[1,1,1] v = {6}" + more + "> { " + outputs +
                  " = com.microsoft.GroupQueryAttention<num_heads = 2, kv_num_heads = 1" + attributes + ">(q, k, v, pk, pv, n, t) }");
  };
  check_floats(run("y, a, c", ""), {3, 3});
  check_floats(run("y, a, c", ", local_window_size = 2"), {4, 4});
  check_floats(run("y, a, c", ", smooth_softmax = 1"), {2.25f, 2.25f});
  check_floats(run("a, y, c", ""), {1, 2, 3});
  check_floats(run("a, c, y", ""), {1, 2, 6});
}

TEST_CASE("RotaryEmbedding from a first position") {
  check_floats(
      result("g () => (y) <float[1,1,8] x = {1, 2, 3, 4, 1, 2, 3, 4}, int64[1] p = {1}, float[2,2] c = {1, 1, 0.6, 0.8}, float[2,2] s = {0, 0, "
             "0.8, 0.6}> { y = com.microsoft.RotaryEmbedding(x, p, c, s) }"),
      {-1.8f, -0.8f, 2.6f, 4.4f, -1.8f, -0.8f, 2.6f, 4.4f});
}

TEST_CASE("bad attentions of ONNX Runtime") {
  check_complaint(
      "g (float[1,2,6] q, float[1,2,6] k, float[1,2,6] v) => (y) { [\"a\"] y = com.microsoft.MultiHeadAttention<num_heads = 4>(q, k, v) }",
      {"'a'", "MultiHeadAttention", "heads do not divide", "4", "6"});
  check_complaint("g (float[1,2,6] q, float[1,2,6] k) => (y) { y = com.microsoft.MultiHeadAttention<num_heads = 2>(q, k) }", {"value is missing"});
  check_complaint("g (float[1,2,6] q, float[1,2,8] k, float[1,2,6] v) => (y) { y = com.microsoft.MultiHeadAttention<num_heads = 2>(q, k, v) }",
                  {"input 1", "1x2x6", "1x2x8"});
  check_complaint("g (float[1,2,6] x, float[5,18] w) => (y) { y = com.microsoft.Attention<num_heads = 2>(x, w) }", {"input 1", "5x18"});
  check_complaint("g (float[1,2,6] x, float[6,18] w, float[18] b, int32[4] m) => (y) { y = com.microsoft.Attention<num_heads = 2>(x, w, b, m) }",
                  {"mask", "1 items", "4"});
  check_complaint("g (float[1,2,6] x, float[6,18] w) => (y) { y = com.microsoft.Attention(x, w) }", {"'num_heads'", "missing"});
  check_complaint(
      "g (float[1,2,6] q, int32[1] n, int32 t) => (y) { y = com.microsoft.GroupQueryAttention<num_heads = 1, kv_num_heads = 1>(q, \"\", \"\", "
      "\"\", \"\", n, t) }",
      {"present_key", "missing"});
  check_complaint("g (double[1,2,6] q, float[1,2,6] k) => (y) { y = com.microsoft.MultiHeadAttention<num_heads = 2>(q, k) }", {"'query'", "double"});
}
