// Who compiles what: the targets' claims, with what a closed chip needs around them. A chip (trait rest-on-host) gets one connected part of the
// model, the host's target what is left of it; of a detector it is offered the network up to the last convolutions (trait cuts-heads).
#pragma once
#include <span>
#include <string>
#include <vector>

#include "core/job/targets.hpp"
#include "core/passes/detection_head.hpp"
#include "core/plugin/regions.hpp"

namespace lathe {

struct Claims {
  Partition partition;            // regions by target; refusals by every target asked before the one that took a node
  HeadCut head;                   // `tensors` empty: no head was cut
  std::vector<Diagnostic> notes;  // what the person should know: where the head was cut, what went to the host and why
};

// For the targets that cut heads, when `head_cut` ("auto", "off", or names of tensors) leaves it to the structure: no tensor between chip and host
// may mix boxes with scores, so convolutions that yield both become two. Before claim_nodes(). True: something was changed.
bool prepare_head(Graph& graph, std::span<const ResolvedTarget> targets, const std::string& head_cut);

// `graph` went through the passes and is typed; `candidates[i]` is the backend of `targets[i]`. Throws Error(unsupported) with a reason for every
// node that nobody takes, and when a chip takes no part of the model; Error(usage) when the head cannot be cut as `head_cut` says.
Claims claim_nodes(const Graph& graph, std::span<const ResolvedTarget> targets, std::span<const CandidateTarget> candidates,
                   const std::string& head_cut);

}  // namespace lathe
