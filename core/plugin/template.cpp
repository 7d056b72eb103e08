// Copying a template and renaming it on the way.
#include "core/plugin/template.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>

#include "core/base/diagnostic.hpp"

namespace fs = std::filesystem;

namespace lathe {
namespace {

const std::vector<std::string> kinds = {"backend", "frontend", "operator", "pass", "tool"};

std::string replace_all(std::string text, const std::string& what, const std::string& with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) text.replace(at, what.size(), with);
  return text;
}
std::string dashed(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

}  // namespace

std::vector<std::string> write_template(const std::string& kind, const std::string& name, const std::string& directory, const std::string& share) {
  if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
    Diagnostic d;
    d.text = "there is no template of kind '" + kind + "'" + did_you_mean(kind, kinds);
    d.expected = "backend, frontend, operator, pass or tool (a backend that drives a command-line compiler)";
    throw Error(Code::usage, d);
  }
  const bool valid = !name.empty() && std::islower(static_cast<unsigned char>(name[0])) &&
                     std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::islower(c) || std::isdigit(c) || c == '_'; });
  if (!valid) {
    Diagnostic d;
    d.text = "'" + name + "' is no plugin name";
    d.expected = "lower case letters, digits and '_', beginning with a letter";
    throw Error(Code::usage, d);
  }
  std::error_code error;
  if (fs::exists(directory, error) && (!fs::is_directory(directory, error) || !fs::is_empty(directory, error))) {
    throw Error(Code::usage, directory + " is there already and is not empty", "name a folder that does not exist yet");
  }
  const fs::path from = fs::path(share) / "template" / kind;
  if (!fs::is_directory(from, error)) {
    throw Error(Code::failed, "the templates are not installed: there is no " + from.string(), "install Lathe whole, with its share folder");
  }

  const std::string old = "example_" + kind;
  std::vector<std::string> written;
  fs::create_directories(directory, error);
  for (const auto& entry : fs::directory_iterator(from)) {
    std::ifstream in(entry.path(), std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(in)), {});
    text = replace_all(replace_all(std::move(text), old, name), dashed(old), dashed(name));
    const fs::path to = fs::path(directory) / replace_all(entry.path().filename().string(), old, name);
    std::ofstream out(to, std::ios::binary);
    out << text;
    out.close();
    if (!in || !out) throw Error(Code::failed, "cannot write " + to.string());
    written.push_back(to.string());
  }
  std::sort(written.begin(), written.end());
  return written;
}

}  // namespace lathe
