// The artifact's border: the caller's values become the driver's, and back. Types smaller than a byte lie several to a byte outside and one per
// byte inside.
#pragma once
#include "bitcode/frame.hpp"

namespace lathe::llvm_cpu {

// Bits of a type smaller than a byte; 0: it is no such type.
inline uint32_t bits_below_a_byte(int32_t type) {
  switch (static_cast<kernels::Type>(type)) {
    case kernels::Type::uint4:
    case kernels::Type::int4:
    case kernels::Type::float4e2m1:
      return 4;
    case kernels::Type::uint2:
    case kernels::Type::int2:
      return 2;
    default:
      return 0;
  }
}

inline void unpack(int32_t type, const uint8_t* from, uint8_t* to, int64_t count) {
  const uint32_t bits = bits_below_a_byte(type), each = 8 / bits;
  const bool is_signed = static_cast<kernels::Type>(type) == kernels::Type::int4 || static_cast<kernels::Type>(type) == kernels::Type::int2;
  for (int64_t i = 0; i < count; ++i) {
    const auto element = static_cast<uint8_t>(from[i / each] << (8 - bits - i % each * bits));
    to[i] = is_signed ? static_cast<uint8_t>(static_cast<int8_t>(element) >> (8 - bits)) : static_cast<uint8_t>(element >> (8 - bits));
  }
}

inline void pack(int32_t type, const uint8_t* from, uint8_t* to, int64_t count) {
  const uint32_t bits = bits_below_a_byte(type), each = 8 / bits, mask = (1u << bits) - 1;
  __builtin_memset(to, 0, static_cast<uint64_t>((count + each - 1) / each));
  for (int64_t i = 0; i < count; ++i) to[i / each] = static_cast<uint8_t>(to[i / each] | (from[i] & mask) << (i % each * bits));
}

inline uint64_t packed_bytes(const Value& value) {
  const uint32_t bits = bits_below_a_byte(value.type);
  return bits ? (bytes_of(value) * bits + 7) / 8 : bytes_of(value);
}

inline bool take_tensor(Run& run, const lathe_artifact_value& from, Value& to) {
  uint64_t bytes = 0;
  to.type = from.type;
  if (from.rank > most_dimensions || !count_bytes(from.dimensions, static_cast<int32_t>(from.rank), from.type, bytes))
    return run.fail("an input has more than 16 dimensions, or an impossible shape", LATHE_ARTIFACT_BAD_SHAPE);
  if (bits_below_a_byte(from.type)) {
    if (!make_tensor(run, to, from.dimensions, static_cast<int32_t>(from.rank))) return false;
    unpack(from.type, static_cast<const uint8_t*>(from.data), static_cast<uint8_t*>(to.data), to.size());
    return true;
  }
  to.rank = static_cast<int32_t>(from.rank);
  for (int32_t d = 0; d < to.rank; ++d) to.dimensions[d] = from.dimensions[d];
  to.data = from.data;
  to.made = to.present = to.stable = true;
  return true;
}

inline bool take(Run& run, const lathe_artifact_value& from, Value& to) {
  to.kind = from.kind;
  to.type = from.type;
  to.made = true;
  to.present = !from.absent;
  if (!to.present) return true;
  if (!to.is_list()) {
    const bool taken = take_tensor(run, from, to);
    to.kind = from.kind;
    return taken;
  }
  to.list = new_list(from.element_count);
  if (!to.list) return run.no_memory();
  for (uint64_t i = 0; i < from.element_count; ++i)
    if (!take_tensor(run, from.elements[i], to.list->elements()[i])) return false;
  return true;
}

// The caller's view of a value, for put(). Memory for packed copies and lists of elements is the run's.
inline bool show(Run& run, const Value& value, lathe_artifact_value& to) {
  to = {};
  to.struct_size = sizeof to;
  to.type = value.type;
  to.kind = value.kind;
  to.absent = (value.kind == LATHE_ARTIFACT_OPTIONAL || value.kind == LATHE_ARTIFACT_OPTIONAL_SEQUENCE) && !value.present;
  if (to.absent) return true;
  if (!value.is_list()) {
    to.rank = static_cast<uint64_t>(value.rank);
    to.dimensions = value.dimensions;
    to.data = value.data;
    to.bytes = packed_bytes(value);
    if (!bits_below_a_byte(value.type)) return true;
    to.data = keep_memory(run, to.bytes);
    if (!to.data) return run.no_memory();
    pack(value.type, static_cast<const uint8_t*>(value.data), static_cast<uint8_t*>(to.data), value.size());
    return true;
  }
  to.element_count = value.list ? value.list->count : 0;
  auto* elements = static_cast<lathe_artifact_value*>(keep_memory(run, to.element_count * sizeof(lathe_artifact_value)));
  if (!elements) return run.no_memory();
  for (uint64_t i = 0; i < to.element_count; ++i)
    if (!show(run, value.list->elements()[i], elements[i])) return false;
  to.elements = elements;
  return true;
}

inline bool is_string(const Value& value) { return static_cast<kernels::Type>(value.type) == kernels::Type::string; }

// Hands an output to the caller.
inline bool give(Run& run, uint32_t output, const Value& value) {
  const lathe_artifact_run& caller = *run.caller;
  if (!value.made) return run.fail("an output was not computed");
  if (value.kind != LATHE_ARTIFACT_TENSOR || is_string(value)) {
    lathe_artifact_value shown;
    if (!show(run, value, shown)) return false;
    return (caller.put && caller.put(caller.context, output, &shown) == 0) ||
           run.fail("an output could not be handed over", LATHE_ARTIFACT_NO_MEMORY);
  }
  const uint64_t bytes = packed_bytes(value);
  void* to = caller.outputs[output];
  if (!to && caller.allocate) to = caller.allocate(caller.context, output, value.dimensions, static_cast<uint64_t>(value.rank), bytes);
  if (!to) return run.fail("an output could not be allocated", LATHE_ARTIFACT_NO_MEMORY);
  if (bits_below_a_byte(value.type))
    pack(value.type, static_cast<const uint8_t*>(value.data), static_cast<uint8_t*>(to), value.size());
  else
    __builtin_memcpy(to, value.data, bytes);
  return true;
}

}  // namespace lathe::llvm_cpu
