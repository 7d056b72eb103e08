// The order in which the nodes of a graph can run.
#pragma once
#include <google/protobuf/repeated_field.h>

#include <string>
#include <vector>

#include "messages.hpp"

namespace lathe::onnx_plugin {

using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

struct NodeOrder {
  std::vector<int> order;  // topological; the file's own order where that is one
  std::vector<int> cycle;  // nodes that wait for each other in a circle, in its order; empty in a valid graph
};

// Names that nodes neither make nor take from the list (inputs, constants, outer values) do not matter. What a subgraph takes from
// outside counts as an input of the node that holds it.
NodeOrder topological_order(const Nodes& nodes);

}  // namespace lathe::onnx_plugin
