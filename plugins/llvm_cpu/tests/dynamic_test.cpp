// Models whose shapes only the run knows: text -> plan -> generate -> link -> run in the runtime, against the reference engine and against numbers
// worked out by hand.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "core/ir/text.hpp"
#include "core/ops/operator.hpp"
#include "core/plugin/plugins.hpp"
#include "core/reference/reference.hpp"
#include "generate/generate.hpp"
#include "lathe/runtime.hpp"
#include "link/link.hpp"
#include "plan/plan.hpp"
#include "target.hpp"

using namespace lathe::llvm_cpu;
using lathe::runtime::RuntimeError;
using Tensor = lathe::runtime::Tensor;
using Value = lathe::runtime::Value;
using Inputs = std::vector<Value>;

namespace {

struct Compiled {
  std::string folder = "/tmp/lathe-dynamic-test-XXXXXX";
  lathe::Graph graph;
  Program program;
  std::unique_ptr<lathe::runtime::Model> model;

  explicit Compiled(const std::string& text, const MachineRequest& request = {}) : graph(lathe::parse_text(text)) {
    REQUIRE(mkdtemp(folder.data()));
    lathe::infer_types(graph);
    const Machine machine = resolve_machine(request);
    program = plan(lathe::Snapshot(graph).get(), machine);
    GenerateOptions options;
    options.bitcode = LATHE_LLVM_CPU_DATA;
    const std::string path = folder + "/model.so";
    link_library(generate(program, machine, CodeForm::object, options), program.weights, machine, LATHE_LLVM_CPU_DATA, path, "model.so");
    model = std::make_unique<lathe::runtime::Model>(path, lathe::runtime::Options{.threads = 2});
  }
  ~Compiled() { std::filesystem::remove_all(folder); }

  std::vector<Value> run(const Inputs& inputs) { return model->run_values(inputs); }

  // Runs both engines on tensors of numbers and compares every output bit by bit, but float32 to 1e-5 of its largest value.
  void compare(const Inputs& inputs) {
    lathe::NamedData named;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Tensor& t = inputs[i].tensor;
      lathe::Tensor copy = lathe::Tensor::allocate(static_cast<lathe::DataType>(t.type()), t.dimensions());
      std::copy_n(static_cast<const std::byte*>(t.data()), t.bytes(), copy.as_mutable<std::byte>().data());
      named[graph.value(graph.inputs[i]).name] = copy;
    }
    const lathe::NamedData expected = lathe::run_reference(graph, named);
    const std::vector<Value> found = run(inputs);
    for (size_t i = 0; i < found.size(); ++i) {
      const lathe::Tensor& e = expected.at(graph.value(graph.outputs[i]).name).tensor;
      const Tensor& f = found[i].tensor;
      INFO("output ", graph.value(graph.outputs[i]).name);
      REQUIRE(f.dimensions() == e.dimensions);
      REQUIRE(f.type() == static_cast<int32_t>(e.type));
      if (e.type != lathe::DataType::float32) {
        CHECK(std::equal(e.bytes.data, e.bytes.data + e.bytes.size, static_cast<const std::byte*>(f.data())));
        continue;
      }
      float largest = 1e-6f;
      for (const float v : e.as<float>()) largest = std::max(largest, std::abs(v));
      for (size_t k = 0; k < e.as<float>().size(); ++k) REQUIRE(std::abs(f.as<float>()[k] - e.as<float>()[k]) <= 1e-5f * largest);
    }
  }
};

Tensor floats(const std::vector<int64_t>& dimensions, float first = -1, float step = 0.37f) {
  Tensor t(1, dimensions);
  for (float& v : t.as<float>()) v = first, first = first > 3 ? first - 5 : first + step;
  return t;
}
Tensor ints(std::vector<int64_t> dimensions, const std::vector<int64_t>& values) { return Tensor::of<int64_t>(std::move(dimensions), values); }
Tensor flag(bool value) {
  Tensor t(9, {});
  *static_cast<bool*>(t.data()) = value;
  return t;
}
std::vector<float> numbers(const Tensor& t) { return {t.as<float>().begin(), t.as<float>().end()}; }
std::vector<int64_t> integers(const Tensor& t) { return {t.as<int64_t>().begin(), t.as<int64_t>().end()}; }

template <class... T>
Inputs given(T&&... tensors) {
  Inputs inputs;
  (inputs.push_back(std::forward<T>(tensors)), ...);
  return inputs;
}

std::string failure(Compiled& compiled, const Inputs& inputs) {
  try {
    compiled.run(inputs);
  } catch (const RuntimeError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a batch and a length that are open") {
  Compiled c(
      R"(g (float[batch, length, 4] x) => (y, shape, flat) <float[4, 3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3}, float[3] b = {1, -1, 2}, int64[2] two = {0, -1}> {
    p = MatMul(x, w)
    q = Add(p, b)
    y = Relu(q)
    shape = Shape(y)
    flat = Reshape(y, two)
  })");
  for (const std::vector<int64_t>& d : {std::vector<int64_t>{1, 1, 4}, {2, 5, 4}, {7, 33, 4}, {0, 5, 4}}) c.compare(given(floats(d)));
  CHECK(c.model->output(0).dimensions[0] == -1);
  CHECK(std::string(c.model->output(0).symbols[0]) == "batch");
  // The output's size follows from the input's, so it can be asked ahead.
  const int64_t given[3] = {2, 5, 4};
  const int64_t* inputs[1] = {given};
  int64_t y[3], shape[1], flat[2];
  int64_t* outputs[3] = {y, shape, flat};
  REQUIRE(lathe_model_output_dimensions(c.model->handle(), inputs, outputs) == LATHE_RUNTIME_OK);
  CHECK(y[0] == 2);
  CHECK(y[1] == 5);
  CHECK(y[2] == 3);
}

TEST_CASE("equal names are equal dimensions") {
  Compiled c("g (float[n] a, float[n] b) => (y) { y = Add(a, b) }");
  CHECK(numbers(c.run(given(floats({2}, 1, 1), floats({2}, 10, -1)))[0].tensor) == std::vector<float>{11, 7});
  CHECK(failure(c, given(floats({2}), floats({3}))) == "dimension 'n' is 2 in input 'a' and 3 in input 'b'");
}

TEST_CASE("shapes that do not fit fail with the node's name") {
  Compiled c("g (float[n] a, float[m] b) => (y) { [sum] y = Add(a, b) }");
  CHECK(numbers(c.run(given(floats({1}, 2), floats({2}, 1, 1)))[0].tensor) == std::vector<float>{3, 4});
  const std::string text = failure(c, given(floats({2}), floats({3})));
  CHECK(text.find("node 'sum' (Add)") != std::string::npos);
  CHECK(text.find("broadcast") != std::string::npos);
}

TEST_CASE("a static part keeps its tuned kernels beside run-time values") {
  Compiled c(R"(g (float[1, 16, 8, 8] x, int64[n] which) => (y, whole)
      <float[16, 16, 1, 1] w = {)" +
             [] {
               std::string text;
               for (int i = 0; i < 256; ++i) text += (i ? ", " : "") + std::to_string((i * 7 % 11 - 5) * 0.1f);
               return text;
             }() +
             R"(}> {
    p = Conv(x, w)
    whole = Relu(p)
    y = Gather <axis = 1> (whole, which)
  })");
  CHECK(std::any_of(c.program.steps.begin(), c.program.steps.end(), [](const Step& s) { return std::holds_alternative<Convolution>(s.kernel); }));
  for (const int64_t n : {0, 1, 5}) {
    std::vector<int64_t> which(static_cast<size_t>(n));
    std::iota(which.begin(), which.end(), 3);
    c.compare(given(floats({1, 16, 8, 8}), ints({n}, which)));
  }
  CHECK(failure(c, given(floats({1, 16, 8, 8}), ints({1}, {16}))).find("node '") == 0);
}

TEST_CASE("If takes one branch, with captured and constant values") {
  Compiled c(R"(g (bool c, float[n] x, float[3] s) => (y, z) <float[1] two = {2}> {
    [if] y, z = If (c) <
      then_branch = t () => (a, b) { a = Mul(x, two) b = Neg(s) },
      else_branch = e () => (a, b) { a = Concat <axis = 0> (x, x) b = Relu(s) }>
  })");
  std::vector<Value> out = c.run(given(flag(true), floats({2}, 1, 1), floats({3}, -1, 1)));
  CHECK(numbers(out[0].tensor) == std::vector<float>{2, 4});
  CHECK(numbers(out[1].tensor) == std::vector<float>{1, 0, -1});
  out = c.run(given(flag(false), floats({2}, 1, 1), floats({3}, -1, 1)));
  CHECK(numbers(out[0].tensor) == std::vector<float>{1, 2, 1, 2});
  CHECK(numbers(out[1].tensor) == std::vector<float>{0, 0, 1});
}

TEST_CASE("Loop carries values, collects others and stops by its condition") {
  // Sums x until the sum passes the limit; collects the running sums.
  Compiled c(
      R"(g (int64 trips, float[2] x, float limit) => (total, sums) <bool go = {1}, float[2] zero = {0, 0}, int64[1] first = {0}, int64[1] one = {1}> {
    [loop] total, sums = Loop (trips, go, zero) <
      body = b (int64 i, bool on, float[2] so_far) => (bool keep_on, float[2] now, float[2] out) {
        now = Add(so_far, x)
        head = Slice(now, first, one)
        flat = Squeeze(head)
        keep_on = Less(flat, limit)
        out = Identity(now)
      }>
  })");
  std::vector<Value> out = c.run(given(ints({}, {10}), floats({2}, 1, 1), floats({}, 2.5f)));
  CHECK(numbers(out[0].tensor) == std::vector<float>{3, 6});
  CHECK(out[1].tensor.dimensions() == std::vector<int64_t>{3, 2});
  CHECK(numbers(out[1].tensor) == std::vector<float>{1, 2, 2, 4, 3, 6});
  out = c.run(given(ints({}, {2}), floats({2}, 1, 1), floats({}, 100)));
  CHECK(numbers(out[0].tensor) == std::vector<float>{2, 4});
  out = c.run(given(ints({}, {0}), floats({2}, 1, 1), floats({}, 100)));
  CHECK(numbers(out[0].tensor) == std::vector<float>{0, 0});
  CHECK(out[1].tensor.dimensions() == std::vector<int64_t>{0, 2});
}

TEST_CASE("Loops in loops, with shapes that grow") {
  Compiled c(R"(g (int64 outer, int64 inner, float[1] x) => (y) <bool go = {1}> {
    y = Loop (outer, go, x) <
      body = b (int64 i, bool on, float[n] a) => (bool on2, float[m] r) {
        on2 = Identity(on)
        r = Loop (inner, on, a) <
          body = b2 (int64 k, bool on3, float[p] q) => (bool on4, float[s] t) {
            on4 = Identity(on3)
            t = Concat <axis = 0> (q, x)
          }>
      }>
  })");
  CHECK(numbers(c.run(given(ints({}, {2}), ints({}, {3}), floats({1}, 5)))[0].tensor) == std::vector<float>(7, 5));
  CHECK(numbers(c.run(given(ints({}, {0}), ints({}, {3}), floats({1}, 5)))[0].tensor) == std::vector<float>(1, 5));
}

TEST_CASE("Scan walks along an axis, backwards too") {
  Compiled c(R"(g (float[2] start, float[2, length] x) => (last, all) {
    last, all = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_input_directions = [1], scan_output_axes = [1], body = b (float[2] s, float[2] e)
      => (float[2] t, float[2] o) { t = Add(s, e) o = Identity(t) }> (start, x)
  })");
  const std::vector<Value> out = c.run(given(floats({2}, 0, 100), floats({2, 3}, -1, 1)));  // {-1, 0, 1}, {2, 3, 4 -> -1}
  CHECK(out[1].tensor.dimensions() == std::vector<int64_t>{2, 3});
  const std::vector<float> x = numbers(floats({2, 3}, -1, 1)), s = numbers(floats({2}, 0, 100));
  CHECK(numbers(out[1].tensor) ==
        std::vector<float>{s[0] + x[2], s[0] + x[2] + x[1], s[0] + x[2] + x[1] + x[0], s[1] + x[5], s[1] + x[5] + x[4], s[1] + x[5] + x[4] + x[3]});
  CHECK(numbers(out[0].tensor) == std::vector<float>{s[0] + x[0] + x[1] + x[2], s[1] + x[3] + x[4] + x[5]});
}

TEST_CASE("a loop of no turns yields elements of the declared sizes, also where its body cannot tell them") {
  Compiled c(R"(g (float[2, 3] x, int64 at, bool go) => (float[n, 2, 3] all, float[2, n] columns) <int64 once = {1}, int64[0] none_of_it = {}> {
    two = SequenceConstruct(x, x)
    e = SequenceAt(two, at)
    last, all = Loop (once, go, e) <
      body = b (int64 i, bool on, v) => (bool on2, w, each) {
        on2 = Identity(on)
        w = Neg(v)
        each = Identity(v)
      }>
    columns = Scan <num_scan_inputs = 1, scan_output_axes = [1], body = s (int64 k) => (float[2] column) <float[2] column = {1, 2}> { u = Neg(k) }> (none_of_it)
  })");
  for (const bool go : {true, false}) {
    const std::vector<Value> out = c.run(given(floats({2, 3}), ints({}, {0}), flag(go)));
    CHECK(out[0].tensor.dimensions() == std::vector<int64_t>{go ? 1 : 0, 2, 3});
    CHECK(out[1].tensor.dimensions() == std::vector<int64_t>{2, 0});
  }
}

TEST_CASE("sequences are built, read and joined") {
  Compiled c(R"(g (float[n] a, float[m] b, int64 at) => (picked, joined, count, list) <int64 zero = {0}> {
    two = SequenceConstruct(a, b)
    three = SequenceInsert(two, b, zero)
    list = SequenceErase(three, at)
    picked = SequenceAt(three, at)
    joined = ConcatFromSequence <axis = 0> (three)
    count = SequenceLength(three)
  })");
  const std::vector<Value> out = c.run(given(floats({2}, 1, 1), floats({1}, 7), ints({}, {-2})));
  CHECK(numbers(out[0].tensor) == std::vector<float>{1, 2});
  CHECK(numbers(out[1].tensor) == std::vector<float>{7, 1, 2, 7});
  CHECK(integers(out[2].tensor) == std::vector<int64_t>{3});
  REQUIRE(out[3].kind == LATHE_ARTIFACT_SEQUENCE);
  REQUIRE(out[3].elements.size() == 2);
  CHECK(numbers(out[3].elements[0]) == std::vector<float>{7});
  CHECK(numbers(out[3].elements[1]) == std::vector<float>{7});
  CHECK(failure(c, given(floats({2}), floats({1}), ints({}, {3}))).find("the position is outside the sequence") != std::string::npos);
}

TEST_CASE("a sequence as an input, split and mapped in a loop") {
  Compiled c(R"(g (seq(float[?]) list, float[k] x) => (y, parts) <bool go = {1}, int64 two = {2}> {
    length = SequenceLength(list)
    empty = SequenceEmpty <dtype = 1> ()
    y = Loop (length, go, empty) <
      body = b (int64 i, bool on, seq(float[?]) so_far) => (bool on2, seq(float[?]) now) {
        on2 = Identity(on)
        e = SequenceAt(list, i)
        f = Neg(e)
        now = SequenceInsert(so_far, f)
      }>
    parts = SplitToSequence(x, two)
  })");
  std::vector<Tensor> list;
  list.push_back(floats({2}, 1, 1));
  list.push_back(floats({1}, 4));
  Inputs inputs;
  inputs.push_back(Value::sequence(1, std::move(list)));
  inputs.push_back(floats({5}, 1, 1));
  const std::vector<Value> out = c.run(inputs);
  REQUIRE(out[0].elements.size() == 2);
  CHECK(numbers(out[0].elements[0]) == std::vector<float>{-1, -2});
  CHECK(numbers(out[0].elements[1]) == std::vector<float>{-4});
  REQUIRE(out[1].elements.size() == 3);
  CHECK(numbers(out[1].elements[0]) == std::vector<float>{1, 2});
  CHECK(out[1].elements[2].dimensions() == std::vector<int64_t>{1});
}

TEST_CASE("strings go in and out") {
  Compiled c(R"(g (string[n] x) => (y) <string[1] more = {"end"}> { y = Concat <axis = 0> (x, more) })");
  std::vector<Value> inputs;
  inputs.push_back(Tensor::of_strings({2}, {"first", ""}));
  const std::vector<Value> out = c.run(inputs);
  CHECK(out[0].tensor.strings() == std::vector<std::string>{"first", "", "end"});
}

TEST_CASE("types smaller than a byte are packed outside and not inside") {
  Compiled c("g (int4[n, 3] x, int4[3] s) => (y, z) { y = Transpose <perm = [1, 0]> (x) z = Identity(s) }");
  Tensor x(22, {1, 3}), s(22, {3});
  auto* nibbles = static_cast<uint8_t*>(x.data());
  nibbles[0] = 0x1f, nibbles[1] = 0x08;  // -1, 1, -8
  static_cast<uint8_t*>(s.data())[0] = 0x27, static_cast<uint8_t*>(s.data())[1] = 0x09;
  Inputs inputs;
  inputs.push_back(std::move(x));
  inputs.push_back(std::move(s));
  const std::vector<Value> out = c.run(inputs);
  const auto* y = static_cast<const uint8_t*>(out[0].tensor.data());
  CHECK(out[0].tensor.dimensions() == std::vector<int64_t>{3, 1});
  CHECK(y[0] == 0x1f);
  CHECK(y[1] == 0x08);
  CHECK(static_cast<const uint8_t*>(out[1].tensor.data())[0] == 0x27);
  CHECK(static_cast<const uint8_t*>(out[1].tensor.data())[1] == 0x09);
}

TEST_CASE("a rank that is not known") {
  Compiled c("g (float[] x) => (y, n) { y = Neg(x) n = Size(x) }");
  for (const std::vector<int64_t>& d : {std::vector<int64_t>{}, {3}, {2, 1, 2}}) {
    const std::vector<Value> out = c.run(given(floats(d, 1, 1)));
    CHECK(out[0].tensor.dimensions() == d);
    CHECK(out[0].tensor.as<float>()[0] == -1);
  }
}

namespace {

std::string weights_text(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += (i ? ", " : "") + std::to_string(static_cast<float>(i * 7 % 23 - 11) * 0.05f);
  return text;
}

template <class Kernel>
bool has_kernel(const Program& program) {
  return std::any_of(program.steps.begin(), program.steps.end(), [](const Step& s) { return std::holds_alternative<Kernel>(s.kernel); });
}

}  // namespace

TEST_CASE("an open batch runs item by item with the kernels of fixed shapes") {
  Compiled c("g (float[batch, 4, 6, 6] x, float[batch, 2] other) => (y, z) <float[8, 4, 3, 3] w = {" + weights_text(288) +
             R"(}, float[8] b = {1, 2, 3, 4, 5, 6, 7, 8}, int64[2] flat = {0, 72}> {
    p = Conv <pads = [1, 1, 1, 1]> (x, w, b)
    q = Relu(p)
    r = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (q)
    y = Reshape(r, flat)
    z = Concat <axis = 1> (y, other)
  })");
  const auto found = std::find_if(c.program.steps.begin(), c.program.steps.end(), [](const Step& s) {
    const auto* dynamic = std::get_if<Dynamic>(&s.kernel);
    return dynamic && dynamic->action == Action::each_item;
  });
  REQUIRE(found != c.program.steps.end());
  CHECK(has_kernel<Convolution>(*found->dynamic->bodies.at(0).program));
  for (const int64_t n : {1, 3, 0}) c.compare(given(floats({n, 4, 6, 6}), floats({n, 2}, 2)));
}

TEST_CASE("what looks at a batch as a whole is not run item by item") {
  Compiled c(R"(g (float[batch, 2, 9] x, float[2] one) => (y, at, z) {
    y, at = MaxPool <kernel_shape = [2], strides = [3], ceil_mode = 1> (x)
    z = BatchNormalization <training_mode = 1> (x, one, one, one, one)
  })");
  for (const int64_t n : {1, 3}) c.compare(given(floats({n, 2, 9}), floats({2}, 1)));
}

TEST_CASE("open heights and widths, for this processor and lesser ones") {
  std::vector<MachineRequest> machines{{}};
  const Machine own = resolve_machine({});
  for (const auto& [cpu, floats] : {std::pair{"x86-64-v2", 4}, {"x86-64-v3", 8}}) {
    MachineRequest request;
    request.cpu = cpu;
    if (own.family == Machine::Family::x86_64 && own.vector_floats > floats) machines.push_back(request);
  }
  for (const MachineRequest& machine : machines) {
    CAPTURE(machine.cpu);
    Compiled c("g (float[1, 3, height, width] x) => (y, z) <float[20, 3, 3, 3] w = {" + weights_text(540) + R"(}, float[20, 1, 5, 5] v = {)" +
                   weights_text(500) + R"(}, float[20, 18, 2, 2] t = {)" + weights_text(1440) + R"(}, float[4] s = {1, 1, 2, 2}> {
    a = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (x, w)
    b = Relu(a)
    d = Conv <group = 20, pads = [2, 2, 2, 2]> (b, v)
    e = Conv <group = 20, pads = [2, 2, 2, 2], strides = [2, 2]> (d, v)
    m = MaxPool <kernel_shape = [5, 5], pads = [2, 2, 2, 2]> (e)
    n = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], strides = [2, 2]> (m)
    y = ConvTranspose <strides = [2, 2]> (e, t)
    z = Resize <mode = "nearest"> (n, "", s)
  })",
               machine);
    for (const std::vector<int64_t>& d : {std::vector<int64_t>{1, 1}, {2, 3}, {5, 15}, {7, 16}, {8, 17}, {33, 31}, {66, 130}})
      c.compare(given(floats({1, 3, d[0], d[1]})));
    CHECK(failure(c, given(floats({1, 4, 8, 8}))) != "");
  }
}

TEST_CASE("products and chains with open rows run tuned kernels for some rows at a time") {
  Compiled c("g (float[batch, length, 8] x) => (y, z) <float[8, 12] w = {" + weights_text(96) +
             R"(}, float[12] b = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3},
      float[12, 8] v = {)" +
             weights_text(96) + R"(}, float[1] half = {0.5}> {
    p = MatMul(x, w)
    q = Add(b, p)
    r = Sigmoid(q)
    s = MatMul(r, v)
    y = Add(s, x)
    t = Mul(half, x)
    z = Tanh(t)
  })");
  CHECK(has_kernel<MatrixProduct>(c.program));
  CHECK(has_kernel<Elementwise>(c.program));
  // Fewer rows than one call takes, exactly as many, one more, and several calls.
  for (const std::vector<int64_t>& d : {std::vector<int64_t>{1, 1, 8}, {2, 3, 8}, {1, 24, 8}, {5, 5, 8}, {10, 130, 8}, {0, 7, 8}})
    c.compare(given(floats(d)));
}

TEST_CASE("an operator whose one function serves all shapes writes to planned memory") {
  Compiled c("g (uint8[2, 3] a, uint8[3, 2] b) => (y) { p = MatMulInteger(a, b) y = Cast <to = 1> (p) }");
  const std::vector<uint8_t> a{1, 2, 3, 4, 5, 6}, b{1, 0, 0, 1, 2, 200};
  const std::vector<Value> out = c.run(given(Tensor::of<uint8_t>({2, 3}, a), Tensor::of<uint8_t>({3, 2}, b)));
  CHECK(numbers(out[0].tensor) == std::vector<float>{7, 602, 16, 1205});
}

namespace {

// One run through the C interface, which has callbacks that the C++ one does not offer. Outputs go to `memory`, which is large enough.
struct Request {
  lathe_model_run_request request{};
  Inputs values;
  std::vector<lathe_model_tensor> inputs;
  std::vector<std::byte> memory = std::vector<std::byte>(4096);
  std::vector<int64_t> dimensions;
  int asked = 0;  // how often somebody asked whether the run is cancelled

  explicit Request(Inputs given) : values(std::move(given)) {
    for (const Value& value : values) inputs.push_back(value.tensor.view());
    request.struct_size = sizeof request;
    request.inputs = inputs.data();
    request.input_count = static_cast<uint32_t>(inputs.size());
    request.context = this;
    request.allocate = [](void* context, uint32_t, int32_t, const int64_t* dimensions, uint64_t rank, uint64_t bytes) -> void* {
      auto& self = *static_cast<Request*>(context);
      self.dimensions.assign(dimensions, dimensions + rank);
      return bytes <= self.memory.size() ? self.memory.data() : nullptr;
    };
  }
};

}  // namespace

TEST_CASE("a loop without end is cancelled") {
  const auto after_many_turns = [](void* context) -> int32_t { return ++static_cast<Request*>(context)->asked > 1000; };
  for (const std::string body : {"{ on2 = Identity(on) r = Neg(a) }", "{ on2 = Not(on) r = Sin(a) on3 = Not(on2) }"}) {
    const std::string condition = body.find("on3") == std::string::npos ? "on2" : "on3";
    Compiled c("g (float[n] x) => (y) <bool go = {1}> { y = Loop(, go, x) <body = b (int64 i, bool on, float[n] a) => (bool " + condition +
               ", float[n] r) " + body + "> }");
    Request run(given(floats({3})));
    run.request.cancelled = after_many_turns;
    CHECK(lathe_model_run(c.model->handle(), &run.request) == LATHE_RUNTIME_CANCELLED);
    CHECK(std::string(lathe_model_error(c.model->handle())) == "the run was cancelled");
    CHECK(run.asked == 1001);
  }
  // Nothing to do in the body: the turns themselves are counted.
  Compiled c("g (float[n] x) => (y) <bool go = {1}> { y = Loop(, go, x) <body = b (int64 i, bool on, float[n] a) => (on, a) { }> }");
  Request run(given(floats({3})));
  run.request.cancelled = after_many_turns;
  CHECK(lathe_model_run(c.model->handle(), &run.request) == LATHE_RUNTIME_CANCELLED);
  CHECK(run.asked == 1001);
}

TEST_CASE("a run that nobody cancels ends, and callers of before these fields are served") {
  Compiled c("g (float[n] x) => (y) { y = Neg(x) }");
  Request run(given(floats({3}, 1, 1)));
  run.request.cancelled = [](void* context) -> int32_t { return ++static_cast<Request*>(context)->asked < 0; };
  REQUIRE(lathe_model_run(c.model->handle(), &run.request) == LATHE_RUNTIME_OK);
  CHECK(run.asked > 0);
  CHECK(reinterpret_cast<const float*>(run.memory.data())[2] == -3);
  run.asked = 0;
  run.request.struct_size = offsetof(lathe_model_run_request, decode_picture);
  REQUIRE(lathe_model_run(c.model->handle(), &run.request) == LATHE_RUNTIME_OK);
  CHECK(run.asked == 0);
}

TEST_CASE("pictures are decoded by whoever runs the artifact") {
  for (const auto& [format, expected] : std::vector<std::pair<std::string, std::vector<int>>>{
           {"RGB", {1, 2, 3, 200, 100, 0}}, {"BGR", {3, 2, 1, 0, 100, 200}}, {"Grayscale", {2, 118}}}) {
    Compiled c("g (uint8[n] x) => (y) { [picture] y = ImageDecoder <pixel_format = \"" + format + "\"> (x) }");
    const std::vector<uint8_t> file{7, 8, 9};
    CHECK(failure(c, given(Tensor::of<uint8_t>({3}, file))) ==
          "node 'picture' (ImageDecoder): it decodes pictures, and this run was given nothing that can");
    Request run(given(Tensor::of<uint8_t>({3}, file)));
    run.request.decode_picture = [](void*, const void* bytes, uint64_t size, void* target,
                                    uint8_t* (*allocate)(void*, int64_t, int64_t)) -> const char* {
      if (size != 3 || static_cast<const uint8_t*>(bytes)[0] != 7) return "this is no picture";
      const uint8_t rgb[] = {1, 2, 3, 200, 100, 0};
      std::copy_n(rgb, sizeof rgb, allocate(target, 1, 2));
      return nullptr;
    };
    REQUIRE(lathe_model_run(c.model->handle(), &run.request) == LATHE_RUNTIME_OK);
    CHECK(run.dimensions == std::vector<int64_t>{1, 2, format == "Grayscale" ? 1 : 3});
    std::vector<int> found;
    for (size_t i = 0; i < expected.size(); ++i) found.push_back(static_cast<int>(run.memory[i]));
    CAPTURE(format);
    for (size_t i = 0; i < expected.size(); ++i) CHECK(found[i] == expected[i]);
    Request other(given(Tensor::of<uint8_t>({1}, std::vector<uint8_t>{0})));
    other.request.decode_picture = run.request.decode_picture;
    CHECK(lathe_model_run(c.model->handle(), &other.request) == LATHE_RUNTIME_DATA);
    CHECK(std::string(lathe_model_error(c.model->handle())) == "node 'picture' (ImageDecoder): this is no picture");
  }
}
