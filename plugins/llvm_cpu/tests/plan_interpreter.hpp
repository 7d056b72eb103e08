// Runs a Program step by step, each kernel written in the most obvious way: what the generated code is meant to compute, without
// generating any. Packed weights are decoded by packing a tensor of indices and seeing where each of them went.
#pragma once
#include <cstdint>
#include <vector>

#include "machine.hpp"
#include "plan/program.hpp"

namespace lathe::llvm_cpu {

using Bytes = std::vector<uint8_t>;

// One vector of bytes per input; returns one per output. The arena starts as NaN, so that what is read before it is written shows.
std::vector<Bytes> interpret(const Program& program, const Machine& machine, const std::vector<Bytes>& inputs);

}  // namespace lathe::llvm_cpu
