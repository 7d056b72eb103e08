// Depthwise convolution: for each block of channels and output row, tiles of columns whose accumulators stay in registers. Within a
// kernel row every input vector is loaded once and serves all kernel columns that reach it.
#include "emit/depthwise.hpp"

#include <algorithm>
#include <map>

#include "emit/expression.hpp"
#include "emit/segments.hpp"

namespace lathe::llvm_cpu {

using llvm::Value;

namespace {

struct DepthwiseEmitter {
  Builder& b;
  const Convolution& kernel;
  const ConvolutionSchedule& s;
  const int width = b.machine.vector_floats;
  const int64_t in_row = kernel.input.width * width, in_plane = in_row * kernel.input.height;
  const int64_t out_row = kernel.output.width * width, out_plane = out_row * kernel.output.height;
  Value *weights = nullptr, *bias = nullptr;  // of the block of channels
  Values operands{};

  // One tile of a segment: `input` at its first column in the first kernel row that runs (before the padding), `offset` that of the
  // first output element in output and `same` operands.
  void tile(const Segment& segment, Value* input, Value* output, Value* offset, Value* row_begin, Value* row_end) const {
    const Values start(static_cast<size_t>(segment.pixels), b.load(bias, width));
    const int64_t columns = kernel.kernel[1];
    const auto accumulators = b.loop(row_begin, row_end, b.index(1), start, false, [&](Value* row, const Values& carried) {
      Value* x = b.at(input, b.multiply(b.CreateSub(row, row_begin), kernel.dilation[0] * in_row));
      Value* w = b.at(weights, b.multiply(row, columns * width));
      Values next = carried;
      std::map<int64_t, Value*> loaded;  // by input column
      for (int64_t column = 0; column < columns; ++column) {
        Value* weight = nullptr;
        auto [first, last] = std::pair{0, segment.pixels};
        if (!segment.valid_pixels.empty()) std::tie(first, last) = segment.valid_pixels[static_cast<size_t>(column)];
        for (int p = first; p < last; ++p) {
          if (!weight) weight = b.load(b.at(w, column * width), width);
          const int64_t position = p * kernel.stride[1] + column * kernel.dilation[1];
          Value*& value = loaded[position];
          if (!value) value = b.load(b.at(x, position * width), width);
          Value*& sum = next[static_cast<size_t>(p)];
          sum = b.multiply_add(value, weight, sum);
        }
      }
      return next;
    });
    const auto finish = [&](Value* accumulator, Value* element) {
      Values values{accumulator};
      for (size_t n = 0; n < operands.size(); ++n) {
        switch (kernel.epilogue.operands[n].access) {
          case Access::same:
            values.push_back(b.load(b.at(operands[n], element), width));
            break;
          case Access::per_channel:
            values.push_back(b.load(operands[n], width));
            break;
          case Access::scalar:
            values.push_back(b.splat(b.load_scalar(operands[n]), width));
            break;
        }
      }
      b.store(emit_expression(b, kernel.epilogue.expression, values), b.at(output, element), width);
    };
    if (!is_long(kernel.epilogue.expression)) {
      for (int p = 0; p < segment.pixels; ++p) finish(accumulators[static_cast<size_t>(p)], b.add(offset, b.index(int64_t{p} * width)));
      return;
    }
    Value* frame = b.frame(int64_t{segment.pixels} * width);
    for (int p = 0; p < segment.pixels; ++p) b.store(accumulators[static_cast<size_t>(p)], b.at(frame, int64_t{p} * width));
    b.loop(segment.pixels, [&](Value* p) {
      Value* column = b.multiply(p, width);
      finish(b.load(b.at(frame, column), width), b.add(offset, column));
    });
  }

  void run() {
    Value* task = b.task();
    Value* block_piece = b.CreateURem(task, b.index(s.vector_cut.tasks));
    Value* rest = b.CreateUDiv(task, b.index(s.vector_cut.tasks));
    Value* row_piece = b.CreateURem(rest, b.index(s.row_cut.tasks));
    Value* item = b.CreateUDiv(rest, b.index(s.row_cut.tasks));
    Value* input = b.at(b.argument(0), b.multiply(item, kernel.input.batch_stride));
    Value* all_weights = b.argument(1);
    Value* all_bias = b.argument(2);
    const int count = static_cast<int>(kernel.epilogue.operands.size());
    Values all_operands;
    for (int n = 0; n < count; ++n) {
      const EpilogueOperand& operand = kernel.epilogue.operands[static_cast<size_t>(n)];
      Value* pointer = b.argument(3 + n);
      all_operands.push_back(operand.access == Access::same ? b.at(pointer, b.multiply(item, operand.batch_stride)) : pointer);
    }
    Value* output = b.at(b.argument(3 + count), b.multiply(item, kernel.output.batch_stride));

    const auto range = [&](Value* piece, const Cut& cut) {
      Value* first = b.multiply(piece, cut.size);
      return std::pair{first, b.smaller(b.add(first, b.index(cut.size)), b.index(cut.total))};
    };
    const auto [first_block, last_block] = range(block_piece, s.vector_cut);
    const auto [first_row, last_row] = range(row_piece, s.row_cut);
    Value *row_from = first_row, *row_to = last_row;
    const auto segments = segments_of(kernel.input.width, kernel.output.width, kernel.kernel[1], kernel.stride[1], kernel.dilation[1],
                                      kernel.pad_begin[1], s.tile.pixels);
    b.loop(first_block, last_block, b.index(1), true, [&](Value* block) {
      weights = b.at(all_weights, b.multiply(block, kernel.kernel[0] * kernel.kernel[1] * width));
      bias = b.at(all_bias, b.multiply(block, width));
      operands.clear();
      for (size_t n = 0; n < all_operands.size(); ++n)
        operands.push_back(kernel.epilogue.operands[n].access == Access::per_channel ? b.at(all_operands[n], b.multiply(block, width))
                                                                                     : all_operands[n]);
      b.loop(row_from, row_to, b.index(1), true, [&](Value* row) {
        const auto larger = [&](Value* x, Value* y) { return b.CreateSelect(b.CreateICmpSGT(x, y), x, y); };
        const int64_t dilation = kernel.dilation[0];
        Value* top = b.CreateSub(b.multiply(row, kernel.stride[0]), b.index(kernel.pad_begin[0]));
        // kernel rows r with 0 <= top + r dilation < height
        Value* above = larger(b.CreateNeg(top), b.index(0));
        Value* begin = b.CreateUDiv(b.add(above, b.index(dilation - 1)), b.index(dilation));
        Value* below = larger(b.CreateSub(b.index(kernel.input.height + dilation - 1), top), b.index(0));
        Value* end = b.smaller(b.CreateUDiv(below, b.index(dilation)), b.index(kernel.kernel[0]));
        Value* x = b.at(b.at(input, b.multiply(block, in_plane)), b.multiply(b.add(top, b.multiply(begin, dilation)), in_row));
        Value* offset = b.add(b.multiply(block, out_plane), b.multiply(row, out_row));
        for (const Segment& segment : segments) {
          Value* from = b.at(x, (segment.first_pixel * kernel.stride[1] - kernel.pad_begin[1]) * width);
          Value* to = b.add(offset, b.index(segment.first_pixel * width));
          b.loop(segment.tiles, [&](Value* number) {
            tile(segment, b.at(from, b.multiply(number, segment.pixels * kernel.stride[1] * width)), output,
                 b.add(to, b.multiply(number, int64_t{segment.pixels} * width)), begin, end);
          });
        }
      });
    });
  }
};

}  // namespace

EmittedKernel emit_depthwise(llvm::Module& module, const Machine& machine, const Convolution& kernel, const ConvolutionSchedule& schedule,
                             const std::string& name) {
  Builder b(module, machine);
  EmittedKernel result;
  result.body = b.begin_body(name);
  result.tasks = static_cast<uint32_t>(kernel.batch * schedule.row_cut.tasks * schedule.vector_cut.tasks);
  DepthwiseEmitter emitter{b, kernel, schedule};
  emitter.run();
  b.CreateRetVoid();
  return result;
}

}  // namespace lathe::llvm_cpu
