// Plans: the same data run here and as run.sh must come to the same end, wherever the folder lies.
#include "lathe/bundle.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <vector>

#include "tools.hpp"

using namespace lathe::sdk;
using namespace lathe::test;

namespace {

ToolDescription acme() {
  ToolDescription d{"Acme Compiler",
                    "acmec",
                    "compiler",
                    "LATHE_TEST_ACME",
                    {},
                    {"--version"},
                    "acmec (\\d+(\\.\\d+)*)",
                    "3.20",
                    "4",
                    "it comes with the Acme suite"};
  return d;
}

ToolPlan two_steps() {
  ToolPlan plan;
  plan.tool = acme(), plan.target = "acme:one", plan.artifact = "model.bin";
  ToolRun parse, compile;
  parse.arguments = {"parse", "it's a model.onnx", folder_mark + std::string("/list.txt")};
  parse.messages = {{"WARN: (\\w+) moved", LATHE_OK, "$1 was moved to the host"},
                    {"^ERR_(\\d+) in (\\S+)$", LATHE_UNSUPPORTED, "the tool does not take $2 ($1)", "cut the model before it"}};
  parse.wanted_files = {"model.parsed"}, parse.inputs = {"it's a model.onnx"}, parse.environment = {"ACME_MODE=a b"};
  compile = parse;
  compile.arguments = {"compile", "model.parsed"}, compile.inputs = {}, compile.wanted_files = {"model.bin"}, compile.success_pattern = "All done";
  compile.log_files = {"own.log"};
  plan.runs = {parse, compile};
  plan.located_files = {{"list.txt", "@FOLDER@/a.jpg\n@FOLDER@/b.jpg\n"}};
  return plan;
}

// The tool: `extra` is what the step `compile` does before it writes.
std::string acme_script(const std::string& extra, const std::string& version = "3.25.1") {
  return "case $1 in\n--version) echo 'acmec " + version +
         "';;\nparse) [ \"$ACME_MODE\" = 'a b' ] || exit 9; cat \"$2\" \"$3\" > model.parsed; echo \"$2\" >> calls;;\n" + "compile) " + extra +
         "\necho compile >> calls; cat model.parsed > model.bin; echo All done;;\nesac";
}

struct Ended {
  int code = 0;
  std::string said;
};

Ended run_here(const ToolPlan& plan, const std::string& folder) {
  Ended ended;
  lathe_code code = LATHE_OK;
  ended.said = failure_of([&] { run_plan(Host(nullptr), require_tool(plan.tool, {}, true), plan, folder); }, &code);
  ended.code = code;
  return ended;
}

Ended run_as_script(const ToolPlan& plan, const std::string& folder) {
  std::ofstream(folder + "/run.sh") << run_script(plan);
  for (const LocatedFile& file : plan.located_files) std::ofstream(folder + "/" + file.name + ".in") << file.text;
  const int status = std::system(("cd / && bash " + shell_quoted(folder + "/run.sh") + " >" + shell_quoted(folder + "/said") + " 2>&1").c_str());
  std::ifstream said(folder + "/said");
  return {WEXITSTATUS(status), {std::istreambuf_iterator<char>(said), {}}};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("a plan comes to the same end here and as run.sh") {
  struct Case {
    const char* what;
    std::string script;
    int code;
    const char* said;
  };
  const Case cases[] = {
      {"success", acme_script("echo WARN: Exp moved"), 0, ""},
      {"failure behind an exit code of success", acme_script("printf '\\033[31mERR_42 in /a/Conv\\033[0m\\n'"), 3,
       "the tool does not take /a/Conv (42)"},
      {"a progress bar's last line", acme_script("printf '10%%\\rERR_7 in x\\r100%%\\n'"), 3, "the tool does not take x (7)"},
      {"a failure that it writes into a file of its own", acme_script("echo start; echo ERR_9 in y > own.log"), 3, "the tool does not take y (9)"},
      {"exit code", acme_script("exit 5"), 1, "failed with exit code 5"},
      {"silence", acme_script("cp model.parsed model.bin; exit 0"), 1, "never said so"},
      {"nothing written", acme_script("echo All done; exit 0"), 1, "did not write"},
      {"too new", acme_script("", "5.0"), 3, "has a version that does not serve here"},
      {"too old", acme_script("", "3.9"), 3, "has a version that does not serve here"},
      {"no version", "echo hello", 3, "does not tell its version"}};
  for (const Case& c : cases) {
    const std::string what = c.what;
    CAPTURE(what);
    const Folder tools, work;
    tools.program("acmec", c.script);
    const Variable path("PATH", tools.path + ":/usr/bin:/bin");
    const ToolPlan plan = two_steps();
    // A folder whose name a careless script would stumble over.
    for (const bool script : {false, true}) {
      const std::string folder = work.path + (script ? "/a & b's" : "/c d");
      std::filesystem::create_directory(folder);
      std::ofstream(folder + "/it's a model.onnx") << "graph\n";
      std::ofstream(folder + "/own.log") << "ERR_9 in an earlier run\n";  // and not in this one's log
      const Ended ended = script ? run_as_script(plan, folder) : run_here(plan, folder);
      CAPTURE(script);
      CAPTURE(ended.said);
      CHECK(ended.code == c.code);
      CHECK(has(ended.said, c.said));
      if (c.code != 0) continue;
      CHECK(text_of(folder + "/model.bin") == "graph\n" + folder + "/a.jpg\n" + folder + "/b.jpg\n");
      if (script) CHECK(has(ended.said, "warning: Exp was moved to the host"));
      if (script) CHECK(has(ended.said, "lathe package model.bin --from MODEL --target acme:one"));
    }
  }
}

TEST_CASE("an absent tool is told of in both ways, and the bundle is named") {
  const Folder work;
  const Variable path("PATH", "/usr/bin:/bin");
  const Ended here = run_here(two_steps(), work.path), there = run_as_script(two_steps(), work.path);
  CHECK(here.code == 3);
  CHECK(has(here.said, "--emit bundle"));
  CHECK(there.code == 3);
  CHECK(has(there.said, "it comes with the Acme suite"));
  CHECK(has(there.said, "LATHE_TEST_ACME=PATH ./run.sh"));
}

TEST_CASE("run.sh takes the tool from its variable, as a program or a folder, and finds what comes with it") {
  const Folder tools, work;
  tools.folder("s p");
  tools.program("s p/acmec", acme_script(""));
  tools.program("s p/helper", "echo helped > model.bin");
  const Variable path("PATH", "/usr/bin:/bin");
  ToolPlan plan = two_steps();
  plan.runs[1].program = "helper", plan.runs[1].arguments = {}, plan.runs[1].success_pattern = nullptr;
  std::ofstream(work.path + "/it's a model.onnx") << "graph\n";
  for (const std::string named : {"/s p", "/s p/acmec"}) {
    const Variable variable("LATHE_TEST_ACME", tools.path + named);
    CHECK(run_as_script(plan, work.path).code == 0);
    CHECK(work.text("model.bin") == "helped\n");
    std::filesystem::remove(work.path + "/model.bin");
    CHECK(run_here(plan, work.path).code == 0);
    CHECK(work.text("model.bin") == "helped\n");
  }
}

TEST_CASE("machines the tool does not run on are refused before it starts") {
  const Folder tools, work;
  tools.program("acmec", acme_script(""));
  const Variable path("PATH", tools.path + ":/usr/bin:/bin");
  std::ofstream(work.path + "/it's a model.onnx") << "graph\n";
  ToolPlan other = two_steps(), old = two_steps(), full = two_steps(), serves = two_steps();
  other.tool.machine = "pdp11", old.tool.lowest_glibc = "99.1", full.tool.disk_bytes = uint64_t{1} << 60;
  serves.tool.lowest_glibc = "2.2", serves.tool.disk_bytes = 1 << 20, serves.tool.memory_bytes = 1 << 20;
  const std::pair<ToolPlan*, const char*> cases[] = {{&other, "pdp11"}, {&old, "glibc 99.1"}, {&full, "room"}};
  for (const auto& [plan, wanted] : cases) {
    const Ended here = run_here(*plan, work.path), there = run_as_script(*plan, work.path);
    CHECK(here.code == 3);
    CHECK(there.code == 3);
    CHECK(has(here.said, wanted));
    CHECK(has(there.said, wanted));
  }
  CHECK(run_here(serves, work.path).code == 0);
  CHECK(run_as_script(serves, work.path).code == 0);
}

TEST_CASE("a plan that was interrupted goes on where it stopped, and only then") {
  const Folder tools, work;
  tools.program("acmec", acme_script("exit 1"));
  const Variable path("PATH", tools.path + ":/usr/bin:/bin");
  std::ofstream(work.path + "/it's a model.onnx") << "graph\n";
  ToolPlan plan = two_steps();
  plan.resume = true;
  CHECK(run_here(plan, work.path).code == 1);
  tools.program("acmec", acme_script(""));
  CHECK(run_here(plan, work.path).code == 0);
  CHECK(work.text("calls") == "it's a model.onnx\ncompile\n");  // the first step ran once
  CHECK(run_here(plan, work.path).code == 0);
  CHECK(work.text("calls") == "it's a model.onnx\ncompile\n");
  std::ofstream(work.path + "/it's a model.onnx") << "another graph\n";
  CHECK(run_here(plan, work.path).code == 0);
  CHECK(work.text("calls") == "it's a model.onnx\ncompile\nit's a model.onnx\ncompile\n");
  std::ofstream(work.path + "/model.bin") << "cut short";
  CHECK(run_here(plan, work.path).code == 0);
  CHECK(work.text("calls") == "it's a model.onnx\ncompile\nit's a model.onnx\ncompile\ncompile\n");
}

TEST_CASE("a pattern that a shell would read otherwise is a defect of the plugin") {
  for (const char* pattern : {"a(?:b)", "a.*?b", "\\bword"}) {
    ToolPlan plan = two_steps();
    plan.runs[0].messages = {{pattern, LATHE_FAILED, "x"}};
    lathe_code code = LATHE_OK;
    CHECK(has(failure_of([&] { run_script(plan); }, &code), "means something else to a shell"));
    CHECK(code == LATHE_INTERNAL);
  }
}
