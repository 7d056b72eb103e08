// `--target`: what a person writes, as data.
#include <cctype>

#include "core/plugin/plugins.hpp"

namespace lathe {
namespace {

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> result;
  std::string word;
  for (char c : text) {
    if (!std::isspace(static_cast<unsigned char>(c))) {
      word += c;
    } else if (!word.empty()) {
      result.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) result.push_back(std::move(word));
  return result;
}

[[noreturn]] void fail(std::string text, std::string_view found) {
  Diagnostic d;
  d.text = std::move(text);
  d.expected = "NAME[:DEVICE] [-flag=value]..., several joined by ','";
  d.found = std::string(found);
  d.hint = "`lathe targets` lists what there is";
  throw Error(Code::usage, d);
}

TargetSpec parse_target(std::string_view text, std::string_view whole) {
  TargetSpec spec;
  for (std::string& word : words(text)) {
    if (word[0] == '-') {
      const size_t name = word.find_first_not_of('-');
      const size_t equals = word.find('=');
      if (name == std::string::npos || name == equals) fail("a target's flag has no name", whole);
      if (spec.name.empty()) fail("a target begins with its name, not with a flag", whole);
      // A flag without value switches something on.
      spec.flags.emplace_back(word.substr(name, equals == std::string::npos ? equals : equals - name),
                              equals == std::string::npos ? "true" : word.substr(equals + 1));
      continue;
    }
    if (!spec.name.empty()) fail("a target has one name", whole);
    const size_t colon = word.find(':');
    spec.name = word.substr(0, colon);
    if (colon != std::string::npos) spec.device = word.substr(colon + 1);
    if (spec.name.empty() || (colon != std::string::npos && spec.device.empty()) || spec.device.find(':') != std::string::npos) {
      fail("this is no target", whole);
    }
  }
  if (spec.name.empty()) fail("a target's name is missing", whole);
  return spec;
}

}  // namespace

// A comma separates targets, but one before '+' or '-' belongs to a flag's value: `-mattr=+neon,+crc`.
std::vector<TargetSpec> parse_targets(std::string_view text) {
  std::vector<TargetSpec> specs;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && (text[i] != ',' || (i + 1 < text.size() && (text[i + 1] == '+' || text[i + 1] == '-')))) continue;
    specs.push_back(parse_target(text.substr(begin, i - begin), text));
    begin = i + 1;
  }
  return specs;
}

}  // namespace lathe
