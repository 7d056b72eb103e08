// Elementary functions on vectors of 32-bit floats, inlined as polynomials. `x` is a vector of any width; the error bounds stand at each
// definition in math.cpp and are tested against the C library in double precision.
#pragma once
#include "emit/builder.hpp"

namespace lathe::llvm_cpu {

llvm::Value* emit_exp(Builder& b, llvm::Value* x);
llvm::Value* emit_log(Builder& b, llvm::Value* x);
llvm::Value* emit_sigmoid(Builder& b, llvm::Value* x);
llvm::Value* emit_silu(Builder& b, llvm::Value* x);  // x sigmoid(x)
llvm::Value* emit_tanh(Builder& b, llvm::Value* x);
llvm::Value* emit_erf(Builder& b, llvm::Value* x);
llvm::Value* emit_sin(Builder& b, llvm::Value* x);
llvm::Value* emit_cos(Builder& b, llvm::Value* x);
llvm::Value* emit_pow(Builder& b, llvm::Value* x, llvm::Value* y);

}  // namespace lathe::llvm_cpu
