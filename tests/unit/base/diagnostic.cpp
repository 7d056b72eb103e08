// Sentences and nearest names.
#include "core/base/diagnostic.hpp"

#include <doctest/doctest.h>

using namespace lathe;

TEST_CASE("a diagnostic says what, where, expected, found and the next step") {
  Diagnostic d{
      .text = "the kernel does not fit.", .node = "Conv_3", .op_type = "Conv", .location = "a.onnx", .expected = "3", .found = "5", .hint = "pad"};
  CHECK(d.sentence() == "error: a.onnx: node 'Conv_3' (Conv): the kernel does not fit; expected 3, found 5 (pad)");
  CHECK(Diagnostic{.severity = Severity::note, .text = "done"}.sentence() == "note: done");
  CHECK(Diagnostic{.text = "odd", .found = "x"}.sentence() == "error: odd; found x");
}

TEST_CASE("an error carries every problem") {
  const Error error(Code::unsupported, std::vector<Diagnostic>{{.text = "one"}, {.text = "two"}});
  CHECK(std::string(error.what()) == "error: one\nerror: two");
  CHECK(error.code == Code::unsupported);
  CHECK(Error(Code::failed, std::vector<Diagnostic>{}).diagnostics.size() == 1);
}

TEST_CASE("the nearest name is found without regard to case, and none when nothing is near") {
  const std::vector<std::string> names{"llvm_cpu", "openvino", "tflite", "hailo"};
  CHECK(nearest("LLVM-CPU", names) == "llvm_cpu");
  CHECK(nearest("tflit", names) == "tflite");
  CHECK(nearest("ahilo", names) == "hailo");  // neighbours swapped: one edit
  CHECK(nearest("cuda", names).empty());
  CHECK(nearest("", names).empty());
  CHECK(nearest("x", {"y"}).empty());
  CHECK(nearest(std::string(100000, 'a'), names).empty());
  CHECK(did_you_mean("hialo", names) == ", did you mean 'hailo'?");
  CHECK(did_you_mean("nothing at all", names).empty());
  CHECK(nearest("abc", {"abd", "abc"}) == "abc");
}
