// The table behind shape_functions.hpp, from the lists of kernels.
#include "core/ops/shape_functions.hpp"

#include <string>
#include <unordered_map>

#include "core/ops/added_operators.hpp"
#include "lathe/kernels/all.hpp"

namespace lathe {

ShapeRule shape_rule(std::string_view domain, std::string_view name) {
  using namespace kernels;
  static const std::unordered_map<std::string, ShapeFunction> table = {
#define LATHE_ROW(domain, name, kernel, shape_function) {domain ":" #name, shape_function},
      LATHE_KERNELS(LATHE_ROW)
#undef LATHE_ROW
  };
  const auto found = table.find(std::string(domain) + ":" + std::string(name));
  if (found == table.end()) {
    const std::shared_ptr<const AddedOperator> brought = find_added_operator(domain, name);
    return brought ? ShapeRule{brought->shape == nullptr, brought->shape} : ShapeRule{};
  }
  return {found->second == nullptr, found->second};
}

}  // namespace lathe
