// Elementwise chains and strided copies. The innermost dimension is vectorised (its remainder with fixed lanes), every other dimension
// is a loop; tasks cut the outer dimensions, and the innermost one when the outer ones are too few.
#include <algorithm>

#include "emit/emit.hpp"
#include "emit/expression.hpp"
#include "plan/schedule.hpp"

namespace lathe::llvm_cpu {

using llvm::Value;

namespace {

struct Nest {
  std::vector<int64_t> dimensions;
  std::vector<std::vector<int64_t>> strides;  // operands..., output
};

// Drops dimensions of size 1 and joins neighbours that lie behind one another in every tensor.
Nest collapse(const Elementwise& kernel) {
  Nest nest;
  nest.strides.resize(kernel.operand_strides.size() + 1);
  for (size_t d = 0; d < kernel.dimensions.size(); ++d) {
    const int64_t extent = kernel.dimensions[d];
    if (extent == 1) continue;
    std::vector<int64_t> strides;
    for (const auto& operand : kernel.operand_strides) strides.push_back(operand[d]);
    strides.push_back(kernel.output_strides[d]);
    bool joins = !nest.dimensions.empty();
    for (size_t t = 0; t < strides.size() && joins; ++t) joins = nest.strides[t].back() == strides[t] * extent;
    if (joins) {
      nest.dimensions.back() *= extent;
      for (size_t t = 0; t < strides.size(); ++t) nest.strides[t].back() = strides[t];
    } else {
      nest.dimensions.push_back(extent);
      for (size_t t = 0; t < strides.size(); ++t) nest.strides[t].push_back(strides[t]);
    }
  }
  if (nest.dimensions.empty()) {
    nest.dimensions.push_back(1);
    for (auto& strides : nest.strides) strides.push_back(1);
  }
  return nest;
}

}  // namespace

EmittedKernel emit(llvm::Module& module, const Machine& machine, const Elementwise& kernel, const std::string& name) {
  Builder b(module, machine);
  EmittedKernel result;
  result.body = b.begin_body(name);
  const Nest nest = collapse(kernel);
  const size_t tensors = nest.strides.size(), operands = tensors - 1, rank = nest.dimensions.size();
  const int bytes = kernel.element_bytes;
  llvm::Type* element = bytes == 4 ? b.getFloatTy() : b.getIntNTy(static_cast<unsigned>(bytes) * 8);
  const int width = std::max(1, machine.vector_floats);
  const int64_t inner = nest.dimensions.back();

  // What is cut into tasks: the product of the outer dimensions, or vectors of a single row.
  int64_t rows = 1;
  for (size_t d = 0; d + 1 < rank; ++d) rows *= nest.dimensions[d];
  double cost_per_element = 0.5 * static_cast<double>(tensors);
  for (size_t t = 0; t < tensors; ++t)
    if (nest.strides[t].back() > 1) cost_per_element += 1.5;
  if (is_long(kernel.expression)) cost_per_element += 1.5;
  const Cut cut = cut_work(rows > 1 ? rows : (inner + width - 1) / width, cost_per_element * static_cast<double>(rows > 1 ? inner : width));
  result.tasks = static_cast<uint32_t>(cut.tasks);

  Values base;
  for (size_t t = 0; t < tensors; ++t) base.push_back(b.argument(static_cast<int>(t)));
  Value* first = b.multiply(b.task(), cut.size);
  Value* last = b.smaller(b.add(first, b.index(cut.size)), b.index(cut.total));

  // Invariant operands of the inner loop are loaded once per row by LICM.
  const auto chunk = [&](const Values& row, Value* i, int lanes) {
    Values values;
    for (size_t t = 0; t < operands; ++t) {
      const int64_t stride = nest.strides[t].back();
      values.push_back(b.load_strided(b.at(row[t], b.multiply(i, stride), bytes), stride, width, lanes, element));
    }
    Value* value = kernel.expression.instructions.empty() ? values.at(0) : emit_expression(b, kernel.expression, values);
    b.store_strided(value, b.at(row[operands], b.multiply(i, nest.strides[operands].back()), bytes), nest.strides[operands].back(), lanes);
  };
  const int64_t whole = inner / width * width;
  const int rest = static_cast<int>(inner - whole);
  if (rows > 1) {
    b.loop(first, last, b.index(1), true, [&](Value* number) {
      Values row = base;
      Value* remaining = number;
      for (size_t d = rank - 1; d-- > 0;) {
        Value* position = remaining;
        if (d > 0) {
          position = b.CreateURem(remaining, b.index(nest.dimensions[d]));
          remaining = b.CreateUDiv(remaining, b.index(nest.dimensions[d]));
        }
        for (size_t t = 0; t < tensors; ++t) row[t] = b.at(row[t], b.multiply(position, nest.strides[t][d]), bytes);
      }
      b.loop(b.index(0), b.index(whole), b.index(width), false, [&](Value* i) { chunk(row, i, width); });
      if (rest) chunk(row, b.index(whole), rest);
    });
  } else {
    Value* end = b.smaller(b.multiply(last, width), b.index(whole));
    b.loop(b.multiply(first, width), end, b.index(width), false, [&](Value* i) { chunk(base, i, width); });
    if (rest) b.when(b.CreateICmpEQ(last, b.index(cut.total)), [&] { chunk(base, b.index(whole), rest); });
  }
  b.CreateRetVoid();
  return result;
}

}  // namespace lathe::llvm_cpu
