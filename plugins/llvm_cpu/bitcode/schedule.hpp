// What the generator writes as constants and the driver reads: the list of steps. Both sides see these structs, so fields keep
// their natural alignment and are filled in order by generate/table.cpp.
#pragma once
#include <cstdint>

#include "bitcode/action.hpp"
#include "lathe/artifact.h"
#include "lathe/kernels/kernel.hpp"

namespace lathe::llvm_cpu {

enum class Place : uint32_t { none = 0, input = 1, output = 2, weights = 3, scratch = 4 };

// Where a buffer lies: `offset` bytes into an input or output, the weights, or the scratch memory.
struct Argument {
  Place place;
  uint32_t index;
  uint64_t offset;
};

// A run-time value of a schedule. One with a place has its memory, type and shape from the start; the others are made by steps.
struct ScheduledValue {
  Argument place;
  int32_t kind, type, rank;  // kind: LATHE_ARTIFACT_...; rank and dimensions: of values with a place
  uint32_t encoded_strings;  // non-zero: the place holds a string tensor as write_strings (plan/pack.hpp) lays it out
  const int64_t* dimensions;
};

struct Schedule;
struct ScheduledBody {
  const Schedule* schedule;
  const uint32_t* captures;  // values of the enclosing schedule that follow the body's formal inputs
  uint32_t capture_count;
  uint32_t formal_count;  // inputs before the captures
};

// A tuned kernel that computes `rows` rows, which are the leading dimensions of its operands put together; how many there are only the run knows.
struct RowPart {
  void (*task)(void** arguments, uint32_t task, uint32_t worker);
  const uint64_t* row_bytes;  // per input, then of the output; 0: the same for all rows
  const int64_t* tail;        // the output's last dimensions
  uint64_t worker_scratch;    // offset in the scratch memory, for a last argument; UINT64_MAX: none
  uint32_t tasks, rows;
  uint32_t lead;  // the input that gives the output its leading dimensions: all but its last `lead_tail`, behind `ones` ones
  uint32_t lead_tail, ones, tail_rank;
  uint32_t least_calls;  // as many calls are worth a task for a thread
  uint32_t reserved;
};

// A step on run-time values.
struct DynamicStep {
  kernels::ShapeFunction shape;  // null: the kernel allocates its outputs
  uint64_t (*scratch)(const kernels::Call& call, uint32_t threads);
  kernels::Kernel kernel;
  const uint32_t* inputs;  // values, or no_value
  const uint32_t* outputs;
  const uint32_t* last;  // values that nobody reads after this step
  const kernels::Attribute* attributes;
  const ScheduledBody* bodies;  // If: then, else; Loop and Scan: one
  const RowPart* rows;
  uint32_t input_count, output_count, last_count, attribute_count;
  Action action;
  uint32_t reserved;
};

// One step: `task` (cut into `tasks` pieces of work), or `whole` (called once, with the threads; a sentence when the data is bad), or `dynamic`.
struct ScheduledStep {
  void (*task)(void** arguments, uint32_t task, uint32_t worker);
  const char* (*whole)(void** arguments, const lathe_artifact_threads* threads);
  const DynamicStep* dynamic;
  const Argument* arguments;
  uint32_t argument_count;
  uint32_t tasks;
};

// An input or output of a schedule.
struct ScheduledPort {
  uint32_t value;      // no_value: steps read or write its bytes directly
  int32_t kind, type;  // 0: the type is not known
  int32_t rank;        // -1: not known
  const int64_t* dimensions;
};

// Two dimensions that are the same symbol: of inputs, or of an output (`second` then counts behind the inputs) and an input.
struct SameDimension {
  uint32_t first, first_axis, second, second_axis;
};

struct Schedule {
  const ScheduledStep* steps;
  const ScheduledValue* values;
  const ScheduledPort* inputs;
  const ScheduledPort* outputs;
  const SameDimension* same;  // of the outermost schedule
  uint32_t step_count, value_count, input_count, output_count, same_count;
  uint32_t most_arguments;
  uint32_t first_kernel;  // number of the first step in the artifact's list of kernels
  uint32_t reserved;
  uint64_t fixed_bytes;       // of scratch memory, whatever the number of workers
  uint64_t bytes_per_worker;  // of scratch memory, after the fixed part
};

}  // namespace lathe::llvm_cpu
