// The table of modules that `yolo` prints when it builds a network, made again from what the checkpoint saved of it.
#pragma once
#include <cstdint>
#include <lathe/plugin.hpp>
#include <string>
#include <vector>

#include "checkpoint.hpp"
#include "network.hpp"

namespace lathe::ultralytics {

struct ModuleRow {
  std::string from;        // as Python prints it: "-1", "[-1, 6]"
  int64_t repeats = 1;     // after the network's depth was applied
  int64_t parameters = 0;  // elements of all parameters, batch norms not folded; each counted once
  std::string module;      // full path of the class
  std::string arguments;   // as Python prints them: "[3, 16, 3, 2]"; empty when the checkpoint holds no description of the network
};

// One row for each top-level module.
std::vector<ModuleRow> module_table(const Module& model, const std::vector<Stage>& stages);

// Elements of the parameters of a module and everything below it.
int64_t count_parameters(const Module& module);

// Twice the multiplications of convolutions and matrix products, in 1e9: what Ultralytics calls GFLOPs.
double count_gflops(sdk::GraphBuilder& graph);

}  // namespace lathe::ultralytics
