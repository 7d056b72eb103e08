// How diagnostics are put into sentences, and which known word a mistyped one was meant to be.
#include "core/base/diagnostic.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

namespace lathe {
namespace {

std::string join_sentences(const std::vector<Diagnostic>& diagnostics) {
  std::string all;
  for (const Diagnostic& d : diagnostics) {
    if (!all.empty()) all += '\n';
    all += d.sentence();
  }
  return all;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// Edits (insert, delete, replace, swap of neighbours) from one word to the other: the "optimal string alignment" form of the
// Damerau-Levenshtein distance.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) current[j] = std::min(current[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

constexpr size_t longest_compared = 256;  // words from a hostile file are not worth a quadratic comparison

}  // namespace

std::string Diagnostic::sentence() const {
  static constexpr const char* severities[] = {"note: ", "warning: ", "error: "};
  std::string s = severities[std::clamp(static_cast<int>(severity), 0, 2)];
  if (!location.empty()) s += location + ": ";
  if (!node.empty()) {
    s += "node '" + node + "'";
    s += op_type.empty() ? ": " : " (" + op_type + "): ";
  } else if (!op_type.empty()) {
    s += op_type + ": ";
  }
  s += text;
  while (!s.empty() && s.back() == '.') s.pop_back();
  if (!expected.empty()) s += "; expected " + expected;
  if (!found.empty()) s += (expected.empty() ? "; found " : ", found ") + found;
  if (!hint.empty()) s += " (" + hint + ")";
  return s;
}

Error::Error(Code code_in, Diagnostic diagnostic) : Error(code_in, std::vector<Diagnostic>{std::move(diagnostic)}) {}

Error::Error(Code code_in, std::vector<Diagnostic> diagnostics_in) : code(code_in), diagnostics(std::move(diagnostics_in)) {
  if (diagnostics.empty()) diagnostics.push_back({.text = "something went wrong that nothing is known of"});
  what_ = join_sentences(diagnostics);
}

Error::Error(Code code_in, std::string text, std::string hint) : Error(code_in, Diagnostic{.text = std::move(text), .hint = std::move(hint)}) {}

const char* Error::what() const noexcept { return what_.c_str(); }

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.empty() || word.size() > longest_compared) return {};
  const std::string wanted = lower(word);
  const std::string* best = nullptr;
  size_t best_distance = SIZE_MAX;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > longest_compared) continue;
    const size_t limit = std::min<size_t>(3, (std::max(word.size(), candidate.size()) + 1) / 3);
    const size_t distance = edit_distance(wanted, lower(candidate));
    if (distance <= limit && distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best ? *best : std::string();
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string name = nearest(word, candidates);
  return name.empty() ? std::string() : ", did you mean '" + name + "'?";
}

}  // namespace lathe
