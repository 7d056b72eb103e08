// The arena: which storages live when, and where each of them lies.
//
// First fit in order of decreasing size (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020, "greedy
// by size"): the largest storages are placed first, each at the lowest offset at which it meets no placed storage that lives at
// the same time. An elementwise step may write over an operand that nobody reads afterwards.
#include <algorithm>
#include <map>
#include <numeric>

#include "plan/network.hpp"

namespace lathe::llvm_cpu {

namespace {

constexpr uint64_t alignment = 64;

struct Lifetime {
  uint32_t first = UINT32_MAX, last = 0;  // steps
  bool overlaps(const Lifetime& other) const { return first <= other.last && other.first <= last; }
};

std::vector<Lifetime> lifetimes(const StepList& list) {
  std::vector<Lifetime> result(list.storages.size());
  for (uint32_t i = 0; i < list.steps.size(); ++i) {
    for (const BufferId a : list.steps[i].arguments) {
      if (a == no_buffer) continue;
      Lifetime& life = result[list.ranges[a].storage];
      life.first = std::min(life.first, i);
      life.last = std::max(life.last, i);
    }
  }
  return result;
}

// owner[s]: the storage whose memory s uses. Joins the output of an elementwise or softmax step with an operand that dies there, when both are
// whole storages of one size and addressed alike.
std::vector<uint32_t> share_in_place(const StepList& list, std::vector<Lifetime>& lives) {
  std::vector<uint32_t> owner(list.storages.size());
  std::iota(owner.begin(), owner.end(), 0);
  for (uint32_t i = 0; i < list.steps.size(); ++i) {
    if (list.steps[i].dynamic) continue;  // its output has memory of its own
    const auto* kernel = std::get_if<Elementwise>(&list.steps[i].kernel);
    const bool softmax = std::holds_alternative<Softmax>(list.steps[i].kernel);
    if (!softmax && (!kernel || kernel->expression.instructions.empty())) continue;
    const auto strides = [&](size_t operand) { return softmax ? std::vector<int64_t>() : kernel->operand_strides[operand]; };
    const auto& arguments = list.steps[i].arguments;
    const StorageRange& out = list.ranges[arguments.back()];
    if (list.storages[out.storage].kind != Buffer::Kind::arena || lives[out.storage].first != i || out.offset != 0 ||
        out.bytes != list.storages[out.storage].bytes)
      continue;
    for (size_t a = 0; a + 1 < arguments.size(); ++a) {
      const StorageRange& in = list.ranges[arguments[a]];
      const uint32_t root = owner[in.storage];
      if (list.storages[in.storage].kind != Buffer::Kind::arena || lives[root].last != i || in.offset != 0 || in.bytes != out.bytes ||
          list.storages[root].bytes != out.bytes || (!softmax && strides(a) != kernel->output_strides))
        continue;
      // No other operand may look at the same memory in another way.
      bool alone = true;
      for (size_t b = 0; b + 1 < arguments.size(); ++b)
        alone = alone && (b == a || owner[list.ranges[arguments[b]].storage] != root || (arguments[b] == arguments[a] && strides(b) == strides(a)));
      if (!alone) continue;
      owner[out.storage] = root;
      lives[root].last = std::max(lives[root].last, lives[out.storage].last);
      break;
    }
  }
  return owner;
}

}  // namespace

void place(const StepList& list, Program& program) {
  std::vector<Lifetime> lives = lifetimes(list);
  const std::vector<uint32_t> owner = share_in_place(list, lives);
  std::vector<uint64_t> offsets(list.storages.size(), 0);

  std::vector<uint32_t> order;
  for (uint32_t s = 0; s < list.storages.size(); ++s)
    if (list.storages[s].kind == Buffer::Kind::arena && owner[s] == s && lives[s].first != UINT32_MAX) order.push_back(s);
  // Largest first; among equals in the order they were made, so that the same model gives the same addresses.
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const uint64_t x = list.storages[a].bytes, y = list.storages[b].bytes;
    return x != y ? x > y : a < b;
  });

  std::vector<uint32_t> placed;
  for (const uint32_t s : order) {
    std::vector<std::pair<uint64_t, uint64_t>> taken;  // begin, end
    for (const uint32_t p : placed)
      if (lives[p].overlaps(lives[s])) taken.emplace_back(offsets[p], offsets[p] + list.storages[p].bytes);
    std::sort(taken.begin(), taken.end());
    uint64_t at = 0;
    for (const auto& [begin, end] : taken) {
      if (at + list.storages[s].bytes <= begin) break;
      at = std::max(at, (end + alignment - 1) / alignment * alignment);
    }
    offsets[s] = at;
    program.arena_bytes = std::max(program.arena_bytes, at + list.storages[s].bytes);
    placed.push_back(s);
  }
  for (const StorageRange& r : list.ranges) {
    const Storage& storage = list.storages[r.storage];
    const uint64_t base = storage.kind == Buffer::Kind::arena ? offsets[owner[r.storage]] : storage.offset;
    program.buffers.push_back({storage.kind, storage.index, base + r.offset, r.bytes});
  }
}

}  // namespace lathe::llvm_cpu
