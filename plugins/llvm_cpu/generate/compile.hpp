// One LLVM module through the optimiser and the code generator.
#pragma once
#include <vector>

#include "generate/generate.hpp"

namespace llvm {
class Module;
class TargetMachine;
}  // namespace llvm

namespace lathe::llvm_cpu {

// The full pipeline for modules of bitcode, which are plain loops still: inlining, specialising, vectorising. Emitted modules have a
// pipeline of their own (emit/optimise.hpp). Level 1 takes what LLVM calls O1, the others O2.
void optimise_bitcode(llvm::Module& module, llvm::TargetMachine& target, int level);

// Throws std::runtime_error with what is wrong in the module.
void check_module(const llvm::Module& module);

// Object code, assembly or the module's own text.
std::vector<char> generate_code(llvm::Module& module, llvm::TargetMachine& target, CodeForm form);

// Lets every floating-point instruction be reordered and approximated; not-a-number and infinity keep their meaning.
void relax_arithmetic(llvm::Module& module);

}  // namespace lathe::llvm_cpu
