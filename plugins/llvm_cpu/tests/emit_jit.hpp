// Compiles one emitted kernel for this machine, or for a subset of its instructions, and calls it: for tests and benchmarks of the emitters.
#pragma once
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Host.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "emit/emit.hpp"
#include "emit/optimise.hpp"

namespace lathe::llvm_cpu {

inline std::vector<Machine> test_machines() {
  llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  std::vector<Machine> machines;
  const auto add = [&](const char* cpu, int floats, int registers, bool fused) {
    Machine m;
    m.triple = llvm::sys::getProcessTriple();
    m.cpu = cpu;
    m.vector_floats = floats;
    m.vector_registers = registers;
    m.fused_multiply_add = fused;
    machines.push_back(m);
  };
  if (host["avx512f"] && host["avx512vl"] && host["avx512dq"]) add("x86-64-v4", 16, 32, true);
  if (host["avx2"] && host["fma"]) add("x86-64-v3", 8, 16, true);
  if (host["sse4.2"]) add("x86-64-v2", 4, 16, false);
  return machines;
}

template <typename T>
T checked(llvm::Expected<T> value) {
  if (!value) throw std::runtime_error(llvm::toString(value.takeError()));
  return std::move(*value);
}

inline std::unique_ptr<llvm::TargetMachine> target_machine(const Machine& machine) {
  std::string error;
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(machine.triple, error);
  if (!target) throw std::runtime_error(error);
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(machine.triple, machine.cpu, machine.features, llvm::TargetOptions(),
                                                                          llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Default, true));
}

class CompiledKernel {
 public:
  template <typename Kernel>
  CompiledKernel(const Machine& machine, const Kernel& kernel) {
    static const bool once = [] {
      llvm::InitializeNativeTarget();
      llvm::InitializeNativeTargetAsmPrinter();
      return true;
    }();
    (void)once;
    auto context = std::make_unique<llvm::LLVMContext>();
    auto module = std::make_unique<llvm::Module>("kernel", *context);
    const auto target = target_machine(machine);
    module->setTargetTriple(machine.triple);
    module->setDataLayout(target->createDataLayout());
    info_ = emit(*module, machine, kernel, "kernel");
    info_.body = nullptr;
    std::string text;
    llvm::raw_string_ostream stream(text);
    if (llvm::verifyModule(*module, &stream)) throw std::runtime_error("the emitted module is not valid: " + text);
    optimise(*module, *target);
    llvm::orc::JITTargetMachineBuilder builder{llvm::Triple(machine.triple)};
    builder.setCPU(machine.cpu).setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
    jit_ = checked(llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(builder)).create());
    if (auto error = jit_->addIRModule(llvm::orc::ThreadSafeModule(std::move(module), std::move(context))))
      throw std::runtime_error(llvm::toString(std::move(error)));
    body_ = checked(jit_->lookup("kernel")).toPtr<void (*)(void**, uint32_t, uint32_t)>();
  }

  const EmittedKernel& info() const { return info_; }

  // All tasks, last one first (any order must do), as worker 1 of 2.
  void run(std::vector<void*> arguments) {
    constexpr uint32_t worker = 1;
    scratch_.resize(info_.worker_scratch_bytes * (worker + 1) + 64);
    auto address = reinterpret_cast<uintptr_t>(scratch_.data());
    if (info_.worker_scratch_bytes) arguments.push_back(reinterpret_cast<void*>((address + 63) / 64 * 64));
    for (uint32_t task = info_.tasks; task-- > 0;) body_(arguments.data(), task, worker);
  }

 private:
  EmittedKernel info_;
  std::unique_ptr<llvm::orc::LLJIT> jit_;
  void (*body_)(void**, uint32_t, uint32_t) = nullptr;
  std::vector<unsigned char> scratch_;
};

}  // namespace lathe::llvm_cpu
