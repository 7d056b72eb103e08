// Maximum and average pooling. In the blocked layout a vector holds a block of channels; plain tensors go one element at a time.
// Kernels of a few columns have tiles of output columns with the kernel's columns written out and the padding known; wide kernels
// (global pooling) have loops over the window of each output.
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

#include "emit/builder.hpp"
#include "emit/emit.hpp"
#include "emit/segments.hpp"
#include "plan/schedule.hpp"

namespace lathe::llvm_cpu {

using llvm::Value;

namespace {

struct PoolingEmitter {
  Builder& b;
  const Pooling& kernel;
  const bool blocked = kernel.input.layout == Layout::blocked;
  const bool maximum = kernel.kind == Pooling::Kind::maximum;
  const int width = blocked ? b.machine.block() : 1;
  const int64_t planes = blocked ? (kernel.input.channels + width - 1) / width : kernel.input.channels;
  const int64_t in_row = kernel.input.width * width, in_plane = in_row * kernel.input.height;
  const int64_t out_row = kernel.output.width * width, out_plane = out_row * kernel.output.height;

  Value* larger(Value* x, Value* y) const { return b.CreateSelect(b.CreateICmpSGT(x, y), x, y); }
  Value* combine(Value* sum, Value* x) const {
    if (!maximum) return b.CreateFAdd(sum, x);
    return b.CreateSelect(b.CreateFCmpOGT(sum, x), sum, x);
  }
  Value* start() const { return b.splat(maximum ? -std::numeric_limits<float>::infinity() : 0.0F, width); }

  // Of one dimension: the kernel positions r with 0 <= first + r dilation < extent, and how many count for the average.
  struct Window {
    Value *begin, *end, *count;
  };
  Window window(Value* first, size_t dimension, int64_t extent) const {
    const int64_t dilation = kernel.dilation[dimension], size = kernel.kernel[dimension];
    const auto below = [&](int64_t limit) {
      Value* room = larger(b.CreateSub(b.index(limit + dilation - 1), first), b.index(0));
      return b.smaller(b.CreateUDiv(room, b.index(dilation)), b.index(size));
    };
    Value* above = larger(b.CreateNeg(first), b.index(0));
    Window w{};
    w.begin = b.CreateUDiv(b.add(above, b.index(dilation - 1)), b.index(dilation));
    w.end = below(extent);
    w.count = kernel.count_include_pad ? below(extent + kernel.pad_end[dimension]) : b.CreateSub(w.end, w.begin);
    return w;
  }
  Value* average(Value* sum, Value* count) const {
    if (maximum) return sum;
    return b.CreateFDiv(sum, b.splat(b.CreateSIToFP(count, b.getFloatTy()), width));
  }

  // `input`: the plane; `top`: the first input row of the window, before clipping.
  void wide_row(Value* input, Value* output, Value* top) const {
    const Window rows = window(top, 0, kernel.input.height);
    b.loop(kernel.output.width, [&](Value* column) {
      Value* left = b.CreateSub(b.multiply(column, kernel.stride[1]), b.index(kernel.pad_begin[1]));
      const Window columns = window(left, 1, kernel.input.width);
      const Values sums = b.loop(rows.begin, rows.end, b.index(1), {start()}, false, [&](Value* r, const Values& outer) {
        Value* row = b.add(top, b.multiply(r, kernel.dilation[0]));
        return b.loop(columns.begin, columns.end, b.index(1), outer, false, [&](Value* c, const Values& carried) {
          Value* position = b.add(left, b.multiply(c, kernel.dilation[1]));
          Value* x = b.load(b.at(b.at(input, b.multiply(row, in_row)), b.multiply(position, width)), width);
          return Values{combine(carried[0], x)};
        });
      });
      b.store(average(sums[0], b.CreateMul(rows.count, columns.count)), b.at(output, b.multiply(column, width)));
    });
  }

  void tiled_row(Value* input, Value* output, Value* top) const {
    const Window rows = window(top, 0, kernel.input.height);
    Value* first_row = b.at(input, b.multiply(b.add(top, b.multiply(rows.begin, kernel.dilation[0])), in_row));
    const auto segments = segments_of(kernel.input.width, kernel.output.width, kernel.kernel[1], kernel.stride[1], kernel.dilation[1],
                                      kernel.pad_begin[1], static_cast<int>(std::min<int64_t>(8, kernel.output.width)));
    for (const Segment& segment : segments) {
      b.loop(segment.tiles, [&](Value* number) {
        Value* pixel = b.add(b.multiply(number, segment.pixels), b.index(segment.first_pixel));
        Value* x = b.at(first_row, b.multiply(b.CreateSub(b.multiply(pixel, kernel.stride[1]), b.index(kernel.pad_begin[1])), width));
        const Values none(static_cast<size_t>(segment.pixels), start());
        const Values sums = b.loop(rows.begin, rows.end, b.index(1), none, false, [&](Value* r, const Values& carried) {
          Values next = carried;
          Value* row = b.at(x, b.multiply(b.CreateSub(r, rows.begin), kernel.dilation[0] * in_row));
          std::map<int64_t, Value*> loaded;  // by input column
          for (int64_t c = 0; c < kernel.kernel[1]; ++c) {
            auto [from, to] = std::pair{0, segment.pixels};
            if (!segment.valid_pixels.empty()) std::tie(from, to) = segment.valid_pixels[static_cast<size_t>(c)];
            for (int p = from; p < to; ++p) {
              const int64_t position = p * kernel.stride[1] + c * kernel.dilation[1];
              Value*& value = loaded[position];
              if (!value) value = b.load(b.at(row, position * width), width);
              next[static_cast<size_t>(p)] = combine(next[static_cast<size_t>(p)], value);
            }
          }
          return next;
        });
        for (int p = 0; p < segment.pixels; ++p) {
          Value* column = b.add(pixel, b.index(p));
          Value* count = b.index(1);
          if (!maximum) {
            Value* left = b.CreateSub(b.multiply(column, kernel.stride[1]), b.index(kernel.pad_begin[1]));
            count = b.CreateMul(rows.count, window(left, 1, kernel.input.width).count);
          }
          b.store(average(sums[static_cast<size_t>(p)], count), b.at(output, b.multiply(column, width)));
        }
      });
    }
  }
};

}  // namespace

EmittedKernel emit(llvm::Module& module, const Machine& machine, const Pooling& kernel, const std::string& name) {
  Builder b(module, machine);
  EmittedKernel result;
  result.body = b.begin_body(name);
  PoolingEmitter emitter{b, kernel};
  const double row_cycles = static_cast<double>(kernel.output.width * (kernel.kernel[0] * kernel.kernel[1] * 2 + 4));
  const Cut cut = cut_work(kernel.batch * emitter.planes * kernel.output.height, row_cycles);
  result.tasks = static_cast<uint32_t>(cut.tasks);
  Value* input = b.argument(0);
  Value* output = b.argument(1);
  Value* first = b.multiply(b.task(), cut.size);
  Value* last = b.smaller(b.add(first, b.index(cut.size)), b.index(cut.total));
  b.loop(first, last, b.index(1), true, [&](Value* unit) {
    Value* row = b.CreateURem(unit, b.index(kernel.output.height));
    Value* rest = b.CreateUDiv(unit, b.index(kernel.output.height));
    Value* plane = b.CreateURem(rest, b.index(emitter.planes));
    Value* item = b.CreateUDiv(rest, b.index(emitter.planes));
    Value* x = b.at(b.at(input, b.multiply(item, kernel.input.batch_stride)), b.multiply(plane, emitter.in_plane));
    Value* y = b.at(b.at(output, b.multiply(item, kernel.output.batch_stride)),
                    b.add(b.multiply(plane, emitter.out_plane), b.multiply(row, emitter.out_row)));
    Value* top = b.CreateSub(b.multiply(row, kernel.stride[0]), b.index(kernel.pad_begin[0]));
    if (kernel.kernel[1] <= 7)
      emitter.tiled_row(x, y, top);
    else
      emitter.wide_row(x, y, top);
  });
  b.CreateRetVoid();
  return result;
}

}  // namespace lathe::llvm_cpu
