// Artifacts as files: what a runtime says to damaged ones, to those for other processors, and how those run under an emulator.
#include <doctest/doctest.h>
#include <lathe/runtime.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>

#include "generate/generate.hpp"
#include "link/link.hpp"
#include "target.hpp"

using namespace lathe::llvm_cpu;

namespace {

struct TemporaryFolder {
  std::string path = "/tmp/lathe-artifact-test-XXXXXX";
  TemporaryFolder() { REQUIRE(mkdtemp(path.data())); }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
};

Program one_step() {
  Program p;
  p.inputs = {{"x", 1, {3}}};
  p.outputs = {{"y", 1, {3}}};
  const float w[3] = {10, 20, 30};
  p.weights.resize(12);
  std::memcpy(p.weights.data(), w, 12);
  p.buffers = {{Buffer::Kind::input, 0, 0, 12}, {Buffer::Kind::output, 0, 0, 12}, {Buffer::Kind::weights, 0, 0, 12}};
  p.steps = {{Generic{"", "Add", {{1, {3}}, {1, {3}}}, {{1, {3}}}, {}, 0}, {0, 2, 1}, "add", "Add_0", 3, 36}};
  return p;
}

Objects objects_for(const Machine& machine) {
  GenerateOptions options;
  options.bitcode = LATHE_LLVM_CPU_DATA;
  return generate(one_step(), machine, CodeForm::object, options);
}

std::string build(const TemporaryFolder& folder, const Machine& machine) {
  const Program program = one_step();
  const std::string path = folder.path + "/model.so";
  link_library(objects_for(machine), program.weights, machine, LATHE_LLVM_CPU_DATA, path, "model.so");
  return path;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_file(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

struct Opened {
  lathe_model* model = nullptr;
  int32_t code;
  explicit Opened(const std::string& path, bool describe_only = false) {
    lathe_model_options options{};
    options.struct_size = sizeof options;
    options.threads = 1;
    options.describe_only = describe_only;
    code = lathe_model_open(path.c_str(), &options, &model);
  }
  ~Opened() { lathe_model_close(model); }
  std::string error() const { return lathe_model_error(model); }
};

Machine machine_of(const std::string& triple, const std::string& cpu = "") {
  MachineRequest request;
  request.triple = triple;
  request.cpu = cpu;
  return resolve_machine(request);
}

}  // namespace

TEST_CASE("a library has no undefined symbols but the C library's, and exports the table alone") {
  const TemporaryFolder folder;
  const std::string path = build(folder, machine_of("x86_64-linux-gnu", "x86-64-v2"));
  const Opened opened(path);
  CHECK(opened.code == LATHE_RUNTIME_OK);
  const lathe_artifact& table = *lathe_model_describe(opened.model);
  CHECK(std::string(table.triple) == "x86_64-unknown-linux-gnu");
  CHECK(std::string(table.features) == "sse3,ssse3,sse4.1,sse4.2,popcnt");
  CHECK(table.kernel_count == 1);
  CHECK(std::string(table.kernels[0].nodes) == "Add_0");
  CHECK(table.kernels[0].bytes == 36);
}

TEST_CASE("cut off files get a sentence at every length") {
  const TemporaryFolder folder;
  const std::string whole = read_file(build(folder, machine_of("x86_64-linux-gnu", "x86-64-v2")));
  const std::string path = folder.path + "/cut.so";
  for (size_t length = 0; length < whole.size(); length += length < 512 ? 7 : 509) {
    write_file(path, whole.substr(0, length));
    const Opened opened(path);
    REQUIRE(opened.code == LATHE_RUNTIME_FAILED);
    REQUIRE(opened.error().find(path) != std::string::npos);
  }
}

TEST_CASE("flipped bytes never bring down a reader of the header") {
  const TemporaryFolder folder;
  std::string whole = read_file(build(folder, machine_of("x86_64-linux-gnu", "x86-64-v2")));
  const std::string path = folder.path + "/flipped.so";
  size_t refused = 0;
  // Every byte of headers, dynamic section and table; code is not looked at.
  for (size_t at = 0; at < whole.size(); ++at) {
    if (at > 4096 && at % 17) continue;
    for (const int mask : {0x01, 0x80, 0xff}) {
      whole[at] = static_cast<char>(whole[at] ^ mask);
      write_file(path, whole);
      const Opened opened(path, true);
      refused += opened.code != LATHE_RUNTIME_OK;
      if (opened.code == LATHE_RUNTIME_OK)
        CHECK(lathe_model_describe(opened.model)->input_count <= whole.size());
      else
        CHECK_FALSE(opened.error().empty());
      whole[at] = static_cast<char>(whole[at] ^ mask);
    }
  }
  CHECK(refused > 100);
}

TEST_CASE("damaged weights are found when they are checked") {
  const TemporaryFolder folder;
  const std::string path = build(folder, machine_of("x86_64-linux-gnu", "x86-64-v2"));
  std::string whole = read_file(path);
  whole[whole.size() - sizeof(lathe_artifact_trailer) - 1] ^= 1;
  write_file(path, whole);
  lathe_model_options options{};
  options.struct_size = sizeof options;
  options.check_weights = 1;
  lathe_model* model = nullptr;
  CHECK(lathe_model_open(path.c_str(), &options, &model) == LATHE_RUNTIME_FAILED);
  CHECK(std::string(lathe_model_error(model)).find("SHA-256") != std::string::npos);
  lathe_model_close(model);
}

TEST_CASE("an artifact for another processor is described but refused before its code runs") {
  const TemporaryFolder folder;
  for (const char* triple : {"aarch64-linux-gnu", "riscv64-linux-gnu"}) {
    const std::string path = build(folder, machine_of(triple));
    const Opened described(path, true);
    CHECK(described.code == LATHE_RUNTIME_OK);
    CHECK(std::string(lathe_model_describe(described.model)->inputs[0].name) == "x");
    const Opened opened(path);
    CHECK(opened.code == LATHE_RUNTIME_UNSUPPORTED);
    CHECK(opened.error().find("this machine is x86-64") != std::string::npos);
  }
}

TEST_CASE("a feature that no processor has is named") {
  const TemporaryFolder folder;
  const std::string path = build(folder, machine_of("x86_64-linux-gnu", "x86-64-v2"));
  std::string whole = read_file(path);
  const size_t at = whole.find("sse3,ssse3");
  REQUIRE(at != std::string::npos);
  whole.replace(at, 4, "sseX");
  write_file(path, whole);
  const Opened opened(path);
  CHECK(opened.code == LATHE_RUNTIME_UNSUPPORTED);
  CHECK(opened.error().find("needs the processor feature sseX") != std::string::npos);
}

TEST_CASE("wrong inputs get a sentence with expected and found") {
  const TemporaryFolder folder;
  const Opened opened(build(folder, machine_of("x86_64-linux-gnu", "x86-64-v2")));
  REQUIRE(opened.code == LATHE_RUNTIME_OK);
  float x[4] = {1, 2, 3, 4}, y[3];
  const int64_t three = 3, four = 4;
  auto run = [&](int32_t type, const int64_t* dimensions, uint64_t rank, uint64_t bytes, uint64_t output_bytes = 12) {
    const lathe_model_tensor in{sizeof in, type, rank, dimensions, x, bytes, 0, 0, nullptr, 0},
        out{sizeof out, 1, 1, &three, y, output_bytes, 0, 0, nullptr, 0};
    const lathe_model_run_request request{sizeof request, 0, &in, &out, 1, 1, nullptr, nullptr, nullptr, nullptr, nullptr};
    return lathe_model_run(opened.model, &request);
  };
  CHECK(run(1, &four, 1, 16) == LATHE_RUNTIME_USAGE);
  CHECK(opened.error() == "input 'x' has shape 4; expected 3");
  CHECK(run(7, &three, 1, 24) == LATHE_RUNTIME_USAGE);
  CHECK(opened.error().find("data type 7; expected 1") != std::string::npos);
  CHECK(run(1, &three, 1, 8) == LATHE_RUNTIME_USAGE);
  CHECK(run(1, &three, 0, 12) == LATHE_RUNTIME_USAGE);
  CHECK(run(1, &three, 1, 12, 8) == LATHE_RUNTIME_USAGE);
  CHECK(run(1, &three, 1, 12) == LATHE_RUNTIME_OK);
  CHECK(opened.error().empty());
  CHECK(y[2] == 33);
}

TEST_CASE("two artifacts with one name do not mix, and an artifact may be replaced while it is open") {
  const TemporaryFolder folder;
  const Machine machine = machine_of("x86_64-linux-gnu", "x86-64-v2");
  const Opened first(build(folder, machine));
  Program other = one_step();
  std::get<Generic>(other.steps[0].kernel).op_type = "Mul";
  GenerateOptions options;
  options.bitcode = LATHE_LLVM_CPU_DATA;
  const std::string path = folder.path + "/next.so";
  link_library(generate(other, machine, CodeForm::object, options), other.weights, machine, LATHE_LLVM_CPU_DATA, path, "model.so");
  std::filesystem::rename(path, folder.path + "/model.so");
  const Opened second(folder.path + "/model.so");
  REQUIRE(second.code == LATHE_RUNTIME_OK);
  float x[3] = {2, 2, 2}, y[3];
  const int64_t three = 3;
  const lathe_model_tensor in{sizeof in, 1, 1, &three, x, 12, 0, 0, nullptr, 0}, out{sizeof out, 1, 1, &three, y, 12, 0, 0, nullptr, 0};
  const lathe_model_run_request request{sizeof request, 0, &in, &out, 1, 1, nullptr, nullptr, nullptr, nullptr, nullptr};
  REQUIRE(lathe_model_run(first.model, &request) == LATHE_RUNTIME_OK);
  CHECK(y[0] == 12);
  REQUIRE(lathe_model_run(second.model, &request) == LATHE_RUNTIME_OK);
  CHECK(y[0] == 20);
}

TEST_CASE("executables run, on this machine and under an emulator") {
  const TemporaryFolder folder;
  for (const auto& [triple, emulator] : {std::pair{"x86_64-linux-gnu", ""}, {"aarch64-linux-gnu", "qemu-aarch64-static "}}) {
    if (*emulator && std::system("command -v qemu-aarch64-static > /dev/null") != 0) {
      MESSAGE("skipped for " << triple << ": no emulator");
      continue;
    }
    const Machine machine = machine_of(triple, *emulator ? "" : "x86-64-v2");
    const Program program = one_step();
    const std::string path = folder.path + "/model";
    link_executable(objects_for(machine), program.weights, machine, LATHE_LLVM_CPU_DATA, path);
    const float x[3] = {1, 2, 3};
    write_file(folder.path + "/x.bin", std::string(reinterpret_cast<const char*>(x), 12));
    const std::string command = emulator + path + " " + folder.path + "/x.bin -o " + folder.path + " > /dev/null";
    CHECK(std::system(command.c_str()) == 0);
    const std::string npy = read_file(folder.path + "/y.npy");
    REQUIRE(npy.size() > 12);
    CHECK(npy.size() % 64 == 12);
    CHECK(npy.find("'shape': (3, )") != std::string::npos);
    float y[3];
    std::memcpy(y, npy.data() + npy.size() - 12, 12);
    CHECK(y[0] == 11);
    CHECK(y[2] == 33);
    std::filesystem::remove(folder.path + "/y.npy");
  }
}
