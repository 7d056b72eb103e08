// The register tile: see tile.hpp.
#include "emit/tile.hpp"

#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <sstream>

#include "emit/expression.hpp"

namespace lathe::llvm_cpu {

using llvm::Value;

namespace {

std::string key_of(const Tile& tile, const Epilogue& epilogue) {
  std::ostringstream key;
  key << std::hexfloat << "tile." << tile.vectors << 'x' << tile.pixels << '.' << tile.lanes << ".p" << tile.pixel_stride << ".i" << tile.inner_stride
      << 'u' << tile.inner_unroll << 'n' << tile.inner_count << ".k" << tile.kernel[0] << 'x' << tile.kernel[1] << 's' << tile.column_stride << 'c'
      << tile.clipped_rows << 'b' << tile.blocks_at_once;
  for (auto [first, last] : tile.valid_pixels) key << '_' << first << '-' << last;
  key << ".f" << tile.prefetch << ".w" << tile.packed_weights << tile.bias << tile.channel_rows << ".o" << tile.output_pixel_stride << ".e"
      << epilogue.expression.operands;
  for (const auto& operand : epilogue.operands) key << 'a' << static_cast<int>(operand.access);
  for (const auto& i : epilogue.expression.instructions)
    key << '.' << static_cast<int>(i.operation) << '_' << i.a << '_' << i.b << '_' << i.p << '_' << i.q << '_' << i.r << '_' << i.s;
  return key.str();
}

struct TileEmitter {
  Builder& b;
  const Tile& tile;
  const Epilogue& epilogue;
  TileCall call;  // the function's parameters
  const int width = b.machine.vector_floats;
  const int64_t step = static_cast<int64_t>(tile.vectors) * width;  // floats of packed weights per product

  int lanes(int v) const { return v + 1 == tile.vectors ? tile.lanes : width; }
  size_t slot(int p, int v) const { return static_cast<size_t>(p * tile.vectors + v); }

  // accumulator += input * weights at one product, for the pixels [first, last)
  void step_once(Values& accumulators, Value* input, Value* weights, int first, int last) const {
    Values w;
    for (int v = 0; v < tile.vectors; ++v) w.push_back(b.load(b.at(weights, int64_t{v} * width), width, tile.packed_weights ? width : lanes(v)));
    for (int64_t line = 0; tile.prefetch && line < step; line += 16) {
      Value* ahead = b.at(weights, tile.prefetch + line);
      b.CreateIntrinsic(llvm::Intrinsic::prefetch, {ahead->getType()}, {ahead, b.getInt32(0), b.getInt32(3), b.getInt32(1)});
    }
    for (int p = first; p < last; ++p) {
      Value* x = b.splat(b.load_scalar(b.at(input, p * tile.pixel_stride)), width);
      for (int v = 0; v < tile.vectors; ++v) accumulators[slot(p, v)] = b.multiply_add(x, w[static_cast<size_t>(v)], accumulators[slot(p, v)]);
    }
  }

  Values inner(const Values& accumulators, Value* input, Value* weights, Value* count, int first, int last) const {
    return b.loop(b.index(0), count, b.index(tile.inner_unroll), accumulators, true, [&](Value* k, const Values& carried) {
      Values next = carried;
      for (int64_t u = 0; u < tile.inner_unroll; ++u) {
        Value* number = b.add(k, b.index(u));
        Value* x = tile.inner_stride < 0 ? b.at(input, b.CreateMul(number, call.inner_stride))
                                         : b.at(b.at(input, b.multiply(k, tile.inner_stride)), u * tile.inner_stride);
        Value* w = tile.packed_weights ? b.at(b.at(weights, b.multiply(k, step)), u * step) : b.at(weights, b.CreateMul(number, call.weights_stride));
        step_once(next, x, w, first, last);
      }
      return next;
    });
  }

  // What the input blocks [first_block, last_block) add to the accumulators.
  Values products(Value* input, const Values& accumulators, Value* first_block, Value* last_block) const {
    const int64_t area = tile.kernel[0] * tile.kernel[1];
    return b.loop(first_block, last_block, b.index(1), accumulators, true, [&](Value* block, const Values& carried) {
      Value* count = tile.inner_count == 1 ? b.index(1) : call.last_inner;
      if (tile.inner_count > 1) count = b.CreateSelect(b.CreateICmpEQ(b.add(block, b.index(1)), call.blocks), count, b.index(tile.inner_count));
      Value* image = b.at(input, b.CreateMul(block, call.block_stride));
      Value* weights = tile.inner_count < 0 ? call.weights : b.at(call.weights, b.multiply(block, area * tile.inner_count * step));
      Value* column_step = b.multiply(count, step);
      const auto columns = [&](Value* row, const Values& before) {
        Value* x = b.at(image, b.CreateMul(tile.clipped_rows ? b.CreateSub(row, call.row_begin) : row, call.row_stride));
        Value* w = b.at(weights, b.CreateMul(b.multiply(row, tile.kernel[1]), column_step));
        if (tile.valid_pixels.empty()) {
          return b.loop(b.index(0), b.index(tile.kernel[1]), b.index(1), before, true, [&](Value* column, const Values& inside) {
            return inner(inside, b.at(x, b.multiply(column, tile.column_stride)), b.at(w, b.CreateMul(column, column_step)), count, 0, tile.pixels);
          });
        }
        Values after = before;
        for (size_t column = 0; column < tile.valid_pixels.size(); ++column) {
          const auto [first, last] = tile.valid_pixels[column];
          const auto number = static_cast<int64_t>(column);
          if (first < last) after = inner(after, b.at(x, number * tile.column_stride), b.at(w, b.multiply(column_step, number)), count, first, last);
        }
        return after;
      };
      if (tile.clipped_rows) return b.loop(call.row_begin, call.row_end, b.index(1), carried, false, columns);
      return b.loop(b.index(0), b.index(tile.kernel[0]), b.index(1), carried, true, columns);
    });
  }

  // All products and the bias. There are no registers left for totals, so these wait in the frame.
  Values sums(Value* input, const Values& bias) const {
    const Values zeros(slot(tile.pixels, 0), b.splat(0.0F, width));
    if (tile.blocks_at_once == 0) {
      Values result = products(input, zeros, b.index(0), call.blocks);
      for (size_t i = 0; tile.bias && i < result.size(); ++i) result[i] = b.CreateFAdd(result[i], bias[i % bias.size()]);
      return result;
    }
    Value* totals = b.frame(tile.pixels * step);
    const auto total = [&](size_t i) { return b.at(totals, static_cast<int64_t>(i) * width); };
    for (size_t i = 0; i < zeros.size(); ++i) b.store(bias[i % bias.size()], total(i));
    b.loop(b.index(0), call.blocks, b.index(tile.blocks_at_once), true, [&](Value* first) {
      const Values part = products(input, zeros, first, b.smaller(b.add(first, b.index(tile.blocks_at_once)), call.blocks));
      for (size_t i = 0; i < part.size(); ++i) b.store(b.CreateFAdd(part[i], b.load(total(i), width)), total(i));
    });
    Values result;
    for (size_t i = 0; i < zeros.size(); ++i) result.push_back(b.load(total(i), width));
    return result;
  }

  // The value of one vector of channels of one pixel, operands loaded beside the output element at `offset`.
  Value* finish(Value* accumulator, int v, Value* offset) const {
    Values operands{accumulator};
    for (size_t n = 0; n < epilogue.operands.size(); ++n) {
      switch (epilogue.operands[n].access) {
        case Access::same:
          operands.push_back(b.load(b.at(call.operands[n], offset), width, lanes(v)));
          break;
        case Access::per_channel:
          operands.push_back(b.load(b.at(call.operands[n], int64_t{v} * width), width, lanes(v)));
          break;
        case Access::scalar:
          operands.push_back(b.splat(b.load_scalar(call.operands[n]), width));
          break;
      }
    }
    return emit_expression(b, epilogue.expression, operands);
  }

  // Vectors of channels stored as they are. A long expression gets a loop over the pixels, the accumulators waiting in the frame.
  void store_vectors(const Values& accumulators, Value* first_offset) const {
    const auto offset_of = [&](Value* pixel, int v) {
      Value* offset = b.add(first_offset, b.multiply(pixel, tile.output_pixel_stride));
      return v == 0 ? offset : b.add(offset, v == 1 ? call.output_stride : b.multiply(call.output_stride, v));
    };
    // The blocked layout has room for a whole last vector; a row-major matrix has not.
    const auto put = [&](Value* value, Value* offset, int v) { b.store(value, b.at(call.output, offset), lanes(v)); };
    if (!is_long(epilogue.expression) || tile.pixels == 1) {
      for (int p = 0; p < tile.pixels; ++p)
        for (int v = 0; v < tile.vectors; ++v) {
          Value* offset = offset_of(b.index(p), v);
          put(finish(accumulators[slot(p, v)], v, offset), offset, v);
        }
      return;
    }
    Value* frame = b.frame(tile.pixels * step);
    for (int p = 0; p < tile.pixels; ++p)
      for (int v = 0; v < tile.vectors; ++v) b.store(accumulators[slot(p, v)], b.at(frame, static_cast<int64_t>(slot(p, v)) * width));
    b.loop(tile.pixels, [&](Value* p) {
      for (int v = 0; v < tile.vectors; ++v) {
        Value* offset = offset_of(p, v);
        Value* accumulator = b.load(b.at(b.at(frame, b.multiply(p, step)), int64_t{v} * width), width);
        put(finish(accumulator, v, offset), offset, v);
      }
    });
  }

  // Channels as rows of pixels: squares of the tile are transposed through registers into the frame, then finished row by row.
  void store_rows(const Values& accumulators, Value* first_offset) const {
    const int squares = (tile.pixels + width - 1) / width;
    const int64_t row = int64_t{squares} * width;
    Value* frame = b.frame(step * row);
    for (int v = 0; v < tile.vectors; ++v)
      for (int square = 0; square < squares; ++square) {
        Values rows;
        for (int p = square * width; p < (square + 1) * width; ++p)
          rows.push_back(p < tile.pixels ? accumulators[slot(p, v)] : llvm::PoisonValue::get(b.vector_type(width)));
        rows = b.transpose(rows);
        for (int lane = 0; lane < width; ++lane)
          b.store(rows[static_cast<size_t>(lane)], b.at(frame, (int64_t{v} * width + lane) * row + square * width));
      }
    b.loop((tile.vectors - 1) * int64_t{width} + tile.lanes, [&](Value* channel) {
      for (int square = 0; square < squares; ++square) {
        const int count = std::min(width, tile.pixels - square * width);
        Value* offset = b.add(b.add(first_offset, b.CreateMul(channel, call.output_stride)), b.index(square * width));
        Values operands{b.load(b.at(b.at(frame, b.multiply(channel, row)), square * width), width)};
        for (size_t n = 0; n < epilogue.operands.size(); ++n) {
          switch (epilogue.operands[n].access) {
            case Access::same:
              operands.push_back(b.load(b.at(call.operands[n], offset), width, count));
              break;
            case Access::per_channel:
              operands.push_back(b.splat(b.load_scalar(b.at(call.operands[n], channel)), width));
              break;
            case Access::scalar:
              operands.push_back(b.splat(b.load_scalar(call.operands[n]), width));
              break;
          }
        }
        b.store(emit_expression(b, epilogue.expression, operands), b.at(call.output, offset), count);
      }
    });
  }

  void run() const {
    b.loop(b.index(0), call.tiles, b.index(1), true, [&](Value* number) {
      Value* pixel = b.multiply(number, tile.pixels);
      Values bias;
      for (int v = 0; v < tile.vectors; ++v)
        bias.push_back(tile.bias ? b.load(b.at(call.bias, int64_t{v} * width), width, lanes(v)) : b.splat(0.0F, width));
      const Values accumulators = sums(b.at(call.input, b.multiply(pixel, tile.pixel_stride)), bias);
      if (tile.channel_rows)
        store_rows(accumulators, pixel);
      else
        store_vectors(accumulators, b.multiply(pixel, tile.output_pixel_stride));
    });
  }
};

// The call's values in the order of the function's parameters, those that are absent left out.
std::vector<llvm::Value**> fields(TileCall& call) {
  std::vector<llvm::Value**> all{&call.input,        &call.weights,       &call.bias,           &call.output,      &call.blocks,
                                 &call.block_stride, &call.last_inner,    &call.row_begin,      &call.row_end,     &call.row_stride,
                                 &call.tiles,        &call.output_stride, &call.weights_stride, &call.inner_stride};
  for (auto& operand : call.operands) all.push_back(&operand);
  std::erase_if(all, [](llvm::Value** field) { return *field == nullptr; });
  return all;
}

}  // namespace

int64_t unroll_for(const Machine& machine, int vectors, int pixels, std::initializer_list<int64_t> counts) {
  if (vectors * pixels + 2 * vectors + 1 > machine.vector_registers) return 1;
  int64_t unroll = 1;
  const auto divides = [&](int64_t factor) { return std::all_of(counts.begin(), counts.end(), [&](int64_t count) { return count % factor == 0; }); };
  while (unroll < 8 && unroll * vectors * pixels < 20 && divides(2 * unroll)) unroll *= 2;
  return unroll;
}

void call_tile(Builder& b, const Tile& tile, const Epilogue& epilogue, const TileCall& call) {
  TileCall copy = call;
  std::vector<llvm::Type*> types;
  Values values;
  for (llvm::Value** field : fields(copy)) {
    types.push_back((*field)->getType());
    values.push_back(*field);
  }
  const std::string name = key_of(tile, epilogue);
  llvm::Function* function = b.module.getFunction(name);
  if (!function) {
    const auto caller = b.saveIP();
    function = b.begin_function(name, b.getVoidTy(), types, false);
    unsigned number = 0;
    TileEmitter emitter{b, tile, epilogue, copy};
    for (llvm::Value** field : fields(emitter.call)) *field = function->getArg(number++);
    emitter.run();
    b.CreateRetVoid();
    b.restoreIP(caller);
  }
  b.CreateCall(function, values)->setCallingConv(function->getCallingConv());
}

}  // namespace lathe::llvm_cpu
