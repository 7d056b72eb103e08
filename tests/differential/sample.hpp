// One random model with the inputs it is run on.
#pragma once
#include <map>
#include <string>

#include "core/ir/graph.hpp"

namespace lathe::differential {

using Inputs = std::map<std::string, Tensor>;

struct Sample {
  Graph graph;
  Inputs inputs;
};

Sample copy(const Sample& sample);  // nodes and values are the copy's own
// The model in ONNX's textual syntax, then the inputs as initializers: what it takes to see a difference again.
std::string to_text(const Sample& sample);

}  // namespace lathe::differential
