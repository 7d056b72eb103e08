// Element types smaller than a byte.
#include "core/ir/packed.hpp"

#include <doctest/doctest.h>

using namespace lathe;

namespace {
std::vector<int> spread_bytes(DataType type, const std::vector<uint8_t>& bytes, int64_t count) {
  std::vector<int8_t> wide(size_t(count), 0);
  spread(type, reinterpret_cast<const std::byte*>(bytes.data()), count, reinterpret_cast<std::byte*>(wide.data()));
  std::vector<uint8_t> again(bytes.size(), 0xff);
  pack(type, reinterpret_cast<const std::byte*>(wide.data()), count, reinterpret_cast<std::byte*>(again.data()));
  CHECK(again == bytes);
  return {wide.begin(), wide.end()};
}
}  // namespace

TEST_CASE("elements lie low bits first, signed ones with their sign") {
  CHECK(spread_bytes(DataType::int4, {0xf8, 0x07}, 3) == std::vector<int>{-8, -1, 7});
  CHECK(spread_bytes(DataType::uint4, {0xf8, 0x07}, 4) == std::vector<int>{8, 15, 7, 0});
  CHECK(spread_bytes(DataType::float4e2m1, {0xf8}, 2) == std::vector<int>{8, 15});
  CHECK(spread_bytes(DataType::int2, {0b11'10'01'00, 0b10}, 5) == std::vector<int>{0, 1, -2, -1, -2});
  CHECK(spread_bytes(DataType::uint2, {0b11'10'01'00}, 4) == std::vector<int>{0, 1, 2, 3});
  CHECK(packed(DataType::int2));
  CHECK_FALSE(packed(DataType::int8));
  CHECK_FALSE(packed(DataType::string));
}
