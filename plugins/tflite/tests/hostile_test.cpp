// Damaged and hostile files: each is taken or refused with a sentence. Deterministic; meant for a build with sanitizers too.
#include <doctest/doctest.h>

#include <functional>

#include "hostile_reader.hpp"
#include "sample.hpp"

using namespace lathe::tflite;
using namespace lathe::tflite::test;

namespace {

struct Random {  // SplitMix64
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
};

std::string refusal(const std::function<void(Model&)>& change) {
  Model model = sample();
  change(model);
  const std::string bytes = write_model(model);
  try {
    const Model read = read_model(bytes, "changed.tflite");
    Raising(read, "changed.tflite").run();
  } catch (const lathe::sdk::Failure& failure) {
    return failure.what();
  }
  return "";
}

bool says(const std::string& text, const char* part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("said: " << text);
  return found;
}

}  // namespace

TEST_CASE("the sample itself is taken, and written the same way twice") {
  CHECK(refusal([](Model&) {}).empty());
  CHECK(write_model(sample()) == write_model(sample()));
}

TEST_CASE("what is written is read back") {
  const std::string bytes = write_model(sample());
  const Model model = read_model(bytes, "sample.tflite");
  const Subgraph &a = model.subgraphs[0], b = sample().subgraphs[0];
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    CHECK(a.tensors[i].name == b.tensors[i].name);
    CHECK(a.tensors[i].shape == b.tensors[i].shape);
    CHECK(a.tensors[i].bytes == b.tensors[i].bytes);
    CHECK(a.tensors[i].quantization == b.tensors[i].quantization);
  }
  CHECK(a.operators[0].integer("stride_w") == 1);
  CHECK(a.operators[0].integer("dilation_w") == 1);
  CHECK(*a.operators[1].list("new_shape") == std::vector<int32_t>{1, 8});
  CHECK(model.signatures[0].key == "serving_default");
}

TEST_CASE("a field that is wrong is refused with a sentence that names it") {
  const auto tensor_of = [](Model& m, size_t i) -> Tensor& { return m.subgraphs[0].tensors[i]; };
  const auto op_of = [](Model& m, size_t i) -> Operator& { return m.subgraphs[0].operators[i]; };
  CHECK(says(refusal([&](Model& m) { op_of(m, 0).inputs[0] = 99; }), "does not exist"));
  CHECK(says(refusal([&](Model& m) { op_of(m, 0).inputs[0] = -2; }), "does not exist"));
  CHECK(says(refusal([&](Model& m) { op_of(m, 0).outputs[0] = 0; }), "there already"));
  CHECK(says(refusal([&](Model& m) { std::swap(op_of(m, 0), op_of(m, 1)); }), "not in order"));
  CHECK(says(refusal([&](Model& m) { op_of(m, 0).inputs[0] = 3; }), "not in order"));  // a circle
  CHECK(says(refusal([&](Model& m) { tensor_of(m, 4).shape[0] = 3; }), "another size"));
  CHECK(says(refusal([&](Model& m) { tensor_of(m, 0).shape[1] = -7; }), "negative"));
  CHECK(says(refusal([&](Model& m) { tensor_of(m, 0).shape = {2147483647, 2147483647, 0}; }), "too many elements"));
  CHECK(says(refusal([&](Model& m) { tensor_of(m, 1).quantization.axis = 9; }), "scales"));
  CHECK(says(refusal([&](Model& m) { tensor_of(m, 0).quantization.scales[0] = -1; }), "positive"));
  CHECK(says(refusal([&](Model& m) { m.subgraphs[0].outputs[0] = 77; }), "does not exist"));
  CHECK(says(refusal([&](Model& m) { m.subgraphs.clear(); }), "no subgraph"));
  CHECK(says(refusal([&](Model& m) { m.signatures[0].inputs[0].second = 1000; }), "does not exist"));
  CHECK(says(refusal([&](Model& m) { op_of(m, 0).code = 32, op_of(m, 0).custom = "Mine"; }), "custom"));
  CHECK(says(refusal([&](Model& m) { op_of(m, 0).code = 9999; }), "no counterpart"));
  CHECK(says(refusal([&](Model& m) { op_of(m, 0).options[1].number = 0; }), "below 1"));
  CHECK(says(refusal([&](Model& m) { op_of(m, 0).inputs.clear(); }), "no inputs"));
  CHECK(says(refusal([&](Model& m) { op_of(m, 5).inputs.resize(2); }), ""));
}

TEST_CASE("a second output of an operator that has one, read twice") {
  CHECK(says(refusal([](Model& m) {
               Subgraph& g = m.subgraphs[0];
               for (const char* name : {"nobody's", "p", "q"}) g.tensors.push_back(tensor(name, Type::float32, {1, 3}));
               g.operators[3].outputs.push_back(15);
               g.operators.push_back(operation("ADD", {15, 9}, {16}));
               g.operators.push_back(operation("ADD", {15, 16}, {17}));
             }),
             "nothing makes"));
}

TEST_CASE("every truncation and every byte in turn") {
  const std::string bytes = write_model(sample());
  for (size_t size = 0; size < bytes.size(); size += 3) CHECK_NOTHROW(takes(bytes.substr(0, size)));
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const unsigned char to : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(to);
      CHECK_NOTHROW(takes(changed));
    }
  }
}

TEST_CASE("many bytes at once") {
  const std::string bytes = write_model(sample()) + write_archive({{"metadata.json", "{\"names\": {\"0\": \"a\"}}"}, {"labels.txt", "a\n"}}, 0);
  Random random{1};
  for (int round = 0; round < 3000; ++round) {
    std::string changed = bytes;
    for (uint64_t n = 1 + random.next() % 6; n > 0; --n) changed[random.next() % changed.size()] = static_cast<char>(random.next());
    CHECK_NOTHROW(takes(changed));
  }
}
