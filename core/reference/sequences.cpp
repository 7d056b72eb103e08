// Operators on sequences and optionals in the reference engine.
#include <algorithm>

#include "core/reference/execution.hpp"
#include "core/reference/pieces.hpp"

namespace lathe {
namespace {

// The node that runs and its inputs.
struct Work {
  Execution& execution;
  const Frame& frame;
  const Node& node;
  std::vector<Argument>& arguments;

  bool has(size_t i) const { return i < arguments.size() && arguments[i].datum; }
  const Datum& input(size_t i) const { return *arguments.at(i).datum; }
  Datum take(size_t i) const { return arguments[i].mine ? std::move(*arguments[i].mine) : *arguments[i].datum; }
};

std::vector<int64_t> integers(const Work& w, size_t input) { return to_int64s(w.input(input).tensor); }

// A position in 0..limit-1; negative ones count from `length`.
size_t position(const Work& w, size_t input, size_t length, size_t limit) {
  const std::vector<int64_t> given = integers(w, input);
  if (given.size() != 1) fail_node(w.node, "the position is no single number", "1 element", std::to_string(given.size()));
  const int64_t at = given[0] < 0 ? given[0] + int64_t(length) : given[0];
  if (at < 0 || at >= int64_t(limit))
    fail_node(w.node, "the position lies outside the sequence",
              limit ? std::to_string(-int64_t(length)) + " to " + std::to_string(limit - 1) : "no position, since it is empty",
              std::to_string(given[0]));
  return size_t(at);
}

size_t axis_of(const Work& w, size_t rank, int64_t fallback) {
  const int64_t given = w.node.integer("axis", fallback), axis = given < 0 ? given + int64_t(rank) : given;
  if (axis < 0 || axis >= int64_t(rank))
    fail_node(w.node, "axis lies outside the tensor's rank",
              rank ? std::to_string(-int64_t(rank)) + " to " + std::to_string(rank - 1) : "a tensor with axes", std::to_string(given));
  return size_t(axis);
}

Datum empty(const Work& w) { return Datum::sequence(DataType(w.node.integer("dtype", int64_t(DataType::float32))), {}); }

Datum construct(const Work& w) {
  std::vector<Tensor> elements;
  for (size_t i = 0; i < w.arguments.size(); ++i) elements.push_back(w.take(i).tensor);
  const DataType type = elements.front().type;
  return Datum::sequence(type, std::move(elements));
}

Datum at(const Work& w) {
  const std::vector<Tensor>& elements = w.input(0).elements;
  return elements[position(w, 1, elements.size(), elements.size())];
}

Datum insert(const Work& w) {
  Datum sequence = w.take(0);
  const size_t length = sequence.elements.size(), place = w.has(2) ? position(w, 2, length, length + 1) : length;
  sequence.elements.insert(sequence.elements.begin() + int64_t(place), w.input(1).tensor);
  return sequence;
}

Datum erase(const Work& w) {
  Datum sequence = w.take(0);
  const size_t length = sequence.elements.size();
  if (length == 0) fail_node(w.node, "nothing can be erased from an empty sequence");
  sequence.elements.erase(sequence.elements.begin() + int64_t(w.has(1) ? position(w, 1, length, length) : length - 1));
  return sequence;
}

Datum length(const Work& w) {
  const auto count = int64_t(w.input(0).elements.size());
  return Tensor::of<int64_t>(DataType::int64, {}, {&count, 1});
}

Datum split(const Work& w) {
  const Tensor& tensor = w.input(0).tensor;
  const size_t axis = axis_of(w, tensor.dimensions.size(), 0);
  const int64_t whole = tensor.dimensions[axis];
  std::vector<int64_t> sizes;
  const bool squeeze = !w.has(1) && w.node.integer("keepdims", 1) == 0;
  if (!w.has(1) || w.input(1).tensor.dimensions.empty()) {
    const int64_t size = w.has(1) ? integers(w, 1).at(0) : 1;
    if (size < 1) fail_node(w.node, "the size of a part is not positive", "1 or more", std::to_string(size));
    for (int64_t done = 0; done < whole; done += size) sizes.push_back(std::min(size, whole - done));
  } else {
    sizes = integers(w, 1);
    int64_t sum = 0;
    for (const int64_t size : sizes)
      if (size < 0 || __builtin_add_overflow(sum, size, &sum))
        fail_node(w.node, "a part's size is negative or too large", "0 or more", std::to_string(size));
    if (sum != whole) fail_node(w.node, "the parts do not add up to the axis", std::to_string(whole), std::to_string(sum));
  }
  std::vector<Tensor> parts;
  int64_t start = 0;
  for (const int64_t size : sizes) {
    Tensor part = part_of(tensor, axis, start, size);
    parts.push_back(squeeze ? without_axis(std::move(part), axis) : std::move(part));
    start += size;
  }
  return Datum::sequence(tensor.type, std::move(parts));
}

Datum concat(const Work& w) {
  std::vector<Tensor> parts = w.take(0).elements;
  if (parts.empty()) fail_node(w.node, "an empty sequence cannot be joined: it says no shape");
  const bool stack = w.node.integer("new_axis", 0) != 0;
  const size_t axis = axis_of(w, parts[0].dimensions.size() + (stack ? 1 : 0), 0);
  if (stack)
    for (Tensor& part : parts) {
      if (axis > part.dimensions.size()) fail_node(w.node, "the elements of the sequence have different ranks");
      part = with_axis(std::move(part), axis);
    }
  for (const Tensor& part : parts) {
    bool fits = part.dimensions.size() == parts[0].dimensions.size();
    for (size_t i = 0; fits && i < part.dimensions.size(); ++i) fits = i == axis ? true : part.dimensions[i] == parts[0].dimensions[i];
    if (!fits || (stack && part.dimensions != parts[0].dimensions))
      fail_node(w.node, "the elements of the sequence have shapes that do not join",
                to_string(Shape(parts[0].dimensions.begin(), parts[0].dimensions.end())),
                to_string(Shape(part.dimensions.begin(), part.dimensions.end())));
  }
  return joined(std::move(parts), axis);
}

Datum optional(const Work& w) {
  if (w.has(0)) {
    Datum datum = w.take(0);
    datum.kind = datum.is_sequence() ? ValueKind::optional_sequence : ValueKind::optional;
    return datum;
  }
  const ValueType& type = w.frame.graph.value(w.node.outputs.at(0)).type;
  return Datum::absent(type.kind, type.element);
}

Datum has_element(const Work& w) {
  const uint8_t there = w.has(0) && w.input(0).present;
  return Tensor::of<uint8_t>(DataType::boolean, {}, {&there, 1});
}

Datum get_element(const Work& w) {
  if (!w.input(0).present) fail_node(w.node, "there is nothing in the optional");
  Datum datum = w.take(0);
  datum.kind = datum.is_sequence() ? ValueKind::sequence : ValueKind::tensor;
  return datum;
}

Datum identity(const Work& w) { return w.take(0); }

// Runs the body once for each element of the first sequence; tensors among the other inputs are given whole to each turn.
std::vector<Datum> map(const Work& w) {
  const auto found = w.node.attributes.find("body");
  const auto* body = found == w.node.attributes.end() ? nullptr : std::get_if<Attribute::Subgraph>(&found->second.value);
  if (!body || !*body) fail_node(w.node, "attribute 'body' holds no graph");
  const size_t count = w.input(0).elements.size();
  std::vector<Datum> results;
  for (const ValueId v : (*body)->outputs) results.push_back(Datum::sequence((*body)->value(v).type.element, {}));
  for (size_t turn = 0; turn < count; ++turn) {
    w.execution.check_cancelled();
    std::vector<Datum> inputs;
    for (size_t i = 0; i < w.arguments.size(); ++i) {
      const Datum& datum = w.input(i);
      if (datum.is_sequence() && turn >= datum.elements.size())
        fail_node(w.node, "the sequences have different lengths", std::to_string(count), std::to_string(datum.elements.size()));
      inputs.push_back(datum.is_sequence() ? Datum(datum.elements[turn]) : datum);
    }
    std::vector<Datum> outputs = w.execution.run(**body, std::move(inputs), &w.frame, w.frame.prefix + w.node.name + "/");
    for (size_t i = 0; i < results.size(); ++i) results[i].elements.push_back(std::move(outputs[i].tensor));
  }
  return results;
}

struct Row {
  std::string_view op_type;
  Datum (*run)(const Work&);
};
constexpr Row rows[] = {
    {"SequenceEmpty", empty},
    {"SequenceConstruct", construct},
    {"SequenceAt", at},
    {"SequenceInsert", insert},
    {"SequenceErase", erase},
    {"SequenceLength", length},
    {"SplitToSequence", split},
    {"ConcatFromSequence", concat},
    {"Optional", optional},
    {"OptionalHasElement", has_element},
    {"OptionalGetElement", get_element},
    {"Identity", identity},
};

const Row* find(const Node& node) {
  if (!node.domain.empty()) return nullptr;
  const auto found = std::find_if(std::begin(rows), std::end(rows), [&](const Row& row) { return row.op_type == node.op_type; });
  return found == std::end(rows) ? nullptr : found;
}

}  // namespace

bool is_sequence_operator(const Node& node, const std::vector<Argument>& arguments) {
  if (node.domain.empty() && node.op_type == "SequenceMap") return true;
  if (!find(node)) return false;
  return node.op_type != "Identity" || (!arguments.empty() && arguments[0].datum && !arguments[0].datum->is_tensor());
}

std::vector<Datum> run_sequence_operator(Execution& execution, const Frame& frame, const Node& node, std::vector<Argument>& arguments) {
  if (node.op_type == "SequenceMap") return map(Work{execution, frame, node, arguments});
  std::vector<Datum> outputs;
  outputs.push_back(find(node)->run(Work{execution, frame, node, arguments}));
  return outputs;
}

}  // namespace lathe
