// Where ONNX Runtime departs from the standard, as a table: the operator, when it applies, and why. A sample in which such a node stands is not
// judged by it (the two engines of Lathe are still compared with each other).
#include <span>

#include "judge.hpp"

namespace lathe::differential {
namespace {

// A node of a sample, with what its inputs and outputs held.
struct Place {
  const Sample& sample;
  const Node& node;
  const std::map<std::string, Tensor>& values;

  const Tensor* value(ValueId id) const {
    const auto found = id == none ? values.end() : values.find(sample.graph.value(id).name);
    return found == values.end() ? nullptr : &found->second;
  }
  const Tensor* input(size_t index) const { return value(node.input(index)); }
  DataType type(size_t index) const { return input(index) ? input(index)->type : DataType::none; }
  size_t rank(size_t index) const { return input(index) ? input(index)->dimensions.size() : 0; }
  bool empty() const {
    for (const auto* list : {&node.inputs, &node.outputs})
      for (const ValueId id : *list)
        if (const Tensor* t = value(id); t && t->size() == 0 && (list == &node.outputs || id == node.inputs[0])) return true;
    return false;
  }
};

struct KnownDifference {
  std::string_view op_type;  // a '*' at its end stands for anything
  bool (*applies)(const Place&);
  const char* reason;
};

bool one_scale_in_a_block(const Place& p) { return p.node.integer("block_size", 0) != 0 && p.rank(1) == 1 && p.input(1)->size() == 1; }

constexpr KnownDifference table[] = {
    {"Reduce*", [](const Place& p) { return p.empty(); }, "a reduction of a tensor without elements keeps axes that it was told to reduce"},
    {"Arg*", [](const Place& p) { return p.empty(); }, "likewise"},
    {"Global*", [](const Place& p) { return p.empty(); }, "refuses tensors without elements"},
    {"RMSNormalization", [](const Place& p) { return p.empty(); }, "refuses tensors without elements"},
    {"ConvTranspose", [](const Place& p) { return p.empty(); }, "refuses tensors without elements"},
    {"QuantizeLinear", one_scale_in_a_block, "a scale of one element is taken for the whole tensor's, with which block_size may not stand"},
    {"DequantizeLinear", one_scale_in_a_block, "likewise"},
    {"Resize", [](const Place& p) { return p.node.integer("antialias", 0) != 0 && p.type(0) != DataType::float32 && p.type(0) != DataType::float64; },
     "antialiasing of integers is done in fixed-point numbers and clamped to 0..255"},
    {"Resize",
     [](const Place& p) {
       const ValueId sizes = p.node.input(3);
       return sizes != none && !p.sample.graph.value(sizes).constant && !p.sample.graph.value(sizes).type.static_shape();
     },
     "its shape inference takes sizes of an open length for an empty list"},
    {"STFT", [](const Place& p) { return p.rank(2) == 1 && p.rank(0) == 3 && p.input(0)->dimensions[2] == 2; },
     "a window over complex numbers is read beyond its end (other numbers in every run)"},
    {"NonZero", [](const Place& p) { return p.input(0) && p.rank(0) == 0; }, "a scalar has one coordinate there, and none in the standard"},
    {"ReduceLogSum*", [](const Place& p) { return p.type(0) == DataType::uint32 || p.type(0) == DataType::uint64; },
     "it expands to Log of an unsigned integer, which it then refuses"},
};

bool matches(std::string_view pattern, std::string_view op_type) {
  return pattern.ends_with('*') ? op_type.starts_with(pattern.substr(0, pattern.size() - 1)) : pattern == op_type;
}

}  // namespace

std::string excused(const Sample& sample, const std::map<std::string, Tensor>& values) {
  for (const Node& node : sample.graph.nodes)
    for (const KnownDifference& d : table)
      if (matches(d.op_type, node.op_type) && d.applies({sample, node, values})) return node.op_type + ": " + d.reason;
  return "";
}

}  // namespace lathe::differential
