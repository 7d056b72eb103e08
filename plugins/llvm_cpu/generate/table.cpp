// Constants with the layout of lathe/artifact.h (the table a runtime reads) and bitcode/schedule.hpp (what the driver walks).
#include "generate/table.hpp"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/SHA256.h>

#include <algorithm>
#include <map>

#include "bitcode/schedule.hpp"
#include "generate/constants.hpp"
#include "target.hpp"

#ifndef LATHE_PLUGIN_VERSION
#define LATHE_PLUGIN_VERSION "0.1.0"
#endif

namespace lathe::llvm_cpu {
namespace {

constexpr uint64_t alignment = 64;
uint64_t aligned(uint64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

// What the module declares and defines by name.
class Symbols {
 public:
  explicit Symbols(llvm::Module& module) : module_(module) {}

  llvm::Constant* function(const std::string& name) {
    auto* type = llvm::FunctionType::get(llvm::Type::getVoidTy(module_.getContext()), false);
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
  llvm::Module& module_;
};

llvm::Constant* tensor_table(Constants& c, const std::vector<TensorInterface>& tensors) {
  std::vector<llvm::Constant*> entries;
  for (const TensorInterface& t : tensors) {
    std::vector<llvm::Constant*> symbols;
    for (const std::string& symbol : t.symbols) symbols.push_back(symbol.empty() ? c.null() : c.text(symbol));
    symbols.resize(t.dimensions.size(), c.null());
    const uint64_t rank = t.ranked ? t.dimensions.size() : UINT32_MAX;
    entries.push_back(c.record({c.text(t.name), c.i32(static_cast<uint32_t>(t.type)), c.i32(rank), c.ints(t.dimensions), c.array(symbols),
                                c.i32(static_cast<uint32_t>(t.kind)), c.i32(0)}));
  }
  return c.array(entries);
}

llvm::Constant* kernel_table(Constants& c, const std::vector<const Step*>& steps) {
  std::vector<llvm::Constant*> entries;
  llvm::Constant *emitter = c.text("emitter"), *bitcode = c.text("bitcode");
  for (const Step* step : steps) {
    const bool emitted = !std::holds_alternative<Generic>(step->kernel) && !std::holds_alternative<Dynamic>(step->kernel);
    entries.push_back(c.record({c.text(step->name), c.text(step->nodes), emitted ? emitter : bitcode, c.i64(step->flops), c.i64(step->bytes)}));
  }
  return c.array(entries);
}

// The table's equalities between dimensions: of inputs with each other, and of outputs with inputs.
llvm::Constant* same_dimensions(Constants& c, const Program& program, uint32_t& count) {
  struct At {
    uint32_t port, axis;
  };
  std::map<std::string, At> first;
  std::vector<llvm::Constant*> entries;
  const auto visit = [&](const TensorInterface& t, uint32_t port, bool input) {
    if (t.kind != 0 || !t.ranked) return;
    for (uint32_t axis = 0; axis < t.symbols.size(); ++axis) {
      if (t.symbols[axis].empty() || t.dimensions[axis] >= 0) continue;
      const auto found = first.find(t.symbols[axis]);
      if (found != first.end())
        entries.push_back(c.record({c.i32(found->second.port), c.i32(found->second.axis), c.i32(port), c.i32(axis)}));
      else if (input)
        first[t.symbols[axis]] = {port, axis};
    }
  };
  for (uint32_t i = 0; i < program.inputs.size(); ++i) visit(program.inputs[i], i, true);
  for (uint32_t i = 0; i < program.outputs.size(); ++i) visit(program.outputs[i], static_cast<uint32_t>(program.inputs.size()) + i, false);
  count = static_cast<uint32_t>(entries.size());
  return c.array(entries);
}

// The schedules of a program and its bodies, in the layout of bitcode/schedule.hpp.
class Schedules {
 public:
  Schedules(Constants& constants, Symbols& symbols, std::span<const GeneratedKernel> kernels, std::span<const uint32_t> kernel_of_step,
            uint64_t step_scratch, uint64_t worker_scratch, uint64_t bytes_per_worker)
      : c_(constants),
        symbols_(symbols),
        kernels_(kernels),
        kernel_of_step_(kernel_of_step),
        step_scratch_(step_scratch),
        worker_scratch_(worker_scratch),
        bytes_per_worker_(bytes_per_worker) {}

  // `arena`: where the program's arena begins in the scratch memory.
  llvm::Constant* make(const Program& program, uint64_t arena, bool outermost) {
    const uint32_t first_kernel = next_step_;
    next_step_ += static_cast<uint32_t>(program.steps.size());
    std::vector<llvm::Constant*> steps;
    size_t most_arguments = 1;
    for (size_t s = 0; s < program.steps.size(); ++s) steps.push_back(step(program, arena, first_kernel + s, program.steps[s], most_arguments));
    std::vector<llvm::Constant*> values;
    for (const ProgramValue& v : program.values) {
      const bool placed = v.buffer != no_buffer;
      values.push_back(
          c_.record({argument(place(program, v.buffer, arena)), c_.i32(static_cast<uint32_t>(v.kind)), c_.i32(static_cast<uint32_t>(v.type)),
                     c_.i32(v.dimensions.size()), c_.i32(v.encoded_strings ? 1 : 0), placed ? c_.ints(v.dimensions) : c_.null()}));
    }
    uint32_t same_count = 0;
    llvm::Constant* same = outermost ? same_dimensions(c_, program, same_count) : c_.null();
    return c_.record({c_.array(steps), c_.array(values), ports(program.inputs), ports(program.outputs), same, c_.i32(steps.size()),
                      c_.i32(values.size()), c_.i32(program.inputs.size()), c_.i32(program.outputs.size()), c_.i32(same_count),
                      c_.i32(most_arguments), c_.i32(first_kernel), c_.i32(0), c_.i64(worker_scratch_), c_.i64(bytes_per_worker_)});
  }

 private:
  static Argument place(const Program& program, BufferId id, uint64_t arena) {
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
        return {Place::scratch, 0, arena + buffer.offset};
    }
    return {Place::none, 0, 0};
  }
  llvm::Constant* argument(const Argument& a) { return c_.record({c_.i32(static_cast<uint32_t>(a.place)), c_.i32(a.index), c_.i64(a.offset)}); }

  llvm::Constant* ports(const std::vector<TensorInterface>& tensors) {
    std::vector<llvm::Constant*> entries;
    for (const TensorInterface& t : tensors)
      entries.push_back(c_.record({c_.i32(t.value), c_.i32(static_cast<uint32_t>(t.kind)), c_.i32(static_cast<uint32_t>(t.type)),
                                   c_.i32(t.ranked ? t.dimensions.size() : UINT32_MAX), c_.ints(t.dimensions)}));
    return c_.array(entries);
  }

  llvm::Constant* step(const Program& program, uint64_t arena, size_t number, const Step& step, size_t& most_arguments) {
    const GeneratedKernel& kernel = kernels_[kernel_of_step_[number]];
    if (step.dynamic) {
      const auto* named = std::get_if<Dynamic>(&step.kernel);
      const Action action = named ? named->action : Action::rows;
      return c_.record({c_.null(), c_.null(), dynamic(program, arena, *step.dynamic, action, kernel), c_.null(), c_.i32(0), c_.i32(1)});
    }
    std::vector<Argument> arguments;
    for (BufferId id : step.arguments) arguments.push_back(place(program, id, arena));
    if (kernel.scratch_bytes) arguments.push_back({Place::scratch, 0, step_scratch_});
    if (kernel.worker_scratch_bytes) arguments.push_back({Place::scratch, 0, worker_scratch_});
    most_arguments = std::max(most_arguments, arguments.size());
    std::vector<llvm::Constant*> entries;
    for (const Argument& a : arguments) entries.push_back(argument(a));
    llvm::Constant* function = symbols_.function(kernel.function);
    return c_.record({kernel.whole ? c_.null() : function, kernel.whole ? function : c_.null(), c_.null(), c_.array(entries),
                      c_.i32(arguments.size()), c_.i32(kernel.tasks)});
  }

  llvm::Constant* dynamic(const Program& program, uint64_t arena, const DynamicDetails& d, Action action, const GeneratedKernel& made) {
    std::vector<llvm::Constant*> bodies;
    for (const DynamicDetails::Body& body : d.bodies) {
      const uint64_t base = body.arena == no_buffer ? arena : arena + program.buffers.at(body.arena).offset;
      llvm::Constant* schedule = c_.array({make(*body.program, base, false)});
      bodies.push_back(
          c_.record({schedule, c_.numbers(body.captures), c_.i32(body.captures.size()), c_.i32(body.program->inputs.size() - body.captures.size())}));
    }
    const bool shape = made.has_shape && !d.shapes_known;
    return c_.array({c_.record({shape ? symbols_.function(made.function + "_shape") : c_.null(),
                                made.has_scratch ? symbols_.function(made.function + "_scratch") : c_.null(),
                                made.has_kernel ? symbols_.function(made.function) : c_.null(), c_.numbers(d.inputs), c_.numbers(d.outputs),
                                c_.numbers(d.last), c_.attributes(d.attributes), c_.array(bodies), d.rows ? rows(*d.rows, made) : c_.null(),
                                c_.i32(d.inputs.size()), c_.i32(d.outputs.size()), c_.i32(d.last.size()), c_.i32(d.attributes.size()),
                                c_.i32(static_cast<uint32_t>(action)), c_.i32(0)})});
  }

  llvm::Constant* rows(const Rows& r, const GeneratedKernel& made) {
    return c_.array({c_.record({symbols_.function(made.function), c_.ints(r.row_bytes), c_.ints(r.tail),
                                c_.i64(made.worker_scratch_bytes ? worker_scratch_ : UINT64_MAX), c_.i32(made.tasks), c_.i32(r.rows), c_.i32(r.lead),
                                c_.i32(r.lead_tail), c_.i32(r.ones), c_.i32(r.tail.size()), c_.i32(r.least_calls), c_.i32(0)})});
  }

  Constants& c_;
  Symbols& symbols_;
  std::span<const GeneratedKernel> kernels_;
  std::span<const uint32_t> kernel_of_step_;
  uint64_t step_scratch_, worker_scratch_, bytes_per_worker_;
  uint32_t next_step_ = 0;
};

void gather(const Program& program, std::vector<const Step*>& steps) {
  for (const Step& step : program.steps) steps.push_back(&step);
  for (const Step& step : program.steps)
    if (step.dynamic)
      for (const DynamicDetails::Body& body : step.dynamic->bodies) gather(*body.program, steps);
}

}  // namespace

std::vector<const Step*> all_steps(const Program& program) {
  std::vector<const Step*> steps;
  gather(program, steps);
  return steps;
}

void generate_table(llvm::Module& module, const Program& program, const Machine& machine, std::span<const GeneratedKernel> kernels,
                    std::span<const uint32_t> kernel_of_step) {
  Constants c(module);
  Symbols symbols(module);
  // Scratch memory: the arena, what one step asked for, then what each worker of one step asked for.
  const uint64_t step_scratch = aligned(program.arena_bytes);
  uint64_t most_step = 0, most_worker = 0;
  for (const GeneratedKernel& k : kernels)
    most_step = std::max(most_step, k.scratch_bytes), most_worker = std::max(most_worker, k.worker_scratch_bytes);
  const uint64_t fixed = step_scratch + aligned(most_step);
  const std::vector<const Step*> steps = all_steps(program);
  symbols.define("lathe_schedule", Schedules(c, symbols, kernels, kernel_of_step, step_scratch, fixed, aligned(most_worker)).make(program, 0, true),
                 llvm::GlobalValue::HiddenVisibility);

  const auto digest = llvm::SHA256::hash(llvm::ArrayRef<uint8_t>(program.weights));
  const std::vector<uint8_t> check(digest.begin(), digest.end());
  symbols.define(
      LATHE_ARTIFACT_SYMBOL,
      c.record({c.i32(sizeof(lathe_artifact)), c.i32(LATHE_ARTIFACT_MAJOR), c.i32(0), c.i32(0),
                c.text("lathe " LATHE_PLUGIN_VERSION " llvm " LLVM_VERSION_STRING), c.text(machine.triple), c.text(machine.cpu),
                c.text(demanded_features(machine)), tensor_table(c, program.inputs), tensor_table(c, program.outputs), kernel_table(c, steps),
                c.i32(program.inputs.size()), c.i32(program.outputs.size()), c.i32(steps.size()), c.i32(0), c.i64(program.weights.size()),
                llvm::ConstantDataArray::get(module.getContext(), check), symbols.function("lathe_prepare"), symbols.function("lathe_run")}),
      llvm::GlobalValue::DefaultVisibility);
}

}  // namespace lathe::llvm_cpu
