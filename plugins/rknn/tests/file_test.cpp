// The reader of .rknn files: a file that the vendor's toolkit wrote, a small one made here, and damaged ones. Deterministic; meant for a build with
// sanitizers too.
#include "file.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "python_text.hpp"
#include "sample.hpp"

using namespace lathe::rknn;
using namespace lathe::rknn::test;

namespace {

std::string refusal(const std::string& bytes) {
  try {
    read_file(bytes, "test.rknn");
  } catch (const lathe::sdk::Failure& failure) {
    REQUIRE(failure.code == LATHE_FAILED);
    return failure.what();
  }
  return "";
}
bool says(const std::string& text, const char* part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("said: " << text);
  return found;
}
struct Random {  // SplitMix64
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
};
// Empty, and said so, where the vendor's files are not at hand.
std::string real_file() {
  std::ifstream in(LATHE_SHARED "/models/vendor/rknn/yolov8n_RK3566_3568_i8.rknn", std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (bytes.empty()) MESSAGE("SKIPPED: no vendor's file");
  return bytes;
}

}  // namespace

TEST_CASE("a file that rknn-toolkit2 1.5 wrote") {
  const std::string bytes = real_file();
  if (bytes.empty()) return;
  const File file = read_file(bytes, "yolov8n.rknn");
  CHECK(file.version == 4);
  CHECK(runtime_for(file.version) == "1.5.0");
  CHECK(file.generator == "RKNPU lite");
  CHECK(file.target == "rk3566");
  CHECK(serves(file.target, "RK3568"));
  CHECK_FALSE(serves(file.target, "RK3588"));
  CHECK(file.toolkit == "1.5.0+1fa95b5c(compiler version: 1.5.0 (e6fe0c678@2023-05-25T08:11:09))");
  CHECK(file.framework == "PyTorch");
  CHECK(file.shapes == "static_shape");
  CHECK(file.whole_on_npu);
  REQUIRE(file.inputs.size() == 1);
  const TensorInfo& in = file.inputs[0];
  CHECK(in.name == "x.1");
  CHECK(in.shape == std::vector<int64_t>{1, 3, 640, 640});
  CHECK(in.type == "int8");
  CHECK(in.layout == "NHWC");
  CHECK(in.mean == std::vector<double>{0, 0, 0});
  CHECK(in.spread == std::vector<double>{255, 255, 255});
  CHECK(in.quantization == "asymmetric, per tensor");
  CHECK(*in.scale() == doctest::Approx(1.0 / 255));
  CHECK(*in.zero_point() == -128);
  REQUIRE(file.outputs.size() == 6);
  const int64_t channels[] = {64, 80, 64, 80, 64, 80}, sides[] = {80, 80, 40, 40, 20, 20};
  const char* const names[] = {"189", "190", "191", "192", "193", "194"};
  for (size_t i = 0; i < 6; ++i) {
    const TensorInfo& out = file.outputs[i];
    CHECK(out.name == names[i]);
    CHECK(out.shape == std::vector<int64_t>{1, channels[i], sides[i], sides[i]});
    CHECK(out.type == "int8");
    CHECK(out.layout == "NCHW");
  }
  CHECK(*file.outputs[0].low == doctest::Approx(-9.182948));
  CHECK(*file.outputs[0].high == doctest::Approx(23.564346));
  CHECK(*file.outputs[1].zero_point() == -128);  // scores begin at 0
}

TEST_CASE("truncations and bit flips of that file") {
  const std::string bytes = real_file();
  if (bytes.empty()) return;
  const size_t behind = 64 + 3519872;
  for (size_t size : {size_t{0}, size_t{3}, size_t{8}, size_t{63}, size_t{64}, size_t{71}, size_t{72}, behind - 1, behind, behind + 7, behind + 8})
    CHECK(!refusal(bytes.substr(0, size)).empty());
  for (size_t size = behind; size < bytes.size(); ++size) REQUIRE(!refusal(bytes.substr(0, size)).empty());
  Random random{7};
  for (int i = 0; i < 300; ++i) CHECK(!refusal(bytes.substr(0, random.next() % bytes.size())).empty());
  std::string changed = bytes;
  const auto flip = [&](size_t at, int bit) {
    changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
    refusal(changed);
    changed[at] = bytes[at];
  };
  for (size_t at = 0; at < 64 + 1024; ++at)
    for (int bit = 0; bit < 8; ++bit) flip(at, bit);
  for (size_t at = behind - 64; at < bytes.size(); ++at) flip(at, static_cast<int>(random.next() % 8));
  for (int i = 0; i < 2000; ++i) flip(random.next() % bytes.size(), static_cast<int>(random.next() % 8));
}

TEST_CASE("a small file made here, and what is wrong with others") {
  const File file = read_file(rknn(), "test.rknn");
  CHECK(file.version == 6);
  CHECK(file.target == "rk3588");
  CHECK(file.toolkit == "2.3.2");
  REQUIRE(file.inputs.size() == 1);
  CHECK(file.inputs[0].type == "float16");
  CHECK_FALSE(file.inputs[0].scale());
  CHECK(file.outputs[0].name == "y");

  CHECK(says(refusal("RKNO" + std::string(100, '\0')), "no .rknn file"));
  CHECK(says(refusal(rknn().substr(0, 70)), "within its header"));
  Sample sample;
  sample.version = 0;
  CHECK(says(refusal(rknn(sample)), "version"));
  sample = {};
  sample.identifier = "XKNN";
  CHECK(says(refusal(rknn(sample)), "encrypted"));
  sample = {};
  sample.text = "{";
  CHECK(says(refusal(rknn(sample)), "no JSON"));
  sample.text = "{}";
  CHECK(says(refusal(rknn(sample)), "missing"));
  sample.text = R"({"norm_tensor": [], "graph": []})";
  CHECK(says(refusal(rknn(sample)), "without inputs"));
  CHECK(says(refusal(rknn() + "x"), "another size"));
  // What only describes may be nonsense.
  sample = {};
  sample.attributes = "__import__('os')";
  CHECK(refusal(rknn(sample)).empty());
}

TEST_CASE("every truncation and every bit of the small file") {
  const std::string bytes = rknn();
  for (size_t size = 0; size < bytes.size(); ++size) CHECK(!refusal(bytes.substr(0, size)).empty());
  size_t taken = 0;
  for (size_t at = 0; at < bytes.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      taken += refusal(changed).empty() ? 1 : 0;
    }
  CHECK(taken > 0);  // names and figures that nothing checks
}

TEST_CASE("Python's literals") {
  CHECK(parse_python("{'a': [1, -2.5, True, None], \"b\": (1,), 3: 'it\\'s'}") ==
        nlohmann::json({{"a", {1, -2.5, true, nullptr}}, {"b", {1}}, {"3", "it's"}}));
  CHECK(parse_python("{}") == nlohmann::json::object());
  CHECK(parse_python("[nan, inf, -inf, 1e400]").is_discarded());
  CHECK(parse_python("[nan, inf, -inf]") == nlohmann::json({nullptr, nullptr, nullptr}));
  for (const char* wrong : {"", "{", "{'a'}", "{'a': }", "[1 2]", "'open", "'\\x4", "print(1)", "{[]: 1}", "1 2"})
    CHECK(parse_python(wrong).is_discarded());
  CHECK(parse_python(std::string(100000, '[')).is_discarded());
}
