// Every kernel of sdk/kernels, as bitcode. The tables name them; the generator looks an operator up, links its functions alone, and
// specialises its kernel by the types, shapes and attributes of one node, or by the types alone.
#include "lathe/kernels/all.hpp"

namespace lathe::llvm_cpu {
struct KernelEntry {
  const char* domain;
  const char* op_type;
  kernels::Kernel kernel;
  kernels::ShapeFunction shape;  // nullptr: the kernel gives its outputs their shapes
};
struct ScratchEntry {
  const char* domain;
  const char* op_type;
  uint64_t (*bytes)(const kernels::Call& call, uint32_t threads);
};
}  // namespace lathe::llvm_cpu

// Those whose tiles are as wide as the vectors of the processor that this file is compiled for, or all.
#ifdef LATHE_TILED_KERNELS
#define LATHE_LIST(X) LATHE_KERNELS_CONVOLUTION(X) LATHE_KERNELS_MATMUL(X)
#else
#define LATHE_LIST(X) LATHE_KERNELS(X)
#endif

#define LATHE_ENTRY(domain, op_type, function, shape) {domain, #op_type, &lathe::kernels::function, lathe::kernels::shape},
#define LATHE_SCRATCH_ENTRY(domain, op_type, function) {domain, #op_type, &lathe::kernels::function},
extern "C" {
extern const lathe::llvm_cpu::KernelEntry lathe_kernel_table[];
const lathe::llvm_cpu::KernelEntry lathe_kernel_table[] = {LATHE_LIST(LATHE_ENTRY){nullptr, nullptr, nullptr, nullptr}};
extern const lathe::llvm_cpu::ScratchEntry lathe_scratch_table[];
const lathe::llvm_cpu::ScratchEntry lathe_scratch_table[] = {LATHE_KERNEL_SCRATCH(LATHE_SCRATCH_ENTRY){nullptr, nullptr, nullptr}};
}
