// Program -> generate -> link -> load -> run, for programs made by hand, against the kernels called directly in C++.
#include "generate/generate.hpp"

#include <doctest/doctest.h>
#include <lathe/runtime.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "kernel_names.hpp"
#include "lathe/kernels/all.hpp"
#include "link/link.hpp"
#include "target.hpp"

using namespace lathe::llvm_cpu;

namespace {

constexpr int32_t f32 = 1, i64 = 7;

struct TemporaryFolder {
  std::string path = "/tmp/lathe-generate-test-XXXXXX";
  TemporaryFolder() { REQUIRE(mkdtemp(path.data())); }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
};

struct Model {
  lathe_model* handle = nullptr;
  ~Model() { lathe_model_close(handle); }
};

GenerateOptions options(unsigned threads = 2) {
  GenerateOptions o;
  o.threads = threads;
  o.bitcode = LATHE_LLVM_CPU_DATA;
  return o;
}

std::string build(const Program& program, const TemporaryFolder& folder, const Machine& machine = resolve_machine({})) {
  const std::string path = folder.path + "/model.so";
  link_library(generate(program, machine, CodeForm::object, options()), program.weights, machine, LATHE_LLVM_CPU_DATA, path, "model.so");
  return path;
}

// relu(x) into the arena, then + weights, twice the same kernel.
Program small_program(int64_t n) {
  Program p;
  p.inputs = {{"x", f32, {n}}};
  p.outputs = {{"y", f32, {n}}};
  const uint64_t bytes = static_cast<uint64_t>(n) * 4;
  p.weights.resize(bytes);
  for (int64_t i = 0; i < n; ++i) {
    const float w = static_cast<float>(i) * 0.5f;
    std::memcpy(p.weights.data() + i * 4, &w, 4);
  }
  p.arena_bytes = bytes;
  p.buffers = {{Buffer::Kind::input, 0, 0, bytes},
               {Buffer::Kind::output, 0, 0, bytes},
               {Buffer::Kind::weights, 0, 0, bytes},
               {Buffer::Kind::arena, 0, 0, bytes}};
  Generic relu{"", "Relu", {{f32, {n}}}, {{f32, {n}}}, {}, 0};
  Generic add{"", "Add", {{f32, {n}}, {f32, {n}}}, {{f32, {n}}}, {}, 0};
  p.steps = {{relu, {0, 3}, "relu", "Relu_0", 0, 0}, {add, {3, 2, 3}, "add", "Add_1", 0, 0}, {add, {3, 2, 1}, "add", "Add_2", 0, 0}};
  return p;
}

std::vector<float> run_small(const std::string& path, int64_t n, uint32_t threads) {
  Model model;
  lathe_model_options o{};
  o.struct_size = sizeof o;
  o.threads = threads;
  o.profile = 1;
  o.check_weights = 1;
  const int32_t code = lathe_model_open(path.c_str(), &o, &model.handle);
  INFO(lathe_model_error(model.handle));
  REQUIRE(code == LATHE_RUNTIME_OK);
  std::vector<float> x(static_cast<size_t>(n)), y(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) x[static_cast<size_t>(i)] = static_cast<float>(i % 7) - 3;
  lathe_model_tensor in{sizeof in, f32, 1, &n, x.data(), x.size() * 4, 0, 0, nullptr, 0},
      out{sizeof out, f32, 1, &n, y.data(), y.size() * 4, 0, 0, nullptr, 0};
  lathe_model_run_request request{sizeof request, 0, &in, &out, 1, 1, nullptr, nullptr, nullptr, nullptr, nullptr};
  const int32_t ran = lathe_model_run(model.handle, &request);
  INFO(lathe_model_error(model.handle));
  REQUIRE(ran == LATHE_RUNTIME_OK);
  uint64_t runs = 0, nanoseconds = 0;
  CHECK(lathe_model_profile(model.handle, 0, &runs, &nanoseconds) == LATHE_RUNTIME_OK);
  CHECK(runs == 1);
  return y;
}

}  // namespace

TEST_CASE("a program of bitcode kernels runs") {
  for (const int64_t n : {5, 1000, 200000}) {
    const TemporaryFolder folder;
    const std::string path = build(small_program(n), folder);
    for (const uint32_t threads : {1u, 2u, 5u}) {
      const std::vector<float> y = run_small(path, n, threads);
      for (int64_t i = 0; i < n; ++i) {
        const float x = static_cast<float>(i % 7) - 3;
        REQUIRE(y[static_cast<size_t>(i)] == (x > 0 ? x : 0) + static_cast<float>(i) * 0.5f * 2);
      }
    }
  }
}

TEST_CASE("the code does not depend on the number of threads that make it") {
  const Program program = small_program(100);
  const Machine machine = resolve_machine({});
  CHECK(generate(program, machine, CodeForm::object, options(1)) == generate(program, machine, CodeForm::object, options(4)));
}

TEST_CASE("equal steps share one kernel") {
  // relu, add, the driver and the table.
  CHECK(generate(small_program(100), resolve_machine({}), CodeForm::object, options()).size() == 4);
}

TEST_CASE("an index out of bounds fails the run with a sentence") {
  Program p;
  p.inputs = {{"data", f32, {4}}, {"index", i64, {2}}};
  p.outputs = {{"y", f32, {2}}};
  p.buffers = {{Buffer::Kind::input, 0, 0, 16}, {Buffer::Kind::input, 1, 0, 16}, {Buffer::Kind::output, 0, 0, 8}};
  p.steps = {{Generic{"", "Gather", {{f32, {4}}, {i64, {2}}}, {{f32, {2}}}, {{"axis", {0}, {}, ""}}, 0}, {0, 1, 2}, "gather", "Gather_0", 0, 0}};
  const TemporaryFolder folder;
  const std::string path = build(p, folder);
  Model model;
  REQUIRE(lathe_model_open(path.c_str(), nullptr, &model.handle) == LATHE_RUNTIME_OK);
  const float data[4] = {1, 2, 3, 4};
  float y[2];
  for (const int64_t second : {-4, 3, 4, -5}) {
    const int64_t index[2] = {0, second}, four = 4, two = 2;
    const lathe_model_tensor in[2] = {{sizeof *in, f32, 1, &four, const_cast<float*>(data), 16, 0, 0, nullptr, 0},
                                      {sizeof *in, i64, 1, &two, const_cast<int64_t*>(index), 16, 0, 0, nullptr, 0}};
    const lathe_model_tensor out{sizeof out, f32, 1, &two, y, 8, 0, 0, nullptr, 0};
    const lathe_model_run_request request{sizeof request, 0, in, &out, 2, 1, nullptr, nullptr, nullptr, nullptr, nullptr};
    const bool inside = second >= -4 && second < 4;
    CHECK(lathe_model_run(model.handle, &request) == (inside ? LATHE_RUNTIME_OK : LATHE_RUNTIME_DATA));
    if (inside)
      CHECK(y[1] == data[second < 0 ? second + 4 : second]);
    else
      CHECK(std::strstr(lathe_model_error(model.handle), "outside the tensor"));
  }
}
