// Sparse constants: the elements that are there lie one after another, and a description of every axis says where each belongs.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::tflite {

// An axis in the order in which the elements lie: dense (`size` entries each), or compressed rows (segments and indices).
struct SparseAxis {
  bool compressed = false;
  int64_t size = 0;
  std::vector<int64_t> segments, indices;
};

struct Sparsity {
  std::vector<int32_t> order;   // axes, then those of blocks, as they are traversed
  std::vector<int32_t> blocks;  // the axis that each block's lies within
  std::vector<SparseAxis> axes;
};

// All elements of a tensor of that shape and width, zeros in between; empty, with a reason in `why`, when the description does not hold together.
std::string densified(const Sparsity& sparsity, const std::vector<int32_t>& shape, size_t width, std::string_view elements, std::string& why);

}  // namespace lathe::tflite
