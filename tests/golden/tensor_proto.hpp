// Reads ONNX's TensorProto files (.pb), for test data only: the few fields that the standard's node tests use.
#pragma once
#include <optional>
#include <string>

#include "core/ir/tensor.hpp"

namespace lathe::golden {

struct NamedProto {
  std::string name;
  Tensor tensor;
};
// nullopt: a type that this reader does not know (strings, sequences, sub-byte types).
std::optional<NamedProto> read_tensor_proto(const std::string& path);

}  // namespace lathe::golden
