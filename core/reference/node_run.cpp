// See node_run.hpp.
#include "core/reference/node_run.hpp"

#include <memory>

#include "core/files/picture.hpp"
#include "core/ops/node_inference.hpp"
#include "core/ops/shape_functions.hpp"
#include "core/reference/call_memory.hpp"
#include "core/reference/host_operators.hpp"
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
  if (const HostOperator run = host_operator(op.domain, op.name)) {
    std::vector<Tensor> result{run(node, inputs)};
    if (result[0].type != DataType::string && result[0].bytes.size > limit) return std::nullopt;
    return result;
  }
  const ShapeRule rule = shape_rule(op.domain, op.name);
  CallMemory memory(limit);
  bool all_known = true;
  for (size_t i = 0; i < facts.size(); ++i) {
    const bool present = node.outputs[i] != none;
    memory.add_output(present ? facts[i].type.element : DataType::none);
    all_known = all_known && (!present || facts[i].type.static_shape());
  }
  if (!rule.by_kernel && all_known)
    for (size_t i = 0; i < facts.size(); ++i)
      if (node.outputs[i] != none && !memory.allocate(i, facts[i].type.dimensions())) {
        if (memory.over_limit()) return std::nullopt;
        fail(node, "output " + std::to_string(i) + " has more bytes than can be counted: " + to_string(facts[i].type));
      }

  std::vector<kernels::Tensor> input_tensors;
  for (const Tensor* t : inputs) input_tensors.push_back(memory.view(t));
  const std::vector<kernels::Attribute> attributes = memory.attributes(node);
  const char* error = nullptr;
  kernels::Call call{};
  call.inputs = input_tensors.data();
  call.attributes = attributes.data();
  call.input_count = int32_t(input_tensors.size());
  call.attribute_count = int32_t(attributes.size());
  call.opset = int32_t(canonical_opset);
  call.error = &error;
  call.decode_picture = decode_picture_for_kernel;
  memory.serve(call);
  const auto check = [&] {
    if (error && !memory.over_limit()) fail(node, error);
  };
  if (!rule.by_kernel && !all_known) {
    if (!rule.function) fail(node, "the shapes of its outputs are not known before it runs");
    rule.function(call);
    check();
    if (memory.over_limit()) return std::nullopt;
  }
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
  check();
  if (memory.over_limit()) return std::nullopt;
  for (size_t i = 0; i < facts.size(); ++i)
    if (node.outputs[i] != none && !memory.allocated(i)) fail(node, "its kernel gave output " + std::to_string(i) + " no shape");
  return memory.take_results();
}

}  // namespace lathe
