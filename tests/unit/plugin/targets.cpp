// --target and --option: what people write, and what is said when it is wrong.
#include <doctest/doctest.h>

#include "core/plugin/plugins.hpp"

using namespace lathe;

namespace {

std::string describe(std::string_view text) {
  std::string all;
  for (const TargetSpec& t : parse_targets(text)) {
    all += "[" + t.name + ":" + t.device;
    for (const auto& [flag, value] : t.flags) all += " " + flag + "=" + value;
    all += "]";
  }
  return all;
}

const std::vector<OptionSpec> declared = {{"fast-math", "bool", "false", "", "", {}},
                                          {"level", "int", "3", "", "", {}},
                                          {"scale", "float", "0.5", "", "", {}},
                                          {"mode", "choice", "fast", "", "", {"fast", "Small"}},
                                          {"where", "path", "", "", "", {}}};
std::string resolved(const std::vector<std::pair<std::string, std::string>>& given) {
  std::string all;
  for (const auto& [name, value] : resolve_options("toy", declared, given)) all += name + "=" + value + " ";
  return all;
}
std::vector<Diagnostic> refused(const std::vector<std::pair<std::string, std::string>>& given) {
  try {
    resolve_options("toy", declared, given);
  } catch (const Error& e) {
    CHECK(e.code == Code::usage);
    return e.diagnostics;
  }
  return {};
}

}  // namespace

TEST_CASE("targets, devices, flags and lists") {
  CHECK(describe("toy") == "[toy:]");
  CHECK(describe("a,b:dev") == "[a:][b:dev]");
  CHECK(describe("toy -mcpu=skylake") == "[toy: mcpu=skylake]");
  CHECK(describe("  toy:D1   --mtriple=aarch64-linux-gnu -mattr=+neon,-sve,+crc -fast ") ==
        "[toy:D1 mtriple=aarch64-linux-gnu mattr=+neon,-sve,+crc fast=true]");
  CHECK(describe("toy -mcpu=x,b:dev -k=v") == "[toy: mcpu=x][b:dev k=v]");
}

TEST_CASE("what is no target is refused with what was found") {
  for (const char* wrong : {"", " ", "a,,b", "a,", ":dev", "a:", "a:b:c", "-mcpu=x", "a b", "a -=x", "a --"}) {
    CAPTURE(wrong);
    try {
      parse_targets(wrong);
      FAIL_CHECK("accepted");
    } catch (const Error& e) {
      CHECK(e.code == Code::usage);
      CHECK(!e.diagnostics.front().hint.empty());
    }
  }
}

TEST_CASE("options: defaults, canonical spelling, the last one wins") {
  CHECK(resolved({}) == "fast-math=false level=3 scale=0.5 mode=fast where= ");
  CHECK(resolved({{"fast-math", "ON"}, {"level", "-4"}, {"level", "007"}, {"mode", "small"}, {"where", "a b"}}) ==
        "fast-math=true level=7 scale=0.5 mode=Small where=a b ");
}

TEST_CASE("options: every problem at once, with the nearest name") {
  const auto problems = refused({{"fast-moth", "on"}, {"level", "3x"}, {"scale", "nan"}, {"mode", "fats"}, {"fast-math", "maybe"}});
  REQUIRE(problems.size() == 5);
  CHECK(problems[0].text.find("did you mean 'fast-math'?") != std::string::npos);
  CHECK(problems[1].expected == "a whole number");
  CHECK(problems[2].expected == "a number");
  CHECK(problems[3].expected == "one of fast, Small");
  CHECK(problems[3].text.find("did you mean 'fast'?") != std::string::npos);
  CHECK(problems[4].expected == "true or false");
}
