// The types of ONNX's values (onnx.proto, message TypeProto).
#include "types.hpp"

#include "problems.hpp"
#include "tensors.hpp"

namespace lathe::onnx_plugin {
namespace {

std::optional<sdk::Shape> shape_of(const onnx::TypeProto_Tensor& tensor, std::string& problem) {
  if (!tensor.has_shape()) return std::nullopt;
  sdk::Shape shape;
  std::vector<int64_t> known;
  for (const onnx::TensorShapeProto_Dimension& d : tensor.shape().dim()) {
    if (d.has_dim_value() && d.dim_value() >= 0) {
      shape.emplace_back(d.dim_value());
      known.push_back(d.dim_value());
    } else if (d.has_dim_value() && d.dim_value() < -1) {
      problem = "its shape has the dimension " + std::to_string(d.dim_value());
    } else if (d.has_dim_param() && !is_utf8(d.dim_param())) {
      problem = "its shape has a dimension whose name is no UTF-8: " + quoted(d.dim_param());
    } else {
      shape.emplace_back(d.has_dim_param() ? d.dim_param() : std::string());
    }
  }
  const auto elements = element_count(known);
  if (!elements || (element_bits(tensor.elem_type()) && !packed_size(tensor.elem_type(), *elements)))
    problem = "its shape has more elements than can be counted";
  return shape;
}

// Sequences and optionals within one another nest as deep as the parser lets them.
const onnx::TypeProto* inside(const onnx::TypeProto& type) {
  if (type.has_sequence_type()) return &type.sequence_type().elem_type();
  if (type.has_optional_type()) return &type.optional_type().elem_type();
  return nullptr;
}

}  // namespace

ValueType value_type(const onnx::TypeProto& type, std::string& problem) {
  ValueType result;
  const onnx::TypeProto* tensor = &type;
  if (type.has_optional_type()) {
    tensor = inside(*tensor);
    result.kind = LATHE_KIND_OPTIONAL;
  }
  if (tensor->has_sequence_type()) {
    tensor = inside(*tensor);
    result.kind = result.kind == LATHE_KIND_OPTIONAL ? LATHE_KIND_OPTIONAL_SEQUENCE : LATHE_KIND_SEQUENCE;
  }
  if (tensor->value_case() == onnx::TypeProto::VALUE_NOT_SET) return result;
  if (!tensor->has_tensor_type()) {
    problem = "its type is " + type_text(type) + ", and Lathe has tensors, sequences and optionals of tensors only";
    return result;
  }
  result.element = tensor->tensor_type().elem_type();
  if (result.element < 0 || (result.element != 0 && result.element != LATHE_STRING && element_bits(result.element) == 0)) {
    problem = "its element type has the number " + std::to_string(result.element) + ", which is no data type of ONNX";
    result.element = 0;
  }
  result.shape = shape_of(tensor->tensor_type(), problem);
  return result;
}

std::string type_text(const onnx::TypeProto& type) {
  switch (type.value_case()) {
    case onnx::TypeProto::kTensorType:
      return "tensor(" + type_name(type.tensor_type().elem_type()) + ")";
    case onnx::TypeProto::kSequenceType:
      return "seq(" + type_text(type.sequence_type().elem_type()) + ")";
    case onnx::TypeProto::kOptionalType:
      return "optional(" + type_text(type.optional_type().elem_type()) + ")";
    case onnx::TypeProto::kSparseTensorType:
      return "sparse_tensor(" + type_name(type.sparse_tensor_type().elem_type()) + ")";
    case onnx::TypeProto::kMapType:
      return "map(" + type_name(type.map_type().key_type()) + "," + type_text(type.map_type().value_type()) + ")";
    default:
      return "undefined";
  }
}

bool parse_type(std::string_view text, onnx::TypeProto& type) {
  // "word(rest)" -> rest
  auto within = [&](std::string_view word) -> std::optional<std::string_view> {
    if (text.size() < word.size() + 2 || text.substr(0, word.size()) != word || text[word.size()] != '(' || text.back() != ')') return std::nullopt;
    return text.substr(word.size() + 1, text.size() - word.size() - 2);
  };
  if (const auto element = within("seq")) return parse_type(*element, *type.mutable_sequence_type()->mutable_elem_type());
  if (const auto element = within("optional")) return parse_type(*element, *type.mutable_optional_type()->mutable_elem_type());
  const auto element = within("tensor");
  if (!element) return false;
  for (int32_t number = LATHE_FLOAT32; number <= LATHE_INT2; ++number) {
    if (type_name(number) != *element) continue;
    type.mutable_tensor_type()->set_elem_type(number);
    return true;
  }
  return false;
}

}  // namespace lathe::onnx_plugin
