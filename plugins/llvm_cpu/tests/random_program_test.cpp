// Random small programs of bitcode kernels: the compiled artifact against the same kernels called directly, step by step, in C++.
#include <doctest/doctest.h>
#include <lathe/runtime.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <random>

#include "generate/generate.hpp"
#include "lathe/kernels/all.hpp"
#include "link/link.hpp"
#include "target.hpp"

using namespace lathe::llvm_cpu;
namespace kernels = lathe::kernels;

namespace {

using Shape = std::vector<int64_t>;

int64_t count(const Shape& shape) { return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>()); }

// The few operators that programs are made of.
kernels::Kernel kernel_of(const std::string& op_type) {
  static const std::pair<const char*, kernels::Kernel> table[] = {
#define LATHE_PAIR(domain, op, function, shape) {#op, &kernels::function},
      LATHE_KERNELS(LATHE_PAIR)};
  for (const auto& [name, kernel] : table)
    if (op_type == name) return kernel;
  FAIL("no kernel for " << op_type);
  return nullptr;
}

struct Tensors {
  std::vector<Shape> shapes;  // 0: the input
  std::vector<std::vector<float>> values;
};

class Maker {
 public:
  explicit Maker(uint32_t seed) : random_(seed) {}

  Program make(Tensors& tensors, std::vector<float>& input) {
    const Shape first = {pick(1, 5), pick(1, 40), pick(1, 60)};
    input.resize(static_cast<size_t>(count(first)));
    for (float& x : input) x = std::uniform_real_distribution<float>(-2, 2)(random_);
    Program p;
    p.inputs = {{"x", 1, first}};
    add_buffer(p, tensors, first, Buffer::Kind::input);
    tensors.values[0] = input;
    const int64_t steps = pick(1, 8);
    for (int64_t s = 0; s < steps; ++s) add_step(p, tensors, s == steps - 1);
    p.outputs = {{"y", 1, tensors.shapes.back()}};
    return p;
  }

 private:
  int64_t pick(int64_t lowest, int64_t highest) { return std::uniform_int_distribution<int64_t>(lowest, highest)(random_); }

  uint32_t add_buffer(Program& p, Tensors& tensors, const Shape& shape, Buffer::Kind kind) {
    const uint64_t bytes = static_cast<uint64_t>(count(shape)) * 4;
    p.buffers.push_back({kind, 0, kind == Buffer::Kind::arena ? p.arena_bytes : 0, bytes});
    if (kind == Buffer::Kind::arena) p.arena_bytes += (bytes + 63) / 64 * 64;
    tensors.shapes.push_back(shape);
    tensors.values.emplace_back(static_cast<size_t>(count(shape)));
    return static_cast<uint32_t>(p.buffers.size() - 1);
  }

  void add_step(Program& p, Tensors& tensors, bool last) {
    const uint32_t a = static_cast<uint32_t>(pick(0, static_cast<int64_t>(tensors.shapes.size()) - 1));
    const Shape shape = tensors.shapes[a];
    Generic g;
    Shape out = shape;
    std::vector<uint32_t> from = {a};
    switch (pick(0, 6)) {
      case 0:
        g.op_type = "Relu";
        break;
      case 1:
        g.op_type = "Sigmoid";
        break;
      case 2:
        g.op_type = "Softmax";
        g.attributes = {{"axis", {pick(-3, 2)}, {}, ""}};
        break;
      case 3: {
        g.op_type = "Transpose";
        std::vector<int64_t> order = {0, 1, 2};
        std::shuffle(order.begin(), order.end(), random_);
        for (size_t i = 0; i < 3; ++i) out[i] = shape[static_cast<size_t>(order[i])];
        g.attributes = {{"perm", order, {}, ""}};
        break;
      }
      case 4:
        g.op_type = "Concat";
        from.push_back(a);
        out[1] *= 2;
        g.attributes = {{"axis", {1}, {}, ""}};
        break;
      case 5:
        g.op_type = "Mul";
        from.push_back(a);
        break;
      default:
        g.op_type = "LeakyRelu";
        g.attributes = {{"alpha", {}, {0.25f}, ""}};
    }
    for (const uint32_t id : from) g.inputs.push_back({1, tensors.shapes[id]});
    g.outputs = {{1, out}};
    const uint32_t to = add_buffer(p, tensors, out, last ? Buffer::Kind::output : Buffer::Kind::arena);
    run_directly(g, tensors, from, to);
    std::vector<BufferId> arguments = from;
    arguments.push_back(to);
    p.steps.push_back({g, arguments, g.op_type, "node", 0, 0});
  }

  static void run_directly(const Generic& g, Tensors& tensors, const std::vector<uint32_t>& from, uint32_t to) {
    std::vector<kernels::Tensor> inputs;
    for (const uint32_t id : from) inputs.push_back({tensors.values[id].data(), tensors.shapes[id].data(), 3, kernels::Type::float32});
    const kernels::Tensor output{tensors.values[to].data(), tensors.shapes[to].data(), 3, kernels::Type::float32};
    std::vector<kernels::Attribute> attributes;
    for (const auto& a : g.attributes)
      attributes.push_back({a.name.c_str(), a.ints.data(), a.floats.data(), nullptr, static_cast<int64_t>(a.ints.size() + a.floats.size())});
    const char* error = nullptr;
    kernels::Call call{};
    call.inputs = inputs.data();
    call.outputs = &output;
    call.attributes = attributes.data();
    call.input_count = static_cast<int32_t>(inputs.size());
    call.output_count = 1;
    call.attribute_count = static_cast<int32_t>(attributes.size());
    call.error = &error;
    kernel_of(g.op_type)(call);
    REQUIRE(error == nullptr);
  }

  std::mt19937 random_;
};

}  // namespace

TEST_CASE("random programs give what their kernels give") {
  std::string folder = "/tmp/lathe-random-test-XXXXXX";
  REQUIRE(mkdtemp(folder.data()));
  const Machine machine = resolve_machine({});
  GenerateOptions options;
  options.bitcode = LATHE_LLVM_CPU_DATA;
  for (uint32_t seed = 1; seed <= 25; ++seed) {
    CAPTURE(seed);
    Tensors tensors;
    std::vector<float> x;
    const Program program = Maker(seed).make(tensors, x);
    std::string steps;  // for messages
    for (const Step& step : program.steps) {
      steps += " " + step.name + "(";
      for (const BufferId id : step.arguments) steps += std::to_string(id) + " ";
      steps += ")";
    }
    CAPTURE(steps);
    const std::string path = folder + "/" + std::to_string(seed) + ".so";
    link_library(generate(program, machine, CodeForm::object, options), program.weights, machine, LATHE_LLVM_CPU_DATA, path, "model.so");
    for (const uint32_t threads : {1u, 3u}) {
      lathe_model_options o{};
      o.struct_size = sizeof o;
      o.threads = threads;
      lathe_model* model = nullptr;
      REQUIRE(lathe_model_open(path.c_str(), &o, &model) == LATHE_RUNTIME_OK);
      const std::vector<float>& expected = tensors.values.back();
      std::vector<float> y(expected.size(), -1);
      const lathe_model_tensor in{sizeof in, 1, 3, tensors.shapes.front().data(), x.data(), x.size() * 4, 0, 0, nullptr, 0};
      const lathe_model_tensor out{sizeof out, 1, 3, tensors.shapes.back().data(), y.data(), y.size() * 4, 0, 0, nullptr, 0};
      const lathe_model_run_request request{sizeof request, 0, &in, &out, 1, 1, nullptr, nullptr, nullptr, nullptr, nullptr};
      CHECK(lathe_model_run(model, &request) == LATHE_RUNTIME_OK);
      lathe_model_close(model);
      // Fused multiply-add may round differently; nothing else may differ.
      for (size_t i = 0; i < y.size(); ++i) {
        CAPTURE(i);
        REQUIRE(std::fabs(y[i] - expected[i]) <= 1e-5f * std::fmax(1.0f, std::fabs(expected[i])));
      }
    }
  }
  std::filesystem::remove_all(folder);
}
