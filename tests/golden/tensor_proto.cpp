// See tensor_proto.hpp. Field numbers: onnx.proto, message TensorProto.
#include "tensor_proto.hpp"

#include <cstring>

#include "core/base/mapped_file.hpp"

namespace lathe::golden {
namespace {

struct Reader {
  const uint8_t* at;
  const uint8_t* end;

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; at < end; shift += 7) {
      const uint8_t byte = *at++;
      value |= uint64_t(byte & 0x7f) << shift;
      if (!(byte & 0x80)) break;
    }
    return value;
  }
  Reader bytes() {
    const uint64_t size = varint();
    Reader inner{at, at + size};
    at += size;
    return inner;
  }
};

template <class T>
void put(std::vector<std::byte>& to, T value) {
  const size_t size = to.size();
  to.resize(size + sizeof(T));
  std::memcpy(to.data() + size, &value, sizeof(T));
}

// An element of int32_data, in the tensor's own width.
void put_integer(std::vector<std::byte>& to, DataType type, int64_t value) {
  switch (bits(type)) {
    case 8:
      return put(to, int8_t(value));
    case 16:
      return put(to, int16_t(value));
    case 32:
      return put(to, int32_t(value));
    default:
      return put(to, value);
  }
}

}  // namespace

std::optional<NamedProto> read_tensor_proto(const std::string& path) {
  const Bytes file = map_file(path);
  const uint8_t* data = reinterpret_cast<const uint8_t*>(file.data);
  Reader r{data, data + file.size};
  NamedProto result;
  std::vector<int64_t> dimensions;
  std::vector<std::byte> raw;
  DataType type = DataType::none;
  while (r.at < r.end) {
    const uint64_t tag = r.varint(), field = tag >> 3, wire = tag & 7;
    if (wire == 0) {
      const uint64_t value = r.varint();
      if (field == 1)
        dimensions.push_back(int64_t(value));
      else if (field == 2)
        type = DataType(value);
      else if (field == 5 || field == 7 || field == 11)
        put_integer(raw, type, int64_t(value));
    } else if (wire == 5) {
      float value;
      std::memcpy(&value, r.at, 4);
      r.at += 4;
      if (field == 4) put(raw, value);
    } else if (wire == 1) {
      double value;
      std::memcpy(&value, r.at, 8);
      r.at += 8;
      if (field == 10) put(raw, value);
    } else if (wire == 2) {
      Reader inner = r.bytes();
      if (field == 8)
        result.name.assign(inner.at, inner.end);
      else if (field == 9 || field == 4 || field == 10)
        raw.insert(raw.end(), reinterpret_cast<const std::byte*>(inner.at), reinterpret_cast<const std::byte*>(inner.end));
      else if (field == 6)
        return std::nullopt;
      while (field == 1 && inner.at < inner.end) dimensions.push_back(int64_t(inner.varint()));
      while ((field == 5 || field == 7 || field == 11) && inner.at < inner.end) put_integer(raw, type, int64_t(inner.varint()));
    } else {
      return std::nullopt;
    }
  }
  if (type == DataType::none || type == DataType::string || bits(type) < 8) return std::nullopt;
  result.tensor = Tensor::allocate(type, dimensions);
  if (result.tensor.bytes.size != raw.size()) return std::nullopt;
  std::copy(raw.begin(), raw.end(), result.tensor.as_mutable<std::byte>().begin());
  return result;
}

}  // namespace lathe::golden
