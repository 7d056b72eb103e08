// Which function writes which ONNX operator. One file per family of operators.
#pragma once
#include <span>
#include <string_view>

#include "step.hpp"

namespace lathe::openvino {

// What the format offers for an operator.
enum class Means { exact, decomposition };

struct Writer {
  std::string_view op_type;
  Means means;
  void (*write)(Step&);
};

std::span<const Writer> activation_writers();
std::span<const Writer> algebra_writers();
std::span<const Writer> attention_writers();
std::span<const Writer> bit_writers();
// Of the domain ai.onnx.ml.
std::span<const Writer> classical_writers();
std::span<const Writer> control_flow_writers();
std::span<const Writer> convolution_writers();
std::span<const Writer> elementwise_writers();
std::span<const Writer> indexing_writers();
std::span<const Writer> loss_writers();
// Of the domain com.microsoft.
std::span<const Writer> microsoft_writers();
std::span<const Writer> movement_writers();
std::span<const Writer> normalization_writers();
std::span<const Writer> pooling_writers();
std::span<const Writer> quantization_writers();
std::span<const Writer> quantized_product_writers();
std::span<const Writer> random_writers();
std::span<const Writer> recurrent_writers();
std::span<const Writer> reduction_writers();
std::span<const Writer> resampling_writers();
std::span<const Writer> sequence_writers();
std::span<const Writer> shape_writers();
std::span<const Writer> signal_writers();
// Of the domain ai.onnx.ml.
std::span<const Writer> tree_writers();
std::span<const Writer> vision_writers();

// Convert to any type; numbers beyond the largest float of 8 or 4 bits become that one, as ONNX's Cast does it.
Wire to_small_float(Step& step, const Wire& data, int32_t type);

// To float8e8m0, by the node's attributes round_mode and saturate.
Wire to_power_of_two(Step& step, const Wire& data);

// nullptr: the operator cannot be written.
const Writer* find_writer(std::string_view domain, std::string_view op_type);
// Why an operator that has no writer cannot be written: the rule of the format.
std::string missing_reason(std::string_view domain, std::string_view op_type);

}  // namespace lathe::openvino
