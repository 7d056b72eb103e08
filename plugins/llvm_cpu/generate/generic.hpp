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

// Links the operator's kernel into `module` and adds `int32_t name(void** arguments, const lathe_artifact_threads*)`, which calls
// it with the node's types, shapes and attributes as constants, so that the optimiser specialises it. 0, or 3 for bad data.
llvm::Function* generate_generic(llvm::Module& module, const llvm::MemoryBuffer& bitcode, const Generic& kernel, const std::string& name);

}  // namespace lathe::llvm_cpu
