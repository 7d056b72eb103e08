// Manifests: what is read, and that every problem is named with its place.
#include "core/plugin/manifest.hpp"

#include <doctest/doctest.h>

using namespace lathe;

namespace {

const char* const good = R"(name: toy
version: 1.2.3
vendor: Acme
description: A toy.
parts: [backend/1, executor/1]
extensions: [toy]
runtime: TOYRT
aliases: [plaything]
traits: [static-shapes]
emits: [library, object]
devices:
  - name: T1
    description: the first
    precisions: [float32, int8]
options:
  - {name: level, type: choice, default: high, choices: [low, high], help: How much., flag: mlevel}
)";

std::vector<Diagnostic> problems(const std::string& yaml) {
  try {
    parse_manifest(yaml, "/p/toy.plugin.yaml");
  } catch (const Error& e) {
    CHECK(e.code == Code::failed);
    return e.diagnostics;
  }
  return {};
}
std::string replaced(std::string text, const std::string& what, const std::string& with) {
  REQUIRE(text.find(what) != std::string::npos);
  return text.replace(text.find(what), what.size(), with);
}

}  // namespace

TEST_CASE("a manifest is read whole") {
  const Manifest m = parse_manifest(good, "/p/toy.plugin.yaml");
  CHECK(m.name == "toy");
  CHECK(m.library == "/p/toy.so");
  CHECK(m.has_part("backend/1"));
  CHECK(!m.has_part("frontend/1"));
  CHECK(m.has_trait("static-shapes"));
  REQUIRE(m.devices.size() == 1);
  CHECK(m.devices[0].precisions == std::vector<std::string>{"float32", "int8"});
  REQUIRE(m.options.size() == 1);
  CHECK(m.options[0].fallback == "high");
  CHECK(m.options[0].flag == "mlevel");
}

TEST_CASE("problems are named with line and column, all of them") {
  auto p = problems(replaced(replaced(good, "vendor:", "vender:"), "type: choice", "type: chioce"));
  REQUIRE(p.size() >= 2);
  CHECK(p[0].location == "/p/toy.plugin.yaml:3:1");
  CHECK(p[0].text.find("'vender'") != std::string::npos);
  CHECK(p[0].text.find("'vendor'") != std::string::npos);
  CHECK(p[1].location == "/p/toy.plugin.yaml:16:25");
  CHECK(p[1].text.find("chioce") != std::string::npos);

  p = problems("name: [toy");
  REQUIRE(p.size() == 1);
  CHECK(p[0].text.find("YAML") != std::string::npos);

  CHECK(problems("- a\n- b\n").size() == 1);
  CHECK(problems("").size() == 1);
  CHECK(problems(replaced(good, "parts: [backend/1, executor/1]", "parts: [backnd/1]")).size() == 1);
  CHECK(problems(replaced(good, "name: toy", "name: Toy!")).size() == 1);
  CHECK(problems(replaced(good, "version: 1.2.3\n", "")).size() == 1);
  CHECK(problems(replaced(good, "emits: [library, object]", "emits: library")).size() == 2);
  CHECK(problems(replaced(good, "aliases: [plaything]", "name: again")).size() == 1);
  CHECK(problems(replaced(good, "choices: [low, high], ", "")).size() == 1);
}

TEST_CASE("differences between manifest and table are sentences") {
  const Manifest m = parse_manifest(good, "/p/toy.plugin.yaml");
  Manifest t = m;
  CHECK(differences(m, t).empty());
  std::reverse(t.parts.begin(), t.parts.end());
  CHECK(differences(m, t).empty());
  t.devices[0].precisions = {"float32"};
  t.options.push_back({"extra", "bool", "true", "", "", {}});
  t.version = "9";
  const std::vector<std::string> d = differences(m, t);
  REQUIRE(d.size() == 3);
  CHECK(d[0] == "version: the manifest says '1.2.3', the library says '9'");
  CHECK(d[1].find("device 'T1'") == 0);
  CHECK(d[2] == "option 'extra' is in the library but not in the manifest");
}

TEST_CASE("known targets are manifests one after the other") {
  const auto known = parse_manifests(std::string("# gathered\n---\n") + good + "---\n" + replaced(good, "name: toy", "name: toy2"), "/known.yaml");
  REQUIRE(known.size() == 2);
  CHECK(known[1].name == "toy2");
}
