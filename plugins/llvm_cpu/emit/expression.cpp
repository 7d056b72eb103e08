// An Expression of plan/program.hpp on vectors, one case per operation. NaN goes through maximum, minimum, clip and the activations as
// it does through numpy's functions.
#include "emit/expression.hpp"

#include <llvm/IR/Intrinsics.h>

#include <stdexcept>

#include "emit/math.hpp"

namespace lathe::llvm_cpu {

using llvm::Value;
using Operation = Expression::Operation;

namespace {

int width_of(Value* v) { return static_cast<int>(llvm::cast<llvm::FixedVectorType>(v->getType())->getNumElements()); }
Value* unary(Builder& b, llvm::Intrinsic::ID id, Value* x) { return b.CreateUnaryIntrinsic(id, x); }

// The larger of x and a constant; NaN stays. The operand order is that of x86's maxps.
Value* at_least(Builder& b, Value* x, float limit) {
  Value* c = b.splat(limit, width_of(x));
  return b.CreateSelect(b.CreateFCmpOGT(c, x), c, x);
}
Value* at_most(Builder& b, Value* x, float limit) {
  Value* c = b.splat(limit, width_of(x));
  return b.CreateSelect(b.CreateFCmpOLT(c, x), c, x);
}

Value* extreme(Builder& b, Value* x, Value* y, bool larger) {
  if (llvm::isa<llvm::Constant>(x)) std::swap(x, y);
  Value* result = b.CreateSelect(larger ? b.CreateFCmpOGT(x, y) : b.CreateFCmpOLT(x, y), x, y);  // y where either is NaN
  if (llvm::isa<llvm::Constant>(y))                                                              // a finite limit
    return b.CreateSelect(larger ? b.CreateFCmpOGT(y, x) : b.CreateFCmpOLT(y, x), y, x);
  return b.CreateSelect(b.CreateFCmpUNO(x, x), x, result);
}

Value* power(Builder& b, Value* x, Value* y) {
  const int width = width_of(x);
  if (auto* constant = llvm::dyn_cast<llvm::Constant>(y)) {
    if (auto* exponent = llvm::dyn_cast_or_null<llvm::ConstantFP>(constant->getSplatValue())) {
      const float e = exponent->getValueAPF().convertToFloat();
      if (e == 1) return x;
      if (e == 2) return b.CreateFMul(x, x);
      if (e == 3) return b.CreateFMul(b.CreateFMul(x, x), x);
      if (e == -1) return b.CreateFDiv(b.splat(1.0F, width), x);
    }
  }
  return emit_pow(b, x, y);
}

Value* apply(Builder& b, const Expression::Instruction& i, Value* x, Value* y, int width) {
  const auto constant = [&](float value) { return b.splat(value, width); };
  switch (i.operation) {
    case Operation::add:
      return b.CreateFAdd(x, y);
    case Operation::subtract:
      return b.CreateFSub(x, y);
    case Operation::multiply:
      return b.CreateFMul(x, y);
    case Operation::divide:
      return b.CreateFDiv(x, y);
    case Operation::maximum:
      return extreme(b, x, y, true);
    case Operation::minimum:
      return extreme(b, x, y, false);
    case Operation::power:
      return power(b, x, y);
    case Operation::prelu:
      return b.CreateSelect(b.CreateFCmpOLT(x, constant(0)), b.CreateFMul(x, y), x);
    case Operation::negate:
      return b.CreateFNeg(x);
    case Operation::absolute:
      return unary(b, llvm::Intrinsic::fabs, x);
    case Operation::exponential:
      return emit_exp(b, x);
    case Operation::logarithm:
      return emit_log(b, x);
    case Operation::square_root:
      return unary(b, llvm::Intrinsic::sqrt, x);
    case Operation::reciprocal:
      return b.CreateFDiv(constant(1), x);
    case Operation::floor:
      return unary(b, llvm::Intrinsic::floor, x);
    case Operation::ceiling:
      return unary(b, llvm::Intrinsic::ceil, x);
    case Operation::round_even:
      return unary(b, llvm::Intrinsic::roundeven, x);
    case Operation::sigmoid:
      return emit_sigmoid(b, x);
    case Operation::tanh:
      return emit_tanh(b, x);
    case Operation::erf:
      return emit_erf(b, x);
    case Operation::sign: {
      Value* one = b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, constant(1), x);
      return b.CreateSelect(b.CreateFCmpONE(x, constant(0)), one, x);
    }
    case Operation::sine:
      return emit_sin(b, x);
    case Operation::cosine:
      return emit_cos(b, x);
    case Operation::relu:
      return at_least(b, x, 0);
    case Operation::silu:
      return emit_silu(b, x);
    case Operation::hard_swish: {
      Value* gate = b.multiply_add(x, constant(1.0F / 6), constant(0.5F));
      return b.CreateFMul(x, at_most(b, at_least(b, gate, 0), 1));
    }
    case Operation::leaky_relu:
      return b.CreateSelect(b.CreateFCmpOLT(x, constant(0)), b.CreateFMul(x, constant(i.p)), x);
    case Operation::clip:
      return at_most(b, at_least(b, x, i.p), i.q);
    case Operation::hard_sigmoid:
      return at_most(b, at_least(b, b.multiply_add(x, constant(i.p), constant(i.q)), 0), 1);
    case Operation::elu: {
      Value* negative = b.CreateFMul(constant(i.p), b.CreateFSub(emit_exp(b, x), constant(1)));
      return b.CreateSelect(b.CreateFCmpOLT(x, constant(0)), negative, x);
    }
    case Operation::fake_quantise: {
      Value* q = b.CreateFAdd(unary(b, llvm::Intrinsic::roundeven, b.CreateFDiv(x, constant(i.p))), constant(i.q));
      q = at_most(b, at_least(b, q, i.r), i.s);
      return b.CreateFMul(b.CreateFSub(q, constant(i.q)), constant(i.p));
    }
    case Operation::constant:
      return constant(i.p);
  }
  throw std::runtime_error("an expression holds an operation that no emitter knows");
}

}  // namespace

Value* emit_expression(Builder& b, const Expression& expression, const Values& operands) {
  Values values = operands;
  const int width = width_of(operands.at(0));
  const auto value = [&](int number) { return number < 0 ? nullptr : values.at(static_cast<size_t>(number)); };
  for (const auto& instruction : expression.instructions) values.push_back(apply(b, instruction, value(instruction.a), value(instruction.b), width));
  return expression.instructions.empty() ? values.at(0) : values.back();
}

bool is_long(const Expression& expression) {
  int cost = 0;
  for (const auto& i : expression.instructions) {
    switch (i.operation) {
      case Operation::power:
      case Operation::sine:
      case Operation::cosine:
        cost += 60;
        break;
      case Operation::exponential:
      case Operation::logarithm:
      case Operation::sigmoid:
      case Operation::tanh:
      case Operation::erf:
      case Operation::silu:
      case Operation::elu:
        cost += 20;
        break;
      case Operation::hard_swish:
      case Operation::hard_sigmoid:
      case Operation::fake_quantise:
        cost += 5;
        break;
      default:
        cost += 1;
        break;
    }
  }
  return cost > 4;
}

}  // namespace lathe::llvm_cpu
