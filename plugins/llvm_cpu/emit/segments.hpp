// How the tiles of an output row meet the horizontal padding.
#pragma once
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace lathe::llvm_cpu {

// Neighbouring tiles of an output row that share code.
struct Segment {
  int64_t first_pixel = 0, tiles = 1;
  int pixels = 1;
  std::vector<std::pair<int, int>> valid_pixels;  // per kernel column, see Tile::valid_pixels; empty where no padding is met
};

// `kernel`, `stride`, `dilation`, `pad`: of the columns.
std::vector<Segment> segments_of(int64_t input_width, int64_t output_width, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad,
                                 int tile_pixels);

}  // namespace lathe::llvm_cpu
