// Sequences, which the format has not: where their length is known they are lists of tensors while the model is made, and nothing of them is left in
// the file.
#include <algorithm>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

// Which element is meant, of `count`; the end when the input is absent.
size_t place_of(Lowering& l, const Work& w, size_t input, size_t count, size_t fallback) {
  if (!w.has(input)) return fallback;
  const auto given = l.integers(w.in(input));
  if (!given || given->size() != 1) l.refuse("the format has no sequences, and which element is meant is computed");
  const int64_t at = (*given)[0] < 0 ? (*given)[0] + static_cast<int64_t>(count) : (*given)[0];
  if (at < 0 || at > static_cast<int64_t>(count)) l.refuse("it names an element beyond the sequence's end");
  return static_cast<size_t>(at);
}

void lower_construct(Lowering& l, const Work& w) { l.define_sequence(w.out(), w.inputs); }

void lower_insert(Lowering& l, const Work& w) {
  auto elements = l.sequence(w.in(0));
  const size_t at = place_of(l, w, 2, elements.size(), elements.size());
  elements.insert(elements.begin() + static_cast<std::ptrdiff_t>(at), w.in(1));
  l.define_sequence(w.out(), elements);
}

void lower_erase(Lowering& l, const Work& w) {
  auto elements = l.sequence(w.in(0));
  if (elements.empty()) l.refuse("it takes an element out of an empty sequence");
  const size_t at = place_of(l, w, 1, elements.size(), elements.size() - 1);
  if (at == elements.size()) l.refuse("it names an element beyond the sequence's end");
  elements.erase(elements.begin() + static_cast<std::ptrdiff_t>(at));
  l.define_sequence(w.out(), elements);
}

void lower_at(Lowering& l, const Work& w) {
  const auto elements = l.sequence(w.in(0));
  const size_t at = place_of(l, w, 1, elements.size(), 0);
  if (at >= elements.size()) l.refuse("it names an element beyond the sequence's end");
  l.take_shape(w.out(), elements[at]);
  l.alias(w.out(), elements[at]);
}

void lower_length(Lowering& l, const Work& w) { l.define(w.out(), l.filled(Type::int64, {}, static_cast<double>(l.sequence(w.in(0)).size())), {}); }

void lower_concat(Lowering& l, const Work& w) {
  const auto elements = l.sequence(w.in(0));
  if (elements.empty()) l.refuse("it joins no tensors");
  const bool stacks = w.node.integer("new_axis", 0) != 0;
  const size_t rank = l.rank(elements[0]) + stacks;
  int64_t axis = w.node.integer("axis", 0);
  if (axis < 0) axis += static_cast<int64_t>(rank);
  Extents e = l.extents(elements[0]);
  if (stacks) e.insert(e.begin() + static_cast<std::ptrdiff_t>(axis), static_cast<int64_t>(elements.size()));
  std::vector<int32_t> parts;
  int64_t total = 0;
  for (const uint32_t id : elements) {
    if (l.rank(id) + stacks != rank) l.refuse("it joins tensors of different ranks");
    parts.push_back(l.plain(id));
    if (!stacks) total = total < 0 || l.extents(id)[static_cast<size_t>(axis)] < 0 ? -1 : total + l.extents(id)[static_cast<size_t>(axis)];
  }
  if (!stacks) e[static_cast<size_t>(axis)] = total;
  l.take_shape(w.out(), e);
  const Type type = l.type_of(parts[0]);
  const int32_t made =
      stacks ? l.make("PACK", parts, type, e, {{"values_count", static_cast<double>(parts.size()), {}}, {"axis", static_cast<double>(axis), {}}})
             : l.make("CONCATENATION", parts, type, e, {{"axis", static_cast<double>(axis), {}}});
  l.define(w.out(), made, identity(rank));
}

void lower_split(Lowering& l, const Work& w) {
  const Extents whole = l.extents(w.in(0));
  int64_t axis = w.node.integer("axis", 0);
  if (axis < 0) axis += static_cast<int64_t>(whole.size());
  const auto a = static_cast<size_t>(axis);
  if (std::any_of(whole.begin(), whole.end(), [](int64_t d) { return d < 0; }))
    l.refuse("the format has no sequences, and the shape of what it splits is open");
  const auto given = w.has(1) ? l.integers(w.in(1)) : std::vector<int64_t>{1};
  if (!given || given->empty()) l.refuse("the format has no sequences, and the lengths of the parts are computed");
  std::vector<int64_t> lengths = *given;
  if (!w.has(1) || l.rank(w.in(1)) == 0) {
    const int64_t each = lengths[0];
    if (each < 1) l.refuse("its parts are empty");
    lengths.clear();
    for (int64_t begin = 0; begin < whole[a]; begin += each) lengths.push_back(std::min(each, whole[a] - begin));
  }
  const bool keeps = w.has(1) || w.node.integer("keepdims", 1) != 0;
  const int32_t x = l.plain(w.in(0));
  std::vector<uint32_t> elements;
  std::vector<int64_t> begin(whole.size(), 0);
  for (const int64_t length : lengths) {
    Extents e = whole;
    e[a] = length;
    const int32_t part = l.slice(x, begin, e);
    begin[a] += length;
    if (!keeps) e.erase(e.begin() + axis);
    elements.push_back(l.new_value(l.value(w.in(0)).name + "_" + std::to_string(elements.size()), l.type(w.in(0)), e));
    l.define(elements.back(), l.reshape(part, e), identity(e.size()));
  }
  l.define_sequence(w.out(), elements);
}

const LowerRule rules[] = {{"ConcatFromSequence", lower_concat}, {"SequenceAt", lower_at},        {"SequenceConstruct", lower_construct},
                           {"SequenceEmpty", lower_construct},   {"SequenceErase", lower_erase},  {"SequenceInsert", lower_insert},
                           {"SequenceLength", lower_length},     {"SplitToSequence", lower_split}};

}  // namespace

std::span<const LowerRule> sequence_rules() { return rules; }

// ---- what a value of the graph that is a sequence consists of -----------------------------------------------------------------------

const std::vector<uint32_t>& Lowering::sequence(uint32_t id) const {
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) refuse("the format has no sequences, and how many tensors '" + values_[id].name + "' has is known when it runs");
  return found->second;
}

void Lowering::define_sequence(uint32_t id, std::vector<uint32_t> elements) { sequences_[id] = std::move(elements); }

void Lowering::take_shape(uint32_t id, const Extents& extents) {
  values_[id].extents = extents;
  values_[id].has_rank = true;
}

void Lowering::take_shape(uint32_t id, uint32_t from) { take_shape(id, extents(from)); }

}  // namespace lathe::tflite
