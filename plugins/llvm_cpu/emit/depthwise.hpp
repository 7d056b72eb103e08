// Depthwise convolution in the blocked layout: one channel per group, a vector holds one block of channels.
#pragma once
#include "emit/emit.hpp"
#include "plan/schedule.hpp"

namespace lathe::llvm_cpu {

EmittedKernel emit_depthwise(llvm::Module& module, const Machine& machine, const Convolution& kernel, const ConvolutionSchedule& schedule,
                             const std::string& name);

}  // namespace lathe::llvm_cpu
