// The artifact's prepare() and run(): walks the schedule. Compiled to bitcode per processor family when the plugin is built; the generator
// adds the constants.
#include "schedule.hpp"

using namespace lathe::llvm_cpu;

extern "C" {

extern const lathe_artifact lathe_artifact_1;
__attribute__((visibility("hidden"))) extern const Schedule lathe_schedule;

__attribute__((visibility("hidden"))) int32_t lathe_prepare(const int64_t* const* input_dimensions, uint32_t worker_count,
                                                            const lathe_artifact_plan* plan) {
  const lathe_artifact& artifact = lathe_artifact_1;
  for (uint32_t i = 0; i < artifact.input_count; ++i)
    for (int32_t d = 0; d < artifact.inputs[i].rank; ++d)
      if (input_dimensions[i][d] != artifact.inputs[i].dimensions[d]) return 1;
  for (uint32_t i = 0; i < artifact.output_count; ++i)
    for (int32_t d = 0; d < artifact.outputs[i].rank; ++d) plan->output_dimensions[i][d] = artifact.outputs[i].dimensions[d];
  // The one field that is written; the caller's struct is its own, and only passed as constant.
  const_cast<lathe_artifact_plan*>(plan)->scratch_bytes = lathe_schedule.fixed_bytes + lathe_schedule.bytes_per_worker * worker_count;
  return 0;
}

__attribute__((visibility("hidden"))) int32_t lathe_run(const lathe_artifact_run* run) {
  const Schedule& schedule = lathe_schedule;
  void** arguments = static_cast<void**>(__builtin_alloca(schedule.most_arguments * sizeof(void*)));
  const bool timed = run->nanoseconds != nullptr;
  uint64_t before = timed ? run->clock() : 0;
  for (uint32_t s = 0; s < schedule.step_count; ++s) {
    const ScheduledStep& step = schedule.steps[s];
    for (uint32_t a = 0; a < step.argument_count; ++a) {
      const Argument& argument = step.arguments[a];
      const char* base = nullptr;
      switch (argument.place) {
        case Place::none:
          break;
        case Place::input:
          base = static_cast<const char*>(run->inputs[argument.index]);
          break;
        case Place::output:
          base = static_cast<const char*>(run->outputs[argument.index]);
          break;
        case Place::weights:
          base = static_cast<const char*>(run->weights);
          break;
        case Place::scratch:
          base = static_cast<const char*>(run->scratch);
          break;
      }
      arguments[a] = base ? const_cast<char*>(base) + argument.offset : nullptr;
    }
    if (step.whole) {
      if (const int32_t code = step.whole(arguments, run->threads)) return code;
    } else if (step.tasks == 1 || run->threads->count == 1) {
      for (uint32_t task = 0; task < step.tasks; ++task) step.task(arguments, task, 0);
    } else {
      run->threads->parallel_for(run->threads->context, step.tasks, reinterpret_cast<void (*)(void*, uint32_t, uint32_t)>(step.task), arguments);
    }
    if (timed) {
      const uint64_t after = run->clock();
      run->nanoseconds[s] += after - before;
      before = after;
    }
  }
  return 0;
}
}
