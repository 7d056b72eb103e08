// Which operators there is code for, how much working memory their kernels want, and which of them the driver of an artifact handles.
#pragma once
#include <cstdint>
#include <string_view>

#include "lathe/graph.h"
#include "plan/program.hpp"

namespace lathe::llvm_cpu {

// Whether sdk/kernels computes the operator.
bool has_kernel(std::string_view domain, std::string_view op_type);
// Whether its kernel gives its outputs their shapes.
bool kernel_decides_shapes(std::string_view domain, std::string_view op_type);

// Whether an artifact can run the operator: it has a kernel, or the driver computes it.
bool has_code(std::string_view domain, std::string_view op_type);
// What the driver does for it.
Action action_of(std::string_view domain, std::string_view op_type);
// Operators of which one function serves all shapes: their loops are blocked for any size, and specialising them costs much time.
bool runs_unspecialised(std::string_view domain, std::string_view op_type);

// Bytes for one call on this node, enough for any number of threads that is likely; 0: none.
uint64_t kernel_scratch(const Generic& kernel);

}  // namespace lathe::llvm_cpu
