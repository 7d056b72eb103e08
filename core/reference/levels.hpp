// The heavy kernels compiled for several instruction sets, and the choice between them when the program starts.
//
// kernels_x86_64_v3.cpp and _v4.cpp compile the same headers as core/ops does, with other compiler flags and in namespaces of their own,
// so that no code for a newer processor is ever merged into the portable copy.
#pragma once
#include <cstdint>

#include "core/ops/operator.hpp"

namespace lathe {

struct KernelChoice {
  kernels::Kernel run = nullptr;
  uint64_t (*scratch)(const kernels::Call&, uint32_t threads) = nullptr;  // belongs to `run`: copies pack differently
};

// The operator's kernel for this machine: the fastest copy there is, else the portable one.
KernelChoice best_kernel(const Operator& op);

}  // namespace lathe
