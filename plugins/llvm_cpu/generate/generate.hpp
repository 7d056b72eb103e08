// From a Program to object code: emit every distinct kernel, the bitcode kernels, the step list and the artifact's table; optimise.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "machine.hpp"
#include "plan/program.hpp"

namespace lathe::llvm_cpu {

struct GenerateOptions {
  unsigned threads = 2;  // kernels are compiled in parallel
  bool fast_math = false;
  int level = 3;        // 1 to 4: how much LLVM's code generator works at instruction selection and register allocation
  std::string bitcode;  // folder with kernels-<family>.bc
  // The bitcode file of an operator that another plugin brought; "" for all others. May be empty itself.
  std::function<std::string(const std::string& domain, const std::string& op_type)> brought;
  std::function<void(double)> progress;
  std::function<bool()> cancelled;
  std::function<void(const std::string&)> log;  // how long each module took; called from any thread
};

enum class CodeForm { object, assembly, llvm_ir };

// One buffer per module (object files to link; or texts to join).
std::vector<std::vector<char>> generate(const Program& program, const Machine& machine, CodeForm form, const GenerateOptions& options);

}  // namespace lathe::llvm_cpu
