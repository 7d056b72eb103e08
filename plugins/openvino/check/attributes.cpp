// Attribute values by kind.
#include <charconv>
#include <cmath>

#include "../element_types.hpp"
#include "checker.hpp"

namespace lathe::openvino::check {
namespace {

template <class T>
bool number(std::string_view text) {
  T x{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

template <class Test>
bool each(std::string_view list, const Test& test) {
  if (list.empty()) return true;
  while (true) {
    const size_t comma = list.find(',');
    std::string_view word = list.substr(0, comma);
    while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
    while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
    if (!test(word)) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
}

bool one_of(std::string_view words, std::string_view value) {
  while (true) {
    const size_t bar = words.find('|');
    if (words.substr(0, bar) == value) return true;
    if (bar == std::string_view::npos) return false;
    words.remove_prefix(bar + 1);
  }
}

}  // namespace

std::string check_attribute(const AttributeRule& rule, std::string_view value) {
  bool good = true;
  std::string_view wanted = rule.kind;
  if (rule.kind == "int") {
    good = number<int64_t>(value), wanted = "a whole number";
  } else if (rule.kind == "real") {
    good = number<double>(value), wanted = "a number";
  } else if (rule.kind == "bool") {
    good = value == "true" || value == "false", wanted = "true or false";
  } else if (rule.kind == "ints") {
    good = each(value, number<int64_t>), wanted = "whole numbers with commas between them";
  } else if (rule.kind == "reals") {
    good = each(value, number<double>), wanted = "numbers with commas between them";
  } else if (rule.kind == "dims") {
    good = value == "..." || each(value, [](std::string_view w) { return w == "?" || w.find("..") != w.npos || (number<int64_t>(w) && w != "-0"); });
    wanted = "dimensions with commas between them";
  } else if (rule.kind == "type") {
    good = find_type_in_data(value) != nullptr, wanted = "an element type";
  } else if (rule.kind != "text") {
    good = one_of(rule.kind, value);
  }
  return good ? "" : "the attribute " + std::string(rule.name) + " is '" + std::string(value) + "' and must be " + std::string(wanted);
}

}  // namespace lathe::openvino::check
