// For the planner's tests: small models are built as graphs of the core, planned, interpreted and compared with the reference engine.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "core/ir/graph.hpp"
#include "core/ops/operator.hpp"
#include "core/plugin/plugins.hpp"
#include "core/reference/reference.hpp"
#include "plan/plan.hpp"
#include "plan_interpreter.hpp"

namespace lathe::llvm_cpu::test {

inline Machine machine_with_block(int block) {
  Machine machine;
  machine.vector_floats = block;
  machine.vector_registers = block == 16 ? 32 : 16;
  machine.fused_multiply_add = block > 4;
  return machine;
}

struct Model {
  Graph graph;
  std::mt19937 random;

  explicit Model(unsigned seed = 1) : random(seed) { graph.opsets[""] = canonical_opset; }

  static Shape shape(const std::vector<int64_t>& dimensions) { return {dimensions.begin(), dimensions.end()}; }
  std::vector<float> values(int64_t size, float scale = 1) {
    std::uniform_real_distribution<float> uniform(-scale, scale);
    std::vector<float> result(static_cast<size_t>(size));
    for (float& v : result) v = uniform(random);
    return result;
  }
  static int64_t count(const std::vector<int64_t>& dimensions) {
    int64_t n = 1;
    for (const int64_t d : dimensions) n *= d;
    return n;
  }

  ValueId input(const std::vector<int64_t>& dimensions) {
    const ValueId id = graph.add_value("input" + std::to_string(graph.inputs.size()), {ValueKind::tensor, DataType::float32, shape(dimensions)});
    graph.inputs.push_back(id);
    return id;
  }
  ValueId floats(const std::vector<int64_t>& dimensions, const std::vector<float>& elements) {
    return graph.add_constant("constant", lathe::Tensor::of<float>(DataType::float32, dimensions, elements));
  }
  ValueId weights(const std::vector<int64_t>& dimensions, float scale = 1) { return floats(dimensions, values(count(dimensions), scale)); }
  ValueId scalar(float value) { return floats({}, {value}); }
  ValueId ints(const std::vector<int64_t>& elements) {
    return graph.add_constant("integers", lathe::Tensor::of<int64_t>(DataType::int64, {static_cast<int64_t>(elements.size())}, elements));
  }
  using Attributes = std::vector<std::pair<std::string, Attribute>>;
  static std::pair<std::string, Attribute> set(std::string name, std::initializer_list<int64_t> ints) {
    return set(std::move(name), std::vector(ints));
  }
  static std::pair<std::string, Attribute> set(std::string name, std::vector<int64_t> ints) { return {std::move(name), Attribute{std::move(ints)}}; }
  static std::pair<std::string, Attribute> set(std::string name, int64_t value) { return {std::move(name), Attribute{value}}; }
  static std::pair<std::string, Attribute> set(std::string name, float value) { return {std::move(name), Attribute{value}}; }
  static std::pair<std::string, Attribute> set(std::string name, std::string text) { return {std::move(name), Attribute{std::move(text)}}; }

  std::vector<ValueId> nodes(const std::string& op_type, std::vector<ValueId> inputs, size_t outputs, const Attributes& attributes = {}) {
    std::vector<ValueId> made;
    for (size_t i = 0; i < outputs; ++i) made.push_back(graph.add_value("value" + std::to_string(graph.values.size())));
    Node& node = graph.add_node(op_type, std::move(inputs), made);
    for (const auto& [name, value] : attributes) node.attributes.emplace(name, value);
    infer_types(graph);
    return made;
  }
  ValueId node(const std::string& op_type, std::vector<ValueId> inputs, const Attributes& attributes = {}) {
    return nodes(op_type, std::move(inputs), 1, attributes)[0];
  }
  void output(ValueId id) { graph.outputs.push_back(id); }

  std::vector<int64_t> dimensions(ValueId id) const { return graph.value(id).type.dimensions(); }

  // A convolution with random weights and "same" padding.
  ValueId convolution(ValueId x, int64_t channels, int64_t kernel = 1, int64_t stride = 1, int64_t groups = 1, bool bias = true) {
    const std::vector<int64_t> d = dimensions(x);
    const int64_t inputs = d[1] / groups, pad = kernel / 2;
    const bool flat = d.size() == 3;
    std::vector<int64_t> shape{channels, inputs, kernel};
    if (!flat) shape.push_back(kernel);
    std::vector<ValueId> operands{x, weights(shape, 2 / std::sqrt(static_cast<float>(inputs * kernel * (flat ? 1 : kernel))))};
    if (bias) operands.push_back(weights({channels}));
    return node(
        "Conv", operands,
        {set("group", groups), set("pads", std::vector<int64_t>(flat ? 2 : 4, pad)), set("strides", std::vector<int64_t>(flat ? 1 : 2, stride))});
  }
};

// Plans the model, runs the plan and compares every output with the reference engine's.
inline Program check(Model& model, const Machine& machine) {
  infer_types(model.graph);
  verify(model.graph);
  const Snapshot snapshot(model.graph);
  Program program = plan(snapshot.get(), machine);
  lathe::NamedData inputs;
  std::vector<Bytes> bytes;
  for (const ValueId id : model.graph.inputs) {
    const std::vector<int64_t> d = model.dimensions(id);
    const lathe::Tensor tensor = lathe::Tensor::of<float>(DataType::float32, d, model.values(Model::count(d)));
    inputs[model.graph.value(id).name] = tensor;
    const auto* data = reinterpret_cast<const uint8_t*>(tensor.bytes.data);
    bytes.emplace_back(data, data + tensor.bytes.size);
  }
  const lathe::NamedData expected = run_reference(model.graph, inputs);
  const std::vector<Bytes> found = interpret(program, machine, bytes);
  for (size_t i = 0; i < found.size(); ++i) {
    const lathe::Tensor& reference = expected.at(program.outputs[i].name).tensor;
    REQUIRE(found[i].size() == reference.bytes.size);
    if (reference.type != DataType::float32) {
      CHECK(std::equal(found[i].begin(), found[i].end(), reinterpret_cast<const uint8_t*>(reference.bytes.data)));
      continue;
    }
    const std::span<const float> e = reference.as<float>();
    const auto* f = reinterpret_cast<const float*>(found[i].data());
    float largest = 1e-6f, difference = 0;
    for (size_t k = 0; k < e.size(); ++k) {
      largest = std::max(largest, std::fabs(e[k]));
      const float d = std::fabs(e[k] - f[k]);
      if (!(d <= difference)) difference = d;  // also takes NaN
    }
    INFO("output ", program.outputs[i].name, ", block ", machine.block());
    CHECK(difference <= 2e-5f * largest);
  }
  return program;
}
inline Program check(Model& model, int block = 16) { return check(model, machine_with_block(block)); }

template <class Kernel>
size_t steps_of(const Program& program) {
  return static_cast<size_t>(
      std::count_if(program.steps.begin(), program.steps.end(), [](const Step& s) { return std::holds_alternative<Kernel>(s.kernel); }));
}
inline size_t copies_in(const Program& program) {
  return static_cast<size_t>(std::count_if(program.steps.begin(), program.steps.end(), [](const Step& s) {
    const auto* e = std::get_if<Elementwise>(&s.kernel);
    return e && e->expression.instructions.empty();
  }));
}

}  // namespace lathe::llvm_cpu::test
