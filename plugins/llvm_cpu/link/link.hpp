// From object code to files: shared library, archive, executable. LLD is used as a library, so that no linker, compiler or start-up
// file of the machine is needed; what the C library contributes lies beside the plugin, per processor family.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "machine.hpp"

namespace lathe::llvm_cpu {

using Objects = std::vector<std::vector<char>>;

// Writes a shared library at `path`, followed by the weights and the artifact's trailer (lathe/artifact.h). `data` is the plugin's data
// folder. Throws sdk::Failure; a file may then be left at `path`.
void link_library(const Objects& objects, std::span<const uint8_t> weights, const Machine& machine, const std::string& data, const std::string& path,
                  const std::string& soname);

// Writes a static executable with the runtime inside, weights and trailer as above. Throws sdk::Failure(LATHE_UNSUPPORTED) for a family
// whose start-up files were not at hand when the plugin was built.
void link_executable(const Objects& objects, std::span<const uint8_t> weights, const Machine& machine, const std::string& data,
                     const std::string& path);

// Writes one relocatable object with all of these objects in it.
void link_object(const Objects& objects, const std::string& path);

// An object that holds the weights as `lathe_weights_1`, page-aligned, for programs that link an artifact.
std::vector<char> weights_object(std::span<const uint8_t> weights, const Machine& machine);

// The bytes of a deterministic ar archive of these objects and of the runtime's for that family.
std::vector<char> make_static_library(const Objects& objects, const Machine& machine, const std::string& data);

std::string llvm_version();

}  // namespace lathe::llvm_cpu
