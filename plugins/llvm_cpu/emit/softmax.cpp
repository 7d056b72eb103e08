// Softmax. With an inner dimension, vectors of neighbouring columns go down the middle dimension together; without one, vectors lie along
// the row and are reduced at its end. Three passes over what fits into the first-level cache: maximum, exponentials and sum, scaling.
#include <llvm/IR/Intrinsics.h>

#include <limits>

#include "emit/builder.hpp"
#include "emit/emit.hpp"
#include "emit/math.hpp"
#include "plan/schedule.hpp"

namespace lathe::llvm_cpu {

using llvm::Value;

namespace {

struct SoftmaxEmitter {
  Builder& b;
  const Softmax& kernel;
  const int width = b.machine.vector_floats;
  Value *input = nullptr, *output = nullptr;

  // The larger one; NaN in `x` stays.
  Value* larger(Value* limit, Value* x) const { return b.CreateSelect(b.CreateFCmpOGT(limit, x), limit, x); }

  // `lanes` columns from `column` of the matrix [extent][inner] at input and output + base.
  void columns(Value* base, Value* column, int lanes) const {
    Value* x = b.at(b.at(input, base), column);
    Value* y = b.at(b.at(output, base), column);
    const auto rows = [&](Value* start, const std::function<Value*(Value * offset, Value * carried)>& step) {
      return b.loop(b.index(0), b.index(kernel.extent), b.index(1), {start}, true,
                    [&](Value* row, const Values& carried) { return Values{step(b.multiply(row, kernel.inner), carried[0])}; })[0];
    };
    Value* largest = rows(b.splat(-std::numeric_limits<float>::infinity(), width),
                          [&](Value* offset, Value* carried) { return larger(carried, b.load(b.at(x, offset), width, lanes)); });
    Value* sum = rows(b.splat(0.0F, width), [&](Value* offset, Value* carried) {
      Value* e = emit_exp(b, b.CreateFSub(b.load(b.at(x, offset), width, lanes), largest));
      b.store(e, b.at(y, offset), lanes);
      return b.CreateFAdd(carried, e);
    });
    Value* scale = b.CreateFDiv(b.splat(1.0F, width), sum);
    rows(scale, [&](Value* offset, Value* carried) {
      b.store(b.CreateFMul(b.load(b.at(y, offset), width, lanes), carried), b.at(y, offset), lanes);
      return carried;
    });
  }

  // One row of `extent` neighbours at input and output + base. The lanes beyond its end count as -infinity.
  void row(Value* base) const {
    Value* x = b.at(input, base);
    Value* y = b.at(output, base);
    const int64_t whole = kernel.extent / width * width;
    const int rest = static_cast<int>(kernel.extent - whole);
    Value* const none = b.splat(-std::numeric_limits<float>::infinity(), width);
    const auto along = [&](Value* start, const std::function<Value*(Value * offset, int lanes, Value* carried)>& step) {
      Value* result = b.loop(b.index(0), b.index(whole), b.index(width), {start}, false,
                             [&](Value* i, const Values& carried) { return Values{step(i, width, carried[0])}; })[0];
      return rest ? step(b.index(whole), rest, result) : result;
    };
    const auto load = [&](Value* offset, int lanes) {
      Value* value = b.load(b.at(x, offset), width, lanes);
      if (lanes == width) return value;
      std::vector<int> chosen;
      for (int lane = 0; lane < width; ++lane) chosen.push_back(lane < lanes ? lane : width + lane);
      return b.CreateShuffleVector(value, none, chosen);
    };
    Value* largest = along(none, [&](Value* offset, int lanes, Value* carried) { return larger(carried, load(offset, lanes)); });
    largest = b.splat(fold(largest, [&](Value* a, Value* c) { return larger(a, c); }), width);
    Value* sum = along(b.splat(0.0F, width), [&](Value* offset, int lanes, Value* carried) {
      Value* e = emit_exp(b, b.CreateFSub(load(offset, lanes), largest));
      b.store(e, b.at(y, offset), lanes);
      return b.CreateFAdd(carried, e);
    });
    Value* scale =
        b.splat(b.CreateFDiv(llvm::ConstantFP::get(b.getFloatTy(), 1.0), fold(sum, [&](Value* a, Value* c) { return b.CreateFAdd(a, c); })), width);
    along(scale, [&](Value* offset, int lanes, Value* carried) {
      b.store(b.CreateFMul(b.load(b.at(y, offset), width, lanes), carried), b.at(y, offset), lanes);
      return carried;
    });
  }

  // Halves are combined until one lane is left.
  Value* fold(Value* vector, const std::function<Value*(Value*, Value*)>& combine) const {
    for (int half = width / 2; half >= 1; half /= 2) {
      std::vector<int> upper;
      for (int lane = 0; lane < width; ++lane) upper.push_back(lane < half ? lane + half : lane);
      vector = combine(vector, b.CreateShuffleVector(vector, upper));
    }
    return b.CreateExtractElement(vector, b.index(0));
  }
};

}  // namespace

EmittedKernel emit(llvm::Module& module, const Machine& machine, const Softmax& kernel, const std::string& name) {
  Builder b(module, machine);
  EmittedKernel result;
  result.body = b.begin_body(name);
  SoftmaxEmitter emitter{b, kernel};
  emitter.input = b.argument(0);
  emitter.output = b.argument(1);
  const int width = machine.vector_floats;
  const bool along_rows = kernel.inner == 1;
  const int64_t strips = along_rows ? 1 : (kernel.inner + width - 1) / width;
  const Cut cut = cut_work(kernel.outer * strips, (along_rows ? 1.0 : width) * 1.5 * static_cast<double>(kernel.extent) + 20);
  result.tasks = static_cast<uint32_t>(cut.tasks);
  Value* first = b.multiply(b.task(), cut.size);
  Value* last = b.smaller(b.add(first, b.index(cut.size)), b.index(cut.total));
  b.loop(first, last, b.index(1), true, [&](Value* unit) {
    if (along_rows) {
      emitter.row(b.multiply(unit, kernel.extent));
      return;
    }
    Value* number = b.CreateURem(unit, b.index(strips));
    Value* base = b.multiply(b.CreateUDiv(unit, b.index(strips)), kernel.extent * kernel.inner);
    Value* column = b.multiply(number, width);
    const int rest = static_cast<int>(kernel.inner % width);
    if (rest == 0)
      emitter.columns(base, column, width);
    else if (strips == 1)
      emitter.columns(base, column, rest);
    else
      b.when(
          b.CreateICmpEQ(number, b.index(strips - 1)), [&] { emitter.columns(base, column, rest); }, [&] { emitter.columns(base, column, width); });
  });
  b.CreateRetVoid();
  return result;
}

}  // namespace lathe::llvm_cpu
