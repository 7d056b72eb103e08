// A scanner for the few literals that occur: braces or brackets, integers, quoted strings with Python's and JSON's escapes.
#include "core/package/labels.hpp"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/job/diagnostic_json.hpp"

namespace lathe {
namespace {

void append_utf8(std::string& out, uint32_t c) {
  if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) c = 0xfffd;
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6), out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12), out += static_cast<char>(0x80 | (c >> 6 & 0x3f)), out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18), out += static_cast<char>(0x80 | (c >> 12 & 0x3f)), out += static_cast<char>(0x80 | (c >> 6 & 0x3f)),
        out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::optional<std::map<int64_t, std::string>> names() {
    std::map<int64_t, std::string> found;
    bool list = peek() == '[' || peek() == '(';
    if (!list && peek() != '{') return std::nullopt;
    char close = peek() == '{' ? '}' : peek() == '[' ? ']' : ')';
    ++at_;
    for (int64_t next = 0; !accept(close); ++next) {
      std::optional<int64_t> key = next;
      if (!list && (!(key = number()) || !accept(':'))) return std::nullopt;
      std::optional<std::string> name = quoted();
      if (!name || found.size() >= 1000000) return std::nullopt;
      found[*key] = *name;
      if (!accept(',')) {
        if (!accept(close)) return std::nullopt;
        break;
      }
    }
    if (peek() != '\0') return std::nullopt;
    return found;
  }

 private:
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  // A bare or a quoted integer.
  std::optional<int64_t> number() {
    if (peek() == '"' || peek() == '\'') {
      std::optional<std::string> word = quoted();
      int64_t n = 0;
      if (!word) return std::nullopt;
      auto [end, error] = std::from_chars(word->data(), word->data() + word->size(), n);
      return error == std::errc() && end == word->data() + word->size() ? std::optional(n) : std::nullopt;
    }
    int64_t n = 0;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), n);
    if (error != std::errc()) return std::nullopt;
    at_ = static_cast<size_t>(end - text_.data());
    return n;
  }
  std::optional<std::string> quoted() {
    char quote = peek();
    if (quote != '"' && quote != '\'') return std::nullopt;
    std::string out;
    for (++at_; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == quote) {
        ++at_;
        return out;
      }
      if (c != '\\') {
        out += c;
        continue;
      }
      if (++at_ >= text_.size()) return std::nullopt;
      switch (text_[at_]) {
        case 'n':
          out += '\n';
          break;
        case 't':
          out += '\t';
          break;
        case 'x':
          append_utf8(out, hexadecimal(2));
          break;
        case 'u':
          append_utf8(out, hexadecimal(4));
          break;
        case 'U':
          append_utf8(out, hexadecimal(8));
          break;
        default:
          out += text_[at_];
      }
    }
    return std::nullopt;
  }
  uint32_t hexadecimal(size_t digits) {
    uint32_t value = 0;
    std::string_view part = text_.substr(std::min(at_ + 1, text_.size()), digits);
    auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value, 16);
    at_ += static_cast<size_t>(end - part.data());
    return error == std::errc() ? value : 0xfffd;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::map<int64_t, std::string> parse_class_names(std::string_view text) { return Scanner(text).names().value_or(std::map<int64_t, std::string>{}); }

std::string labels_json(const std::map<int64_t, std::string>& names) {
  nlohmann::ordered_json j = nlohmann::ordered_json::object();
  for (const auto& [id, name] : names) j[std::to_string(id)] = name;
  return dump(j, 2) + "\n";
}

}  // namespace lathe
