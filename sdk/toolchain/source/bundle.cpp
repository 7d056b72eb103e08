// run.sh from a plan. What run_tool and run_plan do in C++ is said once more in bash, with the same data.
#include "lathe/bundle.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace lathe::sdk {
namespace {

// A word of the script in which folder_mark is the script's own folder.
std::string word(std::string_view text) {
  const std::string_view mark = folder_mark;
  std::string result;
  for (size_t at = 0;;) {
    const size_t found = text.find(mark, at);
    const std::string_view part = text.substr(at, found == std::string_view::npos ? found : found - at);
    if (!part.empty() || text.empty()) result += shell_quoted(part);
    if (found == std::string_view::npos) return result;
    result += "\"$folder\"";
    at = found + mark.size();
  }
}

// A pattern that bash and grep read as std::regex does.
std::string pattern(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view two = text.substr(i, 2);
    if (two == "\\d") {
      result += "[0-9]", ++i;
    } else if (two == "(?" || two == "*?" || two == "+?" || two == "\\D" || two == "\\b" || two == "\\B") {
      throw Failure(LATHE_INTERNAL, "the pattern '" + std::string(text) + "' means something else to a shell, so no run.sh can be written with it");
    } else if (two.size() == 2 && two[0] == '\\') {
      result += two, ++i;
    } else {
      result += text[i];
    }
  }
  return shell_quoted(result);
}

// A sentence whose $1..$9 are the groups of bash's last match.
std::string sentence(std::string_view text) {
  std::string result, plain;
  const auto flush = [&] {
    if (!plain.empty()) result += shell_quoted(plain);
    plain.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '$' && i + 1 < text.size() && text[i + 1] >= '1' && text[i + 1] <= '9') {
      flush();
      result += std::string("\"${BASH_REMATCH[") + text[++i] + "]:-}\"";
    } else {
      plain += text[i];
    }
  }
  flush();
  return result.empty() ? "''" : result;
}

const char* const head = R"sh(
set -euo pipefail
start=$PWD
CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
folder=$PWD

fail() { # fail CODE SENTENCE HINT...
  local code=$1 hint
  printf 'error: %s\n' "$2" >&2
  shift 2
  for hint; do [ -z "$hint" ] || printf '  %s\n' "$hint" >&2; done
  exit "$code"
}
older() { # older A B: version A comes before version B
  local IFS=. i
  local a=($1) b=($2)
  for ((i = 0; i < ${#a[@]} || i < ${#b[@]}; i++)); do
    ((10#${a[i]:-0} < 10#${b[i]:-0})) && return 0
    ((10#${a[i]:-0} > 10#${b[i]:-0})) && return 1
  done
  return 1
}
lines() { # lines LOG: as the tool meant them, without colours
  sed -E $'s/\x1b\\[[0-9;?]*[ -\\/]*[@-~]//g; s/\r/\\n/g' "$1"
}
)sh";

std::string machine_checks(const ToolDescription& tool) {
  std::string text;
  const std::string name = tool.name;
  if (tool.machine)
    text += "[ \"$(uname -m)\" = " + shell_quoted(tool.machine) + " ] || fail 3 " +
            shell_quoted(name + " does not run on this kind of machine: it wants " + tool.machine) + "\n";
  if (tool.lowest_glibc)
    text += "glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null || true)\nglibc=${glibc#glibc }\n! older \"${glibc:-0}\" " +
            shell_quoted(tool.lowest_glibc) + " || fail 3 " + shell_quoted(name + " wants glibc " + tool.lowest_glibc + " or newer") +
            "\" and this system has ${glibc:-another}\"\n";
  if (tool.disk_bytes)
    text += "room=$(df -Pk . | awk 'END {print $4}')\n[ \"$room\" -ge " + std::to_string(tool.disk_bytes >> 10) + " ] || fail 3 " +
            shell_quoted(name + " wants " + std::to_string(tool.disk_bytes >> 20) + " MiB of room here") + "\n";
  if (tool.memory_bytes)
    text += "memory=$(awk '/^MemTotal:/ {print $2}' /proc/meminfo)\n[ \"$memory\" -ge " + std::to_string(tool.memory_bytes >> 10) +
            " ] || printf 'warning: %s\\n' " +
            shell_quoted(name + " wants " + std::to_string(tool.memory_bytes >> 20) + " MiB of memory: it may be slow or be killed") + " >&2\n";
  return text;
}

std::string find_it(const ToolDescription& tool) {
  const std::string executable = shell_quoted(tool.executable), variable = tool.environment ? tool.environment : "TOOL";
  std::string text = "tool=${" + variable + ":-}\n";
  text += "case $tool in '' | /*) ;; *) tool=$start/$tool ;; esac\n[ ! -d \"$tool\" ] || tool=$tool/" + executable + "\n";
  text += "[ -n \"$tool\" ] || tool=$(command -v " + executable + " || true)\n";
  for (const char* place : tool.usual_folders) {
    const std::string_view folder = place;
    const std::string path = folder.substr(0, 2) == "~/" ? "\"$HOME\"" + shell_quoted(folder.substr(1)) : shell_quoted(folder);
    text += "[ -n \"$tool\" ] || [ ! -x " + path + "/" + executable + " ] || tool=" + path + "/" + executable + "\n";
  }
  text += "[ -x \"$tool\" ] || fail 3 " + shell_quoted(std::string(tool.name) + " is not here: there is no program '" + tool.executable + "'") +
          "\": ${tool:-not in PATH}\" " + shell_quoted(tool.how_to_get) + " " + shell_quoted(variable + "=PATH ./run.sh says where it is") + "\n";
  // As toolchain::companion looks for it.
  text +=
      "companion() { # companion PROGRAM: one that comes with the tool\n"
      "  local place\n"
      "  for place in \"$(realpath -- \"$tool\")\" \"$tool\"; do\n"
      "    [ ! -x \"${place%/*}/$1\" ] || { printf '%s' \"${place%/*}/$1\"; return; }\n"
      "  done\n"
      "  command -v \"$1\"\n}\n";
  if (tool.version_arguments.empty()) return text;
  text += "pattern=" + (tool.version_pattern ? pattern(tool.version_pattern) : shell_quoted("([0-9]+(\\.[0-9]+)*)")) + "\nversion=\n";
  text += "while IFS= read -r line; do\n  if [[ $line =~ $pattern ]]; then version=${BASH_REMATCH[1]}; break; fi\ndone < <(\"$tool\"";
  for (const char* argument : tool.version_arguments) text += " " + shell_quoted(argument);
  text += " </dev/null 2>&1 || true)\n[[ $version =~ [0-9]+(\\.[0-9]+)* ]] || fail 3 " +
          shell_quoted(std::string(tool.name) + " does not tell its version") + " \"$tool\"\nversion=${BASH_REMATCH[0]}\n";
  const std::string wrong =
      " fail 3 " + shell_quoted(std::string(tool.name) + " has a version that does not serve here: ") + "\"$version\" " +
      shell_quoted(std::string(tool.lowest ? std::string("at least ") + tool.lowest : "") + (tool.lowest && tool.below ? ", " : "") +
                   (tool.below ? std::string("below ") + tool.below : "") + " is wanted") +
      "\n";
  if (tool.lowest) text += "! older \"$version\" " + shell_quoted(tool.lowest) + " ||" + wrong;
  if (tool.below) text += "older \"$version\" " + shell_quoted(tool.below) + " ||" + wrong;
  return text;
}

// The function judge_N: what is known of the lines of a log; the first known failure decides.
std::string judging(const std::vector<KnownMessage>& messages) {
  std::string text, greps, branches;
  for (size_t i = 0; i < messages.size(); ++i) {
    const KnownMessage& m = messages[i];
    text += "    " + pattern(m.pattern) + "\n";
    greps += " -e \"${patterns[" + std::to_string(i) + "]}\"";
    branches += std::string(i ? "    elif" : "    if") + " [[ $line =~ ${patterns[" + std::to_string(i) + "]} ]]; then\n      ";
    if (m.code == LATHE_OK)
      branches += "printf 'warning: %s\\n' " + sentence(m.sentence) + " >&2\n";
    else
      branches += "fail " + std::to_string(m.code) + " " + sentence(m.sentence) + " " + shell_quoted(m.hint) + " \"found: $line\"\n";
  }
  if (messages.empty()) return "  :\n";
  return "  local line patterns=(\n" + text + "  )\n  while IFS= read -r line; do\n" + branches + "    fi\n  done < <(lines \"$1\" | grep -aE" +
         greps + " || true)\n";
}

std::string step(const ToolPlan& plan, size_t index, size_t judge) {
  const ToolRun& run = plan.runs[index];
  const std::string number = std::to_string(index + 1), log = "run-" + number + ".log", name = plan.tool.name;
  std::string command = "env";
  for (const std::string& variable : run.environment) command += " " + word(variable);
  command += run.program ? " \"$(companion " + shell_quoted(run.program) + ")\"" : " \"$tool\"";
  for (const std::string& argument : run.arguments) command += " " + word(argument);
  std::string text =
      "\nprintf '%s\\n' " + shell_quoted("== step " + number + " of " + std::to_string(plan.runs.size()) + "; its log is kept in " + log) + "\n";
  if (!run.wanted_files.empty() || !run.log_files.empty()) {
    text += "rm -f --";
    for (const auto* files : {&run.wanted_files, &run.log_files})
      for (const std::string& file : *files) text += " " + word(file);
    text += "\n";
  }
  text += "set +e\n" + command + " </dev/null 2>&1 | tee " + log + "\ncode=${PIPESTATUS[0]}\nset -e\n";
  for (const std::string& file : run.log_files) text += "[ ! -s " + word(file) + " ] || cat -- " + word(file) + " >>" + log + "\n";
  text += "judge_" + std::to_string(judge) + " " + log + "\n";
  text += "case $code in\n  ";
  for (size_t i = 0; i < run.good_exit_codes.size(); ++i) text += (i ? " | " : "") + std::to_string(run.good_exit_codes[i]);
  text += ") ;;\n  *) fail 1 " + shell_quoted(name + " failed with exit code ") + "\"$code\" " +
          shell_quoted("its last words are at the end of " + log) + " ;;\nesac\n";
  if (run.success_pattern)
    text += "lines " + log + " | grep -aE -e " + pattern(run.success_pattern) + " >/dev/null || fail 1 " +
            shell_quoted(name + " ended as if all were well, but never said so") + "\n";
  for (const std::string& file : run.wanted_files)
    text +=
        "[ -s " + word(file) + " ] || fail 1 " + shell_quoted(name + " ended as if all were well, but did not write the file '" + file + "'") + "\n";
  return text;
}

}  // namespace

std::string run_script(const ToolPlan& plan) {
  const std::string variable = plan.tool.environment ? plan.tool.environment : "TOOL";
  std::string text = "#!/usr/bin/env bash\n# Has " + std::string(plan.tool.name) +
                     " compile what lies in this folder. ./run.sh on a machine that has it is all there is to do;\n# " + variable +
                     "=PATH ./run.sh where the program '" + plan.tool.executable + "' is not found by itself. Written by Lathe.";
  text += head + machine_checks(plan.tool) + find_it(plan.tool);
  for (const LocatedFile& file : plan.located_files)
    text += "\ntext=$(cat -- " + shell_quoted(file.name + ".in") + " && printf x)\ntext=${text%x}\nprintf '%s' \"${text//" + folder_mark +
            "/\"$folder\"}\" >" + shell_quoted(file.name) + "\n";
  // Steps mostly know the same messages.
  std::vector<std::string> judges, bodies;
  std::vector<size_t> judge_of;
  for (const ToolRun& run : plan.runs) {
    const std::string body = judging(run.messages);
    size_t i = 0;
    while (i < bodies.size() && bodies[i] != body) ++i;
    if (i == bodies.size()) {
      bodies.push_back(body);
      text += "judge_" + std::to_string(i + 1) + "() { # judge LOG\n" + body + "}\n";
    }
    judge_of.push_back(i + 1);
  }
  for (size_t i = 0; i < plan.runs.size(); ++i) text += step(plan, i, judge_of[i]);
  text += "\nprintf '%s\\n' \"made: $folder/\"" + shell_quoted(plan.artifact) + " " +
          shell_quoted("next, where the model is: lathe package " + shell_quoted(plan.artifact) + " --from MODEL --target " + plan.target) + "\n";
  return text;
}

void write_bundle(const Host& host, const ToolPlan& plan, Output& output) {
  for (const LocatedFile& file : plan.located_files) output.write(file.name + ".in", file.text);
  const std::string script = run_script(plan);
  output.write("run.sh", script);
  output.artifact("run.sh");
  if (::chmod((output.directory() + "/run.sh").c_str(), 0755) != 0)
    throw Failure(LATHE_FAILED, "run.sh cannot be made executable: " + std::string(std::strerror(errno)));
  host.note("nothing was run: take the folder to a machine with " + std::string(plan.tool.name) + " and start run.sh there");
}

}  // namespace lathe::sdk
