// A recursive descent over Python's literals (The Python Language Reference, 2.4, 2.5 and 6.2), without bytes, prefixes and long strings.
#include "python_text.hpp"

#include <charconv>
#include <cmath>
#include <optional>
#include <string>

namespace lathe::rknn {
namespace {

using Json = nlohmann::json;
constexpr int deepest = 50;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}
  std::optional<Json> whole() {
    std::optional<Json> value = parse(0);
    skip();
    if (!value || at_ != text_.size()) return std::nullopt;
    return value;
  }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view w) {
    if (text_.substr(at_, w.size()) != w) return false;
    at_ += w.size();
    return true;
  }

  std::optional<Json> parse(int depth) {
    skip();
    if (depth > deepest || at_ >= text_.size()) return std::nullopt;
    const char c = text_[at_];
    if (c == '{') return dictionary(depth);
    if (c == '[') return list(depth, ']');
    if (c == '(') return list(depth, ')');
    if (c == '\'' || c == '"') return string();
    if (word("True")) return Json(true);
    if (word("False")) return Json(false);
    if (word("None") || word("nan") || word("inf") || word("-inf")) return Json();
    return number();
  }

  std::optional<Json> dictionary(int depth) {
    ++at_;
    Json object = Json::object();
    while (!take('}')) {
      std::optional<Json> key = parse(depth + 1);
      if (!key || key->is_structured() || !take(':')) return std::nullopt;
      std::optional<Json> value = parse(depth + 1);
      if (!value) return std::nullopt;
      object[key->is_string() ? key->get<std::string>() : key->dump()] = *std::move(value);
      if (!take(',') && (at_ >= text_.size() || text_[at_] != '}')) return std::nullopt;
    }
    return object;
  }

  std::optional<Json> list(int depth, char end) {
    ++at_;
    Json array = Json::array();
    while (!take(end)) {
      std::optional<Json> value = parse(depth + 1);
      if (!value) return std::nullopt;
      array.push_back(*std::move(value));
      if (!take(',') && (at_ >= text_.size() || text_[at_] != end)) return std::nullopt;
    }
    return array;
  }

  std::optional<Json> string() {
    const char quote = text_[at_++];
    std::string out;
    while (at_ < text_.size() && text_[at_] != quote) {
      char c = text_[at_++];
      if (c == '\\') {
        if (at_ >= text_.size()) return std::nullopt;
        c = text_[at_++];
        if (c == 'n') c = '\n';
        if (c == 't') c = '\t';
        if (c == 'x') {  // two hexadecimal digits
          unsigned value = 0;
          const char* begin = text_.data() + at_;
          if (text_.size() - at_ < 2 || std::from_chars(begin, begin + 2, value, 16).ptr != begin + 2) return std::nullopt;
          c = static_cast<char>(value);
          at_ += 2;
        }
      }
      out += c;
    }
    if (at_ >= text_.size()) return std::nullopt;
    ++at_;
    return Json(std::move(out));
  }

  std::optional<Json> number() {
    const char *begin = text_.data() + at_, *end = text_.data() + text_.size();
    double real = 0;
    const auto as_real = std::from_chars(begin, end, real);
    if (as_real.ec != std::errc() || !std::isfinite(real)) return std::nullopt;
    int64_t integer = 0;
    const auto as_integer = std::from_chars(begin, end, integer);
    at_ += static_cast<size_t>(as_real.ptr - begin);
    if (as_integer.ec == std::errc() && as_integer.ptr == as_real.ptr) return Json(integer);
    return Json(real);
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Json parse_python(std::string_view text) {
  std::optional<Json> value = Parser(text).whole();
  return value ? *std::move(value) : Json(Json::value_t::discarded);
}

}  // namespace lathe::rknn
