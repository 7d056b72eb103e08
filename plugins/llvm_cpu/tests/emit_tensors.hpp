// Tensors for the tests of emitted kernels: random numbers, layouts, and memory that notices writes beyond its end.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <sstream>
#include <vector>

#include "plan/program.hpp"

namespace lathe::llvm_cpu {

class Random {
 public:
  explicit Random(unsigned seed) : generator_(seed) {}
  std::vector<float> floats(int64_t count) {
    std::uniform_real_distribution<float> distribution(-1, 1);
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = distribution(generator_);
    return values;
  }

 private:
  std::mt19937 generator_;
};

inline Image image(int64_t block, int64_t channels, int64_t height, int64_t width, Layout layout) {
  const int64_t padded = layout == Layout::blocked ? (channels + block - 1) / block * block : channels;
  return {channels, height, width, layout, padded * height * width};
}

inline size_t element(const Image& image, int64_t block, int64_t n, int64_t c, int64_t y, int64_t x) {
  const int64_t plane = image.height * image.width, pixel = y * image.width + x;
  if (image.layout == Layout::plain) return static_cast<size_t>(n * image.batch_stride + c * plane + pixel);
  return static_cast<size_t>(n * image.batch_stride + (c / block * plane + pixel) * block + c % block);
}

// Row-major values in the image's layout; lanes beyond the channels hold NaN, which no kernel may let through.
inline std::vector<float> lay_out(const std::vector<float>& values, int64_t batch, const Image& image, int64_t block) {
  std::vector<float> memory(static_cast<size_t>(batch * image.batch_stride), std::numeric_limits<float>::quiet_NaN());
  size_t next = 0;
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t c = 0; c < image.channels; ++c)
      for (int64_t y = 0; y < image.height; ++y)
        for (int64_t x = 0; x < image.width; ++x) memory[element(image, block, n, c, y, x)] = values[next++];
  return memory;
}

// Relative to the expected value where that is above 1, else absolute; infinite for a NaN that was not expected.
inline double difference(float value, double expected) {
  if (std::isnan(expected) || std::isinf(expected))
    return (std::isnan(expected) && std::isnan(value)) || value == expected ? 0 : std::numeric_limits<double>::infinity();
  if (!std::isfinite(value)) return std::numeric_limits<double>::infinity();
  return std::abs(static_cast<double>(value) - expected) / std::max(1.0, std::abs(expected));
}

// Floats between two guards.
class Guarded {
 public:
  explicit Guarded(int64_t count) : memory_(static_cast<size_t>(count) + 2 * guard, pattern) {}
  float* data() { return memory_.data() + guard; }
  bool intact() const {
    return std::all_of(memory_.begin(), memory_.begin() + guard, same) && std::all_of(memory_.end() - guard, memory_.end(), same);
  }

 private:
  static constexpr int64_t guard = 64;
  static constexpr float pattern = 12345.678F;
  static bool same(float value) { return value == pattern; }
  std::vector<float> memory_;
};

}  // namespace lathe::llvm_cpu
