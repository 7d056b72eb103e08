// Random numbers: their distribution, the seed, and bad models. Philox's words are the known answers of its authors' Random123 1.09.
#include "lathe/kernels/random.hpp"

#include <cmath>

#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("known answers of the generator") {
  uint32_t words[4];
  kernels::detail::Philox{{0, 0}}.words(0, words);
  CHECK(std::vector<uint32_t>(words, words + 4) == std::vector<uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
}

// numpy.random.seed(7); numpy.random.uniform(0, 1, 8) >= 0.5
TEST_CASE("Dropout draws in training, as NumPy does with the same seed") {
  const std::string head =
      "g () => (y) <float[8] x = {1, 2, 3, 4, 5, 6, 7, 8}, float half = {0.5}, float none = {0}, bool yes = {1}, bool no = {0}> { y, m = ";
  check_floats(result(head + "Dropout<seed = 7>(x, half, yes) }"), {0, 4, 0, 8, 10, 12, 14, 0});
  check_floats(result(head + "Dropout<seed = 7>(x, , yes) }"), {0, 4, 0, 8, 10, 12, 14, 0});
  check_floats(result(head + "Dropout<seed = 7>(x, half, no) }"), {1, 2, 3, 4, 5, 6, 7, 8});
  check_floats(result(head + "Dropout(x, none, yes) }"), {1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor mask = result("g () => (m) <float[8] x = {1, 2, 3, 4, 5, 6, 7, 8}, bool yes = {1}> { y, m = Dropout<seed = 7>(x, , yes) }");
  CHECK(values<uint8_t>(mask) == std::vector<uint8_t>{0, 1, 0, 1, 1, 1, 1, 0});
  check_complaint("g (float[8] x) => (y) <float half = {0.5}, bool yes = {1}> { [\"drop\"] y = Dropout(x, half, yes) }",
                  {"'drop'", "no seed", "eval"});
  check_complaint("g (float[8] x) => (y) <float[2] half = {0.5, 0.5}> { y = Dropout(x, half) }", {"no scalar", "2"});
  CHECK_THROWS_WITH_AS(result("g () => (y) <float[1] x = {1}, float one = {1}, bool yes = {1}> { y = Dropout<seed = 7>(x, one, yes) }"),
                       doctest::Contains("ratio"), Error);
}

static std::pair<double, double> moments(const Tensor& t) {
  double sum = 0, squares = 0;
  for (const float x : t.as<float>()) sum += double(x), squares += double(x) * double(x);
  const double n = double(t.size()), mean = sum / n;
  return {mean, std::sqrt(squares / n - mean * mean)};
}

// A mean of 40,000 independent values lies within five of its standard deviations; the seeds are fixed, so this never fails by chance.
TEST_CASE("distributions") {
  const auto [mean, deviation] = moments(result("g () => (y) { y = RandomNormal<shape = [200, 200], mean = 3.0, scale = 2.0, seed = 1.0>() }"));
  CHECK(std::abs(mean - 3) < 0.05);
  CHECK(std::abs(deviation - 2) < 0.05);
  const Tensor uniform = result("g () => (y) { y = RandomUniform<shape = [40000], low = -1.0, high = 3.0, seed = 1.0>() }");
  CHECK(std::abs(moments(uniform).first - 1) < 0.03);
  CHECK(std::abs(moments(uniform).second - 4 / std::sqrt(12.0)) < 0.03);
  for (const float x : uniform.as<float>()) REQUIRE((x >= -1 && x < 3));
  const Tensor ones = result("g () => (y) <float[1] p = {0.3}, int64[1] n = {40000}> { q = Expand(p, n) y = Bernoulli<seed = 2.0>(q) }");
  CHECK(std::abs(moments(ones).first - 0.3) < 0.012);
  // Logarithms of 1/6, 2/6, 3/6, up to a constant.
  const Tensor classes = result("g () => (y) <float[1,3] p = {0, 0.6931472, 1.0986123}> { y = Multinomial<sample_size = 30000, seed = 2.0>(p) }");
  double counts[3] = {};
  for (const int32_t c : classes.as<int32_t>()) ++counts[c];
  for (int i = 0; i < 3; ++i) CHECK(std::abs(counts[i] / 30000 - (i + 1) / 6.0) < 0.015);
}

TEST_CASE("a seed repeats, another one does not, none is a new one every time") {
  const auto draw = [](const std::string& attributes) { return result("g () => (y) { y = RandomNormal<shape = [8]" + attributes + ">() }"); };
  CHECK(draw(", seed = 5.0") == draw(", seed = 5.0"));
  CHECK(!(draw(", seed = 5.0") == draw(", seed = 6.0")));
  CHECK(!(draw("") == draw("")));
}

TEST_CASE("like an input: its shape, the same numbers for the same seed") {
  const std::string x = "<float[2,3] x = {0, 0, 0, 0, 0, 0}> { y = ";
  CHECK(result("g () => (y) " + x + "RandomUniformLike<seed = 3.0, high = 5.0>(x) }") ==
        result("g () => (y) { y = RandomUniform<seed = 3.0, high = 5.0, shape = [2, 3]>() }"));
  CHECK(result("g () => (y) " + x + "RandomNormalLike<seed = 3.0, mean = 5.0>(x) }") ==
        result("g () => (y) { y = RandomNormal<seed = 3.0, mean = 5.0, shape = [2, 3]>() }"));
}

TEST_CASE("types") {
  CHECK(inferred("g (int32[2,N] x) => (y) { y = RandomUniformLike<dtype = 11>(x) }") == "double[2,N]");
  CHECK(inferred("g (float16[2,N] x) => (y) { y = RandomNormalLike(x) }") == "float16[2,N]");
  CHECK(inferred("g (float[2,N] x) => (y) { y = Bernoulli<dtype = 9>(x) }") == "bool[2,N]");
  CHECK(inferred("g (float[B,N] x) => (y) { y = Multinomial<dtype = 7, sample_size = 4>(x) }") == "int64[B,4]");
}

TEST_CASE("bad random numbers") {
  check_complaint("g () => (y) { [\"noise\"] y = RandomNormal() }", {"'noise'", "'shape' is missing"});
  check_complaint("g () => (y) { y = RandomNormal<shape = [2, -1]>() }", {"'shape'", "-1"});
  check_complaint("g () => (y) { y = RandomUniform<shape = [2], dtype = 7>() }", {"int64", "dtype"});
  check_complaint("g () => (y) { y = RandomUniform<shape = [2], seed = 7>() }", {"'seed'", "a float", "an integer"});
  check_complaint("g (int32[2] x) => (y) { y = RandomNormalLike(x) }", {"int32", "dtype"});
  check_complaint("g (int32[2] x) => (y) { y = Bernoulli(x) }", {"int32"});
  check_complaint("g (float[2,3] x) => (y) { y = Multinomial<dtype = 1>(x) }", {"int32, int64", "float"});
  check_complaint("g (float[2,3] x) => (y) { y = Multinomial<sample_size = 0>(x) }", {"sample_size"});
}
