// Element types, sizes in checked arithmetic, constants.
#include "core/ir/tensor.hpp"

#include <doctest/doctest.h>

#include "core/base/diagnostic.hpp"

using namespace lathe;

TEST_CASE("every element type has a name that reads back") {
  for (int32_t i = 1; i <= 26; ++i) {
    const auto type = static_cast<DataType>(i);
    CHECK(parse_data_type(name(type)) == type);
    if (type != DataType::string) CHECK(bits(type) > 0);
  }
  CHECK(parse_data_type("float32") == DataType::float32);
  CHECK(parse_data_type("float64") == DataType::float64);
  CHECK_FALSE(parse_data_type("undefined"));
  CHECK(bits(static_cast<DataType>(99)) == 0);
  CHECK(bits(static_cast<DataType>(-1)) == 0);
}

TEST_CASE("sizes overflow into nullopt, never around") {
  CHECK(element_count(std::vector<int64_t>{}) == 1);
  CHECK(element_count(std::vector<int64_t>{2, 3, 0}) == 0);
  CHECK_FALSE(element_count(std::vector<int64_t>{INT64_MAX, 2}));
  CHECK_FALSE(element_count(std::vector<int64_t>{0, INT64_MAX, 2}));
  CHECK_FALSE(element_count(std::vector<int64_t>{-1}));
  CHECK_FALSE(byte_size(DataType::complex128, std::vector<int64_t>{INT64_MAX}));
  CHECK(byte_size(DataType::int4, std::vector<int64_t>{3}) == 2);
  CHECK(byte_size(DataType::uint2, std::vector<int64_t>{5}) == 2);
  CHECK(byte_size(DataType::float32, std::vector<int64_t>{1 << 20, 1 << 20, 1 << 20}) == uint64_t{4} << 60);
  CHECK_THROWS_AS(Tensor::allocate(DataType::float32, {INT64_MAX, 4}), Error);
  CHECK_THROWS_AS(Tensor::allocate(DataType::int8, {INT64_MAX}), Error);
}

TEST_CASE("tensors compare by type, shape and bytes") {
  const std::vector<float> values{1, 2, 3, 4};
  const Tensor a = Tensor::of<float>(DataType::float32, {2, 2}, values);
  CHECK(a == Tensor::of<float>(DataType::float32, {2, 2}, values));
  CHECK_FALSE(a == Tensor::of<float>(DataType::float32, {4}, values));
  CHECK_FALSE(a == Tensor::of<float>(DataType::float32, {2, 2}, std::vector<float>{1, 2, 3, 5}));
  CHECK(reinterpret_cast<uintptr_t>(a.bytes.data) % 64 == 0);
  Tensor s = Tensor::allocate(DataType::string, {2});
  CHECK(s.strings->size() == 2);
  CHECK(s == Tensor::allocate(DataType::string, {2}));
  CHECK(Bytes::zeros(0).data != nullptr);
}

TEST_CASE("integers are read from int32 and int64 only, at any alignment") {
  CHECK(to_int64s(Tensor::of<int32_t>(DataType::int32, {2}, std::vector<int32_t>{-1, 7})) == std::vector<int64_t>{-1, 7});
  const Bytes raw = Bytes::copy_of(std::vector<std::byte>(17, std::byte{1}));
  Tensor odd{.type = DataType::int64, .dimensions = {2}, .bytes = raw, .strings = nullptr};
  odd.bytes.data += 1;
  odd.bytes.size = 16;
  CHECK(to_int64s(odd) == std::vector<int64_t>(2, 0x0101010101010101));
  CHECK_THROWS_AS(to_int64s(Tensor::allocate(DataType::float32, {1})), Error);
}
