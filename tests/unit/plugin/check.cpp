// The conformance kit against plugins of which we know what is wrong with them; and copying templates.
#include "core/plugin/check.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/base/diagnostic.hpp"
#include "core/plugin/template.hpp"

using namespace lathe;
namespace fs = std::filesystem;

namespace {

const fs::path built = fs::path(LATHE_BINARY_DIR) / "tests/plugins";
const std::string corpus = std::string(LATHE_SOURCE_DIR) + "/sdk/check/corpus";

#if defined(__SANITIZE_ADDRESS__)
const char* const crashed = "the plugin ended the process";  // AddressSanitizer turns the signal into an exit
#else
const char* const crashed = "the plugin crashed";
#endif

CheckReport check(const std::string& name, unsigned seconds = 60) {
  CheckRequest request;
  request.path = (built / name).string();
  request.corpus = corpus;
  request.seconds = seconds;
  return check_plugin(request);
}
std::string failures(const CheckReport& report) {
  std::string all;
  for (const CheckFinding& f : report.findings)
    if (f.outcome == Outcome::failed) all += f.check + ": " + f.detail + "\n";
  return all;
}
void expect(const std::string& name, const std::string& check_name, const std::string& detail, unsigned seconds = 60) {
  CAPTURE(name);
  const CheckReport report = check(name, seconds);
  const std::string found = failures(report);
  INFO(found);
  CHECK(!report.passed());
  CHECK(found.find(check_name) != std::string::npos);
  CHECK(found.find(detail) != std::string::npos);
}

}  // namespace

TEST_CASE("a plugin that keeps the contract passes, and its artifacts were run") {
  const CheckReport report = check("fault_none");
  INFO(failures(report));
  CHECK(report.passed());
  CHECK(report.plugin == "fault_none");
  size_t compared = 0;
  for (const CheckFinding& f : report.findings) compared += f.detail.find("agrees with the reference") != std::string::npos;
  CHECK(compared >= 4);
}

TEST_CASE("each fault is found, whatever it does to the process") {
  expect("fault_no_symbol", "exports one symbol", "does not export");
  expect("fault_load_crash", "loads, and its tables agree", crashed);
  expect("fault_load_exit", "loads, and its tables agree", "exit code 0");
  expect("fault_wrong_device", "loads, and its tables agree", "TWO");
  expect("fault_bad_fallback", "declares options", "'many'");
  expect("fault_claim_crash", "compiles relu for ONE", crashed);
  expect("fault_claim_bad_node", "compiles relu for ONE", "verdict on a node that is not there");
  expect("fault_throw", "compiles relu for TWO", "thrown on purpose");
  expect("fault_exit", "compiles relu for ONE", "exit code 0");
  expect("fault_silent", "compiles relu for ONE", "without saying why");
  expect("fault_no_artifact", "compiles relu for ONE", "artifact");
  expect("fault_run_crash", "compiles relu for ONE", crashed);
  expect("fault_run_wrong_numbers", "compiles relu for ONE", "");
  expect("fault_load_null", "refuses files that are no artifact", "without saying why");
}

TEST_CASE("a hanging plugin costs one check its time, not the others") {
  const CheckReport report = check("fault_hang", 1);
  size_t late = 0, passed = 0;
  for (const CheckFinding& f : report.findings) {
    late += f.detail == "it took longer than 1 s";
    passed += f.outcome == Outcome::passed;
  }
  CHECK(late >= 1);
  CHECK(passed >= 5);
}

TEST_CASE("what is no plugin is said to be none") {
  CHECK_THROWS_AS(check("absent"), Error);
  CHECK_THROWS_AS(check(""), Error);  // a folder of folders
}

TEST_CASE("templates are copied under their new name") {
  const fs::path folder = fs::temp_directory_path() / ("lathe-template-" + std::to_string(::getpid()));
  const std::string share = std::string(LATHE_BINARY_DIR) + "/share/lathe";
  for (const char* kind : {"backend", "frontend", "pass"}) {
    const auto files = write_template(kind, "my_own", (folder / kind).string(), share);
    CHECK(fs::exists(folder / kind / "my_own.cpp"));
    CHECK(fs::exists(folder / kind / "my_own.plugin.yaml"));
    for (const std::string& file : files) {
      std::ifstream in(file);
      const std::string text((std::istreambuf_iterator<char>(in)), {});
      CAPTURE(file);
      CHECK(text.find(std::string("example_") + kind) == std::string::npos);
      CHECK(text.find(std::string("example-") + kind) == std::string::npos);
    }
  }
  CHECK_THROWS_AS(write_template("backend", "my_own", (folder / "pass").string(), share), Error);
  CHECK_THROWS_AS(write_template("bakend", "my_own", (folder / "x").string(), share), Error);
  CHECK_THROWS_AS(write_template("backend", "My-Own", (folder / "x").string(), share), Error);
  CHECK(!fs::exists(folder / "x"));
  fs::remove_all(folder);
}
