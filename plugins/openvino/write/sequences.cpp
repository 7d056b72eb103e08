// Sequences and optionals: the IR has neither, so they are written where their elements are known one by one while the model is made. SequenceAt and
// the like then name a tensor, and nothing of the sequence is left.
#include <algorithm>

#include "families.hpp"

namespace lathe::openvino {
namespace {

constexpr const char* computed = "the IR has no sequences, and which element it names is only known when it runs";

const List& list_of(const Step& s, size_t i) {
  const List* list = s.draft.list(s.node.input(i));
  if (!list) s.refuse("the IR has no sequences and no optionals, and '" + std::string(s.node.input_value(i).name()) + "' is one that comes in whole");
  return *list;
}

void yields(Step& s, List list) { s.draft.set_list(s.node.output(0), std::move(list)); }

// A position in a list of `size` elements, `extra` more allowed at the end.
size_t position(const Step& s, size_t i, size_t size, int64_t extra) {
  const auto known = s.known_integers(i);
  if (!known || known->size() != 1) s.refuse(computed);
  const int64_t count = static_cast<int64_t>(size), at = known->front() < 0 ? known->front() + count : known->front();
  if (at < 0 || at >= count + extra) s.refuse("its position lies outside of the sequence");
  return static_cast<size_t>(at);
}

void construct(Step& s) {
  List list;
  for (size_t i = 0; i < s.inputs(); ++i) list.elements.push_back(s.in(i));
  yields(s, std::move(list));
}

void empty(Step& s) { yields(s, {}); }

void insert(Step& s) {
  List list = list_of(s, 0);
  const size_t at = s.has(2) ? position(s, 2, list.elements.size(), 1) : list.elements.size();
  list.elements.insert(list.elements.begin() + static_cast<std::ptrdiff_t>(at), s.in(1));
  yields(s, std::move(list));
}

void erase(Step& s) {
  List list = list_of(s, 0);
  if (list.elements.empty()) s.refuse("it takes an element out of an empty sequence");
  const size_t at = s.has(1) ? position(s, 1, list.elements.size(), 0) : list.elements.size() - 1;
  list.elements.erase(list.elements.begin() + static_cast<std::ptrdiff_t>(at));
  yields(s, std::move(list));
}

void at(Step& s) {
  const List& list = list_of(s, 0);
  s.out(0, list.elements[position(s, 1, list.elements.size(), 0)]);
}

void length(Step& s) { s.out(0, s.index(static_cast<int64_t>(list_of(s, 0).elements.size()))); }

void concat(Step& s) {
  const List& list = list_of(s, 0);
  const bool fresh = s.node.integer("new_axis", 0) != 0;
  const int64_t axis = s.node.integer("axis", 0);
  if (list.elements.empty()) s.refuse("it joins an empty sequence, and Concat of the IR must have an input");
  std::vector<Wire> parts;
  for (const Wire& part : list.elements) parts.push_back(fresh ? s.unsqueeze(part, {axis}) : part);
  s.out(0, parts.size() == 1 ? parts[0] : s.concat(parts, axis));
}

void split(Step& s) {
  const Wire x = s.in(0);
  const int64_t axis = s.axis(s.node.integer("axis", 0), s.rank(0)), size = (*x.dimensions)[static_cast<size_t>(axis)];
  const bool single = !s.has(1);
  std::vector<int64_t> lengths;
  if (s.has(1) && s.rank(1) == 1 && !s.known_integers(1)) {
    // Computed, but as many as its shape says.
    const Wire given = s.in(1);
    if ((*given.dimensions)[0] < 0) s.refuse("the IR has no sequences, and into how many pieces it cuts is only known when it runs");
    lengths.assign(static_cast<size_t>((*given.dimensions)[0]), -1);
  } else if (s.has(1)) {
    const auto known = s.known_integers(1);
    if (!known) s.refuse("the IR has no sequences, and into how many pieces it cuts is only known when it runs");
    lengths = *known;
    if (s.rank(1) == 0) {
      if (size < 0 || lengths[0] < 1) s.refuse("the IR has no sequences, and into how many pieces it cuts is only known when it runs");
      const int64_t each = lengths[0];
      lengths.assign(static_cast<size_t>(size / each), each);
      if (size % each != 0) lengths.push_back(size % each);
    }
  } else {
    if (size < 0) s.refuse("the IR has no sequences, and into how many pieces it cuts is only known when it runs");
    lengths.assign(static_cast<size_t>(size), 1);
  }
  if (lengths.empty()) return yields(s, {});
  std::vector<Dimensions> shapes(lengths.size(), x.dimensions);
  for (size_t i = 0; i < lengths.size(); ++i) (*shapes[i])[static_cast<size_t>(axis)] = lengths[i];
  const Wire sizes = std::find(lengths.begin(), lengths.end(), -1) == lengths.end() ? s.indices(lengths) : s.in(1);
  List list;
  list.elements = s.make_many("VariadicSplit", {x, s.index(axis), sizes}, {}, shapes);
  if (single && s.node.integer("keepdims", 1) == 0)
    for (Wire& part : list.elements) part = s.squeeze(part, {axis});
  yields(s, std::move(list));
}

// An optional of a tensor is a list of one.
void optional(Step& s) {
  if (!s.has(0)) return yields(s, {{}, false});
  if (const List* list = s.draft.list(s.node.input(0))) return yields(s, *list);
  yields(s, {{s.in(0)}, true});
}

void get(Step& s) {
  const int32_t kind = s.node.input_value(0).kind();
  if (kind == LATHE_KIND_TENSOR) return s.out(0, s.in(0));
  const List& list = list_of(s, 0);
  if (!list.present) s.refuse("it takes the element of an optional that has none");
  if (s.node.output_value(0).kind() == LATHE_KIND_TENSOR) return s.out(0, list.elements.at(0));
  yields(s, list);
}

void has(Step& s) {
  const bool present = s.has(0) && (s.node.input_value(0).kind() == LATHE_KIND_TENSOR || list_of(s, 0).present);
  s.out(0, s.scalar(LATHE_BOOL, present));
}

constexpr Writer writers[] = {
    {"ConcatFromSequence", Means::decomposition, concat},
    {"Optional", Means::decomposition, optional},
    {"OptionalGetElement", Means::decomposition, get},
    {"OptionalHasElement", Means::decomposition, has},
    {"SequenceAt", Means::decomposition, at},
    {"SequenceConstruct", Means::decomposition, construct},
    {"SequenceEmpty", Means::decomposition, empty},
    {"SequenceErase", Means::decomposition, erase},
    {"SequenceInsert", Means::decomposition, insert},
    {"SequenceLength", Means::decomposition, length},
    {"SplitToSequence", Means::decomposition, split},
};

}  // namespace

std::span<const Writer> sequence_writers() { return writers; }

}  // namespace lathe::openvino
