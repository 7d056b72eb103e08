// Convolutions: the loops around the register tile. A task is a batch item, a group, a range of output rows and a range of vectors of
// output channels. Kernel rows that lie in the vertical padding are skipped by clipping the range of kernel rows per output row; tiles
// that touch the horizontal padding are code of their own in which each kernel column has only the pixels it reaches.
#include <algorithm>
#include <stdexcept>

#include "emit/depthwise.hpp"
#include "emit/emit.hpp"
#include "emit/segments.hpp"
#include "emit/tile.hpp"
#include "plan/pack.hpp"
#include "plan/schedule.hpp"

namespace lathe::llvm_cpu {

using llvm::Value;

namespace {

int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Loops of one convolution. Strides count floats.
struct ConvolutionEmitter {
  Builder& b;
  const Convolution& kernel;
  const ConvolutionSchedule s;
  const int64_t block = b.machine.block();
  const int64_t groups = std::max<int64_t>(kernel.groups, 1);
  const int64_t inputs = kernel.input.channels / groups, outputs = kernel.output.channels / groups;  // channels per group
  const bool blocked_in = kernel.input.layout == Layout::blocked, blocked_out = kernel.output.layout == Layout::blocked;
  const int64_t in_pixel = blocked_in ? block : 1, out_pixel = blocked_out ? block : 1;
  const int64_t in_plane = kernel.input.height * kernel.input.width * in_pixel;  // one block, or one channel
  const int64_t out_plane = kernel.output.channel_stride ? kernel.output.channel_stride : kernel.output.height * kernel.output.width * out_pixel;
  const int64_t input_blocks = blocked_in ? ceil_divide(inputs, block) : inputs;
  const int64_t last_inner = blocked_in ? inputs - (input_blocks - 1) * block : 1;
  Value *input = nullptr, *weights = nullptr, *bias = nullptr, *output = nullptr;
  Values operands{};

  // floats from the start of a batch item to a group's first output channel, for tensors like the output
  int64_t group_offset() const { return blocked_out ? outputs / block * out_plane : outputs * out_plane; }

  // Whether some output row reaches into the vertical padding.
  bool clipped_rows() const {
    const int64_t last_top = (kernel.output.height - 1) * kernel.stride[0] - kernel.pad_begin[0];
    return !s.flat && (kernel.pad_begin[0] > 0 || last_top + (kernel.kernel[0] - 1) * kernel.dilation[0] >= kernel.input.height);
  }

  Tile tile_for(int vectors, int pixels, int lanes) const {
    Tile tile;
    tile.vectors = vectors;
    tile.pixels = pixels;
    tile.lanes = lanes;
    tile.pixel_stride = kernel.stride[1] * in_pixel;
    tile.inner_stride = 1;
    tile.inner_count = blocked_in ? block : 1;
    if (blocked_in) tile.inner_unroll = unroll_for(b.machine, vectors, pixels, {block, last_inner});
    tile.kernel = kernel.kernel;
    constexpr int64_t products_at_once = 256;
    const int64_t blocks_at_once = std::max<int64_t>(1, products_at_once / (kernel.kernel[0] * kernel.kernel[1] * tile.inner_count));
    if (blocks_at_once < input_blocks) tile.blocks_at_once = blocks_at_once;
    if (s.streams_weights) tile.prefetch = weights_ahead;
    tile.clipped_rows = clipped_rows();
    tile.column_stride = kernel.dilation[1] * in_pixel;
    tile.channel_rows = !blocked_out;
    tile.output_pixel_stride = block;
    return tile;
  }

  // Calls `body` with the vectors and lanes of a set of output channels, which differ for the last one.
  void for_set(Value* set, const std::function<void(int vectors, int lanes)>& body) const {
    const int64_t last_vectors = s.blocks - (s.vector_groups - 1) * s.tile.vectors;
    // The tail of a blocked output is written like the rest.
    const int64_t last_lanes = blocked_out ? block : outputs - (s.blocks - 1) * block;
    const bool alike = last_vectors == s.tile.vectors && last_lanes == block;
    if (alike || s.vector_groups == 1) {
      body(static_cast<int>(last_vectors), static_cast<int>(last_lanes));
    } else {
      b.when(
          b.CreateICmpEQ(set, b.index(s.vector_groups - 1)), [&] { body(static_cast<int>(last_vectors), static_cast<int>(last_lanes)); },
          [&] { body(s.tile.vectors, static_cast<int>(block)); });
    }
  }

  void run() {
    Value* remaining = b.task();
    const auto digit = [&](int64_t radix) -> Value* {
      if (radix == 1) return b.index(0);
      Value* value = b.CreateURem(remaining, b.index(radix));
      remaining = b.CreateUDiv(remaining, b.index(radix));
      return value;
    };
    Value* row_piece = s.weights_first ? digit(s.row_cut.tasks) : nullptr;
    Value* vector_piece = digit(s.vector_cut.tasks);
    if (!row_piece) row_piece = digit(s.row_cut.tasks);
    Value* group = digit(groups);
    Value* item = kernel.batch > 1 ? remaining : b.index(0);

    const int64_t group_input = blocked_in ? inputs / block * in_plane : inputs * in_plane;
    input = b.at(b.at(b.argument(0), b.multiply(item, kernel.input.batch_stride)), b.multiply(group, group_input));
    weights = b.at(b.argument(1), b.multiply(group, s.blocks * block * s.depth));
    bias = b.at(b.argument(2), b.multiply(group, outputs));
    const int count = static_cast<int>(kernel.epilogue.operands.size());
    for (int n = 0; n < count; ++n) {
      const EpilogueOperand& operand = kernel.epilogue.operands[static_cast<size_t>(n)];
      Value* pointer = b.argument(3 + n);
      if (operand.access == Access::same)
        pointer = b.at(b.at(pointer, b.multiply(item, operand.batch_stride)), b.multiply(group, group_offset()));
      else if (operand.access == Access::per_channel)
        pointer = b.at(pointer, b.multiply(group, outputs));
      operands.push_back(pointer);
    }
    output = b.at(b.at(b.argument(3 + count), b.multiply(item, kernel.output.batch_stride)), b.multiply(group, group_offset()));

    const auto range = [&](Value* piece, const Cut& cut) {
      Value* first = b.multiply(piece, cut.size);
      return std::pair{first, b.smaller(b.add(first, b.index(cut.size)), b.index(cut.total))};
    };
    const auto [first_set, last_set] = range(vector_piece, s.vector_cut);
    const auto [first_row, last_row] = range(row_piece, s.row_cut);
    Value *row_from = first_row, *row_to = last_row;
    b.loop(first_set, last_set, b.index(1), true, [&](Value* set) {
      for_set(set, [&](int vectors, int lanes) {
        if (s.flat)
          flat_rows(set, vectors, lanes, row_from, row_to);
        else
          b.loop(row_from, row_to, b.index(1), true, [&](Value* row) { output_row(set, vectors, lanes, row); });
      });
    });
  }

  TileCall call_for(Value* set) const {
    TileCall call;
    const int64_t channels = s.tile.vectors * block;
    call.weights = b.at(weights, b.multiply(set, channels * s.depth));
    call.bias = b.at(bias, b.multiply(set, channels));
    call.output = output_at(output, set);
    for (size_t n = 0; n < operands.size(); ++n) {
      switch (kernel.epilogue.operands[n].access) {
        case Access::same:
          call.operands.push_back(output_at(operands[n], set));
          break;
        case Access::per_channel:
          call.operands.push_back(b.at(operands[n], b.multiply(set, channels)));
          break;
        case Access::scalar:
          call.operands.push_back(operands[n]);
          break;
      }
    }
    call.input = input;
    call.blocks = b.index(input_blocks);
    call.block_stride = b.index(in_plane);
    if (blocked_in) call.last_inner = b.index(last_inner);
    call.row_stride = b.index(kernel.dilation[0] * kernel.input.width * in_pixel);
    call.output_stride = b.index(out_plane);
    return call;
  }

  Value* output_at(Value* pointer, Value* set) const {
    return b.at(pointer, b.multiply(set, blocked_out ? s.tile.vectors * out_plane : s.tile.vectors * block * out_plane));
  }

  void move(TileCall& call, Value* output_offset) const {
    call.output = b.at(call.output, output_offset);
    for (size_t n = 0; n < operands.size(); ++n)
      if (kernel.epilogue.operands[n].access == Access::same) call.operands[n] = b.at(call.operands[n], output_offset);
  }

  // A 1x1 convolution over all pixels as one row: whole tiles [first, last), the remainder with the last task.
  void flat_rows(Value* set, int vectors, int lanes, Value* first, Value* last) const {
    const int64_t pixels = kernel.output.height * kernel.output.width, whole = pixels / s.tile.pixels;
    const int rest = static_cast<int>(pixels % s.tile.pixels);
    const auto tiles = [&](Value* from, Value* count, int size) {
      TileCall call = call_for(set);
      Value* pixel = b.multiply(from, s.tile.pixels);
      call.input = b.at(call.input, b.multiply(pixel, in_pixel));
      call.tiles = count;
      move(call, b.multiply(pixel, out_pixel));
      call_tile(b, tile_for(vectors, size, lanes), kernel.epilogue, call);
    };
    Value* end = rest ? b.smaller(last, b.index(whole)) : last;
    if (rest == 0) {
      tiles(first, b.CreateSub(end, first), s.tile.pixels);
      return;
    }
    if (whole) b.when(b.CreateICmpSLT(first, end), [&] { tiles(first, b.CreateSub(end, first), s.tile.pixels); });
    b.when(b.CreateICmpSLT(b.index(whole), last), [&] { tiles(b.index(whole), b.index(1), rest); });
  }

  void output_row(Value* set, int vectors, int lanes, Value* row) const {
    TileCall call = call_for(set);
    const int64_t rows = kernel.kernel[0], dilation = kernel.dilation[0], height = kernel.input.height;
    Value* top = b.CreateSub(b.multiply(row, kernel.stride[0]), b.index(kernel.pad_begin[0]));
    Value* first_input_row = top;
    if (clipped_rows()) {
      const auto larger = [&](Value* x, Value* y) { return b.CreateSelect(b.CreateICmpSGT(x, y), x, y); };
      // rows r with 0 <= top + r dilation < height
      Value* above = larger(b.CreateNeg(top), b.index(0));
      Value* begin = b.CreateUDiv(b.add(above, b.index(dilation - 1)), b.index(dilation));
      Value* below = larger(b.CreateSub(b.index(height + dilation - 1), top), b.index(0));
      Value* end = b.smaller(b.CreateUDiv(below, b.index(dilation)), b.index(rows));
      call.row_begin = begin;
      call.row_end = end;
      first_input_row = b.add(top, b.multiply(begin, dilation));
    }
    call.input = b.at(call.input, b.multiply(first_input_row, kernel.input.width * in_pixel));
    Value* row_offset = b.multiply(row, kernel.output.width * out_pixel);
    move(call, row_offset);
    for (const Segment& segment : segments_of(kernel.input.width, kernel.output.width, kernel.kernel[1], kernel.stride[1], kernel.dilation[1],
                                              kernel.pad_begin[1], s.tile.pixels)) {
      TileCall piece = call;
      piece.input = b.at(call.input, (segment.first_pixel * kernel.stride[1] - kernel.pad_begin[1]) * in_pixel);
      piece.tiles = b.index(segment.tiles);
      move(piece, b.index(segment.first_pixel * out_pixel));
      Tile tile = tile_for(vectors, segment.pixels, lanes);
      tile.valid_pixels = segment.valid_pixels;
      call_tile(b, tile, kernel.epilogue, piece);
    }
  }
};

}  // namespace

EmittedKernel emit(llvm::Module& module, const Machine& machine, const Convolution& kernel, const std::string& name) {
  if (const std::string reason = unsupported(machine, kernel); !reason.empty()) throw std::runtime_error("convolution " + name + ": " + reason);
  const ConvolutionSchedule s = schedule(machine, kernel);
  if (s.depthwise) return emit_depthwise(module, machine, kernel, s, name);
  Builder b(module, machine);
  EmittedKernel result;
  result.body = b.begin_body(name);
  result.tasks = static_cast<uint32_t>(kernel.batch * std::max<int64_t>(kernel.groups, 1) * s.row_cut.tasks * s.vector_cut.tasks);
  ConvolutionEmitter emitter{b, kernel, s};
  emitter.run();
  b.CreateRetVoid();
  return result;
}

}  // namespace lathe::llvm_cpu
