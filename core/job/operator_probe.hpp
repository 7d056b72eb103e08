// Asking a backend about operators without a model: a small typical graph for each operator is shown to its claim().
#pragma once
#include <string>
#include <vector>

#include "core/job/backend.hpp"

namespace lathe {

struct OperatorProbe {
  enum class Answer { taken, refused, unknown } answer = Answer::unknown;  // unknown: no typical graph could be made
  std::string reason;                                                      // of refused
};

// One per element of operators(), in that order.
std::vector<OperatorProbe> probe_operators(Backend& backend, const std::string& target);

}  // namespace lathe
