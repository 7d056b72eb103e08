// TensorFlow Lite's rules for 8-bit operators, as data: which of them there are, and what each asks of scales and zero points.
// Source: the 8-bit quantisation specification of TensorFlow Lite, and its kernels where that is silent.
#pragma once
#include <string_view>

namespace lathe::tflite {

struct QuantizationRule {
  std::string_view onnx;  // the operator that stands between DequantizeLinear and QuantizeLinear
  bool same = false;      // the output has the inputs' scale and zero point
  float scale = 0;        // not 0: the output's scale is fixed ...
  int zero_point = 0;     // ... and its zero point, as int8
};

inline constexpr QuantizationRule quantization_rules[] = {
    {"Add"},
    {"AveragePool", true},
    {"Clip"},
    {"Concat", true},
    {"Conv"},
    {"ConvTranspose"},
    {"DepthToSpace", true},
    {"Expand", true},
    {"Flatten", true},
    {"Gather", true},
    {"Gemm"},
    {"GlobalAveragePool"},
    {"GlobalMaxPool", true},
    {"HardSwish"},
    {"Identity", true},
    {"LeakyRelu"},
    {"LogSoftmax", false, 16.0f / 256, 127},
    {"MatMul"},
    {"Max", true},
    {"MaxPool", true},
    {"Min", true},
    {"Mul"},
    {"PRelu"},
    {"Pad", true},
    {"ReduceMax", true},
    {"ReduceMean"},
    {"ReduceMin", true},
    {"ReduceSum"},
    {"Relu"},
    {"Reshape", true},
    {"Resize", true},
    {"Sigmoid", false, 1.0f / 256, -128},
    {"Slice", true},
    {"Softmax", false, 1.0f / 256, -128},
    {"SpaceToDepth", true},
    {"Split", true},
    {"Squeeze", true},
    {"Sub"},
    {"Tanh", false, 1.0f / 128, 0},
    {"Tile", true},
    {"Transpose", true},
    {"Unsqueeze", true},
};

constexpr const QuantizationRule* find_quantization_rule(std::string_view onnx) {
  for (const QuantizationRule& rule : quantization_rules)
    if (rule.onnx == onnx) return &rule;
  return nullptr;
}

}  // namespace lathe::tflite
