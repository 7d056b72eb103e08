// The letters that are written on pictures.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace lathe {

constexpr int64_t glyph_width = 5, glyph_height = 9;
using Glyph = std::array<uint8_t, glyph_height>;  // rows from the top; bit 4 is the leftmost pixel

// One for each character of UTF-8 text; those beyond ASCII become an empty box.
std::vector<Glyph> glyphs_of(std::string_view text);

}  // namespace lathe
