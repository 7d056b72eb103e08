// Operators without an emitter: their kernel of sdk/kernels, out of the bitcode made when the plugin was built.
#pragma once
#include <memory>
#include <string>

#include "plan/program.hpp"

namespace llvm {
class Function;
class MemoryBuffer;
class Module;
}  // namespace llvm

namespace lathe::llvm_cpu {

// The bytes of kernels-<family>.bc. Throws std::runtime_error when the file cannot be read.
std::unique_ptr<llvm::MemoryBuffer> read_bitcode(const std::string& path);

// Links the operator's kernel into `module` and adds `const char* name(void** arguments, const lathe_artifact_threads*)`, which calls
// it with the node's types, shapes and attributes as constants, so that the optimiser specialises it. Returns null, or a sentence when the data is
// bad.
llvm::Function* generate_generic(llvm::Module& module, const llvm::MemoryBuffer& bitcode, const Generic& kernel, const std::string& name);

// Whether that bitcode has a kernel for the operator.
bool lists_kernel(llvm::Module& module, const llvm::MemoryBuffer& bitcode, const Dynamic& kernel);

// The operator's functions for all shapes, as the driver calls them; null where the operator has none. `kernel` is specialised by types.
struct DynamicFunctions {
  llvm::Function *shape = nullptr, *scratch = nullptr, *kernel = nullptr;
};
DynamicFunctions generate_dynamic(llvm::Module& module, const llvm::MemoryBuffer& bitcode, const Dynamic& kernel, const std::string& name);

}  // namespace lathe::llvm_cpu
