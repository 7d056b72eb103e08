// Every kernel of sdk/kernels, as bitcode. The table names them; the generator looks an operator up, links its function alone, and
// specialises it by the types, shapes and attributes of one node.
#include "lathe/kernels/all.hpp"

namespace lathe::llvm_cpu {
struct KernelEntry {
  const char* domain;
  const char* op_type;
  kernels::Kernel kernel;
  kernels::ShapeFunction shape;  // nullptr: the kernel gives its outputs their shapes
};
}  // namespace lathe::llvm_cpu

#define LATHE_ENTRY(domain, op_type, function, shape) {domain, #op_type, &lathe::kernels::function, lathe::kernels::shape},
extern "C" {
extern const lathe::llvm_cpu::KernelEntry lathe_kernel_table[];
const lathe::llvm_cpu::KernelEntry lathe_kernel_table[] = {LATHE_KERNELS(LATHE_ENTRY){nullptr, nullptr, nullptr, nullptr}};
}
