// Places: blocked islands, parts of concatenations written where they belong, slices as views, and few reorders.
#include "plan_support.hpp"

using namespace lathe;
using namespace lathe::llvm_cpu;
using namespace lathe::llvm_cpu::test;

TEST_CASE("a split, residual and concatenated block moves nothing") {
  for (const int block : {4, 8, 16}) {
    for (const int64_t batch : {1, 2}) {
      Model m;
      const ValueId x = m.input({batch, 3, 8, 8});
      const ValueId a = m.node("Relu", {m.convolution(x, 64, 3)});
      const std::vector<ValueId> halves = m.nodes("Split", {a}, 2, {Model::set("axis", int64_t{1}), Model::set("num_outputs", int64_t{2})});
      const ValueId b = m.node("Add", {halves[1], m.node("Relu", {m.convolution(m.convolution(halves[1], 32, 3), 32, 3)})});
      m.output(m.node("GlobalMaxPool", {m.convolution(m.node("Concat", {halves[0], halves[1], b}, {Model::set("axis", int64_t{1})}), 16)}));
      const Program program = check(m, block);
      CHECK(copies_in(program) == 0);
      CHECK(steps_of<Reorder>(program) == 0);
      CHECK(program.steps.size() == 5);
    }
  }
}

TEST_CASE("pools, upsamplings and nested concatenations write into the whole") {
  Model m;
  const ValueId x = m.convolution(m.input({1, 3, 8, 8}), 32, 3);
  const ValueId p = m.node("MaxPool", {x}, {Model::set("kernel_shape", {5, 5}), Model::set("pads", {2, 2, 2, 2})});
  const ValueId q = m.node("MaxPool", {p}, {Model::set("kernel_shape", {5, 5}), Model::set("pads", {2, 2, 2, 2})});
  const ValueId inner = m.node("Concat", {x, p}, {Model::set("axis", int64_t{1})});
  const ValueId r = m.node("AveragePool", {inner}, {Model::set("kernel_shape", {2, 2}), Model::set("strides", {2, 2})});
  const ValueId u = m.node("Resize", {r, none, m.floats({4}, {1, 1, 2, 2})},
                           {Model::set("mode", std::string("nearest")), Model::set("coordinate_transformation_mode", std::string("asymmetric")),
                            Model::set("nearest_mode", std::string("floor"))});
  m.output(m.convolution(m.node("Concat", {inner, q, u}, {Model::set("axis", int64_t{1})}), 16));
  const Program program = check(m);
  CHECK(copies_in(program) == 0);
  CHECK(steps_of<Generic>(program) == 0);
  CHECK(steps_of<Upsampling>(program) == 1);
}

TEST_CASE("channel counts that are no multiple of the block") {
  for (const int block : {4, 8, 16}) {
    for (const int64_t c : {1, 3, 6, 17, 24}) {
      Model m;
      const ValueId x = m.input({2, 3, 7, 6});
      const ValueId a = m.node("Sigmoid", {m.convolution(x, c, 3)}),
                    b = m.node("Div", {m.scalar(1), m.node("Add", {m.node("Exp", {m.convolution(x, c)}), m.scalar(1)})});
      const ValueId d = m.node("Concat", {a, b, m.convolution(a, c, 3, 1, c)}, {Model::set("axis", int64_t{1})});
      m.output(m.convolution(m.node("Mul", {d, m.weights({3 * c, 1, 1})}), 5));
      m.output(m.node("Slice", {d, m.ints({1}), m.ints({1 + c}), m.ints({1})}));
      check(m, block);
    }
  }
}

TEST_CASE("squeeze and excite") {
  for (const int64_t c : {16, 40}) {
    Model m;
    const ValueId x = m.node("HardSwish", {m.convolution(m.input({1, 3, 8, 8}), c, 3)});
    ValueId s = m.node("ReduceMean", {x, m.ints({2, 3})});
    s = m.node("HardSigmoid", {m.convolution(m.node("Relu", {m.convolution(s, 8)}), c)});
    m.output(m.convolution(m.node("Mul", {s, x}), 16));
    const Program program = check(m);
    CHECK(steps_of<Reorder>(program) == 0);
    CHECK(steps_of<Generic>(program) == 0);
    CHECK(program.steps.size() == 6);
  }
}

TEST_CASE("one-dimensional signals") {
  Model m;
  const ValueId x = m.input({2, 4, 50});
  const ValueId a = m.node("Relu", {m.convolution(m.convolution(x, 24, 5, 2), 24, 3, 1, 24)});
  const ValueId b = m.node("MaxPool", {a}, {Model::set("kernel_shape", std::vector<int64_t>{2}), Model::set("strides", std::vector<int64_t>{2})});
  m.output(m.node("Transpose", {b}, {Model::set("perm", {0, 2, 1})}));
  CHECK(steps_of<Generic>(check(m)) == 0);
}

TEST_CASE("transposed convolution whose kernel is its stride") {
  Model m;
  const ValueId x = m.convolution(m.input({2, 3, 5, 6}), 24);
  const ValueId y = m.node("ConvTranspose", {x, m.weights({24, 10, 2, 2}), m.weights({10})}, {Model::set("strides", {2, 2})});
  m.output(m.node("Relu", {m.node("Add", {y, m.weights({10, 1, 1})})}));
  const Program program = check(m);
  CHECK(steps_of<TransposedConvolution>(program) == 1);
  CHECK(steps_of<Elementwise>(program) == 0);
}

TEST_CASE("a mask from a transposed convolution") {
  Model m;
  const ValueId x = m.convolution(m.input({2, 3, 5, 6}), 24);
  const ValueId y = m.node("ConvTranspose", {x, m.weights({24, 2, 2, 3}), m.weights({2})}, {Model::set("strides", {2, 3})});
  m.output(m.node("Sigmoid", {y}));
  const Program program = check(m);
  CHECK(steps_of<Convolution>(program) == 2);
  CHECK(copies_in(program) == 1);
  CHECK(program.steps.size() == 3);
}

TEST_CASE("grouped convolution and channel shuffle") {
  for (const int64_t c : {24, 64}) {
    Model m;
    const ValueId x = m.convolution(m.input({1, 3, 6, 6}), c);
    ValueId a = m.node("Reshape", {m.convolution(x, c, 1, 1, 4), m.ints({1, 4, c / 4, 6, 6})});
    a = m.node("Reshape", {m.node("Transpose", {a}, {Model::set("perm", {0, 2, 1, 3, 4})}), m.ints({1, c, 6, 6})});
    m.output(m.node("Add", {x, m.convolution(m.convolution(a, c, 3, 1, c), c, 1, 1, 4)}));
    CHECK(steps_of<Generic>(check(m)) == 0);
  }
}

TEST_CASE("a detection head: views, softmax of a transposed part, decoding") {
  Model m;
  const ValueId x = m.convolution(m.input({1, 3, 8, 8}), 32, 3);
  const ValueId y = m.node("MaxPool", {x}, {Model::set("kernel_shape", {2, 2}), Model::set("strides", {2, 2})});
  const auto head = [&](ValueId v, int64_t anchors) {
    const ValueId both = m.node("Concat", {m.convolution(v, 16), m.convolution(v, 20)}, {Model::set("axis", int64_t{1})});
    return m.node("Reshape", {both, m.ints({1, 36, anchors})});
  };
  const ValueId all = m.node("Concat", {head(x, 64), head(y, 16)}, {Model::set("axis", int64_t{2})});
  const std::vector<ValueId> parts = m.nodes("Split", {all, m.ints({16, 20})}, 2, {Model::set("axis", int64_t{1})});
  const ValueId t = m.node("Transpose", {m.node("Reshape", {parts[0], m.ints({1, 4, 4, 80})})}, {Model::set("perm", {0, 2, 1, 3})});
  const ValueId boxes =
      m.node("Reshape", {m.convolution(m.node("Softmax", {t}, {Model::set("axis", int64_t{1})}), 1, 1, 1, 1, false), m.ints({1, 4, 80})});
  m.output(m.node("Concat", {m.node("Mul", {boxes, m.weights({1, 1, 80})}), m.node("Sigmoid", {parts[1]})}, {Model::set("axis", int64_t{1})}));
  const Program program = check(m);
  CHECK(steps_of<Softmax>(program) == 1);
  CHECK(steps_of<Generic>(program) == 0);
  CHECK(steps_of<MatrixProduct>(program) == 1);
}

TEST_CASE("outputs that are inputs, constants, views of each other, or wanted twice") {
  Model m;
  const ValueId x = m.input({1, 20, 3, 3});
  const ValueId a = m.convolution(x, 20);
  m.output(a);
  m.output(m.node("Reshape", {a, m.ints({20, 9})}));
  m.output(m.node("Identity", {x}));
  m.output(m.node("Relu", {a}));
  m.output(m.node("Concat", {a, m.node("Neg", {a})}, {Model::set("axis", int64_t{1})}));
  check(m);
}

TEST_CASE("focus: strided slices side by side") {
  Model m;
  const ValueId x = m.input({1, 3, 8, 8});
  std::vector<ValueId> parts;
  for (const int64_t i : {0, 1})
    for (const int64_t k : {0, 1}) {
      const ValueId rows = m.node("Slice", {x, m.ints({i}), m.ints({8}), m.ints({2}), m.ints({2})});
      parts.push_back(m.node("Slice", {rows, m.ints({k}), m.ints({INT64_MAX}), m.ints({3}), m.ints({2})}));
    }
  m.output(m.convolution(m.node("Concat", parts, {Model::set("axis", int64_t{1})}), 16, 3));
  const Program program = check(m);
  CHECK(copies_in(program) == 4);
  CHECK(program.steps.size() == 5);
}

TEST_CASE("whole numbers go through copies and the operators' own kernels") {
  Model m;
  const ValueId x = m.input({2, 3, 4});
  const ValueId i = m.node("Cast", {m.node("Mul", {x, m.scalar(100)})}, {Model::set("to", int64_t{7})});
  const ValueId t = m.node("Transpose", {i}, {Model::set("perm", {2, 0, 1})});
  m.output(m.node("Concat", {t, m.node("Add", {t, t})}, {Model::set("axis", int64_t{0})}));
  m.output(m.node("DepthToSpace", {m.node("Reshape", {x, m.ints({1, 4, 2, 3})})}, {Model::set("blocksize", int64_t{2})}));
  check(m);
}
