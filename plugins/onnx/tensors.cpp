// Where TensorProto keeps its elements (onnx.proto, message TensorProto) and how they become packed bytes.
#include "tensors.hpp"

#include <bit>
#include <charconv>
#include <cstring>
#include <limits>

static_assert(std::endian::native == std::endian::little, "raw_data and the boundary's tensors are little endian");

namespace lathe::onnx_plugin {
namespace {

// Thrown inside this file; read() adds the tensor's name and shape.
struct Bad {
  std::string text, expected, found, hint;
};

struct TypeFact {
  const char* name;
  int bits;
};
// By the numbers of TensorProto.DataType, to ONNX 1.21.
constexpr TypeFact type_facts[] = {
    {"undefined", 0},  {"float", 32},       {"uint8", 8},      {"int8", 8},         {"uint16", 16},        {"int16", 16},     {"int32", 32},
    {"int64", 64},     {"string", 0},       {"bool", 8},       {"float16", 16},     {"double", 64},        {"uint32", 32},    {"uint64", 64},
    {"complex64", 64}, {"complex128", 128}, {"bfloat16", 16},  {"float8e4m3fn", 8}, {"float8e4m3fnuz", 8}, {"float8e5m2", 8}, {"float8e5m2fnuz", 8},
    {"uint4", 4},      {"int4", 4},         {"float4e2m1", 4}, {"float8e8m0", 8},   {"uint2", 2},          {"int2", 2}};
constexpr int32_t type_count = static_cast<int32_t>(std::size(type_facts));

std::string to_text(const std::vector<int64_t>& dimensions) {
  std::string text;
  for (size_t i = 0; i < dimensions.size() && i < 16; ++i) text += (i ? "x" : "") + std::to_string(dimensions[i]);
  return dimensions.empty() ? "scalar" : dimensions.size() > 16 ? text + "x..." : text;
}

std::string bytes_text(uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

// Alignment that reading elements of this type needs.
uint64_t alignment(int32_t type) {
  const int bits = element_bits(type);
  return bits <= 8 ? 1 : bits >= 64 ? 8 : static_cast<uint64_t>(bits) / 8;
}

uint64_t number(const std::string& key, const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    throw Bad{"the external data's " + key + " is no number of bytes", "a decimal number of at least 0", quoted(text), {}};
  return value;
}

struct ExternalPlace {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

ExternalPlace external_place(const onnx::TensorProto& tensor) {
  ExternalPlace place;
  for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
    if (entry.key() == "location") place.location = entry.value();
    if (entry.key() == "offset") place.offset = number("offset", entry.value());
    if (entry.key() == "length") place.length = number("length", entry.value());
  }
  return place;
}

void expect_count(uint64_t stored, uint64_t wanted, const char* field) {
  if (stored == wanted) return;
  throw Bad{"the tensor does not hold as many elements as its shape says", std::to_string(wanted) + " in " + field, std::to_string(stored), {}};
}

// Narrows int32_data or uint64_data; a value that does not fit is damage, not something to wrap around.
template <class Stored, class Element>
void narrow(const google::protobuf::RepeatedField<Stored>& stored, std::byte* bytes) {
  for (int i = 0; i < stored.size(); ++i) {
    const Stored value = stored.Get(i);
    const auto element = static_cast<Element>(value);
    if (static_cast<Stored>(element) != value)
      throw Bad{
          "a stored value does not fit the tensor's type", "at most " + std::to_string(sizeof(Element) * 8) + " bits", std::to_string(value), {}};
    std::memcpy(bytes + static_cast<size_t>(i) * sizeof element, &element, sizeof element);
  }
}

}  // namespace

int element_bits(int32_t type) { return type >= 0 && type < type_count ? type_facts[type].bits : 0; }

std::string type_name(int32_t type) { return type >= 0 && type < type_count ? type_facts[type].name : "type " + std::to_string(type); }

std::optional<uint64_t> element_count(const std::vector<int64_t>& dimensions) {
  uint64_t count = 1;
  bool empty = false;
  for (const int64_t d : dimensions) {
    if (d < 0) return std::nullopt;
    if (d == 0)
      empty = true;
    else if (__builtin_mul_overflow(count, static_cast<uint64_t>(d), &count))
      return std::nullopt;
  }
  if (count > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
  return empty ? 0 : count;
}

std::optional<uint64_t> packed_size(int32_t type, uint64_t elements) {
  uint64_t bits = 0;
  if (__builtin_mul_overflow(elements, static_cast<uint64_t>(element_bits(type)), &bits) || bits > UINT64_MAX - 7) return std::nullopt;
  return (bits + 7) / 8;
}

std::byte* TensorReader::own(uint64_t size, sdk::TensorData& result) {
  owned_.push_back(std::make_unique<std::byte[]>(size));
  result.data = owned_.back().get();
  return owned_.back().get();
}

// Bytes that lie as the boundary wants them are used where they are. Bools that are neither 0 nor 1 count as 1.
void TensorReader::point_at(const void* data, uint64_t aligned_to, sdk::TensorData& result) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  if (result.type == LATHE_BOOL) {
    uint64_t i = 0;
    while (i < result.size && bytes[i] <= 1) ++i;
    if (i == result.size) {
      result.data = data;
      return;
    }
    std::byte* copy = own(result.size, result);
    for (i = 0; i < result.size; ++i) copy[i] = std::byte{bytes[i] != 0};
  } else if (reinterpret_cast<uintptr_t>(data) % aligned_to != 0) {
    std::memcpy(own(result.size, result), data, result.size);
  } else {
    result.data = data;
  }
}

void TensorReader::fill_external(const onnx::TensorProto& tensor, sdk::TensorData& result) {
  const ExternalPlace place = external_place(tensor);
  if (place.length && *place.length != result.size)
    throw Bad{"the length of the external data is not what type and shape ask for", bytes_text(result.size), bytes_text(*place.length), {}};
  MappedFile& file = folder_.open(place.location);
  if (place.offset > file.size() || result.size > file.size() - place.offset) {
    throw Bad{"the external data " + quoted(place.location) + " is too short",
              bytes_text(result.size) + " from offset " + std::to_string(place.offset), "a file of " + bytes_text(file.size()),
              "the file was cut off or belongs to another version of the model"};
  }
  if (result.size == 0) return;
  const char* data = file.data() + place.offset;
  point_at(data, alignment(result.type), result);
  if (result.data == data) {
    result.file = file.path();
    result.offset = place.offset;
    return;
  }
  file.copied += result.size;
  if (file.copied > file.size()) throw Bad{"tensors overlap in the external data " + quoted(place.location), {}, {}, {}};
}

void TensorReader::fill_typed(const onnx::TensorProto& tensor, uint64_t elements, sdk::TensorData& result) {
  auto in_place = [&](const auto& field, uint64_t per_element, const char* name) {
    expect_count(static_cast<uint64_t>(field.size()), elements * per_element, name);
    result.data = field.data();
  };
  switch (result.type) {
    case LATHE_FLOAT32:
      return in_place(tensor.float_data(), 1, "float_data");
    case LATHE_COMPLEX64:
      return in_place(tensor.float_data(), 2, "float_data");
    case LATHE_FLOAT64:
      return in_place(tensor.double_data(), 1, "double_data");
    case LATHE_COMPLEX128:
      return in_place(tensor.double_data(), 2, "double_data");
    case LATHE_INT32:
      return in_place(tensor.int32_data(), 1, "int32_data");
    case LATHE_INT64:
      return in_place(tensor.int64_data(), 1, "int64_data");
    case LATHE_UINT64:
      return in_place(tensor.uint64_data(), 1, "uint64_data");
    case LATHE_UINT32:
      expect_count(static_cast<uint64_t>(tensor.uint64_data_size()), elements, "uint64_data");
      return narrow<uint64_t, uint32_t>(tensor.uint64_data(), own(result.size, result));
    default:
      break;
  }
  // The rest shares int32_data: one element each, float16 and float8 by their bits, and types under 8 bits one packed byte each.
  const bool sub_byte = element_bits(result.type) < 8;
  expect_count(static_cast<uint64_t>(tensor.int32_data_size()), sub_byte ? result.size : elements, "int32_data");
  std::byte* bytes = own(result.size, result);
  if (result.type == LATHE_INT8) {
    narrow<int32_t, int8_t>(tensor.int32_data(), bytes);
  } else if (result.type == LATHE_INT16) {
    narrow<int32_t, int16_t>(tensor.int32_data(), bytes);
  } else if (result.type == LATHE_BOOL) {
    for (int i = 0; i < tensor.int32_data_size(); ++i) bytes[i] = std::byte{tensor.int32_data(i) != 0};
  } else if (element_bits(result.type) == 16) {
    narrow<int32_t, uint16_t>(tensor.int32_data(), bytes);
  } else if (sub_byte) {
    // Writers differ in whether a packed byte with its high bit set is stored as a negative number.
    for (int i = 0; i < tensor.int32_data_size(); ++i) bytes[i] = static_cast<std::byte>(tensor.int32_data(i) & 0xff);
  } else {
    narrow<int32_t, uint8_t>(tensor.int32_data(), bytes);
  }
}

void TensorReader::fill(const onnx::TensorProto& tensor, uint64_t elements, sdk::TensorData& result) {
  if (result.type == LATHE_STRING) {
    if (tensor.data_location() == onnx::TensorProto::EXTERNAL || tensor.has_raw_data()) throw Bad{"strings must lie in string_data", {}, {}, {}};
    expect_count(static_cast<uint64_t>(tensor.string_data_size()), elements, "string_data");
    result.strings.assign(tensor.string_data().begin(), tensor.string_data().end());
    return;
  }
  const auto size = packed_size(result.type, elements);
  if (!size) throw Bad{"the tensor's size overflows", {}, {}, {}};
  result.size = *size;
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) return fill_external(tensor, result);
  if (tensor.has_raw_data()) {
    if (tensor.raw_data().size() != result.size)
      throw Bad{"the tensor's raw data is not as long as type and shape ask for", bytes_text(result.size), bytes_text(tensor.raw_data().size()), {}};
    if (result.size) point_at(tensor.raw_data().data(), alignment(result.type), result);
    return;
  }
  fill_typed(tensor, elements, result);
}

std::optional<sdk::TensorData> TensorReader::read(const onnx::TensorProto& tensor, const sdk::Diagnostic& where, Problems& problems) {
  sdk::TensorData result;
  result.type = tensor.data_type();
  result.dimensions.assign(tensor.dims().begin(), tensor.dims().end());
  const std::string what = std::string(type_name(result.type)) + " " + to_text(result.dimensions);
  auto complain = [&](Bad bad) {
    sdk::Diagnostic d = where;
    d.text = std::move(bad.text);
    if (!tensor.name().empty()) d.text = "tensor " + quoted(tensor.name()) + " (" + what + "): " + d.text;
    d.expected = std::move(bad.expected);
    d.found = std::move(bad.found);
    d.hint = std::move(bad.hint);
    problems.add(std::move(d));
  };
  try {
    if (result.type <= 0 || result.type >= type_count) {
      throw Bad{"the tensor has no data type that this version knows", "1 to " + std::to_string(type_count - 1), std::to_string(result.type), {}};
    }
    if (tensor.has_segment()) throw Bad{"the tensor is stored in segments, which ONNX never put to use", {}, {}, "export the model again"};
    const auto elements = element_count(result.dimensions);
    if (!elements) throw Bad{"the tensor's shape has a negative dimension or more elements than can be counted", {}, what, {}};
    fill(tensor, *elements, result);
    if (result.size == 0) result.data = nullptr;
    return result;
  } catch (Bad& bad) {
    complain(std::move(bad));
  } catch (sdk::Failure& failure) {  // from opening external data
    for (const sdk::Diagnostic& d : failure.diagnostics) {
      sdk::Diagnostic told = where;
      told.text = (tensor.name().empty() ? "" : "tensor " + quoted(tensor.name()) + ": ") + d.text;
      told.location = d.location;
      told.hint = d.hint;
      problems.add(std::move(told));
    }
  }
  return std::nullopt;
}

std::optional<sdk::TensorData> TensorReader::read(const onnx::SparseTensorProto& sparse, const sdk::Diagnostic& where, Problems& problems) {
  constexpr uint64_t most_spread_out = uint64_t{1} << 30;
  auto values = read(sparse.values(), where, problems);
  auto indices = read(sparse.indices(), where, problems);
  if (!values || !indices) return std::nullopt;
  auto bad = [&](const char* text) -> std::optional<sdk::TensorData> {
    sdk::Diagnostic d = where;
    d.text = "sparse tensor " + quoted(sparse.values().name()) + ": " + text;
    problems.add(std::move(d));
    return std::nullopt;
  };

  sdk::TensorData dense;
  dense.type = values->type;
  dense.dimensions.assign(sparse.dims().begin(), sparse.dims().end());
  const size_t rank = dense.dimensions.size();
  const auto elements = element_count(dense.dimensions);
  const auto size = elements ? packed_size(dense.type, *elements) : std::nullopt;
  const size_t width = static_cast<size_t>(element_bits(dense.type)) / 8;
  if (!size) return bad("its shape has a negative dimension or more elements than can be counted");
  if (width == 0) return bad("elements of this type cannot be sparse");
  if (values->dimensions.size() != 1) return bad("its values must be a list");
  const auto count = static_cast<uint64_t>(values->dimensions[0]);
  const bool linear = indices->dimensions.size() == 1;
  if (indices->type != LATHE_INT64 || indices->dimensions.empty() || indices->dimensions.size() > 2 ||
      static_cast<uint64_t>(indices->dimensions[0]) != count || (!linear && static_cast<size_t>(indices->dimensions[1]) != rank)) {
    return bad("its indices must be int64, one number or one row of coordinates for each value");
  }
  if (*size > most_spread_out - spread_out_) return bad("spread out densely, the model's sparse tensors take more than 1 GiB");
  spread_out_ += *size;

  dense.size = *size;
  std::byte* bytes = own(*size, dense);  // zeroed
  const auto* index = static_cast<const int64_t*>(indices->data);
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t place = 0;
    for (size_t axis = 0; axis < (linear ? 1 : rank); ++axis) {
      const int64_t extent = linear ? static_cast<int64_t>(*elements) : dense.dimensions[axis];
      const int64_t at = *index++;
      if (at < 0 || at >= extent) return bad("an index lies outside its shape");
      place = place * static_cast<uint64_t>(extent) + static_cast<uint64_t>(at);
    }
    std::memcpy(bytes + place * width, static_cast<const std::byte*>(values->data) + i * width, width);
  }
  return dense;
}

}  // namespace lathe::onnx_plugin
