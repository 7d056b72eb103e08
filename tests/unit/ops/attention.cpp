// Attention, rotary embeddings, cache updates. Numbers: the standard's formulas in numpy, in float64.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

// One head of two queries and three keys.
Tensor attend(const std::string& node, const std::string& more = "") {
  return result("g () => (y) <float[1,1,2,2] q = {1, 0, 0, 2}, float[1,1,3,2] k = {1, 1, 0, 1, 2, -1}, float[1,1,3,1] v = {1, 2, 4}" + more + "> { " +
                node + " }");
}

}  // namespace

TEST_CASE("attention: scale, masks, lengths") {
  check_floats(attend("y = Attention(q, k, v)"), {2.86795528f, 1.57176143f});
  check_floats(attend("y = Attention<scale = 1.0>(q, k, v)"), {3.08575344f, 1.52268679f});
  check_floats(attend("y = Attention<is_causal = 1>(q, k, v)"), {1, 1.5f});
  check_floats(attend("y = Attention(q, k, v, m)", ", bool[2,3] m = {1, 0, 1, 1, 0, 1}"), {3.00928465f, 1.16742166f});
  // The mask leaves out keys that it is too short for; so do lengths.
  check_floats(attend("y = Attention(q, k, v, m)", ", float[2,1] m = {0, 0}"), {1, 1});
  check_floats(attend("y = Attention(q, k, v, \"\", \"\", \"\", n)", ", int64[1] n = {2}"), {1.33023845f, 1.5f});
  check_floats(attend("y = Attention<is_causal = 1>(q, k, v, \"\", \"\", \"\", n)", ", int64[1] n = {3}"), {1.33023845f, 1.57176143f});
  check_floats(attend("y = Attention(q, k, v, m)", ", bool[2,3] m = {1, 0, 1, 0, 0, 0}"), {3.00928465f, 0});  // nothing left: zero
  // Three dimensions hold the heads side by side.
  check_floats(result("g () => (y) <float[1,2,2] q = {1, 0, 0, 2}, float[1,3,2] k = {1, 1, 0, 1, 2, -1}, float[1,3,1] v = {1, 2, 4}> "
                      "{ y = Attention<q_num_heads = 1, kv_num_heads = 1>(q, k, v) }"),
               {2.86795528f, 1.57176143f});
}

TEST_CASE("attention: softcap and the scores as an output") {
  const std::string mask = ", float[1,3] m = {0.5, 0, -0.5}";
  check_floats(attend("y = Attention<softcap = 0.5>(q, k, v, m)", mask), {2.37229502f, 1.88857482f});
  const auto scores = [&](int mode) {
    return attend("a, b, c, y = Attention<softcap = 0.5, qk_matmul_output_mode = " + std::to_string(mode) + ">(q, k, v, m)", mask);
  };
  check_floats(scores(0), {0.70710678f, 0, 1.41421356f, 1.41421356f, 1.41421356f, -1.41421356f});
  check_floats(scores(1), {1.20710678f, 0, 0.91421356f, 1.91421356f, 1.41421356f, -1.91421356f});
  check_floats(scores(2), {0.49206438f, 0, 0.47483599f, 0.49952743f, 0.49651867f, -0.49952743f});
  check_floats(scores(3), {0.38546308f, 0.23565787f, 0.37887905f, 0.42279310f, 0.42152293f, 0.15568396f});
}

TEST_CASE("attention: past, grouped heads") {
  const std::string past = "float[1,1,1,2] k = {2, -1}, float[1,1,1,1] v = {4}, float[1,1,2,2] pk = {1, 1, 0, 1}, float[1,1,2,1] pv = {1, 2}";
  const auto run = [&](const std::string& node) { return result("g () => (y) <float[1,1,2,2] q = {1, 0, 0, 2}, " + past + "> { " + node + " }"); };
  check_floats(run("y = Attention(q, k, v, \"\", pk, pv)"), {2.86795528f, 1.57176143f});
  check_floats(run("a, y = Attention(q, k, v, \"\", pk, pv)"), {1, 1, 0, 1, 2, -1});
  check_floats(run("a, b, y = Attention(q, k, v, \"\", pk, pv)"), {1, 2, 4});
  // With two queries and one new key, causality counts from the past's end: the first query sees three keys, and so does the second.
  check_floats(run("y = Attention<is_causal = 1>(q, k, v, \"\", pk, pv)"), {2.86795528f, 1.57176143f});
  // Two query heads of one key head: the heads hold one query each.
  check_floats(result("g () => (y) <float[1,2,1,2] q = {1, 0, 0, 2}, float[1,1,3,2] k = {1, 1, 0, 1, 2, -1}, float[1,1,3,1] v = {1, 2, 4}> "
                      "{ y = Attention(q, k, v) }"),
               {2.86795528f, 1.57176143f});
  CHECK(inferred("g (float[B,S,32] q, float[B,T,16] k, float[B,T,8] v) => (y) { y = Attention<q_num_heads = 4, kv_num_heads = 2>(q, k, v) }") ==
        "float[B,S,16]");
  CHECK(inferred(
            "g (float[B,4,S,8] q, float[B,2,T,8] k, float[B,2,T,8] v, float[B,2,P,8] p, float[B,2,P,8] r) => (y) { a, y = Attention(q, k, v, \"\", "
            "p, r) }") == "float[B,2,(P+T),8]");
}

TEST_CASE("rotary embeddings") {
  const std::string caches = ", float[1,1,2] c = {0.6, 0.8}, float[1,1,2] s = {0.8, 0.6}> { ";
  check_floats(result("g () => (y) <float[1,1,1,4] x = {1, 2, 3, 4}" + caches + "y = RotaryEmbedding(x, c, s) }"), {-1.8f, -0.8f, 2.6f, 4.4f});
  check_floats(result("g () => (y) <float[1,1,1,4] x = {1, 3, 2, 4}" + caches + "y = RotaryEmbedding<interleaved = 1>(x, c, s) }"),
               {-1.8f, 2.6f, -0.8f, 4.4f});
  // Half of each of two heads, the angles picked by position.
  check_floats(
      result("g () => (y) <float[1,1,8] x = {1, 3, 7, 8, 2, 4, 9, 10}, float[2,1] c = {1, 0.6}, float[2,1] s = {0, 0.8}, int64[1,1] p = {1}> "
             "{ y = RotaryEmbedding<num_heads = 2, rotary_embedding_dim = 2>(x, c, s, p) }"),
      {-1.8f, 2.6f, 7, 8, -2, 4, 9, 10});
}

TEST_CASE("cache updates") {
  const auto run = [](const std::string& mode, const std::string& at) {
    return result("g () => (y) <float[2,3,1] x = {1, 2, 3, 4, 5, 6}, float[2,2,1] u = {10, 20, 30, 40}, int64[2] w = {" + at +
                  "}> { y = TensorScatter<mode = \"" + mode + "\">(x, u, w) }");
  };
  check_floats(run("linear", "0, 1"), {10, 20, 3, 4, 30, 40});
  check_floats(run("circular", "2, 1"), {20, 2, 10, 4, 30, 40});
  CHECK_THROWS_WITH_AS(run("linear", "0, 2"), doctest::Contains("write index"), Error);
}

TEST_CASE("bad attentions") {
  check_complaint("g (float[1,4,2,8] q, float[1,3,2,8] k, float[1,3,2,8] v) => (y) { [\"att\"] y = Attention(q, k, v) }",
                  {"'att'", "Attention", "multiple", "3", "4"});
  check_complaint("g (float[1,2,8] q, float[1,2,8] k, float[1,2,8] v) => (y) { y = Attention(q, k, v) }", {"'q_num_heads'", "three dimensions"});
  check_complaint("g (float[1,2,8] q, float[1,2,8] k, float[1,2,8] v) => (y) { y = Attention<q_num_heads = 3, kv_num_heads = 2>(q, k, v) }",
                  {"heads do not divide", "8"});
  check_complaint("g (float[1,4,2,8] q, float[1,4,2,6] k, float[1,4,2,8] v) => (y) { y = Attention(q, k, v) }", {"head sizes", "8", "6"});
  check_complaint("g (float[1,4,2,8] q, float[1,4,2,8] k, float[1,4,3,8] v) => (y) { y = Attention(q, k, v) }", {"steps of K and V", "2", "3"});
  check_complaint("g (float[1,4,2,8] q, float[1,4,5,8] k, float[1,4,5,8] v, float[3,5] m) => (y) { y = Attention(q, k, v, m) }",
                  {"mask", "1x4x2x5", "3x5"});
  check_complaint("g (float[1,4,2,8] q, float[1,4,5,8] k, float[1,4,5,8] v, float[1,4,3,8] p) => (y) { y = Attention(q, k, v, \"\", p) }",
                  {"belong together"});
  check_complaint("g (float[1,4,2,8] q, float[1,4,5,8] k, float[1,4,5,8] v) => (y) { y = Attention<qk_matmul_output_mode = 4>(q, k, v) }",
                  {"'qk_matmul_output_mode'", "0 to 3", "4"});
  check_complaint("g (float[1,4,2,8] x, float[1,2,3] c, float[1,2,4] s) => (y) { y = RotaryEmbedding(x, c, s) }", {"input 1", "1x2x4", "1x2x3"});
  check_complaint("g (int32[1,4,2,8] x, float[1,2,4] c, float[1,2,4] s) => (y) { y = RotaryEmbedding(x, c, s) }", {"'X'", "int32"});
  check_complaint("g (float[2,3,1] x, float[2,4,1] u) => (y) { y = TensorScatter(x, u) }", {"longer", "3", "4"});
  check_complaint("g (float[2,3,1] x, float[2,2,1] u) => (y) { y = TensorScatter<axis = 0>(x, u) }", {"batch"});
}
