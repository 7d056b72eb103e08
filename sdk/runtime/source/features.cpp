// Processor features by asking the processor (CPUID on x86-64, the kernel's HWCAP words elsewhere). One table per family.
#include "features.hpp"

#include <string.h>
#include <sys/auxv.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace lathe::runtime {
namespace {

#if defined(__x86_64__)

enum Register { eax, ebx, ecx, edx };
// What the operating system has to save for it (bits of XCR0): none, AVX's YMM, AVX-512's masks and ZMM, AMX's tiles.
enum State : uint64_t { none = 0, ymm = 0x6, zmm = 0xe6, tiles = 0x60006 };

struct Feature {
  const char* name;
  uint32_t leaf, subleaf;
  Register where;
  int bit;
  State state;
};

// Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
constexpr Feature table[] = {
    {"cx16", 1, 0, ecx, 13, none},
    {"sse3", 1, 0, ecx, 0, none},
    {"ssse3", 1, 0, ecx, 9, none},
    {"sse4.1", 1, 0, ecx, 19, none},
    {"sse4.2", 1, 0, ecx, 20, none},
    {"popcnt", 1, 0, ecx, 23, none},
    {"movbe", 1, 0, ecx, 22, none},
    {"avx", 1, 0, ecx, 28, ymm},
    {"fma", 1, 0, ecx, 12, ymm},
    {"f16c", 1, 0, ecx, 29, ymm},
    {"bmi", 7, 0, ebx, 3, none},
    {"bmi2", 7, 0, ebx, 8, none},
    {"avx2", 7, 0, ebx, 5, ymm},
    {"avx512f", 7, 0, ebx, 16, zmm},
    {"avx512dq", 7, 0, ebx, 17, zmm},
    {"avx512ifma", 7, 0, ebx, 21, zmm},
    {"avx512cd", 7, 0, ebx, 28, zmm},
    {"avx512bw", 7, 0, ebx, 30, zmm},
    {"avx512vl", 7, 0, ebx, 31, zmm},
    {"avx512vbmi", 7, 0, ecx, 1, zmm},
    {"avx512vbmi2", 7, 0, ecx, 6, zmm},
    {"avx512vnni", 7, 0, ecx, 11, zmm},
    {"avx512bitalg", 7, 0, ecx, 12, zmm},
    {"avx512vpopcntdq", 7, 0, ecx, 14, zmm},
    {"avx512fp16", 7, 0, edx, 23, zmm},
    {"amx-bf16", 7, 0, edx, 22, tiles},
    {"amx-tile", 7, 0, edx, 24, tiles},
    {"amx-int8", 7, 0, edx, 25, tiles},
    {"avxvnni", 7, 1, eax, 4, ymm},
    {"avx512bf16", 7, 1, eax, 5, zmm},
    {"lzcnt", 0x80000001, 0, ecx, 5, none},
};

bool enabled_by_system(State state) {
  if (state == none) return true;
  uint32_t a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return false;  // OSXSAVE
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  const uint64_t saved = static_cast<uint64_t>(high) << 32 | low;
  return (saved & state) == state;
}

bool present(const Feature& feature) {
  uint32_t r[4] = {0, 0, 0, 0};
  if (!__get_cpuid_count(feature.leaf, feature.subleaf, &r[0], &r[1], &r[2], &r[3])) return false;
  return (r[feature.where] >> feature.bit & 1) && enabled_by_system(feature.state);
}

#else

struct Feature {
  const char* name;
  unsigned long kind;  // AT_HWCAP or AT_HWCAP2
  int bit;
};

#if defined(__aarch64__)
// Linux: Documentation/arch/arm64/elf_hwcaps.rst, arch/arm64/include/uapi/asm/hwcap.h.
constexpr Feature table[] = {
    {"fp-armv8", AT_HWCAP, 0}, {"neon", AT_HWCAP, 1},     {"crc", AT_HWCAP, 7},        {"lse", AT_HWCAP, 8},    {"fullfp16", AT_HWCAP, 10},
    {"rdm", AT_HWCAP, 12},     {"jsconv", AT_HWCAP, 13},  {"complxnum", AT_HWCAP, 14}, {"rcpc", AT_HWCAP, 15},  {"dotprod", AT_HWCAP, 20},
    {"sve", AT_HWCAP, 22},     {"fp16fml", AT_HWCAP, 23}, {"sve2", AT_HWCAP2, 1},      {"i8mm", AT_HWCAP2, 13}, {"bf16", AT_HWCAP2, 14},
};
#elif defined(__riscv)
// Linux: the letters of the ISA string, bit 'x' - 'a'.
constexpr Feature table[] = {
    {"a", AT_HWCAP, 'a' - 'a'}, {"c", AT_HWCAP, 'c' - 'a'}, {"d", AT_HWCAP, 'd' - 'a'},
    {"f", AT_HWCAP, 'f' - 'a'}, {"m", AT_HWCAP, 'm' - 'a'}, {"v", AT_HWCAP, 'v' - 'a'},
};
#else
constexpr Feature table[] = {{"", AT_HWCAP, 0}};
#endif

bool present(const Feature& feature) { return getauxval(feature.kind) >> feature.bit & 1; }

#endif

bool has_feature(const char* name, size_t length) {
  for (const Feature& feature : table)
    if (strlen(feature.name) == length && memcmp(feature.name, name, length) == 0) return present(feature);
  return false;
}

}  // namespace

uint16_t host_machine() {
#if defined(__x86_64__)
  return machine_x86_64;
#elif defined(__aarch64__)
  return machine_aarch64;
#elif defined(__riscv) && __riscv_xlen == 64
  return machine_riscv;
#else
  return 0;
#endif
}

const char* machine_name(uint16_t machine) {
  switch (machine) {
    case machine_x86_64:
      return "x86-64";
    case machine_aarch64:
      return "AArch64";
    case machine_riscv:
      return "RISC-V 64";
    default:
      return "an unknown processor";
  }
}

bool missing_feature(const char* features, char* missing, size_t missing_size) {
  for (const char* begin = features; *begin;) {
    const char* end = begin;
    while (*end && *end != ',') ++end;
    const size_t length = static_cast<size_t>(end - begin);
    if (length != 0 && !has_feature(begin, length)) {
      const size_t copied = length < missing_size - 1 ? length : missing_size - 1;
      memcpy(missing, begin, copied);
      missing[copied] = 0;
      return true;
    }
    begin = *end ? end + 1 : end;
  }
  return false;
}

}  // namespace lathe::runtime
