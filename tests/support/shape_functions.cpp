// See shape_functions.hpp.
#include "shape_functions.hpp"

#include <deque>

#include "core/base/diagnostic.hpp"
#include "core/ops/node_inference.hpp"
#include "core/ops/operator.hpp"
#include "core/ops/shape_functions.hpp"
#include "core/reference/call_memory.hpp"
#include "lathe/kernels/shapes.hpp"

namespace lathe::test {
namespace {

struct Allocated {
  std::vector<kernels::Tensor> outputs;
  std::deque<std::vector<int64_t>> dimensions;
  std::vector<std::optional<std::vector<int64_t>>> given;
};

std::string spelled(const Shapes& shapes) {
  if (!shapes.error.empty()) return "'" + shapes.error + "'";
  std::string text;
  for (const auto& output : shapes.outputs)
    text += (text.empty() ? "" : ", ") + (output ? "[" + to_string(Shape(output->begin(), output->end())) + "]" : std::string("none"));
  return text;
}

}  // namespace

std::optional<Shapes> by_shape_function(const Node& node, const std::vector<const Tensor*>& inputs, const std::vector<DataType>& types) {
  const ShapeRule rule = shape_rule(node.domain, node.op_type);
  if (!rule.function) return std::nullopt;
  CallMemory memory(0);
  Allocated allocated;
  std::vector<kernels::Tensor> given;
  for (const Tensor* t : inputs) given.push_back(memory.view(t));
  for (const DataType type : types) allocated.outputs.push_back({nullptr, nullptr, 0, kernels::Type(type)});
  allocated.given.resize(types.size());
  const std::vector<kernels::Attribute> attributes = memory.attributes(node);
  const char* error = nullptr;
  kernels::Call call{};
  call.inputs = given.data();
  call.outputs = allocated.outputs.data();
  call.attributes = attributes.data();
  call.input_count = int32_t(given.size());
  call.output_count = int32_t(types.size());
  call.attribute_count = int32_t(attributes.size());
  call.opset = int32_t(canonical_opset);
  call.error = &error;
  call.allocate_context = &allocated;
  call.allocate = [](void* context, int32_t index, const int64_t* dimensions, int32_t rank) -> const kernels::Tensor* {
    Allocated& a = *static_cast<Allocated*>(context);
    a.given.at(size_t(index)) = std::vector<int64_t>(dimensions, dimensions + rank);
    kernels::Tensor& output = a.outputs.at(size_t(index));
    output.dimensions = a.dimensions.emplace_back(dimensions, dimensions + rank).data();
    output.rank = rank;
    // As an engine does: no tensor has more bytes than 63 bits can count.
    return byte_size(DataType(output.type), {dimensions, size_t(rank)}) || DataType(output.type) == DataType::string ? &output : nullptr;
  };
  rule.function(call);
  return Shapes{std::move(allocated.given), error ? error : ""};
}

Shapes by_inference(const Node& node, const std::vector<const Tensor*>& inputs, std::vector<DataType>* types) try {
  std::vector<ValueType> value_types(inputs.size());
  std::vector<std::optional<Shape>> elements(inputs.size());
  std::vector<InputFacts> facts(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i]) continue;
    value_types[i] = ValueType{ValueKind::tensor, inputs[i]->type, Shape(inputs[i]->dimensions.begin(), inputs[i]->dimensions.end())};
    elements[i] = elements_of(*inputs[i]);
    facts[i] = {&value_types[i], inputs[i], elements[i] ? &*elements[i] : nullptr};
  }
  Shapes result;
  const std::vector<OutputFacts> outputs = infer_node(*find_operator(node.domain, node.op_type), node, facts);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const bool present = node.outputs[i] != none;
    result.outputs.push_back(present ? std::optional(outputs[i].type.dimensions()) : std::nullopt);
    if (types) types->push_back(present ? outputs[i].type.element : DataType::none);
  }
  return result;
} catch (const Error& error) {
  return Shapes{{}, error.what()};
}

ShapeFunctionWatch::ShapeFunctionWatch(const Graph& graph, const NamedData& inputs) : graph_(graph), seen_(inputs) {
  for (const Value& value : graph.values)
    if (value.constant) seen_.try_emplace(value.name, *value.constant);
}

void ShapeFunctionWatch::see(const std::string& value, const Datum& datum) { seen_.insert_or_assign(value, datum); }

std::vector<std::string> ShapeFunctionWatch::disagreements() {
  std::vector<std::string> sentences;
  const auto tensor = [&](ValueId id) -> const Tensor* {
    const auto found = seen_.find(graph_.value(id).name);
    return found != seen_.end() && found->second.is_tensor() ? &found->second.tensor : nullptr;
  };
  for (const Node& node : graph_.nodes) {
    bool complete = true;
    std::vector<const Tensor*> inputs;
    std::vector<DataType> types;
    Shapes expected;
    for (const ValueId id : node.inputs) {
      inputs.push_back(id == none ? nullptr : tensor(id));
      complete = complete && (id == none || inputs.back());
    }
    for (const ValueId id : node.outputs) {
      const Tensor* output = id == none ? nullptr : tensor(id);
      complete = complete && (id == none || output);
      types.push_back(output ? output->type : DataType::none);
      expected.outputs.push_back(output ? std::optional(output->dimensions) : std::nullopt);
    }
    const std::optional<Shapes> found = complete ? by_shape_function(node, inputs, types) : std::nullopt;
    if (!found) continue;
    ++compared_;
    if (!found->error.empty() || found->outputs != expected.outputs)
      sentences.push_back(node.op_type + ": its shape function says " + spelled(*found) + ", its result has the shape " + spelled(expected));
  }
  return sentences;
}

}  // namespace lathe::test
