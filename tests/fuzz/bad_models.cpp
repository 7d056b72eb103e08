// Models that are wrong on purpose: each is refused with code 1 and a sentence that says what is wrong.
#include <doctest/doctest.h>

#include "models.hpp"
#include "reader.hpp"

namespace lathe::fuzz {
namespace {

const std::vector<int64_t> two = {2};

// A model x float[2] -> y with these nodes and initializers.
Message plain(std::vector<Message> nodes, std::vector<Message> initializers = {}) {
  GraphParts graph;
  graph.inputs = {value("x", 1, two)};
  graph.outputs = {value("y", 1, {})};
  graph.outputs = {Message().text(1, "y").message(2, Message().message(1, Message().integer(1, 1)))};
  graph.nodes = std::move(nodes);
  graph.initializers = std::move(initializers);
  return model(graph);
}

void refused(const Message& bad, const std::string& sentence, Code code = Code::failed) {
  Reader reader;
  const Outcome outcome = reader.read(bad.bytes());
  CHECK_MESSAGE(outcome.code == code, outcome.told());
  CHECK_MESSAGE(outcome.told().find(sentence) != std::string::npos, "expected: " << sentence << "\ntold: " << outcome.told());
}

TEST_CASE("no model") {
  Reader reader;
  for (const std::string& bytes : {std::string("x"), std::string(5000, '\0'), std::string("PK\3\4"), std::string("\x08\x08\x3a", 3)})
    CHECK(reader.read(bytes).code == Code::failed);
  CHECK(reader.read("").code == Code::failed);
}

TEST_CASE("versions") {
  GraphParts graph;
  graph.inputs = {value("x", 1, two)};
  graph.outputs = {value("y", 1, two)};
  graph.nodes = {node("Neg", {"x"}, {"y"})};
  refused(model(graph, 0), "operator set that is too old");
  refused(model(graph, 17, 2), "IR version");
  refused(model(graph, 17, 99), "IR version");
  refused(Message().integer(1, 8).message(7, graph), "opset_import is empty");
  refused(Message().integer(1, 8).message(8, Message().integer(2, 17)), "holds no graph");
}

TEST_CASE("graphs that do not hang together") {
  refused(plain({node("Add", {"x", "b"}, {"a"}), node("Neg", {"a"}, {"b"}), node("Abs", {"b"}, {"y"})}), "the graph is cyclic");
  refused(plain({node("Add", {"x", "y"}, {"y"})}), "needs its own result");
  refused(plain({node("Neg", {"nowhere"}, {"y"}, {}, "n1")}), "'nowhere' is not defined");
  refused(plain({node("Neg", {"x"}, {"other"})}), "the output 'y' is not defined");
  refused(plain({node("Neg", {"x"}, {"y"}), node("Abs", {"x"}, {"y"})}), "'y' is defined twice");
  refused(plain({node("Neg", {"x"}, {"x"}), node("Abs", {"x"}, {"y"})}), "'x' is defined twice");
  refused(plain({node("", {"x"}, {"y"})}), "names no operator");
  refused(plain({node("Add", {"x", "w"}, {"y"})}, {tensor<float>("w", 1, two, {1, 2}), tensor<float>("w", 1, two, {1, 2})}), "two initializers");
  refused(model(GraphParts{{node("Neg", {"x"}, {"y"})}, {}, {value("x", 1, two)}, {}}), "the model has no output");
}

TEST_CASE("all problems in one go") {
  Reader reader;
  const Outcome outcome = reader.read(plain({node("Neg", {"p"}, {"a"}), node("Add", {"a", "q"}, {"y"})}, {tensor<float>("w", 1, {3}, {1})}).bytes());
  CHECK(outcome.problems.size() == 3);
}

TEST_CASE("nodes out of order are put in order") {
  Reader reader;
  const Outcome outcome = reader.read(plain({node("Abs", {"a"}, {"y"}), node("Neg", {"x"}, {"a"})}).bytes());
  REQUIRE_MESSAGE(outcome.code == Code::ok, outcome.told());
  CHECK(outcome.graph->nodes.front().op_type == "Neg");
}

TEST_CASE("names are made up and made unique") {
  Reader reader;
  const Outcome outcome =
      reader.read(plain({node("Neg", {"x"}, {"a"}, {}, "same"), node("Neg", {"a"}, {"b"}, {}, "same"), node("Abs", {"b"}, {"y"})}).bytes());
  REQUIRE_MESSAGE(outcome.code == Code::ok, outcome.told());
  CHECK(outcome.graph->nodes[0].name == "same");
  CHECK(outcome.graph->nodes[1].name == "same_1");
  CHECK(outcome.graph->nodes[2].name == "Abs_2");
}

TEST_CASE("attributes") {
  auto softmax = [](const Message& attribute) { return plain({node("Softmax", {"x"}, {"y"}, {attribute})}); };
  refused(softmax(Message().text(1, "axis").real(2, 1.0f).integer(20, 2)), "does not hold what its type says");
  refused(softmax(Message().text(1, "axis").integer(20, 4)), "does not hold what its type says");
  refused(softmax(attribute("axis", std::vector<int64_t>{1})), "axis");
  refused(softmax(Message().text(1, "axis").integer(20, 2).text(21, "outer")), "stands in none");
  refused(plain({node("Softmax", {"x"}, {"y"}, {attribute("axis", 0), attribute("axis", 0)})}), "is given twice");
}

TEST_CASE("shapes and sizes that lie") {
  const int64_t huge = int64_t{1} << 40;
  auto with_weight = [](const Message& weight) { return plain({node("Add", {"x", "w"}, {"y"})}, {weight}); };
  refused(with_weight(tensor<float>("w", 1, {huge, huge}, {1})), "more elements than can be counted");
  refused(with_weight(tensor<float>("w", 1, {huge}, {1})), "not as long as type and shape ask for");
  refused(with_weight(tensor<float>("w", 1, {-2}, {1})), "negative dimension");
  refused(with_weight(tensor<float>("w", 1, {3}, {1, 2})), "not as long as type and shape ask for");
  refused(with_weight(tensor<float>("w", 77, two, {1, 2})), "no data type");
  refused(with_weight(Message().integer(1, huge).integer(2, 1).text(8, "w")), "does not hold as many elements");
  refused(with_weight(Message().integer(1, 2).integer(2, 2).text(8, "w").integer(5, 300).integer(5, 1)), "does not fit");
  refused(model(GraphParts{{node("Neg", {"x"}, {"y"})}, {}, {value("x", 1, {huge, huge})}, {value("y", 1, two)}}),
          "more elements than can be counted");
}

TEST_CASE("sparse tensors that lie") {
  auto sparse = [](std::vector<int64_t> indices, int64_t extent) {
    const auto count = static_cast<int64_t>(indices.size());
    Message t;
    t.message(1, tensor<float>("w", 1, {1}, {1})).message(2, tensor<int64_t>("", 7, {count}, indices)).integer(3, extent);
    Message graph = GraphParts{{node("Add", {"x", "w"}, {"y"})}, {}, {value("x", 1, two)}, {value("y", 1, two)}};
    return model(graph.message(15, t));
  };
  CHECK(Reader().read(sparse({1}, 2).bytes()).code == Code::ok);
  refused(sparse({2}, 2), "outside its shape");
  refused(sparse({-1}, 2), "outside its shape");
  refused(sparse({0, 1}, 2), "one number or one row");
  refused(sparse({0}, int64_t{1} << 40), "more than 1 GiB");
}

TEST_CASE("nested subgraphs") {
  Reader reader;
  const Outcome hundred = reader.read(nested_ifs(100).bytes());
  CHECK_MESSAGE(hundred.acceptable(), hundred.told());
  CHECK(hundred.told().find("too deep") == std::string::npos);
  refused(nested_ifs(129), "nest too deep");
  refused(nested_ifs(2000), "nest too deep");
}

Message function(std::string_view name, std::vector<Message> body) {
  Message f;
  f.text(1, name).text(4, "in").text(5, "out");
  for (const Message& n : body) f.message(7, n);
  return f.message(9, Message().text(1, "").integer(2, 17)).text(10, "local");
}
Message call(std::string_view name, const std::string& input, const std::string& output) { return node(name, {input}, {output}).text(7, "local"); }

TEST_CASE("functions") {
  GraphParts graph{{call("F", "x", "y")}, {}, {value("x", 1, two)}, {value("y", 1, two)}};
  const Message twice = function("F", {node("Neg", {"in"}, {"mid"}, {}, "a"), node("Neg", {"mid"}, {"out"}, {}, "b")});
  Reader reader;
  const Outcome outcome = reader.read(model(graph, 17, 8, {twice}).bytes());
  REQUIRE_MESSAGE(outcome.code == Code::ok, outcome.told());
  CHECK(outcome.graph->nodes.size() == 2);
  CHECK(outcome.graph->nodes[0].name == "F_0/a");

  refused(model(graph, 17, 8, {function("F", {call("F", "in", "out")})}), "calls itself");
  refused(model(graph, 17, 8, {function("F", {call("G", "in", "out")}), function("G", {call("F", "in", "out")})}), "calls itself");
  refused(model(graph, 17, 8, {twice, twice}), "two functions have the name");
  refused(model(graph, 17, 8, {function("F", {node("Neg", {"in"}, {"mid"})})}), "never makes its output");

  // A body of another opset than the model's is lifted from its own: the axes were an attribute until 18.
  const Message mean = function("F", {node("ReduceMean", {"in"}, {"out"}, {attribute("axes", std::vector<int64_t>{0})})});
  const GraphParts one{graph.nodes, {}, graph.inputs, {value("y", 1, {1})}};
  const Outcome older = reader.read(model(one, 18, 8, {mean}).bytes());
  REQUIRE_MESSAGE(older.code == Code::ok, older.told());
  CHECK(older.graph->nodes[0].inputs.size() == 2);

  // Each calls the next one twice: 2^40 nodes from a few kilobytes.
  std::vector<Message> doubling = {twice};
  for (int i = 0; i < 40; ++i) {
    const std::string next = i == 0 ? "F" : "D" + std::to_string(i - 1);
    doubling.push_back(function("D" + std::to_string(i), {call(next, "in", "mid"), call(next, "mid", "out")}));
  }
  graph.nodes = {call("D39", "x", "y")};
  refused(model(graph, 17, 8, doubling), "more than 512 MiB");
}

TEST_CASE("fields that are newer than the message classes") {
  // NodeProto.overload and FunctionProto.overload tell two functions of one name apart; FunctionProto.attribute_proto holds defaults.
  const Message first = function("F", {node("Neg", {"in"}, {"out"})}).text(13, "one");
  const Message second = function("F", {node("LeakyRelu", {"in"}, {"out"}, {Message().text(1, "alpha").integer(20, 1).text(21, "slope")})})
                             .text(13, "two")
                             .message(11, Message().text(1, "slope").real(2, 0.5f).integer(20, 1));
  GraphParts graph{{call("F", "x", "y").text(8, "two")}, {}, {value("x", 1, two)}, {value("y", 1, two)}};
  Reader reader;
  const Outcome outcome = reader.read(model(graph, 17, 10, {first, second}).bytes());
  REQUIRE_MESSAGE(outcome.code == Code::ok, outcome.told());
  REQUIRE(outcome.graph->nodes.size() == 1);
  CHECK(outcome.graph->nodes[0].op_type == "LeakyRelu");
  CHECK(outcome.graph->nodes[0].real("alpha", 0) == 0.5f);
}

TEST_CASE("text that is no UTF-8") {
  refused(plain({node("Neg", {"x"}, {"y"}, {}, "n\xff")}), "no UTF-8");
  refused(plain({node("Neg\xc0\x80", {"x"}, {"y"})}), "no UTF-8");
  refused(plain({node("Neg", {"x"}, {"\xed\xa0\x80"}), node("Abs", {"x"}, {"y"})}), "no UTF-8");
}

}  // namespace
}  // namespace lathe::fuzz
