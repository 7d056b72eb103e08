// Schedules: tile sizes, loop order and task counts per kernel, as data from a small cost function. The emitters turn them into loops,
// pack.cpp orders weights by them; both must see the same numbers, so nothing here depends on anything but machine and kernel.
#pragma once
#include <cstdint>

#include "machine.hpp"
#include "plan/program.hpp"

namespace lathe::llvm_cpu {

// `total` units of work in pieces of `size`; the last piece may be smaller.
struct Cut {
  int64_t total = 1, size = 1, tasks = 1;
};
// Tasks of about ten microseconds or more, at most 256 of them.
Cut cut_work(int64_t units, double cycles_per_unit);

// Accumulators held in registers: `vectors` of output channels (or matrix columns) times `pixels` (or matrix rows).
struct TileSize {
  int vectors = 1, pixels = 1;
};
// The tile with the least estimated time for `blocks` vectors of channels and `width` pixels in a row, each the sum of `depth` products.
TileSize choose_tile(const Machine& machine, int64_t blocks, int64_t width, int64_t depth);

// How far ahead, in floats: about the time that memory takes to answer, across the page boundaries at which hardware stops.
inline constexpr int64_t weights_ahead = 6144;

struct ConvolutionSchedule {
  bool depthwise = false;  // one channel per group on both sides, blocked: no sum over channels
  bool flat = false;       // 1x1, stride 1: height and width are one row of pixels
  TileSize tile;
  int64_t depth = 0;             // products per output: input channels per group times kernel area
  int64_t blocks = 0;            // vectors of output channels in a group
  int64_t vector_groups = 0;     // ceil(blocks / tile.vectors)
  Cut vector_cut;                // of vector_groups
  Cut row_cut;                   // of output rows, or of pixel tiles when flat
  bool weights_first = false;    // neighbouring tasks share weights, not rows of the image
  bool streams_weights = false;  // they come from memory rather than from a cache: worth asking for ahead
};
ConvolutionSchedule schedule(const Machine& machine, const Convolution& kernel);

struct TransposedSchedule {
  TileSize tile;
  int64_t blocks = 0, vector_groups = 0;
  Cut vector_cut;  // of vector_groups times kernel positions
  Cut row_cut;     // of input rows
};
TransposedSchedule schedule(const Machine& machine, const TransposedConvolution& kernel);

struct MatrixSchedule {
  TileSize tile;
  int64_t blocks = 0, vector_groups = 0;
  Cut vector_cut;                // of vector_groups
  Cut row_cut;                   // of row tiles
  Cut batch_cut;                 // of all batch items
  bool streams_weights = false;  // as above
};
MatrixSchedule schedule(const Machine& machine, const MatrixProduct& kernel);

}  // namespace lathe::llvm_cpu
