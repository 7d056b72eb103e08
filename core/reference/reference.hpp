// The reference engine: runs a graph node by node with the kernels of sdk/kernels. The living definition of what a model computes;
// also how constants are folded. Not meant to be the fastest, but yolov8n at 640x640 stays under one second on two cores.
#pragma once
#include <functional>
#include <map>
#include <string>

#include "core/ir/datum.hpp"

namespace lathe {

struct ReferenceOptions {
  unsigned threads = 2;
  // Called with each value as it is made; for finding the layer where two engines part.
  std::function<void(const std::string& value, const Datum& datum)> watch;
  std::function<bool()> cancelled;
  // Not 0: the seed by which sums of products are moved as rounding may move them (rounding.hpp). How far the results of two such runs part is
  // how far float32 settles them.
  uint64_t moved_sums = 0;
};

// Inputs by name; returns the outputs by name. Throws Error(failed) for missing or unfitting inputs and for data-dependent errors.
NamedData run_reference(const Graph& graph, const NamedData& inputs, const ReferenceOptions& options = {});

// Runs one node on constants. nullopt when it has no kernel, is not deterministic, or an output would exceed `limit` bytes.
std::optional<std::vector<Tensor>> evaluate(const Graph& graph, const Node& node, std::span<const Tensor* const> inputs, uint64_t limit);

}  // namespace lathe
