// Constants with the layout of lathe/artifact.h (the table a runtime reads) and bitcode/schedule.hpp (what the driver walks).
#include "generate/table.hpp"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/SHA256.h>

#include <algorithm>

#include "bitcode/schedule.hpp"
#include "target.hpp"

#ifndef LATHE_PLUGIN_VERSION
#define LATHE_PLUGIN_VERSION "0.1.0"
#endif

namespace lathe::llvm_cpu {
namespace {

constexpr uint64_t alignment = 64;
uint64_t aligned(uint64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

class Constants {
 public:
  explicit Constants(llvm::Module& module)
      : module_(module),
        context_(module.getContext()),
        pointer_(llvm::PointerType::get(context_, 0)),
        i32_(llvm::Type::getInt32Ty(context_)),
        i64_(llvm::Type::getInt64Ty(context_)) {}

  llvm::Constant* null() { return llvm::ConstantPointerNull::get(pointer_); }
  llvm::Constant* i32(uint64_t value) { return llvm::ConstantInt::get(i32_, value); }
  llvm::Constant* i64(uint64_t value) { return llvm::ConstantInt::get(i64_, value); }
  llvm::Constant* text(const std::string& value) { return global(llvm::ConstantDataArray::getString(context_, value)); }
  llvm::Constant* dimensions(const std::vector<int64_t>& values) {
    const std::vector<uint64_t> bits(values.begin(), values.end());
    return values.empty() ? null() : global(llvm::ConstantDataArray::get(context_, bits));
  }
  llvm::Constant* record(const std::vector<llvm::Constant*>& fields) { return llvm::ConstantStruct::getAnon(context_, fields); }
  llvm::Constant* array(const std::vector<llvm::Constant*>& entries) {
    if (entries.empty()) return null();
    return global(llvm::ConstantArray::get(llvm::ArrayType::get(entries.front()->getType(), entries.size()), entries));
  }
  llvm::Constant* function(const std::string& name, bool whole) {
    auto* type = whole ? llvm::FunctionType::get(i32_, {pointer_, pointer_}, false)
                       : llvm::FunctionType::get(llvm::Type::getVoidTy(context_), {pointer_, i32_, i32_}, false);
    auto* declared = llvm::cast<llvm::Function>(module_.getOrInsertFunction(name, type).getCallee());
    declared->setVisibility(llvm::GlobalValue::HiddenVisibility);
    declared->setDSOLocal(true);
    return declared;
  }
  // Defines the variable of that name that the driver declares.
  void define(const std::string& name, llvm::Constant* value, llvm::GlobalValue::VisibilityTypes visibility) {
    llvm::GlobalVariable* declared = module_.getNamedGlobal(name);
    auto* defined = new llvm::GlobalVariable(module_, value->getType(), true, llvm::GlobalValue::ExternalLinkage, value);
    defined->setAlignment(llvm::Align(8));
    defined->setVisibility(visibility);
    defined->setDSOLocal(true);
    if (declared) {
      declared->replaceAllUsesWith(defined);
      declared->eraseFromParent();
    }
    defined->setName(name);
  }

 private:
  llvm::Constant* global(llvm::Constant* value) {
    return new llvm::GlobalVariable(module_, value->getType(), true, llvm::GlobalValue::PrivateLinkage, value);
  }

  llvm::Module& module_;
  llvm::LLVMContext& context_;
  llvm::PointerType* pointer_;
  llvm::IntegerType *i32_, *i64_;
};

llvm::Constant* tensor_table(Constants& c, const std::vector<TensorInterface>& tensors) {
  std::vector<llvm::Constant*> entries;
  for (const TensorInterface& t : tensors)
    entries.push_back(c.record({c.text(t.name), c.i32(static_cast<uint32_t>(t.type)), c.i32(t.dimensions.size()), c.dimensions(t.dimensions)}));
  return c.array(entries);
}

llvm::Constant* kernel_table(Constants& c, const Program& program) {
  std::vector<llvm::Constant*> entries;
  llvm::Constant *emitter = c.text("emitter"), *bitcode = c.text("bitcode");
  for (const Step& step : program.steps)
    entries.push_back(c.record({c.text(step.name), c.text(step.nodes), std::holds_alternative<Generic>(step.kernel) ? bitcode : emitter,
                                c.i64(step.flops), c.i64(step.bytes)}));
  return c.array(entries);
}

Argument place(const Program& program, BufferId id) {
  if (id == no_buffer) return {Place::none, 0, 0};
  const Buffer& buffer = program.buffers.at(id);
  switch (buffer.kind) {
    case Buffer::Kind::input:
      return {Place::input, buffer.index, buffer.offset};
    case Buffer::Kind::output:
      return {Place::output, buffer.index, buffer.offset};
    case Buffer::Kind::weights:
      return {Place::weights, 0, buffer.offset};
    case Buffer::Kind::arena:
      return {Place::scratch, 0, buffer.offset};
  }
  return {Place::none, 0, 0};
}

}  // namespace

void generate_table(llvm::Module& module, const Program& program, const Machine& machine, std::span<const GeneratedKernel> kernels,
                    std::span<const uint32_t> kernel_of_step) {
  Constants c(module);
  // Scratch memory: the arena, what one step asked for, then what each worker of one step asked for.
  const uint64_t step_scratch = aligned(program.arena_bytes);
  uint64_t most_step = 0, most_worker = 0;
  for (const GeneratedKernel& k : kernels)
    most_step = std::max(most_step, k.scratch_bytes), most_worker = std::max(most_worker, k.worker_scratch_bytes);
  const uint64_t fixed = step_scratch + aligned(most_step);

  std::vector<llvm::Constant*> steps;
  size_t most_arguments = 1;
  for (size_t s = 0; s < program.steps.size(); ++s) {
    const Step& step = program.steps[s];
    const GeneratedKernel& kernel = kernels[kernel_of_step[s]];
    std::vector<Argument> arguments;
    for (BufferId id : step.arguments) arguments.push_back(place(program, id));
    if (kernel.scratch_bytes) arguments.push_back({Place::scratch, 0, step_scratch});
    if (kernel.worker_scratch_bytes) arguments.push_back({Place::scratch, 0, fixed});
    most_arguments = std::max(most_arguments, arguments.size());
    std::vector<llvm::Constant*> entries;
    for (const Argument& a : arguments) entries.push_back(c.record({c.i32(static_cast<uint32_t>(a.place)), c.i32(a.index), c.i64(a.offset)}));
    llvm::Constant* function = c.function(kernel.function, kernel.whole);
    steps.push_back(c.record(
        {kernel.whole ? c.null() : function, kernel.whole ? function : c.null(), c.array(entries), c.i32(arguments.size()), c.i32(kernel.tasks)}));
  }
  c.define("lathe_schedule", c.record({c.array(steps), c.i32(steps.size()), c.i32(most_arguments), c.i64(fixed), c.i64(aligned(most_worker))}),
           llvm::GlobalValue::HiddenVisibility);

  const auto digest = llvm::SHA256::hash(llvm::ArrayRef<uint8_t>(program.weights));
  const std::vector<uint8_t> check(digest.begin(), digest.end());
  c.define(
      LATHE_ARTIFACT_SYMBOL,
      c.record({c.i32(sizeof(lathe_artifact)), c.i32(LATHE_ARTIFACT_MAJOR), c.i32(0), c.i32(0),
                c.text("lathe " LATHE_PLUGIN_VERSION " llvm " LLVM_VERSION_STRING), c.text(machine.triple), c.text(machine.cpu),
                c.text(demanded_features(machine)), tensor_table(c, program.inputs), tensor_table(c, program.outputs), kernel_table(c, program),
                c.i32(program.inputs.size()), c.i32(program.outputs.size()), c.i32(program.steps.size()), c.i32(0), c.i64(program.weights.size()),
                llvm::ConstantDataArray::get(module.getContext(), check), module.getFunction("lathe_prepare"), module.getFunction("lathe_run")}),
      llvm::GlobalValue::DefaultVisibility);
}

}  // namespace lathe::llvm_cpu
