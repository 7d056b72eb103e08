// TargetMachine and function attributes for a Machine. Code may use the features that Machine lists and no others, whatever the named
// processor has besides: that is what makes the list in the artifact complete. The processor's name steers scheduling ("tune-cpu").
#include "generate/target_machine.hpp"

#include <llvm/IR/Module.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/CodeGen.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Target/TargetOptions.h>

#include <mutex>
#include <stdexcept>

#include "target.hpp"

namespace lathe::llvm_cpu {

void initialize_targets() {
  static std::once_flag once;
  std::call_once(once, [] {
#define LATHE_INITIALIZE(target)        \
  LLVMInitialize##target##TargetInfo(); \
  LLVMInitialize##target##Target();     \
  LLVMInitialize##target##TargetMC();   \
  LLVMInitialize##target##AsmPrinter(); \
  LLVMInitialize##target##AsmParser()
    LATHE_INITIALIZE(X86);
    LATHE_INITIALIZE(AArch64);
    LATHE_INITIALIZE(RISCV);
#undef LATHE_INITIALIZE
  });
}

std::unique_ptr<llvm::TargetMachine> make_target_machine(const Machine& machine, int level) {
  initialize_targets();
  std::string error;
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(machine.triple, error);
  if (!target) throw std::runtime_error("this LLVM does not know the triple '" + machine.triple + "': " + error);
  const Family& family = family_of(machine);
  llvm::TargetOptions options;
  options.MCOptions.ABIName = family.abi;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      machine.triple, family.code_cpu, machine.features, options, llvm::Reloc::PIC_, llvm::CodeModel::Small, *llvm::CodeGenOpt::getLevel(level - 1)));
}

void prepare_module(llvm::Module& module, const Machine& machine, const llvm::TargetMachine& target) {
  module.setTargetTriple(machine.triple);
  module.setDataLayout(target.createDataLayout());
  if (module.getPICLevel() == llvm::PICLevel::NotPIC) module.setPICLevel(llvm::PICLevel::BigPIC);
  const std::string abi = family_of(machine).abi;
  if (!abi.empty()) module.setModuleFlag(llvm::Module::Error, "target-abi", llvm::MDString::get(module.getContext(), abi));
}

void apply_target_attributes(llvm::Module& module, const Machine& machine) {
  for (llvm::Function& function : module) {
    for (const char* name : {"target-cpu", "target-features", "tune-cpu", "frame-pointer", "stack-protector-buffer-size", "min-legal-vector-width",
                             "prefer-vector-width"})
      function.removeFnAttr(name);
    if (function.isDeclaration()) continue;
    function.addFnAttr("target-cpu", family_of(machine).code_cpu);
    function.addFnAttr("target-features", machine.features);
    function.addFnAttr("tune-cpu", machine.cpu);
    if (machine.vector_floats == 16) function.addFnAttr("prefer-vector-width", "512");
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

}  // namespace lathe::llvm_cpu
