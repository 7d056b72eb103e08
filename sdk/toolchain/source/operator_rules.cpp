// Holding nodes against a table.
#include "lathe/operator_rules.hpp"

#include <algorithm>
#include <cmath>

namespace lathe::sdk {
namespace {

std::string window(int64_t lowest, int64_t highest) {
  if (lowest == highest) return std::to_string(lowest);
  if (highest == INT64_MAX) return "at least " + std::to_string(lowest);
  if (lowest == INT64_MIN) return "at most " + std::to_string(highest);
  return std::to_string(lowest) + " to " + std::to_string(highest);
}

std::string begin(const OperatorRules& rules, const NodeView& node) { return std::string(rules.device) + "'s " + std::string(node.op_type()); }

std::string outside(const OperatorRules& rules, const NodeView& node, const IntegerLimit& limit) {
  const auto said = [&](int64_t value) {
    if (value >= limit.lowest && value <= limit.highest) return std::string();
    return begin(rules, node) + " takes " + limit.attribute + " " + window(limit.lowest, limit.highest) + ", and this one has " +
           std::to_string(value);
  };
  const auto attribute = node.attribute(limit.attribute);
  if (!attribute || attribute->count() == 0) return said(limit.fallback);
  for (size_t i = 0; i < attribute->count(); ++i)
    if (std::string text = said(attribute->integer(i)); !text.empty()) return text;
  return {};
}

std::string outside(const OperatorRules& rules, const NodeView& node, const TextLimit& limit) {
  const std::string_view value = node.text(limit.attribute, limit.fallback);
  std::string list;
  for (const std::string_view allowed : limit.allowed) {
    if (allowed == value) return {};
    list += (list.empty() ? "" : " or ") + std::string(allowed);
  }
  return begin(rules, node) + " takes " + limit.attribute + " " + list + ", and this one has " + std::string(value);
}

std::string outside(const OperatorRules& rules, const NodeView& node, const RealLimit& limit) {
  const float value = node.real(limit.attribute, limit.fallback);
  if (std::fabs(value - limit.value) <= limit.tolerance) return {};
  return begin(rules, node) + " takes " + limit.attribute + " " + std::to_string(limit.value) + ", and this one has " + std::to_string(value);
}

template <class Limits>
std::string first_outside(const OperatorRules& rules, const NodeView& node, const Limits& limits) {
  for (const auto& limit : limits)
    if (std::string text = outside(rules, node, limit); !text.empty()) return text;
  return {};
}

}  // namespace

std::string objection(const OperatorRules& rules, const GraphView& graph, const NodeView& node) {
  const auto rule = std::find_if(rules.operators.begin(), rules.operators.end(), [&](const OperatorRule& r) { return node.is(r.name); });
  if (rule == rules.operators.end())
    return std::string(rules.device) + " has no " + (node.domain().empty() ? "" : std::string(node.domain()) + ".") + std::string(node.op_type());
  std::string text = first_outside(rules, node, rule->integers);
  if (text.empty()) text = first_outside(rules, node, rule->texts);
  if (text.empty()) text = first_outside(rules, node, rule->reals);
  if (text.empty() && rule->objection) text = rule->objection(graph, node);
  if (text.empty() && rules.every) text = rules.every(graph, node);
  return text;
}

std::vector<std::string> objections(const OperatorRules& rules, const GraphView& graph) {
  std::vector<std::string> all;
  all.reserve(graph.node_count());
  for (const NodeView node : graph.nodes()) all.push_back(objection(rules, graph, node));
  return all;
}

void begin_at_inputs(const GraphView& graph, std::vector<std::string>& reasons, const std::string& because) {
  // Nodes come behind those they read from.
  for (const NodeView node : graph.nodes())
    for (const uint32_t value : node.inputs()) {
      if (value == LATHE_NONE || graph.value(value).is_constant() || !reasons[node.index()].empty()) continue;
      const uint32_t from = graph.value(value).producer();
      if (from != LATHE_NONE && !reasons[from].empty()) reasons[node.index()] = "it comes behind what the host computes: " + because;
    }
}

}  // namespace lathe::sdk
