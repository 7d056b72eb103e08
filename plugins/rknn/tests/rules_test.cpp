// What the NPUs take of a graph, and what is written for the toolkit.
#include "rules.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <lathe/plugin.hpp>
#include <nlohmann/json.hpp>

#include "tool.hpp"

using namespace lathe;
using namespace lathe::rknn;

namespace {

using Make = std::function<void(sdk::GraphBuilder&, uint32_t input, uint32_t output)>;

// What is against the one node that `make` adds to a graph with an input of 1x8x16x16; "" when nothing is.
std::string against(const Make& make, sdk::Shape out = {1, 8, 16, 16}, const char* device = "RK3588", bool quantised = false) {
  sdk::GraphBuilder graph;
  const uint32_t input = graph.add_input("images", LATHE_FLOAT32, sdk::Shape{1, 8, 16, 16}), output = graph.add_value("y", LATHE_FLOAT32, out);
  make(graph, input, output);
  graph.add_output(output);
  const sdk::GraphView view(&graph.layout());
  return sdk::objection(rules(device, quantised), view, view.node(0));
}
uint32_t floats(sdk::GraphBuilder& g, std::vector<int64_t> shape, float value = 0.5f) {
  size_t count = 1;
  for (const int64_t d : shape) count *= static_cast<size_t>(d);
  return g.add_constant("w", sdk::TensorData::of(LATHE_FLOAT32, std::move(shape), std::vector<float>(count, value)));
}
uint32_t integers(sdk::GraphBuilder& g, const char* name, std::vector<int64_t> values) {
  return g.add_constant(name, sdk::TensorData::of(LATHE_INT64, {static_cast<int64_t>(values.size())}, values));
}
Make convolution(std::vector<int64_t> weights, std::vector<int64_t> strides = {1, 1}, int64_t groups = 1) {
  return [=](sdk::GraphBuilder& g, uint32_t x, uint32_t y) {
    g.add_node("Conv", {x, floats(g, weights)}, {y}).set("strides", strides).set("group", groups);
  };
}
Make resizing(const char* mode, const char* places) {
  return [=](sdk::GraphBuilder& g, uint32_t x, uint32_t y) {
    g.add_node("Resize", {x, LATHE_NONE, floats(g, {4}, 2)}, {y}).set("mode", mode).set("coordinate_transformation_mode", places);
  };
}
Make power(float exponent) {
  return [=](sdk::GraphBuilder& g, uint32_t x, uint32_t y) { g.add_node("Pow", {x, floats(g, {1}, exponent)}, {y}); };
}
Make slicing(int64_t step) {
  return [=](sdk::GraphBuilder& g, uint32_t x, uint32_t y) {
    g.add_node("Slice", {x, integers(g, "b", {0}), integers(g, "e", {16}), integers(g, "a", {3}), integers(g, "s", {step})}, {y});
  };
}
Make plain(const char* op) {
  return [=](sdk::GraphBuilder& g, uint32_t x, uint32_t y) { g.add_node(op, {x}, {y}); };
}
Make softmax(int64_t axis) {
  return [=](sdk::GraphBuilder& g, uint32_t x, uint32_t y) { g.add_node("Softmax", {x}, {y}).set("axis", axis); };
}
bool has(const std::string& text, const char* part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("said: " << text);
  return found;
}

}  // namespace

TEST_CASE("a network's usual nodes are taken") {
  for (const char* op : {"Relu", "Sigmoid", "Swish", "HardSwish", "Mish", "Tanh", "LeakyRelu", "Sqrt"}) CHECK(against(plain(op)).empty());
  CHECK(against(convolution({8, 8, 3, 3})).empty());
  CHECK(against(convolution({8, 1, 7, 7}, {1, 1}, 8)).empty());
  CHECK(against(resizing("nearest", "asymmetric"), {1, 8, 32, 32}).empty());
  CHECK(against(resizing("linear", "half_pixel"), {1, 8, 32, 32}).empty());
  CHECK(against(slicing(1)).empty());
  CHECK(against(power(2)).empty());
}

TEST_CASE("what is beyond the NPU's limits is refused with the limit") {
  CHECK(has(against(convolution({8, 8, 33, 33})), "at most 31"));
  CHECK(has(against(convolution({8, 8, 3, 3}, {8, 8})), "strides 1 to 7"));
  CHECK(has(against(convolution({8, 1, 9, 9}, {1, 1}, 8)), "depthwise"));
  CHECK(has(against(resizing("linear", "asymmetric"), {1, 8, 32, 32}), "asymmetric"));
  CHECK(has(against(resizing("nearest", "asymmetric"), {1, 8, 24, 24}), "whole factors"));
  CHECK(has(against(resizing("nearest", "asymmetric"), {1, 8, 160, 160}), "2 to 8"));
  CHECK(has(against(slicing(2)), "takes step 1"));
  CHECK(has(against([](auto& g, uint32_t, uint32_t y) {
              const uint32_t four = g.add_input("four", LATHE_FLOAT32, sdk::Shape{4, 8, 16, 16});
              g.add_node("Slice", {four, integers(g, "b", {0}), integers(g, "e", {8}), integers(g, "a", {3})}, {y});
            }),
            "a batch of one"));
  CHECK(has(against(power(4)), "exponent"));
  CHECK(has(against([](auto& g, uint32_t x, uint32_t y) {
              g.add_node("MaxPool", {x}, {y}).set("kernel_shape", std::vector<int64_t>{9, 9});
            }),
            "1 to 7"));
  CHECK(has(against([](auto& g, uint32_t x, uint32_t y) {
              g.add_node("AveragePool", {x}, {y}).set("kernel_shape", std::vector<int64_t>{2, 2}).set("ceil_mode", int64_t{1});
            }),
            "ceil_mode"));
}

TEST_CASE("what the toolkit's list does not have is refused") {
  for (const char* op : {"TopK", "NonMaxSuppression", "Einsum", "GridSample", "Round", "ReduceL2", "Trilu"})
    CHECK(has(against(plain(op)), "the NPU has no"));
  CHECK_THROWS_WITH(against(plain("QuantizeLinear")), "the model is quantised already, and rknn-toolkit2 quantises by itself");
}

TEST_CASE("what depends on the chip and on the precision") {
  CHECK(against(softmax(1)).empty());
  CHECK(has(against(softmax(2)), "axis is 1 or 3"));
  CHECK(against(softmax(2), {1, 8, 16, 16}, "RK3566").empty());  // on the processor, any axis
  const Make division = [](auto& g, uint32_t x, uint32_t y) { g.add_node("Div", {x, x}, {y}); };
  CHECK(against(division).empty());
  CHECK(has(against(division, {1, 8, 16, 16}, "RK3588", true), "float16"));
}

TEST_CASE("what is taken and yet runs on the board's processor") {
  const auto processor = [](const Make& make, sdk::Shape in, const char* device) {
    sdk::GraphBuilder graph;
    const uint32_t input = graph.add_input("images", LATHE_FLOAT32, in), output = graph.add_value("y", LATHE_FLOAT32, in);
    make(graph, input, output);
    graph.add_output(output);
    const sdk::GraphView view(&graph.layout());
    return on_processor(device, view, view.node(0));
  };
  CHECK(has(processor(softmax(1), {1, 8, 16, 16}, "RK3566"), "no softmax"));
  CHECK(processor(softmax(1), {1, 8, 16, 16}, "RK3588").empty());
  CHECK(has(processor(plain("Transpose"), {1, 8, 16, 16}, "RK3568"), "few transpositions"));
  CHECK(processor(plain("Transpose"), {1, 8, 16, 16}, "RK3588").empty());
  CHECK(has(processor(plain("GlobalAveragePool"), {1, 8, 7, 8}, "RK3588"), "up to 7x7"));
  CHECK(processor(plain("GlobalAveragePool"), {1, 8, 7, 7}, "RK3566").empty());
  CHECK(processor(plain("Relu"), {1, 8, 16, 16}, "RK3566").empty());
}

TEST_CASE("what the toolkit is told") {
  Order order;
  order.device = "RK3566", order.inputs = {"images"}, order.shapes = {{1, 3, 8, 8}}, order.outputs = {"a", "b"};
  order.mean = {{0, 0, 0}}, order.spread = {{255, 255, 255}};
  nlohmann::json text = nlohmann::json::parse(order_text(order));
  CHECK(text["config"]["target_platform"] == "rk3566");
  CHECK(text["config"]["std_values"] == nlohmann::json({{255.0, 255.0, 255.0}}));
  CHECK_FALSE(text["config"].contains("quantized_dtype"));
  CHECK(text["samples"].empty());
  order.quantised = true, order.samples = {{"calibration/000000.png"}, {"calibration/000001.png"}};
  text = nlohmann::json::parse(order_text(order));
  CHECK(text["config"]["quantized_dtype"] == "w8a8");
  CHECK(text["samples"] == nlohmann::json({{"calibration/000000.png"}, {"calibration/000001.png"}}));
  const sdk::ToolPlan steps = plan("RK3566");
  CHECK(steps.target == "rknn:rk3566");
  CHECK_FALSE(sdk::run_script(steps).empty());  // every pattern means the same to a shell
}
