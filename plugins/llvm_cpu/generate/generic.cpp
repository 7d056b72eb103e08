// The wrapper around a bitcode kernel. Its constants have the layout of lathe/kernels/kernel.hpp's Tensor, Attribute and Call.
#include "generate/generic.hpp"

#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>
#include <llvm/Linker/Linker.h>
#include <llvm/Support/MemoryBuffer.h>

#include <stdexcept>

namespace lathe::llvm_cpu {
namespace {

constexpr int64_t opset = 26;  // the canonical one, at which every graph reaches a backend

// Below that many elements read and written, a kernel runs on the calling thread: threads cost more than they bring, and a
// kernel that lends its state to threads cannot be specialised as far.
constexpr int64_t least_parallel_elements = 32768;

class Wrapper {
 public:
  Wrapper(llvm::Module& module, const Generic& kernel)
      : module_(module),
        context_(module.getContext()),
        kernel_(kernel),
        b_(context_),
        pointer_(llvm::PointerType::get(context_, 0)),
        i32_(llvm::Type::getInt32Ty(context_)),
        i64_(llvm::Type::getInt64Ty(context_)),
        tensor_(llvm::StructType::get(context_, {pointer_, pointer_, i32_, i32_})),
        attribute_(llvm::StructType::get(context_, {pointer_, pointer_, pointer_, pointer_, i64_, pointer_, pointer_})),
        call_(llvm::StructType::get(
            context_, {pointer_, pointer_, pointer_, i32_, i32_, i32_, i32_, pointer_, pointer_, pointer_, pointer_, pointer_, pointer_, pointer_})) {
  }

  llvm::Function* make(llvm::Function* target, const std::string& name) {
    auto* function =
        llvm::Function::Create(llvm::FunctionType::get(i32_, {pointer_, pointer_}, false), llvm::Function::ExternalLinkage, name, module_);
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
                                              attributes(),
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
                                              error};
    for (unsigned i = 0; i < fields.size(); ++i) b_.CreateStore(fields[i], b_.CreateStructGEP(call_, call, i));
    b_.CreateCall(target, {call});
    llvm::Value* failed = b_.CreateICmpNE(b_.CreateLoad(pointer_, error), null());
    b_.CreateRet(b_.CreateSelect(failed, i32(3), i32(0)));
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

  llvm::Constant* constant(llvm::Constant* value) {
    auto* global = new llvm::GlobalVariable(module_, value->getType(), true, llvm::GlobalValue::PrivateLinkage, value);
    global->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
    return global;
  }
  llvm::Constant* ints(const std::vector<int64_t>& values) {
    const std::vector<uint64_t> bits(values.begin(), values.end());
    return values.empty() ? null() : constant(llvm::ConstantDataArray::get(context_, bits));
  }
  llvm::Constant* floats(const std::vector<float>& values) {
    return values.empty() ? null() : constant(llvm::ConstantDataArray::get(context_, values));
  }
  llvm::Constant* text(const std::string& value) { return constant(llvm::ConstantDataArray::getString(context_, value)); }

  llvm::Value* tensors(const std::vector<Generic::TensorShape>& shapes, llvm::Value* arguments, size_t& position) {
    auto* array = llvm::ArrayType::get(tensor_, shapes.size());
    llvm::Value* memory = b_.CreateAlloca(array);
    for (unsigned i = 0; i < shapes.size(); ++i) {
      llvm::Value* data = load_argument(arguments, position);
      llvm::Value* tensor = b_.CreateConstInBoundsGEP2_32(array, memory, 0, i);
      b_.CreateStore(data, b_.CreateStructGEP(tensor_, tensor, 0));
      b_.CreateStore(ints(shapes[i].dimensions), b_.CreateStructGEP(tensor_, tensor, 1));
      b_.CreateStore(i32(shapes[i].dimensions.size()), b_.CreateStructGEP(tensor_, tensor, 2));
      b_.CreateStore(i32(static_cast<uint32_t>(shapes[i].type)), b_.CreateStructGEP(tensor_, tensor, 3));
    }
    return memory;
  }

  llvm::Value* attributes() {
    if (kernel_.attributes.empty()) return null();
    std::vector<llvm::Constant*> entries;
    for (const Generic::Attribute& a : kernel_.attributes) {
      const bool is_text = a.ints.empty() && a.floats.empty();
      entries.push_back(
          llvm::ConstantStruct::get(attribute_, {text(a.name), ints(a.ints), floats(a.floats), is_text ? text(a.text) : null(),
                                                 llvm::ConstantInt::get(i64_, is_text ? 1 : a.ints.size() + a.floats.size()), null(), null()}));
    }
    return constant(llvm::ConstantArray::get(llvm::ArrayType::get(attribute_, entries.size()), entries));
  }

  llvm::Module& module_;
  llvm::LLVMContext& context_;
  const Generic& kernel_;
  llvm::IRBuilder<> b_;
  llvm::PointerType* pointer_;
  llvm::IntegerType *i32_, *i64_;
  llvm::StructType *tensor_, *attribute_, *call_;
};

// The name of the operator's function in the bitcode's table of {domain, op_type, function}.
std::string kernel_function(const llvm::Module& bitcode, const Generic& kernel) {
  const llvm::GlobalVariable* table = bitcode.getNamedGlobal("lathe_kernel_table");
  if (!table || !table->hasInitializer()) throw std::runtime_error("the bitcode of the kernels holds no table");
  auto text = [](const llvm::Value* pointer) -> llvm::StringRef {
    const auto* global = llvm::dyn_cast<llvm::GlobalVariable>(pointer->stripPointerCasts());
    const auto* data = global && global->hasInitializer() ? llvm::dyn_cast<llvm::ConstantDataArray>(global->getInitializer()) : nullptr;
    return data ? data->getAsCString() : llvm::StringRef();
  };
  for (const llvm::Use& use : table->getInitializer()->operands()) {
    const auto* entry = llvm::dyn_cast<llvm::ConstantStruct>(use.get());
    if (entry && text(entry->getOperand(0)) == kernel.domain && text(entry->getOperand(1)) == kernel.op_type)
      if (const auto* function = llvm::dyn_cast<llvm::Function>(entry->getOperand(2)->stripPointerCasts())) return function->getName().str();
  }
  throw std::runtime_error("no kernel for the operator " + (kernel.domain.empty() ? "" : kernel.domain + ".") + kernel.op_type +
                           " is in the bitcode");
}

}  // namespace

std::unique_ptr<llvm::MemoryBuffer> read_bitcode(const std::string& path) {
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file) throw std::runtime_error("cannot read " + path + ": " + file.getError().message());
  return std::move(*file);
}

llvm::Function* generate_generic(llvm::Module& module, const llvm::MemoryBuffer& bitcode, const Generic& kernel, const std::string& name) {
  auto lazy = llvm::getLazyBitcodeModule(bitcode.getMemBufferRef(), module.getContext());
  if (!lazy) throw std::runtime_error("the bitcode of the kernels cannot be read: " + llvm::toString(lazy.takeError()));
  (*lazy)->setTargetTriple(module.getTargetTriple());
  (*lazy)->setDataLayout(module.getDataLayout());
  const std::string function = kernel_function(**lazy, kernel);
  // Nothing but what is reached from this declaration is linked in.
  auto* declared = llvm::Function::Create(
      llvm::FunctionType::get(llvm::Type::getVoidTy(module.getContext()), {llvm::PointerType::get(module.getContext(), 0)}, false),
      llvm::Function::ExternalLinkage, function, module);
  llvm::Function* wrapper = Wrapper(module, kernel).make(declared, name);
  if (llvm::Linker::linkModules(module, std::move(*lazy), llvm::Linker::LinkOnlyNeeded))
    throw std::runtime_error("the kernel of " + kernel.op_type + " cannot be linked");
  for (llvm::Function& f : module)
    if (&f != wrapper && !f.isDeclaration()) {
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
  return wrapper;
}

}  // namespace lathe::llvm_cpu
