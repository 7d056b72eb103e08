// Cutting tensors along an axis and putting them together again; for every element type, packed ones and strings included.
#pragma once
#include <vector>

#include "core/ir/tensor.hpp"

namespace lathe {

// `length` elements of the axis from `start` on, which lie inside it.
Tensor part_of(const Tensor& tensor, size_t axis, int64_t start, int64_t length);

// One after the other along `axis`: at least one tensor, equal types and, but for the axis, equal shapes. Each is freed once it is copied.
Tensor joined(std::vector<Tensor> parts, size_t axis);

// The same elements as a tensor with an axis of length 1 more (`added`) or less.
Tensor with_axis(Tensor tensor, size_t axis);
Tensor without_axis(Tensor tensor, size_t axis);

}  // namespace lathe
