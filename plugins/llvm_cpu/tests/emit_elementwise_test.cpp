// Emitted elementwise kernels: every operation over a dense sweep of numbers and the special ones, strided and broadcast copies, element
// sizes, reorders, pooling and upsampling; for every instruction set of this machine.
#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <numeric>

#include "emit_jit.hpp"
#include "emit_tensors.hpp"

using namespace lathe::llvm_cpu;

namespace {

using Operation = Expression::Operation;

// The distance between a result and the exact one in units of the last place of the exact one (of the smallest normal number at least).
double ulps(float value, double exact) {
  if (std::isnan(exact)) return std::isnan(value) ? 0 : 1e30;
  const auto rounded = static_cast<float>(exact);
  if (value == rounded) return 0;
  if (!std::isfinite(value)) return std::isfinite(rounded) && std::abs(rounded) < 3.4e38F ? 1e30 : 1;
  if (!std::isfinite(rounded)) return std::abs(value) > 3.3e38F ? 1 : 1e30;
  const double place = std::ldexp(1.0, std::max(-149, std::ilogb(std::max(std::abs(exact), 1.17549435e-38)) - 23));
  return std::abs(static_cast<double>(value) - exact) / place;
}

// Every 2^-8th step of every binade of both signs, the ends of the range, and the numbers around which functions change.
std::vector<float> sweep() {
  std::vector<float> values{0.0F,
                            -0.0F,
                            1.0F,
                            -1.0F,
                            0.5F,
                            -0.5F,
                            1.5F,
                            -1.5F,
                            2.5F,
                            -2.5F,
                            87.33F,
                            88.0F,
                            88.4F,
                            88.72F,
                            88.73F,
                            -87.33F,
                            -87.34F,
                            -103.97F,
                            -104.0F,
                            -150.0F,
                            0.625F,
                            3.4e38F,
                            -3.4e38F,
                            1.2e-38F,
                            1e-40F,
                            -1e-40F,
                            1e-45F,
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()};
  for (uint32_t bits = 0; bits < 0x7F800000U; bits += 0x8037U) {
    float value = 0;
    std::memcpy(&value, &bits, 4);
    values.push_back(value);
    values.push_back(-value);
  }
  for (int i = -20000; i <= 20000; ++i) values.push_back(static_cast<float>(i) * 0.005F);
  return values;
}

std::vector<float> run_unary(const Machine& machine, Expression::Instruction instruction, std::vector<float>& x) {
  Elementwise kernel;
  kernel.dimensions = {static_cast<int64_t>(x.size())};
  kernel.operand_strides = {{1}};
  kernel.output_strides = {1};
  instruction.a = 0;
  kernel.expression = {1, {instruction}};
  CompiledKernel compiled(machine, kernel);
  Guarded output(static_cast<int64_t>(x.size()));
  compiled.run({x.data(), output.data()});
  CHECK(output.intact());
  return {output.data(), output.data() + x.size()};
}

struct Function {
  const char* name;
  Expression::Instruction instruction;
  std::function<double(double)> exact;
  double limit;                                                                                           // units of the last place
  double absolute = 0;                                                                                    // or this much
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();  // range that is checked
};

double clamp(double x, double low, double high) { return std::isnan(x) ? x : std::min(std::max(x, low), high); }

const std::vector<Function>& functions() {
  static const std::vector<Function> all{
      {"negate", {Operation::negate}, [](double x) { return -x; }, 0},
      {"absolute", {Operation::absolute}, [](double x) { return std::abs(x); }, 0},
      {"exponential", {Operation::exponential}, [](double x) { return std::exp(x); }, 2},
      {"logarithm", {Operation::logarithm}, [](double x) { return std::log(x); }, 2},
      {"square_root", {Operation::square_root}, [](double x) { return std::sqrt(x); }, 0.51},
      {"reciprocal", {Operation::reciprocal}, [](double x) { return 1 / x; }, 0.51},
      {"floor", {Operation::floor}, [](double x) { return std::floor(x); }, 0},
      {"ceiling", {Operation::ceiling}, [](double x) { return std::ceil(x); }, 0},
      {"round_even", {Operation::round_even}, [](double x) { return std::nearbyint(x); }, 0},
      {"sigmoid", {Operation::sigmoid}, [](double x) { return 1 / (1 + std::exp(-x)); }, 4, 1.7e-38},
      {"tanh", {Operation::tanh}, [](double x) { return std::tanh(x); }, 3},
      {"erf", {Operation::erf}, [](double x) { return std::erf(x); }, 3},
      {"sign", {Operation::sign}, [](double x) { return std::isnan(x) || x == 0 ? x : std::copysign(1.0, x); }, 0},
      {"sine", {Operation::sine}, [](double x) { return std::sin(x); }, 0, 2e-7, -1e8, 1e8},
      {"cosine", {Operation::cosine}, [](double x) { return std::cos(x); }, 0, 2e-7, -1e8, 1e8},
      {"relu", {Operation::relu}, [](double x) { return std::isnan(x) ? x : std::max(x, 0.0); }, 0},
      {"silu", {Operation::silu}, [](double x) { return x / (1 + std::exp(-x)); }, 4, 2e-36},
      {"hard_swish", {Operation::hard_swish}, [](double x) { return x * clamp(x / 6 + 0.5, 0, 1); }, 4, 1e-6, -3e38, 1e300},
      {"leaky_relu", {Operation::leaky_relu, 0, -1, 0.1F}, [](double x) { return x < 0 ? x * double{0.1F} : x; }, 0.51},
      {"clip", {Operation::clip, 0, -1, -1.5F, 6}, [](double x) { return clamp(x, -1.5, 6); }, 0},
      {"hard_sigmoid", {Operation::hard_sigmoid, 0, -1, 0.25F, 0.5F}, [](double x) { return clamp(0.25 * x + 0.5, 0, 1); }, 1, 1e-7},
      {"elu", {Operation::elu, 0, -1, 1.5F}, [](double x) { return x < 0 ? 1.5 * (std::exp(x) - 1) : x; }, 4, 2e-7},
      {"fake_quantise",
       {Operation::fake_quantise, 0, -1, 0.5F, 3, -128, 127},
       [](double x) { return (clamp(std::nearbyint(x / 0.5) + 3, -128, 127) - 3) * 0.5; },
       0},
  };
  return all;
}

double binary(Operation operation, double x, double y) {
  const bool none = std::isnan(x) || std::isnan(y);
  switch (operation) {
    case Operation::add:
      return x + y;
    case Operation::subtract:
      return x - y;
    case Operation::multiply:
      return x * y;
    case Operation::divide:
      return x / y;
    case Operation::prelu:
      return x < 0 ? x * y : x;
    case Operation::maximum:
      return none ? std::nan("") : std::max(x, y);
    case Operation::minimum:
      return none ? std::nan("") : std::min(x, y);
    default:
      return std::pow(x, y);
  }
}

}  // namespace

TEST_CASE("elementary functions over a sweep") {
  auto x = sweep();
  for (const Machine& machine : test_machines()) {
    for (const Function& function : functions()) {
      INFO(machine.cpu << ' ' << function.name);
      const auto result = run_unary(machine, function.instruction, x);
      double worst = 0;
      float worst_at = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double value = x[i];
        if (value < function.low || value > function.high) continue;
        const double exact = function.exact(value);
        if (std::abs(result[i] - exact) <= function.absolute) continue;
        if (const double error = ulps(result[i], exact); error > worst) {
          worst = error;
          worst_at = x[i];
        }
      }
      INFO("worst at " << worst_at);
      CHECK(worst <= function.limit);
    }
  }
}

TEST_CASE("operations of two operands") {
  std::vector<float> special{0.0F,
                             -0.0F,
                             1.0F,
                             -1.0F,
                             2.0F,
                             -2.0F,
                             3.0F,
                             -3.0F,
                             0.5F,
                             -0.5F,
                             1.5F,
                             1e-20F,
                             -1e20F,
                             7.25F,
                             0.1F,
                             1e-40F,
                             std::numeric_limits<float>::infinity(),
                             -std::numeric_limits<float>::infinity(),
                             std::numeric_limits<float>::quiet_NaN()};
  Random random(5);
  for (float value : random.floats(40)) special.push_back(value * 9);
  std::vector<float> x, y;
  for (float a : special)
    for (float b : special) {
      x.push_back(a);
      y.push_back(b);
    }
  for (const Machine& machine : test_machines())
    for (Operation operation : {Operation::add, Operation::subtract, Operation::multiply, Operation::divide, Operation::maximum, Operation::minimum,
                                Operation::power, Operation::prelu}) {
      INFO(machine.cpu << " operation " << static_cast<int>(operation));
      Elementwise kernel;
      kernel.dimensions = {static_cast<int64_t>(x.size())};
      kernel.operand_strides = {{1}, {1}};
      kernel.output_strides = {1};
      kernel.expression = {2, {{operation, 0, 1}}};
      CompiledKernel compiled(machine, kernel);
      Guarded output(static_cast<int64_t>(x.size()));
      compiled.run({x.data(), y.data(), output.data()});
      double worst = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double error = ulps(output.data()[i], binary(operation, x[i], y[i]));
        if (error > worst) worst = error;
        if (error > 1) MESSAGE(x[i] << ' ' << y[i] << " gives " << output.data()[i]);
      }
      CHECK(worst <= 1);
    }
}

TEST_CASE("powers with constant exponents, and constants") {
  std::vector<float> x{-2, -1, -0.5F, 0, 0.25F, 1, 3, 10};
  for (const Machine& machine : test_machines())
    for (float exponent : {1.0F, 2.0F, 3.0F, -1.0F, 0.5F, -0.5F, 4.0F}) {
      Elementwise kernel;
      kernel.dimensions = {8};
      kernel.operand_strides = {{1}};
      kernel.output_strides = {1};
      kernel.expression = {1, {{Operation::constant, -1, -1, exponent}, {Operation::power, 0, 1}}};
      CompiledKernel compiled(machine, kernel);
      Guarded output(8);
      compiled.run({x.data(), output.data()});
      for (size_t i = 0; i < 8; ++i) CHECK(ulps(output.data()[i], std::pow(double{x[i]}, double{exponent})) <= 2);
    }
}

TEST_CASE("strides and broadcasts") {
  // out[i][j][k] = a[i][j][k] + b[j] * c with a transposed, over sizes with every kind of remainder
  for (const Machine& machine : test_machines())
    for (int64_t inner : {1, 3, 16, 35, 64})
      for (int64_t rows : {1, 5}) {
        INFO(machine.cpu << " inner " << inner << " rows " << rows);
        const int64_t outer = 3;
        Elementwise kernel;
        kernel.dimensions = {outer, rows, inner};
        kernel.operand_strides = {{1, outer * inner, outer}, {0, 1, 0}, {0, 0, 0}};
        kernel.output_strides = {rows * (inner + 2), inner + 2, 1};
        kernel.expression = {3, {{Operation::multiply, 1, 2}, {Operation::add, 0, 3}}};
        Random random(9);
        auto a = random.floats(outer * rows * inner), b = random.floats(rows), c = random.floats(1);
        Guarded output(outer * rows * (inner + 2));
        const float untouched = output.data()[0];
        CompiledKernel compiled(machine, kernel);
        compiled.run({a.data(), b.data(), c.data(), output.data()});
        CHECK(output.intact());
        for (int64_t i = 0; i < outer; ++i)
          for (int64_t j = 0; j < rows; ++j)
            for (int64_t k = 0; k < inner + 2; ++k) {
              const float value = output.data()[(i * rows + j) * (inner + 2) + k];
              if (k >= inner)
                CHECK(value == untouched);
              else
                CHECK(value == doctest::Approx(a[static_cast<size_t>(i + j * outer * inner + k * outer)] + b[static_cast<size_t>(j)] * c[0]));
            }
      }
}

TEST_CASE("permutations with an activation") {
  const std::vector<int64_t> sizes{3, 20, 5, 33};
  for (const Machine& machine : test_machines()) {
    std::vector<size_t> order{0, 1, 2, 3};
    do {
      Elementwise kernel;
      kernel.expression = {1, {{Operation::relu, 0}}};
      std::vector<int64_t> strides{20 * 5 * 33, 5 * 33, 33, 1};
      kernel.operand_strides.resize(1);
      int64_t count = 1;
      for (size_t d : order) {
        kernel.dimensions.push_back(sizes[d]);
        kernel.operand_strides[0].push_back(strides[d]);
        count *= sizes[d];
      }
      for (int64_t d = 0, stride = count; d < 4; ++d) kernel.output_strides.push_back(stride /= kernel.dimensions[static_cast<size_t>(d)]);
      Random random(29);
      auto x = random.floats(count);
      Guarded output(count);
      CompiledKernel(machine, kernel).run({x.data(), output.data()});
      CHECK(output.intact());
      bool equal = true;
      for (int64_t i = 0; i < count; ++i) {
        int64_t at = 0;
        for (size_t d = 0; d < 4; ++d) at += i / kernel.output_strides[d] % kernel.dimensions[d] * kernel.operand_strides[0][d];
        equal = equal && output.data()[i] == std::max(0.0F, x[static_cast<size_t>(at)]);
      }
      INFO(machine.cpu << ' ' << order[0] << order[1] << order[2] << order[3]);
      CHECK(equal);
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

template <typename T>
void check_copy(const Machine& machine) {
  INFO(machine.cpu << " bytes " << sizeof(T));
  // a transpose of 37 x 53 and a dense copy of 1000
  Elementwise kernel;
  kernel.element_bytes = sizeof(T);
  kernel.dimensions = {37, 53};
  kernel.operand_strides = {{1, 37}};
  kernel.output_strides = {53, 1};
  std::vector<T> x(37 * 53), y(37 * 53);
  std::iota(x.begin(), x.end(), T{1});
  CompiledKernel(machine, kernel).run({x.data(), y.data()});
  bool equal = true;
  for (size_t i = 0; i < 37; ++i)
    for (size_t j = 0; j < 53; ++j) equal = equal && y[i * 53 + j] == x[j * 37 + i];
  CHECK(equal);
  kernel.dimensions = {1000};
  kernel.operand_strides = {{1}};
  kernel.output_strides = {1};
  std::fill(y.begin(), y.end(), T{});
  CompiledKernel(machine, kernel).run({x.data(), y.data()});
  CHECK(std::equal(x.begin(), x.begin() + 1000, y.begin()));
  CHECK(y[1000] == T{});
}

TEST_CASE("copies of every element size") {
  for (const Machine& machine : test_machines()) {
    check_copy<uint8_t>(machine);
    check_copy<uint16_t>(machine);
    check_copy<uint32_t>(machine);
    check_copy<uint64_t>(machine);
  }
}

TEST_CASE("softmax") {
  const int64_t shapes[][3] = {{1, 1000, 1}, {5, 16, 37}, {3, 7, 1}, {2, 33, 1}, {4, 1, 9}, {2, 80, 64}, {1, 16, 1}, {3, 3, 5}};
  for (const Machine& machine : test_machines())
    for (const auto& shape : shapes) {
      INFO(machine.cpu << ' ' << shape[0] << 'x' << shape[1] << 'x' << shape[2]);
      Softmax kernel{shape[0], shape[1], shape[2]};
      const int64_t count = shape[0] * shape[1] * shape[2];
      Random random(31);
      auto x = random.floats(count);
      for (float& value : x) value = value * 30 + 100;
      x[0] = -std::numeric_limits<float>::infinity();
      if (shape[1] == 1) x[0] = 0;
      Guarded output(count);
      std::copy(x.begin(), x.end(), output.data());
      CompiledKernel(machine, kernel).run({output.data(), output.data()});
      CHECK(output.intact());
      int64_t wrong = 0;
      for (int64_t o = 0; o < shape[0]; ++o)
        for (int64_t i = 0; i < shape[2]; ++i) {
          const auto at = [&](int64_t e) { return static_cast<size_t>((o * shape[1] + e) * shape[2] + i); };
          double largest = -std::numeric_limits<double>::infinity(), sum = 0;
          for (int64_t e = 0; e < shape[1]; ++e) largest = std::max(largest, double{x[at(e)]});
          for (int64_t e = 0; e < shape[1]; ++e) sum += std::exp(x[at(e)] - largest);
          for (int64_t e = 0; e < shape[1]; ++e) {
            const double expected = std::exp(x[at(e)] - largest) / sum;
            if (!(std::abs(output.data()[at(e)] - expected) <= 2e-6 * expected + 1e-37)) ++wrong;
          }
        }
      if (shape[1] > 1) CHECK(output.data()[0] == 0);
      CHECK(wrong == 0);
    }
}

TEST_CASE("reorders") {
  for (const Machine& machine : test_machines())
    for (int64_t channels : {1, 3, 16, 40, 63})
      for (int64_t width : {1, 7, 16, 61})
        for (bool spread : {false, true}) {
          INFO(machine.cpu << " channels " << channels << " width " << width);
          const int64_t block = machine.block(), batch = 2;
          Image plain = image(block, channels, 1, width, Layout::plain);
          const Image blocked = image(block, channels, 1, width, Layout::blocked);
          const int64_t stride = spread ? width + 5 : width;
          plain.batch_stride = channels * stride;
          Random random(13);
          const auto values = random.floats(batch * channels * width);
          std::vector<float> source(static_cast<size_t>(batch * plain.batch_stride), 0.0F);
          for (int64_t row = 0; row < batch * channels; ++row) std::copy_n(values.begin() + row * width, width, source.begin() + row * stride);
          Reorder kernel;
          kernel.batch = batch;
          kernel.channels = channels;
          kernel.pixels = width;
          kernel.input_batch_stride = plain.batch_stride;
          kernel.output_batch_stride = blocked.batch_stride;
          kernel.plain_channel_stride = spread ? stride : 0;
          kernel.to_blocked = true;
          Guarded middle(batch * blocked.batch_stride);
          CompiledKernel(machine, kernel).run({source.data(), middle.data()});
          CHECK(middle.intact());
          const auto expected = lay_out(values, batch, blocked, block);
          bool equal = true;
          for (size_t i = 0; i < expected.size(); ++i) equal = equal && (std::isnan(expected[i]) || expected[i] == middle.data()[i]);
          CHECK(equal);
          std::swap(kernel.input_batch_stride, kernel.output_batch_stride);
          kernel.to_blocked = false;
          Guarded back(batch * plain.batch_stride);
          CompiledKernel(machine, kernel).run({middle.data(), back.data()});
          CHECK(back.intact());
          equal = true;
          for (int64_t row = 0; row < batch * channels; ++row)
            equal = equal && std::equal(values.begin() + row * width, values.begin() + (row + 1) * width, back.data() + row * stride);
          CHECK(equal);
        }
}

TEST_CASE("pooling") {
  struct Shape {
    int64_t height, width, kernel, stride, dilation, pad, pad_end;
  };
  const Shape shapes[] = {{9, 23, 3, 2, 1, 1, 1},    {20, 20, 5, 1, 1, 2, 2}, {7, 7, 7, 1, 1, 0, 0},
                          {13, 17, 13, 13, 1, 0, 0}, {9, 9, 2, 2, 1, 0, 1},   {12, 12, 3, 1, 2, 2, 2}};
  for (const Machine& machine : test_machines())
    for (const Shape& s : shapes)
      for (Layout layout : {Layout::plain, Layout::blocked})
        for (int kind = 0; kind < 3; ++kind) {
          const int64_t block = machine.block(), batch = 2, channels = 19;
          const auto extent = [&](int64_t size) { return (size + s.pad + s.pad_end - (s.kernel - 1) * s.dilation - 1) / s.stride + 1; };
          Pooling kernel;
          kernel.kind = kind == 0 ? Pooling::Kind::maximum : Pooling::Kind::average;
          kernel.count_include_pad = kind == 2;
          kernel.batch = batch;
          kernel.input = image(block, channels, s.height, s.width, layout);
          kernel.output = image(block, channels, extent(s.height), extent(s.width), layout);
          kernel.kernel = {s.kernel, s.kernel};
          kernel.stride = {s.stride, s.stride};
          kernel.dilation = {s.dilation, s.dilation};
          kernel.pad_begin = {s.pad, s.pad};
          kernel.pad_end = {s.pad_end, s.pad_end};
          INFO(machine.cpu << " kernel " << s.kernel << " kind " << kind << (layout == Layout::blocked ? " blocked" : " plain"));
          Random random(17);
          const auto x = random.floats(batch * channels * s.height * s.width);
          auto input = lay_out(x, batch, kernel.input, block);
          Guarded output(batch * kernel.output.batch_stride);
          CompiledKernel(machine, kernel).run({input.data(), output.data()});
          CHECK(output.intact());
          double worst = 0;
          for (int64_t n = 0; n < batch; ++n)
            for (int64_t c = 0; c < channels; ++c)
              for (int64_t y = 0; y < kernel.output.height; ++y)
                for (int64_t z = 0; z < kernel.output.width; ++z) {
                  double sum = 0, largest = -std::numeric_limits<double>::infinity();
                  int64_t count = 0;
                  for (int64_t r = 0; r < s.kernel; ++r)
                    for (int64_t q = 0; q < s.kernel; ++q) {
                      const int64_t ih = y * s.stride - s.pad + r * s.dilation, iw = z * s.stride - s.pad + q * s.dilation;
                      if (kind == 2 && ih < s.height + s.pad_end && iw < s.width + s.pad_end) ++count;
                      if (ih < 0 || iw < 0 || ih >= s.height || iw >= s.width) continue;
                      if (kind != 2) ++count;
                      const double value = x[static_cast<size_t>(((n * channels + c) * s.height + ih) * s.width + iw)];
                      sum += value;
                      largest = std::max(largest, value);
                    }
                  worst = std::max(worst, difference(output.data()[element(kernel.output, block, n, c, y, z)],
                                                     kind == 0 ? largest : sum / static_cast<double>(count)));
                }
          CHECK(worst < 1e-5);
        }
}

TEST_CASE("upsampling") {
  for (const Machine& machine : test_machines())
    for (Layout layout : {Layout::plain, Layout::blocked})
      for (int64_t width : {1, 20, 35})
        for (int64_t scale : {1, 2, 3}) {
          INFO(machine.cpu << " width " << width << " scale " << scale << (layout == Layout::blocked ? " blocked" : " plain"));
          const int64_t block = machine.block(), batch = 2, channels = 18, height = 3;
          Upsampling kernel;
          kernel.batch = batch;
          kernel.input = image(block, channels, height, width, layout);
          kernel.output = image(block, channels, height * 2, width * scale, layout);
          kernel.scale = {2, scale};
          Random random(19);
          const auto x = random.floats(batch * channels * height * width);
          auto input = lay_out(x, batch, kernel.input, block);
          Guarded output(batch * kernel.output.batch_stride);
          CompiledKernel(machine, kernel).run({input.data(), output.data()});
          CHECK(output.intact());
          bool equal = true;
          for (int64_t n = 0; n < batch; ++n)
            for (int64_t c = 0; c < channels; ++c)
              for (int64_t y = 0; y < height * 2; ++y)
                for (int64_t z = 0; z < width * scale; ++z)
                  equal = equal && output.data()[element(kernel.output, block, n, c, y, z)] ==
                                       x[static_cast<size_t>(((n * channels + c) * height + y / 2) * width + z / scale)];
          CHECK(equal);
        }
}
