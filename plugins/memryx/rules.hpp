// What of a graph is offered to MemryX's Neural Compiler.
#pragma once
#include <lathe/operator_rules.hpp>
#include <string>
#include <vector>

namespace lathe::memryx {

// Element i: why node i is not, empty where it is. Throws Failure (LATHE_UNSUPPORTED) for a model that is quantised already.
std::vector<std::string> objections(const sdk::GraphView& graph);

// Whether a part of the graph multiplies two computed tensors and takes a softmax between: the self-attention of YOLOv10 and YOLO11, which SDKs
// before 2.2 know only when they are told to look for it.
bool has_attention(const sdk::GraphView& graph);

}  // namespace lathe::memryx
