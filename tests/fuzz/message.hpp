// Writes ONNX models byte by byte in protobuf's wire format, so that tests can write what no library would: see onnx.proto for the field
// numbers. Two shapes of mistake are kept apart here: a Message is always well-formed protobuf; what it says need not make sense.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::fuzz {

class Message {
 public:
  Message& integer(uint32_t field, int64_t value) {
    varint(field << 3);
    varint(static_cast<uint64_t>(value));
    return *this;
  }
  Message& real(uint32_t field, float value) {
    varint(field << 3 | 5);
    append(&value, sizeof value);
    return *this;
  }
  Message& text(uint32_t field, std::string_view bytes) {
    varint(field << 3 | 2);
    varint(bytes.size());
    bytes_.append(bytes);
    return *this;
  }
  Message& message(uint32_t field, const Message& inner) { return text(field, inner.bytes_); }
  template <class T>
  Message& packed(uint32_t field, const std::vector<T>& values) {  // fixed-size elements
    return text(field, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  void append(const void* data, size_t size) { bytes_.append(static_cast<const char*>(data), size); }
  std::string bytes_;
};

// TensorProto with raw data.
template <class T>
Message tensor(std::string_view name, int64_t type, const std::vector<int64_t>& dimensions, const std::vector<T>& elements) {
  Message m;
  for (const int64_t d : dimensions) m.integer(1, d);
  m.integer(2, type).text(8, name).packed(9, elements);
  return m;
}

// ValueInfoProto of a tensor. A negative dimension becomes the symbol "N".
inline Message value(std::string_view name, int64_t type, const std::vector<int64_t>& dimensions) {
  Message shape;
  for (const int64_t d : dimensions) shape.message(1, d < 0 ? Message().text(2, "N") : Message().integer(1, d));
  return Message().text(1, name).message(2, Message().message(1, Message().integer(1, type).message(2, shape)));
}

// AttributeProtos.
inline Message attribute(std::string_view name, int64_t value) { return Message().text(1, name).integer(3, value).integer(20, 2); }
inline Message attribute(std::string_view name, const std::vector<int64_t>& values) {
  Message m;
  m.text(1, name);
  for (const int64_t v : values) m.integer(8, v);
  return m.integer(20, 7);
}
inline Message graph_attribute(std::string_view name, const Message& graph) { return Message().text(1, name).message(6, graph).integer(20, 5); }
inline Message tensor_attribute(std::string_view name, const Message& tensor) { return Message().text(1, name).message(5, tensor).integer(20, 4); }

inline Message node(std::string_view op_type, const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                    const std::vector<Message>& attributes = {}, std::string_view name = {}) {
  Message m;
  for (const std::string& input : inputs) m.text(1, input);
  for (const std::string& output : outputs) m.text(2, output);
  if (!name.empty()) m.text(3, name);
  m.text(4, op_type);
  for (const Message& a : attributes) m.message(5, a);
  return m;
}

// What a GraphProto is put together from.
struct GraphParts {
  std::vector<Message> nodes, initializers, inputs, outputs;
  operator Message() const {
    Message m;
    for (const Message& n : nodes) m.message(1, n);
    m.text(2, "g");
    for (const Message& t : initializers) m.message(5, t);
    for (const Message& v : inputs) m.message(11, v);
    for (const Message& v : outputs) m.message(12, v);
    return m;
  }
};

// ModelProto. `functions` are FunctionProtos.
inline Message model(const Message& graph, int64_t opset = 17, int64_t ir_version = 8, const std::vector<Message>& functions = {}) {
  Message m;
  m.integer(1, ir_version).text(2, "fuzz").message(7, graph).message(8, Message().text(1, "").integer(2, opset));
  if (!functions.empty()) m.message(8, Message().text(1, "local").integer(2, 1));
  m.message(14, Message().text(1, "names").text(2, "{0: 'cat'}"));
  for (const Message& f : functions) m.message(25, f);
  return m;
}

}  // namespace lathe::fuzz
