// Costs worked out by hand.
#include "core/job/estimate.hpp"

#include <doctest/doctest.h>

namespace {
using namespace lathe;

ValueId value(Graph& graph, const std::string& name, std::vector<int64_t> dimensions) {
  Shape shape;
  for (const int64_t d : dimensions) shape.emplace_back(d);
  return graph.add_value(name, {ValueKind::tensor, DataType::float32, shape});
}
ValueId constant(Graph& graph, const std::string& name, std::vector<int64_t> dimensions, DataType type = DataType::float32) {
  const ValueId id = graph.add_constant(name, Tensor::allocate(type, dimensions));
  Shape shape;
  for (const int64_t d : dimensions) shape.emplace_back(d);
  graph.value(id).type = {ValueKind::tensor, type, shape};
  return id;
}
}  // namespace

TEST_CASE("multiplications and parameters") {
  Graph graph;
  const ValueId x = value(graph, "x", {1, 8, 10, 10}), w = constant(graph, "w", {16, 4, 3, 3}), b = constant(graph, "b", {16});
  const ValueId y = value(graph, "y", {1, 16, 8, 8}), up = constant(graph, "up", {16, 2, 2, 2}), z = value(graph, "z", {1, 2, 16, 16});
  const ValueId m = value(graph, "m", {5, 7}), k = constant(graph, "k", {7, 3}), n = value(graph, "n", {5, 3});
  const ValueId flat = constant(graph, "shape", {2}, DataType::int64), r = value(graph, "r", {2, 256});
  graph.inputs = {x, m}, graph.outputs = {n, r};
  graph.add_node("Conv", {x, w, b}, {y}, "conv").attributes["group"].value = int64_t{2};
  graph.add_node("ConvTranspose", {y, up}, {z}, "up");
  graph.add_node("MatMul", {m, k}, {n}, "product");
  graph.add_node("Reshape", {z, flat}, {r}, "reshape");
  CHECK(cost_of(graph, graph.nodes[0]).multiplications == 16 * 64 * 36);
  CHECK(cost_of(graph, graph.nodes[0]).parameters == 16 * 36 + 16);
  CHECK(cost_of(graph, graph.nodes[1]).multiplications == 16 * 64 * 8);
  CHECK(cost_of(graph, graph.nodes[2]).multiplications == 5 * 3 * 7);
  CHECK(cost_of(graph, graph.nodes[3]).parameters == 0);
  const GraphCost whole = cost_of(graph);
  CHECK(whole.multiplications == 16 * 64 * 36 + 16 * 64 * 8 + 105);
  CHECK(whole.parameters == 592 + 128 + 21);
}

TEST_CASE("values that live at the same time") {
  // a -> Relu -> b -> MaxPool -> c; a is needed again at the end.
  Graph graph;
  const ValueId a = value(graph, "a", {100}), b = value(graph, "b", {100}), r = value(graph, "r", {10, 10}), c = value(graph, "c", {60}),
                d = value(graph, "d", {160});
  const ValueId shape = constant(graph, "shape", {2}, DataType::int64);
  graph.inputs = {a}, graph.outputs = {d};
  graph.add_node("Relu", {a}, {b}, "relu");
  graph.add_node("Reshape", {b, shape}, {r}, "reshape");
  graph.add_node("Pool", {r}, {c}, "pool");
  graph.add_node("Concat", {a, c}, {d}, "join");
  const GraphCost cost = cost_of(graph);
  CHECK(cost.features == 100 + 60 + 160);
  CHECK(cost.features_at == "join");
  // Without the second use Relu works in place, and renaming costs nothing.
  graph.nodes.pop_back();
  graph.outputs = {c};
  CHECK(cost_of(graph).features == 160);
  CHECK(cost_of(graph).features_at == "pool");
}

TEST_CASE("what a device cannot hold is warned about, and refused where it never could") {
  Manifest manifest;
  manifest.name = "chip";
  manifest.devices = {{"ONE", "", {}, 1000, 500}, {"ANY", "", {}, 0, 0}};
  ResolvedTarget target;
  target.manifest = &manifest, target.device = "ONE";
  const auto said = [&](int64_t parameters, int64_t features) { return hold_against({0, parameters, features, "n"}, target); };
  CHECK(said(700, 300).empty());
  REQUIRE(said(900, 300).size() == 1);
  CHECK(said(900, 300)[0].severity == Severity::warning);
  CHECK(said(1500, 300)[0].text == "the weights will hardly fit chip:ONE");
  CHECK(said(2100, 300)[0].severity == Severity::error);
  CHECK(said(100, 5000)[0].severity == Severity::warning);
  target.device = "ANY";
  CHECK(said(1'000'000, 1'000'000).empty());

  // A device with a wider precision beside int8 holds half as much in it; one that has the wider alone counts in that.
  manifest.devices = {{"ONE", "", {"float16", "int8"}, 1000, 500}, {"WIDE", "", {"bfloat16"}, 1000, 500}};
  target.device = "ONE", target.precision = "int8";
  CHECK(said(700, 300).empty());
  target.precision = "float16";
  REQUIRE(said(700, 300).size() == 2);
  CHECK(said(700, 300)[0].found == "700 at 2 bytes each, float16");
  CHECK(said(1100, 100)[0].severity == Severity::error);
  target.device = "WIDE", target.precision = "bfloat16";
  CHECK(said(700, 300).empty());
}
