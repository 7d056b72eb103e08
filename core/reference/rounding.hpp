// Moving sums by what rounding may do to them, to see how much of a network's result is settled by float32 at all.
#pragma once
#include <cstdint>

#include "core/ir/graph.hpp"

namespace lathe {

// A node whose float32 results are sums of products: in which order they are added, and so how they round, is each engine's own choice.
bool sums_products(const Node& node);

// Moves every element of a float32 tensor at random by up to 2^-21 of itself or of the tensor's root mean square, whichever is larger: what a sum of
// a few hundred products is off by when terms are added one after the other (Parker, "Monte Carlo Arithmetic", 1997, does so to every operation).
// `state` is the random sequence; the tensor must own its bytes alone. Other types stay as they are.
void move_sums(Tensor& tensor, uint64_t& state);

}  // namespace lathe
