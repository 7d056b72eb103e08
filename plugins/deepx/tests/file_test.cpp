// The reader of .dxnn files, on files made up after the open loader: no real one was to be had.
#include "../file.hpp"

#include <doctest/doctest.h>

#include <lathe/plugin.hpp>

#include "sample.hpp"

using namespace lathe::deepx;
using namespace lathe::deepx::test;

namespace {

std::string said(std::string_view bytes) {
  try {
    describe(read_model(bytes, "sample.dxnn"));
    return "";
  } catch (const lathe::sdk::Failure& failure) {
    return failure.diagnostics.empty() ? "nothing" : failure.diagnostics.front().text;
  }
}
bool has(const std::string& text, const char* part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("said: " << text);
  return found;
}

}  // namespace

TEST_CASE("containers of the versions 6, 7 and 8 are read") {
  Model m = read_model(written(), "seven.dxnn");
  CHECK(m.version == 7);
  CHECK(m.compiler == "2.4.0");
  CHECK(m.inputs == std::vector<std::string>{"images"});
  CHECK(m.outputs == std::vector<std::string>{"a", "b"});
  CHECK(m.cpu_tasks == std::vector<std::string>{"cpu_0"});
  REQUIRE(m.tasks.size() == 1);
  CHECK(m.tasks[0].npu == "M1_4K");
  CHECK(m.tasks[0].opt_level == "1");
  CHECK(m.tasks[0].inputs[0].type == "UINT8");
  CHECK(m.tasks[0].inputs[0].shape == std::vector<int64_t>{1, 640, 640, 3});
  CHECK(m.tasks[0].outputs[0].shape == std::vector<int64_t>{1, 80, 80, 64});
  CHECK(m.tasks[0].weight_bytes == 16);
  CHECK_FALSE(m.tasks[0].post_processing);
  m = read_model(written({.numbers_as_text = true}), "seven.dxnn");
  CHECK(m.tasks[0].weight_bytes == 16);
  m = read_model(written({.version = 8}), "eight.dxnn");
  CHECK(m.tasks[0].post_processing);
  m = read_model(written({.version = 6, .graph = R"({"origin_input": ["x"], "origin_output": ["y"]})"}), "six.dxnn");
  CHECK(m.inputs == std::vector<std::string>{"x"});
  CHECK(m.outputs == std::vector<std::string>{"y"});
}

TEST_CASE("what does not fit is refused with a sentence") {
  CHECK(has(said(""), "no DXNN file"));
  CHECK(has(said("DXNN"), "no DXNN file"));
  CHECK(has(said(written({.version = 5})), "container version"));
  CHECK(has(said(written({.version = 9})), "container version"));
  CHECK(has(said(written({.version = 8, .move_weights = 1})), "lie over one another"));
  CHECK(has(said(written({.move_weights = -1})), "lie over one another"));
  CHECK(has(said(written({.move_weights = 10})), "7 bytes beyond the end"));
  CHECK(has(said(written({.move_weights = 9000000000000000000})), "beyond the end"));
  CHECK(has(said(written({.move_weights = -100000})), "no offset and size"));
  CHECK(has(said(written({.graph = "{"})), "'graph_info' is no JSON"));
  CHECK(has(said(written({.graph = "{}"})), "names no inputs"));
  CHECK(has(said(written({.graph = std::string(100000, '[')})), "nested deeper"));
  CHECK(has(said(written({.info = R"({"inputs": [{"name": ")" + std::string(600, 'n') + R"("}]})"})), "600 letters"));
  std::string header = written();
  header[8] = '[';
  CHECK(has(said(header), "the header is no JSON"));
}

TEST_CASE("every truncation and every flipped bit is refused or read") {
  const std::string right = written({.version = 8});
  REQUIRE(said(right).empty());
  for (size_t size = 0; size < right.size(); size += size < 8190 && size > 8 ? 63 : 1) {
    CAPTURE(size);
    CHECK_FALSE(said(std::string_view(right).substr(0, size)).empty());
  }
  const size_t text = right.find('\0', 8);  // where the header's padding begins
  std::string changed = right;
  for (size_t bit = 0; bit<right.size() * 8; bit += bit> text * 8 && bit < 8192 * 8 ? 101 : 1) {
    changed[bit / 8] = static_cast<char>(right[bit / 8] ^ (1 << (bit % 8)));
    said(changed);
    changed[bit / 8] = right[bit / 8];
  }
}
