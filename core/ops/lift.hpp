// What the files of lifting share: the place of a node that is being lifted, and the tables of rules. Private to core/ops.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/ops/operator.hpp"

namespace lathe::lift {

[[noreturn]] void fail(const Node& node, std::string text, std::string expected = {}, std::string found = {}, std::string hint = {});

// A node by index: adding values or nodes to the graph does not invalidate it. Nodes are appended; their order is restored at the end.
struct Place {
  Graph& graph;
  NodeId id;
  int64_t opset;

  Node& node() const { return graph.nodes[id]; }
  bool has_input(size_t index) const { return node().input(index) != none; }
  void set_input(size_t index, ValueId value) const;
  DataType input_type(size_t index) const;  // float where nothing is known yet

  // A constant named after the node.
  ValueId constant(std::string_view what, Tensor tensor) const;
  ValueId integers(std::string_view what, const std::vector<int64_t>& values) const;  // one-dimensional, int64
  ValueId scalar(std::string_view what, double value) const;                          // of input 0's type
  // A new node with one output, named after this one; yields the output.
  ValueId make(std::string op_type, std::vector<ValueId> inputs, std::map<std::string, Attribute, std::less<>> attributes = {}) const;

  // An attribute of integers becomes the one-dimensional int64 input `index`; a float attribute a scalar of input 0's type.
  void integers_to_input(std::string_view attribute, size_t index) const;
  void real_to_input(std::string_view attribute, size_t index) const;
  void remove(std::string_view attribute) const;
  void rename(std::string_view attribute, std::string_view from, std::string_view to) const;  // of a value of a text
};

struct Rule {
  std::string_view op_type;
  int64_t below;  // applies to opsets below this
  void (*lift)(const Place&);
};

// Opsets 1 to 6 (lift_early.cpp): before operators broadcast as numpy does.
std::span<const Rule> early_rules();

// Scan of opset 8, which had a batch (lift_scan.cpp).
void lift_scan(const Place& place);

}  // namespace lathe::lift
