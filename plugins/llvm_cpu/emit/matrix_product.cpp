// Matrix products: the register tile with rows of A as its pixels. Constant B arrives packed; a row-major B is read where it lies; a
// transposed B is brought, one set of columns at a time, into the worker's scratch memory in packed order.
#include <algorithm>
#include <stdexcept>

#include "emit/emit.hpp"
#include "emit/tile.hpp"
#include "plan/pack.hpp"
#include "plan/schedule.hpp"

namespace lathe::llvm_cpu {

using llvm::Value;

namespace {

struct MatrixEmitter {
  Builder& b;
  const MatrixProduct& kernel;
  const MatrixSchedule s;
  const int block = b.machine.block();
  const bool transposed_b = !kernel.constant_b && kernel.b_column_stride != 1 && kernel.n > 1;
  const bool packed = kernel.constant_b || transposed_b;
  Value *first = nullptr, *second = nullptr, *bias = nullptr, *output = nullptr, *scratch = nullptr;
  Values operands{};

  Tile tile_for(int vectors, int rows, int lanes) const {
    Tile tile;
    tile.vectors = vectors;
    tile.pixels = rows;
    tile.lanes = lanes;
    tile.pixel_stride = kernel.a_row_stride;
    tile.inner_stride = kernel.a_column_stride;
    tile.inner_count = -1;
    tile.inner_unroll = unroll_for(b.machine, vectors, rows, {kernel.k});
    tile.packed_weights = packed;
    if (s.streams_weights) tile.prefetch = weights_ahead;
    tile.bias = kernel.bias;
    tile.output_pixel_stride = kernel.n;
    return tile;
  }

  // Columns [set * tile.vectors * block, ...) of the transposed B into the scratch memory, as rows of `vectors` * block floats.
  void pack_columns(Value* matrix, Value* set, int vectors, int lanes) const {
    const int64_t step = int64_t{vectors} * block, stride = kernel.b_column_stride;
    Value* from = b.at(matrix, b.multiply(set, s.tile.vectors * int64_t{block} * stride));
    const auto square = [&](Value* k, int count, Value* column, Value* target, int columns) {
      Values rows;
      for (int c = 0; c < block; ++c)
        rows.push_back(c < columns ? b.load(b.at(b.at(from, b.multiply(b.add(column, b.index(c)), stride)), k), block, count) : b.splat(0.0F, block));
      rows = b.transpose(rows);
      for (int row = 0; row < count; ++row)
        b.store(rows[static_cast<size_t>(row)], b.at(b.at(target, b.multiply(b.add(k, b.index(row)), step)), column));
    };
    const int64_t whole = kernel.k / block * block;
    const auto strip = [&](Value* column, int columns) {
      b.loop(b.index(0), b.index(whole), b.index(block), false, [&](Value* k) { square(k, block, column, scratch, columns); });
      if (whole < kernel.k) square(b.index(whole), static_cast<int>(kernel.k - whole), column, scratch, columns);
    };
    const int whole_vectors = lanes == block ? vectors : vectors - 1;
    b.loop(b.index(0), b.index(int64_t{whole_vectors} * block), b.index(block), false, [&](Value* column) { strip(column, block); });
    if (whole_vectors < vectors) strip(b.index(int64_t{whole_vectors} * block), lanes);
  }

  void product(Value* item, Value* set, int vectors, int lanes, Value* row_from, Value* row_to) const {
    Value *a = first, *matrix = second, *remaining = item;
    for (size_t d = kernel.batch.size(); d-- > 0;) {
      Value* position = remaining;
      if (d > 0) {
        position = b.CreateURem(remaining, b.index(kernel.batch[d]));
        remaining = b.CreateUDiv(remaining, b.index(kernel.batch[d]));
      }
      a = b.at(a, b.multiply(position, kernel.a_batch_stride[d]));
      if (!kernel.constant_b) matrix = b.at(matrix, b.multiply(position, kernel.b_batch_stride[d]));
    }
    const int64_t columns = int64_t{s.tile.vectors} * block;
    TileCall call;
    if (transposed_b) {
      pack_columns(matrix, set, vectors, lanes);
      call.weights = scratch;
    } else {
      call.weights = b.at(matrix, b.multiply(set, kernel.constant_b ? columns * kernel.k : columns));
    }
    Value* column = b.multiply(set, columns);
    if (kernel.bias) call.bias = b.at(bias, column);
    call.blocks = b.index(1);
    call.block_stride = b.index(0);
    call.row_stride = b.index(0);
    call.last_inner = b.index(kernel.k);
    call.output_stride = b.index(block);
    if (!packed) call.weights_stride = b.index(kernel.b_row_stride);

    const auto rows = [&](Value* tile_row, Value* count, int size) {
      Value* row = b.multiply(tile_row, s.tile.pixels);
      Value* offset = b.add(b.multiply(b.add(b.multiply(item, kernel.m), row), kernel.n), column);
      TileCall piece = call;
      piece.input = b.at(a, b.multiply(row, kernel.a_row_stride));
      piece.output = b.at(output, offset);
      piece.tiles = count;
      for (size_t n = 0; n < operands.size(); ++n) {
        switch (kernel.epilogue.operands[n].access) {
          case Access::same:
            piece.operands.push_back(b.at(operands[n], offset));
            break;
          case Access::per_channel:
            piece.operands.push_back(b.at(operands[n], column));
            break;
          case Access::scalar:
            piece.operands.push_back(operands[n]);
            break;
        }
      }
      call_tile(b, tile_for(vectors, size, lanes), kernel.epilogue, piece);
    };
    const int64_t whole = kernel.m / s.tile.pixels;
    const int rest = static_cast<int>(kernel.m % s.tile.pixels);
    Value* end = rest ? b.smaller(row_to, b.index(whole)) : row_to;
    if (whole) b.when(b.CreateICmpSLT(row_from, end), [&] { rows(row_from, b.CreateSub(end, row_from), s.tile.pixels); });
    if (rest) b.when(b.CreateICmpSLT(b.index(whole), row_to), [&] { rows(b.index(whole), b.index(1), rest); });
  }

  void run() {
    Value* remaining = b.task();
    const auto range = [&](const Cut& cut) {
      Value* piece = b.CreateURem(remaining, b.index(cut.tasks));
      remaining = b.CreateUDiv(remaining, b.index(cut.tasks));
      Value* from = b.multiply(piece, cut.size);
      return std::pair{from, b.smaller(b.add(from, b.index(cut.size)), b.index(cut.total))};
    };
    int argument = 0;
    first = b.argument(argument++);
    second = b.argument(argument++);
    if (kernel.bias) bias = b.argument(argument++);
    for (size_t n = 0; n < kernel.epilogue.operands.size(); ++n) operands.push_back(b.argument(argument++));
    output = b.argument(argument++);
    if (transposed_b) {
      Value* worker = b.CreateZExt(b.GetInsertBlock()->getParent()->getArg(2), b.getInt64Ty());
      scratch = b.at(b.argument(argument), b.multiply(worker, scratch_floats()));
    }
    const auto [set_from, set_to] = range(s.vector_cut);
    const auto [row_from, row_to] = range(s.row_cut);
    const auto [item_from, item_to] = range(s.batch_cut);
    Value *from = row_from, *to = row_to, *set_begin = set_from, *set_end = set_to;
    const int last_vectors = static_cast<int>(s.blocks - (s.vector_groups - 1) * s.tile.vectors);
    const int last_lanes = static_cast<int>(kernel.n - (s.blocks - 1) * block);
    b.loop(item_from, item_to, b.index(1), true, [&](Value* item) {
      b.loop(set_begin, set_end, b.index(1), true, [&](Value* set) {
        if (s.vector_groups == 1 || (last_vectors == s.tile.vectors && last_lanes == block)) {
          product(item, set, last_vectors, last_lanes, from, to);
        } else {
          b.when(
              b.CreateICmpEQ(set, b.index(s.vector_groups - 1)), [&] { product(item, set, last_vectors, last_lanes, from, to); },
              [&] { product(item, set, s.tile.vectors, block, from, to); });
        }
      });
    });
  }

  int64_t scratch_floats() const { return (kernel.k * s.tile.vectors * block + 15) / 16 * 16; }
};

}  // namespace

EmittedKernel emit(llvm::Module& module, const Machine& machine, const MatrixProduct& kernel, const std::string& name) {
  if (const std::string reason = unsupported(machine, kernel); !reason.empty()) throw std::runtime_error("matrix product " + name + ": " + reason);
  Builder b(module, machine);
  const MatrixSchedule s = schedule(machine, kernel);
  EmittedKernel result;
  result.body = b.begin_body(name);
  result.tasks = static_cast<uint32_t>(s.vector_cut.tasks * s.row_cut.tasks * s.batch_cut.tasks);
  MatrixEmitter emitter{b, kernel, s};
  if (emitter.transposed_b) result.worker_scratch_bytes = static_cast<uint64_t>(emitter.scratch_floats()) * 4;
  emitter.run();
  b.CreateRetVoid();
  return result;
}

}  // namespace lathe::llvm_cpu
