// Emitters: one file per kernel family, each of which writes one LLVM function for one kernel of plan/program.hpp.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "machine.hpp"
#include "plan/program.hpp"

namespace llvm {
class Function;
class Module;
}  // namespace llvm

namespace lathe::llvm_cpu {

// void body(void** arguments, uint32_t task, uint32_t worker): the signature of lathe_artifact_threads' tasks. `arguments` are the
// step's buffers in the order that program.hpp gives for the kernel, then the scratch memory's base when worker_scratch_bytes is not 0.
struct EmittedKernel {
  llvm::Function* body = nullptr;
  uint32_t tasks = 1;                 // the work is cut into that many; any order, in parallel
  uint64_t worker_scratch_bytes = 0;  // per worker, 64-byte aligned
};

EmittedKernel emit(llvm::Module& module, const Machine& machine, const Convolution& kernel, const std::string& name);  // depthwise and grouped too
EmittedKernel emit(llvm::Module& module, const Machine& machine, const TransposedConvolution& kernel, const std::string& name);
EmittedKernel emit(llvm::Module& module, const Machine& machine, const MatrixProduct& kernel, const std::string& name);
EmittedKernel emit(llvm::Module& module, const Machine& machine, const Pooling& kernel, const std::string& name);
EmittedKernel emit(llvm::Module& module, const Machine& machine, const Upsampling& kernel, const std::string& name);
EmittedKernel emit(llvm::Module& module, const Machine& machine, const Elementwise& kernel, const std::string& name);
EmittedKernel emit(llvm::Module& module, const Machine& machine, const Softmax& kernel, const std::string& name);
EmittedKernel emit(llvm::Module& module, const Machine& machine, const Reorder& kernel, const std::string& name);

}  // namespace lathe::llvm_cpu
