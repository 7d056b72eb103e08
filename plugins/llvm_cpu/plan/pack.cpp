// Weights in the order in which the emitted kernels read them: see pack.hpp. The order follows from the schedule.
//
// Dense and grouped convolution: for each group, for each set of `tile.vectors` blocks of output channels (the last set may be smaller),
//   [block of input channels][kernel row][kernel column][input channel in the block][output channel of the set]
// where a "block of input channels" is one channel when the input lies plain. Only real input channels are packed; output channels
// are padded with zeros. Depthwise: [block][kernel row][kernel column][channel in the block].
// Transposed: for each kernel position as a 1x1 convolution. Matrices: [set of blocks of columns][row][column of the set].
#include "plan/pack.hpp"

#include <algorithm>

#include "plan/schedule.hpp"

namespace lathe::llvm_cpu {

namespace {

// Appends one set of output channels after another; `weight(oc, k)` with k in packed order.
template <typename Weight>
void pack_sets(std::vector<float>& packed, int64_t channels, int64_t block, int64_t vectors, int64_t depth, Weight weight) {
  const int64_t blocks = (channels + block - 1) / block;
  for (int64_t first = 0; first < blocks; first += vectors) {
    const int64_t lanes = std::min(vectors, blocks - first) * block;
    for (int64_t k = 0; k < depth; ++k) {
      for (int64_t lane = 0; lane < lanes; ++lane) {
        const int64_t channel = first * block + lane;
        packed.push_back(channel < channels ? weight(channel, k) : 0.0F);
      }
    }
  }
}

// Kernel columns that are computed with fewer than all pixels of a tile become code of their own, column by column.
int64_t border_code(const Machine& machine, const Convolution& kernel) {
  const ConvolutionSchedule s = schedule(machine, kernel);
  if (s.flat) return 0;
  int64_t bordered = 0;
  for (int64_t first = 0; first < kernel.output.width; first += s.tile.pixels) {
    const int64_t last = std::min(first + s.tile.pixels, kernel.output.width) - 1;
    const int64_t begin = first * kernel.stride[1] - kernel.pad_begin[1];
    const int64_t end = last * kernel.stride[1] - kernel.pad_begin[1] + (kernel.kernel[1] - 1) * kernel.dilation[1];
    if (begin < 0 || end >= kernel.input.width) bordered += kernel.kernel[1];
  }
  return bordered;
}

}  // namespace

std::string unsupported(const Machine& machine, const Convolution& kernel) {
  const int64_t groups = std::max<int64_t>(kernel.groups, 1), block = machine.block();
  if (kernel.input.channels % groups || kernel.output.channels % groups) return "the channels are not a multiple of the groups";
  if (kernel.input.channel_stride) return "an input with spread channels";
  if (kernel.output.channel_stride) {
    if (kernel.output.layout == Layout::blocked) return "a blocked output with spread channels";
    for (const EpilogueOperand& operand : kernel.epilogue.operands)
      if (operand.access == Access::same) return "spread channels beside an operand of the output's shape";
  }
  if (schedule(machine, kernel).depthwise) return border_code(machine, kernel) > 512 ? "the kernel is too wide for its padding" : "";
  if (groups > 1 && kernel.input.layout == Layout::blocked && (kernel.input.channels / groups) % block)
    return "input channels per group are not a multiple of the block";
  if (groups > 1 && kernel.output.layout == Layout::blocked && (kernel.output.channels / groups) % block)
    return "output channels per group are not a multiple of the block";
  if (border_code(machine, kernel) > 256) return "the kernel is too wide for its padding";
  return "";
}

std::string unsupported(const Machine&, const TransposedConvolution& kernel) {
  if (kernel.output.height != kernel.input.height * kernel.stride[0] || kernel.output.width != kernel.input.width * kernel.stride[1])
    return "the output is not the input enlarged by the stride";
  if (kernel.output.layout == Layout::plain) return "plain output is not written by this kernel";
  return "";
}

std::string unsupported(const Machine&, const MatrixProduct& kernel) {
  if (kernel.a_row_stride != 1 && kernel.a_column_stride != 1 && kernel.k > 1 && kernel.m > 1) return "neither rows nor columns of A are contiguous";
  if (!kernel.constant_b && kernel.b_row_stride != 1 && kernel.b_column_stride != 1 && kernel.k > 1 && kernel.n > 1)
    return "neither rows nor columns of B are contiguous";
  return "";
}

std::vector<float> pack_weights(const Machine& machine, const Convolution& kernel, std::span<const float> weights) {
  const ConvolutionSchedule s = schedule(machine, kernel);
  const int64_t block = machine.block(), area = kernel.kernel[0] * kernel.kernel[1];
  std::vector<float> packed;
  if (s.depthwise) {
    packed.reserve(static_cast<size_t>(s.blocks * block * area));
    for (int64_t b = 0; b < s.blocks; ++b)
      for (int64_t k = 0; k < area; ++k)
        for (int64_t lane = 0; lane < block; ++lane) {
          const int64_t channel = b * block + lane;
          packed.push_back(channel < kernel.output.channels ? weights[static_cast<size_t>(channel * area + k)] : 0.0F);
        }
    return packed;
  }
  const int64_t groups = std::max<int64_t>(kernel.groups, 1);
  const int64_t inputs = kernel.input.channels / groups, outputs = kernel.output.channels / groups;
  const int64_t input_block = kernel.input.layout == Layout::blocked ? block : 1;
  // Where each product's weight lies within one output channel
  std::vector<int64_t> order;
  order.reserve(static_cast<size_t>(s.depth));
  for (int64_t first = 0; first < inputs; first += input_block)
    for (int64_t k = 0; k < area; ++k)
      for (int64_t channel = first; channel < std::min(first + input_block, inputs); ++channel) order.push_back(channel * area + k);
  packed.reserve(static_cast<size_t>(groups * s.blocks * block * s.depth));
  for (int64_t g = 0; g < groups; ++g) {
    pack_sets(packed, outputs, block, s.tile.vectors, s.depth,
              [&](int64_t oc, int64_t k) { return weights[static_cast<size_t>((g * outputs + oc) * s.depth + order[static_cast<size_t>(k)])]; });
  }
  return packed;
}

std::vector<float> pack_weights(const Machine& machine, const TransposedConvolution& kernel, std::span<const float> weights) {
  const TransposedSchedule s = schedule(machine, kernel);
  const int64_t positions = kernel.stride[0] * kernel.stride[1], outputs = kernel.output.channels;
  std::vector<float> packed;
  packed.reserve(static_cast<size_t>(positions * s.blocks * machine.block() * kernel.input.channels));
  for (int64_t position = 0; position < positions; ++position) {
    pack_sets(packed, outputs, machine.block(), s.tile.vectors, kernel.input.channels,
              [&](int64_t oc, int64_t ic) { return weights[static_cast<size_t>((ic * outputs + oc) * positions + position)]; });
  }
  return packed;
}

std::vector<float> pack_matrix(const Machine& machine, const MatrixProduct& kernel, std::span<const float> matrix, bool transposed) {
  const MatrixSchedule s = schedule(machine, kernel);
  std::vector<float> packed;
  packed.reserve(static_cast<size_t>(s.blocks * machine.block() * kernel.k));
  pack_sets(packed, kernel.n, machine.block(), s.tile.vectors, kernel.k,
            [&](int64_t column, int64_t row) { return matrix[static_cast<size_t>(transposed ? column * kernel.k + row : row * kernel.n + column)]; });
  return packed;
}

}  // namespace lathe::llvm_cpu
