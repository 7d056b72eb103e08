// Running If, Loop and Scan. Expected numbers were worked out by hand.
#include "tests/unit/reference/support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("If runs one branch, which sees the values around it") {
  const std::string text =
      "g (bool c, float[2] x) => (y) { z = Neg(x) y = If(c) <then_branch = t () => (float[2] p) { p = Add(x, z) }, else_branch = e () => "
      "(float[2] q) { q = If(c) <then_branch = u () => (float[2] r) { r = Identity(x) }, else_branch = v () => (float[2] s) { s = Mul(z, x) }> }> }";
  CHECK(run(text, {{"c", truth(true)}, {"x", floats({2}, {1, 2})}}).at("y").tensor == floats({2}, {0, 0}));
  CHECK(run(text, {{"c", truth(false)}, {"x", floats({2}, {1, 2})}}).at("y").tensor == floats({2}, {-1, -4}));
}

TEST_CASE("a branch that is not taken may be impossible") {
  const std::string text =
      "g (bool c, float[N] x) => (y) { y = If(c) <then_branch = t () => (float[] p) <int64[1] a = {0}> { p = Squeeze(x, a) }, else_branch = e () => "
      "(float[M] q) { q = Neg(x) }> }";
  CHECK(run(text, {{"c", truth(false)}, {"x", floats({2}, {1, 2})}}).at("y").tensor == floats({2}, {-1, -2}));
  CHECK(run(text, {{"c", truth(true)}, {"x", floats({1}, {3})}}).at("y").tensor == floats({}, {3}));
}

// Fibonacci numbers: carries two, yields each.
static const std::string fibonacci =
    "g (int64 m, bool go, int64 a, int64 b) => (x, y, all) { x, y, all = Loop(m, go, a, b) <body = l (int64 i, bool c, int64 p, int64 q) => "
    "(bool d, int64 r, int64 s, int64 t) <int64 limit = {50}> { s = Add(p, q) r = Identity(q) d = Less(s, limit) t = Identity(p) }> }";

TEST_CASE("Loop carries values, counts turns, stops on its condition, stacks scan outputs") {
  NamedData inputs = {{"m", integers({}, {6})}, {"go", truth(true)}, {"a", integers({}, {0})}, {"b", integers({}, {1})}};
  NamedData found = run(fibonacci, inputs);
  CHECK(found.at("x").tensor == integers({}, {8}));
  CHECK(found.at("y").tensor == integers({}, {13}));
  CHECK(found.at("all").tensor == integers({6}, {0, 1, 1, 2, 3, 5}));
  inputs["m"] = integers({}, {1000});
  found = run(fibonacci, inputs);
  CHECK(found.at("y").tensor == integers({}, {55}));
  CHECK(found.at("all").tensor == integers({9}, {0, 1, 1, 2, 3, 5, 8, 13, 21}));
  for (const bool go : {true, false}) {  // no turn at all
    inputs["m"] = integers({}, {go ? -3 : 6});
    inputs["go"] = truth(go);
    found = run(fibonacci, inputs);
    CHECK(found.at("x").tensor == integers({}, {0}));
    CHECK(found.at("all").tensor == integers({0}, {}));
  }
}

TEST_CASE(
    "a loop of no turns yields empty scan outputs: sizes that only a turn would tell are 0, as in ONNX Runtime, those of the model's inputs are "
    "known") {
  const std::string text =
      "g (int64 m, float[2, 3] x) => (int64[t, 2, n] y) { y = Loop(m, ) <body = a (int64 i, bool c) => (bool d, int64[2, k] s) { d = Identity(c) "
      "s = NonZero(x) }> }";
  const Tensor x = floats({2, 3}, {1, 0, 2, 0, 3, 4});
  CHECK(run(text, {{"m", integers({}, {0})}, {"x", x}}).at("y").tensor.dimensions == std::vector<int64_t>{0, 2, 0});
  CHECK(run(text, {{"m", integers({}, {2})}, {"x", x}}).at("y").tensor.dimensions == std::vector<int64_t>{2, 2, 4});
  const std::string named =
      "g (int64 m, float[r, s] x) => (float[t, r, s] y) { z, y = Loop(m, , x) <body = a (int64 i, bool c, float[r, s] p) => (bool d, float[r, s] q, "
      "float[r, s] e) { d = Identity(c) q = Neg(p) e = Identity(q) }> }";
  CHECK(run(named, {{"m", integers({}, {0})}, {"x", x}}).at("y").tensor.dimensions == std::vector<int64_t>{0, 2, 3});
}

TEST_CASE("a loop's values may grow, and its body may hold loops") {
  // 1 + 2 + 3 ones, made by an inner loop of i + 1 turns.
  const std::string text =
      "g (int64 m, float[0] x) => (y) <float[1] one = {1}, int64 k = {1}> { y = Loop(m, , x) <body = a (int64 i, bool c, float[] s) => (bool d, "
      "float[] t) { "
      "d = Identity(c) n = Add(i, k) t = Loop(n, , s) <body = b (int64 j, bool e, float[] u) => (bool f, float[] v) { f = Identity(e) v = "
      "Concat<axis = 0>(u, one) }> }> }";
  CHECK(run(text, {{"m", integers({}, {3})}, {"x", floats({0}, {})}}).at("y").tensor == floats({6}, {1, 1, 1, 1, 1, 1}));
}

TEST_CASE("loops whose scan outputs change their shape are refused, and endless ones can be interrupted") {
  CHECK(failure("g (int64 m, float[1] x) => (y, z) { [\"l\"] y, z = Loop(m, , x) <body = a (int64 i, bool c, float[] s) => (bool d, float[] t, "
                "float[] u) { d = "
                "Identity(c) t = Concat<axis = 0>(s, s) u = Identity(s) }> }",
                {{"m", integers({}, {3})}, {"x", floats({1}, {1})}})
            .find("'l' (Loop): a scan output has another shape") != std::string::npos);
  const Graph endless = model("g (float[1] x) => (y) { y = Loop(, , x) <body = a (int64 i, bool c, float[1] s) => (bool c, float[1] s) {}> }");
  int asked = 0;
  ReferenceOptions options;
  options.cancelled = [&] { return ++asked > 1000; };
  CHECK_THROWS_AS(run_reference(endless, {{"x", floats({1}, {1})}}, options), Error);
}

TEST_CASE("Scan: axes, directions, state") {
  const std::string body = "b (float[2] s, float[2] a) => (float[2] t, float[2] o) { t = Add(s, a) o = Identity(t) }";
  const NamedData inputs = {{"s", floats({2}, {10, 20})}, {"x", floats({3, 2}, {1, 2, 3, 4, 5, 6})}, {"z", floats({2, 3}, {1, 3, 5, 2, 4, 6})}};
  const auto scan = [&](const std::string& attributes, const std::string& x) {
    return run("g (float[2] s, float[3,2] x, float[2,3] z) => (f, y) { f, y = Scan(s, " + x + ") <num_scan_inputs = 1" + attributes +
                   ", body = " + body + "> }",
               inputs);
  };
  NamedData found = scan("", "x");
  CHECK(found.at("f").tensor == floats({2}, {19, 32}));
  CHECK(found.at("y").tensor == floats({3, 2}, {11, 22, 14, 26, 19, 32}));
  CHECK(scan(", scan_input_axes = [1]", "z").at("y").tensor == floats({3, 2}, {11, 22, 14, 26, 19, 32}));
  CHECK(scan(", scan_output_axes = [-1]", "x").at("y").tensor == floats({2, 3}, {11, 14, 19, 22, 26, 32}));
  CHECK(scan(", scan_input_directions = [1]", "x").at("y").tensor == floats({3, 2}, {15, 26, 18, 30, 19, 32}));
  CHECK(scan(", scan_output_directions = [1]", "x").at("y").tensor == floats({3, 2}, {19, 32, 14, 26, 11, 22}));
}

TEST_CASE("Scan of opset 8: a batch, and a length for each of its elements") {
  const std::string head = "<ir_version: 4, opset_import: [\"\": 8]> g (int64[2] n, float[2,1] s, float[2,3,1] x) => (f, y) { f, y = Scan";
  const std::string body = "body = b (float[1] u, float[1] a) => (float[1] t, float[1] o) { t = Add(u, a) o = Identity(t) }> }";
  const NamedData inputs = {{"n", integers({2}, {2, 3})}, {"s", floats({2, 1}, {0, 100})}, {"x", floats({2, 3, 1}, {1, 2, 3, 4, 5, 6})}};
  NamedData found = run(head + "(, s, x) <num_scan_inputs = 1, " + body, inputs);
  CHECK(found.at("f").tensor == floats({2, 1}, {6, 115}));
  CHECK(found.at("y").tensor == floats({2, 3, 1}, {1, 3, 6, 104, 109, 115}));
  found = run(head + "(n, s, x) <num_scan_inputs = 1, " + body, inputs);
  CHECK(found.at("f").tensor == floats({2, 1}, {3, 115}));
  CHECK(found.at("y").tensor == floats({2, 3, 1}, {1, 3, 0, 104, 109, 115}));
  found = run(head + "(n, s, x) <num_scan_inputs = 1, directions = [1], " + body, inputs);
  CHECK(found.at("y").tensor == floats({2, 3, 1}, {2, 3, 0, 106, 111, 115}));
}

TEST_CASE("what is watched tells bodies apart") {
  const Graph graph = model(
      "g (bool c, float[1] x) => (y) { [\"i\"] y = If(c) <then_branch = t () => (float[1] p) { q = Neg(x) p = Neg(q) }, else_branch = e () => "
      "(float[1] r) { r = Abs(x) }> }");
  std::vector<std::string> seen;
  ReferenceOptions options;
  options.watch = [&](const std::string& name, const Datum&) { seen.push_back(name); };
  run_reference(graph, {{"c", truth(true)}, {"x", floats({1}, {1})}}, options);
  CHECK(seen == std::vector<std::string>{"i/q", "i/p", "y"});
}
