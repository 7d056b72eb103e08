// infer-types as a pass: what it says of itself, and that its errors carry every problem. Inference itself is tested in tests/unit/ops.
#include "core/passes/infer_types.hpp"

#include "core/passes/pipeline.hpp"
#include "tests/unit/passes/support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("types are inferred once, and the pass says so") {
  Graph graph = parse_text("g (float[N,3,8,8] x) => (y) <float[4,3,3,3] w = {" + [] {
    std::string zeros = "0";
    for (int i = 1; i < 108; ++i) zeros += ",0";
    return zeros;
  }() + "}> { t = Conv(x, w) y = Relu(t) }");
  CHECK(infer_all_types(graph));
  CHECK(to_string(graph.value(find_value(graph, "t")).type) == "float[N,4,6,6]");
  CHECK(to_string(graph.value(graph.outputs[0]).type) == "float[N,4,6,6]");
  CHECK_FALSE(infer_all_types(graph));
}

TEST_CASE("all problems of a model are told in one go, with the nodes' names") {
  Graph graph = parse_text("g (float[2,3] x, float[4,5] z) => (y) { [first] a = Add(x, z) [second] b = NoSuchOperator(x) [third] y = MatMul(x, z) }");
  try {
    infer_all_types(graph);
    FAIL("accepted");
  } catch (const Error& error) {
    const std::string text = error.what();
    INFO(text);
    for (const char* name : {"'first' (Add)", "'second' (NoSuchOperator)", "'third' (MatMul)"}) CHECK(text.find(name) != std::string::npos);
  }
}

TEST_CASE("it makes a graph typed, which the passes after it need") {
  const auto passes = builtin_passes();
  CHECK_THROWS_AS(parse_pipeline("pipeline: [fold-constants]", "p", passes), Error);
  CHECK_NOTHROW(parse_pipeline("pipeline: [infer-types, fold-constants]", "p", passes));
}
