// Versions as tools print them.
#include <algorithm>
#include <cctype>

#include "lathe/toolchain.hpp"

namespace lathe::sdk {

ToolVersion ToolVersion::parse(std::string_view text) {
  ToolVersion version;
  const auto digit = [&](size_t i) { return i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])); };
  size_t at = 0;
  while (at < text.size() && !digit(at)) ++at;
  while (digit(at)) {
    uint64_t number = 0;
    for (; digit(at); ++at) number = number > (UINT64_MAX - 9) / 10 ? UINT64_MAX : number * 10 + static_cast<uint64_t>(text[at] - '0');
    version.numbers_.push_back(number);
    if (at < text.size() && text[at] == '.' && digit(at + 1)) ++at;
  }
  return version;
}

std::string ToolVersion::text() const {
  std::string text;
  for (uint64_t number : numbers_) text += (text.empty() ? "" : ".") + std::to_string(number);
  return text;
}

int ToolVersion::compare(const ToolVersion& other) const {
  for (size_t i = 0; i < std::max(numbers_.size(), other.numbers_.size()); ++i) {
    const uint64_t a = i < numbers_.size() ? numbers_[i] : 0, b = i < other.numbers_.size() ? other.numbers_[i] : 0;
    if (a != b) return a < b ? -1 : 1;
  }
  return 0;
}

}  // namespace lathe::sdk
