// Element types, shapes and constant tensors.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

// ONNX's TensorProto.DataType; the numbers are part of the plugin boundary (lathe/graph.h).
enum class DataType : int32_t {
  none = 0,
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  string = 8,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  complex64 = 14,
  complex128 = 15,
  bfloat16 = 16,
  float8e4m3fn = 17,
  float8e4m3fnuz = 18,
  float8e5m2 = 19,
  float8e5m2fnuz = 20,
  uint4 = 21,
  int4 = 22,
  float4e2m1 = 23,
  float8e8m0 = 24,
  uint2 = 25,
  int2 = 26
};

std::string_view name(DataType type);                         // ONNX's textual name: "float", "int64", "bfloat16"
std::optional<DataType> parse_data_type(std::string_view s);  // the reverse; also numpy's "float32", "float64"
int bits(DataType type);                                      // per element; 0 for string and none

// A constant, a named symbol, or nothing known.
struct Dimension {
  int64_t value = -1;  // >= 0 when constant
  std::string symbol;  // when not constant; may be empty

  Dimension() = default;
  Dimension(int64_t v) : value(v) {}  // NOLINT: a number is a dimension
  explicit Dimension(std::string s) : symbol(std::move(s)) {}
  bool constant() const { return value >= 0; }
  bool operator==(const Dimension&) const = default;  // two unknown dimensions compare equal as data, not as sizes
};
using Shape = std::vector<Dimension>;
std::string to_string(const Shape& shape);  // "1x3x?xW"

// Number of elements of a constant shape, or nullopt when a product overflows 63 bits.
std::optional<int64_t> element_count(std::span<const int64_t> dimensions);
// Bytes of a packed tensor (4-bit types two to a byte), or nullopt on overflow.
std::optional<uint64_t> byte_size(DataType type, std::span<const int64_t> dimensions);

// Immutable bytes with an owner: a mapped file, a heap block, or memory that a plugin keeps alive. Copies share.
struct Bytes {
  std::shared_ptr<const void> owner;
  const std::byte* data = nullptr;
  uint64_t size = 0;
  std::string file;     // absolute path when the bytes lie in a file
  uint64_t offset = 0;  // there

  static Bytes copy_of(std::span<const std::byte> bytes);
  static Bytes zeros(uint64_t size);  // 64-byte aligned
};

// A constant: type, shape, packed row-major little-endian bytes.
struct Tensor {
  DataType type = DataType::none;
  std::vector<int64_t> dimensions;
  Bytes bytes;
  std::shared_ptr<const std::vector<std::string>> strings;  // for DataType::string

  int64_t size() const;  // elements; the shape was checked when the tensor was made
  template <class T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(bytes.data), bytes.size / sizeof(T)};
  }
  // Writable view of bytes that this tensor alone owns (made by allocate).
  template <class T>
  std::span<T> as_mutable() {
    return {reinterpret_cast<T*>(const_cast<std::byte*>(bytes.data)), bytes.size / sizeof(T)};
  }

  static Tensor allocate(DataType type, std::vector<int64_t> dimensions);  // zeroed; throws Error on overflow
  template <class T>
  static Tensor of(DataType type, std::vector<int64_t> dimensions, std::span<const T> values) {
    Tensor t = allocate(type, std::move(dimensions));
    std::copy(values.begin(), values.end(), t.as_mutable<T>().begin());
    return t;
  }
  bool operator==(const Tensor& other) const;  // type, shape and bytes
};

// The elements of an int64 or int32 tensor as int64.
std::vector<int64_t> to_int64s(const Tensor& tensor);

}  // namespace lathe
