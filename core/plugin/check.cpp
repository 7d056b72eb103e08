// Running checks in child processes: a child goes through the list and says through a pipe what it begins and how it ended; when it
// dies, its last check failed and a new child goes on behind it.
#include "core/plugin/check.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/diagnostic.hpp"
#include "core/plugin/check_steps.hpp"

namespace fs = std::filesystem;

namespace lathe {
namespace {

Manifest find_manifest(const std::string& given) {
  std::error_code error;
  const fs::path path = fs::absolute(given, error);
  Diagnostic d;
  d.location = path.string();
  if (!fs::exists(path, error)) {
    d.text = "there is no such plugin";
    d.hint = "name the library, its manifest, or the folder of one plugin";
    throw Error(Code::usage, d);
  }
  if (fs::is_directory(path, error)) {
    std::vector<fs::path> manifests;
    for (fs::directory_iterator i(path, error), end; !error && i != end; i.increment(error))
      if (i->path().filename().string().ends_with(".plugin.yaml")) manifests.push_back(i->path());
    if (manifests.size() == 1) return read_manifest(manifests.front().string());
    d.text = "the folder does not hold one plugin";
    d.expected = "one *.plugin.yaml";
    d.found = std::to_string(manifests.size());
    throw Error(Code::usage, d);
  }
  if (path.extension() != ".so") return read_manifest(path.string());
  const fs::path manifest = path.parent_path() / (path.stem().string() + ".plugin.yaml");
  if (!fs::exists(manifest, error)) {
    d.text = "the plugin has no manifest beside it";
    d.expected = manifest.string();
    throw Error(Code::usage, d);
  }
  return read_manifest(manifest.string());
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "lathe-check-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw Error(Code::failed, "cannot make a folder in " + fs::temp_directory_path().string());
    path = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string path;
};

std::string all_sentences(const Error& e) {
  std::string all;
  for (const Diagnostic& d : e.diagnostics) all += (all.empty() ? "" : "; ") + d.sentence();
  return all;
}

CheckFinding run_step(const CheckStep& step) {
  CheckFinding f{step.name, Outcome::failed, {}};
  try {
    f.detail = step.run();
    f.outcome = Outcome::passed;
  } catch (const CheckFailed& e) {
    f.detail = e.detail;
  } catch (const CheckSkipped& e) {
    f.outcome = Outcome::skipped;
    f.detail = e.reason;
  } catch (const Error& e) {
    f.detail = all_sentences(e);
  } catch (const std::exception& e) {
    f.detail = e.what();
  }
  return f;
}

// In the child: "12\n" before check 12, its finding as a line of JSON after it.
[[noreturn]] void run_child(const std::vector<CheckStep>& steps, size_t first, int out) {
  ::setpgid(0, 0);
  // What a plugin prints is not the report's.
  if (const int nowhere = ::open("/dev/null", O_RDWR); nowhere >= 0) ::dup2(nowhere, 0), ::dup2(nowhere, 1), ::dup2(nowhere, 2);
  auto say = [&](const std::string& line) {
    for (size_t at = 0; at < line.size();) {
      const ssize_t n = ::write(out, line.data() + at, line.size() - at);
      if (n <= 0) ::_exit(99);
      at += static_cast<size_t>(n);
    }
  };
  for (size_t i = first; i < steps.size(); ++i) {
    say(std::to_string(i) + "\n");
    const CheckFinding f = run_step(steps[i]);
    const nlohmann::json j = {{"outcome", static_cast<int>(f.outcome)}, {"detail", f.detail}};
    say(j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    if (f.outcome == Outcome::failed && steps[i].essential) break;
  }
  ::_exit(0);
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status)) return std::string("the plugin crashed: ") + strsignal(WTERMSIG(status));
  return "the plugin ended the process with exit code " + std::to_string(WEXITSTATUS(status));
}

// One child; returns the number of the check to go on with.
size_t run_from(const std::vector<CheckStep>& steps, size_t first, unsigned seconds, const std::function<void(CheckFinding)>& found) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw Error(Code::failed, "cannot make a pipe");
  const pid_t child = ::fork();
  if (child < 0) throw Error(Code::failed, "cannot start a process");
  if (child == 0) {
    ::close(pipe[0]);
    run_child(steps, first, pipe[1]);
  }
  ::close(pipe[1]);
  size_t current = first;
  bool running = true, hangs = false;
  std::string buffer;
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd p = {pipe[0], POLLIN, 0};
    const int ready = ::poll(&p, 1, static_cast<int>(std::max<int64_t>(0, left)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      hangs = true;
      break;
    }
    char bytes[4096];
    const ssize_t n = ::read(pipe[0], bytes, sizeof bytes);
    if (n <= 0) break;
    buffer.append(bytes, static_cast<size_t>(n));
    for (size_t end; (end = buffer.find('\n')) != std::string::npos; buffer.erase(0, end + 1)) {
      const std::string line = buffer.substr(0, end);
      if (line[0] != '{') {
        current = std::stoul(line);
        running = true;
        deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
        continue;
      }
      const auto j = nlohmann::json::parse(line);
      found({steps[current].name, static_cast<Outcome>(j["outcome"].get<int>()), j["detail"]});
      running = false;
    }
  }
  ::close(pipe[0]);
  ::kill(-child, SIGKILL);
  ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (running) {
    found({steps[current].name, Outcome::failed, hangs ? "it took longer than " + std::to_string(seconds) + " s" : describe_end(status)});
    return steps[current].essential ? steps.size() : current + 1;
  }
  return steps.size();
}

}  // namespace

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::passed:
      return "passed";
    case Outcome::failed:
      return "failed";
    case Outcome::skipped:
      return "skipped";
  }
  return "";
}

bool CheckReport::passed() const {
  for (const CheckFinding& f : findings)
    if (f.outcome == Outcome::failed) return false;
  return true;
}

CheckReport check_plugin(const CheckRequest& request) {
  CheckReport report;
  auto found = [&](CheckFinding f) {
    if (request.progress) request.progress(f);
    report.findings.push_back(std::move(f));
  };
  std::optional<Manifest> manifest;
  report.library = request.path;
  try {
    manifest = find_manifest(request.path);
  } catch (const Error& e) {
    if (e.code == Code::usage) throw;
    found({"has a readable manifest", Outcome::failed, all_sentences(e)});
    return report;
  }
  found({"has a readable manifest", Outcome::passed, {}});
  report.plugin = manifest->name;
  report.library = manifest->library;

  const TemporaryFolder folder;
  const std::vector<CheckStep> steps = check_steps(*manifest, request.corpus, folder.path);
  for (size_t next = 0; next < steps.size();) next = run_from(steps, next, request.seconds, found);
  return report;
}

}  // namespace lathe
