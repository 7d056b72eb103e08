// Holding nodes against a table, and finding the part of a graph that a device compiles.
#include "lathe/operator_rules.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

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

// Sets that are joined step by step.
class Sets {
 public:
  explicit Sets(size_t count) : parents_(count) { std::iota(parents_.begin(), parents_.end(), size_t{0}); }
  size_t find(size_t i) {
    while (parents_[i] != i) i = parents_[i] = parents_[parents_[i]];
    return i;
  }
  void join(size_t a, size_t b) { parents_[find(a)] = find(b); }

 private:
  std::vector<size_t> parents_;
};

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
  keep_largest_part(rules.device, graph, all);
  return all;
}

void keep_largest_part(std::string_view device, const GraphView& graph, std::vector<std::string>& objections) {
  const size_t count = graph.node_count();
  // A node's level is how often a path to it goes from a refused node to a taken one: no path leaves a level and comes back to it, so what is
  // connected inside a level is convex.
  std::vector<size_t> level(count, 0);
  std::vector<uint32_t> between(count, LATHE_NONE);  // a refused node before it
  Sets sets(count);
  for (const NodeView node : graph.nodes()) {
    const size_t i = node.index();
    for (const uint32_t value : node.inputs()) {
      const uint32_t from = value == LATHE_NONE ? LATHE_NONE : graph.value(value).producer();
      if (from == LATHE_NONE) continue;
      const bool back = !objections[from].empty() && objections[i].empty();
      const size_t reached = level[from] + (back ? 1 : 0);
      if (reached > level[i]) level[i] = reached, between[i] = objections[from].empty() ? between[from] : from;
    }
    if (!objections[i].empty()) continue;
    for (const uint32_t value : node.inputs()) {
      const uint32_t from = value == LATHE_NONE ? LATHE_NONE : graph.value(value).producer();
      if (from != LATHE_NONE && objections[from].empty() && level[from] == level[i]) sets.join(from, i);
    }
  }
  std::map<size_t, size_t> sizes;  // taken nodes by set
  size_t best = 0, best_size = 0;
  for (size_t i = 0; i < count; ++i)
    if (objections[i].empty() && ++sizes[sets.find(i)] > best_size) best = sets.find(i), best_size = sizes[best];
  if (best_size == 0) return;
  // Refused nodes with an edge into the part or out of it say where it ends.
  const std::vector<std::string> own = objections;
  size_t part_level = 0;
  std::string end;
  for (size_t i = 0; i < count; ++i) {
    if (own[i].empty() && sets.find(i) == best) part_level = level[i];
    if (own[i].empty() || !end.empty()) continue;
    for (const uint32_t value : graph.node(static_cast<uint32_t>(i)).inputs()) {
      const uint32_t from = value == LATHE_NONE ? LATHE_NONE : graph.value(value).producer();
      if (from != LATHE_NONE && own[from].empty() && sets.find(from) == best) end = graph.node(static_cast<uint32_t>(i)).name();
    }
  }
  for (size_t i = 0; i < count; ++i) {
    if (!own[i].empty() || sets.find(i) == best) continue;
    std::string name = level[i] > part_level && between[i] != LATHE_NONE ? std::string(graph.node(between[i]).name()) : end;
    objections[i] = std::string(device) + " compiles one connected part of a model, and this node lies outside it" +
                    (name.empty() ? std::string() : ", with '" + name + "' in between");
  }
}

}  // namespace lathe::sdk
