// See buffers.hpp. Nothing that a plugin says of its memory is believed before its sizes agree.
#include "core/plugin/buffers.hpp"

#include "core/base/diagnostic.hpp"
#include "core/plugin/layout.hpp"

namespace lathe {
namespace {

[[noreturn]] void bad(std::string text) { throw Error(Code::internal, std::move(text)); }

Tensor read_tensor(const lathe_buffer& buffer) {
  constexpr size_t most_dimensions = 1024;
  if (buffer.type <= 0 || buffer.type > int32_t(DataType::int2)) bad("has no element type");
  if (buffer.rank > most_dimensions || (buffer.rank > 0 && !buffer.dimensions)) bad("has an impossible rank");
  const std::vector<int64_t> dimensions(buffer.dimensions, buffer.dimensions + buffer.rank);
  const std::optional<int64_t> count = element_count(dimensions);
  if (!count) bad("has an impossible shape");
  const auto type = DataType(buffer.type);
  if (type == DataType::string) {
    if (buffer.size != uint64_t(*count) * sizeof(lathe_string) || (*count > 0 && !buffer.data)) bad("has too few or too many strings");
    const auto* given = static_cast<const lathe_string*>(buffer.data);
    std::vector<std::string> strings;
    strings.reserve(size_t(*count));
    for (int64_t i = 0; i < *count; ++i) {
      if (given[i].size && !given[i].data) bad("holds a string without characters");
      strings.emplace_back(given[i].size ? std::string(given[i].data, given[i].size) : std::string());
    }
    Tensor tensor = Tensor::allocate(type, dimensions);
    tensor.strings = std::make_shared<const std::vector<std::string>>(std::move(strings));
    return tensor;
  }
  const std::optional<uint64_t> bytes = byte_size(type, dimensions);
  if (!bytes || *bytes != buffer.size || (buffer.size && !buffer.data)) bad("has too few or too many bytes");
  Tensor tensor = Tensor::allocate(type, dimensions);
  if (buffer.size) std::memcpy(const_cast<std::byte*>(tensor.bytes.data), buffer.data, buffer.size);
  return tensor;
}

}  // namespace

Buffers::Buffers(std::span<const Datum> data) {
  for (const Datum& datum : data) list_.push_back(of(datum));
}

lathe_buffer Buffers::of(const Tensor& tensor) {
  lathe_buffer buffer = {};
  buffer.struct_size = sizeof buffer;
  buffer.type = int32_t(tensor.type);
  buffer.dimensions = tensor.dimensions.data();
  buffer.rank = tensor.dimensions.size();
  buffer.present = 1;
  if (tensor.type == DataType::string) {
    std::vector<lathe_string>& strings = strings_.emplace_back();
    for (const std::string& s : *tensor.strings) strings.push_back({s.data(), s.size()});
    buffer.data = strings.data();
    buffer.size = strings.size() * sizeof(lathe_string);
  } else {
    buffer.data = const_cast<std::byte*>(tensor.bytes.data);
    buffer.size = tensor.bytes.size;
  }
  return buffer;
}

lathe_buffer Buffers::of(const Datum& datum) {
  lathe_buffer buffer = {};
  if (datum.present && datum.is_sequence()) {
    std::vector<lathe_buffer>& elements = elements_.emplace_back();
    for (const Tensor& tensor : datum.elements) elements.push_back(of(tensor));
    buffer.elements = elements.data();
    buffer.element_count = elements.size();
    buffer.element_stride = sizeof(lathe_buffer);
  } else if (datum.present) {
    buffer = of(datum.tensor);
  }
  buffer.struct_size = sizeof buffer;
  buffer.kind = int32_t(datum.kind);
  buffer.present = datum.present;
  if (!buffer.type) buffer.type = int32_t(datum.element);
  return buffer;
}

Datum read_buffer(const lathe_buffer& buffer) {
  if (!large_enough(&buffer)) bad("has a struct_size that is too small");
  if (buffer.kind < LATHE_KIND_TENSOR || buffer.kind > LATHE_KIND_OPTIONAL_SEQUENCE) bad("is of an unknown kind");
  const auto kind = ValueKind(buffer.kind);
  Datum datum;
  datum.kind = kind;
  datum.element = DataType(buffer.type);
  datum.present = buffer.present != 0 || (kind != ValueKind::optional && kind != ValueKind::optional_sequence);
  if (!datum.present) return datum;
  if (!datum.is_sequence()) {
    datum.tensor = read_tensor(buffer);
    return datum;
  }
  if (buffer.element_count && (!buffer.elements || buffer.element_stride < released_size<lathe_buffer>)) bad("is a sequence without elements");
  for (size_t i = 0; i < buffer.element_count; ++i) {
    const lathe_buffer& element = *LATHE_AT(lathe_buffer, buffer.elements, buffer.element_stride, i);
    if (!large_enough(&element) || element.kind != LATHE_KIND_TENSOR) bad("has an element that is no tensor");
    if (element.type != buffer.type) bad("has an element of another type");
    datum.elements.push_back(read_tensor(element));
  }
  return datum;
}

}  // namespace lathe
