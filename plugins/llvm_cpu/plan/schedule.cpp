// The cost function behind the schedules: see schedule.hpp.
#include "plan/schedule.hpp"

#include <algorithm>
#include <limits>

namespace lathe::llvm_cpu {

namespace {

int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

constexpr double cycles_per_task = 30e3;
constexpr int64_t most_tasks = 256, enough_tasks = 32;

// Cycles for one step of the innermost loop of a tile: two multiply-adds and two loads a cycle, and a chain through each accumulator,
// whose latency of four is only just hidden by eight of them. Machines without fused multiply-add mostly lack a broadcasting load and
// three-operand instructions as well: there the number of instructions decides.
double step_cycles(const Machine& machine, int64_t vectors, int64_t pixels) {
  const auto products = static_cast<double>(vectors * pixels), loads = static_cast<double>(vectors + pixels);
  if (!machine.fused_multiply_add) return std::max(5.0, (3.0 * products + 2.0 * loads) / 5.0);
  return std::max({0.5 * products, 0.5 * loads, 5.0});
}

// Cuts two nested ranges into about `wanted` tasks: the first as finely as needed, the second only where that leaves too few for many
// threads, since every piece of the second reads again what the first one cut.
void cut_both(Cut& first, int64_t first_units, Cut& second, int64_t second_units, double cycles) {
  const int64_t wanted = std::clamp<int64_t>(static_cast<int64_t>(cycles / cycles_per_task), 1, most_tasks);
  const auto cut = [](int64_t units, int64_t pieces) {
    Cut c;
    c.total = units;
    c.size = ceil_divide(units, std::clamp<int64_t>(pieces, 1, units));
    c.tasks = ceil_divide(units, c.size);
    return c;
  };
  first = cut(first_units, wanted);
  second = cut(second_units, ceil_divide(std::min(wanted, enough_tasks), first.tasks));
}

}  // namespace

Cut cut_work(int64_t units, double cycles_per_unit) {
  Cut cut;
  cut.total = std::max<int64_t>(units, 1);
  const double pieces = static_cast<double>(cut.total) * cycles_per_unit / cycles_per_task;
  const int64_t wanted = std::clamp<int64_t>(static_cast<int64_t>(pieces), 1, std::min(cut.total, most_tasks));
  cut.size = ceil_divide(cut.total, wanted);
  cut.tasks = ceil_divide(cut.total, cut.size);
  return cut;
}

TileSize choose_tile(const Machine& machine, int64_t blocks, int64_t width, int64_t depth) {
  TileSize best;
  double best_cost = std::numeric_limits<double>::infinity();
  const int registers = std::max(machine.vector_registers, 8);
  const int spare = machine.fused_multiply_add ? 1 : 2;                         // the broadcast scalar, and a product that is not fused
  const double turn = 10.0 / static_cast<double>(std::max<int64_t>(depth, 1));  // loop and store overhead of a tile, per step
  for (int vectors = 1; vectors <= std::min<int64_t>(blocks, 8); ++vectors) {
    for (int pixels = 1; pixels <= std::min<int64_t>(width, 28); ++pixels) {
      if (vectors * pixels + vectors + spare > registers) break;
      const auto row = [&](int64_t v) {
        const auto one = [&](int64_t p) { return step_cycles(machine, v, p) + turn * (1.0 + 0.1 * static_cast<double>(v * p)); };
        double cost = static_cast<double>(width / pixels) * one(pixels);
        if (width % pixels) cost += one(width % pixels);
        return cost;
      };
      double cost = static_cast<double>(blocks / vectors) * row(vectors);
      if (blocks % vectors) cost += row(blocks % vectors);
      // Another remainder is more code; streaming weights for few pixels loads the second-level cache.
      if (width % pixels) cost *= 1.01;
      if (blocks % vectors) cost *= 1.01;
      cost *= 1.0 + 0.04 / pixels;
      if (cost < best_cost) {
        best_cost = cost;
        best = {vectors, pixels};
      }
    }
  }
  return best;
}

ConvolutionSchedule schedule(const Machine& machine, const Convolution& kernel) {
  ConvolutionSchedule s;
  const int64_t block = machine.block(), groups = std::max<int64_t>(kernel.groups, 1);
  const Image& in = kernel.input;
  const Image& out = kernel.output;
  s.depthwise = groups > 1 && groups == in.channels && groups == out.channels && in.layout == Layout::blocked && out.layout == Layout::blocked;
  if (s.depthwise) {
    const int64_t area = kernel.kernel[0] * kernel.kernel[1];
    s.blocks = ceil_divide(out.channels, block);
    s.vector_groups = s.blocks;
    s.depth = area;
    // Columns of one output row: accumulators, the kernel's row of weights, and an input.
    const int64_t room = std::max<int64_t>(2, machine.vector_registers - std::min<int64_t>(kernel.kernel[1], 8) - 3);
    const int64_t tiles = ceil_divide(out.width, std::min<int64_t>(room, 14));
    s.tile = {1, static_cast<int>(ceil_divide(out.width, tiles))};
    const double row = static_cast<double>(out.width * (area + 4));
    cut_both(s.vector_cut, s.blocks, s.row_cut, out.height, row * static_cast<double>(out.height * s.blocks));
    return s;
  }
  const int64_t channels = in.channels / groups;
  s.depth = channels * kernel.kernel[0] * kernel.kernel[1];
  s.blocks = ceil_divide(out.channels / groups, block);
  s.flat = kernel.kernel[0] == 1 && kernel.kernel[1] == 1 && kernel.stride[0] == 1 && kernel.stride[1] == 1 && kernel.pad_begin[0] == 0 &&
           kernel.pad_begin[1] == 0 && in.height == out.height && in.width == out.width;
  const int64_t width = s.flat ? out.height * out.width : out.width;
  s.tile = choose_tile(machine, s.blocks, width, s.depth);
  s.vector_groups = ceil_divide(s.blocks, s.tile.vectors);
  const double cycles = 0.5 * static_cast<double>(s.blocks * s.depth) * static_cast<double>(out.height * out.width);
  const int64_t rows = s.flat ? ceil_divide(width, s.tile.pixels) : out.height;
  // Whichever is larger, weights or image, is cut first, so that each part of it is read by few.
  const double weights = static_cast<double>(s.depth * out.channels), image = static_cast<double>(channels * in.height * in.width);
  s.weights_first = weights > image;
  s.streams_weights = s.weights_first && 4 * weights > 0.25 * static_cast<double>(machine.level2_bytes);
  if (s.weights_first)
    cut_both(s.vector_cut, s.vector_groups, s.row_cut, rows, cycles);
  else
    cut_both(s.row_cut, rows, s.vector_cut, s.vector_groups, cycles);
  // What a task reads of the image stays in the second-level cache while it goes through the groups of channels.
  const int64_t row_bytes = 4 * channels * (s.flat ? s.tile.pixels : in.width * kernel.stride[0]);
  if (s.vector_cut.size > 1) {
    const int64_t fitting = std::max<int64_t>(1, machine.level2_bytes / 2 / std::max<int64_t>(row_bytes, 1));
    if (s.row_cut.size > fitting) {
      s.row_cut.size = fitting;
      s.row_cut.tasks = ceil_divide(rows, fitting);
    }
  }
  return s;
}

TransposedSchedule schedule(const Machine& machine, const TransposedConvolution& kernel) {
  TransposedSchedule s;
  s.blocks = ceil_divide(kernel.output.channels, machine.block());
  s.tile = choose_tile(machine, s.blocks, kernel.input.width, kernel.input.channels);
  s.vector_groups = ceil_divide(s.blocks, s.tile.vectors);
  const int64_t positions = kernel.stride[0] * kernel.stride[1];
  const double cycles =
      0.5 * static_cast<double>(s.blocks * positions * kernel.input.channels) * static_cast<double>(kernel.input.height * kernel.input.width);
  cut_both(s.row_cut, kernel.input.height, s.vector_cut, s.vector_groups * positions, cycles);
  return s;
}

MatrixSchedule schedule(const Machine& machine, const MatrixProduct& kernel) {
  MatrixSchedule s;
  const int64_t n = std::max<int64_t>(kernel.n, 1), m = std::max<int64_t>(kernel.m, 1);
  s.blocks = ceil_divide(n, machine.block());
  s.tile = choose_tile(machine, s.blocks, m, kernel.k);
  s.vector_groups = ceil_divide(s.blocks, s.tile.vectors);
  const int64_t rows = ceil_divide(m, s.tile.pixels);
  int64_t batch = 1;
  for (int64_t extent : kernel.batch) batch *= extent;
  const double cycles = 0.5 * static_cast<double>(s.blocks * std::max<int64_t>(kernel.k, 1) * m);
  s.batch_cut = cut_work(batch, cycles);
  s.streams_weights = kernel.constant_b && n * kernel.k * 4 > machine.level2_bytes / 4 && m <= 64;
  // What the batch does not yield in tasks comes from within one product.
  const double each = cycles / static_cast<double>(std::max<int64_t>(1, s.batch_cut.tasks / 64));
  if (n >= m)
    cut_both(s.vector_cut, s.vector_groups, s.row_cut, rows, each);
  else
    cut_both(s.row_cut, rows, s.vector_cut, s.vector_groups, each);
  return s;
}

}  // namespace lathe::llvm_cpu
