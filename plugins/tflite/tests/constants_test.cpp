// Constants that are held in a special way, sparse or four bits each, and subgraphs: what is read of them.
#include <doctest/doctest.h>

#include "../raise/raising.hpp"
#include "../sparse.hpp"
#include "sample.hpp"
#include "schema_generated.h"

using namespace lathe;
using namespace lathe::tflite;
using namespace lathe::tflite::test;

namespace {

std::string_view bytes(const std::vector<uint8_t>& v) { return {reinterpret_cast<const char*>(v.data()), v.size()}; }

// What is said of the model when it becomes a graph; empty when it does.
std::string said_of(const Model& model) {
  try {
    Raising(model, "model.tflite").run();
    return {};
  } catch (const sdk::Failure& failure) {
    return failure.what();
  }
}

// A model whose only operator is that one, on float32 [2].
Model model_of(Operator op) {
  Model model;
  Subgraph& g = model.subgraphs.emplace_back();
  g.name = "main";
  g.tensors = {tensor("go", Type::boolean, {}), tensor("x", Type::float32, {2}), tensor("y", Type::float32, {2})};
  g.inputs = {0, 1};
  g.outputs = {2};
  g.operators = {std::move(op)};
  return model;
}

}  // namespace

TEST_CASE("compressed rows become dense") {
  // 0 5 0 0 / 0 0 0 0 / 7 0 0 9
  const Sparsity rows{{0, 1}, {}, {{false, 3, {}, {}}, {true, 0, {0, 1, 1, 3}, {1, 0, 3}}}};
  std::string why;
  const std::vector<uint8_t> elements{5, 7, 9}, dense{0, 5, 0, 0, 0, 0, 0, 0, 7, 0, 0, 9};
  CHECK(densified(rows, {3, 4}, 1, bytes(elements), why) == bytes(dense));
  CHECK(why.empty());
}

TEST_CASE("blocks lie within the axes they belong to") {
  // Blocks of 2 by 2: the second of the first row of blocks, the first of the second.
  const Sparsity blocks{{0, 1, 2, 3}, {0, 1}, {{false, 2, {}, {}}, {true, 0, {0, 1, 2}, {1, 0}}, {false, 2, {}, {}}, {false, 2, {}, {}}}};
  std::string why;
  const std::vector<uint8_t> elements{1, 2, 3, 4, 5, 6, 7, 8}, dense{0, 0, 1, 2, 0, 0, 3, 4, 5, 6, 0, 0, 7, 8, 0, 0};
  CHECK(densified(blocks, {4, 4}, 1, bytes(elements), why) == bytes(dense));
}

TEST_CASE("descriptions that do not hold together are said") {
  const std::vector<uint8_t> elements{5, 7, 9};
  const Sparsity good{{0, 1}, {}, {{false, 3, {}, {}}, {true, 0, {0, 1, 1, 3}, {1, 0, 3}}}};
  const auto fails = [&](auto change, std::vector<int32_t> shape = {3, 4}) {
    Sparsity bad = good;
    change(bad);
    std::string why;
    return densified(bad, shape, 1, bytes(elements), why).empty() && !why.empty();
  };
  CHECK(fails([](Sparsity& s) { s.axes[1].indices[2] = 4; }));
  CHECK(fails([](Sparsity& s) { s.axes[1].indices[0] = -1; }));
  CHECK(fails([](Sparsity& s) { s.axes[1].segments[3] = 4; }));
  CHECK(fails([](Sparsity& s) { s.axes[1].segments = {0, 1}; }));
  CHECK(fails([](Sparsity& s) { s.axes[0].size = 5; }));
  CHECK(fails([](Sparsity& s) { s.axes[0].size = 0; }));
  CHECK(fails([](Sparsity& s) { s.order = {0, 0}; }));
  CHECK(fails([](Sparsity& s) { s.blocks = {2}; }));
  CHECK(fails([](Sparsity& s) { s.axes.pop_back(); }));
  CHECK(fails([](Sparsity&) {}, {3, 1 << 20}));
}

TEST_CASE("a sparse constant of a file is read as the numbers it stands for") {
  flatbuffers::FlatBufferBuilder b;
  const auto segments = format::CreateNumbers16(b, b.CreateVector(std::vector<uint16_t>{0, 1, 2})).Union();
  const auto indices = format::CreateNumbers8(b, b.CreateVector(std::vector<uint8_t>{1, 0})).Union();
  const flatbuffers::Offset<format::Opaque> one(segments.o), two(indices.o);
  const auto rows = format::CreateSparseDimension(b, 0, 2), columns = format::CreateSparseDimension(b, 1, 0, 2, one, 3, two);
  const auto order = b.CreateVector(std::vector<int32_t>{0, 1});
  const auto axes = b.CreateVector(std::vector<flatbuffers::Offset<format::SparseDimension>>{rows, columns});
  const auto sparsity = format::CreateSparsity(b, order, 0, axes);
  const auto shape = b.CreateVector(std::vector<int32_t>{2, 2});
  const auto w = format::CreateTensor(b, shape, static_cast<int8_t>(Type::int8), 1, b.CreateString("w"), 0, false, sparsity);
  const auto tensors = b.CreateVector(std::vector<flatbuffers::Offset<format::Tensor>>{w});
  const auto none = b.CreateVector(std::vector<int32_t>{}), output = b.CreateVector(std::vector<int32_t>{0});
  const auto graph = format::CreateSubGraph(b, tensors, none, output);
  const auto graphs = b.CreateVector(std::vector<flatbuffers::Offset<format::SubGraph>>{graph});
  const auto nothing = format::CreateBuffer(b), held = format::CreateBuffer(b, b.CreateVector(std::vector<uint8_t>{3, 4}));
  const auto buffers = b.CreateVector(std::vector<flatbuffers::Offset<format::Buffer>>{nothing, held});
  format::FinishModelBuffer(b, format::CreateModel(b, 3, 0, graphs, 0, buffers));
  alignas(16) char file[1024];
  REQUIRE(b.GetSize() <= sizeof file);
  std::memcpy(file, b.GetBufferPointer(), b.GetSize());
  const Model model = read_model({file, b.GetSize()}, "sparse.tflite");
  const Tensor& t = model.subgraphs[0].tensors[0];
  CHECK(t.sparse);
  const std::vector<uint8_t> dense{0, 3, 4, 0};
  CHECK(t.bytes == bytes(dense));
}

TEST_CASE("4-bit constants become integers of 8 bits, the lower half of a byte first") {
  Model model;
  Subgraph& g = model.subgraphs.emplace_back();
  g.tensors = {tensor("x", Type::float32, {3}), constant<uint8_t>("w", Type::int4, {3}, {0x8F, 0x07}, {{0.5f}, {0}, 0}),
               tensor("y", Type::float32, {3})};
  g.inputs = {0};
  g.outputs = {2};
  g.operators = {operation("MUL", {0, 1}, {2})};
  sdk::GraphBuilder graph = Raising(model, "model.tflite").run();
  const lathe_graph& c = graph.layout();
  bool found = false;
  for (size_t i = 0; i < c.tensor_count; ++i) {
    const lathe_tensor& t = c.tensors[i];
    if (t.type != LATHE_INT8 || t.size != 3) continue;
    const auto* elements = static_cast<const int8_t*>(t.data);
    found |= elements[0] == -1 && elements[1] == -8 && elements[2] == 7;
  }
  CHECK(found);
}

TEST_CASE("subgraphs that hold each other in a circle, or are not there, are refused") {
  Model model = model_of(operation("IF", {0, 1}, {2}, {{"then_subgraph", 1, {}}, {"else_subgraph", 1, {}}}));
  Subgraph body;
  body.name = "body";
  body.tensors = {tensor("x", Type::float32, {2}), tensor("y", Type::float32, {2})};
  body.inputs = {0};
  body.outputs = {1};
  body.operators = {operation("NEG", {0}, {1})};
  model.subgraphs.push_back(body);
  CHECK(said_of(model).empty());
  CHECK(said_of(model_of(operation("IF", {0, 1}, {2}, {{"then_subgraph", 1, {}}, {"else_subgraph", 1, {}}}))).find("does not exist") !=
        std::string::npos);
  CHECK(said_of(model_of(operation("WHILE", {1}, {2}, {{"cond_subgraph", 0, {}}, {"body_subgraph", 0, {}}}))).find("does not exist") !=
        std::string::npos);
  model.subgraphs[1].operators = {operation("WHILE", {0}, {1}, {{"cond_subgraph", 1, {}}, {"body_subgraph", 1, {}}})};
  CHECK(said_of(model).find("circle") != std::string::npos);
}

TEST_CASE("what keeps state between runs is named and refused") {
  CHECK(said_of(model_of(operation("READ_VARIABLE", {1}, {2}))).find("keeps a variable between runs") != std::string::npos);
  CHECK(said_of(model_of(operation("HASHTABLE_FIND", {1}, {2}))).find("keeps a table between runs") != std::string::npos);
}
