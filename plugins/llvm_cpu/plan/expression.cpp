// The algebra of elementwise expressions: substitution, recognition of common spellings, evaluation.
#include "plan/expression.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe::llvm_cpu {

namespace {

using Instruction = Expression::Instruction;

struct Description {
  const char* name;
  int arity;
};

// In the order of Expression::Operation.
constexpr Description descriptions[] = {
    {"add", 2},   {"sub", 2},       {"mul", 2},        {"div", 2},  {"max", 2},         {"min", 2},   {"pow", 2},           {"prelu", 2},
    {"neg", 1},   {"abs", 1},       {"exp", 1},        {"log", 1},  {"sqrt", 1},        {"recip", 1}, {"floor", 1},         {"ceil", 1},
    {"round", 1}, {"sigmoid", 1},   {"tanh", 1},       {"erf", 1},  {"sign", 1},        {"sin", 1},   {"cos", 1},           {"relu", 1},
    {"silu", 1},  {"hardswish", 1}, {"leaky_relu", 1}, {"clip", 1}, {"hardsigmoid", 1}, {"elu", 1},   {"fake_quantise", 1}, {"constant", 0}};

const Description& describe(Op operation) { return descriptions[static_cast<size_t>(operation)]; }

// The instruction that makes value `v`, or NULL when it is an operand.
const Instruction* maker(const Expression& e, int v) { return v < e.operands ? nullptr : &e.instructions[static_cast<size_t>(v - e.operands)]; }

bool is(const Expression& e, int v, Op operation) {
  const Instruction* i = maker(e, v);
  return i && i->operation == operation;
}

bool is_constant(const Expression& e, int v, float value) {
  const Instruction* i = maker(e, v);
  return i && i->operation == Op::constant && std::fabs(i->p - value) <= 1e-6f * std::fabs(value);
}

// Of a commutative instruction with one operand that `accept`s, the other operand; -1 otherwise.
template <class Accept>
int other_operand(const Instruction& i, Accept accept) {
  if (accept(i.b)) return i.a;
  if (accept(i.a)) return i.b;
  return -1;
}

// x when v is clip(x + 3, 0, 6), however written; else -1.
int relu6_of_x_plus_3(const Expression& e, int v) {
  const Instruction* clip = maker(e, v);
  if (!clip || clip->operation != Op::clip || clip->p != 0 || clip->q != 6) return -1;
  const Instruction* sum = maker(e, clip->a);
  if (!sum || sum->operation != Op::add) return -1;
  return other_operand(*sum, [&](int w) { return is_constant(e, w, 3); });
}

bool sixth(const Expression& e, const Instruction& i, int& x) {  // x / 6, x * (1/6)
  if (i.operation == Op::divide && is_constant(e, i.b, 6)) return x = i.a, true;
  if (i.operation == Op::multiply) return x = other_operand(i, [&](int w) { return is_constant(e, w, 1.0f / 6); }), x >= 0;
  return false;
}

// Rewrites one instruction by a shorter one with the same value.
void recognise(const Expression& e, Instruction& i) {
  const auto become = [&](Op operation, int a, float p = 0, float q = 0) { i = {operation, a, -1, p, q, 0, 0}; };
  int x = -1;
  if (sixth(e, i, x)) {
    if (const int y = relu6_of_x_plus_3(e, x); y >= 0) return become(Op::hard_sigmoid, y, 1.0f / 6, 0.5f);
    if (const Instruction* product = maker(e, x); product && product->operation == Op::multiply) {
      if (relu6_of_x_plus_3(e, product->b) == product->a) return become(Op::hard_swish, product->a);
      if (relu6_of_x_plus_3(e, product->a) == product->b) return become(Op::hard_swish, product->b);
    }
  }
  if (i.operation == Op::multiply) {
    for (const auto& [a, b] : {std::pair{i.a, i.b}, std::pair{i.b, i.a}}) {
      const Instruction* gate = maker(e, b);
      if (!gate || gate->a != a) continue;
      if (gate->operation == Op::sigmoid) return become(Op::silu, a);
      if (gate->operation == Op::hard_sigmoid && std::fabs(gate->p - 1.0f / 6) < 1e-6f && gate->q == 0.5f) return become(Op::hard_swish, a);
    }
  }
  if (i.operation == Op::maximum) {
    if (const int y = other_operand(i, [&](int w) { return is(e, w, Op::constant) && maker(e, w)->p == 0; }); y >= 0) return become(Op::relu, y);
  }
  if (i.operation == Op::clip && i.p == 0 && i.q >= std::numeric_limits<float>::max()) return become(Op::relu, i.a);
}

// Whether the instruction's value is one of its operands, and which.
int same_as(const Expression& e, const Instruction& i) {
  switch (i.operation) {
    case Op::multiply:
      return other_operand(i, [&](int w) { return is(e, w, Op::constant) && maker(e, w)->p == 1; });
    case Op::divide:
      return is(e, i.b, Op::constant) && maker(e, i.b)->p == 1 ? i.a : -1;
    case Op::subtract:
      return is(e, i.b, Op::constant) && maker(e, i.b)->p == 0 ? i.a : -1;
    case Op::add:
      return other_operand(i, [&](int w) { return is(e, w, Op::constant) && maker(e, w)->p == 0; });
    default:
      return -1;
  }
}

}  // namespace

int arity(Op operation) { return describe(operation).arity; }

int append(Expression& expression, Op operation, int a, int b, float p, float q, float r, float s) {
  expression.instructions.push_back({operation, a, b, p, q, r, s});
  return expression.operands + static_cast<int>(expression.instructions.size()) - 1;
}

Expression single(Op operation, float p, float q, float r, float s) {
  Expression e;
  e.operands = std::max(1, arity(operation));
  append(e, operation, 0, arity(operation) == 2 ? 1 : -1, p, q, r, s);
  return e;
}

Term substitute(const Term& producer, TensorId produced, const Term& consumer) {
  Term joined;
  const auto number_of = [&](TensorId t) {
    const auto found = std::find(joined.operands.begin(), joined.operands.end(), t);
    if (found != joined.operands.end()) return static_cast<int>(found - joined.operands.begin());
    joined.operands.push_back(t);
    return static_cast<int>(joined.operands.size()) - 1;
  };
  std::vector<int> first, second;  // old value number -> new
  for (const TensorId t : producer.operands) first.push_back(number_of(t));
  for (const TensorId t : consumer.operands) second.push_back(t == produced ? -1 : number_of(t));
  joined.expression.operands = static_cast<int>(joined.operands.size());
  const auto copy = [&](const Expression& from, std::vector<int>& map) {
    for (Instruction i : from.instructions) {
      if (i.a >= 0) i.a = map[static_cast<size_t>(i.a)];
      if (i.b >= 0) i.b = map[static_cast<size_t>(i.b)];
      joined.expression.instructions.push_back(i);
      map.push_back(joined.expression.operands + static_cast<int>(joined.expression.instructions.size()) - 1);
    }
    return from.instructions.empty() ? map.front() : map.back();
  };
  const int value = copy(producer.expression, first);
  std::replace(second.begin(), second.end(), -1, value);
  copy(consumer.expression, second);
  return joined;
}

void inline_scalars(const Network& network, Term& term, size_t keep) {
  std::vector<int> map;
  Term result;
  std::vector<float> scalars;
  for (size_t i = 0; i < term.operands.size(); ++i) {
    const TensorId id = term.operands[i];
    const bool scalar = i >= keep && network.at(id).constant && network.at(id).is_float() && network.at(id).size() == 1;
    map.push_back(scalar ? -1 - static_cast<int>(scalars.size()) : static_cast<int>(result.operands.size()));
    if (scalar)
      scalars.push_back(network.at(id).floats()[0]);
    else
      result.operands.push_back(id);
  }
  if (scalars.empty() || result.operands.empty()) return;
  result.expression.operands = static_cast<int>(result.operands.size());
  std::vector<int> numbers;
  for (const float value : scalars) numbers.push_back(append(result.expression, Op::constant, -1, -1, value));
  for (int& m : map)
    if (m < 0) m = numbers[static_cast<size_t>(-1 - m)];
  for (Instruction i : term.expression.instructions) {
    if (i.a >= 0) i.a = map[static_cast<size_t>(i.a)];
    if (i.b >= 0) i.b = map[static_cast<size_t>(i.b)];
    result.expression.instructions.push_back(i);
    map.push_back(result.expression.operands + static_cast<int>(result.expression.instructions.size()) - 1);
  }
  term = std::move(result);
}

void simplify(Expression& expression) {
  if (expression.instructions.empty()) return;
  // Forward: rename, recognise, merge equal ones. `map` takes old value numbers to those of `done`.
  Expression done;
  done.operands = expression.operands;
  std::vector<int> map;
  for (int i = 0; i < expression.operands; ++i) map.push_back(i);
  for (Instruction i : expression.instructions) {
    if (i.a >= 0) i.a = map[static_cast<size_t>(i.a)];
    if (i.b >= 0) i.b = map[static_cast<size_t>(i.b)];
    recognise(done, i);
    if (const int same = same_as(done, i); same >= 0) {
      map.push_back(same);
      continue;
    }
    const auto equal = std::find(done.instructions.begin(), done.instructions.end(), i);
    if (equal != done.instructions.end()) {
      map.push_back(done.operands + static_cast<int>(equal - done.instructions.begin()));
    } else {
      done.instructions.push_back(i);
      map.push_back(done.operands + static_cast<int>(done.instructions.size()) - 1);
    }
  }
  // Backward: what the result needs.
  const int result = map.back();
  std::vector<bool> needed(static_cast<size_t>(done.operands) + done.instructions.size(), false);
  needed[static_cast<size_t>(result)] = true;
  for (size_t v = needed.size(); v-- > static_cast<size_t>(done.operands);) {
    if (!needed[v]) continue;
    const Instruction& i = done.instructions[v - static_cast<size_t>(done.operands)];
    if (i.a >= 0) needed[static_cast<size_t>(i.a)] = true;
    if (i.b >= 0) needed[static_cast<size_t>(i.b)] = true;
  }
  Expression small;
  small.operands = done.operands;
  std::vector<int> numbers;
  for (int v = 0; v < static_cast<int>(needed.size()); ++v) {
    if (v < done.operands) {
      numbers.push_back(v);
      continue;
    }
    numbers.push_back(-1);
    if (!needed[static_cast<size_t>(v)]) continue;
    Instruction i = *maker(done, v);
    if (i.a >= 0) i.a = numbers[static_cast<size_t>(i.a)];
    if (i.b >= 0) i.b = numbers[static_cast<size_t>(i.b)];
    small.instructions.push_back(i);
    numbers.back() = small.operands + static_cast<int>(small.instructions.size()) - 1;
  }
  // An empty expression means operand 0, and a non-empty one its last instruction.
  const int value = numbers[static_cast<size_t>(result)];
  if (value != 0 && value < small.operands) {
    small.instructions.push_back({Op::constant, -1, -1, 0, 0, 0, 0});
    append(small, Op::add, value, small.operands + static_cast<int>(small.instructions.size()) - 1);
  }
  expression = std::move(small);
}

void drop_unused_operands(Term& term, size_t keep) {
  std::vector<bool> used(term.operands.size(), false);
  if (term.expression.instructions.empty() && !used.empty()) used[0] = true;
  for (const Instruction& i : term.expression.instructions)
    for (const int v : {i.a, i.b})
      if (v >= 0 && v < term.expression.operands) used[static_cast<size_t>(v)] = true;
  std::vector<int> map;
  std::vector<TensorId> operands;
  for (size_t i = 0; i < used.size(); ++i) {
    map.push_back(static_cast<int>(operands.size()));
    if (used[i] || i < keep) operands.push_back(term.operands[i]);
  }
  const int removed = static_cast<int>(term.operands.size() - operands.size());
  if (removed == 0) return;
  for (Instruction& i : term.expression.instructions)
    for (int* v : {&i.a, &i.b})
      if (*v >= 0) *v = *v < term.expression.operands ? map[static_cast<size_t>(*v)] : *v - removed;
  term.expression.operands -= removed;
  term.operands = std::move(operands);
}

float evaluate(const Expression& expression, std::span<const float> operands) {
  std::vector<float> v(operands.begin(), operands.end());
  for (const Instruction& i : expression.instructions) {
    const float a = i.a >= 0 ? v[static_cast<size_t>(i.a)] : 0, b = i.b >= 0 ? v[static_cast<size_t>(i.b)] : 0;
    const auto result = [&]() -> float {
      switch (i.operation) {
        case Op::add:
          return a + b;
        case Op::subtract:
          return a - b;
        case Op::multiply:
          return a * b;
        case Op::divide:
          return a / b;
        case Op::maximum:
          return std::max(a, b);
        case Op::minimum:
          return std::min(a, b);
        case Op::power:
          return std::pow(a, b);
        case Op::prelu:
          return a < 0 ? a * b : a;
        case Op::negate:
          return -a;
        case Op::absolute:
          return std::fabs(a);
        case Op::exponential:
          return std::exp(a);
        case Op::logarithm:
          return std::log(a);
        case Op::square_root:
          return std::sqrt(a);
        case Op::reciprocal:
          return 1 / a;
        case Op::floor:
          return std::floor(a);
        case Op::ceiling:
          return std::ceil(a);
        case Op::round_even:
          return std::nearbyint(a);
        case Op::sigmoid:
          return 1 / (1 + std::exp(-a));
        case Op::tanh:
          return std::tanh(a);
        case Op::erf:
          return std::erf(a);
        case Op::sign:
          return a > 0 ? 1.0f : a < 0 ? -1.0f : 0.0f;
        case Op::sine:
          return std::sin(a);
        case Op::cosine:
          return std::cos(a);
        case Op::relu:
          return std::max(a, 0.0f);
        case Op::silu:
          return a / (1 + std::exp(-a));
        case Op::hard_swish:
          return a * std::max(0.0f, std::min(1.0f, a / 6 + 0.5f));
        case Op::leaky_relu:
          return a < 0 ? a * i.p : a;
        case Op::clip:
          return std::min(std::max(a, i.p), i.q);
        case Op::hard_sigmoid:
          return std::max(0.0f, std::min(1.0f, i.p * a + i.q));
        case Op::elu:
          return a < 0 ? i.p * (std::exp(a) - 1) : a;
        case Op::fake_quantise:
          return (std::min(std::max(std::nearbyint(a / i.p) + i.q, i.r), i.s) - i.q) * i.p;
        case Op::constant:
          return i.p;
      }
      return 0;
    }();
    v.push_back(result);
  }
  return expression.instructions.empty() ? v.at(0) : v.back();
}

std::string summary(const Expression& expression) {
  std::string text;
  for (const Instruction& i : expression.instructions) {
    if (i.operation == Op::constant) continue;
    if (!text.empty()) text += '+';
    text += describe(i.operation).name;
  }
  return text;
}

}  // namespace lathe::llvm_cpu
