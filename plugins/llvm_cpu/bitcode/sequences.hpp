// The operators on sequences and optionals (ONNX: SequenceEmpty .. SequenceErase, SplitToSequence, ConcatFromSequence, Optional*), and Identity.
// Tensors in a sequence share their memory with the values they came from.
#pragma once
#include "bitcode/frame.hpp"

namespace lathe::llvm_cpu {

struct Operands {
  Run& run;
  const Frame& frame;
  const DynamicStep& step;

  bool has(uint32_t i) const { return i < step.input_count && step.inputs[i] != no_value; }
  const Value& in(uint32_t i) const { return frame.values[step.inputs[i]]; }
  Value& out(uint32_t i = 0) const { return frame.values[step.outputs[i]]; }
  bool wants(uint32_t i) const { return i < step.output_count && step.outputs[i] != no_value; }
  int64_t integer(const char* name, int64_t fallback) const {
    kernels::Call call{};
    call.attributes = step.attributes;
    call.attribute_count = static_cast<int32_t>(step.attribute_count);
    return call.integer(name, fallback);
  }
};

// Element `index` of an int32 or int64 tensor.
inline int64_t integer_at(const Value& value, int64_t index) {
  return static_cast<kernels::Type>(value.type) == kernels::Type::int64 ? static_cast<const int64_t*>(value.data)[index]
                                                                        : static_cast<const int32_t*>(value.data)[index];
}

inline uint64_t length_of(const Value& sequence) { return sequence.list ? sequence.list->count : 0; }

inline bool deliver_list(const Operands& o, List* list, int32_t type) {
  Value made;
  made.kind = LATHE_ARTIFACT_SEQUENCE;
  made.type = type;
  made.list = list;
  made.made = made.present = true;
  return deliver(o.run, o.out(), made);
}

inline bool deliver_scalar(const Operands& o, kernels::Type type, int64_t number) {
  Value& to = o.out();
  to.type = static_cast<int32_t>(type);
  if (!make_tensor(o.run, to, nullptr, 0)) return false;
  if (type == kernels::Type::boolean)
    *static_cast<bool*>(to.data) = number != 0;
  else
    *static_cast<int64_t*>(to.data) = number;
  return true;
}

inline bool deliver_shared(const Operands& o, const Value& from) {
  Value shared;
  return share(o.run, from, shared) && deliver(o.run, o.out(), shared);
}

// A list of `count` elements that takes over those of `from` but for a gap at `insert` or without the one at `erase` (-1: neither).
inline List* copy_list(Run& run, const Value& from, int64_t insert, int64_t erase) {
  const auto before = static_cast<int64_t>(length_of(from));
  List* list = new_list(static_cast<uint64_t>(before + (insert >= 0) - (erase >= 0)));
  if (!list) {
    run.no_memory();
    return nullptr;
  }
  int64_t at = 0;
  for (int64_t i = 0; i < before; ++i) {
    if (i == insert) ++at;
    if (i != erase) list->elements()[at++] = borrow(from.list->elements()[i]);
  }
  return list;
}

inline bool sequence_construct(const Operands& o) {
  List* list = new_list(o.step.input_count);
  if (!list) return o.run.no_memory();
  int32_t type = o.frame.schedule->values[o.step.outputs[0]].type;
  for (uint32_t i = 0; i < o.step.input_count; ++i)
    if (!share(o.run, o.in(i), list->elements()[i])) break;
  if (o.step.input_count) type = o.in(0).type;
  return deliver_list(o, list, type) && o.run.code == 0;
}

inline bool sequence_at(const Operands& o) {
  const auto count = static_cast<int64_t>(length_of(o.in(0)));
  const int64_t given = integer_at(o.in(1), 0), index = given < 0 ? given + count : given;
  if (index < 0 || index >= count) return o.run.fail("the position is outside the sequence");
  Value element = borrow(o.in(0).list->elements()[index]);
  return deliver(o.run, o.out(), element);
}

inline bool sequence_insert(const Operands& o) {
  const auto count = static_cast<int64_t>(length_of(o.in(0)));
  const int64_t given = o.has(2) ? integer_at(o.in(2), 0) : count, index = given < 0 ? given + count : given;
  if (index < 0 || index > count) return o.run.fail("the position is outside the sequence");
  List* list = copy_list(o.run, o.in(0), index, -1);
  if (!list) return false;
  const bool shared = share(o.run, o.in(1), list->elements()[index]);
  return deliver_list(o, list, o.in(1).type) && shared;
}

inline bool sequence_erase(const Operands& o) {
  const auto count = static_cast<int64_t>(length_of(o.in(0)));
  const int64_t given = o.has(1) ? integer_at(o.in(1), 0) : count - 1, index = given < 0 ? given + count : given;
  if (index < 0 || index >= count) return o.run.fail("the position is outside the sequence");
  List* list = copy_list(o.run, o.in(0), -1, index);
  return list && deliver_list(o, list, o.in(0).type);
}

// Bytes in front of an axis' extent, times the whole: a tensor as [outer][extent][inner bytes].
struct Lines {
  int64_t outer = 1, extent = 1, inner;
  Lines(const Value& value, int32_t axis) : inner(element_bytes(value.type)) {
    for (int32_t d = 0; d < value.rank; ++d) (d < axis ? outer : d == axis ? extent : inner) *= value.dimensions[d];
  }
};

inline void copy_lines(char* to, int64_t to_stride, const char* from, int64_t from_stride, int64_t count, int64_t bytes) {
  for (int64_t i = 0; i < count; ++i) __builtin_memcpy(to + i * to_stride, from + i * from_stride, static_cast<uint64_t>(bytes));
}

// Elements begin .. begin + count - 1 of an axis; with `drop` the axis vanishes (count is 1 then).
inline bool cut_axis(Run& run, const Value& from, int32_t axis, int64_t begin, int64_t count, bool drop, Value& to) {
  int64_t dimensions[most_dimensions];
  int32_t rank = 0;
  for (int32_t d = 0; d < from.rank; ++d)
    if (d != axis)
      dimensions[rank++] = from.dimensions[d];
    else if (!drop)
      dimensions[rank++] = count;
  to.type = from.type;
  if (!make_tensor(run, to, dimensions, rank)) return false;
  const Lines lines(from, axis);
  copy_lines(static_cast<char*>(to.data), count * lines.inner, static_cast<const char*>(from.data) + begin * lines.inner, lines.extent * lines.inner,
             lines.outer, count * lines.inner);
  return true;
}

// Joins tensors along an axis; `stack`: along a new one. `backwards` takes the last one first.
inline bool join(Run& run, const Value* parts, uint64_t count, int64_t axis, bool stack, bool backwards, Value& to) {
  if (count == 0) return run.fail("there is nothing to join: the sequence is empty");
  const Value& first = parts[0];
  const int32_t rank = first.rank + (stack ? 1 : 0);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank || rank > most_dimensions) return run.fail("the axis is outside the tensor");
  int64_t dimensions[most_dimensions];
  for (int32_t d = 0; d < rank; ++d) dimensions[d] = stack ? (d == axis ? 0 : first.dimensions[d < axis ? d : d - 1]) : first.dimensions[d];
  dimensions[axis] = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const Value& part = parts[i];
    bool fits = part.rank == first.rank && part.type == first.type;
    for (int32_t d = 0; fits && d < part.rank; ++d) fits = (!stack && d == axis) || part.dimensions[d] == first.dimensions[d];
    if (!fits) return run.fail("the tensors to be joined have different types or shapes");
    dimensions[axis] += stack ? 1 : part.dimensions[axis];
  }
  to.type = first.type;
  if (!make_tensor(run, to, dimensions, rank)) return false;
  const Lines whole(to, static_cast<int32_t>(axis));
  char* at = static_cast<char*>(to.data);
  for (uint64_t i = 0; i < count; ++i) {
    const Value& part = parts[backwards ? count - 1 - i : i];
    const int64_t bytes = (stack ? 1 : part.dimensions[axis]) * whole.inner;
    copy_lines(at, whole.extent * whole.inner, static_cast<const char*>(part.data), bytes, whole.outer, bytes);
    at += bytes;
  }
  return true;
}

inline bool split_to_sequence(const Operands& o) {
  const Value& x = o.in(0);
  int64_t axis = o.integer("axis", 0);
  if (axis < 0) axis += x.rank;
  if (axis < 0 || axis >= x.rank) return o.run.fail("the axis is outside the tensor");
  const int64_t extent = x.dimensions[axis];
  const bool listed = o.has(1) && o.in(1).rank == 1, sized = o.has(1) && !listed;
  const bool drop = !o.has(1) && o.integer("keepdims", 1) == 0;
  const int64_t size = sized ? integer_at(o.in(1), 0) : 1;
  if (size <= 0) return o.run.fail("a tensor cannot be split into parts of that size");
  const int64_t count = listed ? o.in(1).size() : (extent + size - 1) / size;
  List* list = new_list(static_cast<uint64_t>(count));
  if (!list) return o.run.no_memory();
  int64_t begin = 0;
  for (int64_t i = 0; i < count && !o.run.code; ++i) {
    int64_t part = listed ? integer_at(o.in(1), i) : size;
    if (!listed && part > extent - begin) part = extent - begin;
    if (part < 0 || part > extent - begin) {
      o.run.fail("the parts' lengths do not add up to the axis' length");
      break;
    }
    cut_axis(o.run, x, static_cast<int32_t>(axis), begin, part, drop, list->elements()[i]);
    begin += part;
  }
  if (begin != extent) o.run.fail("the parts' lengths do not add up to the axis' length");
  return deliver_list(o, list, x.type) && o.run.code == 0;
}

inline bool concat_from_sequence(const Operands& o) {
  Value joined;
  const Value& from = o.in(0);
  return join(o.run, from.list ? from.list->elements() : nullptr, length_of(from), o.integer("axis", 0), o.integer("new_axis", 0) != 0, false,
              joined) &&
         deliver(o.run, o.out(), joined);
}

inline bool make_optional(const Operands& o) {
  Value made;
  if (o.has(0)) {
    if (!share(o.run, o.in(0), made)) return false;
    made.present = true;
  } else {
    made.type = o.frame.schedule->values[o.step.outputs[0]].type;
    made.made = true;
  }
  made.kind = o.frame.schedule->values[o.step.outputs[0]].kind;
  return deliver(o.run, o.out(), made);
}

inline bool optional_get_element(const Operands& o) {
  const Value& from = o.in(0);
  const bool optional = from.kind == LATHE_ARTIFACT_OPTIONAL || from.kind == LATHE_ARTIFACT_OPTIONAL_SEQUENCE;
  if (optional && !from.present) return o.run.fail("the optional holds nothing");
  Value made;
  if (!share(o.run, from, made)) return false;
  made.kind = made.is_list() ? LATHE_ARTIFACT_SEQUENCE : LATHE_ARTIFACT_TENSOR;
  return deliver(o.run, o.out(), made);
}

inline bool optional_has_element(const Operands& o) {
  bool present = o.has(0);
  if (present && (o.in(0).kind == LATHE_ARTIFACT_OPTIONAL || o.in(0).kind == LATHE_ARTIFACT_OPTIONAL_SEQUENCE)) present = o.in(0).present;
  return deliver_scalar(o, kernels::Type::boolean, present);
}

inline bool run_sequence_operator(Run& run, const Frame& frame, const DynamicStep& step) {
  const Operands o{run, frame, step};
  switch (step.action) {
    case Action::identity:
      return deliver_shared(o, o.in(0));
    case Action::sequence_empty:
    case Action::sequence_construct:
      return sequence_construct(o);
    case Action::sequence_at:
      return sequence_at(o);
    case Action::sequence_insert:
      return sequence_insert(o);
    case Action::sequence_erase:
      return sequence_erase(o);
    case Action::sequence_length:
      return deliver_scalar(o, kernels::Type::int64, static_cast<int64_t>(length_of(o.in(0))));
    case Action::split_to_sequence:
      return split_to_sequence(o);
    case Action::concat_from_sequence:
      return concat_from_sequence(o);
    case Action::optional:
      return make_optional(o);
    case Action::optional_get_element:
      return optional_get_element(o);
    case Action::optional_has_element:
      return optional_has_element(o);
    default:
      return run.fail("the artifact holds a step that its driver does not know");
  }
}

}  // namespace lathe::llvm_cpu
