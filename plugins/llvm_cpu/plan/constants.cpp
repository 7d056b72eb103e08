// See constants.hpp.
#include "plan/constants.hpp"

#include <cstring>

namespace lathe::llvm_cpu {

bool is_packed(int32_t type) {
  return type == LATHE_UINT4 || type == LATHE_INT4 || type == LATHE_FLOAT4E2M1 || type == LATHE_UINT2 || type == LATHE_INT2;
}

std::vector<uint8_t> unpacked(int32_t type, const void* data, int64_t count) {
  const int bits = type == LATHE_UINT2 || type == LATHE_INT2 ? 2 : 4;
  const bool is_signed = type == LATHE_INT4 || type == LATHE_INT2;
  const auto* bytes = static_cast<const uint8_t*>(data);
  std::vector<uint8_t> result(static_cast<size_t>(count));
  for (size_t i = 0; i < result.size(); ++i) {
    const size_t bit = i * static_cast<size_t>(bits);
    int value = bytes[bit / 8] >> bit % 8 & ((1 << bits) - 1);
    if (is_signed && value >> (bits - 1)) value -= 1 << bits;
    result[i] = static_cast<uint8_t>(value);
  }
  return result;
}

std::vector<uint8_t> encode_strings(const lathe_string* strings, int64_t count) {
  std::vector<uint8_t> result(static_cast<size_t>(count) * 2 * sizeof(uint64_t));
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t entry[2] = {result.size(), strings[i].size};
    std::memcpy(result.data() + static_cast<size_t>(i) * sizeof entry, entry, sizeof entry);
    if (strings[i].size) result.insert(result.end(), strings[i].data, strings[i].data + strings[i].size);
  }
  return result;
}

}  // namespace lathe::llvm_cpu
