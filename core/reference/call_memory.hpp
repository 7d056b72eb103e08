// The tensors and the memory of one call of a kernel: the graph's tensors in the form that kernels see (types smaller than a byte spread,
// strings as views), the outputs as kernels leave them turned back, and what a kernel obtains while it runs.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "core/ir/graph.hpp"
#include "lathe/kernels/kernel.hpp"

namespace lathe {

class CallMemory {
 public:
  // No output may make the total of outputs exceed `limit` bytes.
  explicit CallMemory(uint64_t limit) : left_(limit) {}

  // Valid as long as this object and the tensor are; nullptr gives an absent one.
  kernels::Tensor view(const Tensor* tensor);
  std::vector<kernels::Attribute> attributes(const Node& node);

  // The outputs, in order; a type of none is an absent one. Each gets its bytes by allocate(), ours or a kernel's.
  void add_output(DataType type);
  bool allocate(size_t output, std::vector<int64_t> dimensions);  // false: over the limit, or more bytes than can be counted
  bool allocated(size_t output) const { return results_[output].has_value(); }
  const std::vector<kernels::Tensor>& outputs() const { return outputs_; }
  bool over_limit() const { return over_limit_; }

  // Sets allocate, memory and their context.
  void serve(kernels::Call& call);

  // What the kernel left in the outputs; absent and never allocated ones are empty.
  std::vector<Tensor> take_results();

 private:
  void* obtain(uint64_t bytes);

  uint64_t left_;
  bool over_limit_ = false;
  std::vector<kernels::Tensor> outputs_;
  std::vector<std::optional<Tensor>> results_;  // dimensions and, where a kernel writes the final form, the bytes
  std::deque<Bytes> blocks_;                    // until the results were taken
  std::deque<kernels::Tensor> attribute_tensors_;
};

}  // namespace lathe
