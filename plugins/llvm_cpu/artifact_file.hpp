// Telling an artifact from other files by its two ends: the ELF header and the trailer.
#pragma once
#include <string>

#include "lathe/plugin.hpp"
#include "target.hpp"

namespace lathe::llvm_cpu {

// The processor family of a shared-library artifact; null when the file is none or cannot be read.
const Family* artifact_family(const std::string& path);
const Family* artifact_family(const sdk::FileHead& head);

}  // namespace lathe::llvm_cpu
