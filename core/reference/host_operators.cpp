// See host_operators.hpp.
#include "core/reference/host_operators.hpp"

#include "core/ops/node_inference.hpp"

namespace lathe {
namespace {

Tensor constant(const Node& node, std::span<const Tensor* const>) { return constant_of(node); }

}  // namespace

HostOperator host_operator(std::string_view domain, std::string_view name) {
  if (!domain.empty()) return nullptr;
  if (name == "Constant") return constant;
  return nullptr;
}

}  // namespace lathe
