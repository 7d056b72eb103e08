// Transposed convolutions whose kernel equals their stride: no two inputs meet in one output, so every kernel position is a 1x1
// convolution of its own that writes each stride-th column of each stride-th row.
#include <stdexcept>

#include "emit/emit.hpp"
#include "emit/tile.hpp"
#include "plan/pack.hpp"
#include "plan/schedule.hpp"

namespace lathe::llvm_cpu {

using llvm::Value;

EmittedKernel emit(llvm::Module& module, const Machine& machine, const TransposedConvolution& kernel, const std::string& name) {
  if (const std::string reason = unsupported(machine, kernel); !reason.empty())
    throw std::runtime_error("transposed convolution " + name + ": " + reason);
  Builder b(module, machine);
  const TransposedSchedule s = schedule(machine, kernel);
  EmittedKernel result;
  result.body = b.begin_body(name);
  result.tasks = static_cast<uint32_t>(kernel.batch * s.row_cut.tasks * s.vector_cut.tasks);

  const int64_t block = machine.block(), inputs = kernel.input.channels;
  const bool blocked_in = kernel.input.layout == Layout::blocked;
  const int64_t in_pixel = blocked_in ? block : 1;
  const int64_t in_plane = kernel.input.height * kernel.input.width * in_pixel;
  const int64_t out_plane = kernel.output.height * kernel.output.width * block;
  const int64_t input_blocks = blocked_in ? (inputs + block - 1) / block : inputs;
  const int64_t last_inner = blocked_in ? inputs - (input_blocks - 1) * block : 1;

  Value* task = b.task();
  const auto range = [&](Value* piece, const Cut& cut) {
    Value* first = b.multiply(piece, cut.size);
    return std::pair{first, b.smaller(b.add(first, b.index(cut.size)), b.index(cut.total))};
  };
  const auto [first_unit, last_unit] = range(b.CreateURem(task, b.index(s.vector_cut.tasks)), s.vector_cut);
  task = b.CreateUDiv(task, b.index(s.vector_cut.tasks));
  const auto [first_row, last_row] = range(b.CreateURem(task, b.index(s.row_cut.tasks)), s.row_cut);
  Value *row_from = first_row, *row_to = last_row;
  Value* item = b.CreateUDiv(task, b.index(s.row_cut.tasks));

  const size_t count = kernel.epilogue.operands.size();
  Value* input = b.at(b.argument(0), b.multiply(item, kernel.input.batch_stride));
  Value* weights = b.argument(1);
  Value* bias = b.argument(2);
  Values operands{};
  for (size_t n = 0; n < count; ++n) {
    const EpilogueOperand& operand = kernel.epilogue.operands[n];
    Value* pointer = b.argument(3 + static_cast<int>(n));
    operands.push_back(operand.access == Access::same ? b.at(pointer, b.multiply(item, operand.batch_stride)) : pointer);
  }
  Value* output = b.at(b.argument(3 + static_cast<int>(count)), b.multiply(item, kernel.output.batch_stride));

  b.loop(first_unit, last_unit, b.index(1), true, [&](Value* unit) {
    Value* set = b.CreateURem(unit, b.index(s.vector_groups));
    Value* position = b.CreateUDiv(unit, b.index(s.vector_groups));
    Value* position_row = b.CreateUDiv(position, b.index(kernel.stride[1]));
    Value* position_column = b.CreateURem(position, b.index(kernel.stride[1]));
    Value* channel = b.multiply(set, s.tile.vectors * block);
    const auto rows = [&](int vectors) {
      b.loop(row_from, row_to, b.index(1), true, [&](Value* row) {
        Value* out_row = b.add(b.multiply(row, kernel.stride[0]), position_row);
        Value* offset =
            b.add(b.multiply(set, s.tile.vectors * out_plane), b.multiply(b.add(b.multiply(out_row, kernel.output.width), position_column), block));
        const auto pixels = [&](int64_t first, int64_t tiles, int size) {
          Tile tile;
          tile.vectors = vectors;
          tile.pixels = size;
          tile.lanes = static_cast<int>(block);
          tile.pixel_stride = in_pixel;
          tile.inner_count = in_pixel;
          if (blocked_in) tile.inner_unroll = unroll_for(machine, vectors, size, {block, last_inner});
          tile.output_pixel_stride = kernel.stride[1] * block;
          TileCall call;
          call.input = b.at(input, b.add(b.multiply(row, kernel.input.width * in_pixel), b.index(first * in_pixel)));
          call.weights = b.at(weights, b.add(b.multiply(position, s.blocks * block * inputs), b.multiply(channel, inputs)));
          call.bias = b.at(bias, channel);
          Value* element = b.add(offset, b.index(first * kernel.stride[1] * block));
          call.output = b.at(output, element);
          call.blocks = b.index(input_blocks);
          call.block_stride = b.index(in_plane);
          if (blocked_in) call.last_inner = b.index(last_inner);
          call.row_stride = b.index(0);
          call.tiles = b.index(tiles);
          call.output_stride = b.index(out_plane);
          for (size_t n = 0; n < count; ++n) {
            switch (kernel.epilogue.operands[n].access) {
              case Access::same:
                call.operands.push_back(b.at(operands[n], element));
                break;
              case Access::per_channel:
                call.operands.push_back(b.at(operands[n], channel));
                break;
              case Access::scalar:
                call.operands.push_back(operands[n]);
                break;
            }
          }
          call_tile(b, tile, kernel.epilogue, call);
        };
        const int64_t whole = kernel.input.width / s.tile.pixels;
        const int rest = static_cast<int>(kernel.input.width % s.tile.pixels);
        if (whole) pixels(0, whole, s.tile.pixels);
        if (rest) pixels(whole * s.tile.pixels, 1, rest);
      });
    };
    const int last_vectors = static_cast<int>(s.blocks - (s.vector_groups - 1) * s.tile.vectors);
    if (s.vector_groups == 1 || last_vectors == s.tile.vectors)
      rows(last_vectors);
    else
      b.when(
          b.CreateICmpEQ(set, b.index(s.vector_groups - 1)), [&] { rows(last_vectors); }, [&] { rows(s.tile.vectors); });
  });
  b.CreateRetVoid();
  return result;
}

}  // namespace lathe::llvm_cpu
