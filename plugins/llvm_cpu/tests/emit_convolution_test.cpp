// Emitted convolutions (dense, grouped, depthwise, transposed) against plain loops in double precision, for every instruction set of
// this machine, over a table of shapes and seeded random ones.
#include <doctest/doctest.h>

#include <random>

#include "emit_jit.hpp"
#include "emit_tensors.hpp"
#include "plan/pack.hpp"

using namespace lathe::llvm_cpu;

namespace {

using Operation = Expression::Operation;

struct Case {
  int64_t batch = 1, groups = 1, inputs = 1, outputs = 1, height = 1, width = 1;
  std::array<int64_t, 2> kernel{1, 1}, stride{1, 1}, dilation{1, 1}, pad{0, 0}, pad_end{0, 0};
  int epilogue = 0;  // 0: none, 1: relu(x + residual), 2: silu(x) * scale[channel] + scalar
};

Epilogue epilogue_of(int number, int64_t residual_batch) {
  Epilogue e;
  if (number == 1) {
    e.expression = {2, {{Operation::add, 0, 1}, {Operation::relu, 2}}};
    e.operands = {{Access::same, residual_batch}};
  } else if (number == 2) {
    e.expression = {3, {{Operation::silu, 0}, {Operation::multiply, 3, 1}, {Operation::add, 4, 2}}};
    e.operands = {{Access::per_channel, 0}, {Access::scalar, 0}};
  }
  return e;
}

std::string describe(const Machine& machine, const Case& c, Layout from, Layout to) {
  std::ostringstream text;
  text << machine.cpu << " batch " << c.batch << " groups " << c.groups << ' ' << c.inputs << "->" << c.outputs << ' ' << c.height << 'x' << c.width
       << " kernel " << c.kernel[0] << 'x' << c.kernel[1] << " stride " << c.stride[0] << ',' << c.stride[1] << " dilation " << c.dilation[0] << ','
       << c.dilation[1] << " pad " << c.pad[0] << ',' << c.pad[1] << ' ' << c.pad_end[0] << ',' << c.pad_end[1] << " epilogue " << c.epilogue
       << (from == Layout::blocked ? " blocked" : " plain") << (to == Layout::blocked ? "->blocked" : "->plain");
  return text.str();
}

double finish(int epilogue, double sum, double residual, double scale, double scalar) {
  if (epilogue == 1) return std::max(0.0, sum + residual);
  if (epilogue == 2) return sum / (1 + std::exp(-sum)) * scale + scalar;
  return sum;
}

void check(const Machine& machine, const Case& c, Layout from, Layout to) {
  Convolution kernel;
  kernel.batch = c.batch;
  kernel.groups = c.groups;
  const int64_t block = machine.block();
  const auto extent = [&](int64_t size, size_t d) {
    return (size + c.pad[d] + c.pad_end[d] - (c.kernel[d] - 1) * c.dilation[d] - 1) / c.stride[d] + 1;
  };
  const int64_t oh = extent(c.height, 0), ow = extent(c.width, 1);
  if (oh < 1 || ow < 1) return;
  kernel.input = image(block, c.inputs, c.height, c.width, from);
  kernel.output = image(block, c.outputs, oh, ow, to);
  kernel.kernel = c.kernel;
  kernel.stride = c.stride;
  kernel.dilation = c.dilation;
  kernel.pad_begin = c.pad;
  kernel.epilogue = epilogue_of(c.epilogue, kernel.output.batch_stride);
  if (!unsupported(machine, kernel).empty()) return;
  INFO(describe(machine, c, from, to));

  Random random(7);
  const int64_t per_group = c.inputs / c.groups, outputs_per_group = c.outputs / c.groups, area = c.kernel[0] * c.kernel[1];
  const auto x = random.floats(c.batch * c.inputs * c.height * c.width);
  const auto w = random.floats(c.outputs * per_group * area);
  auto bias = random.floats(c.outputs);
  auto scale = random.floats(c.outputs);
  const auto residual = random.floats(c.batch * c.outputs * oh * ow);
  float scalar = 0.75F;
  const auto bias_values = bias, scale_values = scale;
  bias.resize(static_cast<size_t>((c.outputs + block - 1) / block * block));
  scale.resize(bias.size());

  auto input = lay_out(x, c.batch, kernel.input, block);
  auto residual_memory = lay_out(residual, c.batch, kernel.output, block);
  Guarded output(c.batch * kernel.output.batch_stride);
  auto packed = pack_weights(machine, kernel, w);
  std::vector<void*> arguments{input.data(), packed.data(), bias.data()};
  if (c.epilogue == 1) arguments.push_back(residual_memory.data());
  if (c.epilogue == 2) {
    arguments.push_back(scale.data());
    arguments.push_back(&scalar);
  }
  arguments.push_back(output.data());
  CompiledKernel compiled(machine, kernel);
  compiled.run(arguments);
  CHECK(output.intact());

  double worst = 0;
  for (int64_t n = 0; n < c.batch; ++n)
    for (int64_t oc = 0; oc < c.outputs; ++oc)
      for (int64_t y = 0; y < oh; ++y)
        for (int64_t z = 0; z < ow; ++z) {
          double sum = bias_values[static_cast<size_t>(oc)];
          for (int64_t ic = 0; ic < per_group; ++ic)
            for (int64_t r = 0; r < c.kernel[0]; ++r)
              for (int64_t q = 0; q < c.kernel[1]; ++q) {
                const int64_t ih = y * c.stride[0] - c.pad[0] + r * c.dilation[0], iw = z * c.stride[1] - c.pad[1] + q * c.dilation[1];
                if (ih < 0 || iw < 0 || ih >= c.height || iw >= c.width) continue;
                const int64_t channel = oc / outputs_per_group * per_group + ic;
                sum += static_cast<double>(x[static_cast<size_t>(((n * c.inputs + channel) * c.height + ih) * c.width + iw)]) *
                       w[static_cast<size_t>((oc * per_group + ic) * area + r * c.kernel[1] + q)];
              }
          const size_t at = static_cast<size_t>(((n * c.outputs + oc) * oh + y) * ow + z);
          const double expected = finish(c.epilogue, sum, residual[at], scale_values[static_cast<size_t>(oc)], scalar);
          worst = std::max(worst, difference(output.data()[element(kernel.output, block, n, oc, y, z)], expected));
        }
  CHECK(worst < 2e-5 * std::sqrt(static_cast<double>(per_group * area)));
}

void check_all(const Case& c) {
  for (const Machine& machine : test_machines())
    for (Layout from : {Layout::plain, Layout::blocked})
      for (Layout to : {Layout::plain, Layout::blocked}) check(machine, c, from, to);
}

}  // namespace

TEST_CASE("convolutions of a table of shapes") {
  const Case cases[] = {
      {.inputs = 3, .outputs = 16, .height = 11, .width = 37, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}, .pad_end = {1, 1}, .epilogue = 2},
      {.inputs = 3, .outputs = 24, .height = 19, .width = 21, .kernel = {7, 7}, .stride = {2, 2}, .pad = {3, 3}, .pad_end = {3, 3}},
      {.batch = 2, .inputs = 32, .outputs = 64, .height = 9, .width = 14, .kernel = {3, 3}, .pad = {1, 1}, .pad_end = {1, 1}, .epilogue = 1},
      {.inputs = 48, .outputs = 80, .height = 5, .width = 20, .kernel = {3, 3}, .pad = {1, 1}, .pad_end = {1, 1}, .epilogue = 2},
      {.batch = 2, .inputs = 33, .outputs = 47, .height = 7, .width = 7, .epilogue = 1},
      {.inputs = 64, .outputs = 1, .height = 10, .width = 10, .epilogue = 2},
      {.inputs = 17, .outputs = 31, .height = 8, .width = 9, .stride = {2, 2}, .epilogue = 1},
      {.inputs = 96, .outputs = 200, .height = 1, .width = 1, .epilogue = 2},
      {.inputs = 20, .outputs = 12, .height = 9, .width = 40, .kernel = {3, 3}, .dilation = {2, 3}, .pad = {2, 3}, .pad_end = {2, 3}},
      {.inputs = 8, .outputs = 8, .height = 1, .width = 50, .kernel = {1, 5}, .stride = {1, 2}, .pad = {0, 2}, .pad_end = {0, 1}, .epilogue = 2},
      {.inputs = 5, .outputs = 6, .height = 4, .width = 4, .kernel = {1, 1}, .pad = {1, 1}, .pad_end = {2, 2}},
      {.inputs = 4, .outputs = 16, .height = 3, .width = 3, .kernel = {5, 5}, .pad = {4, 4}, .pad_end = {4, 4}},
      {.groups = 2, .inputs = 64, .outputs = 32, .height = 6, .width = 15, .kernel = {3, 3}, .pad = {1, 1}, .pad_end = {1, 1}, .epilogue = 1},
      {.batch = 2, .groups = 3, .inputs = 60, .outputs = 60, .height = 7, .width = 9, .epilogue = 2},
      {.groups = 4, .inputs = 12, .outputs = 20, .height = 6, .width = 6, .kernel = {3, 3}, .epilogue = 1},
      {.inputs = 16, .outputs = 16, .height = 112, .width = 112, .kernel = {3, 3}, .pad = {1, 1}, .pad_end = {1, 1}},
  };
  for (const Case& c : cases) check_all(c);
}

TEST_CASE("depthwise convolutions") {
  for (int epilogue : {0, 1, 2}) {
    check_all({.batch = 2,
               .groups = 40,
               .inputs = 40,
               .outputs = 40,
               .height = 9,
               .width = 23,
               .kernel = {3, 3},
               .pad = {1, 1},
               .pad_end = {1, 1},
               .epilogue = epilogue});
    check_all({.groups = 33,
               .inputs = 33,
               .outputs = 33,
               .height = 14,
               .width = 14,
               .kernel = {5, 5},
               .stride = {2, 2},
               .pad = {2, 2},
               .pad_end = {2, 2},
               .epilogue = epilogue});
    check_all({.groups = 16,
               .inputs = 16,
               .outputs = 16,
               .height = 3,
               .width = 3,
               .kernel = {5, 5},
               .dilation = {2, 1},
               .pad = {4, 2},
               .pad_end = {4, 2},
               .epilogue = epilogue});
  }
}

TEST_CASE("plain output whose channels lie apart") {
  for (const Machine& machine : test_machines()) {
    const int64_t block = machine.block(), inputs = 20, outputs = 37, size = 9, stride = 100;
    Convolution kernel;
    kernel.input = image(block, inputs, size, size, Layout::blocked);
    kernel.output = {outputs, size, size, Layout::plain, outputs * stride, stride};
    REQUIRE(unsupported(machine, kernel).empty());
    Random random(23);
    const auto x = random.floats(inputs * size * size), w = random.floats(outputs * inputs);
    auto input = lay_out(x, 1, kernel.input, block);
    std::vector<float> bias(48, 0.25F);
    auto packed = pack_weights(machine, kernel, w);
    Guarded output(outputs * stride);
    const float untouched = output.data()[0];
    CompiledKernel(machine, kernel).run({input.data(), packed.data(), bias.data(), output.data()});
    double worst = 0;
    for (int64_t oc = 0; oc < outputs; ++oc)
      for (int64_t pixel = 0; pixel < stride; ++pixel) {
        double sum = 0.25;
        for (int64_t ic = 0; ic < inputs && pixel < size * size; ++ic)
          sum += static_cast<double>(x[static_cast<size_t>(ic * size * size + pixel)]) * w[static_cast<size_t>(oc * inputs + ic)];
        worst = std::max(worst, difference(output.data()[oc * stride + pixel], pixel < size * size ? sum : untouched));
      }
    CHECK(worst < 1e-4);
  }
}

TEST_CASE("convolutions of random shapes") {
  std::mt19937 generator(20240617);
  const auto pick = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(generator); };
  for (int round = 0; round < 40; ++round) {
    Case c;
    c.batch = pick(1, 2);
    c.groups = pick(0, 3) == 0 ? pick(2, 4) : 1;
    c.inputs = c.groups * pick(1, 20);
    c.outputs = c.groups * pick(1, 40);
    c.height = pick(1, 12);
    c.width = pick(1, 40);
    for (size_t d = 0; d < 2; ++d) {
      c.kernel[d] = pick(1, 5);
      c.stride[d] = pick(1, 3);
      c.dilation[d] = pick(1, 2);
      c.pad[d] = pick(0, 3);
      c.pad_end[d] = pick(0, 3);
    }
    c.epilogue = static_cast<int>(pick(0, 2));
    check_all(c);
  }
}

TEST_CASE("transposed convolutions whose kernel equals their stride") {
  for (const Machine& machine : test_machines()) {
    for (Layout from : {Layout::plain, Layout::blocked}) {
      for (int64_t outputs : {16, 40}) {
        INFO(machine.cpu << " outputs " << outputs);
        const int64_t block = machine.block(), batch = 2, inputs = 24, height = 5, width = 17, sh = 2, sw = 3;
        TransposedConvolution kernel;
        kernel.batch = batch;
        kernel.stride = {sh, sw};
        kernel.input = image(block, inputs, height, width, from);
        kernel.output = image(block, outputs, height * sh, width * sw, Layout::blocked);
        kernel.epilogue = epilogue_of(1, kernel.output.batch_stride);
        REQUIRE(unsupported(machine, kernel).empty());
        Random random(3);
        const auto x = random.floats(batch * inputs * height * width);
        const auto w = random.floats(inputs * outputs * sh * sw);
        const auto residual = random.floats(batch * outputs * height * sh * width * sw);
        auto bias = random.floats(outputs);
        bias.resize(static_cast<size_t>((outputs + block - 1) / block * block));
        auto input = lay_out(x, batch, kernel.input, block);
        auto residual_memory = lay_out(residual, batch, kernel.output, block);
        auto packed = pack_weights(machine, kernel, w);
        Guarded output(batch * kernel.output.batch_stride);
        CompiledKernel compiled(machine, kernel);
        compiled.run({input.data(), packed.data(), bias.data(), residual_memory.data(), output.data()});
        CHECK(output.intact());
        double worst = 0;
        for (int64_t n = 0; n < batch; ++n)
          for (int64_t oc = 0; oc < outputs; ++oc)
            for (int64_t y = 0; y < height * sh; ++y)
              for (int64_t z = 0; z < width * sw; ++z) {
                double sum = bias[static_cast<size_t>(oc)] + residual[static_cast<size_t>(((n * outputs + oc) * height * sh + y) * width * sw + z)];
                for (int64_t ic = 0; ic < inputs; ++ic)
                  sum += static_cast<double>(x[static_cast<size_t>(((n * inputs + ic) * height + y / sh) * width + z / sw)]) *
                         w[static_cast<size_t>(((ic * outputs + oc) * sh + y % sh) * sw + z % sw)];
                worst = std::max(worst, difference(output.data()[element(kernel.output, block, n, oc, y, z)], std::max(0.0, sum)));
              }
        CHECK(worst < 1e-4);
      }
    }
  }
}
