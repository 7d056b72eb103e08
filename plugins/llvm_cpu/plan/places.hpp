// Where a tensor's elements lie: a storage, an offset and strides. Views of all kinds are other places in the same storage.
#pragma once
#include <optional>

#include "plan/network.hpp"

namespace lathe::llvm_cpu {

struct Place {
  uint32_t storage = 0;
  uint64_t offset = 0;  // bytes
  Layout layout = Layout::plain;
  std::vector<int64_t> strides;  // plain: per dimension of the tensor, in elements
  int64_t batch_stride = 0;      // blocked: in floats

  bool operator==(const Place&) const = default;
};

// Whether two places hold the elements at the same addresses; strides along a single element do not matter.
bool same_place(const Tensor& tensor, const Place& a, const Place& b);

// Strides that show the same elements in the same order under other dimensions; nullopt when only a copy could do that.
std::optional<std::vector<int64_t>> reshape_strides(const std::vector<int64_t>& dimensions, const std::vector<int64_t>& strides,
                                                    const std::vector<int64_t>& wanted);

// Whether the elements follow each other in row-major order (from dimension `first` on). Dimensions of length 1 do not matter.
bool is_dense(const std::vector<int64_t>& dimensions, const std::vector<int64_t>& strides, size_t first = 0);

// Two image tensors that are the same in blocked layout: equal batch, channels and number of pixels.
bool same_blocked(const std::vector<int64_t>& a, const std::vector<int64_t>& b);

// One pixel per channel: blocked and plain are the same bytes, but for the padding behind the last channel.
bool single_pixel(const std::vector<int64_t>& dimensions, int64_t block);

// A strided operation that takes whole blocks of channels (or ends with the last channel) and nothing else.
bool is_channel_slice(const Network& network, const Operation& operation, int64_t block);

// The place of y = strided(x), or y = view(x), in terms of a place of x; nullopt when a copy is needed.
std::optional<Place> place_of_strided(const Network& network, const Operation& operation, const Place& x, int64_t block);
std::optional<Place> place_of_view(const Network& network, const Operation& operation, const Place& x);

// The part of a concatenation's place that starts at `start` of its axis.
Place place_of_part(const Network& network, const Operation& operation, const Place& whole, int64_t start);

// Bytes from the place's offset to behind its last element.
uint64_t extent(const Tensor& tensor, const Place& place, int64_t block);

}  // namespace lathe::llvm_cpu
