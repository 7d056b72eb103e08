// YAML to properties.
#include "metadata.hpp"

#include <yaml-cpp/yaml.h>

namespace lathe::openvino {
namespace {

constexpr size_t longest_text = 1 << 20, deepest = 8;

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789.-+e") == std::string::npos && text.find_first_of("0123456789") != std::string::npos;
}

// False: it became too long or too deep.
bool print(const YAML::Node& node, std::string& out, size_t depth) {
  if (out.size() > longest_text || depth > deepest) return false;
  if (node.IsSequence()) {
    out += '[';
    for (size_t i = 0; i < node.size(); ++i) {
      if (i) out += ", ";
      if (!print(node[i], out, depth + 1)) return false;
    }
    out += ']';
  } else if (node.IsMap()) {
    out += '{';
    bool first = true;
    for (const auto& entry : node) {
      if (!first) out += ", ";
      first = false;
      if (!print(entry.first, out, depth + 1)) return false;
      out += ": ";
      if (!print(entry.second, out, depth + 1)) return false;
    }
    out += '}';
  } else {
    const std::string text = node.IsScalar() ? node.Scalar() : "None";
    if (depth == 0 || is_number(text) || text == "None") {
      out += text;
    } else if (text == "true" || text == "false") {
      out += text == "true" ? "True" : "False";
    } else {
      out += '\'';
      for (const char c : text) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
      }
      out += '\'';
    }
  }
  return true;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> read_metadata(const std::string& yaml) {
  std::vector<std::pair<std::string, std::string>> properties;
  if (yaml.size() > longest_text) return properties;
  try {
    const YAML::Node root = YAML::Load(yaml);
    if (!root.IsMap()) return properties;
    for (const auto& entry : root) {
      std::string text;
      if (entry.first.IsScalar() && print(entry.second, text, 0)) properties.emplace_back(entry.first.Scalar(), std::move(text));
    }
  } catch (const YAML::Exception&) {
    properties.clear();
  }
  return properties;
}

}  // namespace lathe::openvino
