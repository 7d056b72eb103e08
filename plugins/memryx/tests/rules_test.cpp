// What is offered to the Neural Compiler, and its command line.
#include "rules.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <lathe/plugin.hpp>

#include "tool.hpp"

using namespace lathe;
using namespace lathe::memryx;

namespace {

// What is against the last of the nodes that `make` adds to a graph with an input of 1x8x16x16.
std::string against(const std::function<void(sdk::GraphBuilder&, uint32_t input, uint32_t output)>& make, sdk::Shape out = {1, 8, 16, 16}) {
  sdk::GraphBuilder graph;
  const uint32_t input = graph.add_input("images", LATHE_FLOAT32, sdk::Shape{1, 8, 16, 16}), output = graph.add_value("y", LATHE_FLOAT32, out);
  make(graph, input, output);
  graph.add_output(output);
  const sdk::GraphView view(&graph.layout());
  return objections(view).back();
}
bool has(const std::string& text, const char* part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("said: " << text);
  return found;
}
std::string line(const Order& order) {
  const sdk::ToolPlan steps = plan(order);
  std::string all;
  for (const std::string& word : steps.runs.at(0).arguments) all += (all.empty() ? "" : " ") + word;
  return all;
}
Order detector() {
  Order order;
  order.inputs = {{"images", {1, 3, 640, 480}}}, order.outputs = {{"boxes", {1, 64, 80, 60}}, {"a,b|c", {1, 80, 80, 60}}};
  order.processes = 6;
  return order;
}

}  // namespace

TEST_CASE("what is offered and what is not") {
  for (const char* op : {"Relu", "Gelu", "Softmax", "Erf", "Mish"})
    CHECK(against([&](auto& g, uint32_t x, uint32_t y) { g.add_node(op, {x}, {y}); }).empty());
  for (const char* op : {"TopK", "NonMaxSuppression", "NonZero", "LSTM"})
    CHECK(has(against([&](auto& g, uint32_t x, uint32_t y) { g.add_node(op, {x}, {y}); }), "the MX3 computes on streams"));
  CHECK(has(against([](auto& g, uint32_t x, uint32_t y) { g.add_node("Relu", {x}, {y}); }, {4, 8, 16, 16}), "one item at a time"));
  CHECK_THROWS_WITH(against([](auto& g, uint32_t x, uint32_t y) { g.add_node("QuantizeLinear", {x}, {y}); }),
                    "the model is quantised already, and the Neural Compiler quantises weights itself: done twice, accuracy is lost");
}

TEST_CASE("the command line") {
  Order order = detector();
  order.version = sdk::ToolVersion::parse("2.2.5");
  CHECK(line(order) == "-m model.onnx -c 4 --dfp_fname model.dfp --model_in_out model_in_out.json -is 1,3,640,480 -e normal -j 6 -v");
  order.version = sdk::ToolVersion::parse("2.1");
  CHECK(has(line(order), "-is 640,480,3"));
  CHECK(line(order).find("--extensions") == std::string::npos);
  order.attention = true;
  CHECK(has(line(order), "--extensions Yolov10"));
  order.version = sdk::ToolVersion::parse("2.2");
  CHECK(line(order).find("--extensions") == std::string::npos);
  order.extensions = "mine.nce", order.double_precision = true, order.processes = 0, order.chips = 8;
  CHECK(has(line(order), "-c 8"));
  CHECK(has(line(order), "-j max --extensions mine.nce --exp_auto_dp"));
  for (const char* version : {"2.0", "2.1", "2.2"}) {
    order.version = sdk::ToolVersion::parse(version);
    CHECK(line(order).find("autocrop") == std::string::npos);
  }
  // In a bundle the version is not known: the model's own shape has to serve.
  order.version = {};
  CHECK(line(order).find("-is") == std::string::npos);
  CHECK_FALSE(sdk::run_script(plan(order)).empty());  // every pattern means the same to a shell
}

TEST_CASE("cut points are tensors' names, whatever they are") {
  CHECK(borders_text(detector()) == "{\n  \"inputs\": [\n    \"images\"\n  ],\n  \"outputs\": [\n    \"boxes\",\n    \"a,b|c\"\n  ]\n}\n");
}
