// See call_memory.hpp.
#include "core/reference/call_memory.hpp"

#include <cstring>

#include "core/base/checked.hpp"
#include "core/ir/packed.hpp"

namespace lathe {

void* CallMemory::obtain(uint64_t bytes) { return const_cast<std::byte*>(blocks_.emplace_back(Bytes::zeros(bytes)).data); }

kernels::Tensor CallMemory::view(const Tensor* tensor) {
  if (!tensor || tensor->type == DataType::none) return {nullptr, nullptr, 0, kernels::Type::none};
  kernels::Tensor result{const_cast<std::byte*>(tensor->bytes.data), tensor->dimensions.data(), int32_t(tensor->dimensions.size()),
                         kernels::Type(tensor->type)};
  const int64_t count = tensor->size();
  if (tensor->type == DataType::string) {
    auto* strings = static_cast<kernels::String*>(obtain(uint64_t(count) * sizeof(kernels::String)));
    for (int64_t i = 0; i < count; ++i) {
      const std::string& s = (*tensor->strings)[size_t(i)];
      strings[i] = {s.data(), int64_t(s.size())};
    }
    result.data = strings;
  } else if (packed(tensor->type)) {
    result.data = obtain(uint64_t(count));
    spread(tensor->type, tensor->bytes.data, count, result.as<std::byte>());
  }
  return result;
}

std::vector<kernels::Attribute> CallMemory::attributes(const Node& node) {
  std::vector<kernels::Attribute> list;
  for (const auto& [name, attribute] : node.attributes) {
    kernels::Attribute a{name.c_str(), nullptr, nullptr, nullptr, 1};
    if (const auto* i = std::get_if<int64_t>(&attribute.value)) {
      a.ints = i;
    } else if (const auto* f = std::get_if<float>(&attribute.value)) {
      a.floats = f;
    } else if (const auto* s = std::get_if<std::string>(&attribute.value)) {
      a.string = s->c_str();
    } else if (const auto* ints = std::get_if<Attribute::Ints>(&attribute.value)) {
      if (ints->empty()) continue;  // the same as an absent one
      a.ints = ints->data();
      a.count = int64_t(ints->size());
    } else if (const auto* floats = std::get_if<Attribute::Floats>(&attribute.value)) {
      if (floats->empty()) continue;
      a.floats = floats->data();
      a.count = int64_t(floats->size());
    } else if (const auto* texts = std::get_if<Attribute::Strings>(&attribute.value)) {
      if (texts->empty()) continue;
      auto* strings = static_cast<kernels::String*>(obtain(texts->size() * sizeof(kernels::String)));
      for (size_t k = 0; k < texts->size(); ++k) strings[k] = {(*texts)[k].data(), int64_t((*texts)[k].size())};
      a.strings = strings;
      a.count = int64_t(texts->size());
    } else if (const auto* tensor = std::get_if<Tensor>(&attribute.value)) {
      a.tensor = &attribute_tensors_.emplace_back(view(tensor));
    } else {
      continue;
    }
    list.push_back(a);
  }
  return list;
}

void CallMemory::add_output(DataType type) {
  outputs_.push_back({nullptr, nullptr, 0, kernels::Type(type)});
  results_.emplace_back();
}

bool CallMemory::allocate(size_t output, std::vector<int64_t> dimensions) {
  kernels::Tensor& seen = outputs_[output];
  const DataType type = DataType(seen.type);
  const std::optional<uint64_t> bytes = byte_size(type, dimensions);
  const std::optional<int64_t> count = element_count(dimensions);
  if (!bytes || !count) return false;
  const std::optional<uint64_t> wanted = type == DataType::string ? checked_multiply<uint64_t>(uint64_t(*count), sizeof(kernels::String)) : bytes;
  if (!wanted || *wanted > left_) {
    over_limit_ = true;
    return false;
  }
  left_ -= *wanted;
  Tensor& result = results_[output].emplace();
  if (type == DataType::string || packed(type)) {
    result.type = type;
    result.dimensions = std::move(dimensions);
    seen.data = obtain(uint64_t(*count) * (type == DataType::string ? sizeof(kernels::String) : 1));
  } else {
    result = Tensor::allocate(type, std::move(dimensions));
    seen.data = const_cast<std::byte*>(result.bytes.data);
  }
  seen.dimensions = result.dimensions.data();
  seen.rank = int32_t(result.dimensions.size());
  return true;
}

void CallMemory::serve(kernels::Call& call) {
  call.outputs = outputs_.data();
  call.output_count = int32_t(outputs_.size());
  call.allocate_context = this;
  // Nothing may be thrown through a kernel.
  call.allocate = [](void* context, int32_t index, const int64_t* dimensions, int32_t rank) -> const kernels::Tensor* {
    auto* self = static_cast<CallMemory*>(context);
    try {
      const bool done = self->allocate(size_t(index), rank ? std::vector<int64_t>(dimensions, dimensions + rank) : std::vector<int64_t>());
      return done ? &self->outputs_[size_t(index)] : nullptr;
    } catch (const std::exception&) {
      return nullptr;
    }
  };
  call.memory = [](void* context, uint64_t bytes, bool) -> void* {
    try {
      return static_cast<CallMemory*>(context)->obtain(bytes);
    } catch (const std::exception&) {
      return nullptr;
    }
  };
}

std::vector<Tensor> CallMemory::take_results() {
  std::vector<Tensor> list;
  for (size_t i = 0; i < results_.size(); ++i) {
    if (!results_[i]) {
      list.emplace_back();
      continue;
    }
    Tensor result = std::move(*results_[i]);
    const int64_t count = result.size();
    if (result.type == DataType::string) {
      auto strings = std::make_shared<std::vector<std::string>>();
      strings->reserve(size_t(count));
      for (int64_t k = 0; k < count; ++k) {
        const kernels::String& s = outputs_[i].as<const kernels::String>()[k];
        strings->emplace_back(s.size ? std::string(s.data, size_t(s.size)) : std::string());
      }
      Tensor whole = Tensor::allocate(DataType::string, std::move(result.dimensions));
      whole.strings = std::move(strings);
      result = std::move(whole);
    } else if (packed(result.type)) {
      Tensor whole = Tensor::allocate(result.type, std::move(result.dimensions));
      pack(whole.type, outputs_[i].as<const std::byte>(), count, whole.as_mutable<std::byte>().data());
      result = std::move(whole);
    }
    list.push_back(std::move(result));
  }
  return list;
}

}  // namespace lathe
