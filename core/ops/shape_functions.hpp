// The freestanding shape functions of the operators (sdk/kernels), by name: what a shape is once the inputs are there.
#pragma once
#include <string_view>

#include "lathe/kernels/kernel.hpp"

namespace lathe {

struct ShapeRule {
  bool by_kernel = false;                     // what the kernel computes decides; it gives its outputs their shapes itself
  kernels::ShapeFunction function = nullptr;  // else this does; nullptr: the operator has no kernel
};
ShapeRule shape_rule(std::string_view domain, std::string_view name);

}  // namespace lathe
