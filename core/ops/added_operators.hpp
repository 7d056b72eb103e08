// Operators that plugins brought (operators/1). They join find_operator() when their plugin is loaded and stay for the process, as the plugin's
// code does; operators() lists Lathe's own alone.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/ops/operator.hpp"

namespace lathe {

struct AddedOperator {
  Operator op;  // its texts point into the plugin's static tables
  kernels::ShapeFunction shape = nullptr;
  std::function<void(InferenceContext&)> infer;  // called by op.infer; empty when it is decomposed
  std::function<Graph(const Node&)> decompose;   // a graph of the formal inputs and outputs that does the same; usually empty
  std::string plugin, library;                   // who brought it: name and file
  std::string kernel_folder;                     // with kernels-<family>.bc; empty when there is no bitcode
};

// Throws Error(unsupported), and adds none, when one of them exists already, unless it is the very same library's.
void add_operators(std::vector<std::shared_ptr<const AddedOperator>> operators);
std::shared_ptr<const AddedOperator> find_added_operator(std::string_view domain, std::string_view name);
std::vector<std::shared_ptr<const AddedOperator>> added_operators();  // in the order in which they came

}  // namespace lathe
