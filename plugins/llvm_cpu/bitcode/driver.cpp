// The artifact's prepare() and run(): walks the schedule. Compiled to bitcode per processor family when the plugin is built; the generator
// adds the constants.
//
//   values.hpp         tensors whose shape only the run knows, sequences, optionals
//   frame.hpp          one activation of a schedule
//   kernel_call.hpp    steps that call an operator's shape function and kernel
//   sequences.hpp      steps on sequences and optionals
//   control_flow.hpp   If, Loop, Scan
//   rows.hpp           steps that call a tuned kernel row by row
//   border.hpp         the caller's values in and out
#include "bitcode/border.hpp"
#include "bitcode/control_flow.hpp"
#include "bitcode/kernel_call.hpp"
#include "bitcode/rows.hpp"

extern "C" {
extern const lathe_artifact lathe_artifact_1;
__attribute__((visibility("hidden"))) extern const lathe::llvm_cpu::Schedule lathe_schedule;
}

namespace lathe::llvm_cpu {
namespace {

bool run_dynamic(Run& run, const Frame& frame, const DynamicStep& step) {
  const Operands operands{run, frame, step};
  switch (step.action) {
    case Action::kernel:
    case Action::view:
      return call_kernel(run, frame, step);
    case Action::branch:
      return run_branch(operands);
    case Action::loop:
      return run_loop(operands);
    case Action::scan:
      return run_scan(operands);
    case Action::each_item:
      return run_each_item(operands);
    case Action::rows:
      return run_rows(operands);
    default:
      return run_sequence_operator(run, frame, step);
  }
}

void run_planned(Run& run, const Frame& frame, const ScheduledStep& step, void** arguments) {
  const lathe_artifact_threads* threads = run.caller->threads;
  for (uint32_t a = 0; a < step.argument_count; ++a) arguments[a] = address(run, frame, step.arguments[a]);
  if (step.whole) {
    if (const char* sentence = step.whole(arguments, threads)) run.fail(sentence);
  } else if (step.tasks == 1 || threads->count == 1) {
    for (uint32_t task = 0; task < step.tasks; ++task) step.task(arguments, task, 0);
  } else {
    threads->parallel_for(threads->context, step.tasks, reinterpret_cast<void (*)(void*, uint32_t, uint32_t)>(step.task), arguments);
  }
}

// Dimension `axis` of port `port`, which counts inputs first, then outputs.
int64_t* dimension(const lathe_artifact_value* inputs, const lathe_artifact_plan* plan, uint32_t port, uint32_t axis) {
  const uint32_t count = lathe_artifact_1.input_count;
  return port < count ? const_cast<int64_t*>(&inputs[port].dimensions[axis]) : &plan->output_dimensions[port - count][axis];
}

}  // namespace

bool run_steps(Run& run, const Frame& frame) {
  const Schedule& schedule = *frame.schedule;
  void** arguments = static_cast<void**>(__builtin_alloca(schedule.most_arguments * sizeof(void*)));
  const bool timed = run.caller->nanoseconds != nullptr;
  for (uint32_t s = 0; s < schedule.step_count; ++s) {
    const ScheduledStep& step = schedule.steps[s];
    if (!run.goes_on()) return false;
    if (step.dynamic)
      run_dynamic(run, frame, *step.dynamic);
    else
      run_planned(run, frame, step, arguments);
    if (timed) {
      const uint64_t after = run.caller->clock();
      run.caller->nanoseconds[schedule.first_kernel + s] += after - run.before;
      run.before = after;
    }
    if (run.code) {
      if (run.error && run.caller->fail) run.caller->fail(run.caller->context, schedule.first_kernel + s, run.error);
      run.error = nullptr;
      return false;
    }
    if (!step.dynamic) continue;
    for (uint32_t i = 0; i < step.dynamic->last_count; ++i) release(frame.values[step.dynamic->last[i]]);
  }
  return true;
}

}  // namespace lathe::llvm_cpu

using namespace lathe::llvm_cpu;

extern "C" {

__attribute__((visibility("hidden"))) int32_t lathe_prepare(const lathe_artifact_value* inputs, uint32_t worker_count,
                                                            const lathe_artifact_plan* plan) {
  const lathe_artifact& artifact = lathe_artifact_1;
  for (uint32_t i = 0; i < artifact.input_count; ++i) {
    const lathe_artifact_tensor& declared = artifact.inputs[i];
    if (declared.kind != LATHE_ARTIFACT_TENSOR || declared.rank < 0) continue;
    if (inputs[i].rank != static_cast<uint64_t>(declared.rank)) return LATHE_ARTIFACT_BAD_SHAPE;
    for (int32_t d = 0; d < declared.rank; ++d)
      if (inputs[i].dimensions[d] < 0 || (declared.dimensions[d] >= 0 && inputs[i].dimensions[d] != declared.dimensions[d]))
        return LATHE_ARTIFACT_BAD_SHAPE;
  }
  for (uint32_t i = 0; i < artifact.output_count; ++i)
    for (int32_t d = 0; d < artifact.outputs[i].rank; ++d) plan->output_dimensions[i][d] = artifact.outputs[i].dimensions[d];
  for (uint32_t i = 0; i < lathe_schedule.same_count; ++i) {
    const SameDimension& same = lathe_schedule.same[i];
    const int64_t first = *dimension(inputs, plan, same.first, same.first_axis);
    int64_t& second = *dimension(inputs, plan, same.second, same.second_axis);
    if (same.second >= artifact.input_count)
      second = first;
    else if (first != second)
      return LATHE_ARTIFACT_BAD_SHAPE;
  }
  // The one field that is written; the caller's struct is its own, and only passed as constant.
  const_cast<lathe_artifact_plan*>(plan)->scratch_bytes = lathe_schedule.fixed_bytes + lathe_schedule.bytes_per_worker * worker_count;
  return LATHE_ARTIFACT_DONE;
}

__attribute__((visibility("hidden"))) int32_t lathe_run(const lathe_artifact_run* caller) {
  const Schedule& schedule = lathe_schedule;
  Run run{caller};
  const uint32_t ports = schedule.input_count + schedule.output_count;
  auto** addresses = static_cast<void**>(malloc((ports + 1) * sizeof(void*)));
  Values inputs(schedule.input_count), outputs(schedule.output_count);
  Frame frame{&schedule, nullptr, addresses, addresses + schedule.input_count};
  bool sound = (addresses && inputs.values && outputs.values) || run.no_memory();
  for (uint32_t i = 0; sound && i < schedule.input_count; ++i) {
    sound = take(run, caller->inputs[i], inputs[i]);
    addresses[i] = inputs[i].data;
  }
  // Outputs that steps write directly go to the caller's memory, but for those that are packed afterwards.
  for (uint32_t i = 0; sound && i < schedule.output_count; ++i) {
    const ScheduledPort& port = schedule.outputs[i];
    frame.outputs[i] = caller->outputs[i];
    if (port.value != no_value || (frame.outputs[i] && !bits_below_a_byte(port.type))) continue;
    outputs[i].type = port.type;
    sound = make_tensor(run, outputs[i], port.dimensions, port.rank);
    frame.outputs[i] = outputs[i].data;
  }
  sound = sound && open_frame(run, frame);
  for (uint32_t i = 0; sound && i < schedule.input_count; ++i)
    if (schedule.inputs[i].value != no_value) frame.values[schedule.inputs[i].value] = borrow(inputs[i]);
  if (caller->nanoseconds) run.before = caller->clock();
  sound = sound && run_steps(run, frame);
  for (uint32_t i = 0; sound && i < schedule.output_count; ++i) {
    const uint32_t value = schedule.outputs[i].value;
    // A loop may yield a sequence where an optional one is declared.
    if (value != no_value && frame.values[value].made) frame.values[value].kind = schedule.outputs[i].kind;
    if (value != no_value)
      sound = give(run, i, frame.values[value]);
    else if (outputs[i].made)
      sound = give(run, i, outputs[i]);
  }
  if (frame.values) close_frame(frame);
  free(addresses);
  free_all(run.kept);
  return run.code;
}
}
