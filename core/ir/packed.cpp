// Spreading and packing; see packed.hpp.
#include "core/ir/packed.hpp"

namespace lathe {

bool packed(DataType type) { return bits(type) > 0 && bits(type) < 8; }

void spread(DataType type, const std::byte* from, int64_t count, std::byte* to) {
  const int width = bits(type), per_byte = 8 / width;
  const bool is_signed = type == DataType::int4 || type == DataType::int2;
  const unsigned mask = (1u << width) - 1, sign = 1u << (width - 1);
  for (int64_t i = 0; i < count; ++i) {
    const unsigned value = (unsigned(from[i / per_byte]) >> (i % per_byte * width)) & mask;
    to[i] = std::byte(is_signed ? (value ^ sign) - sign : value);
  }
}

void pack(DataType type, const std::byte* from, int64_t count, std::byte* to) {
  const int width = bits(type), per_byte = 8 / width;
  const unsigned mask = (1u << width) - 1;
  for (int64_t i = 0; i < count; i += per_byte) {
    unsigned value = 0;
    for (int64_t k = i; k < count && k < i + per_byte; ++k) value |= (unsigned(from[k]) & mask) << ((k - i) * width);
    to[i / per_byte] = std::byte(value);
  }
}

}  // namespace lathe
