// Run-time values of the driver: tensors whose shape only the run knows, sequences and optionals, with reference-counted memory.
//
// A value either owns a share of a block (and of a list), or is lent: its bytes lie in memory that somebody else keeps. Lent bytes that
// stay until the end of the run (weights, the model's inputs) are `stable` and may be shared; others (planned buffers, which are
// reused) must be copied by whoever keeps them longer than a step.
#pragma once
#include <stdlib.h>

#include "bitcode/schedule.hpp"

namespace lathe::llvm_cpu {

inline constexpr int32_t most_dimensions = 16;  // as in the kernels' loops

struct Block {
  uint64_t references;
  uint64_t padding[7];  // the bytes begin at the next multiple of 64
  void* bytes() { return this + 1; }
};

struct Value;
struct List {
  uint64_t references, count;
  Value* elements() { return reinterpret_cast<Value*>(this + 1); }
};

struct Value {
  int32_t kind = LATHE_ARTIFACT_TENSOR;
  int32_t type = 0;
  int32_t rank = 0;
  bool made = false;     // holds something
  bool present = false;  // of optionals: not empty
  bool planned = false;  // bytes, type and shape were fixed when the model was compiled; a step that makes it writes there
  bool stable = false;
  void* data = nullptr;
  Block* block = nullptr;
  List* list = nullptr;
  int64_t dimensions[most_dimensions];

  bool is_list() const { return kind == LATHE_ARTIFACT_SEQUENCE || kind == LATHE_ARTIFACT_OPTIONAL_SEQUENCE; }
  int64_t size() const {
    int64_t n = 1;
    for (int32_t i = 0; i < rank; ++i) n *= dimensions[i];
    return n;
  }
};

// Memory that lives until the run ends: characters of strings.
struct Kept {
  Kept* next;
  uint64_t padding[7];
};

// One run: what all its steps and bodies share.
struct Run {
  const lathe_artifact_run* caller;
  Kept* kept = nullptr;
  const char* error = nullptr;  // why the run failed; null while it goes well
  int32_t code = 0;
  uint64_t before = 0;  // time of the last step's end

  bool fail(const char* sentence, int32_t with = LATHE_ARTIFACT_BAD_DATA) {
    if (!code) error = sentence, code = with;
    return false;
  }
  // What callers of before these fields do not give.
  kernels::DecodePicture decode_picture() const {
    return caller->struct_size > offsetof(lathe_artifact_run, decode_picture) ? caller->decode_picture : nullptr;
  }
  // True: the run goes on.
  bool goes_on() {
    const bool asked = caller->struct_size > offsetof(lathe_artifact_run, cancelled) && caller->cancelled;
    return !asked || caller->cancelled(caller->context) == 0 || fail(nullptr, LATHE_ARTIFACT_CANCELLED);
  }
  bool no_memory() { return fail("there is no memory for a tensor", LATHE_ARTIFACT_NO_MEMORY); }
};

inline int64_t element_bytes(int32_t type) {
  switch (static_cast<kernels::Type>(type)) {
    case kernels::Type::uint16:
    case kernels::Type::int16:
    case kernels::Type::float16:
    case kernels::Type::bfloat16:
      return 2;
    case kernels::Type::float32:
    case kernels::Type::int32:
    case kernels::Type::uint32:
      return 4;
    case kernels::Type::float64:
    case kernels::Type::int64:
    case kernels::Type::uint64:
    case kernels::Type::complex64:
      return 8;
    case kernels::Type::complex128:
    case kernels::Type::string:
      return 16;
    default:
      return 1;
  }
}

inline void* aligned_memory(uint64_t bytes) {
  void* memory = nullptr;
  return posix_memalign(&memory, 64, bytes ? bytes : 64) == 0 ? memory : nullptr;
}

inline Block* new_block(uint64_t bytes) {
  if (bytes > UINT64_MAX / 2) return nullptr;
  auto* block = static_cast<Block*>(aligned_memory(sizeof(Block) + bytes));
  if (block) block->references = 1;
  return block;
}

inline void release(Value& value) {
  if (value.block && --value.block->references == 0) free(value.block);
  if (value.list && --value.list->references == 0) {
    for (uint64_t i = 0; i < value.list->count; ++i) release(value.list->elements()[i]);
    free(value.list);
  }
  value.block = nullptr;
  value.list = nullptr;
  value.data = nullptr;
  value.made = false;
}

// A list with room for `count` elements, all empty.
inline List* new_list(uint64_t count) {
  auto* list = static_cast<List*>(malloc(sizeof(List) + count * sizeof(Value)));
  if (!list) return nullptr;
  list->references = 1;
  list->count = count;
  for (uint64_t i = 0; i < count; ++i) list->elements()[i] = Value{};
  return list;
}

// Bytes of a shape; false when it is impossible.
inline bool count_bytes(const int64_t* dimensions, int32_t rank, int32_t type, uint64_t& bytes) {
  int64_t n = element_bytes(type);
  bool overflow = false, empty = false;
  for (int32_t i = 0; i < rank; ++i) {
    if (dimensions[i] < 0) return false;
    if (dimensions[i] == 0)
      empty = true;
    else
      overflow |= __builtin_mul_overflow(n, dimensions[i], &n);
  }
  bytes = empty ? 0 : static_cast<uint64_t>(n);
  return empty || !overflow;
}
inline uint64_t bytes_of(const Value& value) { return static_cast<uint64_t>(value.size() * element_bytes(value.type)); }

inline bool same_shape(const Value& value, const int64_t* dimensions, int32_t rank) {
  bool same = value.rank == rank;
  for (int32_t i = 0; same && i < rank; ++i) same = value.dimensions[i] == dimensions[i];
  return same;
}

// Gives `value` (its type is set) this shape, and memory for it.
inline bool make_tensor(Run& run, Value& value, const int64_t* dimensions, int32_t rank) {
  if (value.planned) {
    value.made = true;
    return same_shape(value, dimensions, rank) || run.fail("an output gets another shape than the model's declarations allow");
  }
  uint64_t bytes = 0;
  if (rank > most_dimensions) return run.fail("a tensor gets more than 16 dimensions");
  if (!count_bytes(dimensions, rank, value.type, bytes)) return run.fail("a tensor gets a shape that no tensor can have");
  Block* block = new_block(bytes);
  if (!block) return run.no_memory();
  release(value);
  value.kind = LATHE_ARTIFACT_TENSOR;
  value.block = block;
  value.data = block->bytes();
  value.rank = rank;
  for (int32_t i = 0; i < rank; ++i) value.dimensions[i] = dimensions[i];
  value.made = value.present = true;
  return true;
}

// The same value under another owner, for as long as the memory behind it is sure to stay: during the step at hand.
inline Value borrow(const Value& value) {
  Value result = value;
  result.planned = false;
  if (result.block) ++result.block->references;
  if (result.list) ++result.list->references;
  return result;
}

// Likewise for as long as it is wanted.
inline bool share(Run& run, const Value& value, Value& result) {
  if (value.block || value.stable || value.is_list() || !value.data) {
    result = borrow(value);
    return true;
  }
  Value copy;
  copy.type = value.type;
  if (!make_tensor(run, copy, value.dimensions, value.rank)) return false;
  __builtin_memcpy(copy.data, value.data, bytes_of(value));
  copy.kind = value.kind;
  copy.present = value.present;
  result = copy;
  return true;
}

// Hands an owned value to the slot `to` of a frame, whose memory may be planned.
inline bool deliver(Run& run, Value& to, Value& from) {
  if (!to.planned) {
    release(to);
    const int32_t type = to.type;
    to = from;
    if (to.type == 0) to.type = type;
    to.made = true;
    from = Value{};
    return true;
  }
  const bool fits = same_shape(to, from.dimensions, from.rank) && to.type == from.type;
  if (fits) __builtin_memcpy(to.data, from.data, bytes_of(to));
  release(from);
  to.made = true;
  return fits || run.fail("a value gets another type or shape than the model's declarations allow");
}

inline void* keep_memory(Run& run, uint64_t bytes) {
  if (bytes > UINT64_MAX / 2) return nullptr;
  auto* kept = static_cast<Kept*>(aligned_memory(sizeof(Kept) + bytes));
  if (!kept) return nullptr;
  kept->next = run.kept;
  run.kept = kept;
  return kept + 1;
}

}  // namespace lathe::llvm_cpu
