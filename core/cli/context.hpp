// What every subcommand shares: the global flags, and where results, progress and diagnostics go.
#pragma once
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/diagnostic.hpp"
#include "core/plugin/plugins.hpp"

namespace CLI {
class App;
}
namespace spdlog {
class logger;
}

namespace lathe::cli {

enum class LogLevel { error, warning, info, debug };

// A logger that writes lines as they are to standard error; threads may share it.
std::shared_ptr<spdlog::logger> standard_error();

struct Context {
  bool json = false, quiet = false, no_color = false;
  std::string log_level = "info";
  std::vector<std::string> plugins;  // --plugin
  std::string program;               // absolute path of this program
  std::FILE* results = stdout;       // the person's standard output; what plugins print goes elsewhere
  std::shared_ptr<spdlog::logger> log = standard_error();

  LogLevel level() const;
  bool color() const;  // on standard error

  // One line of results.
  void print(std::string_view line) const;
  // The one document of --json.
  void print_json(const nlohmann::ordered_json& document) const;
  // A table with a header row, columns padded.
  void print_table(const std::vector<std::vector<std::string>>& rows) const;
  // A diagnostic on standard error, unless the log level or --quiet hides it (errors are never hidden).
  void say(const Diagnostic& diagnostic) const;
  void note(std::string text) const {
    Diagnostic d;
    d.severity = Severity::note;
    d.text = std::move(text);
    say(d);
  }
  // A plain line on standard error, unless the log level or --quiet hides that level.
  void write(LogLevel at, std::string_view line) const;
  void note(std::string_view line) const { write(LogLevel::info, line); }

  // Plugins as this command line finds them; those that were refused are told about once, as warnings.
  std::unique_ptr<Plugins> discover(unsigned threads = 0) const;
};

// A subcommand: its parser and what it does. `guarded` ones load plugin code: they run in a child process, so that a crash becomes a
// sentence and exit code 5.
struct Command {
  CLI::App* app = nullptr;
  std::function<int()> run;
  bool guarded = true;
};

// One function per file of this folder. Options live in storage that the command's `run` owns.
Command add_compile(CLI::App& program, Context& context);
Command add_check(CLI::App& program, Context& context);
Command add_worker(CLI::App& program, Context& context);
Command add_targets(CLI::App& program, Context& context);
Command add_ops(CLI::App& program, Context& context);
Command add_passes(CLI::App& program, Context& context);
Command add_inspect(CLI::App& program, Context& context);
Command add_run(CLI::App& program, Context& context);
Command add_bench(CLI::App& program, Context& context);
Command add_predict(CLI::App& program, Context& context);
Command add_verify(CLI::App& program, Context& context);
Command add_package(CLI::App& program, Context& context);
Command add_plugin(CLI::App& program, Context& context);
Command add_doctor(CLI::App& program, Context& context);
Command add_completion(CLI::App& program, Context& context);
Command add_zoo(CLI::App& program, Context& context);
Command add_manual(CLI::App& program, Context& context);

// "float" or "quant", as the tables of runtimes call precisions; each kind once.
std::vector<std::string> precision_kinds(const std::vector<std::string>& precisions);
std::string join(const std::vector<std::string>& words, std::string_view separator = ", ");

// Rewrites arguments before they are parsed: LLVM-style flags after --target ("-mcpu=skylake") are joined to its value.
std::vector<std::string> join_target_flags(const std::vector<std::string>& arguments);

// "1x3x640x640" or "1,3,640,640"; '?' and -1 leave a dimension as it is. Throws Error(usage).
std::vector<int64_t> parse_dimensions(const std::string& text, const std::string& whole);
// "2000000", "512M", "4GiB" -> bytes. Throws Error(usage).
uint64_t parse_bytes(const std::string& text);

}  // namespace lathe::cli
