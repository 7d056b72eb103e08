// What `lathe check` tells: for each node who would compile it or why nobody does, what it costs, and what each target's part costs as a whole.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <span>

#include "core/job/claims.hpp"

namespace lathe {

// `claims`: what claim_nodes() decided; null when it refused the model: then every target is asked again about every node, on its own. See
// docs/schemas/check.schema.json.
nlohmann::ordered_json describe_check(const Graph& graph, std::span<const ResolvedTarget> targets, std::span<const CandidateTarget> candidates,
                                      const Claims* claims);

}  // namespace lathe
