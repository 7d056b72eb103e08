// merge-parallel-convolutions: convolutions of one input whose results are only added become one.
#pragma once
#include "core/ir/graph.hpp"

namespace lathe {

// Conv(x, w1, b1) + Conv(x, w2, b2) is Conv(x, w1 + w2, b1 + b2) where both slide alike: convolution is linear in its weights. Of two kernels
// of different size the smaller one is padded with zeros to the larger, if their paddings put their centres on the same places. This is what
// RepVGG blocks do when they are deployed (Ding et al., "RepVGG: Making VGG-style ConvNets Great Again", 2021, section 3.3), and
// chains of such sums (three branches) merge step by step. Weights and biases are constants of one float type, nothing else uses the
// results, groups, strides and dilations are equal. A branch that is x itself (an identity) is left: as a sum it costs less than as weights.
// True when anything was merged. Runs after fold-batch-norm, which makes the branches plain.
bool merge_parallel_convolutions(Graph& graph);

}  // namespace lathe
