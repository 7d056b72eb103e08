// The operator families: each file of core/ops defines its operators as one table. registry.cpp lists them.
#pragma once
#include <span>

#include "core/ops/operator.hpp"

namespace lathe {

std::span<const Operator> activation_operators();
std::span<const Operator> attention_operators();
std::span<const Operator> attention_microsoft_operators();
std::span<const Operator> bitwise_operators();
std::span<const Operator> comparison_operators();
std::span<const Operator> control_flow_operators();
std::span<const Operator> conversion_operators();
std::span<const Operator> convolution_operators();
std::span<const Operator> einsum_operators();
std::span<const Operator> elementwise_binary_operators();
std::span<const Operator> elementwise_unary_operators();
std::span<const Operator> fused_convolution_operators();
std::span<const Operator> indexing_operators();
std::span<const Operator> loss_operators();
std::span<const Operator> matmul_operators();
std::span<const Operator> ml_features_operators();
std::span<const Operator> ml_linear_operators();
std::span<const Operator> ml_trees_operators();
std::span<const Operator> movement_operators();
std::span<const Operator> normalization_operators();
std::span<const Operator> normalization_microsoft_operators();
std::span<const Operator> pooling_operators();
std::span<const Operator> quantization_operators();
std::span<const Operator> quantized_arithmetic_operators();
std::span<const Operator> quantized_products_operators();
std::span<const Operator> random_operators();
std::span<const Operator> recurrent_operators();
std::span<const Operator> reduction_operators();
std::span<const Operator> resize_operators();
std::span<const Operator> selection_operators();
std::span<const Operator> sequence_operators();
std::span<const Operator> shape_operators();
std::span<const Operator> signal_operators();
std::span<const Operator> softmax_operators();
std::span<const Operator> string_operators();
std::span<const Operator> vision_operators();

}  // namespace lathe
