// From options to a machine.
#include <doctest/doctest.h>

#include "lathe/support.hpp"
#include "target.hpp"

using namespace lathe::llvm_cpu;
namespace sdk = lathe::sdk;

namespace {

std::string refusal(const MachineRequest& request) {
  try {
    resolve_machine(request);
  } catch (const sdk::Failure& failure) {
    return std::string(failure.what()) + " | " + failure.diagnostics.front().hint;
  }
  return "";
}

MachineRequest request(std::string triple, std::string cpu = "", std::string attributes = "") {
  MachineRequest r;
  r.triple = std::move(triple);
  r.cpu = std::move(cpu);
  r.attributes = std::move(attributes);
  return r;
}

}  // namespace

TEST_CASE("vectors follow from the processor's features") {
  const Machine avx512 = resolve_machine(request("x86_64-linux-gnu", "skylake-avx512"));
  CHECK(avx512.vector_floats == 16);
  CHECK(avx512.vector_registers == 32);
  CHECK(avx512.fused_multiply_add);
  const Machine avx2 = resolve_machine(request("x86_64-linux-gnu", "haswell"));
  CHECK(avx2.vector_floats == 8);
  CHECK(avx2.fused_multiply_add);
  const Machine sse = resolve_machine(request("x86_64-linux-gnu", "nehalem"));
  CHECK(sse.vector_floats == 4);
  CHECK_FALSE(sse.fused_multiply_add);
  const Machine neon = resolve_machine(request("aarch64-linux-gnu", "cortex-a72"));
  CHECK(neon.family == Machine::Family::aarch64);
  CHECK(neon.vector_floats == 4);
  CHECK(neon.vector_registers == 32);
  CHECK(resolve_machine(request("riscv64-linux-gnu")).family == Machine::Family::riscv64);
}

TEST_CASE("attributes change the features and what depends on them") {
  CHECK(resolve_machine(request("x86_64-linux-gnu", "skylake-avx512", "-avx512f")).vector_floats == 8);
  CHECK(resolve_machine(request("x86_64-linux-gnu", "nehalem", "+avx2,+fma")).vector_floats == 8);
  CHECK(demanded_features(resolve_machine(request("x86_64-linux-gnu", "x86-64-v2"))) == "sse3,ssse3,sse4.1,sse4.2,popcnt");
  // Nothing but what the runtime can ask for is demanded, however much the processor has.
  CHECK(demanded_features(resolve_machine(request("aarch64-linux-gnu", "cortex-a53"))) == "fp-armv8,neon");
  CHECK(demanded_features(resolve_machine(request("riscv64-linux-gnu"))) == "m,a,f,d,c");
}

TEST_CASE("chips and devices by the names that TVM gives them") {
  MachineRequest pi;
  pi.device = "arm_cpu";
  pi.model = "bcm2837";
  CHECK(resolve_machine(pi).cpu == "cortex-a53");
  CHECK(resolve_machine(pi).triple == "aarch64-unknown-linux-gnu");
  CHECK(std::string(default_device(pi)) == "AARCH64");
  pi.cpu = "cortex-a72";
  CHECK(resolve_machine(pi).cpu == "cortex-a72");
  MachineRequest device;
  device.family = "RISCV64";
  CHECK(resolve_machine(device).family == Machine::Family::riscv64);
}

TEST_CASE("what is not known gets the nearest name") {
  CHECK(refusal(request("x86_64-linux-gnu", "skylak")).find("did you mean 'skylake'?") != std::string::npos);
  CHECK(refusal(request("x86_64-linux-gnu", "haswell", "+avx512x")).find("unknown processor feature 'avx512x', did you mean 'avx512") !=
        std::string::npos);
  CHECK(refusal(request("mips-linux-gnu")).find("aarch64-linux-gnu") != std::string::npos);
  CHECK(refusal(request("x86_64-pc-windows-msvc")).find("Linux only") != std::string::npos);
  MachineRequest chip;
  chip.model = "bcm2873";
  CHECK(refusal(chip).find("did you mean 'bcm2837'?") != std::string::npos);
}

TEST_CASE("contradictions and processors that are too old are refused with the next step") {
  MachineRequest both = request("x86_64-linux-gnu");
  both.family = "AARCH64";
  CHECK(refusal(both).find("means X86_64 and the device AARCH64 means AARCH64") != std::string::npos);
  CHECK(refusal(request("x86_64-linux-gnu", "core2")).find("sse4.2") != std::string::npos);
  CHECK(refusal(request("aarch64-linux-gnu", "native")).find("this machine's processor") != std::string::npos);
}

TEST_CASE("lists") {
  CHECK(known_cpus(request("aarch64-linux-gnu")).size() > 20);
  CHECK(known_features(request("x86_64-linux-gnu")).size() > 50);
}
