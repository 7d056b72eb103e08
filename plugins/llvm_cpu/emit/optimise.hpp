// The pass pipeline for modules made by the emitters and for specialised bitcode kernels.
#pragma once

namespace llvm {
class Module;
class TargetMachine;
}  // namespace llvm

namespace lathe::llvm_cpu {

// Emitted code arrives nearly final: promoting, folding and hoisting is what is left. Neither vectorisers nor unrollers run, since the
// emitters have chosen vectors and tiles already.
void optimise(llvm::Module& module, llvm::TargetMachine& machine);

}  // namespace lathe::llvm_cpu
