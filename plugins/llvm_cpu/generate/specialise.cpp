// Inlining from the outside in; see specialise.hpp.
#include "generate/specialise.hpp"

#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/PassManager.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Transforms/IPO/GlobalDCE.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/GVN.h>
#include <llvm/Transforms/Scalar/SCCP.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>
#include <llvm/Transforms/Utils/Cloning.h>

#include <vector>

namespace lathe::llvm_cpu {
namespace {

constexpr int most_levels = 12;
constexpr unsigned most_instructions = 20000;  // beyond, the rest is left to the ordinary inliner

std::vector<llvm::CallInst*> inlinable_calls(llvm::Function& function) {
  std::vector<llvm::CallInst*> calls;
  for (llvm::Instruction& instruction : llvm::instructions(function)) {
    auto* call = llvm::dyn_cast<llvm::CallInst>(&instruction);
    const llvm::Function* callee = call ? call->getCalledFunction() : nullptr;
    if (callee && callee != &function && !callee->isDeclaration()) calls.push_back(call);
  }
  return calls;
}

}  // namespace

void specialise(llvm::Function& wrapper, llvm::TargetMachine& target) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&target);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  llvm::FunctionPassManager fold;
  fold.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  fold.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/true));
  fold.addPass(llvm::SCCPPass());
  fold.addPass(llvm::InstCombinePass());
  fold.addPass(llvm::SimplifyCFGPass());
  fold.addPass(llvm::GVNPass());
  fold.addPass(llvm::SimplifyCFGPass());

  for (int level = 0; level < most_levels && wrapper.getInstructionCount() < most_instructions; ++level) {
    const std::vector<llvm::CallInst*> calls = inlinable_calls(wrapper);
    if (calls.empty()) break;
    for (llvm::CallInst* call : calls) {
      llvm::InlineFunctionInfo info;
      llvm::InlineFunction(*call, info);
    }
    functions.invalidate(wrapper, llvm::PreservedAnalyses::none());
    functions.invalidate(wrapper, fold.run(wrapper, functions));
  }
  llvm::ModulePassManager sweep;
  sweep.addPass(llvm::GlobalDCEPass());
  sweep.run(*wrapper.getParent(), modules);
}

}  // namespace lathe::llvm_cpu
