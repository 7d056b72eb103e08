// If, Loop and Scan (ONNX): their bodies are schedules of their own, run in frames of their own. A body's inputs are its formal ones, then the values
// it captures from the enclosing schedule.
#pragma once
#include "bitcode/sequences.hpp"

namespace lathe::llvm_cpu {

// Checks a value against what a body's steps were compiled for.
inline bool fits_port(const ScheduledPort& port, const Value& value) {
  if (port.value != no_value) return true;
  return value.kind == LATHE_ARTIFACT_TENSOR && value.type == port.type && same_shape(value, port.dimensions, port.rank);
}

// Runs a body. `formal` are its formal inputs, lent; `results` receives its outputs, owned. Captures come from `outer`.
inline bool run_body(Run& run, const Frame& outer, const ScheduledBody& body, const Value* const* formal, Value* results) {
  const Schedule& schedule = *body.schedule;
  const uint32_t ports = schedule.input_count + schedule.output_count;
  auto** addresses = static_cast<void**>(malloc((ports + 1) * sizeof(void*)));
  if (!addresses) return run.no_memory();
  Frame frame{&schedule, nullptr, addresses, addresses + schedule.input_count};
  const auto input = [&](uint32_t i) -> const Value& {
    return i < body.formal_count ? *formal[i] : outer.values[body.captures[i - body.formal_count]];
  };
  bool sound = true;
  for (uint32_t i = 0; sound && i < schedule.input_count; ++i) {
    sound = fits_port(schedule.inputs[i], input(i)) ||
            run.fail("a value that enters a body has another type or shape than the model's declarations allow");
    addresses[i] = input(i).data;
  }
  for (uint32_t i = 0; i < schedule.output_count; ++i) {
    const ScheduledPort& port = schedule.outputs[i];
    results[i] = Value{};
    frame.outputs[i] = nullptr;
    if (!sound || port.value != no_value) continue;
    results[i].type = port.type;
    sound = make_tensor(run, results[i], port.dimensions, port.rank);
    frame.outputs[i] = results[i].data;
  }
  sound = sound && open_frame(run, frame);
  for (uint32_t i = 0; sound && i < schedule.input_count; ++i)
    if (schedule.inputs[i].value != no_value) frame.values[schedule.inputs[i].value] = borrow(input(i));
  sound = sound && run_steps(run, frame);
  for (uint32_t i = 0; sound && i < schedule.output_count; ++i)
    if (schedule.outputs[i].value != no_value) sound = share(run, frame.values[schedule.outputs[i].value], results[i]);
  close_frame(frame);
  free(addresses);
  return sound;
}

// An array of values that are released at the end.
struct Values {
  Value* values;
  uint32_t count;
  explicit Values(uint32_t n) : values(static_cast<Value*>(malloc((n + 1) * sizeof(Value)))), count(values ? n : 0) {
    for (uint32_t i = 0; i < count; ++i) values[i] = Value{};
  }
  ~Values() {
    for (uint32_t i = 0; i < count; ++i) release(values[i]);
    free(values);
  }
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;
  Value& operator[](uint32_t i) { return values[i]; }
};

// The tensors that a body yields turn after turn, and what they become in the end.
struct Collected {
  List* list = nullptr;
  uint64_t count = 0;

  bool append(Run& run, Value& value) {
    if (!list || count == list->count) {
      List* larger = new_list(list ? 2 * list->count : 8);
      if (!larger) return run.no_memory();
      for (uint64_t i = 0; i < count; ++i) larger->elements()[i] = list->elements()[i];
      free(list);
      list = larger;
    }
    list->elements()[count++] = value;
    value = Value{};
    return true;
  }
  void clear() {
    for (uint64_t i = 0; i < count; ++i) release(list->elements()[i]);
    free(list);
    list = nullptr;
    count = 0;
  }
  // Stacked along a new axis; `port` is what the body declares of one, for when there is none.
  bool stack(Run& run, const ScheduledPort& port, int64_t axis, bool backwards, Value& to) {
    if (count) return join(run, list->elements(), count, axis, true, backwards, to);
    int64_t dimensions[most_dimensions] = {};
    const int32_t rank = (port.rank < 0 ? 0 : port.rank) + 1;
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank || rank > most_dimensions) return run.fail("the axis is outside the tensor");
    for (int32_t d = 0; d < rank; ++d)
      if (d != axis) {
        const int64_t extent = port.dimensions[d < axis ? d : d - 1];
        dimensions[d] = extent < 0 ? 0 : extent;
      }
    if (!to.type) to.type = port.type;
    return make_tensor(run, to, dimensions, rank);
  }
};

inline bool run_branch(const Operands& o) {
  const bool condition = *static_cast<const bool*>(o.in(0).data);
  Values results(o.step.output_count);
  if (!results.values) return o.run.no_memory();
  if (!run_body(o.run, o.frame, o.step.bodies[condition ? 0 : 1], nullptr, results.values)) return false;
  for (uint32_t i = 0; i < o.step.output_count; ++i)
    if (o.wants(i) && !deliver(o.run, o.out(i), results[i])) return false;
  return true;
}

inline Value scalar(kernels::Type type, void* data) {
  Value value;
  value.type = static_cast<int32_t>(type);
  value.data = data;
  value.made = value.present = true;
  return value;
}

// Inputs: trip count, condition, carried values. Outputs: carried values, then what was collected.
inline bool run_loop(const Operands& o) {
  const ScheduledBody& body = o.step.bodies[0];
  const uint32_t carried = o.step.input_count - 2, collecting = o.step.output_count - carried, yields = 1 + carried + collecting;
  const int64_t trips = o.has(0) ? integer_at(o.in(0), 0) : INT64_MAX;
  bool condition = o.has(1) ? *static_cast<const bool*>(o.in(1).data) : true;
  int64_t turn = 0;
  Values state(carried), results(yields);
  auto* collected = static_cast<Collected*>(malloc((collecting + 1) * sizeof(Collected)));
  auto** formal = static_cast<const Value**>(malloc((2 + carried) * sizeof(Value*)));
  bool sound = (state.values && results.values && collected && formal) || o.run.no_memory();
  for (uint32_t i = 0; sound && i < collecting; ++i) collected[i] = {};
  for (uint32_t i = 0; sound && i < carried; ++i)
    if (o.has(2 + i)) state[i] = borrow(o.in(2 + i));
  const Value turn_value = scalar(kernels::Type::int64, &turn), condition_value = scalar(kernels::Type::boolean, &condition);
  for (; sound && turn < trips && condition; ++turn) {
    formal[0] = &turn_value;
    formal[1] = &condition_value;
    for (uint32_t i = 0; i < carried; ++i) formal[2 + i] = &state[i];
    sound = o.run.goes_on() && run_body(o.run, o.frame, body, formal, results.values);
    if (!sound) break;
    condition = *static_cast<const bool*>(results[0].data);
    release(results[0]);
    for (uint32_t i = 0; i < carried; ++i) {
      release(state[i]);
      state[i] = results[1 + i];
      results[1 + i] = Value{};
    }
    for (uint32_t i = 0; sound && i < collecting; ++i) sound = collected[i].append(o.run, results[1 + carried + i]);
  }
  for (uint32_t i = 0; sound && i < carried; ++i) {
    Value last;
    if (o.wants(i)) sound = share(o.run, state[i], last) && deliver(o.run, o.out(i), last);
  }
  for (uint32_t i = 0; i < collecting && collected; ++i) {
    Value whole;
    if (sound && o.wants(carried + i))
      sound = collected[i].stack(o.run, body.schedule->outputs[1 + carried + i], 0, false, whole) && deliver(o.run, o.out(carried + i), whole);
    collected[i].clear();
  }
  free(collected);
  free(formal);
  return sound;
}

// Element `index` of a list attribute, or 0 without one.
inline int64_t listed(const Operands& o, const char* name, uint32_t index) {
  kernels::Call call{};
  call.attributes = o.step.attributes;
  call.attribute_count = static_cast<int32_t>(o.step.attribute_count);
  const kernels::Attribute* a = call.attribute(name);
  return a && static_cast<int64_t>(index) < a->count ? a->ints[index] : 0;
}

// Inputs: states, then what is scanned. Outputs: states, then what was collected.
inline bool run_scan(const Operands& o) {
  const ScheduledBody& body = o.step.bodies[0];
  const auto scanned = static_cast<uint32_t>(o.integer("num_scan_inputs", 0));
  if (scanned == 0 || scanned > o.step.input_count) return o.run.fail("it scans no input");
  const uint32_t states = o.step.input_count - scanned, collecting = o.step.output_count - states;
  Values state(states), slices(scanned), results(o.step.output_count);
  auto* collected = static_cast<Collected*>(malloc((collecting + 1) * sizeof(Collected)));
  auto** formal = static_cast<const Value**>(malloc((o.step.input_count + 1) * sizeof(Value*)));
  bool sound = (state.values && slices.values && results.values && collected && formal) || o.run.no_memory();
  for (uint32_t i = 0; sound && i < collecting; ++i) collected[i] = {};
  for (uint32_t i = 0; sound && i < states; ++i) state[i] = borrow(o.in(i));
  const auto axis_of = [&](uint32_t i) {
    const int64_t axis = listed(o, "scan_input_axes", i);
    return static_cast<int32_t>(axis < 0 ? axis + o.in(states + i).rank : axis);
  };
  int64_t length = -1;
  for (uint32_t i = 0; sound && i < scanned; ++i) {
    const Value& x = o.in(states + i);
    const int32_t axis = axis_of(i);
    if (axis < 0 || axis >= x.rank || (length >= 0 && x.dimensions[axis] != length))
      sound = o.run.fail("the scanned inputs have different lengths, or lack the axis");
    else
      length = x.dimensions[axis];
  }
  for (int64_t turn = 0; sound && turn < length; ++turn) {
    for (uint32_t i = 0; i < states; ++i) formal[i] = &state[i];
    for (uint32_t i = 0; sound && i < scanned; ++i) {
      const int64_t at = listed(o, "scan_input_directions", i) ? length - 1 - turn : turn;
      sound = cut_axis(o.run, o.in(states + i), axis_of(i), at, 1, true, slices[i]);
      formal[states + i] = &slices[i];
    }
    sound = sound && run_body(o.run, o.frame, body, formal, results.values);
    if (!sound) break;
    for (uint32_t i = 0; i < states; ++i) {
      release(state[i]);
      state[i] = results[i];
      results[i] = Value{};
    }
    for (uint32_t i = 0; sound && i < collecting; ++i) sound = collected[i].append(o.run, results[states + i]);
  }
  for (uint32_t i = 0; sound && i < states; ++i) {
    Value last;
    if (o.wants(i)) sound = share(o.run, state[i], last) && deliver(o.run, o.out(i), last);
  }
  for (uint32_t i = 0; i < collecting && collected; ++i) {
    Value whole;
    if (sound && o.wants(states + i))
      sound = collected[i].stack(o.run, body.schedule->outputs[states + i], listed(o, "scan_output_axes", i),
                                 listed(o, "scan_output_directions", i) != 0, whole) &&
              deliver(o.run, o.out(states + i), whole);
    collected[i].clear();
  }
  free(collected);
  free(formal);
  return sound;
}

// Runs a body whose values all have fixed shapes, with 1 in front, for every item of the inputs' first dimension. Inputs and outputs of the body are
// slices of the whole ones; captures are the same for all.
inline bool run_each_item(const Operands& o) {
  const ScheduledBody& body = o.step.bodies[0];
  const Schedule& schedule = *body.schedule;
  const int64_t items = o.in(0).rank ? o.in(0).dimensions[0] : 0;
  int64_t dimensions[most_dimensions];
  // The port's shape with the number of items in front.
  const auto whole = [&](const ScheduledPort& port) {
    for (int32_t d = 0; d < port.rank; ++d) dimensions[d] = d == 0 ? items : port.dimensions[d];
    return port.rank;
  };
  for (uint32_t i = 0; i < schedule.input_count; ++i) {
    const ScheduledPort& port = schedule.inputs[i];
    if (i < body.formal_count ? !same_shape(o.in(i), dimensions, whole(port))
                              : !fits_port(port, o.frame.values[body.captures[i - body.formal_count]]))
      return o.run.fail("the inputs of the part that is run item by item do not fit each other");
  }
  for (uint32_t i = 0; i < schedule.output_count; ++i)
    if (!make_tensor(o.run, o.out(i), dimensions, whole(schedule.outputs[i]))) return false;
  const uint32_t ports = schedule.input_count + schedule.output_count;
  auto** addresses = static_cast<void**>(malloc((ports + 1) * sizeof(void*)));
  if (!addresses) return o.run.no_memory();
  Frame frame{&schedule, nullptr, addresses, addresses + schedule.input_count};
  const auto slice = [&](const Value& value, int64_t item) {
    return static_cast<char*>(value.data) + bytes_of(value) / static_cast<uint64_t>(items) * static_cast<uint64_t>(item);
  };
  bool sound = true;
  for (int64_t item = 0; sound && item < items; ++item) {
    for (uint32_t i = 0; i < schedule.input_count; ++i)
      addresses[i] = i < body.formal_count ? slice(o.in(i), item) : o.frame.values[body.captures[i - body.formal_count]].data;
    for (uint32_t i = 0; i < schedule.output_count; ++i) frame.outputs[i] = slice(o.out(i), item);
    sound = open_frame(o.run, frame) && run_steps(o.run, frame);
    close_frame(frame);
  }
  free(addresses);
  return sound;
}

}  // namespace lathe::llvm_cpu
