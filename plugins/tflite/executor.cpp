// Loading, resizing, copying in and out. Tensor names are the file's own.
#include "executor.hpp"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <lathe/mapped_file.hpp>

#include "file.hpp"

namespace lathe::tflite {
namespace {

void keep_what_is_said(void* to, const char* format, va_list arguments) {
  char line[512];
  std::vsnprintf(line, sizeof line, format, arguments);
  auto& said = *static_cast<std::string*>(to);
  if (said.size() < 4096) said += (said.empty() ? "" : "; ") + std::string(line);
}

// The C API counts its types in another way than the file.
int32_t onnx_type_of_runtime(int32_t type) {
  constexpr int32_t types[] = {0,
                               LATHE_FLOAT32,
                               LATHE_INT32,
                               LATHE_UINT8,
                               LATHE_INT64,
                               LATHE_STRING,
                               LATHE_BOOL,
                               LATHE_INT16,
                               LATHE_COMPLEX64,
                               LATHE_INT8,
                               LATHE_FLOAT16,
                               LATHE_FLOAT64,
                               LATHE_COMPLEX128,
                               LATHE_UINT64,
                               0,
                               0,
                               LATHE_UINT32,
                               LATHE_UINT16};
  return type >= 0 && static_cast<size_t>(type) < std::size(types) ? types[type] : 0;
}

}  // namespace

int Executor::recognise(const sdk::FileHead& head) { return has_identifier({reinterpret_cast<const char*>(head.bytes), head.size}) ? 90 : 0; }

const char* Executor::obstacle(std::string_view path) {
  std::error_code none;
  if (std::filesystem::is_regular_file(path, none)) {
    const sdk::MappedFile file{std::string(path)};
    if (file.bytes().find("edgetpu-custom-op") != std::string_view::npos) return "it is for the Edge TPU, which runs it with a library of its own";
  }
  static std::string& why = *new std::string();
  return find_runtime(why) ? nullptr : why.c_str();
}

void Executor::fail(const std::string& what) const {
  sdk::Diagnostic d;
  d.text = "TensorFlow Lite " + std::string(runtime_->version()) + " " + what + (said_.empty() ? "" : ": " + said_);
  d.location = path_;
  throw sdk::Failure(LATHE_UNSUPPORTED, std::move(d));
}

Executor::Executor(const sdk::Host&, const sdk::LoadRequest& request) : path_(request.path) {
  std::string why;
  runtime_ = find_runtime(why);
  if (!runtime_) throw sdk::Failure(LATHE_UNSUPPORTED, why);
  // The runtime believes what it reads: the file is looked through before it gets it.
  const sdk::MappedFile file(request.path);
  const Model model = read_model(file.bytes(), request.path);
  const Closer closer{runtime_};
  model_ = {runtime_->model_create_from_file(request.path.c_str()), closer};
  if (!model_) fail("does not take the file");
  const Subgraph& graph = model.subgraphs[0];
  for (const int32_t i : graph.inputs) open_ |= !graph.tensors[static_cast<size_t>(i)].signature.empty();
  threads_ = static_cast<int32_t>(request.threads);
  // XNNPACK, which interpreters use by default, computes what it can; it takes no open dimensions.
  if (open_ || model.subgraphs.size() > 1 || !runtime_->xnnpack_create || !prepare(true)) prepare(false);
  const auto describe = [&](const std::vector<int32_t>& list, auto add) {
    for (const int32_t i : list) {
      const Tensor& t = graph.tensors[static_cast<size_t>(i)];
      sdk::Shape shape;
      const auto& extents = t.signature.empty() ? t.shape : t.signature;
      for (const int32_t e : extents) shape.emplace_back(static_cast<int64_t>(e));
      add(t.name, onnx_type(t.type), shape);
    }
  };
  describe(graph.inputs, [&](const std::string& n, int32_t t, const sdk::Shape& s) { interface_.add_input(n, t, s); });
  describe(graph.outputs, [&](const std::string& n, int32_t t, const sdk::Shape& s) { interface_.add_output(n, t, s); });
}

// False where it is not to be had with XNNPACK.
bool Executor::prepare(bool xnnpack) {
  const Closer closer{runtime_};
  interpreter_.reset();
  options_ = {runtime_->options_create(), closer};
  runtime_->options_set_threads(options_.get(), threads_);
  runtime_->options_set_error_reporter(options_.get(), keep_what_is_said, &said_);
  delegate_.reset();
  if (xnnpack) {
    XnnpackOptions wanted;
    wanted.threads = threads_;
    delegate_ = {runtime_->xnnpack_create(&wanted), closer};
    if (!delegate_) return false;
    runtime_->options_add_delegate(options_.get(), delegate_.get());
  }
  said_.clear();
  interpreter_ = {runtime_->interpreter_create(model_.get(), options_.get()), closer};
  if (!interpreter_) {
    if (xnnpack) return false;
    fail("does not take the model");
  }
  if (open_) return true;  // only a run knows the shapes
  allocated_ = true;
  if (runtime_->allocate(interpreter_.get()) == 0) return true;
  if (xnnpack) return false;
  fail("cannot prepare the model");
}

void Executor::allocate() {
  allocated_ = true;
  if (runtime_->allocate(interpreter_.get()) != 0) fail("cannot prepare the model");
}

void Executor::fill(sdk::Run& run) {
  const int32_t inputs = runtime_->input_count(interpreter_.get());
  for (int32_t i = 0; i < inputs; ++i) {
    RuntimeTensor* tensor = runtime_->input(interpreter_.get(), i);
    const sdk::BufferView given = run.input(static_cast<size_t>(i));
    if (runtime_->tensor_bytes(tensor) != given.bytes())
      throw sdk::Failure(LATHE_USAGE, std::string("the input '") + runtime_->tensor_name(tensor) + "' has " +
                                          std::to_string(runtime_->tensor_bytes(tensor)) + " bytes, and " + std::to_string(given.bytes()) +
                                          " were given");
    if (given.bytes()) std::memcpy(runtime_->tensor_data(tensor), given.data(), given.bytes());
  }
}

void Executor::run(sdk::Run& run) {
  const int32_t inputs = runtime_->input_count(interpreter_.get());
  if (run.input_count() != static_cast<size_t>(inputs)) throw sdk::Failure(LATHE_USAGE, "the model has " + std::to_string(inputs) + " inputs");
  bool resized = !allocated_;
  for (int32_t i = 0; i < inputs; ++i) {
    const RuntimeTensor* tensor = runtime_->input(interpreter_.get(), i);
    std::vector<int> wanted;
    for (const int64_t e : run.input(static_cast<size_t>(i)).dimensions()) wanted.push_back(static_cast<int>(e));
    bool same = runtime_->tensor_rank(tensor) == static_cast<int32_t>(wanted.size());
    for (size_t d = 0; same && d < wanted.size(); ++d) same = runtime_->tensor_extent(tensor, static_cast<int32_t>(d)) == wanted[d];
    if (same) continue;
    if (runtime_->resize_input(interpreter_.get(), i, wanted.data(), static_cast<int32_t>(wanted.size())) != 0)
      fail("does not take the input's shape");
    resized = true;
  }
  if (resized) allocate();
  fill(run);
  bool done = runtime_->invoke(interpreter_.get()) == 0;
  if (!done && delegate_) {  // what XNNPACK gives up on half way, the other kernels may do
    prepare(false);
    fill(run);
    done = runtime_->invoke(interpreter_.get()) == 0;
  }
  if (!done) fail("fails while it runs");
  for (int32_t i = 0; i < runtime_->output_count(interpreter_.get()); ++i) {
    const RuntimeTensor* tensor = runtime_->output(interpreter_.get(), i);
    std::vector<int64_t> extents;
    for (int32_t d = 0; d < runtime_->tensor_rank(tensor); ++d) extents.push_back(runtime_->tensor_extent(tensor, d));
    const size_t bytes = runtime_->tensor_bytes(tensor);
    void* to = run.output(static_cast<uint32_t>(i), onnx_type_of_runtime(runtime_->tensor_type(tensor)), extents, bytes);
    if (bytes) std::memcpy(to, runtime_->tensor_data(tensor), bytes);
  }
}

}  // namespace lathe::tflite
