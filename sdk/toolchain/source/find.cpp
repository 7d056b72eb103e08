// Where a tool is, and whether its version serves.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <regex>

#include "child.hpp"
#include "lathe/toolchain.hpp"
#include "places.hpp"

namespace lathe::sdk {
namespace {

bool is_program(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
}
bool is_folder(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// The folder's real path; the last component stays as it is, because a program may look at the name it was called by.
std::string absolute(const std::string& path) {
  const size_t slash = path.rfind('/');
  char* folder = ::realpath(slash == std::string::npos ? "." : path.substr(0, slash + 1).c_str(), nullptr);
  const std::string result = folder ? std::string(folder) + "/" + path.substr(slash == std::string::npos ? 0 : slash + 1) : path;
  std::free(folder);
  return result;
}

std::string home() {
  const char* folder = std::getenv("HOME");
  return folder ? folder : "";
}

std::string in_path(const std::string& executable) {
  const char* path = std::getenv("PATH");
  std::string_view left = path ? path : "";
  while (!left.empty()) {
    const size_t end = std::min(left.find(':'), left.size());
    const std::string folder(left.substr(0, end));
    left.remove_prefix(std::min(end + 1, left.size()));
    if (!folder.empty() && is_program(folder + "/" + executable)) return absolute(folder + "/" + executable);
  }
  return {};
}

// What the person named: the tool, or the folder that holds it.
std::string named(std::string_view path, const ToolDescription& description, const std::string& by) {
  std::string found(path);
  if (is_folder(found)) found += std::string("/") + description.executable;
  if (is_program(found)) return absolute(found);
  Diagnostic d;
  d.text = std::string(description.name) + " is not where " + by + " says";
  d.location = found;
  d.expected = std::string("the program '") + description.executable + "'";
  d.found = ::access(found.c_str(), F_OK) == 0 ? "something that cannot be executed" : "nothing";
  d.hint = description.how_to_get;
  throw Failure(LATHE_UNSUPPORTED, std::move(d));
}

std::string window_text(const ToolDescription& description) {
  std::string text;
  if (description.lowest) text += std::string("at least ") + description.lowest;
  if (description.below) text += std::string(text.empty() ? "" : ", ") + "below " + description.below;
  return text.empty() ? "any version" : text;
}

void ask_version(const ToolDescription& description, Tool& tool) {
  if (description.version_arguments.empty()) return;
  std::vector<std::string> command = tool.command;
  command.insert(command.end(), description.version_arguments.begin(), description.version_arguments.end());
  std::string printed;
  {
    toolchain::Child child(command, "/", {});
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);  // Python packages take their time to load
    while (child.read(printed, 100) && printed.size() < (1u << 20) && std::chrono::steady_clock::now() < end) {
    }
  }
  Diagnostic d;
  d.location = tool.command.front();
  d.expected = window_text(description);
  d.hint = description.how_to_get;
  std::string text = printed;
  if (description.version_pattern) {
    // Line by line and not too long: the library's matcher recurses with the length of the text.
    const std::regex pattern(description.version_pattern);
    text.clear();
    for (size_t at = 0; at < printed.size() && text.empty();) {
      const size_t end = std::min(printed.find('\n', at), printed.size());
      std::smatch match;
      const std::string line = printed.substr(at, std::min<size_t>(end - at, 1000));
      if (std::regex_search(line, match, pattern) && match.size() > 1) text = match[1];
      at = end + 1;
    }
  }
  tool.version = ToolVersion::parse(text);
  if (tool.version.empty()) {
    d.text = std::string(description.name) + " does not tell its version";
    d.found = printed.empty() ? "no answer" : "'" + printed.substr(0, std::min<size_t>(printed.find('\n'), 200)) + "'";
    throw Failure(LATHE_UNSUPPORTED, std::move(d));
  }
  const bool old = description.lowest && tool.version.compare(ToolVersion::parse(description.lowest)) < 0;
  const bool young = description.below && tool.version.compare(ToolVersion::parse(description.below)) >= 0;
  if (!old && !young) return;
  d.text = std::string(description.name) + " has a version that does not serve here";
  d.found = tool.version.text() + " (" + tool.found + ")";
  throw Failure(LATHE_UNSUPPORTED, std::move(d));
}

}  // namespace

std::string toolchain::companion(const Tool& tool, const std::string& program) {
  if (!tool.container.empty()) return program;
  // A script of a virtual environment is often reached through a link from elsewhere.
  std::vector<std::string> places = {tool.command.front()};
  if (char* real = ::realpath(tool.command.front().c_str(), nullptr)) {
    places.insert(places.begin(), real);
    std::free(real);
  }
  for (const std::string& place : places) {
    const std::string beside = place.substr(0, place.rfind('/') + 1) + program;
    if (is_program(beside)) return beside;
  }
  std::string found = in_path(program);
  if (found.empty())
    throw Failure(LATHE_UNSUPPORTED, "'" + program + "', which " + tool.name + " needs, is neither beside it nor in PATH",
                  "install it, or name the folder that has both");
  return found;
}

std::optional<Tool> find_tool(const ToolDescription& description, const ToolPlace& place) {
  Tool tool;
  tool.name = description.name;
  const std::string option = description.option ? "the option '" + std::string(description.option) + "'" : "its option";
  const char* variable = description.environment ? std::getenv(description.environment) : nullptr;
  const auto at = [&](std::string path, std::string how) { tool.command = {std::move(path)}, tool.found = std::move(how); };
  if (!place.container.empty()) {
    std::string runner = in_path("docker");
    if (runner.empty()) runner = in_path("podman");
    if (runner.empty())
      throw Failure(LATHE_UNSUPPORTED, "a container image is given for " + tool.name + ", but neither docker nor podman is in PATH",
                    "install one of them, or name a tool that is installed here");
    tool.container = place.container;
    tool.command = {runner, "run", "--rm", "--network=none", tool.container, description.executable};
    tool.found = "in the container image '" + tool.container + "'";
  } else if (!place.virtual_environment.empty()) {
    at(named(std::string(place.virtual_environment) + "/bin", description, "the virtual environment"), "in the virtual environment");
  } else if (!place.path.empty()) {
    at(named(place.path, description, option), "by " + option);
  } else if (variable && *variable) {
    at(named(variable, description, std::string("the environment variable ") + description.environment),
       std::string("by ") + description.environment);
  } else if (std::string found = in_path(description.executable); !found.empty()) {
    at(found, "in PATH");
  } else {
    for (const char* folder : description.usual_folders) {
      const std::string_view name = folder;
      const std::string path = (name.substr(0, 2) == "~/" ? home() + std::string(name.substr(1)) : std::string(name)) + "/" + description.executable;
      if (!is_program(path)) continue;
      at(absolute(path), "in " + std::string(folder));
      break;
    }
  }
  if (tool.command.empty()) return std::nullopt;
  ask_version(description, tool);
  return tool;
}

Tool require_tool(const ToolDescription& description, const ToolPlace& place, bool can_bundle) {
  std::optional<Tool> tool = find_tool(description, place);
  if (tool) return *std::move(tool);
  Diagnostic d;
  d.text = std::string(description.name) + " is not installed: there is no '" + description.executable + "' in PATH";
  for (const char* folder : description.usual_folders) d.text += std::string(", in ") + folder;
  d.expected = window_text(description);
  d.found = "none";
  d.hint = description.how_to_get;
  std::string ways;
  if (description.option) ways += "the option '" + std::string(description.option) + "'";
  if (description.environment) ways += (ways.empty() ? "" : " or ") + std::string("the environment variable ") + description.environment;
  if (!ways.empty()) d.hint += (d.hint.empty() ? "" : "; ") + ways + " says where it is";
  if (can_bundle) d.hint += "; where it cannot be installed, --emit bundle writes all it needs into a folder to run elsewhere";
  throw Failure(LATHE_UNSUPPORTED, std::move(d));
}

}  // namespace lathe::sdk
