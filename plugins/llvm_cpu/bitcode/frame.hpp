// One activation of a schedule: its run-time values and the memory of its inputs and outputs. Bodies of If, Loop and Scan get one each time they run.
#pragma once
#include "bitcode/values.hpp"

namespace lathe::llvm_cpu {

struct Frame {
  const Schedule* schedule;
  Value* values;
  void** inputs;   // bytes, of those that steps read directly
  void** outputs;  // likewise
};

inline void* address(const Run& run, const Frame& frame, const Argument& argument) {
  char* base = nullptr;
  switch (argument.place) {
    case Place::none:
      return nullptr;
    case Place::input:
      base = static_cast<char*>(frame.inputs[argument.index]);
      break;
    case Place::output:
      base = static_cast<char*>(frame.outputs[argument.index]);
      break;
    case Place::weights:
      base = static_cast<char*>(const_cast<void*>(run.caller->weights));
      break;
    case Place::scratch:
      base = static_cast<char*>(run.caller->scratch);
      break;
  }
  return base ? base + argument.offset : nullptr;
}

// The strings that a constant was encoded to: per element its offset from the beginning and its length, then the characters.
inline bool decode_strings(Run& run, Value& value) {
  const auto* encoded = static_cast<const uint64_t*>(value.data);
  const int64_t count = value.size();
  Block* block = new_block(static_cast<uint64_t>(count) * sizeof(kernels::String));
  if (!block) return run.no_memory();
  auto* strings = static_cast<kernels::String*>(block->bytes());
  for (int64_t i = 0; i < count; ++i)
    strings[i] = {reinterpret_cast<const char*>(encoded) + encoded[2 * i], static_cast<int64_t>(encoded[2 * i + 1])};
  value.block = block;
  value.data = strings;
  value.planned = false;
  return true;
}

// Makes room for the frame's values and fills in what was planned. The inputs' and outputs' addresses are known already.
inline bool open_frame(Run& run, Frame& frame) {
  const Schedule& schedule = *frame.schedule;
  frame.values = static_cast<Value*>(malloc(schedule.value_count * sizeof(Value) + 1));
  if (!frame.values) return run.no_memory();
  for (uint32_t v = 0; v < schedule.value_count; ++v) {
    const ScheduledValue& from = schedule.values[v];
    Value& to = frame.values[v] = Value{};
    to.kind = from.kind;
    to.type = from.type;
    if (from.place.place == Place::none) continue;
    to.data = address(run, frame, from.place);
    to.rank = from.rank;
    for (int32_t d = 0; d < from.rank; ++d) to.dimensions[d] = from.dimensions[d];
    to.made = to.present = to.planned = true;
    to.stable = from.place.place == Place::weights;
  }
  for (uint32_t v = 0; v < schedule.value_count; ++v)
    if (schedule.values[v].encoded_strings && !decode_strings(run, frame.values[v])) return false;
  return true;
}

inline void close_frame(Frame& frame) {
  if (frame.values)
    for (uint32_t v = 0; v < frame.schedule->value_count; ++v) release(frame.values[v]);
  free(frame.values);
}

bool run_steps(Run& run, const Frame& frame);

}  // namespace lathe::llvm_cpu
