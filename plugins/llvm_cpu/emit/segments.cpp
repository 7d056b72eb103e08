// How the tiles of an output row meet the horizontal padding: see segments.hpp.
#include "emit/segments.hpp"

#include <algorithm>

namespace lathe::llvm_cpu {

std::vector<Segment> segments_of(int64_t input_width, int64_t output_width, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad,
                                 int tile_pixels) {
  std::vector<Segment> segments;
  for (int64_t first = 0; first < output_width; first += tile_pixels) {
    Segment segment{first, 1, static_cast<int>(std::min<int64_t>(tile_pixels, output_width - first)), {}};
    bool whole = true;
    for (int64_t column = 0; column < kernel; ++column) {
      // 0 <= pixel * stride + start < input_width
      const int64_t start = first * stride - pad + column * dilation, end = input_width - start;
      const int64_t below = start < 0 ? std::min<int64_t>((-start + stride - 1) / stride, segment.pixels) : 0;
      const int64_t above = end > 0 ? std::min<int64_t>((end + stride - 1) / stride, segment.pixels) : 0;
      segment.valid_pixels.emplace_back(static_cast<int>(below), static_cast<int>(std::max(above, below)));
      whole = whole && below == 0 && above == segment.pixels;
    }
    if (whole) segment.valid_pixels.clear();
    if (!segments.empty() && segments.back().pixels == segment.pixels && segments.back().valid_pixels == segment.valid_pixels)
      ++segments.back().tiles;
    else
      segments.push_back(segment);
  }
  return segments;
}

}  // namespace lathe::llvm_cpu
