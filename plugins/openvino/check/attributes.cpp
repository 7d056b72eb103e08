// Attribute values by kind.
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

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

// "3", "-1" and "?" (open), "1..8", "1..", "..8".
bool dimension(std::string_view word) {
  if (word == "?" || word == "-1") return true;
  const size_t dots = word.find("..");
  const std::string_view low = word.substr(0, dots), high = dots == std::string_view::npos ? low : word.substr(dots + 2);
  if (dots == std::string_view::npos) return number<int64_t>(word) && word.front() != '-';
  if ((low.empty() && high.empty()) || (!low.empty() && (!number<int64_t>(low) || low.front() == '-')) ||
      (!high.empty() && (!number<int64_t>(high) || high.front() == '-')))
    return false;
  return low.empty() || high.empty() || std::strtod(std::string(low).c_str(), nullptr) <= std::strtod(std::string(high).c_str(), nullptr);
}

}  // namespace

std::string check_attribute(const AttributeRule& rule, std::string_view value) {
  bool good = true;
  // "int>0": a kind and the bound that its numbers lie above; ">=": or at.
  const size_t sign = rule.kind.find('>');
  const std::string_view kind = rule.kind.substr(0, sign);
  double least = -std::numeric_limits<double>::infinity();
  bool at = true;
  std::string bound;
  if (sign != std::string_view::npos) {
    at = rule.kind.substr(sign).starts_with(">=");
    least = std::strtod(std::string(rule.kind.substr(sign + (at ? 2 : 1))).c_str(), nullptr);
    bound = at ? ", at least " : ", more than ";
    bound += rule.kind.substr(sign + (at ? 2 : 1));
  }
  const auto inside = [&](double x) { return at ? x >= least : x > least; };
  const auto whole = [&](std::string_view word) { return number<int64_t>(word) && inside(std::strtod(std::string(word).c_str(), nullptr)); };
  const auto real = [&](std::string_view word) { return number<double>(word) && inside(std::strtod(std::string(word).c_str(), nullptr)); };
  std::string wanted(rule.kind);
  if (kind == "int") {
    good = whole(value), wanted = "a whole number" + bound;
  } else if (kind == "real") {
    good = real(value), wanted = "a number" + bound;
  } else if (kind == "bool") {
    good = value == "true" || value == "false", wanted = "true or false";
  } else if (kind == "ints") {
    good = each(value, whole), wanted = "whole numbers with commas between them" + bound;
  } else if (kind == "reals") {
    good = each(value, real), wanted = "numbers with commas between them" + bound;
  } else if (kind == "dims") {
    good = value == "..." || each(value, dimension);
    wanted = "dimensions with commas between them";
  } else if (kind == "type") {
    good = find_type_in_data(value) != nullptr, wanted = "an element type";
  } else if (kind != "text") {
    good = one_of(kind, value);
  }
  return good ? "" : "the attribute " + std::string(rule.name) + " is '" + std::string(value) + "' and must be " + std::string(wanted);
}

}  // namespace lathe::openvino::check
