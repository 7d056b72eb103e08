// What a shared library's dynamic section says, read without loading it: who it is for, what it exports, what it wants.
// Source: System V ABI, ELF-64 object file format. The file is not trusted: every offset is checked.
#pragma once
#include <string>
#include <vector>

namespace lathe {

struct ElfSymbol {
  std::string name;
  bool defined = false;  // exported when defined, wanted when not
  bool unique = false;   // STB_GNU_UNIQUE: the loader shares it between libraries even when they are opened locally
  bool weak = false;
};

struct ElfLibrary {
  unsigned machine = 0;  // e_machine
  std::vector<ElfSymbol> symbols;
  std::vector<std::string> needed;   // DT_NEEDED
  std::vector<std::string> runpath;  // DT_RUNPATH or DT_RPATH, split at ':'
};

// Throws Error(failed): not there, no 64-bit little-endian ELF shared library, damaged.
ElfLibrary read_elf(const std::string& path);

// "x86-64", "AArch64", "RISC-V", or the number.
std::string machine_name(unsigned machine);

// The machine this program was built for.
unsigned host_machine();

// The sanitizer whose runtime the library wants: "address", "thread", "memory" or "none".
std::string wanted_sanitizer(const ElfLibrary& library);

}  // namespace lathe
