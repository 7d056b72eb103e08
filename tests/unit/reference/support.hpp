// What the tests of the reference engine share.
#pragma once
#include <doctest/doctest.h>

#include "core/base/diagnostic.hpp"
#include "core/ir/text.hpp"
#include "core/ops/operator.hpp"
#include "core/reference/reference.hpp"

namespace lathe::test {

inline Graph model(const std::string& text) {
  Graph graph = parse_text(text);
  lift_to_canonical(graph);
  infer_types(graph);
  return graph;
}

inline NamedData run(const std::string& text, const NamedData& inputs = {}) { return run_reference(model(text), inputs); }

inline Tensor floats(std::vector<int64_t> dimensions, std::vector<float> values) {
  return Tensor::of<float>(DataType::float32, std::move(dimensions), values);
}
inline Tensor integers(std::vector<int64_t> dimensions, std::vector<int64_t> values) {
  return Tensor::of<int64_t>(DataType::int64, std::move(dimensions), values);
}
inline Tensor truth(bool value) {
  const uint8_t byte = value;
  return Tensor::of<uint8_t>(DataType::boolean, {}, {&byte, 1});
}

// What the run says when it fails.
inline std::string failure(const std::string& text, const NamedData& inputs = {}) {
  try {
    run(text, inputs);
  } catch (const Error& error) {
    return error.diagnostics.front().sentence();
  }
  return "";
}

}  // namespace lathe::test
