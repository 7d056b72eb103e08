// The register tile that convolutions and matrix products share: `pixels` x `vectors` accumulators held in registers,
//   accumulator[p][v] += input[p] * weights[v]
// over a nest of four loops (input blocks, kernel rows, kernel columns, channels in the block), then bias, epilogue and output.
// An input scalar is broadcast, a vector of weights holds one block of output channels. A matrix product is the nest with one loop, where
// rows of A are the pixels.
//
// Each distinct tile is an internal function of the module, found again by what it bakes in, so that layers alike share code.
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "emit/builder.hpp"
#include "plan/program.hpp"

namespace lathe::llvm_cpu {

// What a tile's code bakes in. Strides count floats.
struct Tile {
  int vectors = 1, pixels = 1;
  int lanes = 0;             // valid lanes of the last vector
  int64_t pixel_stride = 0;  // between the input scalars of neighbouring pixels
  int64_t inner_stride = 1;  // between neighbouring channels in the innermost loop; negative: a run-time argument
  int64_t inner_unroll = 1;  // divides every count of the innermost loop
  int64_t inner_count = 1;   // of every input block but the last; negative: the only block has TileCall::last_inner
  // Input blocks whose products are summed from zero before they are added to the totals; 0: all of them. Rounding errors grow with the number of
  // additions in a row, so sums in pieces are closer (Higham, "The Accuracy of Floating Point Summation", 1993).
  int64_t blocks_at_once = 0;
  std::array<int64_t, 2> kernel{1, 1};
  bool clipped_rows = false;  // TileCall::row_begin and row_end say which kernel rows to run, perhaps none
  int64_t column_stride = 0;  // in the input, from one kernel column to the next
  // Per kernel column the pixels [first, second) for which the input exists; empty when all of them do everywhere.
  std::vector<std::pair<int, int>> valid_pixels;
  bool packed_weights = true;  // else a row-major matrix: TileCall::weights_stride, vectors side by side
  int64_t prefetch = 0;        // floats ahead of the weights in use whose cache line is asked for; 0: none
  bool bias = true;
  bool channel_rows = false;        // output (and `same` operands): rows of pixels per channel, TileCall::output_stride from channel to channel
  int64_t output_pixel_stride = 0;  // not channel_rows: from pixel to pixel; vectors lie TileCall::output_stride apart
};

// What a call passes: 64-bit numbers and pointers.
struct TileCall {
  llvm::Value *input = nullptr, *weights = nullptr, *bias = nullptr, *output = nullptr;
  llvm::Value *blocks = nullptr, *block_stride = nullptr;  // input blocks and the distance between them
  llvm::Value* last_inner = nullptr;                       // channels in the last block; null when inner_count is 1
  llvm::Value *row_begin = nullptr, *row_end = nullptr;    // null unless clipped_rows; `input` points at the first row that runs
  llvm::Value* row_stride = nullptr;                       // in the input, from one kernel row to the next
  llvm::Value* tiles = nullptr;                            // neighbouring tiles to compute
  llvm::Value* output_stride = nullptr;
  llvm::Value* weights_stride = nullptr;  // null when packed
  llvm::Value* inner_stride = nullptr;    // null when baked in
  Values operands;  // of the epilogue: `same` at the first output element, `per_channel` at the first channel, `scalar` as it is
};

// Steps of the innermost loop to write out, dividing each of `counts`: enough to hide the loop around a small tile, none where the next
// step's weights would no longer fit into the registers.
int64_t unroll_for(const Machine& machine, int vectors, int pixels, std::initializer_list<int64_t> counts);

void call_tile(Builder& b, const Tile& tile, const Epilogue& epilogue, const TileCall& call);

}  // namespace lathe::llvm_cpu
