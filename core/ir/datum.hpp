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
  static Datum sequence(DataType element, std::vector<Tensor> elements);
  static Datum absent(ValueKind kind, DataType element);  // an empty optional

  bool is_tensor() const { return kind == ValueKind::tensor; }
  bool is_sequence() const { return kind == ValueKind::sequence || kind == ValueKind::optional_sequence; }
  bool is_optional() const { return kind == ValueKind::optional || kind == ValueKind::optional_sequence; }
  bool operator==(const Datum&) const = default;
};

using NamedData = std::map<std::string, Datum>;  // by the names of a model's inputs or outputs

// Kind, element type and shape, for sentences: "float[2,3]"; sequences tell their number of elements: "a sequence of 2 float tensors".
std::string describe(const Datum& datum);

// The datum as a value of that type: a tensor or sequence where an optional is wanted becomes one, everything else stays as it is.
Datum converted(Datum datum, const ValueType& type);

// Whether a value of that type may hold it: kind, element type, rank and constant dimensions (of a sequence's every element).
bool fits(const Datum& datum, const ValueType& type);

}  // namespace lathe
