// What must become one step, and that it still computes the same.
#include "plan_support.hpp"

using namespace lathe;
using namespace lathe::llvm_cpu;
using namespace lathe::llvm_cpu::test;

TEST_CASE("convolution, batch norm, silu and residual are one step each") {
  for (const int block : {4, 8, 16}) {
    Model m;
    const ValueId x = m.input({1, 3, 12, 12});
    ValueId a = m.convolution(x, 32, 3, 2);
    a = m.node("Mul", {a, m.node("Sigmoid", {a})});
    ValueId b = m.convolution(a, 32, 3, 1, 1, false);
    const ValueId variance = m.floats({32}, std::vector<float>(32, 0.5f));
    b = m.node("BatchNormalization", {b, m.weights({32}), m.weights({32}), m.weights({32}), variance});
    b = m.node("Relu", {m.node("Add", {a, b})});
    m.output(m.node("GlobalAveragePool", {b}));
    const Program program = check(m, block);
    CHECK(steps_of<Convolution>(program) == 2);
    CHECK(steps_of<Pooling>(program) == 1);
    CHECK(program.steps.size() == 3 + steps_of<Reorder>(program));
    CHECK(steps_of<Reorder>(program) == 0);
    const auto& second = std::get<Convolution>(program.steps[1].kernel);
    CHECK(second.epilogue.expression.instructions.size() == 2);  // add, relu: the batch norm went into weights and bias
    CHECK(second.epilogue.operands.size() == 1);
    CHECK(program.steps[1].nodes.find("BatchNormalization") != std::string::npos);
  }
}

TEST_CASE("activations in other spellings") {
  const auto chain = [](auto write) {
    Model m;
    const ValueId x = m.input({1, 16, 5, 5});
    m.output(m.convolution(write(m, m.convolution(x, 32)), 16));
    const Program program = check(m);
    CHECK(steps_of<Elementwise>(program) == 0);
    CHECK(steps_of<Generic>(program) == 0);
    return std::get<Convolution>(program.steps[steps_of<Reorder>(program)].kernel).epilogue.expression;
  };
  const auto swish = chain([](Model& m, ValueId a) {
    const ValueId clip = m.node("Clip", {m.node("Add", {a, m.scalar(3)}), m.scalar(0), m.scalar(6)});
    return m.node("Div", {m.node("Mul", {a, clip}), m.scalar(6)});
  });
  REQUIRE(swish.instructions.size() == 1);
  CHECK(swish.instructions[0].operation == Expression::Operation::hard_swish);
  const auto gelu = chain([](Model& m, ValueId a) {
    const ValueId erf = m.node("Erf", {m.node("Div", {a, m.scalar(1.41421356f)})});
    return m.node("Mul", {m.node("Mul", {a, m.node("Add", {erf, m.scalar(1)})}), m.scalar(0.5f)});
  });
  CHECK(gelu.operands == 1);
  chain([](Model& m, ValueId a) { return m.node("PRelu", {a, m.weights({32, 1, 1})}); });
  chain([](Model& m, ValueId a) {
    return m.node("Max", {m.node("LeakyRelu",
                                 {
                                     a,
                                 },
                                 {Model::set("alpha", 0.2f)}),
                          m.scalar(-0.1f)});
  });
  chain([](Model& m, ValueId a) { return m.node("Gelu", {a}, {Model::set("approximate", std::string("tanh"))}); });
}

TEST_CASE("quantise and dequantise with one scale become one expression, to the bit") {
  Model m;
  const ValueId x = m.input({1, 3, 7, 9}), scale = m.scalar(0.017f);
  const ValueId zero = m.graph.add_constant("zero", Tensor::of<uint8_t>(DataType::uint8, {}, std::vector<uint8_t>{117}));
  m.output(m.node("DequantizeLinear", {m.node("QuantizeLinear", {x, scale, zero}), scale, zero}));
  const Program program = check(m);
  REQUIRE(program.steps.size() == 1);
  CHECK(std::get<Elementwise>(program.steps[0].kernel).expression.instructions[0].operation == Expression::Operation::fake_quantise);
}

TEST_CASE("quantised weights become float weights") {
  Model m;
  const ValueId x = m.input({1, 16, 6, 6});
  std::vector<int8_t> bytes(16 * 16);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<int8_t>(i * 37 % 251 - 125);
  const ValueId q = m.graph.add_constant("q", Tensor::of<int8_t>(DataType::int8, {16, 16, 1, 1}, bytes));
  const ValueId zero = m.graph.add_constant("zeros", Tensor::of<int8_t>(DataType::int8, {16}, std::vector<int8_t>(16, 3)));
  m.output(
      m.node("Conv", {x, m.node("DequantizeLinear", {q, m.floats({16}, std::vector<float>(16, 0.01f)), zero}, {Model::set("axis", int64_t{0})})}));
  CHECK(steps_of<Generic>(check(m)) == 0);
}

TEST_CASE("padding in front of a convolution is the convolution's") {
  Model m;
  const ValueId x = m.input({1, 3, 9, 9});
  m.output(m.node("Conv", {m.node("Pad", {x, m.ints({0, 0, 1, 0, 0, 0, 2, 1})}), m.weights({8, 3, 3, 3})}));
  CHECK(steps_of<Generic>(check(m)) == 0);
}

TEST_CASE("Gemm's variants") {
  for (const bool transposed : {false, true}) {
    Model m;
    const ValueId x = m.input({3, 20});
    const ValueId a = m.node("Gemm", {x, m.weights(transposed ? std::vector<int64_t>{33, 20} : std::vector<int64_t>{20, 33}), m.weights({33})},
                             {Model::set("transB", int64_t{transposed}), Model::set("alpha", 0.5f), Model::set("beta", 2.0f)});
    m.output(m.node("Gemm", {a, m.weights({3, 7})}, {Model::set("transA", int64_t{1})}));
    const Program program = check(m);
    CHECK(steps_of<MatrixProduct>(program) == 2);
    CHECK(steps_of<Generic>(program) == 0);
  }
}

TEST_CASE("products with vectors, and with what is added to them") {
  Model m;
  const ValueId x = m.input({3, 5, 7}), v = m.input({7}), w = m.input({5});
  m.output(m.node("Add", {m.node("MatMul", {x, v}), m.weights({5})}));
  m.output(m.node("Relu", {m.node("MatMul", {w, x})}));
  m.output(m.node("MatMul", {x, m.weights({7})}));
  m.output(m.node("MatMul", {v, m.weights({7})}));
  CHECK(steps_of<MatrixProduct>(check(m)) == 4);
}

TEST_CASE("attention reads its transposed operands where they are") {
  Model m;
  const ValueId x = m.input({2, 10, 24});
  const auto head = [&](const std::vector<int64_t>& order) {
    const ValueId p = m.node("Add", {m.node("MatMul", {x, m.weights({24, 24})}), m.weights({24})});
    return m.node("Transpose", {m.node("Reshape", {p, m.ints({2, 10, 3, 8})})}, {Model::set("perm", order)});
  };
  const ValueId q = head({0, 2, 1, 3}), k = head({0, 2, 3, 1}), v = head({0, 2, 1, 3});
  const ValueId s = m.node("Softmax", {m.node("Div", {m.node("MatMul", {q, k}), m.scalar(2.828427f)})});
  const ValueId o = m.node("Reshape", {m.node("Transpose", {m.node("MatMul", {s, v})}, {Model::set("perm", {0, 2, 1, 3})}), m.ints({2, 10, 24})});
  m.output(m.node("Add", {x, m.node("MatMul", {o, m.weights({24, 24})})}));
  const Program program = check(m);
  CHECK(steps_of<MatrixProduct>(program) == 6);
  CHECK(copies_in(program) == 1);  // the heads put side by side
  CHECK(steps_of<Softmax>(program) == 1);
  CHECK(program.steps.size() == 8);
}

TEST_CASE("what is used twice is not swallowed") {
  Model m;
  const ValueId x = m.input({1, 16, 4, 4});
  const ValueId a = m.convolution(x, 16), b = m.node("Relu", {a});
  m.output(m.node("Add", {a, m.convolution(b, 16)}));
  m.output(a);
  check(m);
}

TEST_CASE("elementwise chains with broadcasts in any order become one step") {
  Model m;
  const ValueId x = m.input({2, 5, 1, 7}), y = m.input({4, 1}), z = m.input({7});
  const ValueId sum = m.node("Add", {x, y});
  m.output(m.node("Tanh", {m.node("Mul", {m.node("Sub", {sum, z}), m.node("Exp", {sum})})}));
  CHECK(check(m).steps.size() == 2);  // exp(sum) and the rest would compute the sum twice
}
