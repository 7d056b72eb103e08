// lathe/runtime.hpp - the C++20 face of lathe/runtime.h. Header only.
//
//     lathe::runtime::Model model("yolov8n.so", {.threads = 2});
//     std::vector<lathe::runtime::Tensor> outputs = model.run({lathe::runtime::Tensor::of<float>({1, 3, 640, 640}, pixels)});
//     std::span<const float> boxes = outputs[0].as<float>();
//
// Every failure is a RuntimeError with the library's sentence. One Model is used by one thread at a time.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "lathe/runtime.h"

namespace lathe::runtime {

class RuntimeError : public std::runtime_error {
 public:
  RuntimeError(int32_t code, const std::string& text) : std::runtime_error(text), code(code) {}
  int32_t code;  // LATHE_RUNTIME_...
};

// ONNX's TensorProto.DataType number of a C++ type.
template <class T>
constexpr int32_t data_type() {
  if constexpr (std::is_same_v<T, float>) return 1;
  if constexpr (std::is_same_v<T, uint8_t>) return 2;
  if constexpr (std::is_same_v<T, int8_t>) return 3;
  if constexpr (std::is_same_v<T, uint16_t>) return 4;
  if constexpr (std::is_same_v<T, int16_t>) return 5;
  if constexpr (std::is_same_v<T, int32_t>) return 6;
  if constexpr (std::is_same_v<T, int64_t>) return 7;
  if constexpr (std::is_same_v<T, bool>) return 9;
  if constexpr (std::is_same_v<T, double>) return 11;
  if constexpr (std::is_same_v<T, uint32_t>) return 12;
  if constexpr (std::is_same_v<T, uint64_t>) return 13;
  return 0;
}

// A packed, row-major tensor that owns its bytes, aligned to 64; those of strings own their characters.
class Tensor {
 public:
  Tensor() = default;
  // Zeroed. Throws RuntimeError(LATHE_RUNTIME_USAGE) when the size overflows.
  Tensor(int32_t type, std::vector<int64_t> dimensions) : type_(type), dimensions_(std::move(dimensions)) {
    // A string's address and size take as much as a complex128, which is type 15.
    bytes_ = lathe_tensor_bytes(type_ == string_type ? 15 : type_, dimensions_.data(), dimensions_.size());
    if (bytes_ == UINT64_MAX) throw RuntimeError(LATHE_RUNTIME_USAGE, "the tensor's type is unknown or its size overflows");
    data_.reset(static_cast<std::byte*>(::operator new(bytes_ ? bytes_ : 1, alignment)));
    std::fill_n(data_.get(), bytes_, std::byte{0});
  }
  // A copy of `values`; their number must be that of the dimensions.
  template <class T>
  static Tensor of(std::vector<int64_t> dimensions, std::span<const T> values) {
    Tensor tensor(data_type<T>(), std::move(dimensions));
    if (values.size_bytes() != tensor.bytes_) throw RuntimeError(LATHE_RUNTIME_USAGE, "the number of values is not that of the dimensions");
    std::copy(values.begin(), values.end(), tensor.as<T>().begin());
    return tensor;
  }
  static Tensor of_strings(std::vector<int64_t> dimensions, std::vector<std::string> values) {
    Tensor tensor(string_type, std::move(dimensions));
    if (values.size() * sizeof(lathe_artifact_string) != tensor.bytes_)
      throw RuntimeError(LATHE_RUNTIME_USAGE, "the number of values is not that of the dimensions");
    tensor.strings_ = std::move(values);
    auto* entries = reinterpret_cast<lathe_artifact_string*>(tensor.data_.get());
    for (size_t i = 0; i < tensor.strings_.size(); ++i) entries[i] = {tensor.strings_[i].data(), tensor.strings_[i].size()};
    return tensor;
  }
  // A copy of what a run yields.
  static Tensor copy(const lathe_model_tensor& value) {
    std::vector<int64_t> dimensions(value.dimensions, value.dimensions + value.rank);
    if (value.type == string_type) {
      const auto* entries = static_cast<const lathe_artifact_string*>(value.data);
      std::vector<std::string> strings;
      for (uint64_t i = 0; i < value.bytes / sizeof *entries; ++i) strings.emplace_back(entries[i].data, entries[i].size);
      return of_strings(std::move(dimensions), std::move(strings));
    }
    Tensor tensor(value.type, std::move(dimensions));
    std::copy_n(static_cast<const std::byte*>(value.data), tensor.bytes_, tensor.data_.get());
    return tensor;
  }

  int32_t type() const { return type_; }
  const std::vector<int64_t>& dimensions() const { return dimensions_; }
  uint64_t bytes() const { return bytes_; }
  void* data() { return data_.get(); }
  const void* data() const { return data_.get(); }
  const std::vector<std::string>& strings() const { return strings_; }
  // Throws RuntimeError(LATHE_RUNTIME_USAGE) when T is not the tensor's type.
  template <class T>
  std::span<T> as() {
    check<T>();
    return {reinterpret_cast<T*>(data_.get()), bytes_ / sizeof(T)};
  }
  template <class T>
  std::span<const T> as() const {
    check<T>();
    return {reinterpret_cast<const T*>(data_.get()), bytes_ / sizeof(T)};
  }
  lathe_model_tensor view() const {
    return {sizeof(lathe_model_tensor), type_, dimensions_.size(), dimensions_.data(), data_.get(), bytes_, LATHE_ARTIFACT_TENSOR, 0, nullptr, 0};
  }

 private:
  static constexpr std::align_val_t alignment{64};
  static constexpr int32_t string_type = 8;
  struct Free {
    void operator()(std::byte* bytes) const { ::operator delete(bytes, alignment); }
  };
  template <class T>
  void check() const {
    if (data_type<T>() != type_) throw RuntimeError(LATHE_RUNTIME_USAGE, "the tensor holds another type");
  }
  int32_t type_ = 0;
  std::vector<int64_t> dimensions_;
  uint64_t bytes_ = 0;
  std::unique_ptr<std::byte[], Free> data_;
  std::vector<std::string> strings_;  // what the bytes point to
};

// What a model takes and yields: a tensor; a sequence of tensors; an optional of either, which may be absent.
struct Value {
  int32_t kind = LATHE_ARTIFACT_TENSOR;
  int32_t type = 0;  // of the elements of sequences and optionals
  bool absent = false;
  Tensor tensor;                 // of a tensor, and of an optional tensor that is there
  std::vector<Tensor> elements;  // of a sequence, and of an optional sequence that is there

  Value() = default;
  Value(Tensor t) : type(t.type()), tensor(std::move(t)) {}  // NOLINT: a tensor is a value
  static Value sequence(int32_t type, std::vector<Tensor> elements) {
    Value value;
    value.kind = LATHE_ARTIFACT_SEQUENCE;
    value.type = type;
    value.elements = std::move(elements);
    return value;
  }
  static Value copy(const lathe_model_tensor& given) {
    Value value;
    value.kind = given.kind;
    value.type = given.type;
    value.absent = given.absent != 0;
    if (value.absent) return value;
    if (given.kind == LATHE_ARTIFACT_TENSOR || given.kind == LATHE_ARTIFACT_OPTIONAL) value.tensor = Tensor::copy(given);
    for (uint64_t i = 0; i < given.element_count; ++i) value.elements.push_back(Tensor::copy(given.elements[i]));
    return value;
  }
};

struct Options {
  uint32_t threads = 0;  // 0: as many as processors
  bool profile = false;
  bool check_weights = false;
};

class Model {
 public:
  // A native artifact, or a package folder whose stages are native artifacts.
  explicit Model(const std::string& path, const Options& options = {}) {
    lathe_model* model = nullptr;
    const lathe_model_options o = {sizeof o, options.threads, options.profile, options.check_weights, 0};
    const int32_t code = lathe_model_open(path.c_str(), &o, &model);
    model_.reset(model);
    check(code);
  }

  uint32_t input_count() const { return table().input_count; }
  uint32_t output_count() const { return table().output_count; }
  const lathe_artifact_tensor& input(uint32_t index) const { return table().inputs[index]; }
  const lathe_artifact_tensor& output(uint32_t index) const { return table().outputs[index]; }
  const lathe_artifact& table() const { return *lathe_model_describe(model_.get()); }
  lathe_model* handle() { return model_.get(); }

  // `inputs` and the result are in the order of input() and output(). For models whose inputs and outputs are all tensors.
  std::vector<Tensor> run(std::span<const Tensor> inputs) {
    std::vector<lathe_model_tensor> given;
    given.reserve(inputs.size());
    for (const Tensor& t : inputs) given.push_back(t.view());
    std::vector<Tensor> outputs;
    for (Value& value : run_views(given)) {
      if (value.kind != LATHE_ARTIFACT_TENSOR) throw RuntimeError(LATHE_RUNTIME_USAGE, "an output is no tensor: use run_values()");
      outputs.push_back(std::move(value.tensor));
    }
    return outputs;
  }
  std::vector<Tensor> run(const Tensor& input) { return run(std::span(&input, 1)); }

  // Likewise with sequences and optionals.
  std::vector<Value> run_values(std::span<const Value> inputs) {
    std::vector<lathe_model_tensor> given;
    std::vector<std::vector<lathe_model_tensor>> elements(inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Value& value = inputs[i];
      for (const Tensor& t : value.elements) elements[i].push_back(t.view());
      lathe_model_tensor view = value.tensor.view();
      view.kind = value.kind;
      view.type = value.type;
      view.absent = value.absent;
      view.elements = elements[i].data();
      view.element_count = elements[i].size();
      given.push_back(view);
    }
    return run_views(given);
  }

 private:
  struct Close {
    void operator()(lathe_model* model) const { lathe_model_close(model); }
  };
  std::vector<Value> run_views(const std::vector<lathe_model_tensor>& given) {
    std::vector<Value> outputs(output_count());
    lathe_model_run_request request{};
    request.struct_size = sizeof request;
    request.inputs = given.data();
    request.input_count = static_cast<uint32_t>(given.size());
    request.output_count = static_cast<uint32_t>(outputs.size());
    request.context = &outputs;
    request.allocate = [](void* context, uint32_t output, int32_t type, const int64_t* dimensions, uint64_t rank, uint64_t) noexcept -> void* {
      try {
        Value& value = (*static_cast<std::vector<Value>*>(context))[output];
        value = Tensor(type, {dimensions, dimensions + rank});
        return value.tensor.data();
      } catch (...) {
        return nullptr;
      }
    };
    request.put = [](void* context, uint32_t output, const lathe_model_tensor* value) noexcept -> int32_t {
      try {
        (*static_cast<std::vector<Value>*>(context))[output] = Value::copy(*value);
        return 0;
      } catch (...) {
        return 1;
      }
    };
    check(lathe_model_run(model_.get(), &request));
    return outputs;
  }
  void check(int32_t code) const {
    if (code != LATHE_RUNTIME_OK) throw RuntimeError(code, model_ ? lathe_model_error(model_.get()) : "out of memory");
  }
  std::unique_ptr<lathe_model, Close> model_;
};

}  // namespace lathe::runtime
