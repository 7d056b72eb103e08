// Runs one node on tensors: infers its outputs, allocates them, calls the kernel.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "core/ops/operator.hpp"
#include "core/reference/thread_pool.hpp"

namespace lathe {

// `inputs` holds nullptr for absent ones. Outputs that the node does not name come back empty. `pool` may be nullptr (one thread).
// nullopt when an output would exceed `limit` bytes. Throws Error that names the node when the data is bad.
std::optional<std::vector<Tensor>> run_node(const Operator& op, const Node& node, std::span<const Tensor* const> inputs, ThreadPool* pool,
                                            uint64_t limit);

}  // namespace lathe
