// Finding a tool and holding its version against a window.
#include <doctest/doctest.h>

#include <cstdlib>

#include "tools.hpp"

using namespace lathe::sdk;
using namespace lathe::test;

namespace {

ToolDescription acme() {
  ToolDescription d = {};
  d.name = "Acme Compiler", d.executable = "acmec", d.option = "compiler", d.environment = "LATHE_TEST_ACME";
  d.version_arguments = {"--version"}, d.lowest = "3.20", d.below = "4";
  d.how_to_get = "it comes with the Acme suite";
  return d;
}

}  // namespace

TEST_CASE("versions: numbers alone count, and missing ones are zero") {
  const auto compare = [](const char* a, const char* b) { return ToolVersion::parse(a).compare(ToolVersion::parse(b)); };
  CHECK(ToolVersion::parse("Acme v3.28.0rc1 (2024)").text() == "3.28.0");
  CHECK(ToolVersion::parse("no number").empty());
  CHECK(ToolVersion::parse("99999999999999999999999.1").text() == "18446744073709551615.1");
  CHECK(compare("3.9", "3.10") < 0);
  CHECK(compare("3.1", "3.1.0") == 0);
  CHECK(compare("16.0.384591198", "16") > 0);
}

TEST_CASE("the person's word comes first, then the variable, PATH and the usual folders") {
  const Folder named, variable, in_path, usual;
  const auto tool = [](const Folder& folder, const char* version) {
    return folder.program("acmec", std::string("echo 'Acme Compiler ") + version + "'");
  };
  const std::string a = tool(named, "3.21"), b = tool(variable, "3.22"), c = tool(in_path, "3.23"), d = tool(usual, "3.24");
  ToolDescription description = acme();
  description.usual_folders = {usual.path.c_str()};
  const Variable path("PATH", in_path.path + ":/usr/bin:/bin");
  {
    const Variable set("LATHE_TEST_ACME", b);
    CHECK(require_tool(description, {named.path, {}, {}}).version.text() == "3.21");
    CHECK(require_tool(description, {a, {}, {}}).found == "by the option 'compiler'");
    CHECK(require_tool(description).version.text() == "3.22");
  }
  CHECK(require_tool(description).version.text() == "3.23");
  const Variable empty("PATH", "/usr/bin:/bin");
  CHECK(require_tool(description).version.text() == "3.24");
  description.usual_folders = {};
  CHECK_FALSE(find_tool(description).has_value());
}

TEST_CASE("a virtual environment is looked into and nothing else") {
  const Folder environment, in_path;
  in_path.program("acmec", "echo 3.20");
  const Variable path("PATH", in_path.path + ":/usr/bin:/bin");
  const std::string said = failure_of([&] { require_tool(acme(), {{}, environment.path, {}}); });
  CHECK(said.find("Acme Compiler is not where the virtual environment says") != std::string::npos);
  environment.folder("bin");
  environment.program("bin/acmec", "echo 3.25");
  CHECK(require_tool(acme(), {{}, environment.path, {}}).version.text() == "3.25");
}

TEST_CASE("refusals say what is wanted, what was found and where it is had") {
  const Folder folder;
  const Variable path("PATH", folder.path + ":/usr/bin:/bin");
  std::string said = failure_of([&] { require_tool(acme()); });
  CHECK(said.find("Acme Compiler is not installed: there is no 'acmec' in PATH") != std::string::npos);
  CHECK(said.find("at least 3.20, below 4") != std::string::npos);
  CHECK(said.find("it comes with the Acme suite; the option 'compiler' or the environment variable LATHE_TEST_ACME says where it is") !=
        std::string::npos);
  folder.program("acmec", "echo 'Acme Compiler 5.0.1'");
  said = failure_of([&] { require_tool(acme()); });
  CHECK(said.find("has a version that does not serve here") != std::string::npos);
  CHECK(said.find("5.0.1 (in PATH)") != std::string::npos);
  folder.program("acmec", "echo 'Acme Compiler 3.19.9'");
  CHECK(failure_of([&] { require_tool(acme()); }).find("3.19.9") != std::string::npos);
  folder.program("acmec", "echo 'license missing' >&2; exit 3");
  CHECK(failure_of([&] { require_tool(acme()); }).find("does not tell its version") != std::string::npos);
  folder.program("acmec", "echo built 2021; echo 'version: 3.30'");
  ToolDescription picky = acme();
  picky.version_pattern = "version: ([0-9.]+)";
  CHECK(require_tool(picky).version.text() == "3.30");
}

TEST_CASE("a container image wants docker or podman, and mounts the working folder alone") {
  const Folder folder;
  const Variable nowhere("PATH", folder.path);
  const ToolPlace place = {{}, {}, "acme/suite:3"};
  CHECK(failure_of([&] { require_tool(acme(), place); }).find("neither docker nor podman is in PATH") != std::string::npos);
  folder.program("podman", "case \"$*\" in *--version) echo 3.21;; *) echo \"$@\" > \"" + folder.path + "/called\"; echo done;; esac");
  const Tool tool = require_tool(acme(), place);
  CHECK(tool.found == "in the container image 'acme/suite:3'");
  ToolRun run;
  run.arguments = {"compile", "a b.onnx"}, run.directory = folder.path, run.environment = {"KEY=1"};
  run_tool(Host(nullptr), tool, run);
  CHECK(folder.text("called") ==
        "run --rm --network=none -v " + folder.path + ":" + folder.path + " -w " + folder.path + " -e KEY=1 acme/suite:3 acmec compile a b.onnx\n");
}
