// The table that bitcode of kernels is looked up in: rows of {domain, op_type, kernel, shape function}, ended by nulls. A plugin with operators
// of its own writes the list in the form of the families here,
//
//     #define LATHE_OPERATOR_KERNELS(X) X("com.example", HardTanh, example::hard_tanh, lathe::kernels::shapes::same)
//
// and lathe_add_plugin(... KERNELS header) compiles it into the table.
#pragma once
#include "lathe/kernels/kernel.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

struct KernelRow {
  const char* domain;
  const char* op_type;
  Kernel kernel;
  ShapeFunction shape;  // nullptr: the kernel gives its outputs their shapes
};

}  // namespace lathe::LATHE_KERNELS_NAMESPACE

#define LATHE_KERNEL_ROW(domain, op_type, function, shape) {domain, #op_type, &function, shape},
#define LATHE_KERNEL_TABLE(LIST)                                                                                       \
  extern "C" {                                                                                                         \
  extern const lathe::kernels::KernelRow lathe_kernel_table[];                                                         \
  const lathe::kernels::KernelRow lathe_kernel_table[] = {LIST(LATHE_KERNEL_ROW){nullptr, nullptr, nullptr, nullptr}}; \
  }
