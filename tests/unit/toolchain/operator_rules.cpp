// Tables of operators, and the part of a graph that a device compiles.
#include "lathe/operator_rules.hpp"

#include <doctest/doctest.h>

#include "lathe/plugin.hpp"

using namespace lathe::sdk;

namespace {

std::string odd(const GraphView&, const NodeView& node) { return node.name() == "odd" ? "this one is odd" : ""; }

const OperatorRules& rules() {
  static const OperatorRules& all = *new OperatorRules{"the X1",
                                                       {{"Conv", {{"group", 1, 1, 1}, {"strides", 1, 15, 1}}, {{"auto_pad", {"NOTSET"}, "NOTSET"}}},
                                                        {"HardSigmoid", {}, {}, {{"alpha", 0.16666f, 1e-3f, 0.2f}}},
                                                        {"Relu", {}, {}, {}, &odd}}};
  return all;
}

// x -> a chain of operators, each with its name.
class Chain {
 public:
  Chain() : last_(graph_.add_input("x", LATHE_FLOAT32, Shape{1, 8})) {}
  NodeData& add(const std::string& op, const std::string& name) { return add_from(last_, op, name, &last_); }
  NodeData& add_from(uint32_t from, const std::string& op, const std::string& name, uint32_t* result) {
    const uint32_t out = graph_.add_value("out of " + name, LATHE_FLOAT32);
    NodeData& node = graph_.add_node(op, {from}, {out}, name);
    *result = out;
    return node;
  }
  uint32_t last() const { return last_; }
  GraphBuilder& graph() { return graph_; }
  std::vector<std::string> judged() { return objections(rules(), GraphView(&graph_.layout())); }

 private:
  GraphBuilder graph_;
  uint32_t last_;
};

bool has(const std::string& text, const char* part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("said: " << text);
  return found;
}

}  // namespace

TEST_CASE("what a table says against a node") {
  const auto said = [](const std::string& op, const std::string& name, auto change) {
    Chain chain;
    change(chain.add(op, name));
    return chain.judged()[0];
  };
  const auto nothing = [](NodeData&) {};
  CHECK(said("Conv", "c", nothing).empty());
  CHECK(has(said("Conv", "c", [](NodeData& n) { n.set("group", 2); }), "the X1's Conv takes group 1, and this one has 2"));
  CHECK(has(said("Conv", "c", [](NodeData& n) { n.set("strides", std::vector<int64_t>{1, 16}); }), "strides 1 to 15, and this one has 16"));
  CHECK(has(said("Conv", "c", [](NodeData& n) { n.set("auto_pad", "SAME_UPPER"); }), "auto_pad NOTSET, and this one has SAME_UPPER"));
  CHECK(has(said("HardSigmoid", "h", nothing), "alpha 0.16"));
  CHECK(said("HardSigmoid", "h", [](NodeData& n) { n.set("alpha", 1.f / 6); }).empty());
  CHECK(has(said("Relu", "odd", nothing), "odd"));
  CHECK(has(said("NonZero", "n", nothing), "the X1 has no NonZero"));
}

TEST_CASE("one connected part stays: the largest") {
  Chain chain;
  chain.add("Relu", "r1");
  chain.add("NonZero", "middle");
  chain.add("Relu", "r2");
  chain.add("Relu", "r3");
  chain.add("Exp", "end");
  chain.add("Relu", "r4");
  const std::vector<std::string> said = chain.judged();
  CHECK(has(said[0], "one connected part"));
  CHECK(has(said[1], "has no NonZero"));
  CHECK(said[2].empty());
  CHECK(said[3].empty());
  CHECK(has(said[5], "with 'end' in between"));
}

TEST_CASE("a branch around a refused node does not make a circle") {
  // a -> NonZero -> sum, a -> sum: `sum` cannot be compiled together with `a`.
  Chain chain;
  chain.add("Relu", "a0");
  chain.add("Relu", "a");
  const uint32_t a = chain.last();
  chain.add("NonZero", "middle");
  const uint32_t middle = chain.last(), sum = chain.graph().add_value("sum", LATHE_FLOAT32);
  chain.graph().add_node("Relu", {a, middle}, {sum}, "both");
  const std::vector<std::string> said = chain.judged();
  CHECK(said[0].empty());
  CHECK(said[1].empty());
  CHECK(has(said[3], "with 'middle' in between"));
}
