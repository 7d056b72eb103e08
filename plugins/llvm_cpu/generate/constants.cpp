// See constants.hpp.
#include "generate/constants.hpp"

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>
#include <llvm/IR/GlobalVariable.h>
#include <llvm/IR/Module.h>

namespace lathe::llvm_cpu {

Constants::Constants(llvm::Module& module)
    : module_(module),
      context_(module.getContext()),
      pointer_(llvm::PointerType::get(context_, 0)),
      i32_(llvm::Type::getInt32Ty(context_)),
      i64_(llvm::Type::getInt64Ty(context_)) {}

llvm::Constant* Constants::null() const { return llvm::ConstantPointerNull::get(pointer_); }
llvm::Constant* Constants::i32(uint64_t value) const { return llvm::ConstantInt::get(i32_, value); }
llvm::Constant* Constants::i64(uint64_t value) const { return llvm::ConstantInt::get(i64_, value); }
llvm::Constant* Constants::record(const std::vector<llvm::Constant*>& fields) const { return llvm::ConstantStruct::getAnon(context_, fields); }

llvm::Constant* Constants::global(llvm::Constant* value, uint64_t alignment) {
  auto* variable = new llvm::GlobalVariable(module_, value->getType(), true, llvm::GlobalValue::PrivateLinkage, value);
  variable->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
  variable->setAlignment(llvm::Align(alignment));
  return variable;
}

llvm::Constant* Constants::text(const std::string& value) { return global(llvm::ConstantDataArray::getString(context_, value), 1); }

llvm::Constant* Constants::ints(const std::vector<int64_t>& values) {
  const std::vector<uint64_t> bits(values.begin(), values.end());
  return values.empty() ? null() : global(llvm::ConstantDataArray::get(context_, bits));
}

llvm::Constant* Constants::numbers(const std::vector<uint32_t>& values) {
  return values.empty() ? null() : global(llvm::ConstantDataArray::get(context_, values));
}

llvm::Constant* Constants::floats(const std::vector<float>& values) {
  return values.empty() ? null() : global(llvm::ConstantDataArray::get(context_, values));
}

llvm::Constant* Constants::bytes(const std::vector<uint8_t>& values) {
  return values.empty() ? null() : global(llvm::ConstantDataArray::get(context_, values), 64);
}

llvm::Constant* Constants::array(const std::vector<llvm::Constant*>& entries) {
  if (entries.empty()) return null();
  return global(llvm::ConstantArray::get(llvm::ArrayType::get(entries.front()->getType(), entries.size()), entries));
}

llvm::Constant* Constants::strings(const std::vector<std::string>& values) {
  std::vector<llvm::Constant*> entries;
  for (const std::string& value : values) entries.push_back(record({text(value), i64(value.size())}));
  return array(entries);
}

llvm::Constant* Constants::tensor(const Generic::AttributeTensor& t) {
  llvm::Constant* data = t.strings.empty() ? bytes(t.bytes) : strings(t.strings);
  return global(record({data, ints(t.dimensions), i32(t.dimensions.size()), i32(static_cast<uint32_t>(t.type))}));
}

llvm::Constant* Constants::attributes(const std::vector<Generic::Attribute>& list) {
  std::vector<llvm::Constant*> entries;
  for (const Generic::Attribute& a : list) {
    const size_t listed = a.ints.size() + a.floats.size() + a.strings.size();
    const bool is_text = listed == 0 && a.tensor.empty();
    entries.push_back(record({text(a.name), ints(a.ints), floats(a.floats), is_text ? text(a.text) : null(), i64(listed ? listed : 1),
                              strings(a.strings), a.tensor.empty() ? null() : tensor(a.tensor[0])}));
  }
  return array(entries);
}

}  // namespace lathe::llvm_cpu
