// Steps that call a tuned kernel for a fixed number of rows as often as there are rows. The last call reaches back over rows that are done already;
// when there are fewer rows than one call takes, they are padded.
#pragma once
#include "bitcode/sequences.hpp"

namespace lathe::llvm_cpu {

inline constexpr uint32_t most_row_operands = 24;

struct RowCalls {
  const RowPart* part;
  uint32_t operands;  // inputs and the output
  char* bases[most_row_operands];
  char* scratch;
  uint64_t calls, calls_per_task;
};

inline void call_rows(const RowCalls& c, uint64_t first_row, uint32_t task, uint32_t worker) {
  void* arguments[most_row_operands + 1];
  for (uint32_t i = 0; i < c.operands; ++i) arguments[i] = c.bases[i] + first_row * c.part->row_bytes[i];
  arguments[c.operands] = c.scratch;
  c.part->task(arguments, task, worker);
}

// One task for a thread: some calls, each of all its kernel's tasks; or, where one call is a lot of work, one of its tasks.
inline void run_row_task(void* context, uint32_t task, uint32_t worker) {
  const RowCalls& c = *static_cast<const RowCalls*>(context);
  if (c.calls_per_task == 0) return call_rows(c, uint64_t{task / c.part->tasks} * c.part->rows, task % c.part->tasks, worker);
  const uint64_t begin = task * c.calls_per_task, end = begin + c.calls_per_task < c.calls ? begin + c.calls_per_task : c.calls;
  for (uint64_t call = begin; call < end; ++call)
    for (uint32_t t = 0; t < c.part->tasks; ++t) call_rows(c, call * c.part->rows, t, worker);
}

inline void run_row_calls(Run& run, RowCalls& c) {
  const lathe_artifact_threads& threads = *run.caller->threads;
  const bool split = c.part->tasks > 1 && c.part->least_calls == 1 && c.calls * c.part->tasks < 65536;
  c.calls_per_task = split ? 0 : c.part->least_calls;
  if (!split && c.calls / 256 > c.calls_per_task) c.calls_per_task = c.calls / 256;
  const uint64_t tasks = split ? c.calls * c.part->tasks : (c.calls + c.calls_per_task - 1) / c.calls_per_task;
  if (threads.count > 1 && tasks > 1) return threads.parallel_for(threads.context, static_cast<uint32_t>(tasks), run_row_task, &c);
  for (uint32_t task = 0; task < tasks; ++task) run_row_task(&c, task, 0);
}

// Fewer rows than one call computes: copies of them, with zeros behind.
inline bool run_padded_rows(Run& run, RowCalls& c, uint64_t rows) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < c.operands; ++i) bytes += (c.part->row_bytes[i] * c.part->rows + 63) / 64 * 64;
  auto* memory = static_cast<char*>(aligned_memory(bytes));
  if (!memory) return run.no_memory();
  __builtin_memset(memory, 0, bytes);
  RowCalls padded = c;
  char* at = memory;
  for (uint32_t i = 0; i < c.operands; ++i) {
    if (c.part->row_bytes[i] == 0) continue;
    padded.bases[i] = at;
    if (i + 1 < c.operands) __builtin_memcpy(at, c.bases[i], rows * c.part->row_bytes[i]);
    at += (c.part->row_bytes[i] * c.part->rows + 63) / 64 * 64;
  }
  padded.calls = 1;
  run_row_calls(run, padded);
  __builtin_memcpy(c.bases[c.operands - 1], padded.bases[c.operands - 1], rows * c.part->row_bytes[c.operands - 1]);
  free(memory);
  return true;
}

inline bool run_rows(const Operands& o) {
  const RowPart& part = *o.step.rows;
  const Value& lead = o.in(part.lead);
  int64_t dimensions[most_dimensions];
  uint32_t rank = 0;
  uint64_t rows = 1;
  const uint32_t leading = static_cast<uint32_t>(lead.rank) - part.lead_tail;
  if (static_cast<uint32_t>(lead.rank) < part.lead_tail || part.ones + leading + part.tail_rank > most_dimensions)
    return o.run.fail("an input has another rank than the model's declarations allow");
  for (uint32_t d = 0; d < part.ones; ++d) dimensions[rank++] = 1;
  for (uint32_t d = 0; d < leading; ++d) rows *= static_cast<uint64_t>(dimensions[rank++] = lead.dimensions[d]);
  for (uint32_t d = 0; d < part.tail_rank; ++d) dimensions[rank++] = part.tail[d];
  for (uint32_t i = 0; i < o.step.input_count; ++i)
    if (part.row_bytes[i] && bytes_of(o.in(i)) != rows * part.row_bytes[i]) return o.run.fail("the shapes of the inputs do not fit each other");
  if (!make_tensor(o.run, o.out(), dimensions, static_cast<int32_t>(rank))) return false;
  if (rows == 0) return true;
  RowCalls c{&part, o.step.input_count + 1, {}, nullptr, rows / part.rows, 0};
  for (uint32_t i = 0; i < o.step.input_count; ++i) c.bases[i] = static_cast<char*>(o.in(i).data);
  c.bases[o.step.input_count] = static_cast<char*>(o.out().data);
  if (part.worker_scratch != UINT64_MAX) c.scratch = static_cast<char*>(o.run.caller->scratch) + part.worker_scratch;
  if (rows < part.rows) return run_padded_rows(o.run, c, rows);
  run_row_calls(o.run, c);
  if (rows % part.rows == 0) return true;
  for (uint32_t i = 0; i < c.operands; ++i) c.bases[i] += (rows - part.rows) * part.row_bytes[i];
  c.calls = 1;
  run_row_calls(o.run, c);
  return true;
}

}  // namespace lathe::llvm_cpu
