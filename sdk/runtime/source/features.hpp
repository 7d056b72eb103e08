// What processor this is: ELF machine and features by LLVM's names.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace lathe::runtime {

inline constexpr uint16_t machine_x86_64 = 62, machine_aarch64 = 183, machine_riscv = 243;  // ELF's e_machine

uint16_t host_machine();                     // 0: none that artifacts exist for
const char* machine_name(uint16_t machine);  // "x86-64", "AArch64", "RISC-V 64", or "an unknown processor"

// The first of `features` (joined by ',') that this processor or its kernel lacks, written into `missing`; false: it has all of them.
// A feature that this table does not know counts as lacking.
bool missing_feature(const char* features, char* missing, size_t missing_size);

}  // namespace lathe::runtime
