// Writes HEF files for tests, in every version of the header: the same messages the reader knows, from the other side.
#pragma once
#include <cstring>
#include <string>
#include <string_view>

#include "../hef/header.hpp"

namespace lathe::hailo::test {

// A message of Protocol Buffers under construction.
class Message {
 public:
  Message& number(uint32_t field, uint64_t value) { return tag(field, 0), varint(value), *this; }
  Message& text(uint32_t field, std::string_view value) {
    tag(field, 2), varint(value.size()), bytes.append(value);
    return *this;
  }
  Message& message(uint32_t field, const Message& value) { return text(field, value.bytes); }
  Message& real32(uint32_t field, float value) { return tag(field, 5), raw(value), *this; }
  Message& real64(uint32_t field, double value) { return tag(field, 1), raw(value), *this; }
  std::string bytes;

 private:
  void tag(uint32_t field, uint32_t wire) { varint(uint64_t{field} << 3 | wire); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
    bytes += static_cast<char>(value);
  }
  template <class T>
  void raw(T value) {
    char text[sizeof value];
    std::memcpy(text, &value, sizeof value);
    bytes.append(text, sizeof value);
  }
};

// An edge layer; zeros are left out, as proto3 does.
inline Message edge(const char* name, bool input, uint64_t height, uint64_t width, uint64_t features, uint64_t connection = 0, float scale = 0.5f,
                    float zero_point = 3) {
  Message base, numeric, layer, info, edge;
  base.number(1, height).number(2, height).number(3, width).number(4, width).number(5, features).number(6, features).number(12, 1);
  numeric.real32(1, zero_point).real32(2, scale).real32(3, -1).real32(4, 1);
  layer.text(1, name).message(2, base).message(3, numeric).text(5, std::string("original/") + name);
  if (!input) edge.number(1, 1);
  edge.message(3, layer);
  if (connection) edge.message(5, info.number(3, connection));
  return edge;
}

inline std::string big_endian(uint64_t value, size_t size) {
  std::string bytes;
  for (size_t i = size; i-- > 0;) bytes += i < 8 ? static_cast<char>(value >> (8 * i)) : char();
  return bytes;
}

// The whole file. `configuration` stands for the chip's part, `additional` for version 3's last one.
inline std::string hef_file(uint32_t version, const std::string& description, const std::string& configuration = "ccws",
                            const std::string& additional = "") {
  const std::string behind = description + (version ? configuration : "") + additional;
  std::string head = std::string("\x01HEF", 4) + big_endian(version, 4) + big_endian(description.size(), 4);
  const std::string sum = checksum_of(version, behind);
  if (version == 0) head += big_endian(0, 4) + sum;
  if (version == 1) head += sum + big_endian(configuration.size(), 8) + big_endian(0, 4);
  if (version == 2) head += sum + big_endian(configuration.size(), 8) + big_endian(0, 16);
  if (version == 3) head += sum + big_endian(configuration.size(), 8) + big_endian(0, 4) + big_endian(additional.size(), 8) + big_endian(0, 16);
  return head + behind;
}

// What a compile of a detector with NMS by HailoRT for a HAILO8L leaves: operations, a partition, two contexts.
inline std::string detector_description() {
  Message header, context, last, core, partition, metadata, yolo, nms, op, nms_op, group, hef, flow, optional;
  header.number(1, 3).number(2, 1700000000000ull).text(3, "3.31.0");
  Message first_metadata, last_metadata;
  first_metadata.message(2, edge("net/input_layer1", true, 640, 640, 3)).message(2, edge("net/between", false, 20, 20, 64, 1));
  last_metadata.message(2, edge("net/between", true, 20, 20, 64, 1))
      .message(2, edge("net/conv2", false, 80, 80, 80))
      .message(2, edge("net/conv1", false, 80, 80, 64));
  context.message(3, first_metadata), last.number(1, 1).message(3, last_metadata);
  metadata.text(1, "net").real64(4, 120.5);
  Message inner;
  inner.message(1, metadata).message(3, context).message(3, last).text(4, "net/conv1").text(4, "net/conv2");
  partition.message(1, inner);
  core.message(1, metadata).message(7, partition);
  nms.real64(1, 0.25).real64(2, 0.7).number(3, 100).number(4, 80).message(12, yolo);
  op.text(1, "core").message(4, core), nms_op.text(1, "nms").message(5, nms);
  group.message(8, op).message(8, nms_op).text(10, "net");
  hef.message(1, header).message(2, group).message(5, flow.number(1, 13)).message(5, Message().number(1, 27)).message(6, optional.number(1, 8));
  return hef.bytes;
}

}  // namespace lathe::hailo::test
