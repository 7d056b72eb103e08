// The artifact's table and schedule as constants, together with the driver that walks them.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "machine.hpp"
#include "plan/program.hpp"

namespace llvm {
class MemoryBuffer;
class Module;
}  // namespace llvm

namespace lathe::llvm_cpu {

// How a step's kernel came out.
struct GeneratedKernel {
  std::string function;
  bool whole = false;  // called once with the threads, instead of task by task
  uint32_t tasks = 1;
  uint64_t scratch_bytes = 0;                                       // once per step
  uint64_t worker_scratch_bytes = 0;                                // per worker
  bool has_shape = false, has_scratch = false, has_kernel = false;  // of Dynamic kernels: `function`, and it with _shape and _scratch behind
};

// Every step of a program and, behind it, those of its bodies: the order of the artifact's kernels.
std::vector<const Step*> all_steps(const Program& program);

// Fills `module`, which holds the driver's bitcode or, where the driver is linked as object code, nothing. `kernel_of_step` indexes `kernels`
// for all_steps().
void generate_table(llvm::Module& module, const Program& program, const Machine& machine, std::span<const GeneratedKernel> kernels,
                    std::span<const uint32_t> kernel_of_step);

}  // namespace lathe::llvm_cpu
