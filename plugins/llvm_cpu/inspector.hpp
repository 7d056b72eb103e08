// inspector/1 of llvm_cpu: what an artifact holds, read from its file without running it, for every processor family.
#pragma once
#include <string>

#include "lathe/plugin.hpp"

namespace lathe::llvm_cpu {

class Inspector {
 public:
  static int recognise(const sdk::FileHead& head);
  static std::string inspect(sdk::Host host, const std::string& path);
};

}  // namespace lathe::llvm_cpu
