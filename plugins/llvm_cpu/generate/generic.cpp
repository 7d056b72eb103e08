// The wrapper around a bitcode kernel. Its constants have the layout of lathe/kernels/kernel.hpp's Tensor, Attribute and Call.
#include "generate/generic.hpp"

#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>
#include <llvm/Linker/Linker.h>
#include <llvm/Support/MemoryBuffer.h>

#include <algorithm>
#include <stdexcept>

#include "generate/constants.hpp"
#include "lathe/kernels/kernel.hpp"

namespace lathe::llvm_cpu {
namespace {

constexpr int64_t opset = 26;  // the canonical one, at which every graph reaches a backend

// Below that many elements read and written, a kernel runs on the calling thread: threads cost more than they bring, and a
// kernel that lends its state to threads cannot be specialised as far.
constexpr int64_t least_parallel_elements = 32768;

// kernels::Call: inputs, outputs, attributes; their counts and the opset; then pointers only.
llvm::StructType* call_type(llvm::LLVMContext& context) {
  llvm::Type *pointer = llvm::PointerType::get(context, 0), *number = llvm::Type::getInt32Ty(context);
  std::vector<llvm::Type*> fields(3, pointer);
  fields.resize(7, number);
  fields.resize(16, pointer);
  static_assert(sizeof(kernels::Call) == 12 * sizeof(void*) + 4 * sizeof(int32_t), "a field of the call is not written here");
  return llvm::StructType::get(context, fields);
}

class Wrapper {
 public:
  Wrapper(llvm::Module& module, const Generic& kernel)
      : module_(module),
        context_(module.getContext()),
        kernel_(kernel),
        constants_(module),
        b_(context_),
        pointer_(llvm::PointerType::get(context_, 0)),
        i32_(llvm::Type::getInt32Ty(context_)),
        i64_(llvm::Type::getInt64Ty(context_)),
        tensor_(llvm::StructType::get(context_, {pointer_, pointer_, i32_, i32_})),
        call_(call_type(context_)) {}

  llvm::Function* make(llvm::Function* target, const std::string& name) {
    auto* function =
        llvm::Function::Create(llvm::FunctionType::get(pointer_, {pointer_, pointer_}, false), llvm::Function::ExternalLinkage, name, module_);
    b_.SetInsertPoint(llvm::BasicBlock::Create(context_, "", function));
    llvm::Value* arguments = function->getArg(0);
    size_t position = 0;
    llvm::Value* inputs = tensors(kernel_.inputs, arguments, position);
    llvm::Value* outputs = tensors(kernel_.outputs, arguments, position);
    llvm::Value* error = b_.CreateAlloca(pointer_);
    b_.CreateStore(null(), error);
    llvm::Value* scratch = kernel_.scratch_bytes ? load_argument(arguments, position) : null();
    auto [parallel_for, parallel_context] = threads(function->getArg(1));

    llvm::Value* call = b_.CreateAlloca(call_);
    const std::vector<llvm::Value*> fields = {inputs,
                                              outputs,
                                              constants_.attributes(kernel_.attributes),
                                              i32(kernel_.inputs.size()),
                                              i32(kernel_.outputs.size()),
                                              i32(kernel_.attributes.size()),
                                              i32(opset),
                                              parallel_for,
                                              parallel_context,
                                              null(),
                                              null(),
                                              null(),
                                              scratch,
                                              error,
                                              null(),
                                              null()};
    for (unsigned i = 0; i < fields.size(); ++i) b_.CreateStore(fields[i], b_.CreateStructGEP(call_, call, i));
    b_.CreateCall(target, {call});
    b_.CreateRet(b_.CreateLoad(pointer_, error));
    return function;
  }

 private:
  llvm::Constant* null() { return llvm::ConstantPointerNull::get(pointer_); }
  llvm::Constant* i32(uint64_t value) { return llvm::ConstantInt::get(i32_, value); }

  llvm::Value* load_argument(llvm::Value* arguments, size_t& position) {
    return b_.CreateLoad(pointer_, b_.CreateConstInBoundsGEP1_64(pointer_, arguments, position++));
  }

  // The threads' callback, or nulls when the work is small; nulls at run time too when there is one thread.
  std::pair<llvm::Value*, llvm::Value*> threads(llvm::Value* lent) {
    int64_t elements = 0;
    for (const auto* list : {&kernel_.inputs, &kernel_.outputs})
      for (const Generic::TensorShape& shape : *list) {
        int64_t count = shape.type ? 1 : 0;
        for (int64_t d : shape.dimensions) count *= d;
        elements += count;
      }
    if (elements < least_parallel_elements) return {null(), null()};
    auto* type = llvm::StructType::get(context_, {pointer_, i32_, i32_, pointer_});  // lathe_artifact_threads
    llvm::Value* several = b_.CreateICmpUGT(b_.CreateLoad(i32_, b_.CreateStructGEP(type, lent, 1)), i32(1));
    llvm::Value* callback = b_.CreateLoad(pointer_, b_.CreateStructGEP(type, lent, 3));
    return {b_.CreateSelect(several, callback, null()), b_.CreateLoad(pointer_, b_.CreateStructGEP(type, lent, 0))};
  }

  llvm::Value* tensors(const std::vector<Generic::TensorShape>& shapes, llvm::Value* arguments, size_t& position) {
    auto* array = llvm::ArrayType::get(tensor_, shapes.size());
    llvm::Value* memory = b_.CreateAlloca(array);
    for (unsigned i = 0; i < shapes.size(); ++i) {
      llvm::Value* data = load_argument(arguments, position);
      llvm::Value* tensor = b_.CreateConstInBoundsGEP2_32(array, memory, 0, i);
      b_.CreateStore(data, b_.CreateStructGEP(tensor_, tensor, 0));
      b_.CreateStore(constants_.ints(shapes[i].dimensions), b_.CreateStructGEP(tensor_, tensor, 1));
      b_.CreateStore(i32(shapes[i].dimensions.size()), b_.CreateStructGEP(tensor_, tensor, 2));
      b_.CreateStore(i32(static_cast<uint32_t>(shapes[i].type)), b_.CreateStructGEP(tensor_, tensor, 3));
    }
    return memory;
  }

  llvm::Module& module_;
  llvm::LLVMContext& context_;
  const Generic& kernel_;
  Constants constants_;
  llvm::IRBuilder<> b_;
  llvm::PointerType* pointer_;
  llvm::IntegerType *i32_, *i64_;
  llvm::StructType *tensor_, *call_;
};

// The wrapper of a kernel that is specialised by types alone: `void name(const kernels::Call*)` with a copy of the call in which the numbers of
// inputs and outputs and their types are constants. Outputs that the kernel allocates stay where the caller sees them.
class TypedWrapper {
 public:
  TypedWrapper(llvm::Module& module, const Dynamic& kernel)
      : context_(module.getContext()),
        module_(module),
        kernel_(kernel),
        b_(context_),
        pointer_(llvm::PointerType::get(context_, 0)),
        i32_(llvm::Type::getInt32Ty(context_)),
        tensor_(llvm::StructType::get(context_, {pointer_, pointer_, i32_, i32_})),
        call_(call_type(context_)) {}

  llvm::Function* make(llvm::Function* target, const std::string& name, bool allocates) {
    auto* type = llvm::FunctionType::get(llvm::Type::getVoidTy(context_), {pointer_}, false);
    auto* function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module_);
    b_.SetInsertPoint(llvm::BasicBlock::Create(context_, "", function));
    llvm::Value* given = function->getArg(0);
    llvm::Value* call = b_.CreateAlloca(call_);
    for (unsigned i = 0; i < call_->getNumElements(); ++i)
      b_.CreateStore(b_.CreateLoad(call_->getElementType(i), b_.CreateStructGEP(call_, given, i)), b_.CreateStructGEP(call_, call, i));
    b_.CreateStore(tensors(kernel_.input_types, b_.CreateLoad(pointer_, b_.CreateStructGEP(call_, given, 0))), b_.CreateStructGEP(call_, call, 0));
    if (!allocates)
      b_.CreateStore(tensors(kernel_.output_types, b_.CreateLoad(pointer_, b_.CreateStructGEP(call_, given, 1))), b_.CreateStructGEP(call_, call, 1));
    b_.CreateStore(i32(kernel_.input_types.size()), b_.CreateStructGEP(call_, call, 3));
    b_.CreateStore(i32(kernel_.output_types.size()), b_.CreateStructGEP(call_, call, 4));
    b_.CreateCall(target, {call});
    b_.CreateRetVoid();
    return function;
  }

 private:
  llvm::Constant* i32(uint64_t value) { return llvm::ConstantInt::get(i32_, value); }

  llvm::Value* tensors(const std::vector<int32_t>& types, llvm::Value* given) {
    auto* array = llvm::ArrayType::get(tensor_, types.size());
    llvm::Value* memory = b_.CreateAlloca(array);
    for (unsigned i = 0; i < types.size(); ++i) {
      llvm::Value* from = b_.CreateConstInBoundsGEP2_32(array, given, 0, i);
      llvm::Value* to = b_.CreateConstInBoundsGEP2_32(array, memory, 0, i);
      for (unsigned f = 0; f < 4; ++f) {
        llvm::Type* field = tensor_->getElementType(f);
        // A type that planning did not know is whatever the value has.
        llvm::Value* value = f == 3 && types[i] ? i32(static_cast<uint32_t>(types[i]))
                                                : static_cast<llvm::Value*>(b_.CreateLoad(field, b_.CreateStructGEP(tensor_, from, f)));
        b_.CreateStore(value, b_.CreateStructGEP(tensor_, to, f));
      }
    }
    return memory;
  }

  llvm::LLVMContext& context_;
  llvm::Module& module_;
  const Dynamic& kernel_;
  llvm::IRBuilder<> b_;
  llvm::PointerType* pointer_;
  llvm::IntegerType* i32_;
  llvm::StructType *tensor_, *call_;
};

// The name of a function in one of the bitcode's tables {domain, op_type, functions...}; "" when the entry has none there.
std::string listed_function(const llvm::Module& bitcode, const char* table_name, const std::string& domain, const std::string& op_type,
                            unsigned column) {
  const llvm::GlobalVariable* table = bitcode.getNamedGlobal(table_name);
  if (!table || !table->hasInitializer()) throw std::runtime_error("the bitcode of the kernels holds no table");
  auto text = [](const llvm::Value* pointer) -> llvm::StringRef {
    const auto* global = llvm::dyn_cast<llvm::GlobalVariable>(pointer->stripPointerCasts());
    if (global && global->hasInitializer() && global->getInitializer()->isNullValue()) return llvm::StringRef();
    const auto* data = global && global->hasInitializer() ? llvm::dyn_cast<llvm::ConstantDataArray>(global->getInitializer()) : nullptr;
    return data ? data->getAsCString() : llvm::StringRef();
  };
  for (const llvm::Use& use : table->getInitializer()->operands()) {
    const auto* entry = llvm::dyn_cast<llvm::ConstantStruct>(use.get());
    if (!entry || text(entry->getOperand(0)) != domain || text(entry->getOperand(1)) != op_type) continue;
    const auto* function = llvm::dyn_cast<llvm::Function>(entry->getOperand(column)->stripPointerCasts());
    return function ? function->getName().str() : "";
  }
  return "";
}

std::string kernel_function(const llvm::Module& bitcode, const std::string& domain, const std::string& op_type) {
  std::string name = listed_function(bitcode, "lathe_kernel_table", domain, op_type, 2);
  if (name.empty()) throw std::runtime_error("no kernel for the operator " + (domain.empty() ? "" : domain + ".") + op_type + " is in the bitcode");
  return name;
}

std::unique_ptr<llvm::Module> open_bitcode(const llvm::Module& module, const llvm::MemoryBuffer& bitcode) {
  auto lazy = llvm::getLazyBitcodeModule(bitcode.getMemBufferRef(), module.getContext());
  if (!lazy) throw std::runtime_error("the bitcode of the kernels cannot be read: " + llvm::toString(lazy.takeError()));
  (*lazy)->setTargetTriple(module.getTargetTriple());
  (*lazy)->setDataLayout(module.getDataLayout());
  return std::move(*lazy);
}

llvm::Function* declare(llvm::Module& module, llvm::FunctionType* type, const std::string& name) {
  return llvm::cast<llvm::Function>(module.getOrInsertFunction(name, type).getCallee());
}

// Links what is declared, and what that needs, into the module; only `kept` functions stay visible.
void link_bitcode(llvm::Module& module, std::unique_ptr<llvm::Module> bitcode, const std::vector<llvm::Function*>& kept, const std::string& what) {
  if (llvm::Linker::linkModules(module, std::move(bitcode), llvm::Linker::LinkOnlyNeeded))
    throw std::runtime_error("the kernel of " + what + " cannot be linked");
  for (llvm::Function& f : module)
    if (std::find(kept.begin(), kept.end(), &f) == kept.end() && !f.isDeclaration()) {
      f.removeFnAttr(llvm::Attribute::NoInline);
      f.setLinkage(llvm::GlobalValue::InternalLinkage);
      f.setVisibility(llvm::GlobalValue::DefaultVisibility);
      f.setComdat(nullptr);
    }
  for (llvm::GlobalVariable& g : module.globals())
    if (!g.isDeclaration() && !g.hasLocalLinkage()) {
      g.setLinkage(llvm::GlobalValue::InternalLinkage);
      g.setVisibility(llvm::GlobalValue::DefaultVisibility);
      g.setComdat(nullptr);
    }
}

}  // namespace

std::unique_ptr<llvm::MemoryBuffer> read_bitcode(const std::string& path) {
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file) throw std::runtime_error("cannot read " + path + ": " + file.getError().message());
  return std::move(*file);
}

llvm::Function* generate_generic(llvm::Module& module, const llvm::MemoryBuffer& bitcode, const Generic& kernel, const std::string& name) {
  std::unique_ptr<llvm::Module> lazy = open_bitcode(module, bitcode);
  auto* pointer = llvm::PointerType::get(module.getContext(), 0);
  auto* type = llvm::FunctionType::get(llvm::Type::getVoidTy(module.getContext()), {pointer}, false);
  // Nothing but what is reached from this declaration is linked in.
  llvm::Function* declared = declare(module, type, kernel_function(*lazy, kernel.domain, kernel.op_type));
  llvm::Function* wrapper = Wrapper(module, kernel).make(declared, name);
  link_bitcode(module, std::move(lazy), {wrapper}, kernel.op_type);
  return wrapper;
}

bool lists_kernel(llvm::Module& module, const llvm::MemoryBuffer& bitcode, const Dynamic& kernel) {
  return !listed_function(*open_bitcode(module, bitcode), "lathe_kernel_table", kernel.domain, kernel.op_type, 2).empty();
}

DynamicFunctions generate_dynamic(llvm::Module& module, const llvm::MemoryBuffer& bitcode, const Dynamic& kernel, const std::string& name) {
  std::unique_ptr<llvm::Module> lazy = open_bitcode(module, bitcode);
  llvm::LLVMContext& context = module.getContext();
  auto* pointer = llvm::PointerType::get(context, 0);
  auto* i32 = llvm::Type::getInt32Ty(context);
  auto* plain = llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer}, false);
  auto* counting = llvm::FunctionType::get(llvm::Type::getInt64Ty(context), {pointer, i32}, false);
  const std::string run = kernel_function(*lazy, kernel.domain, kernel.op_type);
  const std::string shape = listed_function(*lazy, "lathe_kernel_table", kernel.domain, kernel.op_type, 3);
  const std::string scratch =
      !lazy->getNamedGlobal("lathe_scratch_table") ? "" : listed_function(*lazy, "lathe_scratch_table", kernel.domain, kernel.op_type, 2);
  // A function of the module's own that only calls another.
  const auto forward = [&](llvm::FunctionType* type, const std::string& target, const std::string& own) {
    auto* function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, own, module);
    llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "", function));
    std::vector<llvm::Value*> arguments;
    for (llvm::Argument& a : function->args()) arguments.push_back(&a);
    llvm::Value* result = b.CreateCall(declare(module, type, target), arguments);
    type->getReturnType()->isVoidTy() ? b.CreateRetVoid() : b.CreateRet(result);
    return function;
  };
  DynamicFunctions made;
  std::vector<llvm::Function*> kept;
  if (!shape.empty()) kept.push_back(made.shape = forward(plain, shape, name + "_shape"));
  if (kernel.action == Action::kernel) {
    if (!scratch.empty()) kept.push_back(made.scratch = forward(counting, scratch, name + "_scratch"));
    kept.push_back(made.kernel = TypedWrapper(module, kernel).make(declare(module, plain, run), name, shape.empty()));
  }
  link_bitcode(module, std::move(lazy), kept, kernel.op_type);
  return made;
}

}  // namespace lathe::llvm_cpu
