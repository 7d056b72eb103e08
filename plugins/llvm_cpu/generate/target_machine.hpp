// LLVM's side of a Machine: registration of targets, TargetMachine, attributes of functions, modules with the right layout.
#pragma once
#include <memory>
#include <string>

#include "machine.hpp"

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
}  // namespace llvm

namespace lathe::llvm_cpu {

// Registers the code generators of all families, once.
void initialize_targets();

std::unique_ptr<llvm::TargetMachine> make_target_machine(const Machine& machine, int level);

// Sets triple, data layout and the flags that position-independent code wants.
void prepare_module(llvm::Module& module, const Machine& machine, const llvm::TargetMachine& target);

// Gives every defined function the machine's processor and features, whatever it was compiled with before.
void apply_target_attributes(llvm::Module& module, const Machine& machine);

}  // namespace lathe::llvm_cpu
