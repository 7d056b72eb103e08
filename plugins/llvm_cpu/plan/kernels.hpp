// From an operation and the places of its tensors to a kernel of program.hpp; shared by the choice of layouts and by scheduling.
#pragma once
#include "plan/network.hpp"

namespace lathe::llvm_cpu {

// The image that a tensor is in a layout, dense (batch_stride of the tensor alone).
Image dense_image(const std::vector<int64_t>& dimensions, Layout layout, int64_t block);

// Floats of one batch item, padding of the last block included.
int64_t item_floats(const Image& image, int64_t block);

// Operands get access and, for `same`, the output's own batch stride; lowering puts in the real ones.
Epilogue epilogue_of(const Network& network, const Operation& anchor, int64_t batch_stride);

Convolution convolution_kernel(const Network& network, const Operation& operation, const Image& input, const Image& output);
TransposedConvolution transposed_kernel(const Network& network, const Operation& operation, const Image& input, const Image& output);
Pooling pooling_kernel(const Network& network, const Operation& operation, const Image& input, const Image& output);
Upsampling upsampling_kernel(const Network& network, const Operation& operation, const Image& input, const Image& output);

// Batch dimensions, m, n, k of a product of dense tensors; strides are left to lowering.
MatrixProduct product_kernel(const Network& network, const Operation& operation);

// An elementwise kernel over `dimensions` with neighbouring dimensions joined where every tensor's strides allow it.
Elementwise elementwise_kernel(std::vector<int64_t> dimensions, std::vector<std::vector<int64_t>> operand_strides,
                               std::vector<int64_t> output_strides, Expression expression, int32_t element_bytes);

// "conv2d 3x3 s1 64->64 80x80 +silu" and the floating-point operations of one run.
std::string describe(const Kernel& kernel);
uint64_t operations_of(const Kernel& kernel);

}  // namespace lathe::llvm_cpu
