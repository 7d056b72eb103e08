// What the tests of passes share: graphs from text, comparison of structure and of numbers.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <random>
#include <string>

#include "core/base/diagnostic.hpp"
#include "core/ir/compare.hpp"
#include "core/ir/graph.hpp"
#include "core/ir/text.hpp"
#include "core/ops/operator.hpp"
#include "core/reference/reference.hpp"

namespace lathe::test {

// Does Lathe know every operator? Control flow and random numbers are tested by structure where it does not.
inline bool all_known(const Graph& graph) {
  return std::all_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    const auto inner = subgraphs(node);
    return find_operator(node.domain, node.op_type) && std::all_of(inner.begin(), inner.end(), [](const Graph* g) { return all_known(*g); });
  });
}

inline void infer_if_known(Graph& graph) {
  if (all_known(graph)) infer_types(graph);
}

inline Graph typed(const std::string& text) {
  Graph graph = parse_text(text);
  infer_if_known(graph);
  verify(graph);
  return graph;
}

inline ValueId find_value(const Graph& graph, const std::string& name) {
  for (ValueId v = 0; v < graph.values.size(); ++v) {
    if (graph.values[v].name == name) return v;
  }
  FAIL("no value '" << name << "' in " << to_text(graph));
  return none;
}

inline size_t count(const Graph& graph, std::string_view op_type) {
  size_t n = 0;
  for (const Node& node : graph.nodes) {
    n += node.op_type == op_type;
    for (const Graph* inner : subgraphs(node)) n += count(*inner, op_type);
  }
  return n;
}

// Inputs with static shapes get the same numbers for the same seed: floats in [-2, 2], small integers, booleans.
inline NamedData random_inputs(const Graph& graph, unsigned seed) {
  std::mt19937 random(seed);
  NamedData inputs;
  for (const ValueId v : graph.inputs) {
    const Value& value = graph.value(v);
    REQUIRE(value.type.static_shape());
    Tensor tensor = Tensor::allocate(value.type.element, value.type.dimensions());
    switch (value.type.element) {
      case DataType::float32:
        for (float& f : tensor.as_mutable<float>()) f = static_cast<float>(static_cast<double>(random()) / 1073741824.0 - 2.0);
        break;
      case DataType::int64:
        for (int64_t& i : tensor.as_mutable<int64_t>()) i = static_cast<int64_t>(random() % 7) - 3;
        break;
      case DataType::boolean:
        for (uint8_t& b : tensor.as_mutable<uint8_t>()) b = static_cast<uint8_t>(random() & 1);
        break;
      default:
        FAIL("no random numbers for " << name(value.type.element));
    }
    inputs[value.name] = std::move(tensor);
  }
  return inputs;
}

// Largest difference of two outputs, relative to the largest value or to `scale` where that is larger; exact for what is not float32.
inline double distance(const Tensor& a, const Tensor& b, double scale = 1e-30) {
  if (a.type != b.type || a.dimensions != b.dimensions) return INFINITY;
  if (a.type != DataType::float32) return a == b ? 0 : INFINITY;
  double largest = scale, apart = 0;
  for (size_t i = 0; i < a.as<float>().size(); ++i) {
    const double x = static_cast<double>(a.as<float>()[i]), y = static_cast<double>(b.as<float>()[i]);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    if (!std::isfinite(x) || !std::isfinite(y)) return INFINITY;
    largest = std::max(largest, std::fabs(x));
    apart = std::max(apart, std::fabs(x - y));
  }
  return apart / largest;
}

// Both graphs take the same inputs and give the same outputs, up to `tolerance` of the largest value.
inline void check_same_results(const Graph& before, const Graph& after, double tolerance = 0, unsigned seeds = 3, double scale = 1e-30) {
  if (!all_known(before)) return;
  INFO(to_text(before, 16));
  INFO(to_text(after, 16));
  for (unsigned seed = 0; seed < seeds; ++seed) {
    const auto inputs = random_inputs(before, seed);
    const auto expected = run_reference(before, inputs), found = run_reference(after, inputs);
    REQUIRE(expected.size() == found.size());
    for (const auto& output : expected) {
      CAPTURE(output.first);
      REQUIRE(found.contains(output.first));
      CHECK(distance(output.second.tensor, found.at(output.first).tensor, scale) <= tolerance);
    }
  }
}

// The pass turns one graph into the other, says that it changed something, and finds nothing to do in the result.
template <class Pass>
void check_becomes(Pass pass, const std::string& before, const std::string& after) {
  Graph graph = typed(before);
  CHECK(pass(graph));
  CHECK_NOTHROW(verify(graph));
  infer_if_known(graph);
  INFO(to_text(graph));
  CHECK(difference(typed(after), graph) == "");
  CHECK_FALSE(pass(graph));
}

template <class Pass>
void check_stays(Pass pass, const std::string& text) {
  Graph graph = typed(text);
  CHECK_FALSE(pass(graph));
  INFO(to_text(graph));
  CHECK(difference(typed(text), graph) == "");
}

}  // namespace lathe::test
