// Running a tool: what it may do to us, and how its end is judged.
#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>

#include "tools.hpp"

using namespace lathe::sdk;
using namespace lathe::test;

namespace {

// A host that remembers what it was told.
struct Listener {
  std::string log, progress, reports;
  int calls_until_cancelled = -1;
  lathe_host table = {};

  Listener() {
    table.struct_size = sizeof table;
    table.context = this;
    table.report = [](void* self, const lathe_diagnostic* d) { static_cast<Listener*>(self)->reports += std::string(view(d->text)) + "\n"; };
    table.log = [](void* self, lathe_string text) { static_cast<Listener*>(self)->log += std::string(view(text)) + "\n"; };
    table.progress = [](void* self, lathe_string what, double fraction) {
      static_cast<Listener*>(self)->progress += std::string(view(what)) + " " + std::to_string(int(fraction * 100)) + "\n";
    };
    table.cancelled = [](void* self) -> int32_t {
      int& left = static_cast<Listener*>(self)->calls_until_cancelled;
      return left >= 0 && left-- == 0;
    };
  }
};

struct Stand {
  Folder folder;
  Listener listener;
  ToolRun run;

  ToolOutcome play(const std::string& script) {
    Tool tool;
    tool.name = "Acme Compiler", tool.command = {folder.program("acmec", script)};
    run.directory = folder.path;
    return run_tool(Host(&listener.table), tool, run);
  }
  std::string failure(const std::string& script, lathe_code wanted = LATHE_FAILED) {
    lathe_code code = LATHE_OK;
    const std::string said = failure_of([&] { play(script); }, &code);
    CHECK(code == wanted);
    return said;
  }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a run that works: arguments, folder, environment, log, milestones") {
  Stand stand;
  stand.run.arguments = {"a b", "--x=1"}, stand.run.environment = {"ACME_KEY=secret", "HOME=/nowhere"};
  stand.run.milestones = {{"Phase (\\w+)", "compiling: $1", 0.5}, {"Finished", "done", 1}};
  stand.run.success_pattern = "Finished";
  stand.run.wanted_files = {"out.bin"};
  const ToolOutcome outcome = stand.play(
      "pwd > where; printf '%s,' \"$@\" > said; echo \"$ACME_KEY $HOME\" > environment; printf 'Phase one\\n\\033[1mPhase\\033[0m two\\r'; echo "
      "Finished >&2; "
      "cat > stdin; echo x > out.bin");
  CHECK(outcome.exit_code == 0);
  CHECK(stand.folder.text("where") == stand.folder.path + "\n");
  CHECK(stand.folder.text("said") == "a b,--x=1,");
  CHECK(stand.folder.text("environment") == "secret /nowhere\n");
  CHECK(stand.folder.text("stdin").empty());
  CHECK(has(stand.listener.log, "Phase one\nPhase two\nFinished\n"));
  CHECK(has(stand.listener.log, "'a b' --x=1\n"));
  CHECK(has(stand.listener.progress, "compiling: one 50\ncompiling: two 50\ndone 100\n"));
  CHECK(outcome.last_lines == std::vector<std::string>{"Phase one", "Phase two", "Finished"});
}

TEST_CASE("exit codes, signals and silence are told apart, with the tool's last words") {
  Stand stand;
  std::string said = stand.failure("echo reading; echo 'cannot allocate'; exit 3");
  CHECK(has(said, "Acme Compiler failed with exit code 3"));
  CHECK(has(said, "reading | cannot allocate"));
  CHECK(has(stand.failure("kill -SEGV $$"), "was ended by signal 11"));
  stand.run.success_pattern = "All done";
  CHECK(has(stand.failure("echo almost"), "never said so"));
  stand.run.success_pattern = nullptr, stand.run.good_exit_codes = {0, 7};
  CHECK(stand.play("exit 7").exit_code == 7);
}

TEST_CASE("a known failure in the log is believed over an exit code of success; a warning is told once") {
  Stand stand;
  stand.run.messages = {{"WARN: op (\\w+) moved", LATHE_OK, "$1 was moved to the host"},
                        {"ERR_42 in (\\S+): (.*)", LATHE_UNSUPPORTED, "the tool does not take $1: $2", "cut the model before it"}};
  const std::string said = stand.failure(
      "echo 'WARN: op Exp moved'; echo 'WARN: op Exp moved'; echo 'ERR_42 in /a/Conv: kernel too large'; echo 'ERR_42 in b: c'", LATHE_UNSUPPORTED);
  CHECK(has(said, "the tool does not take /a/Conv: kernel too large"));
  CHECK(has(said, "cut the model before it"));
  CHECK(stand.listener.reports == "Exp was moved to the host\n");
}

TEST_CASE("a file that was not written by this run does not count") {
  Stand stand;
  stand.run.wanted_files = {"model.bin"};
  CHECK(has(stand.failure("true"), "did not write the file 'model.bin'"));
  CHECK(has(stand.failure(": > model.bin"), "left empty the file 'model.bin'"));
  stand.play("echo 1 > model.bin");
  CHECK(has(stand.failure("true"), "did not touch the file 'model.bin'"));
}

TEST_CASE("a question to nobody, a tool that hangs, and too much memory end it") {
  Stand stand;
  stand.run.patience = std::chrono::milliseconds(200);
  CHECK(has(stand.failure("printf 'Overwrite? [y/N] '; sleep 600"), "asks a question that nobody is there to answer: 'Overwrite? [y/N] '"));
  CHECK(has(stand.failure("read answer < /dev/tty || { echo no terminal; exit 9; }"), "exit code 9"));
  stand.run.time_budget = std::chrono::seconds(1);
  CHECK(has(stand.failure("sleep 600", LATHE_BUDGET), "took longer than the 1 s it was given"));
  stand.run.time_budget = std::chrono::seconds(60), stand.run.memory_budget = 64 << 20;
  CHECK(has(stand.failure("exec python3 -c 'import time; x = bytes(200 << 20); y = bytearray(x); time.sleep(600)'", LATHE_BUDGET),
            "took more than the 64 MiB"));
}

TEST_CASE("what is cancelled leaves no process behind, helpers in other sessions included") {
  Stand stand;
  stand.listener.calls_until_cancelled = 3;
  lathe_code code = LATHE_OK;
  failure_of([&] { stand.play("trap '' TERM; setsid sleep 600 & echo $! > helper; sleep 600 & echo $! > own; wait"); }, &code);
  CHECK(code == LATHE_CANCELLED);
  for (const char* name : {"helper", "own"}) {
    const std::string pid = stand.folder.text(name);
    REQUIRE(!pid.empty());
    // Either gone, or dead and not yet collected.
    std::ifstream status("/proc/" + pid.substr(0, pid.size() - 1) + "/status");
    std::string state;
    for (std::string line; std::getline(status, line);)
      if (line.rfind("State:", 0) == 0) state = line;
    CHECK((state.empty() || has(state, "Z")));
  }
}

TEST_CASE("garbage in the log does no harm") {
  Stand stand;
  stand.run.milestones = {{"(a|b)*c", "x"}};
  stand.run.messages = {{".*never.*seen.*", LATHE_FAILED, "x"}};
  CHECK(stand.play("head -c 300000 /dev/urandom; head -c 100000 /dev/zero | tr '\\0' a").last_lines.size() <= 200);
}

TEST_CASE("a tool that is no program is told as such") {
  Stand stand;
  Tool tool;
  tool.name = "Acme Compiler", tool.command = {stand.folder.path + "/nothing"};
  stand.run.directory = stand.folder.path;
  CHECK(has(failure_of([&] { run_tool(Host(nullptr), tool, stand.run); }), "cannot be started: No such file or directory"));
}

TEST_CASE("words for a shell") {
  CHECK(shell_quoted("a-b_1.onnx") == "a-b_1.onnx");
  CHECK(shell_quoted("") == "''");
  CHECK(shell_quoted("it's $5") == "'it'\\''s $5'");
}
