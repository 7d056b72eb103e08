// The reader of .dfp files: what it reads, and that nothing damaged makes it crash. Deterministic; meant for a build with sanitizers too.
#include "file.hpp"

#include <doctest/doctest.h>

#include "mxpack.hpp"
#include "sample.hpp"

using namespace lathe::memryx;
using namespace lathe::memryx::test;

namespace {

std::string refusal(const std::string& bytes) {
  try {
    read_file(bytes, "test.dfp");
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

}  // namespace

TEST_CASE("a file of container version 6") {
  const File file = read_file(dfp(), "test.dfp");
  CHECK(file.version == 6);
  CHECK(file.compiler == "2.2.5");
  CHECK(file.time == "2026-01-02");
  CHECK(file.chips == 4);
  CHECK(file.models == 1);
  CHECK(file.weight_bytes == 4);
  CHECK(file.configuration_bytes == 3);
  REQUIRE(file.inputs.size() == 1);
  CHECK(file.inputs[0].layer == "images");
  CHECK(file.inputs[0].format == "FP32");
  CHECK(file.inputs[0].shape == std::vector<int64_t>{640, 640, 1, 3});
  REQUIRE(file.outputs.size() == 2);
  CHECK(file.outputs[1].shape == std::vector<int64_t>{80, 80, 1, 80});
}

TEST_CASE("of container version 5 nothing but the version is read") {
  CHECK(read_file(bytes_of(uint64_t{5}) + std::string(20, 'x'), "").version == 5);
}

TEST_CASE("what is wrong is said") {
  CHECK(says(refusal(std::string(16, 'x')), "too short"));
  CHECK(says(refusal(std::string(40, 'x')), "no .dfp file"));
  Sample sample;
  sample.generation = 3;
  CHECK(says(refusal(dfp(sample)), "another generation"));
  sample = {};
  sample.counted_inputs = 2;
  CHECK(says(refusal(dfp(sample)), "disagree"));
  sample = {};
  sample.hardware.resize(14);
  CHECK(says(refusal(dfp(sample)), "ends within its weights"));
  std::string list = dfp();
  list[8] = 2;
  CHECK(says(refusal(list), "no dictionary"));
}

TEST_CASE("MXPACK: types, limits") {
  size_t end = 0;
  const std::string all = '\1' + dictionary({key("f", 0x50) + bytes_of(1.5f), key("s", 0x61) + bytes_of(uint64_t{2}) + "hi",
                                             key("n", 0x31) + bytes_of(-7), key("b", 0x03) + bytes_of(uint64_t{3}) + "abc",
                                             key("a", 0xa2) + list(0x10, {"\1", "\2"}), key("l", 0x02) + list(0x02, {list(0x11, {"\xff"})})});
  const nlohmann::json value = read_mxpack(all + "behind", end);
  CHECK(end == all.size());
  CHECK(value["f"] == 1.5);
  CHECK(value["s"] == "hi");
  CHECK(value["n"] == -7);
  CHECK(value["b"]["size"] == 3);
  CHECK(all.substr(value["b"]["offset"].get<size_t>(), 3) == "abc");
  CHECK(value["a"] == nlohmann::json({1, 2}));
  CHECK(value["l"] == nlohmann::json({{-1}}));
  const std::string many = '\2' + list(0x20, std::vector<std::string>(5000, "xy"));
  CHECK(read_mxpack(many, end)["count"] == 5000);
  CHECK(end == many.size());
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += std::string("\2", 1) + bytes_of(uint32_t{1});
  CHECK_THROWS_WITH(read_mxpack('\2' + deep, end), "values are nested too deeply");
  CHECK_THROWS_WITH(read_mxpack('\1' + bytes_of(uint32_t{0xffffffff}), end), "a dictionary has more entries than the file has room for");
  CHECK_THROWS_WITH(read_mxpack('\2' + std::string("\x10", 1) + bytes_of(uint32_t{0xffffffff}), end), "a list is longer than the file");
}

TEST_CASE("every truncation, every bit") {
  const std::string bytes = dfp();
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
