// How names of a hostile file are shown.
#include "problems.hpp"

namespace lathe::onnx_plugin {
namespace {

// Length of the well-formed UTF-8 sequence at the start of `text` (Unicode 15, table 3-7), or 0.
size_t sequence_length(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  auto continues = [&](size_t i, uint8_t low = 0x80, uint8_t high = 0xbf) { return i < text.size() && byte(i) >= low && byte(i) <= high; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return continues(1) ? 2 : 0;
  if (first < 0xf0) return continues(1, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf) && continues(2) ? 3 : 0;
  if (first < 0xf5) return continues(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf) && continues(2) && continues(3) ? 4 : 0;
  return 0;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string quoted(std::string_view name) {
  constexpr size_t longest = 120;
  std::string shown = "'";
  const bool shortened = name.size() > longest;
  if (shortened) name = name.substr(0, longest);
  while (!name.empty()) {
    const size_t length = sequence_length(name);
    const auto first = static_cast<uint8_t>(name.front());
    if (length == 0 || first < 0x20 || first == 0x7f) {
      shown += '?';
    } else {
      shown += name.substr(0, length);
    }
    name.remove_prefix(length ? length : 1);
  }
  return shown + (shortened ? "...'" : "'");
}

}  // namespace lathe::onnx_plugin
