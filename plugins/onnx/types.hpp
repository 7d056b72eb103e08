// TypeProto -> kind, element type and shape.
#pragma once
#include <lathe/plugin.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "messages.hpp"

namespace lathe::onnx_plugin {

struct ValueType {
  int32_t kind = LATHE_KIND_TENSOR;
  int32_t element = 0;              // 0: not known
  std::optional<sdk::Shape> shape;  // of a sequence or optional: of what is in it
};

// What the boundary can say of it. `problem` is set to a sentence when the type is broken or of a kind that Lathe has none for (maps,
// sparse tensors). A dimension of -1 is an old spelling of "not known".
ValueType value_type(const onnx::TypeProto& type, std::string& problem);

// "tensor(float)", "seq(tensor(int64))", "optional(tensor(float))": ONNX's own spelling, for attributes that hold a type.
std::string type_text(const onnx::TypeProto& type);
// The reverse, for tensors, sequences and optionals; false when the text is none of these.
bool parse_type(std::string_view text, onnx::TypeProto& type);

}  // namespace lathe::onnx_plugin
