// From a graph to a Program: fuse, choose layouts, place buffers, pack weights.
#pragma once
#include <string>
#include <vector>

#include "lathe/graph.h"
#include "machine.hpp"
#include "plan/program.hpp"

namespace lathe::llvm_cpu {

// Every shape is constant and every operator has a kernel (claim() made sure). Throws std::runtime_error otherwise.
Program plan(const lathe_graph& graph, const Machine& machine);

}  // namespace lathe::llvm_cpu
