// Which processors there are: from what a person writes to a Machine. Without LLVM types, like machine.hpp.
//
// The processor families stand in one table in machine.cpp; a further family is one more line there.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "machine.hpp"

namespace lathe::llvm_cpu {

// What the person gave; empty where nothing. The spellings are LLVM's and TVM's.
struct MachineRequest {
  std::string triple;      // -mtriple: "aarch64-linux-gnu"
  std::string cpu;         // -mcpu: "cortex-a72"; "native" is the default for this machine's own family
  std::string attributes;  // -mattr: "+avx2,-avx512f"
  std::string device;      // -device: "arm_cpu"
  std::string model;       // -model: "bcm2837", a system on a chip
  std::string family;      // the declared device, "AARCH64"; empty when none was given
};

// Throws sdk::Failure with the nearest name for what is not known.
Machine resolve_machine(const MachineRequest& request);

// The declared device that these options mean: "X86_64", "AARCH64", "RISCV64". A static string.
const char* default_device(const MachineRequest& request);

struct Family {
  Machine::Family family;
  const char* device;       // as declared: "X86_64"
  const char* description;  // of the device
  const char* triple;
  const char* name;              // in file names: "x86_64"
  const char* default_cpu;       // when it is not this machine's family
  const char* default_features;  // with default_cpu
  const char* code_cpu;          // the processor that the code may assume beside the listed features; tuning is by Machine::cpu
  const char* minimum;           // the feature below which no code is generated, or ""
  const char* advice;            // how to ask for it
  const char* abi;               // LLVM's name for the calling convention, or ""
  const char* emulator;          // qemu-user's program
  const char* loader;            // of the C library, in the family's sysroot
  uint16_t elf_machine;
  // The features that generated code may use, and that the runtime can ask for. What LLVM uses through intrinsics alone is left out until
  // an emitter does, so that artifacts demand no more than they need.
  std::vector<const char*> features;
};
const std::vector<Family>& families();
const Family& family_of(const Machine& machine);

// The features in Machine::features without signs, joined by ',': what the artifact demands.
std::string demanded_features(const Machine& machine);

// Lines for `-mcpu=help` and `-mattr=help`.
std::vector<std::string> known_cpus(const MachineRequest& request);
std::vector<std::string> known_features(const MachineRequest& request);
std::vector<std::string> known_models();

}  // namespace lathe::llvm_cpu
