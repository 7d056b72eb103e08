// ONNX's message classes as Debian's libonnx 1.12 (IR version 8) defines them, and a reader for what newer files hold beyond them.
//
// Two definitions of the same messages in one process abort, so nothing here defines any: fields that came after 1.12 are found among
// a message's unknown fields.
#pragma once
#ifndef ONNX_ML
#define ONNX_ML 1
#endif
#include <google/protobuf/unknown_field_set.h>
#include <onnx/onnx_pb.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::onnx_plugin {

// One field of a message in wire format (protobuf.dev/programming-guides/encoding).
struct WireField {
  uint32_t number = 0;
  uint32_t type = 0;       // 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes
  uint64_t integer = 0;    // of type 0
  std::string_view bytes;  // of type 2
};

// Walks the fields of one message; never reads outside `bytes`, and stops at the first field that is malformed or a group.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}
  std::optional<WireField> next();
  bool malformed() const { return malformed_; }

 private:
  std::optional<uint64_t> varint();
  std::optional<WireField> fail();
  std::string_view rest_;
  bool malformed_ = false;
};

// Fields by the numbers of onnx.proto 1.21.
inline constexpr uint32_t node_overload_field = 8;              // NodeProto.overload, IR version 10
inline constexpr uint32_t function_attribute_proto_field = 11;  // FunctionProto.attribute_proto, IR version 9
inline constexpr uint32_t function_overload_field = 13;         // FunctionProto.overload, IR version 10

// The length-delimited fields `number` among a message's unknown fields, in the file's order.
std::vector<std::string_view> later_fields(const google::protobuf::UnknownFieldSet& unknown, uint32_t number);
// The last of them; empty when absent.
std::string later_text(const google::protobuf::UnknownFieldSet& unknown, uint32_t number);

// How deep subgraphs nest in a serialised ModelProto: 0 for a plain graph; stops counting at `limit`.
int nesting_depth(std::string_view model, int limit);

}  // namespace lathe::onnx_plugin
