// Tables of operators.
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
  NodeData& add(const std::string& op, const std::string& name) {
    const uint32_t out = graph_.add_value("out of " + name, LATHE_FLOAT32);
    NodeData& node = graph_.add_node(op, {last_}, {out}, name);
    last_ = out;
    return node;
  }
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

TEST_CASE("every node gets its own sentence") {
  Chain chain;
  chain.add("Relu", "r1");
  chain.add("NonZero", "middle");
  chain.add("Relu", "odd");
  const std::vector<std::string> said = chain.judged();
  CHECK(said[0].empty());
  CHECK(has(said[1], "has no NonZero"));
  CHECK(has(said[2], "odd"));
}
