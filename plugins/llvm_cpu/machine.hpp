// The processor that code is generated for. No LLVM types, so that planning stays cheap to compile and to test.
#pragma once
#include <cstdint>
#include <string>

namespace lathe::llvm_cpu {

struct Machine {
  enum class Family { x86_64, aarch64, riscv64 };
  Family family = Family::x86_64;
  std::string triple, cpu;
  std::string features;       // LLVM's, "+avx2,+fma,..." complete (cpu and -mattr resolved)
  int vector_floats = 4;      // floats in a vector register the emitters use: 16 AVX-512, 8 AVX2, 4 SSE, NEON and scalar RISC-V
  int vector_registers = 16;  // of that width
  bool fused_multiply_add = false;
  int64_t level1_bytes = 32 << 10, level2_bytes = 1 << 20;

  int block() const { return vector_floats; }  // channels in a block of the blocked layout
};

}  // namespace lathe::llvm_cpu
