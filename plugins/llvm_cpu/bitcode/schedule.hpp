// What the generator writes as constants and the driver reads: the list of steps. Both sides see these structs, so fields keep
// their natural alignment and are filled in order by generate/table.cpp.
#pragma once
#include <cstdint>

#include "lathe/artifact.h"

namespace lathe::llvm_cpu {

enum class Place : uint32_t { none = 0, input = 1, output = 2, weights = 3, scratch = 4 };

// Where a buffer lies: `offset` bytes into an input or output, the weights, or the scratch memory.
struct Argument {
  Place place;
  uint32_t index;
  uint64_t offset;
};

// One step: either `task` (cut into `tasks` pieces of work) or `whole` (called once, with the threads; 0, or 3 for bad data).
struct ScheduledStep {
  void (*task)(void** arguments, uint32_t task, uint32_t worker);
  int32_t (*whole)(void** arguments, const lathe_artifact_threads* threads);
  const Argument* arguments;
  uint32_t argument_count;
  uint32_t tasks;
};

struct Schedule {
  const ScheduledStep* steps;
  uint32_t step_count;
  uint32_t most_arguments;
  uint64_t fixed_bytes;       // of scratch memory, whatever the number of workers
  uint64_t bytes_per_worker;  // of scratch memory, after the fixed part
};

}  // namespace lathe::llvm_cpu
