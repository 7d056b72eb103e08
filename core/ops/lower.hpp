// The reverse of lifting: a graph at the canonical opset, said again at an older one, for tools that know no newer.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/ir/graph.hpp"

namespace lathe {

inline constexpr int64_t lowest_written_opset = 11;  // older ones had too different a Resize, Pad and Clip, and no tool asks for them

// Re-expresses `graph` (canonical, typed) at `opset`: inputs become attributes again, operators that did not exist are written out in others. Values
// that come anew have types where a rule can tell. The graph is not canonical afterwards; reading it again lifts it. Throws Error(unsupported) with a
// sentence for each node that cannot be expressed, Error(usage) for an opset outside lowest_written_opset..canonical_opset.
void lower_to_opset(Graph& graph, int64_t opset);

// Per node: why it cannot be expressed at `opset`; empty where it can.
std::vector<std::string> lowering_obstacles(const Graph& graph, int64_t opset);

}  // namespace lathe
