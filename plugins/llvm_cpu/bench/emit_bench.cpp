// Speed of emitted kernels, one layer at a time, beside the machine's peak: llvm_cpu_emit_bench [words that a layer's name must contain].
// One thread; the smallest of many runs. Bytes are those of the code.
#include <chrono>
#include <cstdio>
#include <cstring>

#include "../tests/emit_jit.hpp"
#include "../tests/emit_tensors.hpp"
#include "plan/pack.hpp"
#include "plan/schedule.hpp"

using namespace lathe::llvm_cpu;

namespace {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// With several copies of the weights (argument 1), each run takes another one, as in a model that is larger than the caches.
double best_time(CompiledKernel& kernel, std::vector<void*> arguments, const std::vector<float*>& copies) {
  double best = 1e9;
  const double end = seconds() + 0.15;
  for (int runs = 0; runs < 40 || seconds() < end; ++runs) {
    arguments[1] = copies[static_cast<size_t>(runs) % copies.size()];
    const double start = seconds();
    kernel.run(arguments);
    best = std::min(best, seconds() - start);
  }
  return best;
}

struct Layer {
  const char* name;
  int64_t inputs, outputs, height, width, kernel, stride, groups;
  int epilogue;  // 0 none, 1 relu, 2 silu, 3 hard swish, 4 residual and relu
  bool plain_input, plain_output;
};

void measure(const Machine& machine, const Layer& layer) {
  Convolution kernel;
  const int64_t block = machine.block();
  kernel.groups = layer.groups;
  kernel.kernel = {layer.kernel, layer.kernel};
  kernel.stride = {layer.stride, layer.stride};
  const int64_t pad = layer.kernel / 2;
  kernel.pad_begin = {pad, pad};
  const auto extent = [&](int64_t size) { return (size + 2 * pad - layer.kernel) / layer.stride + 1; };
  kernel.input = image(block, layer.inputs, layer.height, layer.width, layer.plain_input ? Layout::plain : Layout::blocked);
  kernel.output = image(block, layer.outputs, extent(layer.height), extent(layer.width), layer.plain_output ? Layout::plain : Layout::blocked);
  using Operation = Expression::Operation;
  if (layer.epilogue == 1) kernel.epilogue.expression = {1, {{Operation::relu, 0}}};
  if (layer.epilogue == 2) kernel.epilogue.expression = {1, {{Operation::silu, 0}}};
  if (layer.epilogue == 3) kernel.epilogue.expression = {1, {{Operation::hard_swish, 0}}};
  if (layer.epilogue == 4) {
    kernel.epilogue.expression = {2, {{Operation::add, 0, 1}, {Operation::relu, 2}}};
    kernel.epilogue.operands = {{Access::same, kernel.output.batch_stride}};
  }
  Random random(1);
  auto input = random.floats(kernel.input.batch_stride), residual = random.floats(kernel.output.batch_stride);
  auto bias = random.floats((layer.outputs + 63) / 64 * 64);
  auto packed = pack_weights(machine, kernel, random.floats(layer.outputs * layer.inputs / layer.groups * layer.kernel * layer.kernel));
  std::vector<float> output(static_cast<size_t>(kernel.output.batch_stride));
  const double start = seconds();
  CompiledKernel compiled(machine, kernel);
  const double compile = seconds() - start;
  std::vector<void*> arguments{input.data(), packed.data(), bias.data()};
  if (layer.epilogue == 4) arguments.push_back(residual.data());
  arguments.push_back(output.data());
  const double time = best_time(compiled, arguments, {packed.data()});
  std::vector<std::vector<float>> memory(std::clamp<size_t>((size_t{96} << 20) / (packed.size() * 4), 1, 400), packed);
  std::vector<float*> copies;
  for (auto& copy : memory) copies.push_back(copy.data());
  const double cold = best_time(compiled, arguments, copies);
  const double products =
      static_cast<double>(kernel.output.height * kernel.output.width * layer.outputs * layer.inputs / layer.groups * layer.kernel * layer.kernel);
  const auto s = schedule(machine, kernel);
  std::printf("%-12s %-34s %8.1f us %7.1f GFLOP/s %7.1f with cold weights  tile %dx%-2d tasks %3u compile %.0f ms\n", machine.cpu.c_str(), layer.name,
              time * 1e6, 2e-9 * products / time, 2e-9 * products / cold, s.tile.vectors, s.tile.pixels, compiled.info().tasks, compile * 1e3);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** words) {
  const Layer layers[] = {
      {"resnet50 7x7 s2 3-64 224", 3, 64, 224, 224, 7, 2, 1, 1, true, false},
      {"resnet50 1x1 64-64 56", 64, 64, 56, 56, 1, 1, 1, 1, false, false},
      {"resnet50 3x3 64-64 56", 64, 64, 56, 56, 3, 1, 1, 1, false, false},
      {"resnet50 1x1 64-256 56 add", 64, 256, 56, 56, 1, 1, 1, 4, false, false},
      {"resnet50 1x1 256-64 56", 256, 64, 56, 56, 1, 1, 1, 1, false, false},
      {"resnet50 3x3 s2 128-128 56", 128, 128, 56, 56, 3, 2, 1, 1, false, false},
      {"resnet50 1x1 s2 256-512 56", 256, 512, 56, 56, 1, 2, 1, 0, false, false},
      {"resnet50 3x3 128-128 28", 128, 128, 28, 28, 3, 1, 1, 1, false, false},
      {"resnet50 1x1 128-512 28 add", 128, 512, 28, 28, 1, 1, 1, 4, false, false},
      {"resnet50 1x1 512-128 28", 512, 128, 28, 28, 1, 1, 1, 1, false, false},
      {"resnet50 3x3 256-256 14", 256, 256, 14, 14, 3, 1, 1, 1, false, false},
      {"resnet50 1x1 256-1024 14 add", 256, 1024, 14, 14, 1, 1, 1, 4, false, false},
      {"resnet50 1x1 1024-256 14", 1024, 256, 14, 14, 1, 1, 1, 1, false, false},
      {"resnet50 3x3 512-512 7", 512, 512, 7, 7, 3, 1, 1, 1, false, false},
      {"resnet50 1x1 512-2048 7 add", 512, 2048, 7, 7, 1, 1, 1, 4, false, false},
      {"resnet50 1x1 2048-512 7", 2048, 512, 7, 7, 1, 1, 1, 1, false, false},
      {"yolov8n 3x3 s2 3-16 640", 3, 16, 640, 640, 3, 2, 1, 2, true, false},
      {"yolov8n 3x3 s2 16-32 320", 16, 32, 320, 320, 3, 2, 1, 2, false, false},
      {"yolov8n 1x1 32-32 160", 32, 32, 160, 160, 1, 1, 1, 2, false, false},
      {"yolov8n 3x3 16-16 160", 16, 16, 160, 160, 3, 1, 1, 2, false, false},
      {"yolov8n 3x3 32-32 80", 32, 32, 80, 80, 3, 1, 1, 2, false, false},
      {"yolov8n 3x3 64-64 80", 64, 64, 80, 80, 3, 1, 1, 2, false, false},
      {"yolov8n 3x3 80-80 80", 80, 80, 80, 80, 3, 1, 1, 2, false, false},
      {"yolov8n 3x3 64-64 40", 64, 64, 40, 40, 3, 1, 1, 2, false, false},
      {"yolov8n 1x1 192-128 40", 192, 128, 40, 40, 1, 1, 1, 2, false, false},
      {"yolov8n 3x3 s2 128-256 40", 128, 256, 40, 40, 3, 2, 1, 2, false, false},
      {"yolov8n 3x3 128-128 20", 128, 128, 20, 20, 3, 1, 1, 2, false, false},
      {"yolov8n 1x1 512-256 20", 512, 256, 20, 20, 1, 1, 1, 2, false, false},
      {"yolov8n 1x1 80-80 80 plain out", 80, 80, 80, 80, 1, 1, 1, 0, false, true},
      {"mobilenet 3x3 s2 3-16 224", 3, 16, 224, 224, 3, 2, 1, 3, true, false},
      {"mobilenet dw 3x3 s2 16 112", 16, 16, 112, 112, 3, 2, 16, 1, false, false},
      {"mobilenet 1x1 16-72 56", 16, 72, 56, 56, 1, 1, 1, 1, false, false},
      {"mobilenet dw 3x3 88 28", 88, 88, 28, 28, 3, 1, 88, 1, false, false},
      {"mobilenet dw 5x5 240 14", 240, 240, 14, 14, 5, 1, 240, 3, false, false},
      {"mobilenet 1x1 240-40 14", 240, 40, 14, 14, 1, 1, 1, 0, false, false},
      {"mobilenet dw 5x5 576 7", 576, 576, 7, 7, 5, 1, 576, 3, false, false},
      {"mobilenet 1x1 96-576 7", 96, 576, 7, 7, 1, 1, 1, 3, false, false},
      {"mobilenet 1x1 576-144 1", 576, 144, 1, 1, 1, 1, 1, 1, false, false},
  };
  for (const Machine& machine : test_machines()) {
    for (const Layer& layer : layers) {
      bool wanted = true;
      for (int i = 1; i < count; ++i) wanted = wanted && (std::strstr(layer.name, words[i]) || machine.cpu == words[i]);
      if (wanted) measure(machine, layer);
    }
  }
}
