// See model_check.hpp.
#include "core/job/model_check.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "core/job/diagnostic_json.hpp"
#include "core/job/estimate.hpp"

namespace lathe {
namespace {
using Json = nlohmann::ordered_json;

constexpr size_t nobody = SIZE_MAX;

// Per node: who takes it, and why the most wanted target does not.
struct Fate {
  size_t target = nobody;
  std::string reason;
};

std::vector<Fate> decided(const Graph& graph, const Claims& claims) {
  std::map<std::string_view, NodeId> by_name;
  for (NodeId n = 0; n < graph.nodes.size(); ++n) by_name.emplace(graph.nodes[n].name, n);
  std::vector<Fate> fates(graph.nodes.size());
  for (const Region& region : claims.partition.regions)
    for (const Node& node : region.graph.nodes)
      if (const auto found = by_name.find(node.name); found != by_name.end()) fates[found->second].target = region.target;
  for (const Refusal& refusal : claims.partition.refusals)
    if (fates[refusal.node].reason.empty()) fates[refusal.node].reason = refusal.reason;
  return fates;
}

std::vector<Fate> asked_again(const Graph& graph, std::span<const ResolvedTarget> targets, std::span<const CandidateTarget> candidates) {
  std::vector<Fate> fates(graph.nodes.size());
  for (size_t t = 0; t < targets.size(); ++t) {
    const std::vector<NodeVerdict> verdicts = ask_verdicts(graph, candidates[t]);
    for (NodeId n = 0; n < graph.nodes.size(); ++n) {
      if (verdicts[n].taken && fates[n].target == nobody) fates[n].target = t;
      if (!verdicts[n].taken && fates[n].reason.empty()) fates[n].reason = verdicts[n].reason;
    }
  }
  return fates;
}

}  // namespace

Json describe_check(const Graph& graph, std::span<const ResolvedTarget> targets, std::span<const CandidateTarget> candidates, const Claims* claims) {
  const std::vector<Fate> fates = claims ? decided(graph, *claims) : asked_again(graph, targets, candidates);
  Json nodes = Json::array();
  for (NodeId n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const Fate& fate = fates[n];
    const NodeCost cost = cost_of(graph, node);
    const bool taken = fate.target != nobody, host = taken && targets[fate.target].companion;
    Json row{{"node", node.name}, {"operator", node.domain.empty() ? node.op_type : node.domain + "." + node.op_type}};
    row["verdict"] = !taken ? "refused" : host ? "host" : "accepted";
    if (taken) row["target"] = targets[fate.target].spelled();
    if (!fate.reason.empty() && (fate.target != 0 || !taken)) row["reason"] = fate.reason;
    row["multiplications"] = cost.multiplications, row["parameters"] = cost.parameters;
    nodes.push_back(std::move(row));
  }
  Json parts = Json::array(), cut = Json::array();
  if (claims) {
    for (const Region& region : claims->partition.regions) {
      const ResolvedTarget& target = targets[region.target];
      const GraphCost cost = cost_of(region.graph);
      Json part{{"target", target.spelled()},         {"precision", target.precision},
                {"nodes", region.graph.nodes.size()}, {"multiplications", cost.multiplications},
                {"parameters", cost.parameters},      {"features", cost.features},
                {"features_at", cost.features_at}};
      for (const DeviceSpec& device : target.manifest->devices) {
        if (device.name != target.device) continue;
        if (device.weight_bytes) part["weight_bytes"] = device.weight_bytes;
        if (device.feature_bytes) part["feature_bytes"] = device.feature_bytes;
      }
      parts.push_back(std::move(part));
    }
    for (const ValueId id : claims->head.tensors) cut.push_back(graph.value(id).name);
  }
  return {{"fits", claims != nullptr}, {"parts", parts}, {"head_cut", cut}, {"nodes", nodes}};
}

}  // namespace lathe
