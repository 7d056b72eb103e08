// Random small graphs through all passes: they verify after each, and the reference gives the same outputs.
#include <fstream>
#include <sstream>

#include "core/passes/pipeline.hpp"
#include "tests/unit/passes/support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

// Grows a graph of values of shape [1,3,4,4] by operations that the passes look for, in any order, subgraphs included. Sigmoids in
// between keep the numbers small, so that rounding is not blown up.
class Grower {
 public:
  explicit Grower(unsigned seed) : random_(seed) {}

  Graph grow(int nodes) {
    Graph graph;
    graph.name = "random";
    graph.opsets[""] = canonical_opset;
    condition_ = graph.add_value("condition", {ValueKind::tensor, DataType::boolean, Shape{}});
    graph.inputs = {condition_};
    std::vector<ValueId> pool;
    for (const char* name : {"x", "z"}) {
      pool.push_back(graph.add_value(name, {ValueKind::tensor, DataType::float32, Shape{1, 3, 4, 4}}));
      graph.inputs.push_back(pool.back());
    }
    for (int i = 0; i < nodes; ++i) pool.push_back(grow_one(graph, pool, find_operator("", "If") != nullptr));
    // Some outputs are used again, some values by nobody.
    std::vector<ValueId> outputs;
    for (const size_t back : {size_t{1}, size_t{3}, 1 + static_cast<size_t>(below(static_cast<int>(pool.size()) - 2))})
      outputs.push_back(pool[pool.size() - back]);
    for (const ValueId v : outputs) {
      const bool fresh = std::find(graph.outputs.begin(), graph.outputs.end(), v) == graph.outputs.end();
      const bool input = std::find(graph.inputs.begin(), graph.inputs.end(), v) != graph.inputs.end();
      if (fresh && !input && !graph.constant(v)) graph.outputs.push_back(v);
    }
    verify(graph);
    return graph;
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  ValueId pick(const std::vector<ValueId>& pool) {
    return pool[pool.size() - 1 - static_cast<size_t>(below(std::min<int>(static_cast<int>(pool.size()), 6)))];
  }

  ValueId floats(Graph& graph, std::vector<int64_t> dimensions, double low, double high) {
    Tensor tensor = Tensor::allocate(DataType::float32, std::move(dimensions));
    for (float& f : tensor.as_mutable<float>()) f = static_cast<float>(low + (high - low) * static_cast<double>(random_() % 1000) / 1000.0);
    return graph.add_constant("k", std::move(tensor));
  }
  ValueId number(Graph& graph, float value) { return graph.add_constant("n", Tensor::of<float>(DataType::float32, {}, std::span(&value, 1))); }
  ValueId integers(Graph& graph, const std::vector<int64_t>& values) {
    return graph.add_constant("i", Tensor::of<int64_t>(DataType::int64, {static_cast<int64_t>(values.size())}, std::span(values)));
  }

  ValueId node(Graph& graph, const char* op, std::vector<ValueId> inputs, std::map<std::string, Attribute, std::less<>> attributes = {}) {
    const ValueId out = graph.add_value("v");
    graph.add_node(op, std::move(inputs), {out}).attributes = std::move(attributes);
    return out;
  }

  ValueId grow_one(Graph& graph, const std::vector<ValueId>& pool, bool nest) {
    const ValueId x = pick(pool);
    static constexpr float numbers[] = {0.0f, 1.0f, 2.0f, 0.5f, -1.0f, 6.0f};
    switch (below(nest ? 20 : 18)) {
      case 0:
        return node(graph, "Relu", {x});
      case 1:
        return node(graph, "Sigmoid", {x});
      case 2:
        return node(graph, "Identity", {x});
      case 3:
        return node(graph, "Dropout", {x});
      case 4:
        return node(graph, "Add", {x, pick(pool)});
      case 5:
        return node(graph, "Sub", {x, pick(pool)});
      case 6:
        return node(graph, "Add", {number(graph, numbers[below(6)]), x});
      case 7:
        return node(graph, "Mul", {x, number(graph, numbers[below(6)])});
      case 8:
        return node(graph, "Div", {x, number(graph, numbers[1 + below(5)])});
      case 9:
        return node(graph, "Mul", {x, floats(graph, {1, 3, 1, 1}, 0.5, 1.5)});
      case 10:
        return node(graph, "Sub", {floats(graph, {3, 1, 1}, -1, 1), x});
      case 11:
        return convolution(graph, x);
      case 12:
        return node(graph, "BatchNormalization",
                    {x, floats(graph, {3}, 0.5, 1), floats(graph, {3}, -1, 1), floats(graph, {3}, -0.5, 0.5), floats(graph, {3}, 0.5, 1.5)});
      case 13: {
        const ValueId turned = node(graph, "Transpose", {x}, {{"perm", {Attribute::Ints{0, 2, 3, 1}}}});
        return node(graph, "Transpose", {turned}, {{"perm", {Attribute::Ints{0, 3, 1, 2}}}});
      }
      case 14: {
        const ValueId flat = node(graph, "Reshape", {x, integers(graph, {3, -1})});
        return node(graph, "Reshape", {flat, integers(graph, {1, 3, 4, 4})});
      }
      case 15:
        return shape_arithmetic(graph, x);
      case 16: {
        const ValueId c = node(graph, "Clip", {node(graph, "Add", {x, number(graph, 3)}), number(graph, 0), number(graph, 6)});
        return node(graph, "Sigmoid", {node(graph, "Div", {node(graph, "Mul", {x, c}), number(graph, 6)})});
      }
      case 17:
        return node(graph, "Mul", {x, node(graph, "Sigmoid", {floats(graph, {4}, -1, 1)})});  // folds
      default:
        return branch(graph, pool);
    }
  }

  ValueId convolution(Graph& graph, ValueId x) {
    std::vector<ValueId> inputs{x, floats(graph, {3, 3, 3, 3}, -0.3, 0.3)};
    if (below(2)) inputs.push_back(floats(graph, {3}, -1, 1));
    return node(graph, below(4) ? "Conv" : "ConvTranspose", std::move(inputs), {{"pads", {Attribute::Ints{1, 1, 1, 1}}}});
  }

  // Reshape to what Shape says of another value.
  ValueId shape_arithmetic(Graph& graph, ValueId x) {
    const ValueId shape = node(graph, "Shape", {x});
    const ValueId front = node(graph, "Slice", {shape, integers(graph, {0}), integers(graph, {2})});
    const ValueId target = node(graph, "Concat", {front, integers(graph, {-1, 4})}, {{"axis", {int64_t{0}}}});
    return node(graph, "Reshape", {x, target});
  }

  ValueId branch(Graph& graph, const std::vector<ValueId>& pool) {
    std::map<std::string, Attribute, std::less<>> branches;
    for (const char* which : {"then_branch", "else_branch"}) {
      auto inner = std::make_shared<Graph>();
      inner->name = which;
      std::vector<ValueId> inside;
      for (int i = 0; i < 2; ++i) {
        const ValueId outer = pick(pool);
        const bool again = std::any_of(inner->captures.begin(), inner->captures.end(), [&](const Capture& c) { return c.outer == outer; });
        if (again) continue;
        inside.push_back(inner->add_value("captured"));
        inner->captures.push_back({inside.back(), outer});
      }
      for (int i = 0; i < 4; ++i) inside.push_back(grow_one(*inner, inside, false));
      inner->outputs = {inside.back()};
      branches[which].value = std::move(inner);
    }
    return node(graph, "If", {condition_}, std::move(branches));
  }

  std::mt19937 random_;
  ValueId condition_ = none;
};

PassSettings defaults(const Pass& pass) {
  PassSettings settings;
  for (const PassOption& option : pass.options) settings.values.emplace_back(option.name, option.fallback);
  return settings;
}

}  // namespace

TEST_CASE("every pass keeps what random graphs compute, in any order") {
  const auto passes = builtin_passes();
  for (unsigned seed = 0; seed < 150; ++seed) {
    CAPTURE(seed);
    Graph graph = Grower(seed).grow(5 + static_cast<int>(seed % 20));
    infer_types(graph);
    const Graph before = clone(graph);
    std::mt19937 random(seed);
    for (int step = 0; step < 8; ++step) {
      const Pass& pass = passes[random() % passes.size()];
      CAPTURE(pass.name);
      const Graph last = clone(graph);
      const bool changed = pass.run(graph, defaults(pass));
      REQUIRE_NOTHROW(verify(graph));
      // A pass that says it changed nothing has changed nothing.
      if (!changed) CHECK(difference(last, graph) == "");
      for (size_t i = 0; i < before.outputs.size(); ++i) CHECK(graph.value(graph.outputs[i]).name == before.value(before.outputs[i]).name);
    }
    check_same_results(before, graph, 1e-4, 2, 1.0);
  }
}

TEST_CASE("the default pipeline keeps what random graphs compute, and its result prints and reads back") {
  std::ifstream file(std::string(LATHE_BINARY_DIR) + "/share/lathe/pipelines/default.yaml");
  std::stringstream yaml;
  yaml << file.rdbuf();
  const Pipeline pipeline = parse_pipeline(yaml.str(), "default.yaml", builtin_passes());
  PipelineOptions options;
  options.verify_each = true;
  for (unsigned seed = 1000; seed < 1100; ++seed) {
    CAPTURE(seed);
    Graph graph = Grower(seed).grow(25);
    const Graph before = clone(graph);
    run_pipeline(graph, pipeline, builtin_passes(), options);
    CHECK(count(graph, "BatchNormalization") == 0);
    CHECK(count(graph, "Shape") == 0);
    CHECK(count(graph, "Dropout") == 0);
    check_same_results(before, graph, 1e-4, 2, 1.0);
    check_same_results(graph, parse_text(to_text(graph)), 0, 1);
  }
}
