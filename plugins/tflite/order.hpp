// The order in which a tensor's axes are held. A value of the graph and the tensor that stands for it may differ by a permutation, which
// costs nothing as long as everybody agrees on it: that is how channels-last files come from channels-first graphs without transposes.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

namespace lathe::tflite {

// Held axis i is the value's axis order[i].
using Order = std::vector<int>;
using Extents = std::vector<int64_t>;  // -1: open

Order identity(size_t rank);
bool is_identity(const Order& order);
Order channels_last(size_t rank);   // 0, 2, 3, ..., 1
Order channels_first(size_t rank);  // its inverse: 0, rank-1, 1, 2, ...
Order inverse(const Order& order);
// The order of what is held as `outer` of a value that is itself `inner` of another: result[i] = inner[outer[i]].
Order compose(const Order& outer, const Order& inner);
Extents permute(const Extents& extents, const Order& order);
int held_axis(const Order& order, int axis);  // where the value's axis lies

// Whether both orders put the elements in one sequence: they differ by axes of extent 1 only.
bool same_sequence(const Extents& extents, const Order& a, const Order& b);

// A value of extents `from`, held in `order`, is reshaped to `to` without moving an element: the order the result is then held in. Nothing when
// elements would have to move. Channels-last is preferred where several serve.
std::optional<Order> through_reshape(const Extents& from, const Order& order, const Extents& to);

}  // namespace lathe::tflite
