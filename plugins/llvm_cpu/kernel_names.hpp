// Which operators have a kernel in sdk/kernels, and how much working memory it wants.
#pragma once
#include <cstdint>
#include <string_view>

#include "plan/program.hpp"

namespace lathe::llvm_cpu {

bool has_kernel(std::string_view domain, std::string_view op_type);

// Bytes for one call on this node, enough for any number of threads that is likely; 0: none.
uint64_t kernel_scratch(const Generic& kernel);

}  // namespace lathe::llvm_cpu
