// Elementwise chains and strided copies. The innermost dimension is vectorised (its remainder with fixed lanes), the next one is a loop,
// what lies outside is cut into tasks. Chains on one operand that is contiguous along another dimension than the output are transposed
// through registers.
#include <algorithm>
#include <numeric>

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

// Drops dimensions of size 1, sorts them by the output's strides and joins neighbours that lie behind one another in every tensor.
Nest collapse(const Elementwise& kernel) {
  Nest nest;
  nest.strides.resize(kernel.operand_strides.size() + 1);
  std::vector<size_t> order(kernel.dimensions.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t x, size_t y) {
    return kernel.output_strides[x] != kernel.output_strides[y] ? kernel.output_strides[x] > kernel.output_strides[y] : x < y;
  });
  for (size_t d : order) {
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

struct ElementwiseEmitter {
  Builder& b;
  const Elementwise& kernel;
  const Nest& nest;
  const size_t tensors = nest.strides.size(), operands = tensors - 1, rank = nest.dimensions.size();
  const int bytes = kernel.element_bytes, width = b.machine.vector_floats;
  llvm::Type* element = bytes == 4 ? b.getFloatTy() : b.getIntNTy(static_cast<unsigned>(bytes) * 8);
  Values base{};

  int64_t stride(size_t tensor, size_t dimension) const { return nest.strides[tensor][dimension]; }

  // `number` taken apart into positions along `dimensions` (the last one changes fastest); yields where each tensor stands then.
  Values locate(Value* number, const std::vector<size_t>& dimensions) const {
    Values at = base;
    for (size_t n = dimensions.size(); n-- > 0;) {
      const size_t d = dimensions[n];
      Value* position = number;
      if (n > 0) {
        position = b.CreateURem(number, b.index(nest.dimensions[d]));
        number = b.CreateUDiv(number, b.index(nest.dimensions[d]));
      }
      for (size_t t = 0; t < tensors; ++t) at[t] = b.at(at[t], b.multiply(position, stride(t, d)), bytes);
    }
    return at;
  }

  Value* result(const Values& values) const {
    return kernel.expression.instructions.empty() ? values.at(0) : emit_expression(b, kernel.expression, values);
  }

  void chunk(const Values& row, Value* i, int lanes) const {
    Values values;
    for (size_t t = 0; t < operands; ++t) {
      const int64_t step = stride(t, rank - 1);
      values.push_back(b.load_strided(b.at(row[t], b.multiply(i, step), bytes), step, width, lanes, element));
    }
    const int64_t step = stride(operands, rank - 1);
    b.store_strided(result(values), b.at(row[operands], b.multiply(i, step), bytes), step, lanes);
  }

  // The loop over the innermost dimension.
  void inner_row(const Values& row) const {
    const int64_t inner = nest.dimensions.back(), whole = inner / width * width;
    b.loop(b.index(0), b.index(whole), b.index(width), false, [&](Value* i) { chunk(row, i, width); });
    if (whole < inner) chunk(row, b.index(whole), static_cast<int>(inner - whole));
  }

  double element_cycles() const {
    double cycles = 0.25 * static_cast<double>(tensors);
    for (size_t t = 0; t < tensors; ++t)
      if (stride(t, rank - 1) > 1) cycles += 1.5;
    return is_long(kernel.expression) ? cycles + 1.5 : cycles;
  }

  std::pair<Value*, Value*> range(const Cut& cut) const {
    Value* first = b.multiply(b.task(), cut.size);
    return {first, b.smaller(b.add(first, b.index(cut.size)), b.index(cut.total))};
  }

  // One dimension: tasks are runs of vectors.
  Cut run_flat() const {
    const int64_t inner = nest.dimensions.back(), whole = inner / width * width;
    const Cut cut = cut_work((inner + width - 1) / width, element_cycles() * width);
    const auto [first, last] = range(cut);
    Value* end = b.smaller(b.multiply(last, width), b.index(whole));
    b.loop(b.multiply(first, width), end, b.index(width), false, [&](Value* i) { chunk(base, i, width); });
    Value* final = last;
    if (whole < inner) b.when(b.CreateICmpEQ(final, b.index(cut.total)), [&] { chunk(base, b.index(whole), static_cast<int>(inner - whole)); });
    return cut;
  }

  // More dimensions: the two innermost are loops, a task is a run of pieces of the second one at places of the outer ones.
  Cut run_rows() const {
    const size_t middle = rank - 2;
    std::vector<size_t> outer;
    int64_t places = 1;
    for (size_t d = 0; d < middle; ++d) {
      outer.push_back(d);
      places *= nest.dimensions[d];
    }
    const double row_cycles = element_cycles() * static_cast<double>(nest.dimensions.back()) + 2;
    const int64_t extent = nest.dimensions[middle];
    const Cut wanted = cut_work(extent, row_cycles);
    const int64_t piece = wanted.size, pieces = wanted.tasks;
    const Cut cut = cut_work(places * pieces, row_cycles * static_cast<double>(piece));
    const auto [first, last] = range(cut);
    b.loop(first, last, b.index(1), true, [&](Value* unit) {
      Value* number = b.CreateURem(unit, b.index(pieces));
      const Values place = locate(b.CreateUDiv(unit, b.index(pieces)), outer);
      Value* begin = b.multiply(number, piece);
      b.loop(begin, b.smaller(b.add(begin, b.index(piece)), b.index(extent)), b.index(1), true, [&](Value* position) {
        Values row = place;
        for (size_t t = 0; t < tensors; ++t) row[t] = b.at(row[t], b.multiply(position, stride(t, middle)), bytes);
        inner_row(row);
      });
    });
    return cut;
  }

  // The dimension along which the only operand is contiguous while the output is not, or rank.
  size_t crossing() const {
    if (operands != 1 || bytes != 4 || stride(1, rank - 1) != 1 || stride(0, rank - 1) == 1 || stride(0, rank - 1) == 0) return rank;
    for (size_t d = 0; d + 1 < rank; ++d)
      if (stride(0, d) == 1 && nest.dimensions[d] >= 4 && nest.dimensions.back() >= 4) return d;
    return rank;
  }

  // Transposition: squares are loaded along the operand's contiguous dimension and stored along the output's.
  Cut run_crossing(size_t crossed) const {
    const int64_t columns = nest.dimensions.back(), rows = nest.dimensions[crossed];
    const int64_t whole_columns = columns / width, whole_rows = rows / width * width, strips = (columns + width - 1) / width;
    std::vector<size_t> outer;
    int64_t places = 1;
    for (size_t d = 0; d + 1 < rank; ++d)
      if (d != crossed) {
        outer.push_back(d);
        places *= nest.dimensions[d];
      }
    const Cut cut = cut_work(places * strips, 6.0 * static_cast<double>(rows));
    const auto [first, last] = range(cut);
    const auto square = [&](const Values& place, Value* column, Value* row, int valid_columns, int valid_rows) {
      Value* from = b.at(b.at(place[0], b.multiply(column, stride(0, rank - 1))), row);
      Value* to = b.at(b.at(place[1], column), b.multiply(row, stride(1, crossed)));
      Values vectors;
      for (int c = 0; c < width; ++c)
        vectors.push_back(c < valid_columns ? b.load(b.at(from, c * stride(0, rank - 1)), width, valid_rows) : b.splat(0.0F, width));
      vectors = b.transpose(vectors);
      for (int r = 0; r < valid_rows; ++r) b.store(result({vectors[static_cast<size_t>(r)]}), b.at(to, r * stride(1, crossed)), valid_columns);
    };
    const auto strip = [&](const Values& place, Value* number, int valid_columns) {
      Value* column = b.multiply(number, width);
      b.loop(b.index(0), b.index(whole_rows), b.index(width), false, [&](Value* row) { square(place, column, row, valid_columns, width); });
      if (whole_rows < rows) square(place, column, b.index(whole_rows), valid_columns, static_cast<int>(rows - whole_rows));
    };
    b.loop(first, last, b.index(1), true, [&](Value* unit) {
      Value* number = b.CreateURem(unit, b.index(strips));
      const Values place = locate(b.CreateUDiv(unit, b.index(strips)), outer);
      const int rest = static_cast<int>(columns - whole_columns * width);
      if (whole_columns == 0)
        strip(place, number, rest);
      else if (rest == 0)
        strip(place, number, width);
      else
        b.when(
            b.CreateICmpEQ(number, b.index(whole_columns)), [&] { strip(place, number, rest); }, [&] { strip(place, number, width); });
    });
    return cut;
  }
};

}  // namespace

EmittedKernel emit(llvm::Module& module, const Machine& machine, const Elementwise& kernel, const std::string& name) {
  Builder b(module, machine);
  EmittedKernel result;
  result.body = b.begin_body(name);
  const Nest nest = collapse(kernel);
  ElementwiseEmitter emitter{b, kernel, nest};
  for (size_t t = 0; t < nest.strides.size(); ++t) emitter.base.push_back(b.argument(static_cast<int>(t)));
  const size_t crossed = emitter.crossing();
  const Cut cut = nest.dimensions.size() == 1        ? emitter.run_flat()
                  : crossed < nest.dimensions.size() ? emitter.run_crossing(crossed)
                                                     : emitter.run_rows();
  result.tasks = static_cast<uint32_t>(cut.tasks);
  b.CreateRetVoid();
  return result;
}

}  // namespace lathe::llvm_cpu
