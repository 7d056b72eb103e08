// See claims.hpp.
#include "core/job/claims.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>

#include "core/base/diagnostic.hpp"
#include "core/ops/operator.hpp"
#include "core/passes/eliminate_dead_code.hpp"
#include "core/passes/fold_batch_norm.hpp"

namespace lathe {
namespace {

constexpr const char* decoded_on_host = "it belongs to the decoding of the detection head, which is left to the host";
constexpr const char* second_part = "it stands apart from the device's one part of the model, behind nodes that the device does not take";

bool any_cuts_heads(std::span<const ResolvedTarget> targets) {
  return std::any_of(targets.begin(), targets.end(), [](const ResolvedTarget& t) { return t.manifest->has_trait("cuts-heads"); });
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> words;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    if (end > at) words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

std::string counted(size_t count, const std::string& noun) { return std::to_string(count) + " " + noun + (count == 1 ? "" : "s"); }

std::string listed(const std::vector<std::string>& words, size_t most) {
  std::string text;
  for (size_t i = 0; i < words.size() && i < most; ++i) text += (i ? ", " : "") + words[i];
  return words.size() > most ? text + " and " + std::to_string(words.size() - most) + " more" : text;
}

// Puts the outputs that were cut at first, in the cut's order.
void order_outputs(Graph& part, const Graph& whole, const HeadCut& head) {
  std::map<std::string_view, size_t> rank;
  for (const ValueId v : head.tensors) rank.emplace(whole.value(v).name, rank.size());
  std::vector<std::pair<size_t, ValueId>> ordered;
  for (size_t i = 0; i < part.outputs.size(); ++i) {
    const auto found = rank.find(part.value(part.outputs[i]).name);
    ordered.emplace_back(found == rank.end() ? rank.size() + i : found->second, part.outputs[i]);
  }
  std::sort(ordered.begin(), ordered.end());
  for (size_t i = 0; i < ordered.size(); ++i) part.outputs[i] = ordered[i].second;
}

// The verdicts of a target that is shown the graph without the head's decoding.
std::vector<NodeVerdict> ask_about_trunk(const Graph& graph, const HeadCut& head, const CandidateTarget& target) {
  std::vector<std::vector<NodeVerdict>> sides(2, std::vector<NodeVerdict>(graph.nodes.size()));
  for (NodeId n = 0; n < graph.nodes.size(); ++n) sides[head.tail[n] ? 1 : 0][n].taken = true;
  const std::vector<std::string> names = {"trunk", "tail"};
  Partition parts = cut_regions(graph, names, sides);
  std::vector<NodeVerdict> verdicts(graph.nodes.size(), {false, none, decoded_on_host});
  if (parts.regions.front().target != 0) return verdicts;
  Graph& trunk = parts.regions.front().graph;
  order_outputs(trunk, graph, head);
  const std::vector<NodeVerdict> asked = ask_verdicts(trunk, target);
  size_t next = 0;
  for (NodeId n = 0; n < graph.nodes.size(); ++n)
    if (!head.tail[n]) verdicts[n] = asked.at(next++);
  return verdicts;
}

// Multiplications, roughly; at least one for each number that the node yields.
double work_of(const Graph& graph, const Node& node) {
  double work = 0;
  for (const ValueId v : node.outputs) {
    if (v == none || !graph.value(v).type.static_shape()) continue;
    const std::vector<int64_t> d = graph.value(v).type.dimensions();
    double numbers = std::accumulate(d.begin(), d.end(), 1.0, [](double a, int64_t b) { return a * double(b); });
    const bool weighed = node.op_type == "Conv" || node.op_type == "ConvTranspose" || node.op_type == "MatMul" || node.op_type == "Gemm";
    if (const Tensor* weights = weighed ? graph.constant(node.input(1)) : nullptr; weights && !weights->dimensions.empty())
      numbers *= std::max(1.0, double(weights->size()) / double(std::max<int64_t>(weights->dimensions[0], 1)));
    work += numbers;
  }
  return work;
}

// Of what the target takes, one connected part stays with it: the one with the most work.
void keep_one_part(const Graph& graph, const std::string& target, std::vector<NodeVerdict>& verdicts) {
  std::vector<std::vector<NodeVerdict>> sides = {verdicts, std::vector<NodeVerdict>(verdicts.size(), {true, none, ""})};
  const std::vector<std::string> names = {target, "the rest"};
  const Partition parts = cut_regions(graph, names, sides);
  const Region* heaviest = nullptr;
  double most = -1;
  for (const Region& region : parts.regions) {
    if (region.target != 0) continue;
    double work = 0;
    for (const Node& node : region.graph.nodes) work += work_of(region.graph, node);
    if (work > most) most = work, heaviest = &region;
  }
  std::vector<std::string_view> kept;
  if (heaviest)
    for (const Node& node : heaviest->graph.nodes) kept.emplace_back(node.name);
  std::sort(kept.begin(), kept.end());
  for (NodeId n = 0; n < verdicts.size(); ++n) {
    if (!verdicts[n].taken || std::binary_search(kept.begin(), kept.end(), std::string_view(graph.nodes[n].name))) continue;
    verdicts[n] = {false, none, verdicts[n].reason.empty() ? second_part : verdicts[n].reason};
  }
}

// One diagnostic for each reason of a target, with the nodes that it is given for.
std::vector<Diagnostic> reasons_of(const Graph& graph, const Partition& partition, size_t target, Severity severity) {
  std::vector<std::pair<std::string, std::vector<std::string>>> reasons;
  for (const Refusal& refusal : partition.refusals) {
    if (refusal.target != target || refusal.reason == decoded_on_host) continue;
    auto found = std::find_if(reasons.begin(), reasons.end(), [&](const auto& r) { return r.first == refusal.reason; });
    if (found == reasons.end()) found = reasons.insert(reasons.end(), {refusal.reason, {}});
    found->second.push_back("'" + graph.nodes[refusal.node].name + "' (" + graph.nodes[refusal.node].op_type + ")");
  }
  std::vector<Diagnostic> list;
  for (const auto& [reason, nodes] : reasons) {
    Diagnostic d;
    d.severity = severity;
    d.text = listed(nodes, 4) + ": " + reason;
    list.push_back(std::move(d));
  }
  return list;
}

void require_part_for_chips(const Graph& graph, std::span<const ResolvedTarget> targets, const Partition& partition) {
  for (size_t t = 0; t < targets.size(); ++t) {
    if (!targets[t].manifest->has_trait("rest-on-host")) continue;
    if (std::any_of(partition.regions.begin(), partition.regions.end(), [&](const Region& r) { return r.target == t; })) continue;
    std::vector<Diagnostic> problems = reasons_of(graph, partition, t, Severity::error);
    if (problems.size() > 20) problems.resize(20);
    Diagnostic d;
    d.text = "target " + targets[t].spelled() + " takes no part of this model";
    d.hint = "the reasons stand above; another target may take it, 'lathe targets' lists them";
    problems.push_back(std::move(d));
    throw Error(Code::unsupported, std::move(problems));
  }
}

// A chip that computes the smaller part of a model is seldom what somebody bought it for.
std::optional<Diagnostic> heavy_host(const Graph& graph, const Claims& claims, size_t chip, const std::string& name) {
  double taken = 0, all = 0;
  for (const Region& region : claims.partition.regions)
    for (const Node& node : region.graph.nodes) {
      const double work = work_of(region.graph, node);
      all += work, taken += region.target == chip ? work : 0;
    }
  if (taken >= 0.75 * all) return std::nullopt;
  Diagnostic d;
  d.severity = Severity::warning;
  d.text = std::to_string(std::lround(100 * (1 - taken / all))) + " % of the model's work falls to the host, and " + name + " computes the rest";
  const bool quantised = std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.op_type == "QuantizeLinear" || node.op_type == "DynamicQuantizeLinear" || node.op_type == "ConvInteger";
  });
  d.hint = quantised ? "the model is quantised already, and the device's compiler quantises by itself: give it the model in floating point"
                     : "the nodes that stopped it are named below; 'lathe check' prints them all with what they cost";
  return d;
}

// What is told of a job in which a chip took a part.
std::vector<Diagnostic> notes_of(const Graph& graph, std::span<const ResolvedTarget> targets, const Claims& claims, const std::string& head_cut) {
  std::vector<Diagnostic> notes;
  const auto note = [&](std::string text, std::string hint) {
    Diagnostic d;
    d.severity = Severity::note;
    d.text = std::move(text), d.hint = std::move(hint);
    notes.push_back(std::move(d));
  };
  if (!claims.head.tensors.empty()) {
    std::vector<std::string> names;
    for (const ValueId v : claims.head.tensors) names.push_back(graph.value(v).name);
    const auto behind = static_cast<size_t>(std::count(claims.head.tail.begin(), claims.head.tail.end(), true));
    note("the detection head was cut at " + counted(names.size(), "tensor") + " (" + listed(names, 12) + "); the " + counted(behind, "node") +
             " behind are left to the host",
         "--option head-cut=off leaves the model whole");
  } else if (any_cuts_heads(targets) && head_cut == "auto") {
    note("no detection head was found, and the model was left whole: " + claims.head.reason, "--option head-cut=TENSOR,TENSOR cuts it by hand");
  }
  for (size_t t = 0; t < targets.size(); ++t) {
    if (!targets[t].manifest->has_trait("rest-on-host")) continue;
    const std::vector<Diagnostic> reasons = reasons_of(graph, claims.partition, t, Severity::note);
    if (reasons.empty()) continue;
    if (std::optional<Diagnostic> warning = heavy_host(graph, claims, t, targets[t].spelled())) notes.push_back(std::move(*warning));
    std::string text = "what " + targets[t].spelled() + " does not take runs on the host: ";
    for (size_t i = 0; i < reasons.size() && i < 8; ++i) text += (i ? "; " : "") + reasons[i].text;
    if (reasons.size() > 8) text += "; and more";
    note(std::move(text), "");
  }
  return notes;
}

}  // namespace

bool prepare_head(Graph& graph, std::span<const ResolvedTarget> targets, const std::string& head_cut) {
  if (head_cut != "auto" || !any_cuts_heads(targets)) return false;
  bool changed = convolve_channel_products(graph);
  if (changed) {
    infer_types(graph);
    fold_batch_norm(graph);  // the scale and shift of a comparison with texts
    eliminate_dead_code(graph);
  }
  changed |= separate_boxes(graph);
  if (changed) infer_types(graph);
  return changed;
}

Claims claim_nodes(const Graph& graph, std::span<const ResolvedTarget> targets, std::span<const CandidateTarget> candidates,
                   const std::string& head_cut) {
  Claims claims;
  if (any_cuts_heads(targets) && head_cut != "off")
    claims.head = head_cut == "auto" ? find_detection_head(graph) : cut_head_at(graph, split_at_commas(head_cut));
  std::vector<std::string> names;
  for (const CandidateTarget& candidate : candidates) names.push_back(candidate.name);
  claims.partition = cut_regions(graph, names, [&](size_t t) {
    const Manifest& manifest = *targets[t].manifest;
    const bool cut = manifest.has_trait("cuts-heads") && !claims.head.tensors.empty();
    std::vector<NodeVerdict> verdicts = cut ? ask_about_trunk(graph, claims.head, candidates[t]) : ask_verdicts(graph, candidates[t]);
    if (manifest.has_trait("rest-on-host")) keep_one_part(graph, names[t], verdicts);
    return verdicts;
  });
  require_part_for_chips(graph, targets, claims.partition);
  for (Region& region : claims.partition.regions)
    if (targets[region.target].manifest->has_trait("cuts-heads")) order_outputs(region.graph, graph, claims.head);
  claims.notes = notes_of(graph, targets, claims, head_cut);
  return claims;
}

}  // namespace lathe
