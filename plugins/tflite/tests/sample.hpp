// A small model that has a bit of everything the reader looks at, made with the plugin's own writer.
#pragma once
#include "../file.hpp"
#include "../operators.hpp"

namespace lathe::tflite::test {

inline Tensor tensor(const std::string& name, Type type, std::vector<int32_t> shape, Quantization q = {}) {
  Tensor t;
  t.name = name;
  t.type = type;
  t.shape = std::move(shape);
  t.quantization = std::move(q);
  return t;
}

template <class T>
Tensor constant(const std::string& name, Type type, std::vector<int32_t> shape, std::vector<T> elements, Quantization q = {}) {
  Tensor t = tensor(name, type, std::move(shape), std::move(q));
  auto kept = std::make_shared<const std::vector<T>>(std::move(elements));
  t.constant = true;
  t.bytes = {reinterpret_cast<const char*>(kept->data()), kept->size() * sizeof(T)};
  t.owner = kept;
  return t;
}

inline Operator operation(std::string_view name, std::vector<int32_t> inputs, std::vector<int32_t> outputs, std::vector<Option> options = {}) {
  Operator op;
  op.code = find_operator(name)->code;
  op.inputs = std::move(inputs);
  op.outputs = std::move(outputs);
  op.options = std::move(options);
  return op;
}

// x [1,4,4,2] int8 -> CONV_2D (per channel) -> RESHAPE -> FULLY_CONNECTED -> DEQUANTIZE -> SOFTMAX -> STRIDED_SLICE -> y
inline Model sample() {
  Model model;
  model.description = "sample";
  Subgraph& g = model.subgraphs.emplace_back();
  g.name = "main";
  const Quantization q{{0.5f}, {3}, 0};
  g.tensors = {tensor("x", Type::int8, {1, 4, 4, 2}, q),
               constant<int8_t>("w", Type::int8, {2, 3, 3, 2}, std::vector<int8_t>(36, 5), {{0.1f, 0.2f}, {0, 0}, 0}),
               constant<int32_t>("b", Type::int32, {2}, {7, -7}, {{0.05f, 0.1f}, {0, 0}, 0}),
               tensor("c", Type::int8, {1, 2, 2, 2}, q),
               constant<int32_t>("shape", Type::int32, {2}, {1, 8}),
               tensor("r", Type::int8, {1, 8}, q),
               constant<int8_t>("m", Type::int8, {3, 8}, std::vector<int8_t>(24, 2), {{0.25f}, {0}, 0}),
               constant<int32_t>("n", Type::int32, {3}, {1, 2, 3}, {{0.125f}, {0}, 0}),
               tensor("f", Type::int8, {1, 3}, q),
               tensor("d", Type::float32, {1, 3}),
               tensor("s", Type::float32, {1, 3}),
               constant<int32_t>("begin", Type::int32, {2}, {0, 1}),
               constant<int32_t>("end", Type::int32, {2}, {1, 3}),
               constant<int32_t>("strides", Type::int32, {2}, {1, 1}),
               tensor("y", Type::float32, {1, 2})};
  g.inputs = {0};
  g.outputs = {14};
  g.operators = {operation("CONV_2D", {0, 1, 2}, {3}, {{"padding", 1, {}}, {"stride_w", 1, {}}, {"stride_h", 1, {}}, {"activation", 1, {}}}),
                 operation("RESHAPE", {3, 4}, {5}, {{"new_shape", 0, {1, 8}}}),
                 operation("FULLY_CONNECTED", {5, 6, 7}, {8}),
                 operation("DEQUANTIZE", {8}, {9}),
                 operation("SOFTMAX", {9}, {10}, {{"beta", 1, {}}}),
                 operation("STRIDED_SLICE", {10, 11, 12, 13}, {14})};
  model.signatures.push_back({"serving_default", 0, {{"x", 0}}, {{"y", 14}}});
  model.metadata.push_back({"min_runtime_version", "1.14.0"});
  return model;
}

}  // namespace lathe::tflite::test
