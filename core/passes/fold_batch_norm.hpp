// fold-batch-norm: scales and shifts per channel move into the weights of the linear operator before them.
#pragma once
#include "core/ir/graph.hpp"

namespace lathe {

// Conv, ConvTranspose or Gemm with constant weights, followed by any chain of BatchNormalization (inference) and Mul, Add, Sub, Div with
// one constant per output channel or for all, becomes the one operator with new weights and bias, where nothing else uses the values
// between. y = s * (W x + b) + t is (s W) x + (s b + t); s and t are gathered in float64 along the whole chain and the weights are rounded once, so
// the result differs from the original by rounding only (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
// Integer-Arithmetic-Only Inference", section 3.2). A BatchNormalization with no such operator before it becomes, with
// the scales and shifts that follow it, one Mul and one Add.
// Weights that would not be finite are left as they are. Weights of float32, float64, float16 and bfloat16. True when anything was folded.
bool fold_batch_norm(Graph& graph);

}  // namespace lathe
