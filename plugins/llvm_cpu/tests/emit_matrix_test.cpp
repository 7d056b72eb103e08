// Emitted matrix products against plain loops in double precision: constant, row-major and transposed B, transposed A, batches that
// broadcast, bias and epilogues, for every instruction set of this machine.
#include <doctest/doctest.h>

#include "emit_jit.hpp"
#include "emit_tensors.hpp"
#include "plan/pack.hpp"

using namespace lathe::llvm_cpu;

namespace {

using Operation = Expression::Operation;
enum class Second { constant, constant_transposed, rows, columns };

void check(const Machine& machine, int64_t m, int64_t n, int64_t k, Second second, bool transposed_a, bool bias, int epilogue,
           std::vector<int64_t> batch, bool broadcast) {
  MatrixProduct kernel;
  kernel.m = m;
  kernel.n = n;
  kernel.k = k;
  kernel.batch = batch;
  kernel.bias = bias;
  kernel.a_row_stride = transposed_a ? 1 : k;
  kernel.a_column_stride = transposed_a ? m : 1;
  kernel.constant_b = second == Second::constant || second == Second::constant_transposed;
  kernel.b_row_stride = second == Second::columns ? 1 : n;
  kernel.b_column_stride = second == Second::columns ? k : 1;
  int64_t items = 1;
  for (int64_t extent : batch) items *= extent;
  int64_t stride = 1;
  kernel.a_batch_stride.resize(batch.size());
  kernel.b_batch_stride.resize(batch.size());
  for (size_t d = batch.size(); d-- > 0; stride *= batch[d]) {
    kernel.a_batch_stride[d] = stride * m * k;
    kernel.b_batch_stride[d] = kernel.constant_b || (broadcast && d == 0) ? 0 : stride * k * n;
  }
  if (epilogue == 1) {
    kernel.epilogue.expression = {4, {{Operation::multiply, 0, 3}, {Operation::add, 4, 1}, {Operation::multiply, 5, 2}, {Operation::relu, 6}}};
    kernel.epilogue.operands = {{Access::same, 0}, {Access::per_channel, 0}, {Access::scalar, 0}};
  } else if (epilogue == 2) {
    kernel.epilogue.expression = {1, {{Operation::sigmoid, 0}}};
  }
  if (!unsupported(machine, kernel).empty()) return;
  INFO(machine.cpu << ' ' << m << 'x' << n << 'x' << k << " second " << static_cast<int>(second) << " transposed_a " << transposed_a << " bias "
                   << bias << " epilogue " << epilogue << " items " << items << " broadcast " << broadcast);
  Random random(11);
  auto a = random.floats(items * m * k);
  auto b = random.floats((kernel.constant_b ? 1 : items) * k * n);
  auto bias_values = random.floats(n), same = random.floats(items * m * n), channel = random.floats(n);
  float scalar = 0.5F;
  std::vector<float> packed;
  if (kernel.constant_b) packed = pack_matrix(machine, kernel, b, second == Second::constant_transposed);
  Guarded output(items * m * n);
  std::vector<void*> arguments{a.data(), kernel.constant_b ? packed.data() : b.data()};
  if (bias) arguments.push_back(bias_values.data());
  if (epilogue == 1) arguments.insert(arguments.end(), {same.data(), channel.data(), &scalar});
  arguments.push_back(output.data());
  CompiledKernel compiled(machine, kernel);
  compiled.run(arguments);
  CHECK(output.intact());
  double worst = 0;
  for (int64_t item = 0; item < items; ++item) {
    int64_t from_a = 0, from_b = 0, rest = item;
    for (size_t d = batch.size(); d-- > 0; rest /= batch[d]) {
      from_a += rest % batch[d] * kernel.a_batch_stride[d];
      from_b += rest % batch[d] * kernel.b_batch_stride[d];
    }
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double sum = bias ? bias_values[static_cast<size_t>(j)] : 0;
        for (int64_t p = 0; p < k; ++p) {
          const bool by_column = second == Second::columns || second == Second::constant_transposed;
          sum += static_cast<double>(a[static_cast<size_t>(from_a + (transposed_a ? p * m + i : i * k + p))]) *
                 b[static_cast<size_t>(from_b + (by_column ? j * k + p : p * n + j))];
        }
        const auto at = static_cast<size_t>((item * m + i) * n + j);
        if (epilogue == 1) sum = std::max(0.0, (sum * scalar + same[at]) * channel[static_cast<size_t>(j)]);
        // operands are numbered 1: same, 2: per channel, 3: scalar
        if (epilogue == 2) sum = 1 / (1 + std::exp(-sum));
        worst = std::max(worst, difference(output.data()[at], sum));
      }
  }
  CHECK(worst < 2e-5 * std::sqrt(static_cast<double>(k)));
}

}  // namespace

TEST_CASE("matrix products") {
  const int64_t sizes[][3] = {{1, 1000, 64}, {1, 1, 1},    {14, 32, 16}, {15, 33, 17}, {64, 64, 64},
                              {7, 100, 3},   {50, 5, 129}, {3, 17, 1},   {128, 1, 40}};
  for (const Machine& machine : test_machines())
    for (const auto& s : sizes)
      for (Second second : {Second::constant, Second::constant_transposed, Second::rows, Second::columns})
        for (bool transposed_a : {false, true})
          check(machine, s[0], s[1], s[2], second, transposed_a, transposed_a, static_cast<int>(s[0] + s[1]) % 3, {}, false);
}

TEST_CASE("batches of matrix products") {
  for (const Machine& machine : test_machines())
    for (Second second : {Second::constant, Second::rows, Second::columns})
      for (bool broadcast : {false, true}) {
        check(machine, 9, 20, 12, second, false, true, 1, {2, 3}, broadcast);
        check(machine, 1, 5, 30, second, true, false, 2, {4}, broadcast);
        check(machine, 197, 64, 64, second, false, false, 0, {3}, broadcast);
      }
}
