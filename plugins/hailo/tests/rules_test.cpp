// What is taken of a graph and what is not, with the reason.
#include "../rules.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <lathe/plugin.hpp>
#include <limits>

using namespace lathe;
using namespace lathe::hailo;

namespace {

// What is against the one node that `make` adds to a graph with an input of 1x8x16x16; "" when nothing is.
std::string against(const std::function<void(sdk::GraphBuilder&, uint32_t input, uint32_t output)>& make, sdk::Shape out = {1, 8, 16, 16}) {
  sdk::GraphBuilder graph;
  const uint32_t input = graph.add_input("images", LATHE_FLOAT32, sdk::Shape{1, 8, 16, 16}), output = graph.add_value("y", LATHE_FLOAT32, out);
  make(graph, input, output);
  graph.add_output(output);
  const sdk::GraphView view(&graph.layout());
  return sdk::objection(rules(), view, view.node(0));
}
uint32_t floats(sdk::GraphBuilder& g, std::vector<int64_t> shape, float value = 0.5f) {
  size_t count = 1;
  for (const int64_t d : shape) count *= static_cast<size_t>(d);
  return g.add_constant("w", sdk::TensorData::of(LATHE_FLOAT32, std::move(shape), std::vector<float>(count, value)));
}
uint32_t integers(sdk::GraphBuilder& g, const char* name, std::vector<int64_t> values) {
  return g.add_constant(name, sdk::TensorData::of(LATHE_INT64, {static_cast<int64_t>(values.size())}, values));
}
bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a network's usual nodes are taken") {
  for (const char* op : {"Relu", "Sigmoid", "HardSwish", "Mish", "Tanh", "Swish", "Gelu", "LeakyRelu"})
    CHECK(against([&](auto& g, uint32_t x, uint32_t y) { g.add_node(op, {x}, {y}); }).empty());
  CHECK(against([](auto& g, uint32_t x, uint32_t y) {
          g.add_node("Conv", {x, floats(g, {8, 8, 3, 3})}, {y}).set("pads", std::vector<int64_t>{1, 1, 1, 1});
        }).empty());
  CHECK(against([](auto& g, uint32_t x, uint32_t y) { g.add_node("Concat", {x, x}, {y}).set("axis", 1); }, {1, 16, 16, 16}).empty());
  CHECK(against(
            [](auto& g, uint32_t x, uint32_t y) {
              g.add_node("MaxPool", {x}, {y}).set("kernel_shape", std::vector<int64_t>{2, 2});
            },
            {1, 8, 15, 15})
            .empty());
  CHECK(against([](auto& g, uint32_t x, uint32_t y) { g.add_node("Reshape", {x, integers(g, "s", {1, 2, 4, 256})}, {y}); }, {1, 2, 4, 256}).empty());
}

TEST_CASE("what the chip has not is refused with a reason") {
  CHECK(has(against([](auto& g, uint32_t x, uint32_t y) {
              g.add_node("TopK", {x, integers(g, "k", {3})}, {y});
            }),
            "the Dataflow Compiler has no TopK"));
  CHECK(has(against([](auto& g, uint32_t x, uint32_t y) { g.add_node("NonMaxSuppression", {x, x}, {y}); }), "has no NonMaxSuppression"));
  CHECK(has(against([](auto& g, uint32_t x, uint32_t y) { g.add_node("Conv", {x, x}, {y}); }), "its weights must be constants"));
  CHECK(has(against([](auto& g, uint32_t x, uint32_t y) {
              g.add_node("Conv", {x, floats(g, {8, 8, 3, 3})}, {y}).set("auto_pad", "SAME_UPPER");
            }),
            "padding must be explicit"));
  CHECK(has(against([](auto& g, uint32_t x, uint32_t y) { g.add_node("Resize", {x}, {y}).set("mode", "cubic"); }),
            "takes mode nearest or linear, and this one has cubic"));
  CHECK(has(against(
                [](auto& g, uint32_t x, uint32_t y) {
                  g.add_node("Transpose", {x}, {y}).set("perm", std::vector<int64_t>{1, 0, 2, 3});
                },
                {8, 1, 16, 16}),
            "it leaves the picture's dimension in front"));
  CHECK(has(against([](auto& g, uint32_t x, uint32_t y) {
              g.add_node("Slice", {x, integers(g, "b", {0}), integers(g, "e", {16}), integers(g, "a", {2}), integers(g, "t", {3})}, {y});
            }),
            "this one has step 3"));
  CHECK(has(against([](auto& g, uint32_t x, uint32_t y) {
              g.add_node("MaxPool", {x}, {y}).set("dilations", std::vector<int64_t>{2, 2});
            }),
            "takes dilations 1, and this one has 2"));
  CHECK(has(against([](auto& g, uint32_t x, uint32_t y) { g.add_node("Relu", {x}, {y}); }, {"n", 8, 16, 16}), "'y' has open ones"));
}

TEST_CASE("parameters that are no numbers are found") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1.0f}) {
    sdk::GraphBuilder g;
    const uint32_t x = g.add_input("x", LATHE_FLOAT32, sdk::Shape{1, 8, 4, 4}), y = g.add_value("y", LATHE_FLOAT32, sdk::Shape{1, 8, 4, 4});
    g.add_node("Conv", {x, floats(g, {8, 8, 1, 1}, bad)}, {y});
    const sdk::GraphView view(&g.layout());
    CHECK(unfinite_parameter(view.node(0)) == (std::isfinite(bad) ? "" : "w"));
  }
}
