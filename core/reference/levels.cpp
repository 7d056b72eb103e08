// See levels.hpp.
#include "core/reference/levels.hpp"

#include <map>
#include <string_view>

#include "core/reference/level_table.hpp"

namespace lathe {
namespace {

LevelTable fastest_table() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    return kernels_x86_64_v4();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return kernels_x86_64_v3();
#endif
  return {nullptr, 0};
}

}  // namespace

KernelChoice best_kernel(const Operator& op) {
  static const std::map<std::string_view, LevelEntry> fastest = [] {
    std::map<std::string_view, LevelEntry> map;
    const LevelTable table = fastest_table();
    for (size_t i = 0; i < table.count; ++i) map.emplace(table.entries[i].name, table.entries[i]);
    return map;
  }();
  const auto found = op.domain.empty() ? fastest.find(op.name) : fastest.end();
  if (found == fastest.end()) return {op.kernel, op.scratch};
  return {reinterpret_cast<kernels::Kernel>(found->second.run),
          reinterpret_cast<uint64_t (*)(const kernels::Call&, uint32_t)>(found->second.scratch)};
}

}  // namespace lathe
