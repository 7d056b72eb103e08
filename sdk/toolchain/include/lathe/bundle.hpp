// lathe/bundle.hpp - what a plugin has a vendor's tool do, as data: run here (run_plan), or written as run.sh into a folder that is taken to a
// machine which has the tool (`--emit bundle`). Both come from the same ToolPlan, so they cannot differ. Link Lathe::toolchain.
//
//   const bool bundle = request.emit == "bundle";
//   const std::optional<Tool> tool = bundle ? std::nullopt : std::optional(require_tool(description, place, true));
//   ScratchFolder scratch;
//   const std::string folder = bundle ? output.directory() : scratch.path();
//   ... write the model, scripts and calibration data into `folder` ...
//   ToolPlan plan = {description, {parse, compile}, "model.bin"};
//   if (bundle) return write_bundle(host, plan, output);
//   run_plan(host, *tool, plan, folder);
//   ... read folder + "/model.bin" back, and write it to `output` ...
#pragma once
#include "lathe/plugin.hpp"
#include "lathe/toolchain.hpp"

namespace lathe::sdk {

// Stands for the absolute path of the folder, in arguments and in located files: for tools that resolve relative paths in ways of their own.
inline constexpr const char* folder_mark = "@FOLDER@";

// A text file that holds folder_mark: written when the plan is run, wherever the folder lies by then.
struct LocatedFile {
  std::string name;  // relative to the folder
  std::string text;
};

struct ToolPlan {
  ToolDescription tool;
  // One after the other. `directory` is left empty (it is the folder); arguments name the folder's files by relative paths.
  std::vector<ToolRun> runs;
  std::string artifact;  // relative path of what the last run writes
  std::string target;    // "acme:one", for the sentence that says how to bring the artifact back
  std::vector<LocatedFile> located_files = {};
  // Steps whose wanted files a former run left in this same folder, from the same arguments, inputs and version, are not run again.
  bool resume = false;
};

// Runs the plan in `folder` (absolute). Throws Failure as run_tool does.
std::vector<ToolOutcome> run_plan(const Host& host, const Tool& tool, const ToolPlan& plan, const std::string& folder);

// The text of run.sh for bash: finds the tool (the description's environment variable, PATH, the usual folders), checks machine and version,
// runs each step without standard input, judges exit code, log and files as run_tool does, and says how to bring the artifact back.
// Patterns of the plan must mean the same to ECMAScript and to POSIX (no look-ahead, no "(?:"); \d is translated. Throws Failure otherwise.
std::string run_script(const ToolPlan& plan);

// Writes run.sh (executable) into the output's folder, beside what the plugin wrote there, and names it as the artifact.
void write_bundle(const Host& host, const ToolPlan& plan, Output& output);

}  // namespace lathe::sdk
