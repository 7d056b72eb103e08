// lathe doctor: whether this installation and this machine are fit to work, and what to do where they are not.
#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/cli/context.hpp"
#include "core/files/write_file.hpp"
#include "core/job/process_tree.hpp"
#include "core/job/supervisor.hpp"

namespace lathe::cli {
namespace {
namespace fs = std::filesystem;

struct Check {
  std::string name;
  enum class State { good, hint, bad } state = State::good;
  std::string found, advice;
};

std::string on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::string all = path ? path : "";
  for (size_t at = 0; at <= all.size();) {
    size_t end = std::min(all.find(':', at), all.size());
    std::string file = all.substr(at, end - at) + "/" + program;
    if (end > at && ::access(file.c_str(), X_OK) == 0) return file;
    at = end + 1;
  }
  return "";
}

std::string host_family() {
  utsname names{};
  return ::uname(&names) == 0 ? names.machine : "";
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name") || line.starts_with("uarch")) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::vector<Check> examine(const Context& context) {
  std::vector<Check> checks;
  checks.push_back({"program", Check::State::good, context.program + ", version " LATHE_VERSION, ""});
  checks.push_back({"processor", Check::State::good, processor() + ", " + std::to_string(std::thread::hardware_concurrency()) + " threads", ""});
  uint64_t free = available_memory() >> 20;
  checks.push_back({"memory", free < 1024 ? Check::State::hint : Check::State::good, std::to_string(free) + " MiB free",
                    free < 1024 ? "large models may not compile" : ""});

  std::unique_ptr<Plugins> plugins = context.discover();
  std::vector<std::string> backends, frontends;
  for (const Manifest& m : plugins->manifests()) {
    try {
      plugins->load(m.name);
      if (m.has_part("backend/1")) backends.push_back(m.name);
      if (m.has_part("frontend/1")) frontends.push_back(m.name);
      checks.push_back({"plugin " + m.name, Check::State::good, m.version + ", " + join(m.parts), ""});
    } catch (const Error& e) {
      checks.push_back({"plugin " + m.name, Check::State::bad, e.diagnostics.front().text, e.diagnostics.front().hint});
    }
  }
  for (const Diagnostic& d : plugins->refused()) checks.push_back({"plugin", Check::State::bad, d.text, d.hint});
  if (backends.empty())
    checks.push_back({"targets", Check::State::bad, "no plugin compiles anything", "install Lathe again, or set LATHE_PLUGIN_PATH"});
  if (frontends.empty()) checks.push_back({"models", Check::State::bad, "no plugin reads models", "install Lathe again, or set LATHE_PLUGIN_PATH"});

  std::string pipeline = plugins->share_directory() + "/pipelines/default.yaml";
  bool there = fs::exists(pipeline);
  checks.push_back({"shared files", there ? Check::State::good : Check::State::bad, there ? plugins->share_directory() : "there is no " + pipeline,
                    there ? "" : "install Lathe again"});

  std::string logs = log_directory(), existing = logs;
  while (existing.size() > 1 && !fs::exists(existing)) existing = fs::path(existing).parent_path().string();
  bool writable = ::access(existing.c_str(), W_OK) == 0;
  checks.push_back({"logs", writable ? Check::State::good : Check::State::hint, logs, writable ? "" : "it cannot be written: set XDG_STATE_HOME"});

  for (const char* family : {"aarch64", "riscv64", "x86_64"}) {
    std::string name = std::string("qemu-") + family, file = on_path(name);
    if (file.empty()) file = on_path(name + "-static");
    if (host_family() == family) continue;
    checks.push_back(
        {name, file.empty() ? Check::State::hint : Check::State::good, file.empty() ? "not installed" : file,
         file.empty() ? std::string("without it artifacts for ") + family + " are not verified here: apt-get install qemu-user-static" : ""});
  }
  return checks;
}

int doctor(Context& context) {
  std::vector<Check> checks = examine(context);
  bool healthy = true;
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> table;
  static constexpr const char* words[] = {"ok", "hint", "bad"};
  for (const Check& c : checks) {
    healthy = healthy && c.state != Check::State::bad;
    list.push_back({{"name", c.name}, {"state", words[static_cast<int>(c.state)]}, {"found", c.found}, {"advice", c.advice}});
    table.push_back({words[static_cast<int>(c.state)], c.name, c.found + (c.advice.empty() ? "" : " (" + c.advice + ")")});
  }
  if (context.json) {
    context.print_json({{"healthy", healthy}, {"checks", list}});
  } else {
    context.print_table(table);
  }
  return healthy ? 0 : 1;
}

}  // namespace

Command add_doctor(CLI::App& program, Context& context) {
  CLI::App* app = program.add_subcommand("doctor", "Check this installation and this machine");
  app->footer("Example:\n  lathe doctor");
  return {app, [&context] { return doctor(context); }};
}

}  // namespace lathe::cli
