// Cutting graphs by fake verdicts: order of preference, convexity, groups, names of what crosses; and the same as properties of random
// graphs.
#include "core/plugin/regions.hpp"

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "core/ir/text.hpp"

using namespace lathe;

namespace {

// Target t takes the operators in takes[t].
std::vector<std::vector<NodeVerdict>> by_operator(const Graph& graph, const std::vector<std::set<std::string>>& takes) {
  std::vector<std::vector<NodeVerdict>> verdicts;
  for (const auto& operators : takes) {
    auto& list = verdicts.emplace_back();
    for (const Node& n : graph.nodes) {
      const bool taken = operators.count(n.op_type) > 0;
      list.push_back({taken, none, taken ? "" : "no kernel for " + n.op_type});
    }
  }
  return verdicts;
}
std::vector<std::string> names_of(const Graph& graph, const std::vector<ValueId>& values) {
  std::vector<std::string> names;
  for (const ValueId v : values) names.push_back(graph.values[v].name);
  return names;
}
const std::vector<std::string> names = {"a", "b", "c"};

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("a graph that one target takes stays one region, unchanged") {
  const Graph g = parse_text("g (float[N] x, float[N] unused) => (float[N] y) { t = Relu(x) y = Abs(t) }");
  const Partition p = cut_regions(g, names, by_operator(g, {{"Relu", "Abs"}, {"Relu"}}));
  REQUIRE(p.regions.size() == 1);
  CHECK(p.regions[0].target == 0);
  CHECK(p.refusals.empty());
  CHECK(to_text(p.regions[0].graph) == to_text(g));
}

TEST_CASE("what the first target does not take goes to the second, as stages with named bindings") {
  const Graph g = parse_text("g (float[N] x) => (float[N] y) { t = Relu(x) u = Abs(t) y = Relu(u) }");
  const Partition p = cut_regions(g, names, by_operator(g, {{"Relu"}, {"Abs", "Relu"}}));
  REQUIRE(p.regions.size() == 3);
  CHECK(p.regions[0].target == 0);
  CHECK(p.regions[1].target == 1);
  CHECK(p.regions[2].target == 0);
  CHECK(names_of(p.regions[1].graph, p.regions[1].graph.inputs) == Strings{"t"});
  CHECK(names_of(p.regions[1].graph, p.regions[1].graph.outputs) == Strings{"u"});
  REQUIRE(p.refusals.size() == 1);
  CHECK(p.refusals[0].reason == "no kernel for Abs");
  for (const Region& r : p.regions) verify(r.graph);
}

TEST_CASE("branches of one target are joined although they stand at different depths") {
  // Relu before and beside Abs: {r} can run with {s} only after Abs, so two regions of target a must not become three.
  const Graph g = parse_text("g (float[N] x) => (float[N] r, float[N] s) { u = Abs(x) s = Relu(u) r = Relu(x) }");
  const Partition p = cut_regions(g, names, by_operator(g, {{"Relu"}, {"Abs"}}));
  CHECK(p.regions.size() == 2);
}

TEST_CASE("a path that leaves and comes back is cut") {
  const Graph g = parse_text("g (float[N] x) => (float[N] y) { t = Relu(x) u = Abs(t) v = Relu(t) y = Add(u, v) }");
  const Partition p = cut_regions(g, names, by_operator(g, {{"Relu", "Add"}, {"Abs"}}));
  REQUIRE(p.regions.size() == 3);
  CHECK(p.regions[1].target == 1);
}

TEST_CASE("nodes of a group stay together or are refused together") {
  const Graph g = parse_text("g (float[N] x) => (float[N] y) { t = Relu(x) u = Abs(t) y = Relu(u) }");
  auto verdicts = by_operator(g, {{"Relu"}, {"Relu", "Abs"}});
  SUBCASE("a group around a foreign node cannot be kept whole") {
    verdicts[0][0].group = verdicts[0][2].group = 7;
    const Partition p = cut_regions(g, names, verdicts);
    REQUIRE(p.regions.size() == 1);
    CHECK(p.regions[0].target == 1);
    CHECK(p.refusals.size() == 3);
  }
  SUBCASE("a group of which another target has a member is refused") {
    verdicts[1][0].group = verdicts[1][1].group = 1;  // b wants Relu and Abs together, but a has Relu
    CHECK_THROWS_AS(cut_regions(g, names, verdicts), Error);
  }
  SUBCASE("a group that can be kept is one region") {
    verdicts[0] = by_operator(g, {{}})[0];
    verdicts[1][0].group = verdicts[1][1].group = 1;
    CHECK(cut_regions(g, names, verdicts).regions.size() == 1);
  }
}

TEST_CASE("nodes that nobody takes are all named, with every target's reason") {
  const Graph g = parse_text("g (float[N] x) => (float[N] y) { t = Sin(x) u = Abs(t) y = Cos(u) }");
  try {
    cut_regions(g, names, by_operator(g, {{"Abs"}, {"Relu", "Abs"}}));
    FAIL("not refused");
  } catch (const Error& e) {
    CHECK(e.code == Code::unsupported);
    REQUIRE(e.diagnostics.size() == 2);
    CHECK(e.diagnostics[0].op_type == "Sin");
    CHECK(e.diagnostics[0].text == "a does not take it: no kernel for Sin; b does not take it: no kernel for Sin");
    CHECK(e.diagnostics[1].op_type == "Cos");
    CHECK(!e.diagnostics[1].hint.empty());
  }
}

TEST_CASE("constants, subgraphs' captures and passed-on outputs cross correctly") {
  const Graph g = parse_text(R"(g (float[2] x, bool c) => (float[2] y, float[2] x) <float[2] w = {1, 2}> {
    t = Relu(x)
    u = Add(t, w)
    y = If(c) <then_branch = a () => (float[2] p) { p = Mul(u, w) }, else_branch = b () => (float[2] q) { q = Identity(t) }>
  })");
  const Partition p = cut_regions(g, names, by_operator(g, {{"Relu", "Add"}, {"If"}}));
  REQUIRE(p.regions.size() == 2);
  for (const Region& r : p.regions) verify(r.graph);
  CHECK(names_of(p.regions[0].graph, p.regions[0].graph.inputs) == Strings{"x"});
  const Strings outputs = names_of(p.regions[0].graph, p.regions[0].graph.outputs);
  CHECK(std::set<std::string>(outputs.begin(), outputs.end()) == std::set<std::string>{"x", "t", "u"});
  const Strings inputs = names_of(p.regions[1].graph, p.regions[1].graph.inputs);
  CHECK(std::set<std::string>(inputs.begin(), inputs.end()) == std::set<std::string>{"c", "t", "u"});
  CHECK(names_of(p.regions[1].graph, p.regions[1].graph.outputs) == Strings{"y"});
}

TEST_CASE("random graphs: every node in one region, regions convex and in runnable order, nothing unbound") {
  std::mt19937 random(20260114);
  auto below = [&](size_t n) { return static_cast<uint32_t>(random() % n); };
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    Graph g;
    g.inputs.push_back(g.add_value("x", {ValueKind::tensor, DataType::float32, Shape{Dimension(4)}}));
    const uint32_t count = 1 + below(24), targets = 1 + below(3);
    for (uint32_t i = 0; i < count; ++i) {
      std::vector<ValueId> inputs(1 + below(2));
      for (ValueId& v : inputs) v = below(g.values.size());
      const ValueId out = g.add_value("v" + std::to_string(i), g.values[0].type);
      g.add_node("Op", inputs, {out}, "n" + std::to_string(i));
    }
    g.outputs.push_back(static_cast<ValueId>(g.values.size() - 1));
    std::vector<std::vector<NodeVerdict>> verdicts(targets, std::vector<NodeVerdict>(count));
    for (auto& list : verdicts)
      for (NodeVerdict& v : list) v = {below(2) == 0, below(4) == 0 ? below(3) : none, ""};
    for (NodeVerdict& v : verdicts.back()) v = {true, none, ""};

    const Partition p = cut_regions(g, names, verdicts);
    std::map<std::string, size_t> region_of, made_in;
    std::set<std::string> known = {"x"};
    for (size_t r = 0; r < p.regions.size(); ++r) {
      const Graph& part = p.regions[r].graph;
      REQUIRE_NOTHROW(verify(part));
      // Runnable in order, hence convex: what a region reads was made by an earlier one.
      for (const std::string& name : names_of(part, part.inputs)) REQUIRE(known.count(name) == 1);
      for (const std::string& name : names_of(part, part.outputs)) known.insert(name);
      for (const Node& n : part.nodes) REQUIRE(region_of.emplace(n.name, r).second);
      // Two regions of one target that follow each other could have been one.
      if (r > 0) REQUIRE(p.regions[r - 1].target != p.regions[r].target);
    }
    REQUIRE(region_of.size() == count);
    for (const std::string& name : names_of(g, g.outputs)) REQUIRE(known.count(name) == 1);
    // A group is taken whole by its target or not by that target.
    for (uint32_t t = 0; t < targets; ++t) {
      std::map<uint32_t, std::set<size_t>> seen;
      std::map<uint32_t, size_t> mine, all;
      for (uint32_t n = 0; n < count; ++n) {
        if (verdicts[t][n].group == none) continue;
        ++all[verdicts[t][n].group];
        const size_t r = region_of["n" + std::to_string(n)];
        if (p.regions[r].target != t) continue;
        ++mine[verdicts[t][n].group];
        seen[verdicts[t][n].group].insert(r);
      }
      for (const auto& [group, regions] : seen) {
        REQUIRE(regions.size() == 1);
        REQUIRE(mine[group] == all[group]);
      }
    }
  }
}
