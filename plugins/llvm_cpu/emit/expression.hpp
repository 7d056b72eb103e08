// An Expression of plan/program.hpp on vectors: epilogues and elementwise kernels.
#pragma once
#include "emit/builder.hpp"
#include "plan/program.hpp"

namespace lathe::llvm_cpu {

// `operands`: one vector of floats per operand, all of one width. Yields the result.
llvm::Value* emit_expression(Builder& b, const Expression& expression, const Values& operands);

// Worth a loop of its own instead of one copy per accumulator.
bool is_long(const Expression& expression);

}  // namespace lathe::llvm_cpu
