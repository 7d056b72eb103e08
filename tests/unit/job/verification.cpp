// The comparison that decides whether an artifact is right, and the inputs it is tried on.
#include "core/job/verification.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "core/base/diagnostic.hpp"
#include "core/ir/text.hpp"
#include "core/ops/operator.hpp"

namespace {
using namespace lathe;

Tensor floats(std::vector<float> values) { return Tensor::of<float>(DataType::float32, {static_cast<int64_t>(values.size())}, values); }
Tensor integers(std::vector<int64_t> values) { return Tensor::of<int64_t>(DataType::int64, {static_cast<int64_t>(values.size())}, values); }

// Yields its input, changed by `offset` at one element.
class Echo : public Executable {
 public:
  Echo(TensorInfo info, float offset) : inputs_{info}, outputs_{info}, offset_(offset) { outputs_[0].name = "y"; }
  const std::vector<TensorInfo>& inputs() const override { return inputs_; }
  const std::vector<TensorInfo>& outputs() const override { return outputs_; }
  std::vector<Datum> run(const std::vector<Datum>& inputs) override {
    const Tensor& x = inputs[0].tensor;
    std::vector<float> values(x.as<float>().begin(), x.as<float>().end());
    for (float& v : values) v = std::max(v, 0.0f);
    values.back() += offset_;
    return {Tensor::of<float>(DataType::float32, x.dimensions, values)};
  }
  std::vector<KernelTime> profile() override { return {}; }
  uint64_t peak_bytes() override { return 0; }

 private:
  std::vector<TensorInfo> inputs_, outputs_;
  float offset_;
};

Graph relu_graph() {
  Graph graph;
  graph.opsets[""] = canonical_opset;
  ValueType type{ValueKind::tensor, DataType::float32, Shape{Dimension("N"), 4}};
  ValueId x = graph.add_value("x", type), y = graph.add_value("y", type);
  graph.inputs = {x}, graph.outputs = {y};
  graph.add_node("Relu", {x}, {y}, "relu");
  return graph;
}
}  // namespace

TEST_CASE("floats agree within a share of the output's largest value") {
  Limits limits{1e-4, 0};
  CHECK(compare_outputs("o", floats({1000, 1}), floats({1000, 1.09f}), limits).agrees);
  OutputComparison c = compare_outputs("o", floats({1000, 1, 2}), floats({1000, 1, 2.2f}), limits);
  CHECK_FALSE(c.agrees);
  CHECK(c.place == "[2]");
  CHECK(c.expected == 2);
  CHECK(c.difference == doctest::Approx(0.2));
  CHECK(c.largest == 1000);
}

TEST_CASE("NaN and infinities must stand in the same places") {
  float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  Limits limits;
  CHECK(compare_outputs("o", floats({nan, inf, -inf, 1}), floats({nan, inf, -inf, 1}), limits).agrees);
  CHECK_FALSE(compare_outputs("o", floats({nan}), floats({1}), limits).agrees);
  CHECK_FALSE(compare_outputs("o", floats({1}), floats({nan}), limits).agrees);
  CHECK_FALSE(compare_outputs("o", floats({inf}), floats({-inf}), limits).agrees);
  CHECK_FALSE(compare_outputs("o", floats({inf}), floats({3e38f}), limits).agrees);
}

TEST_CASE("integers must be equal; types and shapes too") {
  CHECK(compare_outputs("o", integers({1, 2}), integers({1, 2}), {}).agrees);
  CHECK_FALSE(compare_outputs("o", integers({100000, 2}), integers({100000, 3}), {1, 1}).agrees);
  CHECK_FALSE(compare_outputs("o", integers({1}), floats({1}), {}).agrees);
  CHECK_FALSE(compare_outputs("o", floats({1, 1}), floats({1}), {}).agrees);
}

TEST_CASE("made-up inputs depend on seed and name alone, and lie where they should") {
  Graph graph = relu_graph();
  Tensor a = seeded_inputs(graph, 1).at("x").tensor, again = seeded_inputs(graph, 1).at("x").tensor, other = seeded_inputs(graph, 2).at("x").tensor;
  CHECK(a == again);
  CHECK_FALSE(a == other);
  CHECK(a.dimensions == std::vector<int64_t>{1, 4});
  CHECK(a.as<float>()[0] == doctest::Approx(0.0).epsilon(1));
  for (float v : a.as<float>()) CHECK((v >= 0 && v < 1));
  graph.value(graph.inputs[0]).type.shape.reset();
  CHECK_THROWS_AS(seeded_inputs(graph, 1), Error);
  const Graph decodes = parse_text(
      "g (uint8[9] x, bool b) => (y) { y = If(b) <then_branch = t () => (p) { [photo] p = ImageDecoder(x) }, "
      "else_branch = e () => (q) { [photo] q = ImageDecoder(x) }> }");
  CHECK_THROWS_WITH_AS(seeded_inputs(decodes, 1), doctest::Contains("'photo' (ImageDecoder)"), Error);
}

TEST_CASE("an artifact is run beside the reference on one or several inputs") {
  Graph graph = relu_graph();
  TensorInfo info{"x", graph.value(graph.inputs[0]).type};
  Echo good(info, 0), bad(info, 0.5f);
  Verification v = verify_artifact(graph, good, limits_for("float32", graph), false, 1);
  CHECK(v.state == Verification::State::agrees);
  CHECK(v.inputs == 1);
  CHECK(verify_artifact(graph, good, limits_for("float32", graph), true, 1).inputs == 7);
  v = verify_artifact(graph, bad, limits_for("float32", graph), true, 1);
  CHECK(v.state == Verification::State::disagrees);
  std::vector<Diagnostic> said = describe_disagreement(v);
  REQUIRE(said.size() == 1);
  CHECK(said[0].text.find("output 'y' differs from the reference engine by 0.5") == 0);
}

TEST_CASE("what rounding alone moves is not held against an artifact") {
  // y is x, but for what rounding does to sums ten thousand times as large.
  Graph graph = parse_text(
      "<ir_version: 10, opset_import: [\"\": 26]> g (float[1, 4] x) => (float[1, 4] y) "
      "<float[4, 4] w = {10000, 0, 0, 0, 0, 10000, 0, 0, 0, 0, 10000, 0, 0, 0, 0, 10000}, float k = {10000}> "
      "{ m = MatMul (x, w) n = Mul (x, k) d = Sub (m, n) y = Add (x, d) }");
  infer_types(graph);
  const TensorInfo info{"x", graph.value(graph.inputs[0]).type};
  const auto judged = [&](float offset, const Limits& limits) {
    Echo artifact(info, offset);
    return verify_artifact(graph, artifact, limits, false, 1);
  };
  Limits limits = limits_for("float32", graph);
  const Verification near = judged(2e-3f, limits), far = judged(0.1f, limits);
  CHECK(near.state == Verification::State::agrees);
  CHECK(near.outputs[0].rounding > 1e-4);
  CHECK(near.outputs[0].rounding < 1e-2);
  CHECK(far.state == Verification::State::disagrees);
  CHECK(describe_disagreement(far)[0].text.find("rounding alone moves it by up to 0.00") != std::string::npos);
  limits.rounding = false;
  CHECK(judged(2e-3f, limits).state == Verification::State::disagrees);
  // A network that does not amplify keeps the limit.
  Echo echo(info, 2e-3f);
  CHECK(verify_artifact(relu_graph(), echo, limits_for("float32", graph), false, 1).state == Verification::State::disagrees);
}

TEST_CASE("quantised outputs are compared by the angle between them") {
  Graph graph = parse_text(
      "<ir_version: 10, opset_import: [\"\": 26]> g (float[4] x) => (float[4] y) <float s = {0.1}> { q = QuantizeLinear (x, s) y = DequantizeLinear "
      "(q, s) }");
  const Limits limits = limits_for("float32", graph);
  CHECK(limits.cosine == doctest::Approx(0.999));
  auto tensor = [](std::vector<float> values) { return Tensor::of<float>(DataType::float32, {4}, std::span<const float>(values)); };
  CHECK(compare_outputs("y", tensor({1, 2, 3, 4}), tensor({1, 2, 3, 4.1F}), limits).agrees);  // one step at a tie
  const OutputComparison other = compare_outputs("y", tensor({1, 2, 3, 4}), tensor({4, 3, 2, 1}), limits);
  CHECK_FALSE(other.agrees);
  CHECK(other.problem.find("cosine") != std::string::npos);
  CHECK_FALSE(compare_outputs("y", tensor({1, 2, 3, 4}), tensor({1, 2, 3, NAN}), limits).agrees);
  CHECK(limits_for("float32", parse_text("<ir_version: 10, opset_import: [\"\": 26]> g (float[4] x) => (float[4] y) { y = Relu (x) }")).cosine == 0);
}
