// See node_run.hpp.
#include "core/reference/node_run.hpp"

#include <deque>
#include <memory>

#include "core/ops/node_inference.hpp"
#include "core/reference/levels.hpp"

namespace lathe {
namespace {

[[noreturn]] void fail(const Node& node, std::string text) {
  Diagnostic d;
  d.text = std::move(text);
  d.node = node.name;
  d.op_type = node.op_type;
  throw Error(Code::failed, std::move(d));
}

kernels::Tensor kernel_tensor(const Tensor& tensor) {
  return {const_cast<std::byte*>(tensor.bytes.data), tensor.dimensions.data(), int32_t(tensor.dimensions.size()), kernels::Type(tensor.type)};
}

// What tensor and string list attributes point to.
struct AttributeMemory {
  std::deque<kernels::Tensor> tensors;
  std::deque<std::vector<kernels::String>> strings;
};

std::vector<kernels::Attribute> kernel_attributes(const Node& node, AttributeMemory& memory) {
  std::vector<kernels::Attribute> list;
  for (const auto& [name, attribute] : node.attributes) {
    kernels::Attribute a{name.c_str(), nullptr, nullptr, nullptr, 1};
    if (const auto* i = std::get_if<int64_t>(&attribute.value)) {
      a.ints = i;
    } else if (const auto* f = std::get_if<float>(&attribute.value)) {
      a.floats = f;
    } else if (const auto* s = std::get_if<std::string>(&attribute.value)) {
      a.string = s->c_str();
    } else if (const auto* ints = std::get_if<Attribute::Ints>(&attribute.value)) {
      if (ints->empty()) continue;  // the same as an absent one
      a.ints = ints->data();
      a.count = int64_t(ints->size());
    } else if (const auto* floats = std::get_if<Attribute::Floats>(&attribute.value)) {
      if (floats->empty()) continue;
      a.floats = floats->data();
      a.count = int64_t(floats->size());
    } else if (const auto* tensor = std::get_if<Tensor>(&attribute.value)) {
      a.tensor = &memory.tensors.emplace_back(kernel_tensor(*tensor));
    } else if (const auto* strings = std::get_if<Attribute::Strings>(&attribute.value)) {
      if (strings->empty()) continue;
      std::vector<kernels::String>& list = memory.strings.emplace_back();
      for (const std::string& text : *strings) list.push_back({text.data(), int64_t(text.size())});
      a.strings = list.data();
      a.count = int64_t(list.size());
    } else {
      continue;
    }
    list.push_back(a);
  }
  return list;
}

std::vector<OutputFacts> infer_outputs(const Operator& op, const Node& node, std::span<const Tensor* const> inputs) {
  std::vector<ValueType> types(inputs.size());
  std::vector<std::optional<Shape>> elements(inputs.size());
  std::vector<InputFacts> facts(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i]) continue;
    types[i] = ValueType{ValueKind::tensor, inputs[i]->type, Shape(inputs[i]->dimensions.begin(), inputs[i]->dimensions.end())};
    elements[i] = elements_of(*inputs[i]);
    facts[i] = {&types[i], inputs[i], elements[i] ? &*elements[i] : nullptr};
  }
  return infer_node(op, node, facts);
}

}  // namespace

std::optional<std::vector<Tensor>> run_node(const Operator& op, const Node& node, std::span<const Tensor* const> inputs, ThreadPool* pool,
                                            uint64_t limit) {
  const std::vector<OutputFacts> facts = infer_outputs(op, node, inputs);
  if (node.op_type == "Constant" && !op.kernel) return std::vector<Tensor>{constant_of(node)};
  std::vector<Tensor> outputs(facts.size());
  uint64_t bytes = 0;
  for (size_t i = 0; i < facts.size(); ++i) {
    if (node.outputs[i] == none) continue;
    if (!facts[i].type.static_shape())
      fail(node, "the shape of output " + std::to_string(i) + " is not known before it runs: " + to_string(facts[i].type));
    const std::optional<uint64_t> size = byte_size(facts[i].type.element, facts[i].type.dimensions());
    if (!size || *size > limit - bytes) return std::nullopt;
    bytes += *size;
  }
  for (size_t i = 0; i < facts.size(); ++i)
    if (node.outputs[i] != none) outputs[i] = Tensor::allocate(facts[i].type.element, facts[i].type.dimensions());

  std::vector<kernels::Tensor> input_tensors, output_tensors;
  for (const Tensor* t : inputs) input_tensors.push_back(t ? kernel_tensor(*t) : kernels::Tensor{nullptr, nullptr, 0, kernels::Type::none});
  for (const Tensor& t : outputs) output_tensors.push_back(kernel_tensor(t));
  AttributeMemory attribute_memory;
  const std::vector<kernels::Attribute> attributes = kernel_attributes(node, attribute_memory);
  const char* error = nullptr;
  kernels::Call call{};
  call.inputs = input_tensors.data();
  call.outputs = output_tensors.data();
  call.attributes = attributes.data();
  call.input_count = int32_t(input_tensors.size());
  call.output_count = int32_t(output_tensors.size());
  call.attribute_count = int32_t(attributes.size());
  call.opset = int32_t(canonical_opset);
  call.error = &error;
  if (pool && pool->threads() > 1) {
    call.parallel_for = [](void* context, uint32_t tasks, void (*body)(void*, uint32_t, uint32_t), void* argument) {
      static_cast<ThreadPool*>(context)->run(tasks, body, argument);
    };
    call.parallel_context = pool;
  }
  const KernelChoice kernel = best_kernel(op);
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> scratch;
  if (kernel.scratch) {
    constexpr uint64_t alignment = 64;
    const uint64_t wanted = (kernel.scratch(call, pool ? pool->threads() : 1) + alignment - 1) / alignment * alignment;
    if (wanted) scratch.reset(std::aligned_alloc(alignment, wanted));
    if (wanted && !scratch) fail(node, "there is no memory for " + std::to_string(wanted) + " bytes of working space");
    call.scratch = scratch.get();
  }
  kernel.run(call);
  if (error) fail(node, error);
  return outputs;
}

}  // namespace lathe
