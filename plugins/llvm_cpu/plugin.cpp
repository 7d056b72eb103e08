// llvm_cpu: native code for x86-64, AArch64 and RISC-V 64 through LLVM. The parts of the plugin.
#include "lathe/plugin.hpp"

#include "backend.hpp"
#include "executor.hpp"
#include "inspector.hpp"

namespace sdk = lathe::sdk;

LATHE_PLUGIN("llvm_cpu", "0.1.0", "The Lathe authors", "Native code for x86-64, AArch64 and RISC-V processors.",
             sdk::BackendPart<lathe::llvm_cpu::Backend>, sdk::ExecutorPart<lathe::llvm_cpu::Executor>, sdk::InspectorPart<lathe::llvm_cpu::Inspector>)
