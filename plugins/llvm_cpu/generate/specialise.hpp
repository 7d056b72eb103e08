// Specialising a bitcode kernel for one node, from the outside in.
#pragma once

namespace llvm {
class Function;
class TargetMachine;
}  // namespace llvm

namespace lathe::llvm_cpu {

// Inlines what `wrapper` calls, level by level, and folds after each level: types and shapes are constants in the wrapper, so of a
// dispatch over all types one branch is left before the next level is looked at. (The usual order, from the inside out, would
// optimise every branch first and drop it afterwards.) What is no longer reached is removed from the module.
void specialise(llvm::Function& wrapper, llvm::TargetMachine& target);

}  // namespace lathe::llvm_cpu
