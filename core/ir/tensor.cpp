// Element types' names and widths, sizes in checked arithmetic, and constant tensors.
#include "core/ir/tensor.hpp"

#include <array>
#include <cstdlib>
#include <cstring>

#include "core/base/checked.hpp"
#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {

struct TypeRow {
  DataType type;
  std::string_view name;  // ONNX's
  int bits;
};

constexpr std::array<TypeRow, 27> type_table{{
    {DataType::none, "undefined", 0},
    {DataType::float32, "float", 32},
    {DataType::uint8, "uint8", 8},
    {DataType::int8, "int8", 8},
    {DataType::uint16, "uint16", 16},
    {DataType::int16, "int16", 16},
    {DataType::int32, "int32", 32},
    {DataType::int64, "int64", 64},
    {DataType::string, "string", 0},
    {DataType::boolean, "bool", 8},
    {DataType::float16, "float16", 16},
    {DataType::float64, "double", 64},
    {DataType::uint32, "uint32", 32},
    {DataType::uint64, "uint64", 64},
    {DataType::complex64, "complex64", 64},
    {DataType::complex128, "complex128", 128},
    {DataType::bfloat16, "bfloat16", 16},
    {DataType::float8e4m3fn, "float8e4m3fn", 8},
    {DataType::float8e4m3fnuz, "float8e4m3fnuz", 8},
    {DataType::float8e5m2, "float8e5m2", 8},
    {DataType::float8e5m2fnuz, "float8e5m2fnuz", 8},
    {DataType::uint4, "uint4", 4},
    {DataType::int4, "int4", 4},
    {DataType::float4e2m1, "float4e2m1", 4},
    {DataType::float8e8m0, "float8e8m0", 8},
    {DataType::uint2, "uint2", 2},
    {DataType::int2, "int2", 2},
}};

const TypeRow& row(DataType type) {
  const auto index = static_cast<size_t>(type);
  return index < type_table.size() ? type_table[index] : type_table[0];
}

}  // namespace

std::string_view name(DataType type) { return row(type).name; }

std::optional<DataType> parse_data_type(std::string_view s) {
  for (const TypeRow& candidate : type_table) {
    if (candidate.type != DataType::none && candidate.name == s) return candidate.type;
  }
  if (s == "float32") return DataType::float32;
  if (s == "float64") return DataType::float64;
  return std::nullopt;
}

int bits(DataType type) { return row(type).bits; }

std::string to_string(const Shape& shape) {
  std::string s;
  for (const Dimension& d : shape) {
    if (!s.empty()) s += 'x';
    s += d.constant() ? std::to_string(d.value) : d.symbol.empty() ? "?" : d.symbol;
  }
  return s;
}

std::optional<int64_t> element_count(std::span<const int64_t> dimensions) {
  // A zero makes the tensor empty but must not hide a product that strides would overflow with.
  int64_t product = 1;
  bool empty = false;
  for (const int64_t d : dimensions) {
    if (d < 0) return std::nullopt;
    if (d == 0) {
      empty = true;
      continue;
    }
    const auto next = checked_multiply<int64_t>(product, d);
    if (!next) return std::nullopt;
    product = *next;
  }
  return empty ? 0 : product;
}

std::optional<uint64_t> byte_size(DataType type, std::span<const int64_t> dimensions) {
  const auto count = element_count(dimensions);
  if (!count) return std::nullopt;
  const auto width = static_cast<uint64_t>(bits(type));
  if (width % 8 == 0) return checked_multiply<uint64_t>(static_cast<uint64_t>(*count), width / 8);
  const uint64_t per_byte = 8 / width;
  return static_cast<uint64_t>(*count) / per_byte + (static_cast<uint64_t>(*count) % per_byte != 0);
}

// Larger blocks exist only in files that lie about their shapes; asking the allocator for them helps nobody.
constexpr uint64_t largest_block = uint64_t{1} << 39;

Bytes Bytes::copy_of(std::span<const std::byte> source) {
  Bytes bytes = zeros(source.size());
  if (!source.empty()) std::memcpy(const_cast<std::byte*>(bytes.data), source.data(), source.size());
  return bytes;
}

Bytes Bytes::zeros(uint64_t size) {
  constexpr uint64_t alignment = 64;
  Bytes bytes;
  // Never zero, so an empty tensor has an address too.
  void* block = size <= largest_block ? std::aligned_alloc(alignment, (size + alignment) / alignment * alignment) : nullptr;
  if (!block) throw Error(Code::failed, "there is no memory for a tensor of " + std::to_string(size) + " bytes");
  std::memset(block, 0, size);
  bytes.owner = std::shared_ptr<const void>(block, [](const void* p) { std::free(const_cast<void*>(p)); });
  bytes.data = static_cast<const std::byte*>(block);
  bytes.size = size;
  return bytes;
}

int64_t Tensor::size() const {
  int64_t count = 1;
  for (const int64_t d : dimensions) count *= d;
  return count;
}

Tensor Tensor::allocate(DataType type, std::vector<int64_t> dimensions) {
  const auto size = byte_size(type, dimensions);
  if (!size) {
    std::string shape;
    for (const int64_t d : dimensions) shape += (shape.empty() ? "" : "x") + std::to_string(d);
    throw Error(Code::failed, "a tensor of shape " + shape + " has more elements than can be counted in 63 bits or a negative dimension");
  }
  Tensor tensor;
  tensor.type = type;
  tensor.bytes = Bytes::zeros(*size);
  tensor.dimensions = std::move(dimensions);
  if (type == DataType::string) tensor.strings = std::make_shared<const std::vector<std::string>>(static_cast<size_t>(tensor.size()));
  return tensor;
}

bool Tensor::operator==(const Tensor& other) const {
  if (type != other.type || dimensions != other.dimensions || bytes.size != other.bytes.size) return false;
  if (type == DataType::string) return strings == other.strings || (strings && other.strings && *strings == *other.strings);
  return bytes.data == other.bytes.data || bytes.size == 0 || std::memcmp(bytes.data, other.bytes.data, bytes.size) == 0;
}

std::vector<int64_t> to_int64s(const Tensor& tensor) {
  // Initializers may lie at any offset of a mapped file, so elements are copied out rather than read in place.
  std::vector<int64_t> values;
  if (tensor.type == DataType::int64) {
    values.resize(tensor.bytes.size / sizeof(int64_t));
    if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data, values.size() * sizeof(int64_t));
  } else if (tensor.type == DataType::int32) {
    std::vector<int32_t> narrow(tensor.bytes.size / sizeof(int32_t));
    if (!narrow.empty()) std::memcpy(narrow.data(), tensor.bytes.data, narrow.size() * sizeof(int32_t));
    values.assign(narrow.begin(), narrow.end());
  } else {
    throw Error(Code::failed, "a tensor of type " + std::string(name(tensor.type)) + " stands where integers (int32 or int64) are needed");
  }
  return values;
}

}  // namespace lathe
