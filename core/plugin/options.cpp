// Option values: what a person wrote, checked against what a plugin declares.
#include <cctype>
#include <charconv>
#include <cmath>

#include "core/plugin/plugins.hpp"

namespace lathe {
namespace {

std::string lower(std::string_view s) {
  std::string result(s);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// The value's canonical text, or what was expected.
struct Checked {
  std::string value, expected;
};

Checked check(const OptionSpec& option, const std::string& value) {
  const char* end = value.data() + value.size();
  if (option.type == "bool") {
    const std::string word = lower(value);
    for (const char* yes : {"true", "on", "yes", "1"})
      if (word == yes) return {"true", {}};
    for (const char* no : {"false", "off", "no", "0"})
      if (word == no) return {"false", {}};
    return {{}, "true or false"};
  }
  if (option.type == "int") {
    int64_t number = 0;
    const auto [stop, error] = std::from_chars(value.data(), end, number);
    if (error == std::errc() && stop == end) return {std::to_string(number), {}};
    return {{}, "a whole number"};
  }
  if (option.type == "float") {
    double number = 0;
    const auto [stop, error] = std::from_chars(value.data(), end, number);
    if (error == std::errc() && stop == end && std::isfinite(number)) return {value, {}};
    return {{}, "a number"};
  }
  if (option.type == "choice") {
    std::string all;
    for (const std::string& choice : option.choices) {
      if (lower(choice) == lower(value)) return {choice, {}};
      all += (all.empty() ? "" : ", ") + choice;
    }
    return {{}, "one of " + all};
  }
  return {value, {}};
}

}  // namespace

std::vector<std::pair<std::string, std::string>> resolve_options(std::string_view plugin, const std::vector<OptionSpec>& declared,
                                                                 const std::vector<std::pair<std::string, std::string>>& given) {
  std::vector<std::pair<std::string, std::string>> resolved;
  std::vector<std::string> names;
  for (const OptionSpec& option : declared) {
    resolved.emplace_back(option.name, option.fallback);
    names.push_back(option.name);
  }
  std::vector<Diagnostic> problems;
  for (const auto& [key, value] : given) {
    const size_t index = std::find(names.begin(), names.end(), lower(key)) - names.begin();
    Diagnostic d;
    if (index == names.size()) {
      d.text = std::string(plugin) + " has no option '" + key + "'" + did_you_mean(key, names);
      d.hint = "`lathe targets " + std::string(plugin) + "` lists its options";
      problems.push_back(std::move(d));
      continue;
    }
    Checked checked = check(declared[index], value);
    if (checked.expected.empty()) {
      resolved[index].second = std::move(checked.value);
      continue;
    }
    d.text = "option '" + key + "' of " + std::string(plugin) + " cannot be '" + value + "'";
    if (declared[index].type == "choice") d.text += did_you_mean(value, declared[index].choices);
    d.expected = checked.expected;
    d.found = value;
    problems.push_back(std::move(d));
  }
  if (!problems.empty()) throw Error(Code::usage, problems);
  return resolved;
}

}  // namespace lathe
