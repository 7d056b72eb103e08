// Helpers over llvm::IRBuilder: see builder.hpp.
#include "emit/builder.hpp"

#include <llvm/IR/Intrinsics.h>

namespace lathe::llvm_cpu {

using llvm::Align;
using llvm::BasicBlock;
using llvm::ConstantInt;
using llvm::Function;
using llvm::Value;

Function* Builder::begin_function(const std::string& name, llvm::Type* result, llvm::ArrayRef<llvm::Type*> parameters, bool exported) {
  auto* type = llvm::FunctionType::get(result, parameters, false);
  auto* function = Function::Create(type, exported ? Function::ExternalLinkage : Function::InternalLinkage, name, module);
  if (exported) {
    function->setVisibility(llvm::GlobalValue::HiddenVisibility);
  } else {
    function->setCallingConv(llvm::CallingConv::Fast);
    function->addFnAttr(llvm::Attribute::NoInline);
  }
  function->addFnAttr(llvm::Attribute::NoUnwind);
  if (!machine.cpu.empty()) function->addFnAttr("target-cpu", machine.cpu);
  if (!machine.features.empty()) function->addFnAttr("target-features", machine.features);
  if (machine.family == Machine::Family::x86_64) {
    const std::string bits = std::to_string(machine.vector_floats * 32);
    function->addFnAttr("prefer-vector-width", bits);
    function->addFnAttr("min-legal-vector-width", bits);
  }
  for (auto& argument : function->args())
    if (argument.getType()->isPointerTy() && !exported) argument.addAttr(llvm::Attribute::NoCapture);
  SetInsertPoint(BasicBlock::Create(getContext(), "entry", function));
  return function;
}

Function* Builder::begin_body(const std::string& name) { return begin_function(name, getVoidTy(), {getPtrTy(), getInt32Ty(), getInt32Ty()}, true); }

Value* Builder::argument(int number) {
  Function* function = GetInsertBlock()->getParent();
  return CreateAlignedLoad(getPtrTy(), at(function->getArg(0), number, 8), Align(8));
}

Value* Builder::task() { return CreateZExt(GetInsertBlock()->getParent()->getArg(1), getInt64Ty()); }

Value* Builder::multiply(Value* value, int64_t factor) {
  if (factor == 1) return value;
  if (factor == 0) return index(0);
  return CreateMul(value, index(factor), "", false, true);
}

Value* Builder::add(Value* a, Value* b) {
  if (auto* constant = llvm::dyn_cast<ConstantInt>(a); constant && constant->isZero()) return b;
  if (auto* constant = llvm::dyn_cast<ConstantInt>(b); constant && constant->isZero()) return a;
  return CreateAdd(a, b, "", false, true);
}

Value* Builder::smaller(Value* a, Value* b) { return CreateSelect(CreateICmpSLT(a, b), a, b); }

Value* Builder::at(Value* base, Value* offset, int bytes) {
  if (auto* constant = llvm::dyn_cast<ConstantInt>(offset); constant && constant->isZero()) return base;
  return CreateInBoundsGEP(getIntNTy(static_cast<unsigned>(bytes) * 8), base, offset);
}

Value* Builder::at(Value* base, int64_t offset, int bytes) { return at(base, index(offset), bytes); }

Values Builder::loop(Value* begin, Value* end, Value* step, const Values& carried, bool nonempty, const LoopBody& body) {
  Function* function = GetInsertBlock()->getParent();
  auto* first = llvm::dyn_cast<ConstantInt>(begin);
  auto* last = llvm::dyn_cast<ConstantInt>(end);
  if (first && last) {
    if (first->getSExtValue() >= last->getSExtValue()) return carried;
    nonempty = true;
    auto* width = llvm::dyn_cast<ConstantInt>(step);
    if (width && first->getSExtValue() + width->getSExtValue() >= last->getSExtValue()) return body(begin, carried);
  }
  BasicBlock* before = GetInsertBlock();
  BasicBlock* turn = BasicBlock::Create(getContext(), "loop", function);
  BasicBlock* after = BasicBlock::Create(getContext(), "after", function);
  if (nonempty)
    CreateBr(turn);
  else
    CreateCondBr(CreateICmpSLT(begin, end), turn, after);
  SetInsertPoint(turn);
  llvm::PHINode* i = CreatePHI(begin->getType(), 2);
  i->addIncoming(begin, before);
  std::vector<llvm::PHINode*> phis;
  Values inside;
  for (Value* value : carried) {
    llvm::PHINode* phi = CreatePHI(value->getType(), 2);
    phi->addIncoming(value, before);
    phis.push_back(phi);
    inside.push_back(phi);
  }
  Values results = body(i, inside);
  Value* next = CreateAdd(i, step, "", true, true);
  BasicBlock* latch = GetInsertBlock();
  CreateCondBr(CreateICmpSLT(next, end), turn, after);
  i->addIncoming(next, latch);
  for (size_t n = 0; n < phis.size(); ++n) phis[n]->addIncoming(results[n], latch);
  SetInsertPoint(after);
  if (nonempty) return results;
  Values merged;
  for (size_t n = 0; n < phis.size(); ++n) {
    llvm::PHINode* phi = CreatePHI(carried[n]->getType(), 2);
    phi->addIncoming(carried[n], before);
    phi->addIncoming(results[n], latch);
    merged.push_back(phi);
  }
  return merged;
}

void Builder::loop(Value* begin, Value* end, Value* step, bool nonempty, const std::function<void(Value*)>& body) {
  loop(begin, end, step, Values{}, nonempty, [&](Value* i, const Values&) {
    body(i);
    return Values{};
  });
}

void Builder::loop(int64_t count, const std::function<void(Value*)>& body) { loop(index(0), index(count), index(1), false, body); }

void Builder::when(Value* condition, const std::function<void()>& then, const std::function<void()>& otherwise) {
  Function* function = GetInsertBlock()->getParent();
  BasicBlock* yes = BasicBlock::Create(getContext(), "then", function);
  BasicBlock* no = otherwise ? BasicBlock::Create(getContext(), "else", function) : nullptr;
  BasicBlock* after = BasicBlock::Create(getContext(), "after", function);
  CreateCondBr(condition, yes, no ? no : after);
  SetInsertPoint(yes);
  then();
  CreateBr(after);
  if (no) {
    SetInsertPoint(no);
    otherwise();
    CreateBr(after);
  }
  SetInsertPoint(after);
}

namespace {

llvm::Constant* lane_mask(Builder& b, int width, int lanes) {
  std::vector<llvm::Constant*> bits;
  for (int i = 0; i < width; ++i) bits.push_back(b.getInt1(i < lanes));
  return llvm::ConstantVector::get(bits);
}

}  // namespace

Value* Builder::load(Value* pointer, int width, int lanes) {
  auto* type = vector_type(width);
  if (lanes >= width) return CreateAlignedLoad(type, pointer, Align(4));
  return CreateMaskedLoad(type, pointer, Align(4), lane_mask(*this, width, lanes), llvm::ConstantAggregateZero::get(type));
}

void Builder::store(Value* value, Value* pointer, int lanes) {
  const int width = static_cast<int>(llvm::cast<llvm::FixedVectorType>(value->getType())->getNumElements());
  if (lanes >= width)
    CreateAlignedStore(value, pointer, Align(4));
  else
    CreateMaskedStore(value, pointer, Align(4), lane_mask(*this, width, lanes));
}

void Builder::store(Value* value, Value* pointer) { CreateAlignedStore(value, pointer, Align(value->getType()->getScalarSizeInBits() / 8)); }

Value* Builder::load_strided(Value* pointer, int64_t stride, int width, int lanes, llvm::Type* element) {
  const int bytes = static_cast<int>(element->getScalarSizeInBits() / 8);
  const Align align(static_cast<uint64_t>(bytes));
  auto* type = llvm::FixedVectorType::get(element, static_cast<unsigned>(width));
  if (stride == 0) return CreateVectorSplat(static_cast<unsigned>(width), CreateAlignedLoad(element, pointer, align));
  if (stride == 1 && lanes >= width) return CreateAlignedLoad(type, pointer, align);
  if (stride == 1 && element->isFloatTy()) return load(pointer, width, lanes);
  Value* result = llvm::ConstantAggregateZero::get(type);
  for (int i = 0; i < lanes; ++i) result = CreateInsertElement(result, CreateAlignedLoad(element, at(pointer, stride * i, bytes), align), index(i));
  return result;
}

void Builder::store_strided(Value* value, Value* pointer, int64_t stride, int lanes) {
  auto* type = llvm::cast<llvm::FixedVectorType>(value->getType());
  const int width = static_cast<int>(type->getNumElements());
  const int bytes = static_cast<int>(type->getScalarSizeInBits() / 8);
  const Align align(static_cast<uint64_t>(bytes));
  if (stride == 1 && lanes >= width) {
    CreateAlignedStore(value, pointer, align);
  } else if (stride == 1 && type->getElementType()->isFloatTy()) {
    store(value, pointer, lanes);
  } else {
    for (int i = 0; i < lanes; ++i) CreateAlignedStore(CreateExtractElement(value, index(i)), at(pointer, stride * i, bytes), align);
  }
}

Value* Builder::splat(Value* scalar, int width) { return CreateVectorSplat(static_cast<unsigned>(width), scalar); }

Value* Builder::splat(float value, int width) {
  return llvm::ConstantVector::getSplat(llvm::ElementCount::getFixed(static_cast<unsigned>(width)),
                                        llvm::ConstantFP::get(getFloatTy(), static_cast<double>(value)));
}

Value* Builder::multiply_add(Value* a, Value* b, Value* c) {
  if (machine.fused_multiply_add) return CreateIntrinsic(llvm::Intrinsic::fma, {a->getType()}, {a, b, c});
  return CreateFAdd(CreateFMul(a, b), c);
}

Values Builder::transpose(Values rows) {
  const int count = static_cast<int>(rows.size());
  // One step per bit of the index: rows r and r + distance exchange the lanes whose number has (respectively lacks) that bit.
  for (int distance = count / 2; distance >= 1; distance /= 2) {
    Values next(rows.size());
    std::vector<int> low, high;
    for (int lane = 0; lane < count; ++lane) {
      const bool upper = (lane & distance) != 0;
      low.push_back(upper ? count + lane - distance : lane);
      high.push_back(upper ? count + lane : lane + distance);
    }
    for (int r = 0; r < count; ++r) {
      if (r & distance) continue;
      const auto first = static_cast<size_t>(r), second = static_cast<size_t>(r + distance);
      next[first] = CreateShuffleVector(rows[first], rows[second], low);
      next[second] = CreateShuffleVector(rows[first], rows[second], high);
    }
    rows = next;
  }
  return rows;
}

Value* Builder::frame(int64_t floats) {
  Function* function = GetInsertBlock()->getParent();
  llvm::IRBuilder<> entry(&function->getEntryBlock(), function->getEntryBlock().begin());
  auto* memory = entry.CreateAlloca(llvm::ArrayType::get(getFloatTy(), static_cast<uint64_t>(floats)));
  memory->setAlignment(Align(64));
  return memory;
}

}  // namespace lathe::llvm_cpu
