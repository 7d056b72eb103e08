// Constants in every form that ONNX has for them arrive as the same elements: raw, in typed fields, sparse, as a Constant node's attribute.
#include <doctest/doctest.h>

#include <fstream>

#include "models.hpp"
#include "reader.hpp"

namespace lathe::fuzz {
namespace {

// The constant "c" of a model, as it is imported.
Tensor constant_of(const Message& model) {
  Reader reader;
  const std::string path = reader.folder() + "/model.onnx";
  std::ofstream(path, std::ios::binary).write(model.bytes().data(), static_cast<std::streamsize>(model.bytes().size()));
  const Graph graph = import_model(reader.plugins(), path, {});
  for (const Value& value : graph.values) {
    if (value.name != "c" || !value.constant) continue;
    Tensor copy = Tensor::allocate(value.constant->type, value.constant->dimensions);  // the bytes go with the reader
    if (copy.bytes.size) std::memcpy(copy.as_mutable<std::byte>().data(), value.constant->bytes.data, copy.bytes.size);
    copy.strings = value.constant->strings;
    return copy;
  }
  FAIL("the constant is gone");
  return {};
}

// An initializer "c" that is handed on, so that it stays.
Tensor initializer(const Message& tensor, int64_t type, const std::vector<int64_t>& dimensions) {
  GraphParts graph;
  graph.initializers = {tensor};
  graph.inputs = {value("b", 9, {})};
  graph.outputs = {value("y", type, dimensions)};
  graph.nodes = {node("Identity", {"c"}, {"y"})};
  return constant_of(model(graph, 25, 13));
}

std::string bytes(const Tensor& tensor) { return {reinterpret_cast<const char*>(tensor.bytes.data), tensor.bytes.size}; }

Message typed(int64_t type, const std::vector<int64_t>& dimensions, uint32_t field, const std::vector<int64_t>& numbers) {
  Message m;
  for (const int64_t d : dimensions) m.integer(1, d);
  m.integer(2, type);
  for (const int64_t n : numbers) m.integer(field, n);
  return m.text(8, "c");
}

struct Form {
  const char* name;
  int64_t type;
  std::vector<int64_t> dimensions;
  uint32_t field;  // int32_data 5, int64_data 7, uint64_data 11
  std::vector<int64_t> numbers;
  std::string bytes;
};

TEST_CASE("typed fields") {
  using namespace std::string_literals;
  const Form forms[] = {
      {"uint8", 2, {2}, 5, {0, 255}, "\x00\xff"s},
      {"int8", 3, {2}, 5, {-128, 127}, "\x80\x7f"s},
      {"uint16", 4, {1}, 5, {65535}, "\xff\xff"s},
      {"int16", 5, {1}, 5, {-2}, "\xfe\xff"s},
      {"int32", 6, {1}, 5, {-3}, "\xfd\xff\xff\xff"s},
      {"int64", 7, {1}, 7, {-1}, "\xff\xff\xff\xff\xff\xff\xff\xff"s},
      {"bool", 9, {3}, 5, {0, 1, 7}, "\x00\x01\x01"s},
      {"float16", 10, {2}, 5, {0x3c00, 0xfc00}, "\x00\x3c\x00\xfc"s},
      {"uint32", 12, {1}, 11, {0xffffffff}, "\xff\xff\xff\xff"s},
      {"uint64", 13, {1}, 11, {-1}, "\xff\xff\xff\xff\xff\xff\xff\xff"s},
      {"bfloat16", 16, {2}, 5, {0x3f80, 0xff80}, "\x80\x3f\x80\xff"s},
      {"float8e4m3fn", 17, {2}, 5, {0x7e, 0xfe}, "\x7e\xfe"s},
      {"float8e4m3fnuz", 18, {1}, 5, {0x80}, "\x80"s},
      {"float8e5m2", 19, {1}, 5, {0x7b}, "\x7b"s},
      {"float8e5m2fnuz", 20, {1}, 5, {0xff}, "\xff"s},
      {"uint4", 21, {3}, 5, {0xf1, 0x0f}, "\xf1\x0f"s},
      {"int4", 22, {2, 2}, 5, {0x8f, 0x70}, "\x8f\x70"s},
      {"float4e2m1", 23, {1}, 5, {0x07}, "\x07"s},
      {"float8e8m0", 24, {2}, 5, {0, 254}, "\x00\xfe"s},
      {"uint2", 25, {5}, 5, {0xe4, 0x03}, "\xe4\x03"s},
      {"int2", 26, {4}, 5, {0x1b}, "\x1b"s},
  };
  for (const Form& form : forms) {
    INFO(form.name);
    const Tensor from_field = initializer(typed(form.type, form.dimensions, form.field, form.numbers), form.type, form.dimensions);
    CHECK(int64_t(from_field.type) == form.type);
    CHECK(name(from_field.type) == (form.type == 11 ? "double" : form.name));
    CHECK(from_field.dimensions == form.dimensions);
    CHECK(bytes(from_field) == form.bytes);
    Message raw;
    for (const int64_t d : form.dimensions) raw.integer(1, d);
    CHECK(bytes(initializer(raw.integer(2, form.type).text(8, "c").text(9, form.bytes), form.type, form.dimensions)) == form.bytes);
  }
}

TEST_CASE("strings") {
  const Tensor tensor = initializer(Message().integer(1, 2).integer(2, 8).text(6, "a\xc3\xa4").text(6, "").text(8, "c"), 8, {2});
  REQUIRE(tensor.strings);
  CHECK(*tensor.strings == std::vector<std::string>{"a\xc3\xa4", ""});
}

// values [5, 6] at places 1 and 3 of a 2x3 matrix, once by places and once by coordinates.
TEST_CASE("sparse tensors are spread out") {
  const std::vector<float> dense = {0, 5, 0, 6, 0, 0};
  const std::string expected(reinterpret_cast<const char*>(dense.data()), dense.size() * sizeof(float));
  const Message values = tensor<float>("c", 1, {2}, {5, 6});
  for (const Message& indices : {tensor<int64_t>("", 7, {2}, {1, 3}), tensor<int64_t>("", 7, {2, 2}, {0, 1, 1, 0})}) {
    const Message sparse = Message().message(1, values).message(2, indices).integer(3, 2).integer(3, 3);
    Message parts = GraphParts{{node("Identity", {"c"}, {"y"})}, {}, {value("b", 9, {})}, {value("y", 1, {2, 3})}};
    parts.message(15, sparse);
    CHECK(bytes(constant_of(model(parts))) == expected);

    GraphParts constant;
    constant.nodes = {node("Constant", {}, {"c"}, {Message().text(1, "sparse_value").message(22, sparse).integer(20, 11)}),
                      node("Identity", {"c"}, {"y"})};
    constant.inputs = {value("b", 9, {})};
    constant.outputs = {value("y", 1, {2, 3})};
    CHECK(bytes(constant_of(model(constant))) == expected);
  }
}

TEST_CASE("types that Lathe has no values of are refused by name") {
  const Message map = Message().message(5, Message().integer(1, 7).message(2, Message().message(1, Message().integer(1, 1))));
  GraphParts graph;
  graph.inputs = {value("x", 1, {2})};
  graph.outputs = {value("y", 1, {2}), Message().text(1, "m").message(2, Message().message(4, Message().message(1, map)))};
  graph.nodes = {node("Neg", {"x"}, {"y"}), node("Neg", {"x"}, {"m"})};
  Reader reader;
  const Outcome outcome = reader.read(model(graph).bytes());
  CHECK(outcome.code == Code::failed);
  CHECK_MESSAGE(outcome.told().find("'m': its type is seq(map(int64,tensor(float)))") != std::string::npos, outcome.told());
}

TEST_CASE("operators of unknown domains are refused by name") {
  GraphParts graph;
  graph.inputs = {value("x", 1, {2})};
  graph.outputs = {value("y", 1, {2})};
  graph.nodes = {node("Neg", {"x"}, {"a"}), Message().text(1, "a").text(2, "y").text(4, "Frobnicate").text(7, "acme.example")};
  Reader reader;
  const Outcome outcome = reader.read(model(graph).bytes());
  CHECK(outcome.code == Code::unsupported);
  CHECK_MESSAGE(outcome.told().find("acme.example") != std::string::npos, outcome.told());
}

}  // namespace
}  // namespace lathe::fuzz
