// What the tests of operators share: running a model that is written as text, and catching what is said of a bad one.
//
// All expected numbers in this folder were worked out by hand or taken from the standard's examples, never from the kernels.
#pragma once
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "core/base/diagnostic.hpp"
#include "core/ir/graph.hpp"
#include "core/ir/text.hpp"
#include "core/ops/operator.hpp"
#include "core/reference/reference.hpp"

namespace lathe::test {

// The model's only output, after lifting, inference and the reference engine. Everything stands in the text as constants, so there are no inputs.
inline Tensor result(const std::string& text) {
  Graph graph = parse_text(text);
  lift_to_canonical(graph);
  infer_types(graph);
  const NamedData outputs = run_reference(graph, {});
  REQUIRE(outputs.size() == 1);
  return outputs.begin()->second.tensor;
}

template <class T>
std::vector<T> values(const Tensor& tensor) {
  return {tensor.as<T>().begin(), tensor.as<T>().end()};
}

inline void check_floats(const Tensor& found, const std::vector<float>& expected, float tolerance = 1e-6f) {
  REQUIRE(found.type == DataType::float32);
  REQUIRE(size_t(found.size()) == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(found.as<float>()[i] == doctest::Approx(expected[i]).epsilon(double(tolerance)));
  }
}

// What inference says of a bad model: all sentences, one a line; "" when it says nothing.
inline std::string complaint(const std::string& text) {
  try {
    Graph graph = parse_text(text);
    lift_to_canonical(graph);
    infer_types(graph);
    return "";
  } catch (const Error& error) {
    std::string all;
    for (const Diagnostic& d : error.diagnostics) all += d.sentence() + "\n";
    return all;
  }
}
inline void check_complaint(const std::string& text, const std::vector<std::string>& parts) {
  const std::string said = complaint(text);
  CAPTURE(text);
  CAPTURE(said);
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK(said.find(part) != std::string::npos);
  }
}

// The inferred type of the graph's only output, as text.
inline std::string inferred(const std::string& text) {
  Graph graph = parse_text(text);
  lift_to_canonical(graph);
  infer_types(graph);
  return to_string(graph.value(graph.outputs.at(0)).type);
}

}  // namespace lathe::test
