// Resolves the options that name a processor through LLVM's tables. The one place that lists processor families and chips.
#include <llvm/ADT/StringMap.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/Triple.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "generate/target_machine.hpp"
#include "lathe/support.hpp"
#include "target.hpp"

namespace lathe::llvm_cpu {
namespace {

// Systems on a chip by the names that TVM and its users know them.
struct Chip {
  const char* name;
  const char* cpu;
};
constexpr Chip chips[] = {
    {"bcm2837", "cortex-a53"}, {"bcm2711", "cortex-a72"}, {"bcm2712", "cortex-a76"}, {"rk3399", "cortex-a72"},
    {"rk3566", "cortex-a55"},  {"rk3568", "cortex-a55"},  {"rk3588", "cortex-a76"},
};

struct DeviceWord {
  const char* word;
  Machine::Family family;
};
constexpr DeviceWord device_words[] = {
    {"arm_cpu", Machine::Family::aarch64}, {"x86_cpu", Machine::Family::x86_64},    {"intel_cpu", Machine::Family::x86_64},
    {"amd_cpu", Machine::Family::x86_64},  {"riscv_cpu", Machine::Family::riscv64},
};

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return text;
}

// The candidate with the least edit distance, when that is at most a third of the word.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t least = word.size() / 3 + 2;
  for (const std::string& candidate : candidates) {
    std::vector<size_t> row(candidate.size() + 1);
    for (size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (size_t i = 0; i < word.size(); ++i) {
      size_t diagonal = row[0]++;
      for (size_t j = 0; j < candidate.size(); ++j) {
        const size_t above = row[j + 1];
        row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (word[i] == candidate[j] ? 0 : 1)});
        diagonal = above;
      }
    }
    if (row.back() < least) least = row.back(), best = candidate;
  }
  return best;
}

[[noreturn]] void unknown(const std::string& what, const std::string& word, const std::vector<std::string>& candidates, const std::string& help) {
  const std::string meant = nearest(lower(word), candidates);
  throw sdk::Failure(LATHE_USAGE, "unknown " + what + " '" + word + "'" + (meant.empty() ? "" : ", did you mean '" + meant + "'?"), help);
}

const Family& family_named(Machine::Family family) {
  return *std::find_if(families().begin(), families().end(), [&](const Family& f) { return f.family == family; });
}

const Family* family_of_arch(llvm::Triple::ArchType arch) {
  for (const Family& family : families())
    if (llvm::Triple(family.triple).getArch() == arch) return &family;
  return nullptr;
}

const Family* host_family() { return family_of_arch(llvm::Triple(llvm::sys::getProcessTriple()).getArch()); }

const Chip* find_chip(const std::string& name) {
  for (const Chip& chip : chips)
    if (lower(name) == chip.name) return &chip;
  return nullptr;
}

std::string family_list() {
  std::string text;
  for (const Family& family : families()) text += (text.empty() ? "" : ", ") + std::string(family.triple);
  return text;
}

// The family that the request means, and its triple.
std::pair<const Family*, std::string> choose_family(const MachineRequest& request) {
  const Family* chosen = nullptr;
  std::string because;
  auto choose = [&](const Family& family, const std::string& reason) {
    if (chosen && chosen != &family)
      throw sdk::Failure(LATHE_USAGE, because + " means " + chosen->device + " and " + reason + " means " + family.device, "leave one of them out");
    if (!chosen) chosen = &family, because = reason;
  };
  std::string triple;
  if (!request.triple.empty()) {
    const llvm::Triple parsed(llvm::Triple::normalize(request.triple));
    const Family* family = family_of_arch(parsed.getArch());
    if (!family)
      throw sdk::Failure(LATHE_UNSUPPORTED, "no code is generated for the triple '" + request.triple + "'", "choose one of " + family_list());
    if (!parsed.isOSLinux())
      throw sdk::Failure(LATHE_UNSUPPORTED, "code is generated for Linux only, and the triple '" + request.triple + "' is not",
                         std::string("write ") + family->triple);
    choose(*family, "-mtriple=" + request.triple);
    triple = parsed.str();
  }
  if (!request.model.empty()) {
    if (!find_chip(request.model)) unknown("chip", request.model, known_models(), "-model=help lists the known ones");
    choose(family_named(Machine::Family::aarch64), "-model=" + request.model);
  }
  if (!request.device.empty()) {
    const auto* word =
        std::find_if(std::begin(device_words), std::end(device_words), [&](const DeviceWord& w) { return lower(request.device) == w.word; });
    if (word == std::end(device_words)) {
      std::vector<std::string> words;
      for (const DeviceWord& w : device_words) words.emplace_back(w.word);
      unknown("device", request.device, words, "choose one of arm_cpu, x86_cpu, riscv_cpu");
    }
    choose(family_named(word->family), "-device=" + request.device);
  }
  for (const Family& family : families())
    if (!request.family.empty() && lower(family.device) == lower(request.family)) choose(family, "the device " + request.family);
  if (!chosen) chosen = host_family();
  if (!chosen) chosen = &families().front();
  if (triple.empty()) triple = llvm::Triple::normalize(chosen->triple);
  return {chosen, triple};
}

std::unique_ptr<llvm::MCSubtargetInfo> subtarget(const std::string& triple, const std::string& cpu, const std::string& features) {
  initialize_targets();
  std::string error;
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) throw sdk::Failure(LATHE_INTERNAL, "this LLVM does not know the triple '" + triple + "': " + error);
  return std::unique_ptr<llvm::MCSubtargetInfo>(target->createMCSubtargetInfo(triple, cpu, features));
}

std::vector<std::string> cpu_names(const std::string& triple) {
  std::vector<std::string> names;
  for (const auto& cpu : subtarget(triple, "", "")->getAllProcessorDescriptions()) names.emplace_back(cpu.Key);
  return names;
}

std::vector<std::string> feature_names(const std::string& triple) {
  std::vector<std::string> names;
  for (const auto& feature : subtarget(triple, "", "")->getAllProcessorFeatures()) names.emplace_back(feature.Key);
  return names;
}

// "+avx2,-fma" checked word by word.
std::string checked_attributes(const std::string& triple, const std::string& text) {
  const std::vector<std::string> known = feature_names(triple);
  std::string result;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    std::string word = text.substr(begin, end - begin);
    begin = end + 1;
    if (word.empty()) continue;
    if (word[0] != '+' && word[0] != '-') word = "+" + word;
    if (std::find(known.begin(), known.end(), word.substr(1)) == known.end())
      unknown("processor feature", word.substr(1), known, "-mattr=help lists the known ones");
    result += (result.empty() ? "" : ",") + word;
  }
  return result;
}

bool has(const Machine& machine, std::string_view feature) {
  return (machine.features + ",").find("+" + std::string(feature) + ",") != std::string::npos;
}

void choose_vectors(Machine& machine) {
  switch (machine.family) {
    case Machine::Family::x86_64:
      machine.fused_multiply_add = has(machine, "fma");
      if (has(machine, "avx512f") && has(machine, "avx512vl") && has(machine, "avx512dq") && has(machine, "avx512bw")) {
        machine.vector_floats = 16;
        machine.vector_registers = 32;
        machine.fused_multiply_add = true;
      } else if (has(machine, "avx2") && machine.fused_multiply_add) {
        machine.vector_floats = 8;
      }
      break;
    case Machine::Family::aarch64:
      machine.vector_registers = 32;
      machine.fused_multiply_add = true;
      break;
    case Machine::Family::riscv64:
      // Vectors of four become scalar code in 32 registers: room for eight of them.
      machine.vector_registers = 8;
      machine.fused_multiply_add = true;
      break;
  }
}

int64_t cache_bytes(int name, int64_t fallback) {
  const long bytes = sysconf(name);
  return bytes > 0 ? bytes : fallback;
}

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> table = {
      {Machine::Family::x86_64,
       "X86_64",
       "x86-64 with SSE4.2, AVX2 or AVX-512",
       "x86_64-linux-gnu",
       "x86_64",
       "x86-64-v3",
       "",
       "x86-64",
       "sse4.2",
       "use -mcpu=x86-64-v2 or -mattr=+sse4.2",
       "",
       "qemu-x86_64-static",
       "ld-linux-x86-64.so.2",
       62,
       {"sse3", "ssse3", "sse4.1",  "sse4.2",   "popcnt",   "movbe",    "avx",      "avx2",       "fma",         "f16c",         "bmi",
        "bmi2", "lzcnt", "avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl", "avx512vbmi", "avx512vbmi2", "avx512bitalg", "avx512vpopcntdq"}},
      {Machine::Family::aarch64,
       "AARCH64",
       "64-bit ARM with NEON",
       "aarch64-linux-gnu",
       "aarch64",
       "generic",
       "+neon",
       "generic",
       "neon",
       "leave -mattr=-neon out",
       "",
       "qemu-aarch64-static",
       "ld-linux-aarch64.so.1",
       183,
       {"fp-armv8", "neon", "lse", "rdm", "fullfp16", "dotprod", "i8mm", "bf16"}},
      {Machine::Family::riscv64,
       "RISCV64",
       "64-bit RISC-V with rv64gc",
       "riscv64-linux-gnu",
       "riscv64",
       "generic-rv64",
       "+m,+a,+f,+d,+c",
       "generic-rv64",
       "d",
       "use -mattr=+m,+a,+f,+d,+c",
       "lp64d",
       "qemu-riscv64-static",
       "ld-linux-riscv64-lp64d.so.1",
       243,
       {"m", "a", "f", "d", "c"}},
  };
  return table;
}

const Family& family_of(const Machine& machine) { return family_named(machine.family); }

const char* default_device(const MachineRequest& request) { return choose_family(request).first->device; }

Machine resolve_machine(const MachineRequest& request) {
  const auto [family, triple] = choose_family(request);
  Machine machine;
  machine.family = family->family;
  machine.triple = triple;
  std::string features;
  std::string cpu = request.cpu;
  if (cpu.empty() && !request.model.empty()) cpu = find_chip(request.model)->cpu;
  const bool own = family == host_family();
  if (cpu == "native" && !own)
    throw sdk::Failure(LATHE_USAGE, std::string("-mcpu=native means this machine's processor, and the target is ") + family->device,
                       "name the processor; -mcpu=help lists them");
  if ((cpu.empty() && own) || cpu == "native") {
    machine.cpu = llvm::sys::getHostCPUName().str();
    std::vector<std::string> found;
    for (const auto& feature : llvm::sys::getHostCPUFeatures()) found.push_back((feature.getValue() ? "+" : "-") + feature.getKey().str());
    std::sort(found.begin(), found.end());  // a StringMap's order is not fixed
    for (const std::string& feature : found) features += (features.empty() ? "" : ",") + feature;
    machine.level1_bytes = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, machine.level1_bytes);
    machine.level2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE, machine.level2_bytes);
  } else {
    machine.cpu = cpu.empty() ? family->default_cpu : cpu;
    features = machine.cpu == family->default_cpu ? family->default_features : "";
    const std::vector<std::string> known = cpu_names(triple);
    if (std::find(known.begin(), known.end(), machine.cpu) == known.end())
      unknown("processor", machine.cpu, known, "-mcpu=help lists the known ones");
  }
  const std::string attributes = checked_attributes(triple, request.attributes);
  if (!attributes.empty()) features += (features.empty() ? "" : ",") + attributes;
  const auto info = subtarget(triple, machine.cpu, features);
  if (family->family == Machine::Family::x86_64 && !info->checkFeatures("+64bit"))
    throw sdk::Failure(LATHE_UNSUPPORTED, "the processor '" + machine.cpu + "' has no 64-bit mode", "-mcpu=help lists the known ones");
  for (const char* feature : family->features)
    if (info->checkFeatures(std::string("+") + feature)) machine.features += (machine.features.empty() ? "+" : ",+") + std::string(feature);
  if (*family->minimum && !has(machine, family->minimum))
    throw sdk::Failure(
        LATHE_UNSUPPORTED,
        std::string("code for ") + family->device + " needs at least " + family->minimum + ", which the processor '" + machine.cpu + "' lacks",
        family->advice);
  choose_vectors(machine);
  return machine;
}

std::string demanded_features(const Machine& machine) {
  std::string result;
  for (char c : machine.features)
    if (c != '+') result += c;
  return result;
}

std::vector<std::string> known_cpus(const MachineRequest& request) { return cpu_names(choose_family(request).second); }

std::vector<std::string> known_features(const MachineRequest& request) {
  std::vector<std::string> lines;
  for (const auto& feature : subtarget(choose_family(request).second, "", "")->getAllProcessorFeatures())
    lines.push_back(std::string(feature.Key) + "  " + feature.Desc);
  return lines;
}

std::vector<std::string> known_models() {
  std::vector<std::string> names;
  for (const Chip& chip : chips) names.emplace_back(chip.name);
  return names;
}

}  // namespace lathe::llvm_cpu
