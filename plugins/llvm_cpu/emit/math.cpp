// Elementary functions on vectors of floats. Each reduces its argument, evaluates a polynomial fitted for this project (weighted
// least squares, close to minimax) and puts the result together; there are no branches. NaN in gives NaN out.
//
// Adding and subtracting 1.5 * 2^23 rounds to the nearest integer and leaves that integer in the low bits of the sum, so neither a
// rounding instruction nor a conversion (whose result is undefined for NaN) is needed.
#include "emit/math.hpp"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <cmath>
#include <initializer_list>
#include <limits>

namespace lathe::llvm_cpu {

using llvm::Value;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float rounding = 12582912.0F;  // 1.5 * 2^23

// A vector of floats of one width, with arithmetic: keeps the formulas below readable.
struct Lanes {
  Builder* b;
  Value* v;

  Lanes of(Value* value) const { return {b, value}; }
  llvm::Type* integers() const { return llvm::VectorType::get(b->getInt32Ty(), llvm::cast<llvm::FixedVectorType>(v->getType())->getElementCount()); }
  Lanes like(float value) const { return of(b->splat(value, static_cast<int>(llvm::cast<llvm::FixedVectorType>(v->getType())->getNumElements()))); }
  Value* integer(uint32_t value) const {
    return llvm::ConstantVector::getSplat(llvm::cast<llvm::FixedVectorType>(v->getType())->getElementCount(), b->getInt32(value));
  }
  Value* bits() const { return b->CreateBitCast(v, integers()); }
  Lanes from_bits(Value* value) const { return of(b->CreateBitCast(value, v->getType())); }
};

Lanes operator+(Lanes x, Lanes y) { return x.of(x.b->CreateFAdd(x.v, y.v)); }
Lanes operator-(Lanes x, Lanes y) { return x.of(x.b->CreateFSub(x.v, y.v)); }
Lanes operator*(Lanes x, Lanes y) { return x.of(x.b->CreateFMul(x.v, y.v)); }
Lanes operator/(Lanes x, Lanes y) { return x.of(x.b->CreateFDiv(x.v, y.v)); }
Lanes operator+(Lanes x, float y) { return x + x.like(y); }
Lanes operator-(Lanes x, float y) { return x - x.like(y); }
Lanes operator*(Lanes x, float y) { return x * x.like(y); }
Lanes fused(Lanes x, Lanes y, Lanes z) { return x.of(x.b->multiply_add(x.v, y.v, z.v)); }
Lanes fused(Lanes x, float y, Lanes z) { return fused(x, x.like(y), z); }
Lanes choose(Value* condition, Lanes yes, Lanes no) { return yes.of(yes.b->CreateSelect(condition, yes.v, no.v)); }
Value* less(Lanes x, Lanes y) { return x.b->CreateFCmpOLT(x.v, y.v); }
Value* equal(Lanes x, Lanes y) { return x.b->CreateFCmpOEQ(x.v, y.v); }
Lanes at_most(Lanes x, float limit) { return choose(less(x.like(limit), x), x.like(limit), x); }   // NaN stays
Lanes at_least(Lanes x, float limit) { return choose(less(x, x.like(limit)), x.like(limit), x); }  // NaN stays
Lanes absolute(Lanes x) { return x.of(x.b->CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x.v)); }
Lanes with_sign(Lanes magnitude, Lanes sign) {
  return magnitude.of(magnitude.b->CreateBinaryIntrinsic(llvm::Intrinsic::copysign, magnitude.v, sign.v));
}

// Coefficients from the constant term up.
Lanes polynomial(Lanes x, std::initializer_list<float> coefficients) {
  auto next = std::rbegin(coefficients);
  Lanes sum = x.like(*next);
  for (++next; next != std::rend(coefficients); ++next) sum = fused(sum, x, x.like(*next));
  return sum;
}

constexpr float log2_e = 1.44269504F, ln2_high = 0.693145752F, ln2_low = 1.42860677e-6F;

// exp(x) = 2^n exp(r), |r| <= ln(2) / 2. Yields exp(r), and 1.5 * 2^23 + n in `shifted`. The relative error of exp(r) is below 1e-7.
Lanes reduced_exp(Lanes x, Lanes& shifted) {
  shifted = fused(x, log2_e, x.like(rounding));
  const Lanes n = shifted - rounding;
  Lanes r = fused(n, -ln2_high, x);
  r = fused(n, -ln2_low, r);
  const Lanes p = polynomial(r, {4.999999341e-01F, 1.666652010e-01F, 4.166839432e-02F, 8.368780883e-03F, 1.381446202e-03F});
  return fused(r * r, p, r) + 1.0F;
}

// 1 + exp(x), 2 ulp; x beyond -87 and 88 counts as these. The sum is finite, so its reciprocal may be refined by Newton's method.
Lanes one_plus_exp(Lanes x) {
  x = at_most(at_least(x, -87.0F), 88.0F);
  Builder& b = *x.b;
  const Lanes shifted = fused(x, log2_e, x.like(rounding));
  const Lanes n = shifted - rounding;
  Lanes r = fused(n, -ln2_high, x);
  r = fused(n, -ln2_low, r);
  // One degree less than exp: 1e-7 of the exponential is less of the sum.
  const Lanes p = polynomial(r, {4.999922876e-01F, 1.666711628e-01F, 4.189055691e-02F, 8.312482400e-03F});
  const Lanes e = fused(r * r, p, r) + 1.0F;
  Value* biased = b.CreateAdd(shifted.bits(), x.integer(127));  // the low byte holds n + 127; the shift drops what stands above it
  return fused(e, x.from_bits(b.CreateShl(biased, x.integer(23))), x.like(1));
}

// a / x for finite x >= 1, 2 ulp: x86's estimate (12 or 14 bits) and one step of Newton's method, which is faster than its division.
Lanes quotient(Lanes a, Lanes x) {
  Builder& b = *x.b;
  const auto lanes = llvm::cast<llvm::FixedVectorType>(x.v->getType())->getNumElements();
  const bool x86 = b.machine.family == Machine::Family::x86_64 && static_cast<int>(lanes) == b.machine.vector_floats;
  Value* estimate = nullptr;
  if (x86 && lanes == 16)
    estimate =
        b.CreateIntrinsic(llvm::Intrinsic::x86_avx512_rcp14_ps_512, {}, {x.v, llvm::ConstantAggregateZero::get(x.v->getType()), b.getInt16(0xFFFF)});
  else if (x86 && lanes == 8)
    estimate = b.CreateIntrinsic(llvm::Intrinsic::x86_avx_rcp_ps_256, {}, {x.v});
  else
    return a / x;
  const Lanes r = x.of(estimate);
  const Lanes error = fused(x.of(b.CreateFNeg(x.v)), r, x.like(1));
  return a * fused(r, error, r);
}

}  // namespace

// 2 ulp; denormal results are right to half their last place; overflows to infinity, underflows to 0.
Value* emit_exp(Builder& b, Value* value) {
  const Lanes x = at_most(at_least(Lanes{&b, value}, -110.0F), 90.0F);
  Lanes shifted = x;
  const Lanes e = reduced_exp(x, shifted);
  // 2^n in two factors, since n reaches beyond the exponents of normal numbers on both sides
  Value* n = b.CreateSub(shifted.bits(), x.like(rounding).bits());
  Value* half = b.CreateAShr(n, x.integer(1));
  Value* rest = b.CreateSub(n, half);
  const auto power = [&](Value* k) { return x.from_bits(b.CreateShl(b.CreateAdd(k, x.integer(127)), x.integer(23))); };
  return (e * power(half) * power(rest)).v;
}

// 2 ulp. log(0) = -infinity, log(negative) = NaN.
Value* emit_log(Builder& b, Value* value) {
  const Lanes x{&b, value};
  // denormals are lifted into the normal range first
  Value* tiny = less(x, x.like(std::numeric_limits<float>::min()));
  const Lanes lifted = choose(tiny, x * 8388608.0F, x);
  // m in [sqrt(1/2), sqrt(2)): subtracting the bits of sqrt(1/2) makes the exponent step at the right place
  Value* bits = b.CreateSub(lifted.bits(), x.integer(0x3F3504F3));
  Value* exponent = b.CreateAShr(bits, x.integer(23));
  const Lanes m = x.from_bits(b.CreateAdd(b.CreateAnd(bits, x.integer(0x007FFFFF)), x.integer(0x3F3504F3)));
  Lanes n = x.of(b.CreateSIToFP(exponent, x.v->getType()));
  n = choose(tiny, n - 23.0F, n);
  const Lanes f = m - 1.0F;
  const Lanes p = polynomial(f, {3.333333171e-01F, -2.500082108e-01F, 2.000122640e-01F, -1.662335537e-01F, 1.420176822e-01F, -1.316021128e-01F,
                                 1.276151598e-01F, -7.634344290e-02F});
  const Lanes square = f * f;
  Lanes tail = fused(square * f, p, n * ln2_low);
  tail = fused(square, -0.5F, tail);
  Lanes result = fused(n, ln2_high, f + tail);
  result = choose(equal(x, x.like(infinity)), x, result);
  result = choose(equal(x, x.like(0)), x.like(-infinity), result);
  result = choose(less(x, x.like(0)), x.like(not_a_number), result);
  return choose(b.CreateFCmpUNO(x.v, x.v), x, result).v;
}

// 4 ulp; below -87 the result stays at 1e-38 or 0.
Value* emit_sigmoid(Builder& b, Value* value) {
  const Lanes x{&b, value};
  return quotient(x.like(1), one_plus_exp(x.of(b.CreateFNeg(value)))).v;
}

// 4 ulp where x > -87. Below -88 the sigmoid counts as 0, so that numbers of any size yield 0 and -infinity yields NaN, as x sigmoid(x) does.
Value* emit_silu(Builder& b, Value* value) {
  const Lanes x{&b, value};
  const Lanes sigmoid = quotient(x.like(1), one_plus_exp(x.of(b.CreateFNeg(value))));
  return (x * choose(less(x, x.like(-88.0F)), x.like(0), sigmoid)).v;
}

// 3 ulp.
Value* emit_tanh(Builder& b, Value* value) {
  const Lanes x{&b, value}, size = absolute(x), z = x * x;
  const Lanes p = polynomial(z, {-3.333328022e-01F, 1.333138359e-01F, -5.373399593e-02F, 2.061811099e-02F, -5.679292950e-03F});
  const Lanes small = fused(x * z, p, x);
  const Lanes large = x.like(1) - quotient(x.like(2), one_plus_exp(size + size));
  return choose(less(size, x.like(0.625F)), small, with_sign(large, x)).v;
}

// 3 ulp (1e-7 absolute). Below 1 an odd polynomial, above it 1 - exp(q(|x|)).
Value* emit_erf(Builder& b, Value* value) {
  const Lanes x{&b, value}, size = absolute(x), z = x * x;
  const Lanes small = x * polynomial(z, {1.128379166e+00F, -3.761262714e-01F, 1.128360017e-01F, -2.685444452e-02F, 5.189535191e-03F,
                                         -8.020839954e-04F, 7.889115106e-05F});
  const Lanes q = polynomial(at_most(size, 4.0F), {1.834455881e-04F, -1.129556838e+00F, -6.332625972e-01F, -1.083724958e-01F, 2.517897938e-02F,
                                                   -4.193615665e-03F, 4.391073581e-04F, -2.149620247e-05F});
  const Lanes large = x.like(2) - one_plus_exp(q);
  return choose(less(size, x.like(1)), small, with_sign(large, x)).v;
}

namespace {

// sin(x + quarters * pi/2). The argument is reduced in double precision: 2e-7 absolute for |x| < 1e8; infinities give NaN.
Value* emit_sine(Builder& b, Value* value, uint32_t quarters) {
  const Lanes x{&b, value};
  auto* shape = llvm::cast<llvm::FixedVectorType>(value->getType());
  auto* doubles = llvm::VectorType::get(b.getDoubleTy(), shape->getElementCount());
  const auto wide = [&](double c) { return llvm::ConstantFP::get(doubles, c); };
  Value* d = b.CreateFPExt(value, doubles);
  Value* shifted = b.CreateFAdd(b.CreateFMul(d, wide(0.63661977236758134)), wide(6755399441055744.0));  // 1.5 * 2^52
  Value* n = b.CreateFSub(shifted, wide(6755399441055744.0));
  // pi/2 in two parts, the first with 33 bits so that its product with n is exact
  Value* r = b.CreateFSub(b.CreateFSub(d, b.CreateFMul(n, wide(1.57079632673412561417e+00))), b.CreateFMul(n, wide(6.07710050650619224932e-11)));
  auto* longs = llvm::VectorType::get(b.getInt64Ty(), shape->getElementCount());
  Value* quadrant = b.CreateAdd(b.CreateTrunc(b.CreateBitCast(shifted, longs), x.integers()), x.integer(quarters));
  const Lanes f = x.of(b.CreateFPTrunc(r, value->getType())), z = f * f;
  const Lanes sine = fused(f * z, polynomial(z, {-1.666665487e-01F, 8.332173521e-03F, -1.951665339e-04F}), f);
  const Lanes cosine = fused(z * z, polynomial(z, {4.166664675e-02F, -1.388736141e-03F, 2.443772580e-05F}), fused(z, -0.5F, x.like(1)));
  Value* odd = b.CreateICmpNE(b.CreateAnd(quadrant, x.integer(1)), x.integer(0));
  Value* sign = b.CreateShl(b.CreateAnd(quadrant, x.integer(2)), x.integer(30));
  const Lanes result = choose(odd, cosine, sine);
  return x.from_bits(b.CreateXor(result.bits(), sign)).v;
}

}  // namespace

Value* emit_sin(Builder& b, Value* x) { return emit_sine(b, x, 0); }
Value* emit_cos(Builder& b, Value* x) { return emit_sine(b, x, 1); }

// 1 ulp: 2^(y log2|x|) in double precision. The special cases are those of C's pow.
Value* emit_pow(Builder& b, Value* base, Value* power) {
  const Lanes x{&b, base}, y{&b, power};
  auto* shape = llvm::cast<llvm::FixedVectorType>(base->getType());
  auto* doubles = llvm::VectorType::get(b.getDoubleTy(), shape->getElementCount());
  auto* longs = llvm::VectorType::get(b.getInt64Ty(), shape->getElementCount());
  const auto wide = [&](double c) { return llvm::ConstantFP::get(doubles, c); };
  const auto number = [&](uint64_t c) { return llvm::ConstantInt::get(longs, c); };
  const auto chain = [&](Value* z, std::initializer_list<double> coefficients) {
    auto next = std::rbegin(coefficients);
    Value* sum = wide(*next);
    for (++next; next != std::rend(coefficients); ++next) sum = b.CreateFAdd(b.CreateFMul(sum, z), wide(*next));
    return sum;
  };
  const Lanes size = absolute(x), one = x.like(1), zero = x.like(0);
  Value* d = b.CreateFPExt(size.v, doubles);
  // log2 by the series of the inverse hyperbolic tangent, m in [sqrt(1/2), sqrt(2))
  constexpr uint64_t root = 0x3FE6A09E667F3BCD;
  Value* bits = b.CreateSub(b.CreateBitCast(d, longs), number(root));
  Value* m = b.CreateBitCast(b.CreateAdd(b.CreateAnd(bits, number(0x000FFFFFFFFFFFFF)), number(root)), doubles);
  Value* exponent = b.CreateSIToFP(b.CreateTrunc(b.CreateAShr(bits, number(52)), x.integers()), doubles);
  Value* s = b.CreateFDiv(b.CreateFSub(m, wide(1)), b.CreateFAdd(m, wide(1)));
  Value* z = b.CreateFMul(s, s);
  Value* logarithm = b.CreateFAdd(b.CreateFMul(s, chain(z, {2.885390081777937, 0.96179669402583279, 0.57707796104905773, 0.41220772095283215,
                                                            0.31995932335597876, 0.28222528518383877})),
                                  exponent);
  Value* t = b.CreateFMul(logarithm, b.CreateFPExt(power, doubles));
  const auto clamp = [&](Value* v, double limit, bool above) {
    Value* beyond = above ? b.CreateFCmpOLT(wide(limit), v) : b.CreateFCmpOLT(v, wide(limit));
    return b.CreateSelect(beyond, wide(limit), v);
  };
  t = clamp(clamp(t, -200, false), 200, true);
  Value* shifted = b.CreateFAdd(t, wide(6755399441055744.0));
  Value* r = b.CreateFSub(t, b.CreateFSub(shifted, wide(6755399441055744.0)));
  Value* e = chain(r, {1.0, 0.69314718054592728, 0.24022650695466807, 0.055504109412188092, 0.0096181292286623699, 0.0013333450557458781,
                       0.00015403411509111453, 1.5310081879247673e-05, 1.326409687694638e-06});
  Value* scale = b.CreateBitCast(b.CreateShl(b.CreateAdd(b.CreateBitCast(shifted, longs), number(1023)), number(52)), doubles);
  Lanes result = x.of(b.CreateFPTrunc(b.CreateFMul(e, scale), base->getType()));

  const auto rounded = [&](Lanes v) { return v.of(b.CreateUnaryIntrinsic(llvm::Intrinsic::floor, v.v)); };
  Value* whole = equal(rounded(y), y);
  Value* odd = b.CreateAnd(whole, b.CreateFCmpONE(rounded(y * 0.5F).v, (y * 0.5F).v));
  // |x| of 0 or infinity: 0 or infinity, by the sign of y
  Value* grows = less(zero, y);
  result = choose(equal(size, zero), choose(grows, zero, x.like(infinity)), result);
  result = choose(equal(size, x.like(infinity)), choose(grows, x.like(infinity), zero), result);
  // infinite y: by the side of 1 on which |x| lies
  const Lanes far = choose(equal(size, one), one, choose(b.CreateXor(less(one, size), less(y, zero)), x.like(infinity), zero));
  result = choose(equal(absolute(y), x.like(infinity)), far, result);
  Value* negative = b.CreateICmpSLT(x.bits(), x.integer(0));
  result = choose(b.CreateAnd(negative, odd), x.of(b.CreateFNeg(result.v)), result);
  Value* finite_negative = b.CreateAnd(less(x, zero), less(x.like(-infinity), x));
  result = choose(b.CreateAnd(finite_negative, b.CreateNot(whole)), x.like(not_a_number), result);
  result = choose(b.CreateFCmpUNO(x.v, y.v), x.like(not_a_number), result);
  result = choose(equal(x, one), one, result);
  return choose(equal(y, zero), one, result).v;
}

}  // namespace lathe::llvm_cpu
