// Between plain and blocked layouts: squares of B channels by B pixels are transposed through registers. A task is a range of channel
// blocks of all batch items.
#include <algorithm>

#include "emit/builder.hpp"
#include "emit/emit.hpp"
#include "plan/schedule.hpp"

namespace lathe::llvm_cpu {

using llvm::Value;

EmittedKernel emit(llvm::Module& module, const Machine& machine, const Reorder& kernel, const std::string& name) {
  Builder b(module, machine);
  EmittedKernel result;
  result.body = b.begin_body(name);
  const int width = machine.block();
  const int64_t blocks = (kernel.channels + width - 1) / width;
  const int64_t plain_channel = kernel.plain_channel_stride ? kernel.plain_channel_stride : kernel.pixels;
  const int tail = static_cast<int>(kernel.channels - (blocks - 1) * width);
  // units: pieces of pixels of one block
  const int64_t squares = (kernel.pixels + width - 1) / width;
  const int64_t piece = std::min<int64_t>(squares, 128), pieces = (squares + piece - 1) / piece;
  const Cut cut = cut_work(kernel.batch * blocks * pieces, 40.0 * static_cast<double>(piece));
  result.tasks = static_cast<uint32_t>(cut.tasks);

  Value* input = b.argument(0);
  Value* output = b.argument(1);
  Value* first = b.multiply(b.task(), cut.size);
  Value* last = b.smaller(b.add(first, b.index(cut.size)), b.index(cut.total));
  const int64_t plain_batch = kernel.to_blocked ? kernel.input_batch_stride : kernel.output_batch_stride;
  const int64_t blocked_batch = kernel.to_blocked ? kernel.output_batch_stride : kernel.input_batch_stride;

  b.loop(first, last, b.index(1), true, [&](Value* unit) {
    Value* number = b.CreateURem(unit, b.index(pieces));
    Value* rest = b.CreateUDiv(unit, b.index(pieces));
    Value* block = b.CreateURem(rest, b.index(blocks));
    Value* item = b.CreateUDiv(rest, b.index(blocks));
    Value* plain = b.at(b.at(kernel.to_blocked ? input : output, b.multiply(item, plain_batch)), b.multiply(block, plain_channel * width));
    Value* blocked = b.at(b.at(kernel.to_blocked ? output : input, b.multiply(item, blocked_batch)), b.multiply(block, kernel.pixels * width));
    const auto square = [&](Value* pixel, int pixels, int channels) {
      Value* from = b.at(plain, pixel);
      Value* to = b.at(blocked, b.multiply(pixel, width));
      Values rows;
      if (kernel.to_blocked) {
        for (int c = 0; c < width; ++c) rows.push_back(c < channels ? b.load(b.at(from, c * plain_channel), width, pixels) : b.splat(0.0F, width));
        rows = b.transpose(rows);
        for (int p = 0; p < pixels; ++p) b.store(rows[static_cast<size_t>(p)], b.at(to, int64_t{p} * width), width);
      } else {
        for (int p = 0; p < width; ++p) rows.push_back(p < pixels ? b.load(b.at(to, int64_t{p} * width), width) : b.splat(0.0F, width));
        rows = b.transpose(rows);
        for (int c = 0; c < channels; ++c) b.store(rows[static_cast<size_t>(c)], b.at(from, c * plain_channel), pixels);
      }
    };
    const auto body = [&](int channels) {
      const int64_t whole = kernel.pixels / width * width;
      Value* begin = b.multiply(number, piece * width);
      Value* end = b.smaller(b.add(begin, b.index(piece * width)), b.index(whole));
      b.loop(begin, end, b.index(width), false, [&](Value* pixel) { square(pixel, width, channels); });
      if (const int left = static_cast<int>(kernel.pixels - whole); left)
        b.when(b.CreateICmpEQ(number, b.index(pieces - 1)), [&] { square(b.index(whole), left, channels); });
    };
    if (tail == width || blocks == 1)
      body(tail);
    else
      b.when(
          b.CreateICmpEQ(block, b.index(blocks - 1)), [&] { body(tail); }, [&] { body(width); });
  });
  b.CreateRetVoid();
  return result;
}

}  // namespace lathe::llvm_cpu
