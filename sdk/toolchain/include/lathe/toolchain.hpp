// lathe/toolchain.hpp - driving a vendor's command-line tool from a plugin: find it, hold its version against what is supported, run it
// where it can do no harm, follow its log, and judge the outcome by more than the exit code. Link Lathe::toolchain.
//
//   using namespace lathe::sdk;
//   const Tool tool = require_tool(description, {settings.text("compiler"), settings.text("environment"), settings.text("container")});
//   ScratchFolder scratch;
//   ... write the tool's input files into scratch.path() ...
//   ToolRun run;
//   run.arguments = {"compile", "model.onnx"}, run.directory = scratch.path(), run.milestones = milestones, run.messages = messages;
//   run.wanted_files = {"model.bin"};
//   run_tool(host, tool, run);   // throws Failure with a sentence when it did not work out
//
// Linux. Nothing here is tied to a vendor: what differs from tool to tool is data. Functions throw Failure; none keeps state between calls.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lathe/support.hpp"

namespace lathe::sdk {

// A version as tools print it: "3.28.0", "v2.3.2rc1", "16.0.384591198". Only the numbers count, most significant first; 3.1 equals 3.1.0.
class ToolVersion {
 public:
  ToolVersion() = default;
  // The first run of numbers joined by dots in the text; none in it: an empty version.
  static ToolVersion parse(std::string_view text);
  bool empty() const { return numbers_.empty(); }
  std::string text() const;
  // Negative, zero, positive: older, the same, newer.
  int compare(const ToolVersion& other) const;

 private:
  std::vector<uint64_t> numbers_;
};

// What a plugin knows of a tool. All texts are static; a null pointer or an empty list means that there is no such thing.
struct ToolDescription {
  const char* name;                                 // for people: "Acme Compiler"
  const char* executable;                           // file name: "acmec"
  const char* option = nullptr;                     // the plugin's option that gives its path; named in the refusal
  const char* environment = nullptr;                // the variable that gives its path: "ACME_COMPILER"
  std::vector<const char*> usual_folders = {};      // looked into after PATH; "~/" is the person's home
  std::vector<const char*> version_arguments = {};  // what makes it print its version: {"--version"}; empty: it is not asked
  const char* version_pattern = nullptr;            // regular expression (ECMAScript) with one group; null: the first numbers printed
  const char* lowest = nullptr;                     // supported: lowest <= version < below
  const char* below = nullptr;
  const char* how_to_get = "";  // a sentence: where it is had, what it needs
  // The machine it runs on; a container's is not asked.
  const char* machine = nullptr;       // as `uname -m` says it: "x86_64"
  const char* lowest_glibc = nullptr;  // "2.31"
  uint64_t memory_bytes = 0;           // less than that is warned about
  uint64_t disk_bytes = 0;             // free where it works; less is a Failure
};

// What the person said about the place of a tool; empty where nothing was said.
struct ToolPlace {
  std::string_view path;                 // the tool itself, or the folder it lies in
  std::string_view virtual_environment;  // a Python virtual environment: its bin/ is looked into, and nothing else
  std::string_view container;            // a container image that has it: run through docker or podman, whichever is on PATH
};

struct Tool {
  std::string name;                  // ToolDescription::name
  std::vector<std::string> command;  // what to execute before the arguments: one absolute path, or a container's command line
  ToolVersion version;               // empty when it was not asked
  std::string found;                 // where it came from, for people: "in PATH", "by the option 'compiler'"
  std::string container;             // image; empty when it runs on this machine
};

// Looks for a tool: the person's word alone where there is one (and then its absence is a Failure, never silently another one), else the
// environment variable, PATH, the usual folders, in this order. None found: nothing. Its version is asked for and held against the window:
// another version, or a tool that does not answer, is a Failure that says what was found, where, and what is supported.
std::optional<Tool> find_tool(const ToolDescription& description, const ToolPlace& place = {});
// The same; a Failure (LATHE_UNSUPPORTED) that says what to install and where it was looked for when there is none;
// `can_bundle`: it also names `--emit bundle` (bundle.hpp).
Tool require_tool(const ToolDescription& description, const ToolPlace& place = {}, bool can_bundle = false);

// Throws Failure (LATHE_UNSUPPORTED) when this machine is not one the tool runs on or `folder` has too little room; warns of too little memory.
void check_machine(const Host& host, const ToolDescription& description, const std::string& folder);

// A private folder that goes with this object.
class ScratchFolder {
 public:
  // Below `parent`, or TMPDIR, or /tmp.
  explicit ScratchFolder(std::string_view parent = {});
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A line of the log that shows how far the tool is.
struct Milestone {
  const char* pattern;   // regular expression, searched in a line
  const char* stage;     // what to show; "$1" is the first group
  double fraction = -1;  // 0..1 of the whole; negative: as before
};

// A message of the tool that we know, and what it means. The first that matches a line decides it.
struct KnownMessage {
  const char* pattern;    // regular expression, searched in a line
  lathe_code code;        // LATHE_OK: a warning; else the run failed, whatever the exit code says
  const char* sentence;   // ours; "$1".."$9" are groups
  const char* hint = "";  // what to do about it
};

struct ToolRun {
  std::vector<std::string> arguments;
  std::string directory;                      // working folder; a container sees it (and only it) at the same path
  std::vector<std::string> environment = {};  // "NAME=value", added to this process's
  std::vector<Milestone> milestones = {};
  std::vector<KnownMessage> messages = {};
  const char* success_pattern = nullptr;       // a line that a run which worked always prints; null: none is known
  std::vector<std::string> wanted_files = {};  // relative to `directory`: each must be there afterwards, written by this run, not empty
  std::vector<int> good_exit_codes = {0};
  std::chrono::seconds time_budget{0};        // 0: as long as it takes. These tools run for hours, silently: there is no other limit
  uint64_t memory_budget = 0;                 // bytes of the whole process tree; 0: no limit
  std::chrono::milliseconds patience{10000};  // how long a question on the terminal ("[y/n]") may stand unanswered
  const char* program = nullptr;              // another program that comes with the tool ("python3"): beside it, else in PATH
  std::vector<std::string> inputs = {};       // files of `directory` that the outcome depends on, for ToolPlan::resume (bundle.hpp)
  // Files of `directory` that it writes a log into: read when it has ended, behind what it printed, and judged like that. What they say again is
  // heard once.
  std::vector<std::string> log_files = {};
};

struct ToolOutcome {
  int exit_code = 0;
  double seconds = 0;
  uint64_t peak_bytes = 0;              // resident, of the whole tree, as sampled
  std::vector<Diagnostic> warnings;     // known messages with LATHE_OK; they were reported too
  std::vector<std::string> last_lines;  // the end of the log, at most 200 lines of at most 2000 bytes
};

// Runs a tool to its end, in a session and process group of its own without terminal or standard input. Every line it prints (ANSI
// sequences dropped, carriage returns taken as line ends) goes to host.log(), milestones to host.progress(). Ends early, with the
// whole group killed, when the host is cancelled (LATHE_CANCELLED), a budget is exceeded (LATHE_BUDGET) or it asks a question (LATHE_FAILED).
// Throws Failure in these cases, when the tool cannot be started, is ended by a signal, exits with another code than the good ones, prints a
// known failure, does not print the success line, or leaves a wanted file unwritten; the sentence quotes the tool's own last words.
ToolOutcome run_tool(const Host& host, const Tool& tool, const ToolRun& run);

// One word of a POSIX shell's command line, quoted where it must be.
std::string shell_quoted(std::string_view word);

}  // namespace lathe::sdk
