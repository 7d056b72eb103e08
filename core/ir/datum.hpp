// What a value holds while a model runs: a tensor, a sequence of tensors, or an optional of either.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/ir/graph.hpp"

namespace lathe {

struct Datum {
  ValueKind kind = ValueKind::tensor;
  bool present = true;                // false: an empty optional
  Tensor tensor;                      // of a tensor, and of an optional of a tensor that is present
  std::vector<Tensor> elements;       // of a sequence, and of an optional of a sequence that is present
  DataType element = DataType::none;  // the element type that the value was declared with, for empty sequences and optionals

  Datum() = default;
  Datum(Tensor t) : tensor(std::move(t)), element(tensor.type) {}  // NOLINT: a tensor is a datum

  bool is_tensor() const { return kind == ValueKind::tensor; }
  bool is_sequence() const { return kind == ValueKind::sequence || kind == ValueKind::optional_sequence; }
  bool is_optional() const { return kind == ValueKind::optional || kind == ValueKind::optional_sequence; }
};

using NamedData = std::map<std::string, Datum>;  // by the names of a model's inputs or outputs

}  // namespace lathe
