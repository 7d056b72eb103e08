// An open batch: the part of a graph that treats every item of the first dimension alike and on its own. It is planned for one item, with every tuned
// kernel and layout that fixed shapes allow, and run item by item.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "lathe/graph.h"

namespace lathe::llvm_cpu {

struct BatchPart {
  std::string symbol;             // the name of the open dimension
  std::vector<bool> nodes;        // per node of the graph: computed item by item
  std::vector<bool> before;       // per node: needs nothing of that part, and all its shapes are fixed; runs before it
  std::vector<uint32_t> inputs;   // values with the open dimension that the part reads from outside of it
  std::vector<uint32_t> shared;   // values without it, no constants, that the part reads
  std::vector<uint32_t> outputs;  // values of the part that are read outside of it
};

// nullopt when the graph has no open first dimension, or hardly anything can be done item by item.
std::optional<BatchPart> find_batch_part(const lathe_graph& graph);

}  // namespace lathe::llvm_cpu
