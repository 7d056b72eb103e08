// Modules that are compiled in parallel: some that share out the emitted kernels, one per bitcode kernel, one for table and driver. What
// comes out depends on the program alone, not on the number of threads.
#include "generate/generate.hpp"

#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Target/TargetMachine.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "emit/emit.hpp"
#include "emit/optimise.hpp"
#include "generate/compile.hpp"
#include "generate/generic.hpp"
#include "generate/specialise.hpp"
#include "generate/table.hpp"
#include "generate/target_machine.hpp"
#include "kernel_names.hpp"
#include "target.hpp"

namespace lathe::llvm_cpu {
namespace {

// Steps by distinct kernel.
struct Distinct {
  std::vector<const Kernel*> kernels;
  std::vector<const std::string*> names;  // of the first step with that kernel
  std::vector<uint32_t> of_step;
};

Distinct distinct_kernels(const Program& program) {
  Distinct distinct;
  for (const Step* step : all_steps(program)) {
    uint32_t index = 0;
    while (index < distinct.kernels.size() && !(*distinct.kernels[index] == step->kernel)) ++index;
    if (index == distinct.kernels.size()) {
      distinct.kernels.push_back(&step->kernel);
      distinct.names.push_back(&step->name);
    }
    distinct.of_step.push_back(index);
  }
  return distinct;
}

// LLVM's own remarks and warnings are nothing to a person who compiles a model; errors are thrown where they matter.
void silence(llvm::LLVMContext& context) {
  context.setDiagnosticHandlerCallBack([](const llvm::DiagnosticInfo*, void*) {}, nullptr);
}

void hide(llvm::Function& function) {
  function.setLinkage(llvm::GlobalValue::ExternalLinkage);
  function.setVisibility(llvm::GlobalValue::HiddenVisibility);
  function.setDSOLocal(true);
}

struct Job {
  const Machine& machine;
  CodeForm form;
  const GenerateOptions& options;
  const llvm::MemoryBuffer& kernels_bitcode;
  const llvm::MemoryBuffer* tiled_bitcode;  // kernels for wider vectors; null: none for this machine
};

// Where kernels for the machine's vectors lie, when they are wider than what its family has at least; "" when not.
std::string tiled_file(const Machine& machine, const std::string& folder) {
  if (machine.family != Machine::Family::x86_64 || !machine.fused_multiply_add || machine.vector_floats < 8) return "";
  return folder + "/kernels-x86_64-" + (machine.vector_floats == 16 ? "v4" : "v3") + ".bc";
}

std::vector<char> finish(llvm::Module& module, llvm::TargetMachine& target, const Job& job, bool bitcode) {
  apply_target_attributes(module, job.machine);
  if (job.options.fast_math) relax_arithmetic(module);
  check_module(module);
  if (bitcode)
    optimise_bitcode(module, target, job.options.level);
  else
    optimise(module, target);
  return generate_code(module, target, job.form);
}

// The kernels of one module, by number.
using Batch = std::vector<uint32_t>;

// Emitted kernels share their inner tiles within a module, so there are few modules, yet enough to keep threads busy to the end.
constexpr uint32_t emitted_batches = 8;

std::vector<Batch> batches_of(const std::vector<const Kernel*>& kernels) {
  std::vector<Batch> batches(emitted_batches);
  uint32_t emitted = 0;
  for (uint32_t i = 0; i < kernels.size(); ++i) {
    const auto* dynamic = std::get_if<Dynamic>(kernels[i]);
    if (dynamic && dynamic->action != Action::kernel && dynamic->action != Action::view) continue;  // the driver's own
    if (dynamic || std::holds_alternative<Generic>(*kernels[i]))
      batches.push_back({i});
    else
      batches[emitted++ % emitted_batches].push_back(i);
  }
  std::erase_if(batches, [](const Batch& batch) { return batch.empty(); });
  return batches;
}

// For the log: the names of the steps that first needed the kernels.
std::string describe(const Batch& batch, const Distinct& distinct) {
  std::string text = "compiled";
  for (const uint32_t i : batch) text += " [" + *distinct.names[i] + "]";
  return text + " in ";
}

llvm::Function* add_kernel(llvm::Module& module, const Kernel& kernel, GeneratedKernel& generated, const Job& job) {
  return std::visit(
      [&](const auto& k) {
        if constexpr (std::is_same_v<std::decay_t<decltype(k)>, Generic>) {
          Generic wanting = k;
          wanting.scratch_bytes = std::max(k.scratch_bytes, kernel_scratch(k));
          generated.whole = true;
          generated.scratch_bytes = wanting.scratch_bytes;
          return generate_generic(module, job.kernels_bitcode, wanting, generated.function);
        } else if constexpr (std::is_same_v<std::decay_t<decltype(k)>, Dynamic>) {
          const std::string brought = job.options.brought ? job.options.brought(k.domain, k.op_type) : "";
          const auto own = brought.empty() ? nullptr : read_bitcode(brought);
          const bool tiled = !own && job.tiled_bitcode && lists_kernel(module, *job.tiled_bitcode, k);
          const DynamicFunctions made = generate_dynamic(module,
                                                         own     ? *own
                                                         : tiled ? *job.tiled_bitcode
                                                                 : job.kernels_bitcode,
                                                         k, generated.function);
          generated.has_shape = made.shape, generated.has_scratch = made.scratch, generated.has_kernel = made.kernel;
          for (llvm::Function* function : {made.shape, made.scratch})
            if (function) hide(*function);
          return made.kernel ? made.kernel : made.shape;
        } else {
          const EmittedKernel emitted = emit(module, job.machine, k, generated.function);
          generated.tasks = emitted.tasks;
          generated.worker_scratch_bytes = emitted.worker_scratch_bytes;
          return emitted.body;
        }
      },
      kernel);
}

std::vector<char> compile_batch(const Batch& batch, const std::vector<const Kernel*>& kernels, std::vector<GeneratedKernel>& generated,
                                const Job& job) {
  llvm::LLVMContext context;
  silence(context);
  llvm::Module module(generated[batch.front()].function, context);
  const auto target = make_target_machine(job.machine, job.options.level);
  prepare_module(module, job.machine, *target);
  const bool bitcode = std::holds_alternative<Generic>(*kernels[batch.front()]) || std::holds_alternative<Dynamic>(*kernels[batch.front()]);
  for (const uint32_t i : batch) {
    llvm::Function* function = add_kernel(module, *kernels[i], generated[i], job);
    hide(*function);
    if (bitcode) specialise(*function, *target);
  }
  return finish(module, *target, job, bitcode);
}

// The artifact's table, and the driver that walks it: in one module where text is asked for, else beside the object code that was made when
// the plugin was built, since compiling the driver takes longer than many a model.
void add_table(const Program& program, const std::vector<GeneratedKernel>& kernels, const std::vector<uint32_t>& of_step, const Job& job,
               std::vector<std::vector<char>>& modules) {
  llvm::LLVMContext context;
  silence(context);
  const auto target = make_target_machine(job.machine, job.options.level);
  const std::string driver = job.options.bitcode + "/driver-" + family_of(job.machine).name;
  std::unique_ptr<llvm::Module> module;
  if (job.form == CodeForm::object) {
    const auto object = read_bitcode(driver + ".o");
    modules.emplace_back(object->getBufferStart(), object->getBufferEnd());
    module = std::make_unique<llvm::Module>("lathe_table", context);
  } else {
    const auto bitcode = read_bitcode(driver + ".bc");
    auto parsed = llvm::parseBitcodeFile(bitcode->getMemBufferRef(), context);
    if (!parsed) throw std::runtime_error("the driver's bitcode cannot be read: " + llvm::toString(parsed.takeError()));
    module = std::move(*parsed);
  }
  module->setModuleIdentifier("lathe_table");
  module->setSourceFileName("lathe_table");
  prepare_module(*module, job.machine, *target);
  generate_table(*module, program, job.machine, kernels, of_step);
  modules.push_back(finish(*module, *target, job, true));
}

}  // namespace

std::vector<std::vector<char>> generate(const Program& program, const Machine& machine, CodeForm form, const GenerateOptions& options) {
  const Distinct distinct = distinct_kernels(program);
  std::vector<GeneratedKernel> kernels(distinct.kernels.size());
  for (size_t i = 0; i < kernels.size(); ++i) kernels[i].function = "lathe_kernel_" + std::to_string(i);
  const auto bitcode = read_bitcode(options.bitcode + "/kernels-" + family_of(machine).name + ".bc");
  const std::string wider = tiled_file(machine, options.bitcode);
  const auto tiled = wider.empty() ? nullptr : read_bitcode(wider);
  const Job job{machine, form, options, *bitcode, tiled.get()};
  initialize_targets();

  const std::vector<Batch> batches = batches_of(distinct.kernels);
  const size_t count = batches.size();
  std::vector<std::vector<char>> modules(count);
  std::atomic<size_t> next = 0, done = 0;
  std::exception_ptr failure;
  std::mutex mutex;
  auto work = [&] {
    for (size_t i = next++; i < count; i = next++) {
      try {
        if (options.cancelled && options.cancelled()) return;
        const auto begin = std::chrono::steady_clock::now();
        modules[i] = compile_batch(batches[i], distinct.kernels, kernels, job);
        if (options.log)
          options.log(describe(batches[i], distinct) +
                      std::to_string(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()) + " s");
        if (options.progress) options.progress(static_cast<double>(++done) / static_cast<double>(count + 1));
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned t = 1; t < options.threads && t < count; ++t) threads.emplace_back(work);
  work();
  threads.clear();
  if (failure) std::rethrow_exception(failure);
  if (options.cancelled && options.cancelled()) return {};
  add_table(program, kernels, distinct.of_step, job, modules);
  return modules;
}

}  // namespace lathe::llvm_cpu
