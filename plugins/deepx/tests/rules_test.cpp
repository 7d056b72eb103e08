// What the M1A takes.
#include "../rules.hpp"

#include <doctest/doctest.h>

#include <lathe/plugin.hpp>

using namespace lathe::sdk;
using lathe::deepx::rules;

namespace {

// One node over inputs of these shapes; what the table says.
class Node {
 public:
  explicit Node(std::string op) : op_(std::move(op)) {}
  Node& input(Shape shape) {
    inputs_.push_back(graph_.add_input("i" + std::to_string(inputs_.size()), LATHE_FLOAT32, std::move(shape)));
    return *this;
  }
  Node& weights(std::vector<int64_t> dimensions) {
    int64_t count = 1;
    for (const int64_t d : dimensions) count *= d;
    inputs_.push_back(graph_.add_constant("w", TensorData::of(LATHE_FLOAT32, std::move(dimensions), std::vector<float>(static_cast<size_t>(count)))));
    return *this;
  }
  Node& axes(std::vector<int64_t> values) {
    const auto count = static_cast<int64_t>(values.size());
    inputs_.push_back(graph_.add_constant("axes", TensorData::of(LATHE_INT64, {count}, std::move(values))));
    return *this;
  }
  Node& absent() {
    inputs_.push_back(LATHE_NONE);
    return *this;
  }
  // `user`: an operator that reads the node's output.
  template <class Change>
  std::string said(Shape output, Change change, const char* user = nullptr) {
    const uint32_t out = graph_.add_value("out", LATHE_FLOAT32, output);
    change(graph_.add_node(op_, inputs_, {out}, "n"));
    if (user) graph_.add_node(user, {out}, {graph_.add_value("end", LATHE_FLOAT32, output)}, "user");
    graph_.add_output(out);
    const GraphView view(&graph_.layout());
    return objection(rules(), view, view.node(0));
  }
  std::string said(Shape output) {
    return said(std::move(output), [](NodeData&) {});
  }

 private:
  std::string op_;
  GraphBuilder graph_;
  std::vector<uint32_t> inputs_;
};

bool has(const std::string& text, const char* part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("said: " << text);
  return found;
}
const Shape picture = {1, 8, 80, 80};

std::string conv(std::vector<int64_t> weights, const char* key, std::vector<int64_t> values, int64_t group = 1) {
  return Node("Conv").input(picture).weights(std::move(weights)).said(picture, [&](NodeData& n) {
    n.set("group", group);
    if (key) n.set(key, values);
  });
}

}  // namespace

TEST_CASE("convolutions: kernels, strides, pads, dilations, depthwise") {
  CHECK(conv({8, 8, 3, 3}, nullptr, {}).empty());
  CHECK(conv({8, 8, 15, 15}, "strides", {15, 15}).empty());
  CHECK(has(conv({8, 8, 16, 3}, nullptr, {}), "kernels up to 15"));
  CHECK(has(conv({8, 8, 3, 3}, "strides", {16, 1}), "strides 1 to 15"));
  CHECK(has(conv({8, 8, 3, 3}, "pads", {0, 0, 64, 0}), "pads 0 to 63"));
  CHECK(has(conv({8, 8, 3, 3}, "dilations", {64, 1}), "dilations 1 to 63"));
  CHECK(conv({8, 1, 5, 5}, nullptr, {}, 8).empty());
  CHECK(has(conv({8, 1, 7, 7}, nullptr, {}, 8), "3x3 or 5x5"));
  CHECK(has(Node("Conv").input({1, 8, 80}).weights({8, 8, 3}).said({1, 8, 80}), "two axes"));
}

TEST_CASE("sizes of pictures") {
  CHECK(has(Node("Relu").input({1, 8, 8192, 80}).said({1, 8, 8192, 80}), "8191 each way"));
  CHECK(has(Node("Relu").input({1, 32768, 1, 1}).said({1, 32768, 1, 1}), "takes 32767"));
  CHECK(has(Node("Relu").input({"n", 8}).said({"n", 8}), "open dimensions"));
  CHECK(Node("Relu").input(picture).said(picture).empty());
  CHECK(has(Node("Relu").input({4, 8, 80, 80}).said({4, 8, 80, 80}), "one item at a time"));
  // What is read counts, not only what is written.
  const auto halved = [](NodeData& n) { n.set("kernel_shape", std::vector<int64_t>{2, 2}).set("strides", std::vector<int64_t>{2, 2}); };
  CHECK(has(Node("MaxPool").input({1, 8, 9000, 80}).said({1, 8, 4500, 40}, halved), "8191 each way"));
}

TEST_CASE("transposed convolutions and resizing") {
  const auto transposed = [](std::vector<int64_t> strides, std::vector<int64_t> padding) {
    return Node("ConvTranspose").input(picture).weights({8, 8, 4, 4}).said({1, 8, 160, 160}, [&](NodeData& n) {
      n.set("strides", strides).set("output_padding", padding);
    });
  };
  CHECK(transposed({2, 2}, {0, 0}).empty());
  CHECK(has(transposed({1, 1}, {0, 0}), "strides 2 to 8"));
  CHECK(has(transposed({2, 4}, {0, 0}), "one stride"));
  CHECK(has(transposed({2, 2}, {1, 1}), "output_padding 0"));
  const auto resize = [](const char* mode, const char* coordinates, int64_t size) {
    return Node("Resize").input(picture).absent().absent().said(
        {1, 8, size, size}, [&](NodeData& n) { n.set("mode", mode).set("coordinate_transformation_mode", coordinates); });
  };
  CHECK(resize("nearest", "asymmetric", 160).empty());
  CHECK(resize("linear", "pytorch_half_pixel", 160).empty());
  CHECK(has(resize("linear", "asymmetric", 160), "pytorch_half_pixel"));
  CHECK(has(resize("linear", "align_corners", 160), "pytorch_half_pixel"));
  CHECK(has(resize("nearest", "asymmetric", 120), "whole numbers"));
  CHECK(has(resize("cubic", "half_pixel", 160), "nearest or linear"));
}

TEST_CASE("softmax, reductions, padding, arithmetic") {
  const auto softmax = [](int64_t length) { return Node("Softmax").input({1, 4, length}).said({1, 4, length}); };
  CHECK(softmax(4080).empty());
  CHECK(has(softmax(4081), "over 4081"));
  CHECK(Node("ReduceMean").input(picture).axes({-2, -1}).said({1, 8, 1, 1}).empty());
  CHECK(Node("ReduceMean").input(picture).axes({1}).said({1, 1, 80, 80}).empty());
  CHECK(has(Node("ReduceMean").input(picture).axes({2}).said({1, 8, 1, 80}), "whole pictures"));
  CHECK(has(Node("ReduceSum").input(picture).axes({2, 3}).said({1, 8, 1, 1}), "over the channels"));
  CHECK(Node("Pad")
            .input(picture)
            .said(
                picture, [](NodeData&) {}, "MaxPool")
            .empty());
  CHECK(has(Node("Pad").input(picture).said(
                picture, [](NodeData&) {}, "Relu"),
            "convolutions and pools"));
  CHECK(has(Node("Pad").input(picture).said(picture, [](NodeData& n) { n.set("mode", "edge"); }), "constant"));
  CHECK(has(Node("Erf").input(picture).said(
                picture, [](NodeData&) {}, "Mul"),
            "Gelu alone"));
  CHECK(has(Node("Mul").input(picture).input({1, 1, 80, 80}).said(picture), "over the channels"));
  CHECK(Node("Mul").input(picture).input(picture).said(picture).empty());
  CHECK(has(Node("ArgMax").input(picture).said({1, 1, 80, 80}), "last axis"));
  const auto pooled = [](std::vector<int64_t> strides) {
    return [=](NodeData& n) { n.set("kernel_shape", std::vector<int64_t>{2, 2}).set("strides", strides); };
  };
  CHECK(Node("MaxPool").input(picture).said({1, 8, 6, 6}, pooled({15, 15})).empty());
  CHECK(has(Node("MaxPool").input(picture).said({1, 8, 5, 5}, pooled({16, 16})), "strides 1 to 15"));
  CHECK(has(Node("AveragePool").input(picture).said({1, 8, 3, 3}, pooled({32, 32})), "strides 1 to 31"));
  CHECK(has(Node("MaxPool").input({1, 8, 80}).said({1, 8, 40}), "two axes"));
  CHECK(has(Node("Unsqueeze").input(picture).axes({0}).said({1, 1, 8, 80, 80}), "the M1A has no Unsqueeze"));
  CHECK_THROWS_WITH(Node("QuantizeLinear").input(picture).said(picture), "the model is quantised already, and DX-COM quantises by itself");
  CHECK(has(Node("LSTM").input({1, 1, 8}).said({1, 1, 8}), "the M1A has no LSTM"));
}
