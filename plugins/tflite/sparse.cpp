// Walking a sparse constant axis by axis.
#include "sparse.hpp"

#include <algorithm>
#include <cstring>

namespace lathe::tflite {
namespace {

constexpr uint64_t most_bytes = uint64_t{1} << 28, most_growth = 4096;

struct Walk {
  const Sparsity& sparsity;
  const std::vector<int64_t>& shape;   // of the tensor
  const std::vector<int64_t>& within;  // per axis: the extent of its blocks
  size_t width;
  std::string_view elements;
  std::string& out;
  std::vector<int64_t> place;  // per axis and block axis
  std::string why = {};

  void put(uint64_t element) {
    if ((element + 1) * width > elements.size()) return void(why = "it has fewer elements than its axes say");
    const size_t rank = shape.size();
    uint64_t at = 0;
    for (size_t i = 0; i < rank; ++i) {
      int64_t p = place[i];
      for (size_t b = 0; b < sparsity.blocks.size(); ++b)
        if (static_cast<size_t>(sparsity.blocks[b]) == i) p = p * within[i] + place[rank + b];
      if (p < 0 || p >= shape[i]) return void(why = "an element lies outside the tensor");
      at = at * static_cast<uint64_t>(shape[i]) + static_cast<uint64_t>(p);
    }
    std::memcpy(out.data() + at * width, elements.data() + element * width, width);
  }

  void level(size_t depth, uint64_t at) {
    if (!why.empty()) return;
    if (depth == sparsity.order.size()) return put(at);
    const SparseAxis& axis = sparsity.axes[depth];
    int64_t& here = place[static_cast<size_t>(sparsity.order[depth])];
    if (!axis.compressed) {
      for (here = 0; here < axis.size && why.empty(); ++here) level(depth + 1, at * static_cast<uint64_t>(axis.size) + static_cast<uint64_t>(here));
      return;
    }
    if (at + 1 >= axis.segments.size()) return void(why = "its segments end too soon");
    const int64_t begin = axis.segments[at], end = axis.segments[at + 1];
    if (begin < 0 || end < begin || end > static_cast<int64_t>(axis.indices.size())) return void(why = "a segment lies outside its indices");
    for (int64_t k = begin; k < end && why.empty(); ++k) {
      here = axis.indices[static_cast<size_t>(k)];
      level(depth + 1, static_cast<uint64_t>(k));
    }
  }
};

}  // namespace

std::string densified(const Sparsity& s, const std::vector<int32_t>& shape, size_t width, std::string_view elements, std::string& why) {
  const size_t rank = shape.size(), levels = rank + s.blocks.size();
  constexpr size_t most_levels = 16;
  const auto fails = [&](const char* reason) {
    why = reason;
    return std::string();
  };
  if (s.order.size() != levels || s.axes.size() != levels || levels > most_levels) return fails("it describes another number of axes than it has");
  std::vector<int32_t> sorted = s.order;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < levels; ++i)
    if (sorted[i] != static_cast<int32_t>(i)) return fails("its order of axes names one twice");
  for (const int32_t b : s.blocks)
    if (b < 0 || static_cast<size_t>(b) >= rank) return fails("a block lies within an axis that does not exist");
  std::vector<int64_t> extents, within(rank, 1);
  uint64_t bytes = width;
  for (const int32_t e : shape) {
    if (e < 1 || bytes > most_bytes / static_cast<uint64_t>(e)) return fails("its shape is open, empty, or beyond what is read of sparse constants");
    bytes *= static_cast<uint64_t>(e);
    extents.push_back(e);
  }
  if (width == 0 || bytes / most_growth > elements.size()) return fails("it would be more than 4096 times as large as what the file holds of it");
  for (size_t i = 0; i < levels; ++i) {
    const int32_t axis = s.order[i];
    if (static_cast<size_t>(axis) >= rank) within[static_cast<size_t>(s.blocks[static_cast<size_t>(axis) - rank])] = s.axes[i].size;
    if (!s.axes[i].compressed && (s.axes[i].size < 1 || s.axes[i].size > static_cast<int64_t>(bytes)))
      return fails("an axis has no extent, or more than the tensor");
  }
  std::string out(bytes, '\0');
  Walk walk{s, extents, within, width, elements, out, std::vector<int64_t>(levels, 0)};
  walk.level(0, 0);
  why = walk.why;
  return why.empty() ? out : std::string();
}

}  // namespace lathe::tflite
