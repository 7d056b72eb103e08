// LEIP Compile's spellings: --optimization category:kernel,level:3 and the like.
#pragma once
#include <string>
#include <vector>

namespace lathe::cli {

struct LeipOptimization {
  int kernel_level = 3;
  bool kernel_given = false;
};

// Every --optimization and --compile_optimization argument. Throws Error(usage): malformed, out of range, or a category that is not built yet.
LeipOptimization parse_leip_optimization(const std::vector<std::string>& arguments);

}  // namespace lathe::cli
