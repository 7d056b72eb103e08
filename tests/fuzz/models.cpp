// The starting points.
#include "models.hpp"

namespace lathe::fuzz {

Message small_model(bool with_subgraphs) {
  GraphParts graph;
  graph.inputs = {value("x", 1, {1, 1, 4, 4}), value("b", 1, {2})};
  graph.outputs = {value("y", 1, {-1, 32}), value("z", 1, {1, 2, 4, 4})};
  graph.initializers.push_back(tensor<float>("w", 1, {2, 1, 3, 3}, std::vector<float>(18, 0.25f)));
  graph.initializers.push_back(Message().integer(1, 2).integer(2, 1).packed(4, std::vector<float>{0.5f, -0.5f}).text(8, "b"));
  graph.initializers.push_back(tensor<int64_t>("minus_one", 7, {1}, {-1}));
  graph.nodes.push_back(node("Conv", {"x", "w", "b"}, {"c"}, {attribute("pads", std::vector<int64_t>{1, 1, 1, 1}), attribute("group", 1)}, "conv"));
  graph.nodes.push_back(node("Leaky", {"c"}, {"r"}, {Message().text(1, "slope").real(2, 0.1f).integer(20, 1)}).text(7, "local"));

  if (with_subgraphs) {
    graph.inputs.push_back(value("flag", 9, {}));
    GraphParts then_branch, else_branch;
    then_branch.nodes = {node("Add", {"r", "c"}, {"then"})};
    then_branch.outputs = {value("then", 1, {1, 2, 4, 4})};
    else_branch.nodes = {node("Relu", {"r"}, {"else"})};
    else_branch.outputs = {value("else", 1, {1, 2, 4, 4})};
    graph.nodes.push_back(node("If", {"flag"}, {"z"}, {graph_attribute("then_branch", then_branch), graph_attribute("else_branch", else_branch)}));
  } else {
    graph.nodes.push_back(node("Add", {"r", "c"}, {"z"}));
  }

  graph.nodes.push_back(node("Shape", {"c"}, {"shape"}));
  graph.nodes.push_back(node("Constant", {}, {"zero"}, {tensor_attribute("value", tensor<int64_t>("", 7, {1}, {0}))}));
  graph.nodes.push_back(node("Gather", {"shape", "zero"}, {"batch"}, {attribute("axis", 0)}));
  graph.nodes.push_back(node("Concat", {"batch", "minus_one"}, {"to"}, {attribute("axis", 0)}));
  graph.nodes.push_back(node("Reshape", {"c", "to"}, {"y"}));

  Message leaky;  // FunctionProto
  leaky.text(1, "Leaky").text(4, "in").text(5, "out").text(6, "slope");
  leaky.message(7, node("LeakyRelu", {"in"}, {"out"}, {Message().text(1, "alpha").integer(20, 1).text(21, "slope")}));
  leaky.message(9, Message().text(1, "").integer(2, 17)).text(10, "local");
  return model(graph, 17, 8, {leaky});
}

Message nested_ifs(int levels) {
  GraphParts innermost;
  innermost.nodes = {node("Neg", {"x"}, {"y0"})};
  innermost.outputs = {value("y0", 1, {2})};
  Message body = innermost;
  for (int level = 1; level <= levels; ++level) {
    const std::string result = "y" + std::to_string(level);
    GraphParts otherwise, around;
    otherwise.nodes = {node("Abs", {"x"}, {"e" + std::to_string(level)})};
    otherwise.outputs = {value("e" + std::to_string(level), 1, {2})};
    around.nodes = {node("If", {"flag"}, {result}, {graph_attribute("then_branch", body), graph_attribute("else_branch", otherwise)})};
    around.outputs = {value(result, 1, {2})};
    if (level == levels) around.inputs = {value("flag", 9, {}), value("x", 1, {2})};
    body = around;
  }
  return model(body);
}

}  // namespace lathe::fuzz
