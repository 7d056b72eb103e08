// Helpers over llvm::IRBuilder that every emitter uses: functions with the machine's attributes, loops with carried values, vector
// loads and stores with tails, splats, transposition. What they build is nearly final code: little is left to the optimiser.
#pragma once
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <functional>
#include <string>
#include <vector>

#include "machine.hpp"

namespace lathe::llvm_cpu {

using Values = std::vector<llvm::Value*>;

class Builder : public llvm::IRBuilder<> {
 public:
  Builder(llvm::Module& module, const Machine& machine) : llvm::IRBuilder<>(module.getContext()), module(module), machine(machine) {}

  llvm::Module& module;
  const Machine& machine;

  // A function compiled for `machine`, and the builder at the start of its first block. Internal unless `exported`.
  llvm::Function* begin_function(const std::string& name, llvm::Type* result, llvm::ArrayRef<llvm::Type*> parameters, bool exported);
  // void name(void** arguments, uint32_t task, uint32_t worker): see emit.hpp.
  llvm::Function* begin_body(const std::string& name);
  llvm::Value* argument(int index);  // of the body: arguments[index]
  llvm::Value* task();               // of the body, as a 64-bit number

  llvm::Type* float_type() { return getFloatTy(); }
  llvm::VectorType* vector_type(int lanes) { return llvm::FixedVectorType::get(getFloatTy(), static_cast<unsigned>(lanes)); }
  llvm::Value* index(int64_t value) { return getInt64(static_cast<uint64_t>(value)); }
  // value * factor + addend with constants folded away
  llvm::Value* multiply(llvm::Value* value, int64_t factor);
  llvm::Value* add(llvm::Value* a, llvm::Value* b);
  llvm::Value* smaller(llvm::Value* a, llvm::Value* b);  // signed

  // base + offset floats (or elements of `bytes`)
  llvm::Value* at(llvm::Value* base, llvm::Value* offset, int bytes = 4);
  llvm::Value* at(llvm::Value* base, int64_t offset, int bytes = 4);

  // for (i = begin; i < end; i += step) carried = body(i, carried). `nonempty`: begin < end is known, no check before the first turn.
  using LoopBody = std::function<Values(llvm::Value* i, const Values& carried)>;
  Values loop(llvm::Value* begin, llvm::Value* end, llvm::Value* step, const Values& carried, bool nonempty, const LoopBody& body);
  void loop(llvm::Value* begin, llvm::Value* end, llvm::Value* step, bool nonempty, const std::function<void(llvm::Value*)>& body);
  void loop(int64_t count, const std::function<void(llvm::Value*)>& body);  // unrolled away when count is 1
  void when(llvm::Value* condition, const std::function<void()>& then, const std::function<void()>& otherwise = {});

  // Vectors of floats. `lanes` of the `width` are valid: the others are not touched in memory, and zero after a load.
  llvm::Value* load(llvm::Value* pointer, int width, int lanes);
  llvm::Value* load(llvm::Value* pointer, int width) { return load(pointer, width, width); }
  void store(llvm::Value* value, llvm::Value* pointer, int lanes);
  void store(llvm::Value* value, llvm::Value* pointer);
  llvm::Value* load_strided(llvm::Value* pointer, int64_t stride, int width, int lanes, llvm::Type* element);
  void store_strided(llvm::Value* value, llvm::Value* pointer, int64_t stride, int lanes);
  llvm::Value* load_scalar(llvm::Value* pointer) { return CreateAlignedLoad(getFloatTy(), pointer, llvm::Align(4)); }
  llvm::Value* splat(llvm::Value* scalar, int width);
  llvm::Value* splat(float value, int width);

  // a * b + c: fused where the machine can, else rounded twice
  llvm::Value* multiply_add(llvm::Value* a, llvm::Value* b, llvm::Value* c);

  // `rows` holds B vectors of B lanes (B a power of two); yields B vectors with rows and lanes exchanged.
  Values transpose(Values rows);

  // Fixed memory of the function's frame, 64-byte aligned.
  llvm::Value* frame(int64_t floats);
};

}  // namespace lathe::llvm_cpu
