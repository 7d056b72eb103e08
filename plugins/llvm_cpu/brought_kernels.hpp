// Kernels of operators that other plugins brought (operators/1), as bitcode that lies beside those plugins.
#pragma once
#include <lathe/operators.h>

#include <lathe/plugin.hpp>
#include <string>

#include "machine.hpp"

namespace lathe::llvm_cpu {

// The bitcode file with the operator's kernel for that processor family; "" when no plugin brought one, or not for that family.
std::string brought_bitcode(const sdk::Host& host, std::string_view domain, std::string_view op_type, const Machine& machine);

}  // namespace lathe::llvm_cpu
