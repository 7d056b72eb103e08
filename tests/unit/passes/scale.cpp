// A graph of a hundred thousand nodes goes through every pass and through the text form. Nothing asserts on time: a quadratic pass would
// take hours, and the test would be stopped.
#include "core/passes/pipeline.hpp"
#include "tests/unit/passes/support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

constexpr int groups = 12500;  // of eight nodes each

// A chain of groups: a convolution with scale, shift and batch normalisation after it, an Identity, arithmetic that does nothing, two equal nodes.
Graph long_chain() {
  Graph graph;
  graph.name = "long";
  graph.opsets[""] = canonical_opset;
  const ValueType type{ValueKind::tensor, DataType::float32, Shape{1, 1, 2, 2}};
  ValueId x = graph.add_value("x", type);
  graph.inputs = {x};
  const std::vector<float> weight{0.5f}, ones{1.0f}, zeros{0.0f};
  const ValueId w = graph.add_constant("w", Tensor::of<float>(DataType::float32, {1, 1, 1, 1}, std::span(weight)));
  const ValueId one = graph.add_constant("one", Tensor::of<float>(DataType::float32, {1}, std::span(ones)));
  const ValueId zero = graph.add_constant("zero", Tensor::of<float>(DataType::float32, {1}, std::span(zeros)));
  const auto node = [&](const char* op, std::vector<ValueId> inputs) {
    const ValueId out = graph.add_value("v");
    graph.add_node(op, std::move(inputs), {out});
    return out;
  };
  for (int i = 0; i < groups; ++i) {
    ValueId v = node("Conv", {x, w});
    v = node("Mul", {v, one});
    v = node("BatchNormalization", {v, one, zero, zero, one});
    v = node("Identity", {v});
    v = node("Add", {v, zero});
    const ValueId a = node("Relu", {v}), b = node("Relu", {v});
    x = node("Add", {a, b});
  }
  graph.outputs = {x};
  return graph;
}

}  // namespace

TEST_CASE("a hundred thousand nodes go through every pass and through the text form") {
  Graph graph = long_chain();
  CHECK(graph.nodes.size() == 8 * groups);
  verify(graph);
  for (const char* name :
       {"infer-types", "fold-constants", "simplify-algebra", "eliminate-common-subexpressions", "fold-batch-norm", "eliminate-dead-code"}) {
    CAPTURE(name);
    for (const Pass& pass : builtin_passes()) {
      if (pass.name != name) continue;
      PassSettings settings;
      for (const PassOption& option : pass.options) settings.values.emplace_back(option.name, option.fallback);
      pass.run(graph, settings);
    }
    verify(graph);
  }
  CHECK(count(graph, "Conv") == groups);
  CHECK(count(graph, "Relu") == groups);
  CHECK(graph.nodes.size() == 3 * groups);
  const Graph back = parse_text(to_text(graph));
  CHECK(difference(graph, back) == "");
}
