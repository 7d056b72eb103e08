// Asking a backend about operators without a model: a small typical graph for each operator is shown to its claim().
#pragma once
#include <span>
#include <string>
#include <vector>

#include "core/job/backend.hpp"
#include "core/ops/operator.hpp"

namespace lathe {

struct OperatorProbe {
  enum class Answer { taken, refused, unknown } answer = Answer::unknown;  // unknown: no typical graph could be made
  std::string reason;                                                      // of refused
};

// A small graph with a typical use of the operator. Its inputs may not suit an operator whose signature does not tell what they are.
Graph typical_graph(const Operator& op);

// One per element of `list`, in that order.
std::vector<OperatorProbe> probe_operators(Backend& backend, const std::string& target, std::span<const Operator* const> list);

}  // namespace lathe
