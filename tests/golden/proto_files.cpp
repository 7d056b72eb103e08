// Field numbers: onnx.proto, messages TensorProto, SequenceProto and OptionalProto.
#include "proto_files.hpp"

#include <cstring>
#include <string_view>

#include "core/base/diagnostic.hpp"
#include "core/base/mapped_file.hpp"

namespace lathe::golden {
namespace {

[[noreturn]] void bad(const std::string& text) { throw Error(Code::failed, "test data: " + text); }

struct Field {
  uint64_t number = 0, wire = 0, integer = 0;
  std::string_view bytes;
};

struct Reader {
  std::string_view rest;

  bool next(Field& field) {
    if (rest.empty()) return false;
    const uint64_t tag = varint();
    field = {tag >> 3, tag & 7, 0, {}};
    switch (field.wire) {
      case 0:
        field.integer = varint();
        break;
      case 1:
        field.bytes = take(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        field.bytes = take(4);
        break;
      default:
        bad("an unknown wire type");
    }
    return true;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    bad("a number of more than 64 bits");
  }
  std::string_view take(uint64_t size) {
    if (size > rest.size()) bad("it is cut off");
    const std::string_view taken = rest.substr(0, size);
    rest.remove_prefix(size);
    return taken;
  }
};

// A repeated number comes packed or one by one.
template <class Append>
void numbers(const Field& field, Append&& append) {
  if (field.wire == 0) return append(int64_t(field.integer));
  for (Reader packed{field.bytes}; !packed.rest.empty();) append(int64_t(packed.varint()));
}

Tensor tensor(std::string_view message, std::string& name) {
  DataType type = DataType::none;
  std::vector<int64_t> dimensions, integers;
  std::vector<std::string> strings;
  std::string bytes;
  Reader reader{message};
  for (Field f; reader.next(f);) {
    if (f.number == 1) numbers(f, [&](int64_t n) { dimensions.push_back(n); });
    if (f.number == 2) type = static_cast<DataType>(f.integer);
    if (f.number == 4 || f.number == 9 || f.number == 10) bytes += f.bytes;  // float_data, raw_data, double_data
    if (f.number == 5 || f.number == 7 || f.number == 11) numbers(f, [&](int64_t n) { integers.push_back(n); });
    if (f.number == 6) strings.emplace_back(f.bytes);
    if (f.number == 8) name = f.bytes;
  }
  Tensor result = Tensor::allocate(type, dimensions);
  if (type == DataType::string) {
    if (strings.size() != size_t(result.size())) bad("the strings are not as many as the shape says");
    result.strings = std::make_shared<const std::vector<std::string>>(std::move(strings));
    return result;
  }
  // Types below 8 bits stand in int32_data as packed bytes; all others one number each.
  const size_t width = size_t(std::max(8, bits(type))) / 8;
  for (const int64_t n : integers) bytes.append(reinterpret_cast<const char*>(&n), width);
  if (bytes.size() != result.bytes.size) bad("the bytes are not as many as type and shape say");
  std::memcpy(result.as_mutable<char>().data(), bytes.data(), bytes.size());
  return result;
}

// SequenceProto: 1 name, 2 elem_type, 3 tensor_values.
void sequence(std::string_view message, NamedDatum& result) {
  Reader reader{message};
  std::string ignored;
  for (Field f; reader.next(f);) {
    if (f.number == 1) result.name = f.bytes;
    if (f.number == 3) result.datum.elements.push_back(tensor(f.bytes, ignored));
    if (f.number > 3) bad("a sequence of something other than tensors");
  }
  if (!result.datum.elements.empty()) result.datum.element = result.datum.elements.front().type;
}

// OptionalProto: 1 name, 2 elem_type, 3 tensor_value, 5 sequence_value.
void optional(std::string_view message, NamedDatum& result) {
  Reader reader{message};
  result.datum.present = false;
  std::string ignored;
  NamedDatum inner;
  for (Field f; reader.next(f);) {
    if (f.number == 1) result.name = f.bytes;
    if (f.number == 3 && result.datum.kind == ValueKind::optional) {
      result.datum.tensor = tensor(f.bytes, ignored);
      result.datum.element = result.datum.tensor.type;
      result.datum.present = true;
    } else if (f.number == 5 && result.datum.kind == ValueKind::optional_sequence) {
      sequence(f.bytes, inner);
      result.datum.elements = std::move(inner.datum.elements);
      result.datum.element = inner.datum.element;
      result.datum.present = true;
    } else if (f.number > 2) {
      bad("an optional of something other than what the model declares");
    }
  }
}

}  // namespace

NamedDatum read_proto_file(const std::string& path, ValueKind kind) {
  const Bytes file = map_file(path);
  const std::string_view message(reinterpret_cast<const char*>(file.data), file.size);
  NamedDatum result;
  result.datum.kind = kind;
  if (kind == ValueKind::sequence) {
    sequence(message, result);
  } else if (kind == ValueKind::tensor) {
    result.datum = Datum(tensor(message, result.name));
  } else {
    optional(message, result);
  }
  return result;
}

}  // namespace lathe::golden
