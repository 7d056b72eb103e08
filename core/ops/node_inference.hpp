// Checks one node against its operator's signature and infers its outputs, from whatever is known of its inputs. infer_types runs it
// over a graph; the reference engine runs it before each kernel, when shapes and small inputs are all known.
#pragma once
#include <optional>
#include <vector>

#include "core/ops/operator.hpp"

namespace lathe {

// The graph that a node stands in, as inference of one node sees it.
class Surroundings {
 public:
  virtual ~Surroundings() = default;
  virtual std::vector<OutputFacts> infer_body(const Node& node, std::string_view attribute, Graph& body, const std::vector<ValueType>& inputs) = 0;
  virtual std::string symbol(const Node& node, size_t output, size_t axis) = 0;  // a name for an unknown dimension
};

// One entry per output of the node. Throws Error with one Diagnostic that names the node and its operator. `surroundings` is nullptr for
// nodes that are looked at alone, which have no subgraphs.
std::vector<OutputFacts> infer_node(const Operator& op, const Node& node, const std::vector<InputFacts>& inputs,
                                    Surroundings* surroundings = nullptr);

// What inference knows of the elements of a graph's values, and of the graphs inside it.
struct KnownElements {
  std::vector<std::optional<Shape>> values;        // per value
  std::vector<std::vector<KnownElements>> bodies;  // per node, per subgraph of it
};
KnownElements known_elements(const Graph& graph);

// The elements of a small integer or boolean tensor, as shape arithmetic sees them.
std::optional<Shape> elements_of(const Tensor& tensor);

// The tensor of a Constant node; throws Error when the node has no valid value.
Tensor constant_of(const Node& node);

}  // namespace lathe
