// Protobuf's wire format, as far as fields beyond libonnx's messages and the depth of a damaged file ask for it.
#include "messages.hpp"

#include <algorithm>

namespace lathe::onnx_plugin {

std::optional<uint64_t> WireReader::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

std::optional<WireField> WireReader::fail() {
  malformed_ = true;
  rest_ = {};
  return std::nullopt;
}

std::optional<WireField> WireReader::next() {
  if (rest_.empty()) return std::nullopt;
  const auto tag = varint();
  if (!tag || (*tag >> 3) == 0 || (*tag >> 3) > 0x1fffffff) return fail();
  WireField field;
  field.number = static_cast<uint32_t>(*tag >> 3);
  field.type = static_cast<uint32_t>(*tag & 7);
  uint64_t size = 0;
  if (field.type == 0) {
    const auto value = varint();
    if (!value) return fail();
    field.integer = *value;
  } else if (field.type == 1 || field.type == 5) {
    size = field.type == 1 ? 8 : 4;
  } else if (field.type == 2) {
    const auto length = varint();
    if (!length) return fail();
    size = *length;
  } else {
    return fail();
  }
  if (size > rest_.size()) return fail();
  field.bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return field;
}

std::vector<std::string_view> later_fields(const google::protobuf::UnknownFieldSet& unknown, uint32_t number) {
  std::vector<std::string_view> found;
  for (int i = 0; i < unknown.field_count(); ++i) {
    const google::protobuf::UnknownField& field = unknown.field(i);
    if (field.number() == static_cast<int>(number) && field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED)
      found.push_back(field.length_delimited());
  }
  return found;
}

std::string later_text(const google::protobuf::UnknownFieldSet& unknown, uint32_t number) {
  const auto found = later_fields(unknown, number);
  return found.empty() ? std::string() : std::string(found.back());
}

namespace {

int graph_depth(std::string_view graph, int limit);

int node_depth(std::string_view node, int limit) {
  int depth = 0;
  WireReader attributes(node);
  while (const auto attribute = attributes.next()) {
    if (attribute->number != 5 || attribute->type != 2) continue;
    WireReader fields(attribute->bytes);
    while (const auto field = fields.next())
      if ((field->number == 6 || field->number == 11) && field->type == 2) depth = std::max(depth, 1 + graph_depth(field->bytes, limit - 1));
  }
  return depth;
}

int graph_depth(std::string_view graph, int limit) {
  if (limit <= 0) return 0;
  int depth = 0;
  WireReader nodes(graph);
  while (const auto node = nodes.next())
    if (node->number == 1 && node->type == 2) depth = std::max(depth, node_depth(node->bytes, limit));
  return depth;
}

}  // namespace

int nesting_depth(std::string_view model, int limit) {
  int depth = 0;
  WireReader reader(model);
  while (const auto field = reader.next()) {
    if (field->type != 2) continue;
    if (field->number == 7) depth = std::max(depth, graph_depth(field->bytes, limit));
    if (field->number != 25) continue;
    WireReader nodes(field->bytes);
    while (const auto node = nodes.next())
      if (node->number == 7 && node->type == 2) depth = std::max(depth, node_depth(node->bytes, limit));
  }
  return depth;
}

}  // namespace lathe::onnx_plugin
