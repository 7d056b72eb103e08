// Optimisation pipelines and code emission for one module.
#include "generate/compile.hpp"

#include <llvm/Analysis/CGSCCPassManager.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Operator.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>

#include <stdexcept>

namespace lathe::llvm_cpu {

void check_module(const llvm::Module& module) {
  std::string broken;
  llvm::raw_string_ostream text(broken);
  if (llvm::verifyModule(module, &text)) throw std::runtime_error("a generated module is broken: " + text.str().substr(0, 2000));
}

void optimise_bitcode(llvm::Module& module, llvm::TargetMachine& target, int level) {
  llvm::PipelineTuningOptions tuning;
  tuning.SLPVectorization = false;  // slow, and nothing here is straight-line scalar code
  llvm::PassBuilder builder(&target, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(level == 1 ? llvm::OptimizationLevel::O1 : llvm::OptimizationLevel::O2).run(module, modules);
}

std::vector<char> generate_code(llvm::Module& module, llvm::TargetMachine& target, CodeForm form) {
  llvm::SmallVector<char, 0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  if (form == CodeForm::llvm_ir) {
    module.print(stream, nullptr);
  } else {
    llvm::legacy::PassManager passes;
    const auto type = form == CodeForm::object ? llvm::CodeGenFileType::ObjectFile : llvm::CodeGenFileType::AssemblyFile;
    if (target.addPassesToEmitFile(passes, stream, nullptr, type, /*DisableVerify=*/true))
      throw std::runtime_error("this LLVM cannot write object code for " + module.getTargetTriple());
    passes.run(module);
  }
  return {buffer.begin(), buffer.end()};
}

void relax_arithmetic(llvm::Module& module) {
  llvm::FastMathFlags flags;
  flags.setAllowReassoc();
  flags.setAllowContract();
  flags.setAllowReciprocal();
  flags.setApproxFunc();
  flags.setNoSignedZeros();
  for (llvm::Function& function : module)
    for (llvm::Instruction& instruction : llvm::instructions(function))
      if (llvm::isa<llvm::FPMathOperator>(instruction)) instruction.setFastMathFlags(instruction.getFastMathFlags() | flags);
}

}  // namespace lathe::llvm_cpu
