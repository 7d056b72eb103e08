// operators/1: what plugins bring is inferred, folded, run and expanded like the core's own operators, and what they must not bring is refused.
#include "core/plugin/operators.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdlib>

#include "core/ir/text.hpp"
#include "core/ops/added_operators.hpp"
#include "core/passes/fold_constants.hpp"
#include "core/plugin/plugins.hpp"
#include "core/reference/reference.hpp"

using namespace lathe;

namespace {

std::unique_ptr<Plugins> discover(const std::string& name) {
  ::setenv("XDG_DATA_HOME", "/nonexistent", 1);
  ::unsetenv("LATHE_PLUGIN_PATH");
  PluginSearch search;
  search.explicit_paths = {std::string(LATHE_BINARY_DIR) + "/tests/plugins/" + name};
  return Plugins::discover(search, {});
}

std::string said(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    std::string all;
    for (const Diagnostic& d : e.diagnostics) all += d.sentence() + "\n";
    return all;
  }
  return "nothing";
}
void contains(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts) CHECK_MESSAGE(text.find(part) != std::string::npos, text << " should contain " << part);
}

const std::string header = "<opset_import: [\"\": 26, \"com.test\": 1, \"com.broken\": 1]> ";

// As import_model does it, without a file.
Graph model(Plugins& plugins, const std::string& text) {
  Graph graph = parse_text(header + text);
  load_operators_of(plugins, graph);
  return graph;
}
std::vector<float> run(const Graph& graph, const NamedData& inputs) {
  const NamedData results = run_reference(graph, inputs);
  const auto values = results.at("y").tensor.as<float>();
  return {values.begin(), values.end()};
}
Datum floats(std::vector<int64_t> dimensions, const std::vector<float>& values) {
  return Tensor::of<float>(DataType::float32, std::move(dimensions), values);
}

}  // namespace

TEST_CASE("a model that uses a plugin's domain finds the plugin") {
  const auto plugins = discover("operators_good");
  Graph graph = model(*plugins, "g (float[N,2] x) => (float[N,2] y) { y = com.test.Scale<factor = 3.0>(x) }");
  infer_types(graph);
  CHECK(to_string(graph.value(graph.outputs[0]).type) == "float[N,2]");
  CHECK(run(graph, {{"x", floats({2, 2}, {1, -2, 0.5f, 0})}}) == std::vector<float>{3, -6, 1.5f, 0});
}

TEST_CASE("its kernel folds constants") {
  const auto plugins = discover("operators_good");
  Graph graph = model(*plugins, "g () => (y) <float[2] c = {1, 2}> { t = com.test.Scale(c) y = Neg(t) }");
  infer_types(graph);
  const Operator* op = find_operator("com.test", "Scale");
  REQUIRE(op);
  const Tensor* constant = graph.constant(graph.nodes[0].inputs[0]);
  const auto folded = evaluate(graph, graph.nodes[0], std::span(&constant, 1), 1 << 20);
  REQUIRE(folded);
  CHECK(folded->at(0) == Tensor::of<float>(DataType::float32, {2}, std::vector<float>{2, 4}));
  CHECK(run(graph, {}) == std::vector<float>{-2, -4});
}

TEST_CASE("a kernel may decide about its output's shape") {
  const auto plugins = discover("operators_good");
  Graph graph = model(*plugins, "g (float[4] x) => (y) { y = com.test.Choose(x) }");
  infer_types(graph);
  REQUIRE(graph.value(graph.outputs[0]).type.shape);
  CHECK(!graph.value(graph.outputs[0]).type.static_shape());
  CHECK(run(graph, {{"x", floats({4}, {-1, 2, 0, 3})}}) == std::vector<float>{2, 3});
}

TEST_CASE("a decomposition takes the node's place, in subgraphs too") {
  const auto plugins = discover("operators_good");
  Graph graph = model(*plugins, R"(g (float[2] x, bool c) => (y) {
    h = com.test.Halve(x)
    y = If(c) <then_branch = a () => (p) { p = com.test.Halve(h) }, else_branch = b () => (q) { q = Neg(h) }>
  })");
  for (const Node& node : graph.nodes) CHECK(node.op_type != "Halve");
  infer_types(graph);
  CHECK(graph.nodes.size() == 3);
  CHECK(graph.nodes[0].op_type == "Mul");
  CHECK(graph.nodes[0].name.find("Halve") == 0);  // it still says where it comes from
  Tensor yes = Tensor::allocate(DataType::boolean, {});
  yes.as_mutable<uint8_t>()[0] = 1;
  const Graph* branch = subgraphs(graph.nodes[2])[0]->outputs.empty() ? nullptr : subgraphs(graph.nodes[2])[0];
  REQUIRE(branch);
}

TEST_CASE("wrong uses get the sentences that the core's own operators get") {
  const auto plugins = discover("operators_good");
  const auto complaint = [&](const std::string& text) {
    return said([&] {
      Graph graph = model(*plugins, text);
      infer_types(graph);
    });
  };
  contains(complaint("g (int32[3] x) => (y) { [mine] y = com.test.Scale(x) }"), {"mine", "Scale", "'X'", "int32", "float"});
  contains(complaint("g (float[3] x) => (y) { y = com.test.Scale(x, x) }"), {"too many inputs", "at most 1"});
  contains(complaint("g (float[3] x) => (y) { y = com.test.Scale<factr = 1.0>(x) }"), {"no attribute 'factr'", "'factor'"});
  contains(complaint("g (float[3] x) => (y) { [mine] y = com.test.Scale<factor = 0.0>(x) }"), {"mine", "Scale", "the factor is zero", "not 0"});
  contains(complaint("g (float[3] x) => (y) { y = com.test.Scael(x) }"), {"'Scael' is not known", "'Scale'", "com.test"});
  contains(complaint("g (float[3] x) => (y) { y = com.nobody.Scale(x) }"), {"com.nobody", "operators/1"});
}

TEST_CASE("plugins that declare what they must not are refused") {
  const auto refusal = [](const char* name) { return said([&] { discover(name)->load(name); }); };
  contains(refusal("operators_twice"), {"operators_twice", "com.twice.Scale is declared twice"});
  contains(refusal("operators_onnx"), {"ai.onnx.Relu", "not the plugin's own"});
  contains(refusal("operators_bare"), {"com.bare.Bare has neither a kernel nor a decomposition"});
  const auto first = discover("operators_good");
  first->load("operators_good");
  contains(refusal("operators_again"), {"com.test.Scale is declared by two plugins", "'operators_good'", "'operators_again'"});
  CHECK(find_added_operator("com.test", "Scale")->plugin == "operators_good");
}

TEST_CASE("operators that break the contract are named") {
  const auto plugins = discover("operators_broken");
  const auto complaint = [&](const std::string& op) {
    return said([&] {
      Graph graph = model(*plugins, "g (float[3] x) => (y) { [mine] y = com.broken." + op + "(x) }");
      infer_types(graph);
    });
  };
  contains(complaint("Silent"), {"mine", "operators_broken", "without saying why"});
  contains(complaint("Wild"), {"mine", "unknown element type"});
  contains(complaint("Endless"), {"contain each other without end"});
  contains(complaint("Nonsense"), {"mine", "Nonsense"});
}

TEST_CASE("a kernel's call has the layout that the boundary promises") {
  using kernels::Call;
  static_assert(sizeof(kernels::Tensor) == 24 && offsetof(kernels::Tensor, dimensions) == 8 && offsetof(kernels::Tensor, rank) == 16 &&
                offsetof(kernels::Tensor, type) == 20);
  static_assert(sizeof(kernels::String) == 16);
  static_assert(offsetof(kernels::Attribute, ints) == 8 && offsetof(kernels::Attribute, floats) == 16 && offsetof(kernels::Attribute, string) == 24 &&
                offsetof(kernels::Attribute, count) == 32 && offsetof(kernels::Attribute, strings) == 40 &&
                offsetof(kernels::Attribute, tensor) == 48);
  static_assert(offsetof(Call, outputs) == 8 && offsetof(Call, attributes) == 16 && offsetof(Call, input_count) == 24 &&
                offsetof(Call, opset) == 36 && offsetof(Call, parallel_for) == 40 && offsetof(Call, allocate) == 56 && offsetof(Call, memory) == 72 &&
                offsetof(Call, scratch) == 80 && offsetof(Call, error) == 88 && offsetof(Call, decode_picture) == 96);
  CHECK(LATHE_KERNEL_LAYOUT == 1);  // whoever changes an offset above counts it up, and old plugins' kernels are refused
}
