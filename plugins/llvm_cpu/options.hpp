// The options that llvm_cpu declares, and what they mean. The table must say what llvm_cpu.plugin.yaml says.
#pragma once
#include <string_view>
#include <vector>

#include "lathe/plugin.hpp"
#include "target.hpp"

namespace lathe::llvm_cpu {

std::vector<sdk::Option> declared_options();

// `device` is the declared one that the person or default_device() chose; empty while that is being decided.
MachineRequest machine_request(const sdk::Settings& settings, std::string_view device);

// Lines for `-mcpu=help` and its kin.
std::vector<std::string> choices_of(std::string_view option);

}  // namespace lathe::llvm_cpu
