// Building and changing graphs, and what verify() finds.
#include "core/ir/graph.hpp"

#include <doctest/doctest.h>

#include "core/base/diagnostic.hpp"
#include "core/ir/compare.hpp"
#include "core/ir/text.hpp"

using namespace lathe;

namespace {

ValueId id(const Graph& graph, const std::string& name) {
  for (ValueId v = 0; v < graph.values.size(); ++v) {
    if (graph.values[v].name == name) return v;
  }
  FAIL("no value " << name);
  return none;
}

const char* const diamond = R"(
  g (float[4] x) => (float[4] y)
  <float[4] w = {1, 2, 3, 4}>
  {
    [r] a = Relu(x)
    [n] b = Neg(a)
    [m] c = Mul(a, w)
    [s] y = Add(b, c)
  })";

const char* const nested = R"(
  g (bool c, float[4] x) => (float[4] y)
  {
    [r] a = Relu(x)
    [i] y = If(c) <then_branch = t () => (float[4] p) { [tn] p = Neg(a) },
                   else_branch = e () => (float[4] q) { [en] q = If(c) <then_branch = tt () => (float[4] u) { [k] u = Add(a, x) },
                                                                       else_branch = ee () => (float[4] v) { [l] v = Sub(a, x) }> }>
  })";

// What verify says of the graph after `damage`.
template <class Damage>
std::string broken(const char* text, Damage damage) {
  Graph graph = parse_text(text);
  CHECK_NOTHROW(verify(graph));
  damage(graph);
  try {
    verify(graph);
  } catch (const Error& error) {
    CHECK(error.code == Code::internal);
    return error.what();
  }
  return "";
}

bool has(const std::string& text, const char* part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

Graph& branch(Graph& graph, const char* name) { return *std::get<Attribute::Subgraph>(graph.nodes[1].attributes.find(name)->second.value); }

}  // namespace

TEST_CASE("verify finds each broken invariant and names it") {
  CHECK(has(broken(diamond, [](Graph& g) { g.values[2].name.clear(); }), "has no name"));
  CHECK(has(broken(diamond, [](Graph& g) { g.values[2].name = g.values[0].name; }), "two values have the name 'x'"));
  CHECK(has(broken(diamond, [](Graph& g) { g.nodes[2].name = "r"; }), "two nodes have the name 'r'"));
  CHECK(has(broken(diamond, [](Graph& g) { g.nodes[1].name.clear(); }), "node 1 has no name"));
  CHECK(has(broken(diamond, [](Graph& g) { g.nodes[1].op_type.clear(); }), "marked as removed"));
  CHECK(has(broken(diamond, [](Graph& g) { g.nodes[1].outputs = g.nodes[0].outputs; }), "is a node's output twice"));
  CHECK(has(broken(diamond, [](Graph& g) { g.inputs.push_back(id(g, "w")); }), "both a graph input and a constant"));
  CHECK(has(broken(diamond, [](Graph& g) { g.inputs.push_back(id(g, "c")); }), "both a graph input and a node's output"));
  CHECK(has(broken(diamond, [](Graph& g) { g.inputs.push_back(g.inputs[0]); }), "a graph input twice"));
  CHECK(has(broken(diamond, [](Graph& g) { g.nodes[0].inputs[0] = 99; }), "value 99"));
  CHECK(has(broken(diamond, [](Graph& g) { g.outputs[0] = 99; }), "value 99"));
  CHECK(has(broken(diamond, [](Graph& g) { std::swap(g.nodes[0], g.nodes[1]); }), "not in topological order"));
  CHECK(has(broken(diamond, [](Graph& g) { g.nodes.pop_back(); }), "output 'y' is made by nothing"));
  CHECK(has(broken(diamond, [](Graph& g) { g.nodes.erase(g.nodes.begin()); }), "'a' (value 2) is made by nothing"));
  CHECK(has(broken(diamond, [](Graph& g) { g.values[id(g, "w")].constant->dimensions = {5}; }), "has 16 bytes"));
  CHECK(has(broken(diamond, [](Graph& g) { g.values[id(g, "w")].type.element = DataType::int32; }), "but holds float"));
  CHECK(has(broken(diamond, [](Graph& g) { g.captures.push_back({0, 0}); }), "outermost graph has captures"));
  CHECK(has(broken(nested, [](Graph& g) { branch(g, "then_branch").captures[0].outer = 99; }), "outer value 99"));
  CHECK(has(broken(nested, [](Graph& g) { branch(g, "then_branch").captures[0].outer = id(g, "y"); }), "not known before the node"));
  CHECK(has(broken(nested, [](Graph& g) { branch(g, "then_branch").captures.clear(); }), "graph 'then_branch' of node 'i'"));
  CHECK(has(broken(nested, [](Graph& g) { g.nodes[1].attributes["else_branch"] = g.nodes[1].attributes["then_branch"]; }), "shares its graph"));
  CHECK(has(broken(nested, [](Graph& g) { g.nodes[1].attributes["else_branch"].value = Attribute::Subgraph(); }), "holds no graph"));
}

TEST_CASE("names are made unique, also when asked for a hundred thousand times") {
  Graph graph;
  CHECK(graph.values[graph.add_value("x")].name == "x");
  CHECK(graph.values[graph.add_value("x")].name == "x_1");
  CHECK(graph.fresh_value_name("x") == "x_2");
  CHECK(graph.fresh_value_name("x") == "x_2");  // asking takes nothing
  graph.rename_value(0, "x_2");
  CHECK(graph.fresh_value_name("x") == "x_3");
  CHECK(graph.values[graph.add_value("")].name == "value");
  CHECK(graph.add_node("Conv", {}, {}).name == "Conv");
  CHECK(graph.add_node("Conv", {}, {}).name == "Conv_1");
  CHECK(graph.add_node("Conv", {}, {}, "mine").name == "mine");
  for (int i = 0; i < 100000; ++i) graph.add_node("Relu", {}, {graph.add_value("y")});
  CHECK(graph.nodes.back().name == "Relu_99999");
  CHECK(graph.values.back().name == "y_99999");
}

TEST_CASE("uses know producers, users, outputs and captures") {
  const Graph graph = parse_text(nested);
  const Uses uses(graph);
  CHECK(uses.producer[id(graph, "x")] == none);
  CHECK(uses.producer[id(graph, "a")] == 0);
  CHECK(uses.users[id(graph, "a")] == std::vector<NodeId>{1, 1});  // both branches capture it
  CHECK(uses.users[id(graph, "c")] == std::vector<NodeId>{1, 1});  // the condition, and the inner If's
  CHECK(uses.output[id(graph, "y")]);
  CHECK_FALSE(uses.output[id(graph, "a")]);
}

TEST_CASE("replacing a value reaches inputs, captures and outputs, and keeps the output's name") {
  Graph graph = parse_text(nested);
  CHECK(replace_value(graph, id(graph, "a"), id(graph, "x")));
  CHECK(Uses(graph).users[id(graph, "a")].empty());
  CHECK(branch(graph, "then_branch").captures[0].outer == id(graph, "x"));

  graph = parse_text("g (float[4] x) => (float[4] y) { [r] a = Relu(x) [i] y = Identity(a) }");
  CHECK(replace_value(graph, id(graph, "y"), id(graph, "a")));
  CHECK(graph.values[graph.outputs[0]].name == "y");
  CHECK(graph.outputs[0] == graph.nodes[0].outputs[0]);
  CHECK(to_string(graph.values[graph.outputs[0]].type) == "float[4]");

  graph = parse_text("g (float[4] x) => (float[4] y, float[4] a) <float[4] w = {1,2,3,4}> { [i] y = Identity(x) [r] a = Relu(y) }");
  CHECK_FALSE(replace_value(graph, id(graph, "y"), id(graph, "x")));
  CHECK_FALSE(replace_value(graph, id(graph, "y"), id(graph, "w")));
  CHECK_FALSE(replace_value(graph, id(graph, "y"), id(graph, "a")));
  CHECK(graph.outputs[0] == id(graph, "y"));
}

TEST_CASE("compact drops what is not referred to and sorts, stably") {
  Graph graph = parse_text(diamond);
  graph.add_value("left over");
  graph.nodes.push_back(Node());
  std::swap(graph.nodes[0], graph.nodes[3]);
  compact(graph);
  CHECK_NOTHROW(verify(graph));
  CHECK(difference(graph, parse_text(diamond)).empty());

  graph = parse_text(nested);
  branch(graph, "then_branch").nodes[0].inputs[0] = branch(graph, "then_branch").add_constant("k", Tensor::allocate(DataType::float32, {4}));
  compact(graph);
  CHECK(branch(graph, "then_branch").captures.empty());
  CHECK_NOTHROW(verify(graph));
}

TEST_CASE("compact names a node of a cycle") {
  Graph graph = parse_text(diamond);
  graph.nodes[0].inputs[0] = id(graph, "b");
  try {
    compact(graph);
    FAIL("a cycle went unnoticed");
  } catch (const Error& error) {
    CHECK(error.code == Code::failed);
    CHECK(has(error.what(), "node 'r' (Relu)"));
    CHECK(has(error.what(), "cycle"));
  }
}

TEST_CASE("a clone shares nothing that can change") {
  const Graph graph = parse_text(nested);
  Graph copy = clone(graph);
  CHECK(difference(graph, copy).empty());
  branch(copy, "else_branch").nodes[0].op_type = "Loop";
  CHECK(difference(graph, copy).find("If") != std::string::npos);
  CHECK(difference(graph, parse_text(nested)).empty());
}

TEST_CASE("attributes are read with a default, and another type is named") {
  const Node node = parse_text("g () => () { [n] a = Op<i = 3, f = 2.5, s = \"t\", l = [1, 2]>() }").nodes[0];
  CHECK(node.integer("i", 0) == 3);
  CHECK(node.integer("absent", 7) == 7);
  CHECK(node.real("f", 0) == 2.5f);
  CHECK(node.text("s", "") == "t");
  CHECK(node.integers("l") == std::vector<int64_t>{1, 2});
  CHECK_THROWS_WITH_AS(node.integer("l", 0), "error: node 'n' (Op): attribute 'l' has the wrong type; expected an int, found a list of ints", Error);
}
