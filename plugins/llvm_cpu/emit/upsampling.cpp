// Nearest-neighbour enlargement by whole numbers. A task is a range of input rows of all planes; each vector of a row is widened once
// and stored to every output row that repeats it.
#include <algorithm>

#include "emit/builder.hpp"
#include "emit/emit.hpp"
#include "plan/schedule.hpp"

namespace lathe::llvm_cpu {

using llvm::Value;

EmittedKernel emit(llvm::Module& module, const Machine& machine, const Upsampling& kernel, const std::string& name) {
  Builder b(module, machine);
  EmittedKernel result;
  result.body = b.begin_body(name);
  const bool blocked = kernel.input.layout == Layout::blocked;
  const int width = machine.vector_floats;
  const int64_t pixel = blocked ? width : 1;
  const int64_t planes = blocked ? (kernel.input.channels + width - 1) / width : kernel.input.channels;
  const int64_t in_row = kernel.input.width * pixel, out_row = kernel.output.width * pixel;
  const Cut cut = cut_work(kernel.batch * planes * kernel.input.height, static_cast<double>(out_row * kernel.scale[0]) * 2.0 / width + 8);
  result.tasks = static_cast<uint32_t>(cut.tasks);

  Value* input = b.argument(0);
  Value* output = b.argument(1);
  Value* first = b.multiply(b.task(), cut.size);
  Value* last = b.smaller(b.add(first, b.index(cut.size)), b.index(cut.total));
  b.loop(first, last, b.index(1), true, [&](Value* unit) {
    Value* row = b.CreateURem(unit, b.index(kernel.input.height));
    Value* rest = b.CreateUDiv(unit, b.index(kernel.input.height));
    Value* plane = b.CreateURem(rest, b.index(planes));
    Value* item = b.CreateUDiv(rest, b.index(planes));
    Value* x = b.at(b.at(input, b.multiply(item, kernel.input.batch_stride)),
                    b.add(b.multiply(plane, in_row * kernel.input.height), b.multiply(row, in_row)));
    Value* y = b.at(b.at(output, b.multiply(item, kernel.output.batch_stride)),
                    b.add(b.multiply(plane, out_row * kernel.output.height), b.multiply(row, out_row * kernel.scale[0])));
    const auto store_rows = [&](Value* value, Value* position, int64_t offset, int lanes) {
      b.loop(kernel.scale[0],
             [&](Value* copy) { b.store(value, b.at(b.at(y, b.multiply(copy, out_row)), b.add(position, b.index(offset))), lanes); });
    };
    if (blocked) {
      b.loop(kernel.input.width, [&](Value* column) {
        Value* value = b.load(b.at(x, b.multiply(column, width)), width);
        b.loop(kernel.scale[1],
               [&](Value* copy) { store_rows(value, b.multiply(b.add(b.multiply(column, kernel.scale[1]), copy), width), 0, width); });
      });
      return;
    }
    const auto piece = [&](Value* column, int count) {
      Value* value = b.load(b.at(x, column), width, count);
      Value* position = b.multiply(column, kernel.scale[1]);
      for (int64_t part = 0; part * width < count * kernel.scale[1]; ++part) {
        std::vector<int> lanes;
        for (int lane = 0; lane < width; ++lane) lanes.push_back(static_cast<int>((part * width + lane) / kernel.scale[1]));
        const int valid = static_cast<int>(std::min<int64_t>(width, count * kernel.scale[1] - part * width));
        store_rows(b.CreateShuffleVector(value, lanes), position, part * width, valid);
      }
    };
    const int64_t whole = kernel.input.width / width * width;
    b.loop(b.index(0), b.index(whole), b.index(width), false, [&](Value* column) { piece(column, width); });
    if (whole < kernel.input.width) piece(b.index(whole), static_cast<int>(kernel.input.width - whole));
  });
  b.CreateRetVoid();
  return result;
}

}  // namespace lathe::llvm_cpu
