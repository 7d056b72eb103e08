// LLVM's flags by LLVM's names, and what else steers code generation.
#include "options.hpp"

namespace lathe::llvm_cpu {

std::vector<sdk::Option> declared_options() {
  return {
      {"mtriple", LATHE_OPTION_STRING, "", "What to generate code for, as LLVM writes it: aarch64-linux-gnu.", {}, "mtriple"},
      {"mcpu",
       LATHE_OPTION_STRING,
       "",
       "The processor: native (the default for this machine's own family), or one of those that 'help' lists.",
       {},
       "mcpu"},
      {"mattr", LATHE_OPTION_STRING, "", "Processor features to add and to leave out: +avx2,-avx512f; 'help' lists them.", {}, "mattr"},
      {"device", LATHE_OPTION_STRING, "", "The kind of processor as TVM names it: arm_cpu, x86_cpu, riscv_cpu.", {}, "device"},
      {"model", LATHE_OPTION_STRING, "", "The system on a chip: bcm2837, rk3588; 'help' lists them.", {}, "model"},
      {"level",
       LATHE_OPTION_CHOICE,
       "3",
       "How hard the code generator works: 1 compiles fastest, 4 tries hardest. Fusion and layouts are the same at every level.",
       {"1", "2", "3", "4"},
       nullptr},
      {"fast-math", LATHE_OPTION_BOOL, "false", "Let floating-point operations be reordered and approximated.", {}, nullptr},
  };
}

MachineRequest machine_request(const sdk::Settings& settings, std::string_view device) {
  MachineRequest request;
  request.triple = settings.text("mtriple");
  request.cpu = settings.text("mcpu");
  request.attributes = settings.text("mattr");
  request.device = settings.text("device");
  request.model = settings.text("model");
  request.family = device;
  return request;
}

std::vector<std::string> choices_of(std::string_view option) {
  std::vector<std::string> lines;
  if (option == "model") return known_models();
  if (option == "device") return {"arm_cpu", "riscv_cpu", "x86_cpu"};
  if (option != "mcpu" && option != "mattr" && option != "mtriple") return lines;
  for (const Family& family : families()) {
    MachineRequest request;
    request.triple = family.triple;
    lines.push_back(std::string(family.triple) + (option == "mtriple" ? "" : ":"));
    if (option == "mtriple") continue;
    if (option == "mcpu") lines.push_back("  native  (on a machine of this family)");
    for (const std::string& name : option == "mcpu" ? known_cpus(request) : known_features(request)) lines.push_back("  " + name);
  }
  return lines;
}

}  // namespace lathe::llvm_cpu
