// lathe/operator_rules.hpp - what a device takes, as data: a table of operators with limits on their attributes. For claim() of plugins whose
// vendor publishes such a table. Link Lathe::toolchain.
//
//   const std::vector<std::string> reasons = objections(rules, graph);
//   for (const NodeView node : graph.nodes()) reasons[node.index()].empty() ? verdicts.take(node) : verdicts.refuse(node, reasons[node.index()]);
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lathe/view.hpp"

namespace lathe::sdk {

// Every element of an integer attribute lies in lowest..highest; `fallback` stands where the node does not have it.
struct IntegerLimit {
  const char* attribute;
  int64_t lowest, highest;
  int64_t fallback;
};
struct RealLimit {
  const char* attribute;
  float value, tolerance;
  float fallback;
};
struct TextLimit {
  const char* attribute;
  std::vector<std::string_view> allowed;
  const char* fallback;
};

// Why not, in one sentence without full stop; empty when there is nothing against it.
using Objection = std::string (*)(const GraphView&, const NodeView&);

struct OperatorRule {
  const char* name;  // of ONNX's own domain
  std::vector<IntegerLimit> integers = {};
  std::vector<TextLimit> texts = {};
  std::vector<RealLimit> reals = {};
  Objection objection = nullptr;  // what a table cannot say
};

struct OperatorRules {
  const char* device;  // for sentences: "the X1"
  std::vector<OperatorRule> operators;
  Objection every = nullptr;  // for every operator of the table: sizes of tensors, element types
};

// What is against one node, whatever stands around it.
std::string objection(const OperatorRules& rules, const GraphView& graph, const NodeView& node);

// Element i: what is against node i. Which of the rest are compiled together is not judged here: a target whose rest stays on the host gets one
// connected part.
std::vector<std::string> objections(const OperatorRules& rules, const GraphView& graph);

// For tools whose part has to begin at the model's own inputs, since nothing else can be calibrated: refuses what depends on anything refused.
// `because` is a sentence without full stop: why the part must begin there.
void begin_at_inputs(const GraphView& graph, std::vector<std::string>& reasons, const std::string& because);

}  // namespace lathe::sdk
