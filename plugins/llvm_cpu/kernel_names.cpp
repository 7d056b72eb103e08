// The list that lathe/kernels/all.hpp gives, asked by name. No kernel is instantiated here but the functions that count scratch memory.
#include "kernel_names.hpp"

#include <vector>

#include "lathe/kernels/all.hpp"

namespace lathe::llvm_cpu {
namespace {

// A kernel's scratch memory is shared out among threads; artifacts are made before anybody knows how many there will be.
constexpr uint32_t most_threads = 64;

constexpr bool is_nothing(kernels::ShapeFunction function) { return function == nullptr; }

struct Name {
  std::string_view domain, op_type;
  bool decides_shapes;
};
#define LATHE_NAME(domain, op_type, function, shape) {domain, #op_type, is_nothing(kernels::shape)},
constexpr Name names[] = {LATHE_KERNELS(LATHE_NAME)};

const Name* find(std::string_view domain, std::string_view op_type) {
  for (const Name& name : names)
    if (name.domain == domain && name.op_type == op_type) return &name;
  return nullptr;
}

struct DriverOperator {
  std::string_view op_type;
  Action action;
};
constexpr DriverOperator driver_operators[] = {{"If", Action::branch},
                                               {"Loop", Action::loop},
                                               {"Scan", Action::scan},
                                               {"Identity", Action::identity},
                                               {"Reshape", Action::view},
                                               {"Flatten", Action::view},
                                               {"Squeeze", Action::view},
                                               {"Unsqueeze", Action::view},
                                               {"SequenceEmpty", Action::sequence_empty},
                                               {"SequenceConstruct", Action::sequence_construct},
                                               {"SequenceAt", Action::sequence_at},
                                               {"SequenceInsert", Action::sequence_insert},
                                               {"SequenceErase", Action::sequence_erase},
                                               {"SequenceLength", Action::sequence_length},
                                               {"SplitToSequence", Action::split_to_sequence},
                                               {"ConcatFromSequence", Action::concat_from_sequence},
                                               {"Optional", Action::optional},
                                               {"OptionalGetElement", Action::optional_get_element},
                                               {"OptionalHasElement", Action::optional_has_element}};

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

bool has_kernel(std::string_view domain, std::string_view op_type) { return find(domain, op_type) != nullptr; }

bool kernel_decides_shapes(std::string_view domain, std::string_view op_type) {
  const Name* name = find(domain, op_type);
  return name && name->decides_shapes;
}

Action action_of(std::string_view domain, std::string_view op_type) {
  if (domain.empty())
    for (const DriverOperator& o : driver_operators)
      if (o.op_type == op_type) return o.action;
  return Action::kernel;
}

bool has_code(std::string_view domain, std::string_view op_type) {
  return has_kernel(domain, op_type) || action_of(domain, op_type) != Action::kernel;
}

bool runs_unspecialised(std::string_view domain, std::string_view op_type) {
  // The classical models walk tables; the tiled products and the recurrent networks are loops over any size.
  if (domain == "ai.onnx.ml") return true;
  if (domain.empty() && (op_type == "Conv" || op_type == "ConvTranspose" || op_type == "MatMul" || op_type == "Gemm"))
    return false;  // what emitters leave is small
  for (const Scratch& s : scratch)
    if (s.domain == domain && s.op_type == op_type) return true;
  return domain.empty() && (op_type == "MatMulInteger" || op_type == "QLinearConv" || op_type == "QLinearMatMul" || op_type == "TfIdfVectorizer");
}

uint64_t kernel_scratch(const Generic& kernel) {
  for (const Scratch& s : scratch) {
    if (s.domain != kernel.domain || s.op_type != kernel.op_type) continue;
    const auto inputs = tensors(kernel.inputs), outputs = tensors(kernel.outputs);
    std::vector<kernels::Attribute> attributes;
    for (const Generic::Attribute& a : kernel.attributes) {
      const bool listed = !a.ints.empty() || !a.floats.empty();
      attributes.push_back({a.name.c_str(), a.ints.data(), a.floats.data(), listed ? nullptr : a.text.c_str(),
                            listed ? static_cast<int64_t>(a.ints.size() + a.floats.size()) : 1});
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
