// Passes that plugins bring, as Pass objects like any other: the plugin reads a snapshot and hands over edits, which are applied as a
// whole or not at all.
#pragma once
#include <vector>

#include "core/plugin/plugins.hpp"

namespace lathe {

// Adds the passes of `plugin`; one whose name is taken is refused with Error(unsupported). The passes refer to the plugin, which lives on.
void append_passes(Plugin& plugin, std::vector<Pass>& passes);

// `graph` with all edits applied, verified; indices in `edits` are those of Snapshot(graph). Throws Error(internal) and leaves nothing
// changed when an edit is malformed or the result is no valid graph.
Graph apply_edits(const Graph& graph, const lathe_edit* edits, size_t count, size_t stride);

}  // namespace lathe
