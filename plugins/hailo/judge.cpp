// A HEF held against what was asked, and its streams against the tensors.
#include "judge.hpp"

#include <algorithm>
#include <array>

namespace lathe::hailo {
namespace {

using Extents = std::array<uint64_t, 3>;  // height, width, features

Extents extents(const std::vector<int64_t>& shape) {
  const auto at = [&](size_t i) { return static_cast<uint64_t>(shape[i]); };
  if (shape.size() == 4) return {at(2), at(3), at(1)};
  if (shape.size() == 3) return {1, at(1), at(2)};
  return {1, 1, shape.empty() ? 1 : at(shape.size() - 1)};
}
Extents extents(const Stream& s) { return {s.height, s.width, s.features}; }
std::string text(const Extents& e) { return std::to_string(e[0]) + "x" + std::to_string(e[1]) + "x" + std::to_string(e[2]); }

[[noreturn]] void refuse(std::string said, std::string expected, std::string found, std::string hint = {}) {
  sdk::Diagnostic d;
  d.text = "the Dataflow Compiler made something else than it was asked for: " + std::move(said);
  d.expected = std::move(expected), d.found = std::move(found), d.hint = std::move(hint);
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

// One stream for each tensor: by the node's name where the file has it, else by shape, in order.
std::vector<Binding> bind(const char* kind, const std::vector<Border>& borders, std::vector<const Stream*> streams) {
  if (streams.size() != borders.size()) {
    std::string names;
    for (const Stream* s : streams) names += (names.empty() ? "" : ", ") + s->name;
    refuse(std::string("another number of ") + kind + "s", std::to_string(borders.size()), std::to_string(streams.size()) + ": " + names);
  }
  std::vector<Binding> all(borders.size());
  for (const bool by_name : {true, false})
    for (size_t i = 0; i < borders.size(); ++i) {
      if (!all[i].stream.empty()) continue;
      const Border& border = borders[i];
      const auto found = std::find_if(streams.begin(), streams.end(), [&](const Stream* s) {
        if (extents(*s) != extents(border.shape)) return false;
        const auto& names = s->original_names;
        return !by_name || (!border.node.empty() && std::find(names.begin(), names.end(), border.node) != names.end());
      });
      if (found != streams.end()) {
        all[i] = {border.tensor, (*found)->name};
        streams.erase(found);
      } else if (!by_name) {
        std::string left;
        for (const Stream* s : streams) left += (left.empty() ? "" : ", ") + s->name + " " + text(extents(*s));
        refuse("no " + std::string(kind) + " has the shape of '" + border.tensor + "'", text(extents(border.shape)) + " (height x width x features)",
               left);
      }
    }
  return all;
}

}  // namespace

std::vector<Binding> judge(const sdk::Host& host, const Hef& hef, const Expected& expected) {
  if (!runs_on(hef.architecture, expected.device))
    refuse("the HEF is for another device", expected.device, architecture_name(hef.architecture),
           "a HAILO8L runs files that were compiled for it alone");
  if (hef.groups.size() != 1) refuse("another number of network groups", "1", std::to_string(hef.groups.size()));
  const NetworkGroup& group = hef.groups.front();
  std::vector<const Stream*> inputs, outputs;
  for (const Stream& s : group.streams) (s.input ? inputs : outputs).push_back(&s);
  std::vector<Binding> all = bind("input", expected.inputs, inputs);
  if (expected.classes > 0) {
    if (group.suppressions.empty()) refuse("no suppression of boxes is in it", "one for " + std::to_string(expected.classes) + " classes", "none");
    const uint64_t classes = group.suppressions.front().classes;
    if (classes != static_cast<uint64_t>(expected.classes))
      refuse("boxes are suppressed for another number of classes", std::to_string(expected.classes), std::to_string(classes));
  }
  for (Binding& b : bind("output", expected.outputs, outputs)) all.push_back(std::move(b));
  if (group.contexts > 1)
    host.warn("the network does not fit the chip at once: it is loaded in " + std::to_string(group.contexts) +
              " parts within each inference, which is slow");
  return all;
}

}  // namespace lathe::hailo
