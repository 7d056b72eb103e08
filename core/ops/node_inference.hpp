// Checks one node against its operator's signature and infers its outputs, from whatever is known of its inputs. infer_types runs it
// over a graph; the reference engine runs it before each kernel, when shapes and small inputs are all known.
#pragma once
#include <optional>
#include <vector>

#include "core/ops/operator.hpp"

namespace lathe {

struct InputFacts {
  const ValueType* type = nullptr;   // nullptr: the input is absent
  const Tensor* constant = nullptr;  // its elements, when all are known
  const Shape* elements = nullptr;   // integers known one by one
};

struct OutputFacts {
  ValueType type;
  std::optional<Shape> elements;
};

// One entry per output of the node. Throws Error with one Diagnostic that names the node and its operator.
std::vector<OutputFacts> infer_node(const Operator& op, const Node& node, const std::vector<InputFacts>& inputs);

// The elements of a small integer or boolean tensor, as shape arithmetic sees them.
std::optional<Shape> elements_of(const Tensor& tensor);

// The tensor of a Constant node; throws Error when the node has no valid value.
Tensor constant_of(const Node& node);

}  // namespace lathe
