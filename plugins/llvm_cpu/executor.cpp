// Artifacts as the host sees them: recognised by their trailer, described from their header, run by the runtime or the emulator.
#include "executor.hpp"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <deque>
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

std::optional<sdk::Shape> shape_of(const lathe_artifact_tensor& tensor) {
  if (tensor.rank < 0) return std::nullopt;
  sdk::Shape shape;
  for (int32_t i = 0; i < tensor.rank; ++i) {
    const char* symbol = tensor.symbols ? tensor.symbols[i] : nullptr;
    if (tensor.dimensions[i] < 0 && symbol)
      shape.emplace_back(symbol);
    else
      shape.emplace_back(tensor.dimensions[i]);
  }
  return shape;
}

// The host's values as the runtime's; `elements` keeps what sequences point to.
lathe_model_tensor given_tensor(const sdk::BufferView& b, std::deque<std::vector<lathe_model_tensor>>& elements) {
  lathe_model_tensor t{};
  t.struct_size = sizeof t;
  t.type = b.type();
  t.kind = b.kind();
  t.absent = !b.present();
  t.rank = b.dimensions().size();
  t.dimensions = b.dimensions().data();
  t.data = const_cast<void*>(b.data());
  t.bytes = b.bytes();
  if (b.kind() != LATHE_KIND_SEQUENCE && b.kind() != LATHE_KIND_OPTIONAL_SEQUENCE) return t;
  std::vector<lathe_model_tensor> list;
  for (size_t i = 0; i < b.element_count(); ++i) list.push_back(given_tensor(b.element(i), elements));
  t.elements = elements.emplace_back(std::move(list)).data();
  t.element_count = b.element_count();
  return t;
}

// The other way round.
lathe_buffer made_buffer(const lathe_model_tensor& t, std::deque<std::vector<lathe_buffer>>& elements) {
  lathe_buffer b{};
  b.struct_size = sizeof b;
  b.type = t.type;
  b.kind = t.kind;
  b.present = !t.absent;
  b.dimensions = t.dimensions;
  b.rank = t.rank;
  b.data = t.data;
  b.size = t.bytes;
  if (t.element_count == 0) return b;
  std::vector<lathe_buffer> list;
  for (uint64_t i = 0; i < t.element_count; ++i) list.push_back(made_buffer(t.elements[i], elements));
  b.elements = elements.emplace_back(std::move(list)).data();
  b.element_count = t.element_count;
  b.element_stride = sizeof(lathe_buffer);
  return b;
}

// What the runtime's callbacks are given.
struct Caller {
  sdk::Run& run;
  const sdk::Host& host;
  const lathe_pictures* pictures;
};

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

Executor::Executor(sdk::Host host, const sdk::LoadRequest& request) : host_(host) {
  const Family* family = artifact_family(request.path);
  lathe_model_options options{};
  options.struct_size = sizeof options;
  options.threads = request.threads;
  options.profile = request.profile ? 1 : 0;
  options.describe_only = family && !is_host(*family) ? 1 : 0;
  model_.reset(open_model(request.path, options));
  if (options.describe_only) foreign_ = std::make_unique<ForeignModel>(*family, host.plugin_directory() + "/llvm_cpu", request);
  const lathe_artifact& table = *lathe_model_describe(model_.get());
  for (uint32_t i = 0; i < table.input_count; ++i)
    interface_.add_input(table.inputs[i].name, table.inputs[i].type, shape_of(table.inputs[i]), table.inputs[i].kind);
  for (uint32_t i = 0; i < table.output_count; ++i)
    interface_.add_output(table.outputs[i].name, table.outputs[i].type, shape_of(table.outputs[i]), table.outputs[i].kind);
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
  std::deque<std::vector<lathe_model_tensor>> elements;
  std::vector<lathe_model_tensor> inputs;
  for (size_t i = 0; i < run.input_count(); ++i) inputs.push_back(given_tensor(run.input(i), elements));
  lathe_model_run_request request{};
  request.struct_size = sizeof request;
  request.inputs = inputs.data();
  request.input_count = static_cast<uint32_t>(inputs.size());
  const auto* pictures = static_cast<const lathe_pictures*>(host_.service(LATHE_PICTURES_SERVICE));
  Caller caller{run, host_, pictures && LATHE_HAS(pictures, lathe_pictures, decode) ? pictures : nullptr};
  request.context = &caller;
  // No exception may pass through the runtime.
  request.allocate = [](void* context, uint32_t output, int32_t type, const int64_t* dimensions, uint64_t rank, uint64_t bytes) -> void* {
    try {
      return static_cast<Caller*>(context)->run.output(output, type, {dimensions, dimensions + rank}, bytes);
    } catch (...) {
      return nullptr;
    }
  };
  request.put = [](void* context, uint32_t output, const lathe_model_tensor* value) -> int32_t {
    try {
      std::deque<std::vector<lathe_buffer>> lists;
      static_cast<Caller*>(context)->run.put(output, made_buffer(*value, lists));
      return 0;
    } catch (...) {
      return 1;
    }
  };
  if (caller.pictures)
    request.decode_picture = [](void* context, const void* file, uint64_t size, void* target,
                                uint8_t* (*allocate)(void* target, int64_t height, int64_t width)) {
      const lathe_pictures& decoders = *static_cast<Caller*>(context)->pictures;
      return decoders.decode(decoders.context, file, size, target, allocate);
    };
  request.cancelled = [](void* context) -> int32_t { return static_cast<Caller*>(context)->host.cancelled(); };
  const int32_t code = lathe_model_run(model_.get(), &request);
  if (code == LATHE_RUNTIME_CANCELLED) throw sdk::Failure(LATHE_CANCELLED);
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
