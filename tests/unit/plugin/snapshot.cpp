// Graphs across the boundary and back; and snapshots as a hostile file would have a careless plugin make them.
#include <doctest/doctest.h>

#include <cstring>

#include "core/ir/text.hpp"
#include "core/plugin/passes.hpp"
#include "core/plugin/plugins.hpp"
#include "lathe/builder.hpp"

using namespace lathe;

namespace {

const char* const rich = R"(<ir_version: 10, opset_import: ["": 26, "ai.example": 3]>
g (float[N, 3, H, "W"] x, bool c, float s) => (float[N, 3, H, W] y, float[?] z)
<float[2, 2] w = {1, 2, 3, 4}, int64[2] shape = {-1, 4}, string[2] words = {"a", "b c"}> {
  r = Reshape(w, shape)
  t = Relu(x)
  y = If(c) <then_branch = a () => (float p) { p = Mul(t, s) }, else_branch = b () => (float q) { u = Abs(t) q = Neg(u) }>
  z = ai.example.Thing <ints = [1, 2], reals = [0.5, 1.5], word = "hello", words = ["x", "y"], number = 3, real = 0.25, value = float[2] {7, 8}> (r, "", w)
})";

std::string refused(const lathe_graph& graph) {
  try {
    from_snapshot(graph, nullptr);
  } catch (const Error& e) {
    CHECK(e.code == Code::failed);
    return e.what();
  }
  return "accepted";
}
bool contains(const std::string& text, const std::string& part) {
  INFO(text);
  CHECK(text.find(part) != std::string::npos);
  return true;
}

}  // namespace

TEST_CASE("a graph with subgraphs, captures, symbols and every attribute kind comes back the same") {
  const Graph g = parse_text(rich);
  const Snapshot snapshot(g);
  const Graph back = from_snapshot(snapshot.get(), nullptr);
  CHECK(to_text(back) == to_text(g));
  CHECK(back.opsets == g.opsets);
  // Bytes are pointed at, never copied.
  for (ValueId v = 0; v < g.values.size(); ++v) {
    if (g.values[v].constant && g.values[v].constant->type != DataType::string)
      CHECK(back.values[v].constant->bytes.data == g.values[v].constant->bytes.data);
  }
}

TEST_CASE("views and builders of the SDK speak the same graph") {
  const Graph g = parse_text(rich);
  const Snapshot snapshot(g);
  const sdk::GraphView view(&snapshot.get());
  CHECK(view.node_count() == 4);
  CHECK(view.opset("ai.example") == 3);
  const sdk::NodeView thing = view.node(3);
  CHECK(thing.op_type() == "Thing");
  CHECK(!thing.is("Thing"));
  CHECK(thing.integers("ints") == std::vector<int64_t>{1, 2});
  CHECK(thing.integer("number", 0) == 3);
  CHECK(thing.integer("absent", 9) == 9);
  CHECK(thing.text("word", "") == "hello");
  CHECK(thing.real("real", 0) == 0.25f);
  CHECK(thing.attribute("value")->tensor().as<float>()[1] == 8);
  CHECK(!thing.has_input(1));
  CHECK(thing.input_value(2).constant()->dimensions().size() == 2);
  CHECK_THROWS_AS(thing.integer("word", 0), sdk::Failure);
  CHECK(view.node(2).attribute("else_branch")->graph().node_count() == 2);
  CHECK(view.node(2).attribute("else_branch")->graph().captures().size() == 1);
  CHECK(view.value(view.inputs()[0]).dimensions()[1].value == 3);
  CHECK(view.value(view.inputs()[0]).producer() == LATHE_NONE);
  CHECK(view.value(view.outputs()[0]).producer() == 2);

  sdk::GraphBuilder b("built");
  b.set_opset("", 26);
  const uint32_t x = b.add_input("x", LATHE_FLOAT32, sdk::Shape{2, "N"}), c = b.add_input("c", LATHE_BOOL, sdk::Shape{});
  const uint32_t w = b.add_constant("w", sdk::TensorData::of<float>(LATHE_FLOAT32, {2}, {1, 2}));
  const uint32_t sum = b.add_value("sum"), y = b.add_value("y");
  b.add_node("Add", {x, w}, {sum}).set("number", 1).set("ints", std::vector<int64_t>{3, 4});
  sdk::GraphBuilder body("body");
  const uint32_t outer = body.add_capture("outer", sum), result = body.add_value("result");
  body.add_node("Relu", {outer}, {result});
  body.add_output(result);
  sdk::GraphBuilder other("other");
  other.add_output(other.add_constant("zero", sdk::TensorData::of<float>(LATHE_FLOAT32, {}, {0})));
  const uint32_t first = b.add_subgraph(std::move(body)), second = b.add_subgraph(std::move(other));
  b.add_node("If", {c}, {y}).set_graph("then_branch", first).set_graph("else_branch", second);
  b.add_output(y);
  b.set_property("key", "value");
  const Graph built = from_snapshot(b.layout(), nullptr);
  CHECK(built.nodes.size() == 2);
  CHECK(built.properties.at("key") == "value");
  CHECK(built.nodes[0].integers("ints") == std::vector<int64_t>{3, 4});
  CHECK(built.constant(w)->as<float>()[1] == 2);
}

TEST_CASE("hostile snapshots are refused with a sentence") {
  sdk::GraphBuilder b("g");
  const uint32_t x = b.add_input("x", LATHE_FLOAT32, sdk::Shape{2});
  const uint32_t w = b.add_constant("w", sdk::TensorData::of<float>(LATHE_FLOAT32, {2}, {1, 2}));
  const uint32_t y = b.add_value("y");
  b.add_node("Add", {x, w}, {y}).set("k", 1);
  b.add_output(y);
  lathe_graph g = b.layout();
  std::vector<lathe_value> values(g.values, g.values + g.value_count);
  std::vector<lathe_node> nodes(g.nodes, g.nodes + g.node_count);
  std::vector<lathe_tensor> tensors(g.tensors, g.tensors + g.tensor_count);
  std::vector<lathe_attribute> attributes(nodes[0].attributes, nodes[0].attributes + 1);
  std::vector<uint32_t> inputs(nodes[0].inputs, nodes[0].inputs + 2);
  g.values = values.data(), g.nodes = nodes.data(), g.tensors = tensors.data();
  nodes[0].attributes = attributes.data(), nodes[0].inputs = inputs.data();
  REQUIRE(refused(g) == "accepted");
  const int64_t huge[] = {INT64_MAX, INT64_MAX}, negative[] = {-2}, wide[] = {INT64_MAX / 2, 4};

  SUBCASE("counts") {
    g.value_count = SIZE_MAX;
    contains(refused(g), "more values than there can be");
  }
  SUBCASE("missing array") {
    g.nodes = nullptr;
    contains(refused(g), "announces nodes but has none");
  }
  SUBCASE("stride") {
    g.value_stride = 8;
    contains(refused(g), "stride of the graph's values");
  }
  SUBCASE("struct_size") {
    values[1].struct_size = 4;
    contains(refused(g), "struct_size of one of the graph's values");
  }
  SUBCASE("graph's struct_size") {
    g.struct_size = 16;
    contains(refused(g), "struct_size of the graph");
  }
  SUBCASE("value index") {
    inputs[0] = 77;
    contains(refused(g), "77");
  }
  SUBCASE("cycle") {
    inputs[0] = y;
    contains(refused(g), "topological");
  }
  SUBCASE("tensor index") {
    values[w].tensor = 5;
    contains(refused(g), "tensor that is not there");
  }
  SUBCASE("element type") {
    values[x].type = 1000;
    contains(refused(g), "unknown element type");
  }
  SUBCASE("kind") {
    values[x].kind = 9;
    contains(refused(g), "unknown kind");
  }
  SUBCASE("rank") {
    values[x].rank = INT32_MAX;
    contains(refused(g), "impossible rank");
  }
  SUBCASE("names") {
    values[x].name = {"w", 1};
    contains(refused(g), "two values have the name 'w'");
  }
  SUBCASE("UTF-8") {
    values[x].name = {"\xc0\xaf", 2};
    contains(refused(g), "not UTF-8");
  }
  SUBCASE("endless string") {
    values[x].name = {"x", SIZE_MAX};
    contains(refused(g), "is no string");
  }
  SUBCASE("bytes") {
    tensors[0].size = 1u << 30;
    contains(refused(g), "wrong number of bytes");
  }
  SUBCASE("no bytes") {
    tensors[0].data = nullptr;
    contains(refused(g), "no bytes");
  }
  SUBCASE("overflow") {
    tensors[0].dimensions = huge, tensors[0].rank = 2;
    contains(refused(g), "overflows");
  }
  SUBCASE("overflow of bytes") {
    tensors[0].dimensions = wide, tensors[0].rank = 2;
    contains(refused(g), "overflows");
  }
  SUBCASE("negative dimension") {
    tensors[0].dimensions = negative, tensors[0].rank = 1;
    contains(refused(g), "negative dimension");
  }
  SUBCASE("attribute kind") {
    attributes[0].kind = 99;
    contains(refused(g), "unknown kind");
  }
  SUBCASE("attribute without elements") {
    attributes[0].ints = nullptr;
    contains(refused(g), "no elements");
  }
  SUBCASE("subgraph index") {
    const uint32_t three = 3;
    attributes[0].kind = LATHE_ATTRIBUTE_GRAPH, attributes[0].graphs = &three;
    contains(refused(g), "subgraph that is not there");
  }
  SUBCASE("a graph that holds itself") {
    const uint32_t zero = 0;
    attributes[0].kind = LATHE_ATTRIBUTE_GRAPH, attributes[0].graphs = &zero;
    g.subgraphs = &g, g.subgraph_count = 1, g.subgraph_stride = sizeof g;
    contains(refused(g), "nested too deep");
  }
  SUBCASE("input twice") {
    const uint32_t twice[] = {x, x};
    g.inputs = twice, g.input_count = 2;
    contains(refused(g), "twice");
  }
}

TEST_CASE("larger elements with a stride, as a newer plugin has them, are read") {
  struct NewerValue {
    lathe_value value;
    uint64_t news;
  };
  sdk::GraphBuilder b("g");
  const uint32_t x = b.add_input("x", LATHE_FLOAT32, sdk::Shape{2});
  b.add_output(x);
  lathe_graph g = b.layout();
  NewerValue newer[1] = {{g.values[0], 0x0123456789abcdefu}};
  newer[0].value.struct_size = sizeof(NewerValue);
  g.values = &newer[0].value;
  g.value_stride = sizeof(NewerValue);
  g.struct_size = sizeof g + 64;
  CHECK(from_snapshot(g, nullptr).values[0].name == "x");
}

TEST_CASE("edits: applied as a whole, or not at all") {
  const Graph g = parse_text("g (float[2] x) => (float[2] y) <float[2] w = {1, 2}> { a = Relu(x) b = Relu(a) y = Add(b, w) }");
  const Snapshot snapshot(g);
  const sdk::GraphView view(&snapshot.get());
  auto apply = [&](sdk::Edits& edits) {
    const auto& list = edits.layout();
    return apply_edits(g, list.data(), list.size(), sizeof(lathe_edit));
  };
  auto said = [&](sdk::Edits& edits) -> std::string {
    try {
      apply(edits);
    } catch (const Error& e) {
      CHECK(e.code == Code::internal);
      return e.what();
    }
    return "applied";
  };
  sdk::Edits edits(view);
  SUBCASE("replace and remove") {
    edits.replace_value(view.node(1).output(0), view.node(0).output(0));
    edits.remove_node(1);
    CHECK(apply(edits).nodes.size() == 2);
  }
  SUBCASE("new nodes may come in any order, constants are copied, attributes set") {
    std::vector<float> bytes = {5, 6};
    sdk::TensorData tensor;
    tensor.type = LATHE_FLOAT32, tensor.dimensions = {2}, tensor.data = bytes.data(), tensor.size = 8;
    const uint32_t c = edits.add_constant("c", std::move(tensor)), v = edits.add_value("v", LATHE_FLOAT32, sdk::Shape{2});
    edits.add_node("Mul", {view.node(0).output(0), c}, {v}).set("level", 2);
    edits.replace_value(view.node(1).output(0), v);
    edits.remove_node(1);
    edits.set_attribute(0, "mode", std::string("fast"));
    const Graph result = apply(edits);
    bytes = {0, 0};
    REQUIRE(result.nodes.size() == 3);
    CHECK(result.nodes[1].op_type == "Mul");
    CHECK(result.nodes[1].integer("level", 0) == 2);
    CHECK(result.nodes[0].text("mode", "") == "fast");
    CHECK(result.constant(result.nodes[1].inputs[1])->as<float>()[0] == 5);
  }
  SUBCASE("a graph output keeps its name") {
    edits.replace_value(view.node(2).output(0), view.node(1).output(0));
    edits.remove_node(2);
    const Graph result = apply(edits);
    CHECK(result.values[result.outputs[0]].name == "y");
    CHECK(result.nodes.size() == 2);
  }
  SUBCASE("a cycle") {
    edits.replace_value(view.inputs()[0], view.node(1).output(0));
    CHECK(said(edits) != "applied");
  }
  SUBCASE("dangling") {
    edits.remove_node(0);
    CHECK(said(edits) != "applied");
  }
  SUBCASE("indices") {
    edits.remove_node(9);
    contains(said(edits), "node that is not there");
  }
  SUBCASE("value index in a new node") {
    edits.add_node("Relu", {99}, {98});
    contains(said(edits), "value that is not there");
  }
}
