// The list that lathe/kernels/all.hpp gives, asked by name. No kernel is instantiated here but the functions that count scratch memory.
#include "kernel_names.hpp"

#include <vector>

#include "lathe/kernels/all.hpp"

namespace lathe::llvm_cpu {
namespace {

// A kernel's scratch memory is shared out among threads; artifacts are made before anybody knows how many there will be.
constexpr uint32_t most_threads = 64;

struct Name {
  std::string_view domain, op_type;
};
#define LATHE_NAME(domain, op_type, function, shape) {domain, #op_type},
constexpr Name names[] = {LATHE_KERNELS(LATHE_NAME)};

struct Scratch {
  std::string_view domain, op_type;
  uint64_t (*bytes)(const kernels::Call& call, uint32_t threads);
};
#define LATHE_SCRATCH(domain, op_type, function) {domain, #op_type, &kernels::function},
constexpr Scratch scratch[] = {LATHE_KERNEL_SCRATCH(LATHE_SCRATCH)};

std::vector<kernels::Tensor> tensors(const std::vector<Generic::TensorShape>& shapes) {
  std::vector<kernels::Tensor> result;
  for (const auto& shape : shapes)
    result.push_back({nullptr, shape.dimensions.data(), static_cast<int32_t>(shape.dimensions.size()), static_cast<kernels::Type>(shape.type)});
  return result;
}

}  // namespace

bool has_kernel(std::string_view domain, std::string_view op_type) {
  for (const Name& name : names)
    if (name.domain == domain && name.op_type == op_type) return true;
  return false;
}

uint64_t kernel_scratch(const Generic& kernel) {
  for (const Scratch& s : scratch) {
    if (s.domain != kernel.domain || s.op_type != kernel.op_type) continue;
    const auto inputs = tensors(kernel.inputs), outputs = tensors(kernel.outputs);
    std::vector<kernels::Attribute> attributes;
    for (const Generic::Attribute& a : kernel.attributes) {
      const bool is_text = a.ints.empty() && a.floats.empty();
      attributes.push_back({a.name.c_str(), a.ints.data(), a.floats.data(), is_text ? a.text.c_str() : nullptr,
                            is_text ? 1 : static_cast<int64_t>(a.ints.size() + a.floats.size())});
    }
    kernels::Call call{};
    call.inputs = inputs.data();
    call.outputs = outputs.data();
    call.attributes = attributes.data();
    call.input_count = static_cast<int32_t>(inputs.size());
    call.output_count = static_cast<int32_t>(outputs.size());
    call.attribute_count = static_cast<int32_t>(attributes.size());
    return s.bytes(call, most_threads);
  }
  return 0;
}

}  // namespace lathe::llvm_cpu
