// --layout NHWC: the model's inputs and outputs of rank four are handed over with channels last; the graph inside stays as it is.
#pragma once
#include "core/ir/graph.hpp"

namespace lathe {

// Puts a Transpose behind every input and before every output of rank four. The graph is typed; names of inputs and outputs stay.
void hand_over_channels_last(Graph& graph);

// Pins height and width of the first input of rank four. Throws Error(usage) when there is none or it has another, fixed size.
void pin_picture_size(Graph& graph, int64_t width, int64_t height);

}  // namespace lathe
