// Values of a run in the form of the boundary (lathe_buffer), and the reverse.
#pragma once
#include <deque>
#include <span>
#include <vector>

#include "core/ir/datum.hpp"
#include "lathe/executor.h"

namespace lathe {

// One lathe_buffer per datum; they point into the data and into this object.
class Buffers {
 public:
  explicit Buffers(std::span<const Datum> data);
  const lathe_buffer* data() const { return list_.data(); }
  size_t size() const { return list_.size(); }

 private:
  lathe_buffer of(const Tensor& tensor);
  lathe_buffer of(const Datum& datum);

  std::vector<lathe_buffer> list_;
  std::deque<std::vector<lathe_buffer>> elements_;
  std::deque<std::vector<lathe_string>> strings_;
};

// A copy of what a plugin gives. Throws Error(internal) saying what is wrong with it, as "has too few bytes".
Datum read_buffer(const lathe_buffer& buffer);

}  // namespace lathe
