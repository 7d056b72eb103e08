// What a step on run-time values does, as planning decides it and the driver carries it out.
#pragma once
#include <cstdint>

namespace lathe::llvm_cpu {

// `kernel` calls the operator's shape function and kernel; `view` its shape function alone, since the
// elements stay as they are; the others are the driver's own code.
enum class Action : uint32_t {
  kernel = 0,
  view,
  identity,
  branch,  // If
  loop,
  scan,
  each_item,  // a body for one item of a batch, run for all of them
  rows,       // a tuned kernel for a fixed number of rows, called until all are done
  sequence_empty,
  sequence_construct,
  sequence_at,
  sequence_insert,
  sequence_erase,
  sequence_length,
  split_to_sequence,
  concat_from_sequence,
  optional,
  optional_get_element,
  optional_has_element
};

inline constexpr uint32_t no_value = UINT32_MAX;

}  // namespace lathe::llvm_cpu
