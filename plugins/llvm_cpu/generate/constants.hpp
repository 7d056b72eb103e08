// Constants of a generated module: numbers, texts, arrays and records, and the attributes of a node with the layout of lathe/kernels/kernel.hpp.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "plan/program.hpp"

namespace llvm {
class Constant;
class IntegerType;
class LLVMContext;
class Module;
class PointerType;
class StructType;
}  // namespace llvm

namespace lathe::llvm_cpu {

class Constants {
 public:
  explicit Constants(llvm::Module& module);

  llvm::Constant* null() const;
  llvm::Constant* i32(uint64_t value) const;
  llvm::Constant* i64(uint64_t value) const;
  llvm::Constant* record(const std::vector<llvm::Constant*>& fields) const;
  // Addresses of private constants; null for empty lists.
  llvm::Constant* text(const std::string& value);  // terminated
  llvm::Constant* ints(const std::vector<int64_t>& values);
  llvm::Constant* numbers(const std::vector<uint32_t>& values);
  llvm::Constant* floats(const std::vector<float>& values);
  llvm::Constant* bytes(const std::vector<uint8_t>& values);  // 64-byte aligned
  llvm::Constant* array(const std::vector<llvm::Constant*>& entries);
  llvm::Constant* attributes(const std::vector<Generic::Attribute>& list);  // of kernels::Attribute

 private:
  llvm::Constant* global(llvm::Constant* value, uint64_t alignment = 8);
  llvm::Constant* strings(const std::vector<std::string>& values);  // of kernels::String
  llvm::Constant* tensor(const Generic::AttributeTensor& tensor);

  llvm::Module& module_;
  llvm::LLVMContext& context_;
  llvm::PointerType* pointer_;
  llvm::IntegerType *i32_, *i64_;
};

}  // namespace lathe::llvm_cpu
