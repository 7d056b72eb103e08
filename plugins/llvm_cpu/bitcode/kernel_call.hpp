// Steps on run-time values that an operator's kernel computes: its shape function makes the outputs, its kernel fills them.
#pragma once
#include "bitcode/frame.hpp"

namespace lathe::llvm_cpu {

inline constexpr uint32_t most_operands_on_stack = 16;

struct KernelCall {
  Run* run;
  const Frame* frame;
  const DynamicStep* step;
  kernels::Tensor* outputs;
  Value* view = nullptr;  // of a view: its shape, without memory
  Kept* temporaries = nullptr;

  Value& output(uint32_t i) const { return frame->values[step->outputs[i]]; }
};

inline kernels::Tensor tensor_of(const Value& value) { return {value.data, value.dimensions, value.rank, static_cast<kernels::Type>(value.type)}; }

inline const kernels::Tensor* allocate_output(void* context, int32_t index, const int64_t* dimensions, int32_t rank) {
  KernelCall& call = *static_cast<KernelCall*>(context);
  if (call.view) {
    uint64_t bytes = 0;
    if (rank > most_dimensions || !count_bytes(dimensions, rank, call.view->type, bytes)) {
      call.run->fail("a tensor gets a shape that no tensor can have");
      return nullptr;
    }
    call.view->rank = rank;
    for (int32_t i = 0; i < rank; ++i) call.view->dimensions[i] = dimensions[i];
    call.view->made = true;
    return call.outputs;
  }
  Value& value = call.output(static_cast<uint32_t>(index));
  if (!make_tensor(*call.run, value, dimensions, rank)) return nullptr;
  call.outputs[index] = tensor_of(value);
  return &call.outputs[index];
}

inline void* lend_memory(void* context, uint64_t bytes, bool kept) {
  KernelCall& call = *static_cast<KernelCall*>(context);
  if (kept) return keep_memory(*call.run, bytes);
  if (bytes > UINT64_MAX / 2) return nullptr;
  auto* memory = static_cast<Kept*>(aligned_memory(sizeof(Kept) + bytes));
  if (!memory) return nullptr;
  memory->next = call.temporaries;
  call.temporaries = memory;
  return memory + 1;
}

inline void free_all(Kept*& list) {
  while (list) {
    Kept* next = list->next;
    free(list);
    list = next;
  }
}

// The elements of input 0 under the shape that the shape function gives.
inline bool finish_view(KernelCall& call, const Value& shape) {
  const Value& from = call.frame->values[call.step->inputs[0]];
  Value& to = call.output(0);
  if (shape.size() != from.size()) return call.run->fail("the new shape has another number of elements");
  if (to.planned) {
    if (!make_tensor(*call.run, to, shape.dimensions, shape.rank)) return false;
    __builtin_memcpy(to.data, from.data, bytes_of(to));
    return true;
  }
  Value shared;
  if (!share(*call.run, from, shared)) return false;
  shared.rank = shape.rank;
  for (int32_t i = 0; i < shape.rank; ++i) shared.dimensions[i] = shape.dimensions[i];
  return deliver(*call.run, to, shared);
}

inline bool call_kernel(Run& run, const Frame& frame, const DynamicStep& step) {
  const uint32_t operands = step.input_count + step.output_count;
  kernels::Tensor on_stack[most_operands_on_stack];
  auto* tensors = operands <= most_operands_on_stack ? on_stack : static_cast<kernels::Tensor*>(malloc(operands * sizeof(kernels::Tensor)));
  if (!tensors) return run.no_memory();
  kernels::Tensor* outputs = tensors + step.input_count;
  for (uint32_t i = 0; i < step.input_count; ++i)
    tensors[i] = step.inputs[i] == no_value ? kernels::Tensor{} : tensor_of(frame.values[step.inputs[i]]);
  for (uint32_t i = 0; i < step.output_count; ++i) {
    outputs[i] = {};
    if (step.outputs[i] == no_value) continue;
    Value& value = frame.values[step.outputs[i]];
    value.made = value.planned;
    outputs[i].type = static_cast<kernels::Type>(frame.schedule->values[step.outputs[i]].type);
    if (value.planned) outputs[i] = tensor_of(value);
  }
  KernelCall context{&run, &frame, &step, outputs};
  const char* error = nullptr;
  const lathe_artifact_threads& threads = *run.caller->threads;
  kernels::Call call{};
  call.inputs = tensors;
  call.outputs = outputs;
  call.attributes = step.attributes;
  call.input_count = static_cast<int32_t>(step.input_count);
  call.output_count = static_cast<int32_t>(step.output_count);
  call.attribute_count = static_cast<int32_t>(step.attribute_count);
  call.opset = 26;  // the canonical one, at which every graph reaches a backend
  if (threads.count > 1) {
    call.parallel_for = threads.parallel_for;
    call.parallel_context = threads.context;
  }
  call.allocate = allocate_output;
  call.allocate_context = &context;
  call.memory = lend_memory;
  call.error = &error;
  call.decode_picture = run.decode_picture();
  call.picture_context = run.caller->context;
  Value view;
  if (step.action == Action::view) {
    view.type = frame.schedule->values[step.outputs[0]].type;
    context.view = &view;
  }
  if (step.shape) {
    step.shape(call);
    for (uint32_t i = 0; !error && !run.code && i < step.output_count; ++i)
      if (step.outputs[i] != no_value && !(context.view ? view.made : frame.values[step.outputs[i]].made))
        error = "the operator's shape function forgot an output";
  }
  if (!error && !run.code && context.view) {
    finish_view(context, view);
  } else if (!error && !run.code) {
    void* scratch = nullptr;
    const uint64_t wanted = step.scratch ? step.scratch(call, threads.count) : 0;
    if (wanted && !(scratch = aligned_memory(wanted))) run.no_memory();
    call.scratch = scratch;
    if (!run.code) step.kernel(call);
    free(scratch);
    for (uint32_t i = 0; !error && !run.code && i < step.output_count; ++i)
      if (step.outputs[i] != no_value && !frame.values[step.outputs[i]].made) error = "the operator's kernel gave an output no shape";
  }
  free_all(context.temporaries);
  if (tensors != on_stack) free(tensors);
  // What allocation said is more than what the kernel made of it.
  if (error) run.fail(error);
  return run.code == 0;
}

}  // namespace lathe::llvm_cpu
