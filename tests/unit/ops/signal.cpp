// Fourier transforms, short-time spectra, window functions, mel filter banks. Expected numbers are numpy's (numpy.fft, numpy.hanning).
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("transforms of a power of two, and of a prime length") {
  const std::string four = "g () => (y) <float[4,1] x = {1, 2, -1, 3}, int64 five = {5}> { y = ";
  check_floats(result(four + "DFT(x) }"), {5, 0, 2, 1, -5, 0, 2, -1});
  check_floats(result(four + "DFT<onesided = 1>(x) }"), {5, 0, 2, 1, -5, 0});
  // A longer transform sees zeros behind the signal.
  check_floats(result("g () => (y) <double[1,5,1] x = {1, 2, -1, 3, 0.5}, int64 a = {1}> { d = DFT<onesided = 1>(x, \"\", a) y = Cast<to = 1>(d) }"),
               {5.5f, 0, 0.15450850f, 0.92455623f, -0.40450850f, -4.68590394f});
  check_floats(result("g () => (y) <float[4,1] x = {1, 2, -1, 3}, int64 n = {5}> { d = DFT(x, n) y = DFT<inverse = 1>(d) }"),
               {1, 0, 2, 0, -1, 0, 3, 0, 0, 0}, 1e-5f);
}

TEST_CASE("the inverse of one side of a spectrum is real") {
  const std::string three = "g () => (y) <float[3,2] x = {1, 0, 2, 1, 3, -1}, int64 five = {5}> { y = DFT<inverse = 1, onesided = 1>(x";
  check_floats(result(three + ") }"), {2, -1, 0, 0});
  check_floats(result(three + ", five) }"), {2.2f, -0.66891530f, -0.69192991f, 0.53914351f, -0.37829829f});
}

TEST_CASE("before opset 20 the axis was an attribute, the first behind the batch by default") {
  const std::string text = " () => (y) <float[1,2,2,1] x = {1, 2, 3, 5}> { y = DFT(x) }";
  check_floats(result("<ir_version: 8, opset_import: [\"\" : 17]> g" + text), {4, 0, 7, 0, -2, 0, -3, 0});
  check_floats(result("g" + text), {3, 0, -1, 0, 8, 0, -2, 0});
}

TEST_CASE("short-time spectra") {
  const std::string eight =
      "g () => (y) <float[1,8,1] x = {0, 1, 4, 9, 16, 25, 36, 49}, int64 step = {2}, float[4] w = {0.5, 1, 1, 0.5}, int64 n = {4}> { y = ";
  check_floats(result(eight + "STFT(x, step, w) }"), {9.5f, 0, -4, 3.5f, -1.5f, 0, 39.5f, 0, -14, 3.5f, -3.5f, 0, 93.5f, 0, -28, -0.5f, -5.5f, 0});
  CHECK(result(eight + "STFT<onesided = 0>(x, step, \"\", n) }").dimensions == std::vector<int64_t>{1, 3, 4, 2});
}

TEST_CASE("windows") {
  check_floats(result("g () => (y) <int64 n = {4}> { y = HannWindow(n) }"), {0, 0.5f, 1, 0.5f});
  check_floats(result("g () => (y) <int32 n = {5}> { y = HannWindow<periodic = 0>(n) }"), {0, 0.5f, 1, 0.5f, 0});
  check_floats(result("g () => (y) <int32 n = {4}> { y = HammingWindow(n) }"), {0.08695652f, 0.54347826f, 1, 0.54347826f});
  CHECK(std::abs(result("g () => (y) <int32 n = {4}> { y = BlackmanWindow<output_datatype = 11>(n) }").as<double>()[1] - 0.34) < 1e-12);
  CHECK(values<int32_t>(result("g () => (y) <int64 n = {4}> { y = HannWindow<output_datatype = 6>(n) }")) == std::vector<int32_t>{0, 0, 1, 0});
}

TEST_CASE("mel filter banks") {
  check_floats(result("g () => (y) <int64 m = {2}, int64 n = {8}, int64 r = {4000}, float low = {0}, float high = {2000}> "
                      "{ y = MelWeightMatrix(m, n, r, low, high) }"),
               {1, 0, 0, 1, 0, 0, 0, 0, 0, 0});
  CHECK_THROWS_WITH_AS(result("g () => (y) <int64 m = {2}, int64 n = {8}, int64 r = {4000}, float low = {0}, float high = {90000}> "
                              "{ [\"bank\"] y = MelWeightMatrix(m, n, r, low, high) }"),
                       doctest::Contains("'bank'"), Error);
}

TEST_CASE("shapes of signals with open lengths") {
  CHECK(inferred("g (float[B,N,1] x) => (y) { y = DFT<onesided = 1>(x) }") == "float[B,((N/2)+1),2]");
  CHECK(inferred("g (float[B,T,1] x) => (y) <int64 step = {160}, int64 n = {400}> { y = STFT(x, step, \"\", n) }") ==
        "float[B,(((T-400)/160)+1),201,2]");
}

TEST_CASE("bad signals") {
  check_complaint("g (float[2,8,3] x) => (y) { [\"fft\"] y = DFT(x) }", {"'fft'", "DFT", "1 or 2", "3"});
  check_complaint("g (float[2,8,2] x) => (y) { y = DFT<onesided = 1>(x) }", {"real signal"});
  check_complaint("g (float[2,8,2] x) => (y) <int64 a = {2}> { y = DFT(x, \"\", a) }", {"last axis"});
  check_complaint("g (float[2,8,2] x) => (y) <int64 a = {5}> { y = DFT(x, \"\", a) }", {"axis", "5"});
  check_complaint("g (float[2,8,2] x) => (y) <int64 n = {0}> { y = DFT(x, n) }", {"not positive"});
  check_complaint("g (int32[2,8,2] x) => (y) { y = DFT(x) }", {"int32", "float"});
  check_complaint("g (float[2,8,2] x) => (y) { y = DFT<axis = 1>(x) }", {"no attribute 'axis'"});
  check_complaint("g (float[1,8,1] x) => (y) <int64 s = {2}> { y = STFT(x, s) }", {"length of a frame is missing"});
  check_complaint("g (float[1,8,1] x) => (y) <int64 s = {2}, int64 n = {9}> { y = STFT(x, s, \"\", n) }", {"length of a frame is out of range"});
  check_complaint("g (float[1,8,1] x) => (y) <int64 s = {0}, int64 n = {4}> { y = STFT(x, s, \"\", n) }", {"step", "at least 1"});
  check_complaint("g () => (y) <int64[2] n = {4, 4}> { y = HannWindow(n) }", {"scalar"});
  check_complaint("g () => (y) <int64 n = {-4}> { y = HannWindow(n) }", {"negative"});
  check_complaint("g () => (y) <int64 n = {4}> { y = HannWindow<output_datatype = 8>(n) }", {"output_datatype", "8"});
  check_complaint("g () => (y) <float n = {4}> { y = BlackmanWindow(n) }", {"float", "int64"});
}
