// Artifacts as the host sees them: recognised by their trailer, described from their header, run by the runtime or the emulator.
#include "executor.hpp"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <mutex>

#include "artifact_file.hpp"
#include "foreign.hpp"
#include "target.hpp"

namespace lathe::llvm_cpu {
namespace {

// Whether this process itself can run code of the family.
bool is_host(const Family& family) {
#if defined(__x86_64__)
  return family.elf_machine == EM_X86_64;
#elif defined(__aarch64__)
  return family.elf_machine == EM_AARCH64;
#elif defined(__riscv)
  return family.elf_machine == EM_RISCV;
#else
  return false;
#endif
}

lathe_model* open_model(const std::string& path, const lathe_model_options& options) {
  lathe_model* model = nullptr;
  const int32_t code = lathe_model_open(path.c_str(), &options, &model);
  if (code == LATHE_RUNTIME_OK) return model;
  const std::string text = lathe_model_error(model);
  lathe_model_close(model);
  throw sdk::Failure(code == LATHE_RUNTIME_UNSUPPORTED ? LATHE_UNSUPPORTED : LATHE_FAILED, text);
}

sdk::Shape shape_of(const lathe_artifact_tensor& tensor) {
  sdk::Shape shape;
  for (int32_t i = 0; i < tensor.rank; ++i) shape.emplace_back(tensor.dimensions[i]);
  return shape;
}

// A text that lives as long as the process, since obstacle() returns static strings.
const char* keep(std::string text) {
  static std::mutex mutex;
  static std::map<std::string, int>& kept = *new std::map<std::string, int>();
  const std::lock_guard lock(mutex);
  return kept.emplace(std::move(text), 0).first->first.c_str();
}

}  // namespace

int Executor::recognise(const sdk::FileHead& head) { return artifact_family(head) ? 100 : 0; }

const char* Executor::obstacle(std::string_view path) {
  const std::string file(path);
  const Family* family = artifact_family(file);
  if (!family) return nullptr;  // nothing is there yet, or nothing that this part knows
  if (!is_host(*family)) {
    if (!find_emulator(*family).empty()) return nullptr;
    return keep(std::string("it is for ") + family->description + ", and " + family->emulator + " is not installed (Debian: qemu-user-static)");
  }
  lathe_model_options options{};
  options.struct_size = sizeof options;
  options.threads = 1;
  lathe_model* model = nullptr;
  const char* why = nullptr;
  if (lathe_model_open(file.c_str(), &options, &model) == LATHE_RUNTIME_UNSUPPORTED) why = keep(lathe_model_error(model));
  lathe_model_close(model);
  return why;
}

Executor::Executor(sdk::Host host, const sdk::LoadRequest& request) {
  const Family* family = artifact_family(request.path);
  lathe_model_options options{};
  options.struct_size = sizeof options;
  options.threads = request.threads;
  options.profile = request.profile ? 1 : 0;
  options.describe_only = family && !is_host(*family) ? 1 : 0;
  model_.reset(open_model(request.path, options));
  if (options.describe_only) foreign_ = std::make_unique<ForeignModel>(*family, host.plugin_directory() + "/llvm_cpu", request);
  const lathe_artifact& table = *lathe_model_describe(model_.get());
  for (uint32_t i = 0; i < table.input_count; ++i) interface_.add_input(table.inputs[i].name, table.inputs[i].type, shape_of(table.inputs[i]));
  for (uint32_t i = 0; i < table.output_count; ++i) interface_.add_output(table.outputs[i].name, table.outputs[i].type, shape_of(table.outputs[i]));
}

Executor::~Executor() = default;

void Executor::run(sdk::Run& run) {
  const lathe_artifact& table = *lathe_model_describe(model_.get());
  if (foreign_) {
    std::vector<int32_t> types;
    for (uint32_t i = 0; i < table.output_count; ++i) types.push_back(table.outputs[i].type);
    if (run.input_count() != table.input_count)
      throw sdk::Failure(LATHE_USAGE,
                         "the model has " + std::to_string(table.input_count) + " inputs and " + std::to_string(run.input_count()) + " are given");
    return foreign_->run(run, types);
  }
  std::vector<lathe_model_tensor> inputs;
  for (size_t i = 0; i < run.input_count(); ++i) {
    const sdk::BufferView b = run.input(i);
    inputs.push_back({sizeof(lathe_model_tensor), b.type(), b.dimensions().size(), b.dimensions().data(), const_cast<void*>(b.data()), b.bytes()});
  }
  lathe_model_run_request request{};
  request.struct_size = sizeof request;
  request.inputs = inputs.data();
  request.input_count = static_cast<uint32_t>(inputs.size());
  request.context = &run;
  request.allocate = [](void* context, uint32_t output, int32_t type, const int64_t* dimensions, uint64_t rank, uint64_t bytes) -> void* {
    try {
      return static_cast<sdk::Run*>(context)->output(output, type, {dimensions, dimensions + rank}, bytes);
    } catch (...) {
      return nullptr;  // no exception may pass through the runtime
    }
  };
  const int32_t code = lathe_model_run(model_.get(), &request);
  if (code != LATHE_RUNTIME_OK) throw sdk::Failure(code == LATHE_RUNTIME_USAGE ? LATHE_USAGE : LATHE_FAILED, lathe_model_error(model_.get()));
}

uint64_t Executor::peak_bytes() { return foreign_ ? foreign_->profile().scratch_bytes : lathe_model_scratch_bytes(model_.get()); }

std::vector<std::pair<uint64_t, uint64_t>> Executor::kernel_times() {
  const uint32_t count = lathe_model_describe(model_.get())->kernel_count;
  if (foreign_) {
    std::vector<std::pair<uint64_t, uint64_t>> times = foreign_->profile().times;
    times.resize(count);
    return times;
  }
  std::vector<std::pair<uint64_t, uint64_t>> times(count);
  for (uint32_t i = 0; i < count; ++i) lathe_model_profile(model_.get(), i, &times[i].first, &times[i].second);
  return times;
}

}  // namespace lathe::llvm_cpu
