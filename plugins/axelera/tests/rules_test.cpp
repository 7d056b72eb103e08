// What METIS takes.
#include "../rules.hpp"

#include <doctest/doctest.h>

#include <lathe/plugin.hpp>

using namespace lathe::sdk;
using lathe::axelera::rules;

namespace {

// One node over inputs of these shapes; what the table says.
class Node {
 public:
  explicit Node(std::string op) : op_(std::move(op)) {}
  Node& input(Shape shape) {
    inputs_.push_back(graph_.add_input("i" + std::to_string(inputs_.size()), LATHE_FLOAT32, std::move(shape)));
    return *this;
  }
  template <class T>
  Node& constant(int32_t type, std::vector<int64_t> dimensions, std::vector<T> values) {
    inputs_.push_back(graph_.add_constant("c" + std::to_string(inputs_.size()), TensorData::of(type, std::move(dimensions), values)));
    return *this;
  }
  Node& absent() {
    inputs_.push_back(LATHE_NONE);
    return *this;
  }
  template <class Change>
  std::string said(Shape output, Change change) {
    const uint32_t out = graph_.add_value("out", LATHE_FLOAT32, std::move(output));
    change(graph_.add_node(op_, inputs_, {out}, "n"));
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

}  // namespace

TEST_CASE("convolutions are of one group or depthwise") {
  const auto conv = [](int64_t group, int64_t each) {
    return Node("Conv")
        .input(picture)
        .constant<float>(LATHE_FLOAT32, {8, each, 1, 1}, std::vector<float>(static_cast<size_t>(8 * each)))
        .said(picture, [&](NodeData& n) { n.set("group", group); });
  };
  CHECK(conv(1, 8).empty());
  CHECK(conv(8, 1).empty());
  CHECK(has(conv(2, 4), "one group or depthwise"));
  CHECK(has(Node("Conv").input(picture).input({8, 8, 1, 1}).said(picture, [](NodeData& n) { n.set("auto_pad", "SAME_UPPER"); }), "auto_pad NOTSET"));
  CHECK(has(Node("Conv").input({1, 8, 80}).input({8, 8, 1}).said({1, 8, 80}), "two axes"));
}

TEST_CASE("operands are of one shape, one number, or a number per channel") {
  CHECK(Node("Add").input(picture).input(picture).said(picture).empty());
  CHECK(Node("Mul").input(picture).constant<float>(LATHE_FLOAT32, {}, {2.f}).said(picture).empty());
  CHECK(Node("Mul").input(picture).input({1, 8, 1, 1}).said(picture).empty());
  CHECK(has(Node("Mul").input(picture).input({1, 1, 80, 80}).said(picture), "number per channel"));
}

TEST_CASE("bounds, axes and modes") {
  const auto clip = [](float low, float high) {
    return Node("Clip").input(picture).constant<float>(LATHE_FLOAT32, {}, {low}).constant<float>(LATHE_FLOAT32, {}, {high}).said(picture);
  };
  CHECK(clip(0, 6).empty());
  CHECK(clip(-1, 1).empty());
  CHECK(has(clip(0, 5), "0 to 6"));
  const auto concat = [](int64_t axis) {
    return Node("Concat").input(picture).input(picture).said(picture, [&](NodeData& n) { n.set("axis", axis); });
  };
  CHECK(concat(1).empty());
  CHECK(concat(-3).empty());
  CHECK(has(concat(2), "along the channels"));
  const auto resize = [](const char* mode, int64_t size) {
    return Node("Resize").input(picture).absent().absent().said({1, 8, size, size}, [&](NodeData& n) { n.set("mode", mode); });
  };
  CHECK(resize("nearest", 160).empty());
  CHECK(resize("nearest", 100).empty());
  CHECK(resize("linear", 160).empty());
  CHECK(has(resize("linear", 100), "whole numbers"));
  CHECK(has(resize("cubic", 160), "nearest or linear"));
  CHECK(has(Node("Split").input(picture).said(picture), "split the batch"));
  CHECK(has(Node("Transpose").input(picture).said(picture, [](NodeData& n) { n.set("perm", std::vector<int64_t>{0, 2, 3, 1}); }), "beside products"));
  CHECK(Node("Transpose").input(picture).said(picture, [](NodeData& n) { n.set("perm", std::vector<int64_t>{0, 1, 2, 3}); }).empty());
  CHECK(has(Node("HardSigmoid").input(picture).said(picture), "alpha"));
  CHECK(has(Node("Erf").input(picture).said(picture), "METIS has no Erf"));
  CHECK(has(Node("Relu").input({"batch", 8}).said({"batch", 8}), "open dimensions"));
}

TEST_CASE("types, items and what is quantised already") {
  CHECK(has(Node("Relu").input({2, 8, 80, 80}).said({2, 8, 80, 80}), "one item at a time"));
  CHECK(has(Node("Relu").input({"n", 8, 80, 80}).said({"n", 8, 80, 80}), "open dimensions"));
  CHECK_THROWS_WITH(Node("DequantizeLinear").input({1, 8}).said({1, 8}), "the model is quantised already, and axcompile quantises by itself");
}

TEST_CASE("padding and slices") {
  const auto pad = [](std::vector<int64_t> pads, const char* mode) {
    return Node("Pad").input(picture).constant<int64_t>(LATHE_INT64, {8}, std::move(pads)).said(picture, [&](NodeData& n) { n.set("mode", mode); });
  };
  CHECK(pad({0, 0, 1, 1, 0, 0, 1, 1}, "constant").empty());
  CHECK(has(pad({0, 0, 1, 1, 0, 0, 1, 1}, "reflect"), "with a constant"));
  CHECK(has(pad({0, 1, 1, 1, 0, 0, 1, 1}, "constant"), "channels"));
  CHECK(has(pad({0, 0, 1, 1, 0, 0, 2, 1}, "constant"), "all sides"));
  const auto slice = [](std::vector<int64_t> starts, std::vector<int64_t> steps) {
    const auto count = static_cast<int64_t>(starts.size());
    return Node("Slice")
        .input(picture)
        .constant<int64_t>(LATHE_INT64, {count}, starts)
        .constant<int64_t>(LATHE_INT64, {count}, starts)
        .constant<int64_t>(LATHE_INT64, {count}, starts)
        .constant<int64_t>(LATHE_INT64, {count}, std::move(steps))
        .said(picture);
  };
  CHECK(slice({0}, {1}).empty());
  CHECK(has(slice({0}, {2}), "no steps"));
  CHECK(has(slice({0, 0}, {1, 1}), "one axis"));
}
