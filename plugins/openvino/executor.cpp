// Names, types and shapes come from the file itself; OpenVINO compiles it for the device that it was written for and runs it.
#include "executor.hpp"

#include <cstring>

namespace lathe::openvino {
namespace {

constexpr const char* absent = "OpenVINO is not installed here: libopenvino_c.so was not found";

std::optional<sdk::Shape> shape_of(const OutputPort& port) {
  if (!port.dimensions) return std::nullopt;
  sdk::Shape shape;
  for (const int64_t d : *port.dimensions) shape.push_back(sdk::Dimension(d));
  return shape;
}

std::string device_of(const Model& model) {
  for (const Info& info : model.info)
    if (info.name == "lathe")
      for (const Info& entry : info.children)
        if (entry.name == "device" && !entry.value.empty()) return entry.value;
  return "CPU";
}

}  // namespace

int Executor::recognise(const sdk::FileHead& head) {
  return head.has_extension("xml") && looks_like_ir({reinterpret_cast<const char*>(head.bytes), head.size}) ? 90 : 0;
}

const char* Executor::obstacle(std::string_view) { return find_runtime() ? nullptr : absent; }

void Executor::check(int status, const char* what) const {
  if (status == 0) return;
  const char* reason = runtime_->last_error ? runtime_->last_error() : nullptr;
  throw sdk::Failure(LATHE_FAILED, std::string("OpenVINO cannot ") + what + ": " + (reason && *reason ? reason : "status " + std::to_string(status)));
}

Executor::Executor(const sdk::Host&, const sdk::LoadRequest& request) : runtime_(find_runtime()) {
  if (!runtime_) throw sdk::Failure(LATHE_UNSUPPORTED, absent, "install OpenVINO's runtime, or set INTEL_OPENVINO_DIR to where it was unpacked");
  file_ = std::make_unique<ModelFile>(request.path);
  const Model& model = file_->model();
  for (const Layer& layer : model.layers) {
    const auto name = [](const OutputPort& port, const Layer& from) { return port.names.empty() ? from.name : port.names.front(); };
    if (layer.type == "Parameter") interface_.add_input(name(layer.outputs[0], layer), layer.outputs[0].type, shape_of(layer.outputs[0]));
    if (layer.type != "Result") continue;
    const Layer& from = model.layers[layer.inputs.at(0).layer];
    const OutputPort& port = from.outputs[layer.inputs[0].port];
    interface_.add_output(name(port, from), port.type, shape_of(port));
    output_types_.push_back(port.type);
  }
  check(runtime_->core_create(&core_), "start");
  const std::string threads = std::to_string(request.threads), device = device_of(model);
  check(device == "CPU" ? runtime_->compile_from_file(core_, request.path.c_str(), "CPU", 2, &compiled_, "INFERENCE_NUM_THREADS", threads.c_str())
                        : runtime_->compile_from_file(core_, request.path.c_str(), device.c_str(), 0, &compiled_),
        "compile the model");
  check(runtime_->create_request(compiled_, &request_), "prepare the model");
}

Executor::~Executor() {
  if (request_) runtime_->request_free(request_);
  if (compiled_) runtime_->compiled_free(compiled_);
  if (core_) runtime_->core_free(core_);
}

void Executor::run(sdk::Run& run) {
  struct Tensor {
    const Runtime& runtime;
    void* handle = nullptr;
    ~Tensor() {
      if (handle) runtime.tensor_free(handle);
    }
  };
  for (size_t i = 0; i < run.input_count(); ++i) {
    const sdk::BufferView given = run.input(i);
    Tensor tensor{*runtime_};
    check(runtime_->input_tensor(request_, i, &tensor.handle), "give an input's memory");
    std::vector<int64_t> dimensions = given.dimensions().copy();
    check(runtime_->tensor_set_shape(tensor.handle, {static_cast<int64_t>(dimensions.size()), dimensions.data()}), "take an input of that shape");
    size_t bytes = 0;
    void* data = nullptr;
    check(runtime_->tensor_bytes(tensor.handle, &bytes), "size an input");
    check(runtime_->tensor_data(tensor.handle, &data), "give an input's memory");
    if (bytes != given.bytes()) throw sdk::Failure(LATHE_FAILED, "OpenVINO takes another number of bytes for an input than it has");
    if (bytes) std::memcpy(data, given.data(), bytes);
  }
  check(runtime_->infer(request_), "run the model");
  for (size_t i = 0; i < output_types_.size(); ++i) {
    Tensor tensor{*runtime_};
    check(runtime_->output_tensor(request_, i, &tensor.handle), "give an output");
    Runtime::Shape shape{};
    check(runtime_->tensor_shape(tensor.handle, &shape), "give an output's shape");
    const std::vector<int64_t> dimensions(shape.dims, shape.dims + shape.rank);
    runtime_->shape_free(&shape);
    size_t bytes = 0;
    void* data = nullptr;
    check(runtime_->tensor_bytes(tensor.handle, &bytes), "size an output");
    check(runtime_->tensor_data(tensor.handle, &data), "give an output");
    void* memory = run.output(static_cast<uint32_t>(i), output_types_[i], dimensions, bytes);
    if (bytes) std::memcpy(memory, data, bytes);
  }
}

}  // namespace lathe::openvino
