// What a graph costs, told from its shapes: multiplications, parameters, feature maps that live at the same time. Held against what a device says it
// holds before its compiler spends half an hour to find out.
#pragma once
#include <string>
#include <vector>

#include "core/base/diagnostic.hpp"
#include "core/ir/graph.hpp"
#include "core/job/targets.hpp"

namespace lathe {

struct NodeCost {
  int64_t multiplications = 0;  // of convolutions, matrix products and recurrent layers; 0 for all others and where shapes are open
  int64_t parameters = 0;       // elements of its constants of real or 8-bit numbers; shapes and indices are none
};
NodeCost cost_of(const Graph& graph, const Node& node);

struct GraphCost {
  int64_t multiplications = 0;
  int64_t parameters = 0;   // a constant that several nodes use counts once
  int64_t features = 0;     // elements of the largest set of values that live at the same time, in the order of the nodes
  std::string features_at;  // the node at which they do
};
// Values that only rename another one's elements (Reshape and its kind) live in it; an elementwise node whose input dies writes over it.
GraphCost cost_of(const Graph& graph);

// The part of the model that `target` gets, against the device's capacity: a byte for an element at the smallest precision that the device declares,
// as many times as much at a wider one as it is wider (float16 beside int8: two). A warning from four fifths on. An error for
// parameters above twice the capacity, which would not fit at four bits either. Nothing for devices that declare no limit.
std::vector<Diagnostic> hold_against(const GraphCost& cost, const ResolvedTarget& target);

}  // namespace lathe
