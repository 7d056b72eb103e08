// Permutations, and what reshaping does to them.
#include "order.hpp"

#include <algorithm>
#include <numeric>

namespace lathe::tflite {

Order identity(size_t rank) {
  Order order(rank);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

bool is_identity(const Order& order) { return order == identity(order.size()); }

Order channels_last(size_t rank) {
  Order order = identity(rank);
  if (rank > 2) std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return order;
}

Order channels_first(size_t rank) { return inverse(channels_last(rank)); }

Order inverse(const Order& order) {
  Order back(order.size());
  for (size_t i = 0; i < order.size(); ++i) back[static_cast<size_t>(order[i])] = static_cast<int>(i);
  return back;
}

Order compose(const Order& outer, const Order& inner) {
  Order order(outer.size());
  for (size_t i = 0; i < outer.size(); ++i) order[i] = inner[static_cast<size_t>(outer[i])];
  return order;
}

Extents permute(const Extents& extents, const Order& order) {
  Extents held(order.size());
  for (size_t i = 0; i < order.size(); ++i) held[i] = extents[static_cast<size_t>(order[i])];
  return held;
}

int held_axis(const Order& order, int axis) { return static_cast<int>(std::find(order.begin(), order.end(), axis) - order.begin()); }

namespace {
// The axes longer than 1, in the order they are held.
Order moving(const Extents& extents, const Order& order) {
  Order axes;
  for (const int axis : order)
    if (extents[static_cast<size_t>(axis)] != 1) axes.push_back(axis);
  return axes;
}
}  // namespace

bool same_sequence(const Extents& extents, const Order& a, const Order& b) { return a == b || moving(extents, a) == moving(extents, b); }

std::optional<Order> through_reshape(const Extents& from, const Order& order, const Extents& to) {
  const Order plain_from = moving(from, identity(from.size())), plain_to = moving(to, identity(to.size()));
  // Runs of axes on both sides with equal products, as short as possible.
  struct Group {
    size_t from_begin, from_end, to_begin, to_end;
  };
  std::vector<Group> groups;
  for (size_t i = 0, j = 0; i < plain_from.size() || j < plain_to.size();) {
    if (i == plain_from.size() || j == plain_to.size()) return std::nullopt;
    Group group{i, i, j, j};
    int64_t a = from[static_cast<size_t>(plain_from[group.from_end++])], b = to[static_cast<size_t>(plain_to[group.to_end++])];
    while (a != b) {
      if (a < 0 || b < 0) return std::nullopt;
      if (a < b) {
        if (group.from_end == plain_from.size()) return std::nullopt;
        const int64_t next = from[static_cast<size_t>(plain_from[group.from_end++])];
        if (next < 0) return std::nullopt;
        a *= next;
      } else {
        if (group.to_end == plain_to.size()) return std::nullopt;
        const int64_t next = to[static_cast<size_t>(plain_to[group.to_end++])];
        if (next < 0) return std::nullopt;
        b *= next;
      }
    }
    i = group.from_end;
    j = group.to_end;
    groups.push_back(group);
  }
  // Each run must lie together and in its own sequence.
  const Order held = moving(from, order);
  Order result;
  for (size_t at = 0; at < held.size();) {
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return plain_from[g.from_begin] == held[at]; });
    if (group == groups.end()) return std::nullopt;
    for (size_t k = group->from_begin; k < group->from_end; ++k, ++at)
      if (at == held.size() || held[at] != plain_from[k]) return std::nullopt;
    for (size_t k = group->to_begin; k < group->to_end; ++k) result.push_back(plain_to[k]);
  }
  for (const Order& candidate : {channels_last(to.size()), identity(to.size())})
    if (moving(to, candidate) == result) return candidate;
  // Axes of extent 1 keep their place among the first axes.
  Order filled = result;
  for (size_t axis = 0; axis < to.size(); ++axis)
    if (to[axis] == 1) filled.insert(filled.begin() + static_cast<std::ptrdiff_t>(std::min(axis, filled.size())), static_cast<int>(axis));
  return filled;
}

}  // namespace lathe::tflite
