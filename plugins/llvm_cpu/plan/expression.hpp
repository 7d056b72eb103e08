// Building, joining, simplifying and evaluating elementwise expressions (program.hpp).
#pragma once
#include <span>
#include <string>
#include <vector>

#include "plan/network.hpp"

namespace lathe::llvm_cpu {

using Op = Expression::Operation;

// Number of operands an instruction reads: 0 (constant), 1 or 2.
int arity(Op operation);

// An expression of one instruction on its operands.
Expression single(Op operation, float p = 0, float q = 0, float r = 0, float s = 0);

// Appends an instruction and returns its value number. No operand may be added afterwards.
int append(Expression& expression, Op operation, int a = -1, int b = -1, float p = 0, float q = 0, float r = 0, float s = 0);

// An expression together with the tensors its operands are.
struct Term {
  Expression expression;
  std::vector<TensorId> operands;
};

// What `consumer` computes when its operand `produced` is replaced by `producer`. The producer's operands come first, in their order;
// none stands twice.
Term substitute(const Term& producer, TensorId produced, const Term& consumer);

// Turns operands that are constants of one element into constant instructions, but for the first `keep` operands.
void inline_scalars(const Network& network, Term& term, size_t keep);

// Recognises longer spellings (x sigmoid(x), the hard swish and hard sigmoid), merges equal instructions, drops unused ones.
// Operands stay.
void simplify(Expression& expression);

// Drops operands that no instruction reads, but for the first `keep`.
void drop_unused_operands(Term& term, size_t keep);

float evaluate(const Expression& expression, std::span<const float> operands);

// "relu", "silu*add": for the names of steps.
std::string summary(const Expression& expression);

}  // namespace lathe::llvm_cpu
